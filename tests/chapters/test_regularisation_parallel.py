"""Parallel imaging beside networks, on a few tiny multi-coil files."""

import numpy as np
import pytest

from mrinb.chapters.regularisation import parallel
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.profiles import PROFILES
from mrinb.recon.models import l1_wavelet
from mrinb.shifts import Shift

P, Q = Pool.of("knee/PD-Skyra"), Pool.of("knee/PDFS-Aera")
SHIFT = Shift("tiny", P, Q, "PD", "PDFS")
WEIGHTS = (0.01, 0.1)
TINY = PROFILES["quick"]._replace(name="tiny", size=48, coils=4, subjects=(1, 1, 1), slices=2)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    context = Context(store=folder / "store", cache=folder / "cache", workers=0, device="cpu")
    return Lab("A", TINY, context)


def imaging(lab, on=SHIFT, **options):
    return parallel.parallel_imaging(lab, on, weights=WEIGHTS, iterations=20, **options)


@pytest.fixture(scope="module")
def scores(lab):
    return imaging(lab)


def validation(lab, pool, weight):
    """Mean SSIM of one weight, from the store."""
    found = [
        lab.eval_spec(None, lab.data(d, "val"), method=l1_wavelet.spec(weight, 20))
        for d in pool.distributions
    ]
    tables = [entry.table("scores") for entry in lab.fetch(found).values()]
    return np.mean([t["ssim"].mean() for t in tables])


def test_rows_are_as_those_of_zero_filled_images(lab, scores):
    assert set(scores["pool"]) == set(scores["model"]) == {"l1-wavelet"}
    assert set(scores["seed"]) == {-1} and set(scores["shift"]) == {"tiny"}
    assert scores.note["seeds"] == []
    plain = lab.evaluate(lab.train("unet", {}), SHIFT)
    assert set(plain.columns) <= set(scores.columns)
    same = ["target", "distribution", "volume", "slice"]
    assert plain[same].equals(scores[same])  # the slices that networks are scored on
    assert set(lab.join([plain, scores])["pool"]) == {"zero-filled", "l1-wavelet"}


def test_each_pools_validation_data_choose_its_weight(lab, scores):
    chosen = scores.groupby("target")["weight"].unique()
    for target, pool in (("P", P), ("Q", Q)):
        best = max(WEIGHTS, key=lambda w: validation(lab, pool, w))
        assert list(chosen[target]) == [best]


def test_another_pool_may_choose(lab, scores):
    own = scores.groupby("target")["weight"].first()
    assert own["P"] != own["Q"]  # the noisier knees need more
    given = imaging(lab, chosen_on={"Q": P}).groupby("target")["weight"].first()
    assert given["P"] == given["Q"] == own["P"]


def test_it_beats_filling_with_zeros(lab, scores):
    zero = lab.evaluate(lab.train("unet", {}), SHIFT)
    for metric in ("ssim", "ssim_foreground"):
        ours, theirs = (t.groupby("target")[metric].mean() for t in (scores, zero))
        assert (ours > theirs).all()


def test_a_weight_that_makes_no_sense(lab):
    with pytest.raises(MrinbError, match="give a number above 0"):
        parallel.parallel_imaging(lab, {"P": P}, weights=(-1.0,), iterations=2)
