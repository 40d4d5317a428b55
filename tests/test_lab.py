"""The lab on a tiny profile: two distributions, 32 pixels, two epochs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY

from mrinb.chapters import forward, separate, setup
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.recon import masks

PD, PDFS = "knee/PD-Skyra", "knee/PDFS-Aera"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    context = Context(store=folder / "store", cache=folder / "cache", workers=0, device="cpu")
    return Lab("03", TINY, context)


@pytest.fixture(scope="module")
def runs(lab):
    P, Q = Pool.of(PD), Pool.of(PDFS)
    return lab.train("unet", {"P": P, "P+Q": P + Q, "half": (P + Q).half()})


@pytest.fixture(scope="module")
def scores(lab, runs):
    return lab.evaluate(runs, on={"P": Pool.of(PD), "Q": Pool.of(PDFS)})


def test_one_row_a_slice_and_run(scores):
    # 2 test distributions x 2 slices x (3 pools x 2 seeds + zero-filled)
    assert len(scores) == 2 * 2 * (3 * 2 + 1)
    assert set(scores["pool"]) == {"zero-filled", "P", "P+Q", "half"}
    assert dict(zip(scores["target"], scores["distribution"], strict=True)) == {"P": PD, "Q": PDFS}
    assert scores.groupby("pool")["train_slices"].first().to_dict() == {
        "P": 4, "P+Q": 8, "half": 4, "zero-filled": 0,
    }  # fmt: skip
    assert scores[["ssim", "ssim_foreground", "psnr"]].notna().all(axis=None)
    assert (scores["effective_acceleration"] < scores["acceleration"]).all()


def test_note_says_where_numbers_come_from(scores):
    note = scores.note
    assert note["data"] == "simulated data"
    assert (note["profile"], note["seeds"]) == ("tiny", [0, 1])
    assert len(note["key"]) == 10


def test_comparer_pictures_and_scores_agree_with_the_table(lab, runs, scores):
    data = lab.reconstructions(runs, Pool.of(PD))
    view = data.views[0]
    assert view.target.shape == (2, 48, 48)
    rows = scores[(scores["pool"] == "P") & (scores["seed"] == 0) & (scores["target"] == "P")]
    for score in view.scores["U-net", "P"]:
        assert np.isclose(rows["ssim"], score["ssim"], atol=1e-5).any()
    data.check()


def test_used_results_are_recorded_for_publishing(lab, scores):
    recorded = json.loads((lab.context.store / "chapters" / "03-tiny.json").read_text())
    assert {"eval"} <= {item["kind"] for item in recorded}
    assert len(recorded) >= 2 * 7


def test_results_are_found_again_without_computing(lab, runs, scores):
    idle = replace(
        lab, context=replace(lab.context, compute="never", cache=lab.context.cache / "no")
    )
    again = idle.evaluate(runs, on={"P": Pool.of(PD), "Q": Pool.of(PDFS)})
    assert again.equals(scores)


def test_missing_results_under_never_are_listed(lab):
    idle = replace(lab, context=replace(lab.context, compute="never"))
    with pytest.raises(MrinbError, match="missing"):
        idle.evaluate(idle.train("unet", {"Q": Pool.of(PDFS)}), on={"Q": Pool.of(PDFS)})


def test_exhibits_of_chapter_two(lab):
    lab = replace(lab, sampling=masks.sampling(4))
    steps = setup.forward_model(lab, PD, coils=2)
    assert steps.arrays["coils"].shape == (2, 48, 48)
    assert steps.arrays["kspace"].shape[-1] == steps.arrays["lines"].size
    assert steps.note["seeds"] == []
    explorer = setup.mask_explorer(lab, PD, coils=2)
    assert explorer["kspace"].dtype == np.complex64
    assert np.isfinite(explorer["kspace"]).all()
    assert len(setup.toy(lab, 30, 3, draws=200).sigmas) > 10


def test_learning_rates_are_compared_on_validation_data(lab):
    table = separate.learning_rates(lab, "unet", Pool.of(PD), rates=(1e-3, 1e-5), seeds=2)
    assert table["learning_rate"].tolist() == [1e-3, 1e-5] * 2
    assert table["seed"].tolist() == [0, 0, 1, 1]
    # Two epochs at a hundredth of the rate leave the network nearer to where it started.
    means = table.groupby("learning_rate")["ssim"].mean()
    assert means[1e-3] != means[1e-5]


def test_unseen_must_be_unseen(lab):
    with pytest.raises(MrinbError, match=f"{PD} is not unseen"):
        lab.check_unseen(Pool.of(PD), Pool.of("knee/*"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"profile": "quik"}, "unknown profile 'quik': did you mean quick"),
        ({"model": "unett"}, "unknown model 'unett': did you mean unet"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"data_root": "no/such/folder"}, "data_root no/such/folder: no such folder"),
        ({"acceleration": 5}, "acceleration 5: choose one of 2, 3, 4, 8, 16"),
        ({"epochs": -1}, "parameter epochs = -1"),
        ({"seed": "1"}, "parameter seed = '1': give a value of type int"),
        ({"pool": "knee/* +"}, "cannot read pool"),
    ],
)
def test_bad_parameters_are_one_line(values, words, tmp_path):
    cell = "acceleration: int = 4\nepochs: int = 0\nseed: int = 0\npool: str = ''"
    namespace = {"In": [cell], "store": str(tmp_path), "pool": "", **values}
    with pytest.raises(MrinbError, match=words.replace("*", r"\*").replace("+", r"\+")) as caught:
        Lab.from_parameters(namespace, "03", {"pool": Pool.parse})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_runs_of_several_masks_are_scored_side_by_side(lab):
    P = Pool.of(PD)
    two, both = (
        lab.at(acceleration=accelerations).train("unet", {label: P}, 1)
        for label, accelerations in (("2-fold", (2,)), ("both", (2, 8)))
    )
    runs = two | both
    assert list(runs.specs) == ["2-fold", "both"]
    assert runs.specs["both"][0].sampling.accelerations == (2, 8)
    scores = lab.at(acceleration=8).evaluate(runs, {"8-fold": P})
    assert set(scores["acceleration"]) == {8}
    assert scores.groupby("pool").size().to_dict() == {"2-fold": 2, "both": 2, "zero-filled": 2}
    with pytest.raises(MrinbError, match="two groups of runs are called '2-fold'"):
        runs | two
    with pytest.raises(MrinbError, match="runs of unet and of vit"):
        two | replace(two, model="vit", specs={})


def test_conditions_are_varied_in_one_way(lab):
    assert lab.at(acceleration=8).sampling == masks.sampling(8)
    assert lab.at(acceleration=[2, 8]).sampling == masks.sampling(2, 8)
    assert lab.at(mask="random").sampling == masks.sampling(4, mask="random")
    assert lab.at(coils=1).profile.coils == 1 and lab.at().profile == lab.profile
    with pytest.raises(MrinbError, match="acceleration 5"):
        lab.at(acceleration=5)
    with pytest.raises(MrinbError, match="mask 'spiral'"):
        lab.at(mask="spiral")
    with pytest.raises(MrinbError, match="coils = 0"):
        lab.at(coils=0)


def test_one_scan_ends_with_what_a_network_makes_of_it(lab):
    plain, full = (setup.scan(lab, PD, network) for network in (False, True))
    assert "network" not in plain.arrays and not plain.note["seeds"]
    assert full.arrays["network"].shape == full.arrays["target"].shape
    assert 0 < full.arrays["ssim"] <= 1 and full.note["seeds"] == [0]
    assert 0 < full.arrays["zero_filled_ssim"] <= 1


def test_lines_that_masks_keep_are_those_that_the_scores_are_of(lab, scores):
    lines = forward.lines(lab, Pool.of(PD), (2, 4))
    assert lines["acceleration"].tolist() == [2, 4]
    assert lines["kept"].tolist() == sorted(lines["kept"], reverse=True)
    assert (lines["acquired"] / lines["kept"]).tolist() == lines["effective"].tolist()
    four = scores.loc[scores["target"] == "P", "effective_acceleration"]
    assert set(four) == {lines["effective"].iloc[1]}


def test_the_best_single_distribution_is_found_at_other_coils(lab):
    alone = lab.at(coils=1)
    best = alone.best_single(Pool.of(PD), Pool.of(PDFS))
    assert best.by_test == best.by_validation == PD
    kept = {(i["kind"], i["key"]) for i in json.loads(
        (lab.context.store / "chapters" / "03-tiny.json").read_text())}  # fmt: skip
    one_coil = alone.train("unet", {PD: Pool.of(PD)}).specs[PD]
    assert {("eval", alone.eval_spec(run, alone.data(PDFS, "val")).key) for run in one_coil} <= kept
