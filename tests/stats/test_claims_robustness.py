"""The claims of Chapter 4 on tables whose truth is known."""

import numpy as np
import pandas as pd
import pytest
from lines_data import table

from mrinb.chapters import robustness
from mrinb.stats import bootstrap, claims

UNET = {"unet": (0, 1, 2)}
ALL = {"unet": (0, 1, 2), "vit": (0,), "varnet": (0,)}
QUIET = {"own": 0.001, "subject": 0.002}


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(bootstrap, "REPLICATES", 300)


def scores(same=0.02, diverse=0.05, both=0.1, others=None, models=UNET, shift="s", **noise):
    """Scores of all checkpoints; heights above P_best's line, of the other P_i on Q."""
    heights = {"P_best": 0.0, "P, size of P_best": same, "P": diverse, "P+Q": both}
    rows = table(heights, models, **{**QUIET, **noise})
    rows = rows.assign(
        shift=shift,
        pool=rows["training"] + np.where(rows["size"] == "quarter", ", quarter", ""),
        distribution="d" + rows["target"], split="test", volume=rows["subject"], acceleration=4,
    )  # fmt: skip
    if others is not None:
        base = (rows["pool"] == "P_best") & (rows["target"] == "Q") & (rows["model"] == "unet")
        extra = rows[base].assign(pool="other P_i", training="", size="")
        extra[["ssim", "ssim_foreground"]] += others
        rows = pd.concat([rows, extra], ignore_index=True)
    return rows


@pytest.mark.parametrize(
    ("claim", "wrong"),
    [
        ("severity-is-there", {"both": -0.05}),
        ("diversity-helps", {"diverse": -0.05}),
        ("diversity-helps-same-size", {"same": -0.05}),
        ("diversity-does-no-harm", {"diverse": -0.05}),
        ("effective-robustness", {"diverse": -0.05}),
        ("effective-robustness-same-size", {"same": -0.05}),
        ("gap-remains", {"both": 0.0}),
    ],
)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim, wrong):
    assert claims.check(claim, scores()).verdict == "holds"
    assert claims.check(claim, scores(**wrong)).verdict == "does not hold"


def test_being_ahead_on_both_axes_is_no_effective_robustness():
    # P is further along the same line: better on Q, at equal SSIM on P_best not at all.
    ahead = scores(diverse=0.0, ahead=0.05)
    helps = claims.check("diversity-helps", ahead)
    assert (helps.verdict, helps.estimate > 0.02) == ("holds", True)
    effective = claims.check("effective-robustness", ahead)
    assert abs(effective.estimate) < 0.003
    assert "Q at equal SSIM on P_best" in str(effective)


def test_claims_rest_on_the_networks_with_most_seeds():
    mixed = scores(models=ALL)
    assert claims.check("diversity-helps", mixed).verdict == "holds"
    assert {e.model for e in claims.check("effective-robustness", mixed).effects} == {"unet"}
    alike = scores(models={"unet": (0, 1, 2), "vit": (0, 1, 2)})
    assert {e.model for e in claims.check("diversity-helps", alike).effects} == {"unet", "vit"}


def test_one_seed_of_an_architecture_shows_a_sign_and_decides_nothing():
    verdict = claims.check("architecture-independent", scores(models=ALL))
    assert verdict.verdict == "underpowered"
    assert "above 0 in 3 of 3 parts" in verdict.text
    seeded = scores(models=dict.fromkeys(ALL, (0, 1, 2)))
    assert claims.check("architecture-independent", seeded).verdict == "holds"


def test_too_few_seeds_or_subjects_are_underpowered():
    for few in ({"models": {"unet": (0, 1)}}, {"subjects": (4, 7)}):
        for claim in ("diversity-helps", "effective-robustness"):
            assert claims.check(claim, scores(**few)).verdict == "underpowered"


@pytest.mark.parametrize(
    ("diverse", "others", "case"),
    [
        (0.05, -0.1, "(i)"),
        (0.0, -0.1, "(i)"),  # as good as P_best, within the margin
        (-0.05, -0.1, "(ii)"),
        (-0.15, -0.1, "neither"),
    ],
)
def test_nguyen_s_cases(diverse, others, case):
    (found,) = robustness.cases(scores(diverse=diverse, others=others, models=ALL))
    assert (found.shift, found.model, found.case) == ("s", "unet", case)
    meant = {"(i)": "at least as good as", "(ii)": "worse than P_best", "neither": "worse than the"}
    assert found.text.startswith(meant[case])


def test_cases_of_every_shift_and_what_keeps_one_from_being_decided():
    both = pd.concat([scores(others=-0.1), scores(others=-0.1, shift="t", models={"unet": (0,)})])
    found = robustness.cases_table(both)
    assert dict(zip(found["shift"], found["case"], strict=True)) == {
        "s": "(i)", "t": "underpowered",
    }  # fmt: skip
    assert robustness.cases_table(scores()).empty


def test_the_mean_of_lines_is_over_shifts_with_the_seeds_they_share():
    both = pd.concat(
        [scores(shift="s", own=0.01), scores(shift="t", diverse=0.09, own=0.01)], ignore_index=True
    )
    verdict = claims.check("effective-robustness", both)
    parts = [e.estimate for e in verdict.effects[::2]]
    assert verdict.pooled[0].estimate == pytest.approx(np.mean(parts))
    assert verdict.pooled[0].low < verdict.pooled[0].estimate < verdict.pooled[0].high
