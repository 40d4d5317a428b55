"""Appendix C on a tiny profile: two distributions, 48 pixels, one epoch."""

import numpy as np
import pytest

from mrinb.chapters.forward import experiment
from mrinb.chapters.robustness import study
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.profiles import PROFILES, Network
from mrinb.shifts import custom

P, Q = Pool.of("knee/PDFS-Aera"), Pool.of("brain/T2-Avanto")
TINY = PROFILES["quick"]._replace(
    name="tiny", size=48, coils=5, subjects=(1, 1, 1), slices=1,
    networks={"unet": Network((("channels", 2), ("pools", 2)), 1, 1)},
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    context = Context(store=folder / "store", cache=folder / "cache", workers=0, device="cpu")
    return Lab("C", TINY, context)


def test_every_training_is_tested_at_every_acceleration(lab):
    found = experiment.accelerations(lab, P)
    trained = ["2-fold", "4-fold", "8-fold", "16-fold", "all four", "3-fold"]
    assert list(found.runs.specs) == trained
    masks = {p: r[0].sampling.accelerations for p, r in found.runs.specs.items()}
    assert masks["all four"] == (2, 4, 8, 16) and masks["3-fold"] == (3,)
    cells = found.scores.groupby(["pool", "target"]).size()
    assert len(cells) == 7 * 5 and set(cells) == {1}
    scores = found.scores
    assert (scores["target"] == scores["acceleration"].astype(str) + "-fold").all()
    table = found.best.table.set_index("trained at")
    assert list(table.index) == trained[:4]
    unseen = scores[(scores["target"] == "3-fold") & scores["pool"].isin(trained[:4])]
    assert found.best.by_test == unseen.loc[unseen["ssim"].idxmax(), "pool"]
    assert found.best.by_validation == table["val"].idxmax()
    beside = experiment.beside_paper(found.best)
    assert beside["paper, test"].tolist() == ["0.906", "0.899", "0.834", "0.758"]
    assert beside["test"].tolist() == [f"{t:.4f}" for t in table["test"]]
    assert not np.allclose(table["test"], table["val"])


def test_scores_before_and_after_matching(lab):
    shift = custom("knee/PDFS-Aera + knee/PD-Aera", "brain/T2-Avanto")
    scores = study(lab, shift, metric="ssim_matched").scores
    table = experiment.matching(scores).set_index("trained on")
    assert list(table.index) == ["zero-filled", "P_best", "P", "P, size of P_best", "P+Q"]
    assert table.loc["zero-filled", "network"] == "none" and table.loc["P", "network"] == "U-net"
    rows = scores[(scores["pool"] == "P") & (scores["target"] == "Q")]
    rows = rows[rows["epoch"] == rows["epoch"].max()]
    assert table.loc["P", "SSIM"] == f"{rows['ssim'].mean():.3f}"
    assert table.loc["P", "foreground, matched"] == f"{rows['ssim_foreground_matched'].mean():.3f}"


def test_the_control_changes_the_coils_of_the_knees_alone(lab):
    scores = experiment.coils_alone(lab, P, Q)
    assert set(scores["pool"]) == {"P", "P+Q", "P, 4 coils", "zero-filled"}
    assert set(scores["distribution"]) == set(Q.distributions)
    assert scores.groupby("pool").size().tolist() == [1] * 4
    one = scores.set_index("pool")["ssim"]
    assert one["P"] != one["P, 4 coils"]
    # The Avanto has four coils whatever the lab's: the images tested are the same.
    fewer = lab.at(coils=4)
    runs = fewer.train("unet", {"P": P})
    again = fewer.evaluate(runs, {"Q": Q}).set_index("pool")["ssim"]
    assert again["zero-filled"] == one["zero-filled"]


def test_a_scanner_has_a_coil(lab):
    with pytest.raises(MrinbError, match="coils = 0"):
        lab.at(coils=0)
