import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from mrinb.errors import MrinbError
from mrinb.paper import FINDINGS
from mrinb.stats import bootstrap, claims, register
from mrinb.tables import noted


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(bootstrap, "REPLICATES", 500)


def table(
    means, seeds=(0, 1, 2), subjects=12, slices=4, shift="contrast", model="unet", noise=0.0,
    seed_noise=0.0, subject_noise=0.0, foreground=None, rng=None,
):  # fmt: skip
    """Score table: ``means[pool][target]`` is the true mean; noise is drawn for each pool."""
    rng = rng or np.random.default_rng(0)
    ease = rng.normal(0, 0.05, (2, subjects, slices))  # how hard a slice is, for all pools alike
    rows = []
    for pool, on in means.items():
        zero = pool == claims.ZERO_FILLED
        for t, (target, mean) in enumerate(on.items()):
            by_subject = rng.normal(0, subject_noise, subjects)
            for seed in (-1,) if zero else seeds:
                by_seed = rng.normal(0, seed_noise)
                for i in range(subjects):
                    for j in range(slices):
                        score = mean + ease[t, i, j] + by_seed + by_subject[i]
                        score += rng.normal(0, noise)
                        shift_fg = (foreground or {}).get(pool, 0.0)
                        rows.append(
                            (pool, pool if zero else model, seed, 5, f"d{target}", "test", target,
                             shift, f"v{target}{i}", f"s{i}", j, 4, score, score + shift_fg)
                        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(claims.COLUMNS))


GOOD = {
    "P": {"P": 0.90, "Q": 0.80},
    "Q": {"P": 0.85, "Q": 0.92},
    "P+Q": {"P": 0.901, "Q": 0.921},
    "half of P+Q": {"P": 0.899, "Q": 0.919},
    "zero-filled": {"P": 0.7, "Q": 0.7},
}
QUIET = {"noise": 0.002, "seed_noise": 0.0005, "subject_noise": 0.001}


def changed(pool, target, value):
    return {p: {**on, **({target: value} if p == pool else {})} for p, on in GOOD.items()}


@pytest.mark.parametrize(
    "claim",
    ["joint-equals-separate", "half-joint-equals-separate", "shift-is-there", "beats-zero-filled"],
)
def test_claims_of_section_3_hold_where_they_are_true(claim):
    verdict = claims.check(claim, table(GOOD, **QUIET))
    assert verdict.verdict == "holds"
    assert verdict.seeds == 3 and verdict.subjects == 12
    assert verdict.interval[0] < verdict.estimate < verdict.interval[1]


@pytest.mark.parametrize(
    ("claim", "means"),
    [
        ("joint-equals-separate", changed("P+Q", "Q", 0.88)),
        ("half-joint-equals-separate", changed("half of P+Q", "P", 0.86)),
        ("shift-is-there", changed("P", "Q", 0.95)),
        ("beats-zero-filled", changed("P", "Q", 0.65)),
    ],
)
def test_claims_of_section_3_fail_where_they_are_false(claim, means):
    verdict = claims.check(claim, table(means, **QUIET))
    assert verdict.verdict == "does not hold"
    assert verdict.interval[1] < 0


def test_noise_beyond_the_margin_is_undecided():
    verdict = claims.check("joint-equals-separate", table(GOOD, seed_noise=0.05))
    assert verdict.verdict == "undecided"


@pytest.mark.parametrize(
    ("unseen", "same_size", "own", "words"),
    [
        (0.85, 0.84, 0.90, ["holds", "holds", "holds"]),
        (0.75, 0.75, 0.85, ["does not hold"] * 3),
        (0.85, 0.78, 0.90, ["holds", "does not hold", "holds"]),
    ],
)
def test_claims_of_the_introduction(unseen, same_size, own, words):
    means = {
        "narrow": {"P": 0.90, "Q": 0.80},
        "diverse": {"P": own, "Q": unseen},
        "diverse, same size": {"P": own, "Q": same_size},
    }
    scores = table(means, **QUIET)
    ids = [c.id for c in claims.CLAIMS.values() if c.chapter == "01"]
    assert [claims.check(i, scores).verdict for i in ids] == words


@pytest.mark.parametrize("few", [{"seeds": (0, 1)}, {"subjects": 7}, {"seeds": (0,)}])
def test_few_seeds_or_subjects_are_underpowered_however_clear_the_numbers(few):
    for claim in ("joint-equals-separate", "shift-is-there"):
        verdict = claims.check(claim, table(GOOD, **few))
        assert verdict.verdict == "underpowered"
        assert "needs 3 seeds and 8 test subjects" in verdict.text


def test_a_verdict_that_only_the_background_supports_says_so():
    scores = table(GOOD, foreground={"P+Q": -0.06}, **QUIET)
    verdict = claims.check("joint-equals-separate", scores)
    assert verdict.verdict == "depends on background"
    assert {e.verdict for e in verdict.effects} == {"holds", "does not hold"}


def test_pairing_removes_what_pools_share():
    scores = table(GOOD, subject_noise=0.0005)  # slices differ by 0.05, pools by 0.001
    effect = claims.check("joint-equals-separate", scores).effects[0]
    assert effect.high - effect.low < 0.002
    assert effect.estimate == pytest.approx(0.001, abs=0.0005)


def test_margin_grows_with_the_severity_of_the_shift_on_each_metric():
    effects = claims.check("joint-equals-separate", table(GOOD)).effects
    margins = {(e.target, e.metric): e.margin for e in effects}
    assert margins["P", "ssim"] == pytest.approx((0.901 - 0.85) / 10)
    assert margins["Q", "ssim"] == pytest.approx((0.921 - 0.80) / 10)
    mild = claims.check("joint-equals-separate", table(changed("P", "Q", 0.90))).effects
    assert {e.margin for e in mild if e.target == "Q"} == {claims.MARGIN}


def test_several_shifts_and_models_are_parts_and_the_worst_decides():
    scores = pd.concat(
        [
            table(GOOD, shift="contrast", **QUIET),
            table(changed("P+Q", "P", 0.8), shift="field", **QUIET),
            table(GOOD, shift="contrast", model="vit", **QUIET),
        ]
    ).drop_duplicates(["pool", "model", "shift", "target", "seed", "volume", "slice"])
    verdict = claims.check("joint-equals-separate", scores)
    assert verdict.verdict == "does not hold"
    assert verdict.parts == "holds in 5 of 6; does not hold: field on P (U-net)"
    assert verdict.parts in verdict.text
    assert "P of field (U-net)" in verdict.text
    assert len(verdict.table()) == 12


def test_same_scores_same_verdict_in_any_row_order():
    scores = table(GOOD, **QUIET)
    first = claims.check("joint-equals-separate", scores)
    second = claims.check("joint-equals-separate", scores.sample(frac=1, random_state=1))
    assert first.table().equals(second.table())


def test_only_the_last_epoch_and_the_test_split_count():
    scores = table(GOOD, **QUIET)
    early = scores.assign(epoch=1, ssim=0.1, ssim_foreground=0.1)
    val = scores.assign(split="val", ssim=0.2, ssim_foreground=0.2)
    both = claims.check("joint-equals-separate", pd.concat([early, val, scores]))
    assert both.table().equals(claims.check("joint-equals-separate", scores).table())


def test_only_seeds_that_both_pools_have_are_compared():
    scores = table(GOOD, seeds=(0, 1, 2, 3), **QUIET)
    scores = scores[~((scores["pool"] == "P+Q") & (scores["seed"] == 3))]
    assert claims.check("joint-equals-separate", scores).seeds == 3


def test_labels_of_another_series_can_be_given():
    means = {**GOOD, "P+Q at equal steps": {"P": 0.8, "Q": 0.8}}
    scores = table(means, **QUIET)
    assert claims.check("joint-equals-separate", scores).verdict == "holds"
    at_equal_steps = claims.check("joint-equals-separate", scores, joint="P+Q at equal steps")
    assert at_equal_steps.verdict == "does not hold"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop(columns="ssim_foreground"), "lacks column 'ssim_foreground'"),
        (lambda t: t.assign(split="val"), "no rows of split 'test'"),
        (lambda t: t.assign(ssim=t["ssim"].where(t.index != 5)), "is nan"),
        (lambda t: t.assign(ssim_foreground=np.inf), "is inf"),
        (lambda t: t.assign(subject=None), "without subject"),
        (lambda t: t[t["pool"] != "Q"], "no rows of pool 'Q'"),
        (lambda t: t[(t["pool"] != "P") | (t["slice"] != 0)], "different slices"),
        (lambda t: t.drop(index=5), "not all tested on the same slices"),
        (lambda t: pd.concat([t, t]), "twice"),
        (lambda t: t.assign(seed=t["seed"] + 10 * (t["pool"] == "P")), "share no seed"),
        (lambda t: t.assign(acceleration=np.where(t["pool"] == "P", 4, 8)), "accelerations"),
        (lambda t: t[t["pool"] == "zero-filled"], "no trained model"),
    ],
)
def test_tables_that_cannot_be_judged_are_refused_in_one_line(spoil, words):
    with pytest.raises(MrinbError) as error:
        claims.check("joint-equals-separate", spoil(table(GOOD)))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_unknown_claims_and_options_name_the_nearest():
    with pytest.raises(MrinbError, match="did you mean joint-equals-separate"):
        claims.check("joint-equal-separate", table(GOOD))
    with pytest.raises(MrinbError, match="did you mean joint"):
        claims.check("joint-equals-separate", table(GOOD), joined="x")


class _Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_verdict_shows_itself_as_text_and_as_an_accessible_table():
    note = {"data": "simulated data", "profile": "classroom"}
    scores = noted(table(GOOD, shift="<b>contrast", **QUIET), note)
    verdict = claims.check("joint-equals-separate", scores)
    assert verdict.note["data"] == "simulated data"
    assert str(verdict).startswith("joint-equals-separate: holds")
    page = _Text()
    page.feed(verdict._repr_html_())
    assert page.open == []
    assert "<b>contrast" in page.text and "holds" in page.text
    scopes = [a.get("scope") for t, a in page.tags if t == "th"]
    assert scopes == ["col"] * 7 + ["row"] * 4
    assert verdict._repr_mimebundle_() == {claims.VERDICT_MIME: verdict.words()}
    assert {"summary", "details"} <= {t for t, _ in page.tags}
    assert page.text.startswith("Yes, here it holds. One model trained on P and Q")
    assert "(the paper's claim: Section 3, Figure 3)" in page.text


def test_words_carry_what_a_scoreboard_needs_and_are_json():
    verdict = claims.check("joint-equals-separate", table(GOOD, **QUIET))
    words = json.loads(json.dumps(verdict.words()))
    claim = claims.CLAIMS[verdict.id]
    assert words == verdict.words()
    assert (words["statement"], words["paper"]) == (claim.statement, claim.paper)
    assert (words["verdict"], words["pooled_verdict"]) == ("holds", "holds")
    assert (words["control"], words["finding"]) == (False, "one network")
    assert (words["count"], words["parts"]) == (2, "holds in both parts")
    assert [p["metric"] for p in words["pooled"]] == list(claims.METRICS)
    assert all(p["low"] < p["estimate"] < p["high"] for p in words["pooled"])
    assert (words["needed"], words["printed"]) == ("", None)
    assert words["anchor"] in verdict._repr_html_()


def test_the_mean_weighs_each_part_the_same_and_does_not_decide():
    # 30 subjects say so on contrast, 8 say the opposite on field.
    good = table(GOOD, shift="contrast", subjects=30, **QUIET)
    bad = table(changed("P+Q", "P", 0.80), shift="field", subjects=8, **QUIET)
    verdict = claims.check("joint-equals-separate", pd.concat([good, bad]))
    first, second = verdict.pooled
    parts = [e.estimate for e in verdict.effects[::2]]
    assert first.estimate == pytest.approx(np.mean(parts))
    assert first.margin == pytest.approx(np.mean([e.margin for e in verdict.effects[::2]]))
    assert second.metric == "ssim_foreground"
    better = table(changed("P+Q", "Q", 0.99), shift="contrast", subjects=30, **QUIET)
    verdict = claims.check("joint-equals-separate", pd.concat([better, bad]))
    assert verdict.pooled_verdict == "holds"
    assert verdict.verdict == "does not hold"
    assert verdict._repr_html_().startswith('<div class="mrinb-verdict" id="claim-')
    assert 'data-verdict="does not hold"' in verdict._repr_html_()


def test_one_part_is_its_own_mean():
    scores = table({"narrow": {"Q": 0.8}, "diverse": {"Q": 0.85}}, **QUIET)
    verdict = claims.check("diverse-beats-narrow", scores)
    for pooled, effect in zip(verdict.pooled, verdict.effects, strict=True):
        assert pooled[1:4] == (effect.estimate, effect.low, effect.high)


def test_where_one_score_is_undecided_so_is_the_claim_and_it_says_which():
    scores = table(GOOD, **QUIET)
    rows = (scores["pool"] == "P+Q") & (scores["target"] == "Q")
    wobble = 0.08 * (scores["seed"] - 1)
    scores["ssim_foreground"] += np.where(rows, wobble, 0.0)
    verdict = claims.check("joint-equals-separate", scores)
    assert verdict.verdict == "undecided"
    assert verdict.parts == (
        "holds in 1 of 2; undecided: on Q (holds on the whole image, undecided on the foreground)"
    )
    assert verdict.needed.startswith("At the effects seen, ")
    assert verdict.needed in verdict._repr_html_()


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("holds", "holds"), "holds"),
        (("holds", "does not hold"), "depends on background"),
        (("does not hold", "holds"), "depends on background"),
        (("holds", "undecided"), "undecided"),
        (("undecided", "does not hold"), "undecided"),
        (("underpowered", "underpowered"), "underpowered"),
        (("underpowered", "holds"), "underpowered"),
    ],
)
def test_two_scores_make_one_verdict(words, word):
    assert claims.agreed(words) == word


def test_what_would_decide_is_said_only_where_it_is_undecided():
    decided = claims.check("joint-equals-separate", table(GOOD, **QUIET))
    assert decided.needed == "" and all(e.needed is None for e in decided.effects)
    noisy = claims.check("joint-equals-separate", table(GOOD, seed_noise=0.02))
    assert noisy.verdict == "undecided"
    assert all(e.needed for e in noisy.effects if e.verdict == "undecided")
    few = claims.check("joint-equals-separate", table(GOOD, seeds=(0,)))
    assert few.needed == ""


def test_what_the_paper_prints_stands_beside_the_mean():
    verdict = claims.check("all-accelerations-help-unseen", accelerations(FOUR))
    assert verdict.printed == pytest.approx(0.006)
    assert "The paper prints +0.006." in verdict._repr_html_()
    verdict = claims.check("all-accelerations-equal-separate", accelerations(FOUR))
    assert verdict.printed == pytest.approx(-0.0005)


def test_summary_has_one_row_a_verdict():
    verdicts = [claims.check(c, table(GOOD, **QUIET)) for c in ("shift-is-there",
                "joint-equals-separate")]  # fmt: skip
    frame = claims.summary(verdicts)
    assert list(frame["claim"]) == ["joint-equals-separate", "shift-is-there"]
    assert list(frame["control"]) == [False, True]  # the paper's before ours
    assert list(frame["verdict"]) == ["holds", "holds"]
    assert list(claims.summary([]).columns) == list(frame.columns)


def test_every_claim_says_what_it_claims_and_how_it_is_judged():
    for claim in claims.CLAIMS.values():
        assert claim.statement.endswith(".") and claim.paper and claim.rule.startswith("holds if")
        assert claim.chapter in {"01", "03", "04", "A", "B", "C", "D"}
        assert claim.finding in FINDINGS
        assert claim.control == claim.paper.startswith("our control")


def test_claims_are_in_the_book_s_order_and_their_ids_are_their_own():
    chapters = [claim.chapter for claim in claims.CLAIMS.values()]
    assert len(chapters) == 38
    assert chapters == sorted(chapters)
    taken = next(iter(claims.CLAIMS.values()))
    with pytest.raises(MrinbError, match="two claims are called 'diverse-beats-narrow'"):
        register.register(replace(taken, paper="elsewhere"))


def test_labels_stand_for_what_a_claim_compares():
    for claim in claims.CLAIMS.values():
        if not callable(claim.compared) and not claim.lines:
            asked = claim.compared if isinstance(claim.compared[0], tuple) else (claim.compared,)
            names = {n for c in asked for n in (c.a, c.b, c.on, *(c.severity or ()))}
            assert set(claim.labels.values()) <= names, claim.id


FOLDS = ("2-fold", "4-fold", "8-fold", "16-fold")
FOUR = {
    **{fold: {"2-fold": 0.90, "4-fold": 0.88, "8-fold": 0.84, "16-fold": 0.80, "3-fold": 0.86}
       for fold in FOLDS},
    "all four": {"2-fold": 0.899, "4-fold": 0.88, "8-fold": 0.84, "16-fold": 0.80, "3-fold": 0.87},
}  # fmt: skip


def accelerations(means):
    """A table as of Table 2: every target has its own acceleration."""
    scores = pd.concat(
        [
            table({p: {t: on[t]} for p, on in means.items()}, shift="", **QUIET).assign(
                acceleration=int(t.partition("-")[0])
            )
            for t in (*FOLDS, "3-fold")
        ]
    )
    return scores.reset_index(drop=True)


def test_a_network_for_all_accelerations_is_judged_at_each():
    verdict = claims.check("all-accelerations-equal-separate", accelerations(FOUR))
    assert verdict.verdict == "holds" and verdict.margin == claims.MARGIN
    assert [(e.target, e.b) for e in verdict.effects[::2]] == [(f, f) for f in FOLDS]
    worse = {**FOUR, "all four": {**FOUR["all four"], "16-fold": 0.78}}
    verdict = claims.check("all-accelerations-equal-separate", accelerations(worse))
    assert verdict.verdict == "does not hold" and verdict.effects[-1].target == "16-fold"


def test_the_best_single_acceleration_is_the_one_that_is_named():
    scores = accelerations({**FOUR, "4-fold": {**FOUR["4-fold"], "3-fold": 0.88}})
    check = [claims.check("all-accelerations-help-unseen", scores, best=b) for b in FOLDS[:2]]
    assert [v.verdict for v in check] == ["holds", "does not hold"]
    assert check[0].estimate == pytest.approx(0.01, abs=0.002)


def test_one_target_has_one_acceleration():
    scores = accelerations(FOUR)
    mixed = scores.assign(target="P")
    with pytest.raises(MrinbError, match="mixes accelerations on one target"):
        claims.check("all-accelerations-help-unseen", mixed)


def test_a_claim_about_matched_images_reads_matched_scores():
    means = {"P_best": {"Q": 0.80}, "P": {"Q": 0.83}, "P, size of P_best": {"Q": 0.82}}
    scores = table(means, shift="coils", **QUIET)
    with pytest.raises(MrinbError, match="lacks column 'ssim_matched'"):
        claims.check("diverse-helps-over-coils", scores)
    # What matching adds to the narrow pool takes the whole advantage away.
    gain = np.where(scores["pool"] == "P_best", 0.05, 0.0)
    matched = {f"{m}_matched": scores[m] + gain for m in claims.METRICS}
    scores = scores.assign(**matched)
    for size in ("", "-same-size"):
        verdict = claims.check(f"diverse-helps-over-coils{size}", scores)
        assert verdict.verdict == "does not hold"
        assert [e.metric for e in verdict.effects] == list(claims.MATCHED)
        assert "difference in matched SSIM" in verdict.text
    assert claims.check("diverse-helps-over-coils-unmatched", scores).verdict == "holds"


def test_the_control_of_coils_compares_the_same_knees_at_both_numbers():
    means = {"P": {"Q": 0.80}, "P, 4 coils": {"Q": 0.83}, "P+Q": {"Q": 0.84}}
    for change, word in ((0.0, "holds"), (0.05, "does not hold")):
        scores = table(means, shift="", **QUIET)
        gain = np.where(scores["pool"] == "P", change, 0.0)
        scores = scores.assign(**{f"{m}_matched": scores[m] + gain for m in claims.METRICS})
        assert claims.check("coils-alone-matter", scores).verdict == word
