"""A model is a module and a record: a toy one reaches training, scores, figures and the plan."""

import subprocess
import sys

import pandas as pd
import pytest
from tiny import TINY

from mrinb import models, profiles, recipes
from mrinb.chapters.robustness import figures
from mrinb.compute.context import Context
from mrinb.compute.runner import ensure, plan
from mrinb.data.volumes import data_spec
from mrinb.errors import MrinbError
from mrinb.pools import Pool
from mrinb.profiles import Network
from mrinb.recipes import RECIPES
from mrinb.recon import masks, metrics, training
from mrinb.recon.models import build, full_readout, parameters
from mrinb.specs import EvalSpec, ModelSpec, TrainSpec
from mrinb.widgets import scatter_drawing

NAME = "knee/PD-Skyra"
SPEC = ModelSpec(name="gain", options=(("start", 2),))


@pytest.fixture
def gain(monkeypatch):
    for registry in ("MODELS", "NETWORKS"):
        # The same objects, which other modules have imported.
        for name in ("gain", "odd"):
            monkeypatch.setitem(getattr(models, registry), name, None)
            monkeypatch.delitem(getattr(models, registry), name)
    return models.register(
        models.Model(
            "gain", "Gain", "toy_model", lambda options, size, coils: 2.0 * options["start"],
            mark="v", switches=frozenset({"loud"}),
        )
    )  # fmt: skip


def test_it_is_trained_scored_and_planned(gain, tmp_path):
    context = Context(store=tmp_path / "store", cache=tmp_path / "cache", device="cpu")
    data = {split: data_spec(NAME, split, TINY, context) for split in ("train", "test")}
    train = TrainSpec(
        pool=Pool.of(NAME).expanded(), data=(data["train"],), model=SPEC,
        sampling=masks.sampling(4), epochs=2, version=training.VERSION,
    )  # fmt: skip
    scores = EvalSpec(
        train=train, data=data["test"], sampling=masks.sampling(4),
        metrics=tuple(sorted(metrics.VERSIONS.items())),
    )  # fmt: skip
    table = plan([scores], context, RECIPES).set_index("kind")
    assert table.loc["train", "what"] == f"gain on {NAME}"
    # Two epochs of two volumes of two slices at 4 s a step.
    assert table.loc["train", "seconds"] == pytest.approx(2 * 4 * 4.0)
    found = ensure([train, scores], context, RECIPES)
    assert found[train].table("history")["epoch"].tolist()[-1] == 2
    assert found[scores].table("scores")["ssim"].between(0, 1).all()
    assert plan([scores], context, RECIPES)["missing"].sum() == 0
    assert RECIPES[TrainSpec].outdated(train) is None


def test_its_options_are_checked_by_its_record(gain):
    assert parameters(build(SPEC)) == 1
    assert not full_readout(SPEC)
    (weight,) = build(ModelSpec(name="gain", options=(("loud", 1),))).parameters()
    assert weight.item() == 2
    for option, words in (
        (("loud", 2.5), "model gain: loud is 2.5; give 0 or 1"),
        (("start", 0), "model gain: start is 0; give a whole number above 0"),
        (("stat", 1), "unknown option of model gain 'stat': did you mean start"),
    ):
        with pytest.raises(MrinbError, match=words):
            build(ModelSpec(name="gain", options=(option,)))


def test_figures_and_profiles_know_it(gain):
    assert profiles.NETWORKS["gain"] == profiles.network_name("gain") == "Gain"
    shapes = scatter_drawing.shapes(["U-net", "Gain"])
    assert list(shapes.values()) == [scatter_drawing.OUTLINES["o"], scatter_drawing.OUTLINES["v"]]
    points = pd.DataFrame({"training": ["P"], "model": ["gain"], "size": ["all"], "epoch": [1],
                           "epochs": [1]})  # fmt: skip
    handles = figures._legend(points, stacked=False)
    assert ("Gain", "v") in {(h.get_label(), h.get_marker()) for h in handles}
    profile = TINY._replace(networks={**TINY.networks, "gain": Network(SPEC.options, 3, 1)})
    assert profile.trained(epochs=5).networks["gain"].epochs == 5


def test_a_mark_that_no_figure_has_is_refused(gain):
    with pytest.raises(MrinbError, match="model odd: mark is 'x'; give one of"):
        models.register(gain._replace(name="odd", mark="x"))
    assert "odd" not in models.MODELS


def test_every_mark_has_an_outline_and_every_network_a_profile():
    assert set(scatter_drawing.OUTLINES) == set(models.MARKS)
    assert len({models.mark(name) for name in models.NETWORKS}) == len(models.NETWORKS)
    for profile in profiles.PROFILES.values():
        assert set(profile.networks) == set(models.NETWORKS)


def test_records_are_read_without_torch():
    code = (
        "import sys; from mrinb import models, profiles; from mrinb.compute.context import Context;"
        "models.label('vit'), models.mark('vit'), models.find('vit').step_s({}, 96, 8);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_model_is_named():
    with pytest.raises(MrinbError, match="unknown model 'unett': did you mean unet"):
        recipes._step_s(ModelSpec(name="unett"), 96, Context(device="cpu"))
