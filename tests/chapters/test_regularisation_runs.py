"""l1-regularised least squares through the lab, on a few tiny single-coil files."""

import numpy as np
import pytest

from mrinb import catalogue, recipes
from mrinb.chapters.regularisation import runs
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.profiles import PROFILES
from mrinb.recon.evaluation import evaluate
from mrinb.simulate import acquire
from mrinb.specs import DataSpec, EvalSpec, ModelSpec, SimulatorSpec

PD = "knee/PD-Skyra"
TINY = PROFILES["quick"]._replace(name="tiny", size=32, coils=3, slices=2, images=4)
ON = {"P": Pool.of(PD)}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    context = Context(store=folder / "store", cache=folder / "cache", workers=0, device="cpu")
    return Lab("A", TINY, context)


@pytest.fixture(scope="module")
def scores(lab):
    return runs.scores(lab, ON, (0.01, 0.1), iterations=3)


def test_one_row_a_slice_and_weight(scores):
    assert len(scores) == 4 * 3
    assert dict(zip(scores["pool"], scores["weight"].fillna(0), strict=True)) == {
        "zero-filled": 0, "λ = 0.01": 0.01, "λ = 0.1": 0.1,
    }  # fmt: skip
    assert set(scores["seed"]) == {-1} and set(scores["model"]) == {"l1-wavelet"}
    assert scores.note["seeds"] == []
    assert scores.groupby("pool")["ssim"].mean().nunique() == 3


def test_validation_has_half_as_many_slices_of_other_subjects(lab, scores):
    held_out = runs.scores(lab, ON, (0.01,), "val", iterations=3)
    assert len(held_out) == 2 * 2
    assert not set(held_out["subject"]) & set(scores["subject"])


def test_the_panel_shows_what_the_table_scores(lab, scores):
    panel = runs.panel(lab, PD, (0.01, 0.1), iterations=3)
    assert list(panel.images) == ["zero-filled", "λ = 0.01", "λ = 0.1"]
    for label, value in panel.ssim.items():
        assert value in scores.loc[scores["pool"] == label, "ssim"].to_numpy()
        assert panel.images[label].shape == panel.target.shape
    assert np.abs(panel.images["λ = 0.1"] - panel.images["λ = 0.01"]).max() > 0


def test_multi_coil_data_are_of_another_key(lab):
    single, multi = (runs._images(lab, PD, "test", coil, 2) for coil in ("single", "multi"))
    assert single.key != multi.key
    assert multi.simulator.versions == acquire.versions(catalogue.distribution(PD))


@pytest.mark.parametrize(("name", "value"), [("iterations", 0), ("slices", -1)])
def test_numbers_that_make_no_sense(lab, name, value):
    with pytest.raises(MrinbError, match=f"= {value}: give "):
        runs.scores(lab, ON, (0.01,), **{name: value})


def method(version=1, **options):
    known = {"iterations": 7, "version": version, "weight": 0.01, **options}
    return ModelSpec(name="l1-wavelet", options=tuple(sorted(known.items())))


def spec(chosen, **more):
    simulator = SimulatorSpec(
        size=96, coils=8, subjects=2, slices=8,
        versions=acquire.versions(catalogue.distribution(PD), "single"),
    )  # fmt: skip
    data = DataSpec(distribution=PD, split="test", simulator=simulator, coil="single")
    return EvalSpec(train=None, data=data, method=chosen, **more)


def test_cost_label_and_age():
    recipe, context = recipes.RECIPES[EvalSpec], Context(device="cpu")
    once, twice = (recipe.cost(spec(method(iterations=n)), context) for n in (10, 20))
    assert once.group == twice.group and twice.units == 2 * once.units
    assert recipe.label(spec(method())) == (
        "l1-wavelet of iterations 7 and weight 0.01, tested on knee/PD-Skyra test"
    )
    assert recipe.outdated(spec(method())) is None
    assert "l1-wavelet has version 1" in recipe.outdated(spec(method(version=0)))
    assert spec(method()).key != spec(method(weight=0.1)).key != spec(None).key


def test_a_method_and_a_training_exclude_each_other(lab):
    trained = lab.train("unet", {"P": Pool.of(PD)}).specs["P"][0]
    both = spec(method()).model_copy(update={"train": trained})
    with pytest.raises(MrinbError, match="names a training run and l1-wavelet"):
        evaluate(both, None, Context())


def test_pictures_of_a_method_have_their_own_key(lab):
    data = lab.data(PD, "test", coil="single")
    plain = lab.exhibit("reconstruction", data, slices=1)
    assert plain.key != lab.exhibit("reconstruction", data, method=method(), slices=1).key
    assert "method" not in plain.model_dump() and plain.version == 1
