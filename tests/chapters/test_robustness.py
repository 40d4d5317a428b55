"""Section 4's experiments on a tiny profile: two distributions of P, one of Q."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mrinb import figures
from mrinb.chapters.robustness import experiment
from mrinb.chapters.robustness.claims import cases
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.profiles import PROFILES, Network
from mrinb.shifts import coils, custom, section4
from mrinb.simulate.head import Head
from mrinb.stats import claims, lines
from mrinb.widgets import Scatter

UNET = Network((("channels", 2), ("pools", 2)), 3, 2)
VIT = Network((("depth", 1), ("heads", 2), ("patch", 8), ("size", 48), ("width", 8)), 3, 1)
TINY = PROFILES["quick"]._replace(
    name="tiny", size=48, coils=2, subjects=(2, 1, 1), slices=2,
    networks={"unet": UNET, "vit": VIT}, models=("unet", "vit"), exhibit_slices=1,
)  # fmt: skip
SHIFT = custom("knee/PD-Skyra + knee/PDFS-Aera", "knee/PD-Aera")
SETS = ["P_best", "P", "P, size of P_best", "P+Q"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    context = Context(store=folder / "store", cache=folder / "cache", workers=0, device="cpu")
    return Lab("04", TINY, context, model="all")


@pytest.fixture(scope="module")
def study(lab):
    return experiment.study(lab, SHIFT)


def test_every_network_on_four_sets_and_their_quarters(study):
    assert set(study.runs) == {"unet", "vit"}
    sizes = study.runs["unet"].slices
    assert [sizes[name] for name in SETS] == [4, 8, 4, 12]
    assert [sizes[f"{name}, quarter"] for name in SETS] == [1, 2, 1, 3]
    trained = study.scores[study.scores["size"] != ""]
    assert set(trained["training"]) == set(SETS)
    seeds = trained.groupby("model")["seed"].nunique()
    assert seeds.to_dict() == {"unet": 2, "vit": 1}
    assert set(trained["epoch"]) == {1, 2, 3}


def test_what_the_profile_has_no_time_for_is_run_where_it_is_asked_for(lab):
    networks = {**TINY.networks, "vit": VIT._replace(shift="field")}
    lab = replace(lab, profile=TINY._replace(networks=networks))
    assert experiment.networks_on(lab, SHIFT) == ("unet",)
    assert experiment.networks_on(lab, SHIFT._replace(name="field")) == ("unet", "vit")
    assert experiment.networks_on(lab, SHIFT, every=True) == ("unet", "vit")
    assert experiment.networks_on(replace(lab, model="vit"), SHIFT) == ("vit",)


def test_the_published_book_has_varnet_on_one_shift(lab):
    lab = replace(lab, profile=PROFILES["classroom"])
    on = {s.name: experiment.networks_on(lab, s) for s in (*section4, coils)}
    assert [name for name, models in on.items() if "varnet" in models] == ["contrast"]
    lab = replace(lab, profile=PROFILES["paper"])
    assert all("varnet" in experiment.networks_on(lab, s) for s in (*section4, coils))


def test_p_best_is_the_choice_of_the_rule(lab, study):
    assert study.name == study.best.by_validation
    by_test = experiment.study(lab, SHIFT, "test")
    assert by_test.name == study.best.by_test
    assert experiment.disagree(study) == (study.name != by_test.name)
    assert set(study.scores.loc[study.scores["target"] == "P_best", "distribution"]) == {study.name}


def test_no_row_stands_twice(study):
    keys = ["target", "model", "pool", "seed", "epoch", "distribution", "volume", "slice"]
    assert not study.scores.duplicated(keys).any()


def test_points_are_means_over_slices(study):
    table = lines.points(study.scores)
    assert len(table) == 4 * 2 * 3 * (2 + 1)  # sets x sizes x checkpoints x runs
    row = table.iloc[5]
    rows = study.scores
    for name in ("model", "training", "size", "seed", "epoch"):
        rows = rows[rows[name] == row[name]]
    assert row["y_ssim"] == pytest.approx(rows.loc[rows["target"] == "Q", "ssim"].mean())
    assert row["x_ssim"] == pytest.approx(rows.loc[rows["target"] == "P_best", "ssim"].mean())


def test_the_other_distributions_of_p_are_averaged(lab, study):
    found = study.scores[study.scores["pool"] == experiment.OTHERS]
    (other,) = set(SHIFT.P.distributions) - {study.name}
    alone = lab.evaluate(lab.train("unet", {other: Pool.of(other)}), {"Q": SHIFT.Q})
    expected = alone.loc[alone["pool"] == other].groupby("seed")["ssim"].mean()
    np.testing.assert_allclose(found.groupby("seed")["ssim"].mean(), expected)


def test_the_rival_is_best_by_another_score(lab, study):
    same = experiment.rival(study, "ssim")
    assert same.name == study.best.by_validation
    numbers = [claims.check("diversity-helps", t).estimate for t in (same.scores, study.scores)]
    assert numbers[0] == pytest.approx(numbers[1])
    # The distribution with the largest error is another one.
    worst = experiment.rival(study, "nmse")
    assert worst.name != same.name
    alone = lab.evaluate(lab.train("unet", {"it": Pool.of(worst.name)}), {"Q": SHIFT.Q}).query(
        "pool == 'it'"
    )
    scores = worst.scores
    found = scores[scores["pool"] == "P_best"]
    np.testing.assert_allclose(found["ssim"], alone["ssim"])
    assert set(scores["model"]) == {"unet"} and set(scores["target"]) == {"Q"}
    claims.check("diversity-helps-on-foreground-same-size", scores)


def test_p_best_can_be_chosen_by_another_score(lab):
    best = experiment.study(lab, SHIFT, metric="nmse").best
    assert best.metric == "nmse"
    val = best.scores["val"].query("pool != 'zero-filled'").groupby("pool")["nmse"].mean()
    assert best.by_validation == val.idxmax()


def test_every_claim_of_the_chapter_can_be_checked(study):
    ranks = "similarity-ranks-as-ssim"  # this one is about another table too
    chapter = [c.id for c in claims.CLAIMS.values() if c.chapter == "04" and c.id != ranks]
    assert len(chapter) == 10 + 1
    chapter.remove("diversity-helps-on-heads")  # and this one about another test pool
    for name in chapter:
        verdict = claims.check(name, study.scores)
        assert verdict.verdict == "underpowered"
        models = {e.model for e in verdict.effects}
        assert models == ({"unet", "vit"} if name == "architecture-independent" else {"unet"})
    (case,) = cases(study.scores)
    assert (case.model, case.case) == ("unet", "underpowered")


def test_best_single_by_both_rules_and_seeds(lab, study):
    table = experiment.singles(lab, study)
    assert len(table) == 3 * 2
    assert table.groupby("distribution")["by_validation"].all().sum() == 1
    means = table.groupby("distribution")["ssim"].mean()
    expected = study.best.table.set_index("distribution")["test"]
    np.testing.assert_allclose(means[expected.index], expected)


def test_scatter_shows_each_point_s_own_reconstruction(lab, study):
    data = experiment.scatter(lab, study)
    assert len(data.points) == len(lines.points(study.scores))
    data.check()
    point = next(p for p in data.points if (p.training, p.model, p.epoch) == ("P", "ViT", 2))
    rows = study.scores[
        (study.scores["training"] == "P") & (study.scores["model"] == "vit")
        & (study.scores["epoch"] == 2) & (study.scores["size"] == point.size)
    ]  # fmt: skip
    for score, target in zip(point.scores, ("P_best", "Q"), strict=True):
        assert np.isclose(rows.loc[rows["target"] == target, "ssim"], score, atol=1e-5).any()
    assert point.y == pytest.approx(rows.loc[rows["target"] == "Q", "ssim"].mean())
    assert "All points" in Scatter(data).still()


def test_capacity_trains_wide_networks_once(lab, study):
    table = experiment.capacity(lab, study, (2, 4))
    seeds = table[table["pool"] != "zero-filled"].groupby("channels")["seed"].nunique()
    assert seeds.to_dict() == {2: 2, 4: 1}
    assert set(table["training"]) == {"P_best", "P", "P, size of P_best", "zero-filled"}


def test_second_target_and_its_own_reference(lab, study):
    scores = experiment.second_target(lab, study, Pool.of("knee/PDFS-Skyra"))
    assert set(scores["target"]) == {"Q", "Q2"}
    assert "P+Q2" in set(scores["training"])
    assert set(scores.loc[scores["training"] != "", "model"]) == {"unet"}
    table = experiment.shares(scores, {"Q": "P+Q", "Q2": "P+Q2"})
    assert len(table) == 2 * 2 * 2
    shown = experiment.shares_table(table)
    assert list(shown.columns) == ["network", "on", "trained on", "score", "effect", "severity",
                                   "share", "90 % interval"]  # fmt: skip
    assert set(shown["score"]) == {"SSIM", "foreground SSIM"}
    np.testing.assert_allclose(table["share"], table["effect"] / table["severity"])
    verdict = claims.check("diversity-helps-on-heads", scores)
    assert {e.target for e in verdict.effects} == {"Q2"}
    fig = figures.bars(scores, words={"Q": "one", "Q2": "another"})
    assert {ax.get_title(loc="left") for ax in fig.axes} == {"Q: one", "Q2: another"}
    with pytest.raises(MrinbError, match="is not unseen"):
        experiment.second_target(lab, study, SHIFT.Q)


def test_a_second_target_is_set_beside_the_same_scans_of_q():
    both = Pool.of("brain/T2-*", "brain/FLAIR-Skyra")
    found = experiment._twins(both, Pool.of("head/*"))
    assert set(found.distributions) == {"brain/T2-Prisma", "brain/FLAIR-Skyra"}
    assert experiment._twins(both, Pool.of("knee/PD-Aera")) == both


def test_pools_that_make_no_experiment_are_refused(lab):
    with pytest.raises(MrinbError, match="at least two"):
        experiment.study(lab, custom("knee/PD-Aera", "knee/PD-Skyra"))
    with pytest.raises(MrinbError, match="is not unseen"):
        experiment.study(lab, custom("knee/PD-*", "knee/PD-Skyra"))


def test_subjects_of_simulated_heads_are_the_people_behind_them():
    names = {"distribution": ["brain/T2-Aera", "head/T2-Aera"], "subject": ["0000005", "0000002"]}
    assert experiment._people(pd.DataFrame(names))["subject"].tolist() == [
        "0000005",
        Head(2).source,
    ]
