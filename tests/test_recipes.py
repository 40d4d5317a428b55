"""The package's own recipes, on a tiny simulated knee: from data to scores and exhibits."""

from dataclasses import replace

import numpy as np
import pytest

from mrinb import exhibits, profiles, recipes
from mrinb.compute import curation as results
from mrinb.compute import workers
from mrinb.compute.context import Context
from mrinb.compute.runner import ensure, estimate, graph, plan
from mrinb.compute.store import Store
from mrinb.data import volumes
from mrinb.errors import MrinbError
from mrinb.pools import Pool
from mrinb.recipes import RECIPES
from mrinb.recon import masks, metrics, perceptual, training
from mrinb.specs import DataSpec, EvalSpec, ExhibitSpec, ModelSpec, TrainSpec

TINY = profiles.PROFILES["quick"]._replace(size=32, coils=2, subjects=(2, 1, 1), slices=2)
NAME = "knee/PD-Skyra"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Surroundings, and everything computed once."""
    workers._store.cache_clear()
    folder = tmp_path_factory.mktemp("recipes")
    context = Context(store=folder / "store", cache=folder / "cache", device="cpu")
    return context, ensure(wanted(context), context, RECIPES)


def data(split, context):
    return volumes.data_spec(NAME, split, TINY, context)


def run(context, **changes):
    given = {
        "pool": Pool.of(NAME).expanded(),
        "data": (data("train", context),),
        "model": ModelSpec(name="unet", options=(("channels", 2), ("pools", 2))),
        "sampling": masks.sampling(4),
        "epochs": 3,
        "checkpoints": (1,),
        "version": training.VERSION,
    }
    return TrainSpec(**given | changes)


def scores(context, train=None, epoch=None):
    versions = tuple(sorted(metrics.VERSIONS.items()))
    return EvalSpec(
        train=train, epoch=epoch, data=data("test", context), sampling=masks.sampling(4),
        metrics=versions,
    )  # fmt: skip


def exhibit(context, name, train=None):
    return ExhibitSpec(
        name=name, train=train, data=data("test", context), sampling=masks.sampling(4),
        options=(("slices", 2),), version=exhibits.find(name).version,
    )  # fmt: skip


def wanted(context):
    train = run(context)
    return [
        train,
        scores(context),
        scores(context, train),
        scores(context, train, 1),
        exhibit(context, "reference"),
        exhibit(context, "reconstruction", train),
    ]


def test_everything_is_made_from_nothing(shared):
    context, found = shared
    train, zero, last, first, reference, reconstruction = (found[s] for s in wanted(context))
    assert train.files == (*(f"epoch-0{i}.safetensors" for i in (1, 2, 3)), "history.parquet")
    assert train.table("history")["epoch"].tolist()[-1] == 3
    assert train.record["device"] == "cpu"
    assert train.record["cost"]["units"] == 3 * 4
    assert len(zero.table("scores")) == 2
    columns = {"distribution", "volume", "subject", "slice", "ssim", "ssim_foreground"}
    assert columns <= set(zero.table("scores"))
    assert (last.table("scores")["ssim"] != first.table("scores")["ssim"]).all()
    assert reference.arrays("arrays")["target"].shape == (2, 32, 32)
    assert reconstruction.arrays("arrays")["image"].dtype == np.uint8
    assert not list((context.store / "scratch").iterdir())


def test_a_network_is_trained_on_the_readout_that_it_takes(shared):
    context, _ = shared
    options = {"cascades": 1, "channels": 2, "pools": 2, "sens_channels": 2, "sens_pools": 2}
    runs = [
        run(
            context,
            model=ModelSpec(
                name="varnet", options=tuple(sorted({**options, "oversampling": kept}.items()))
            ),
            epochs=1,
        )
        for kept in (0, 1)
    ]
    found = ensure([*runs, *(scores(context, train) for train in runs)], context, RECIPES)
    # The same first weights and masks: only the readout differs.
    first = [found[train].table("history")["loss"].iloc[0] for train in runs]
    assert first[0] != first[1]
    assert all(
        np.isfinite(found[scores(context, train)].table("scores")["ssim"]).all() for train in runs
    )


def test_a_checkpoint_that_is_missing_is_trained_again(shared, tmp_path):
    context, found = shared
    train = run(context)
    store = Store(tmp_path / "published")
    with store.create(train) as draft:
        draft.table("history", found[train].table("history"))
        path = draft.path("epoch-03.safetensors")
        path.write_bytes(found[train].path(path.name).read_bytes())
    there = replace(context, store=tmp_path / "none", published=(store.root,))
    assert [t.spec.kind for t in graph([train, scores(context, train)], there, RECIPES)] == ["eval"]
    kinds = [t.spec.kind for t in graph([scores(context, train, 1)], there, RECIPES)]
    assert kinds == ["train", "eval"]


def test_a_recomputed_sample_agrees(shared):
    context, _ = shared
    assert results.verify(context.store, RECIPES) == []
    checks = results.recompute(context.store, 6, context, recipes=RECIPES)
    assert len(checks) == 6
    assert all(c.agrees for c in checks), checks
    # The same processor and the same number of threads: the same numbers.
    assert max(c.worst for c in checks) == 0


def test_estimates_come_from_what_was_measured(shared):
    context, found = shared
    train = run(context)
    entry = found[train]
    longer = run(context, epochs=6)
    assert estimate(longer, context, RECIPES) == pytest.approx(2 * entry.record["seconds"])
    empty = replace(context, store=context.store.parent / "empty")
    assert estimate(longer, empty, RECIPES) == pytest.approx(2 * estimate(train, empty, RECIPES))


def test_the_built_in_estimate_follows_measured_steps():
    # A step of the U-net on one of two busy cores at 96 x 96; 124 million parameters at 320 x 320
    # take two threads 13 s.
    measured = ((3, 96, 0.013), (8, 96, 0.018), (16, 96, 0.039), (32, 96, 0.124), (128, 320, 20))
    for channels, size, seconds in measured:
        model = ModelSpec(name="unet", options=(("channels", channels),))
        assert recipes._step_s(model, size, Context(device="cpu")) == pytest.approx(
            seconds, rel=0.2
        )


@pytest.mark.parametrize(
    "name, profile, coils, seconds",
    [
        ("vit", "classroom", 8, 0.021),
        ("varnet", "classroom", 8, 0.125),
        # 7.5 s and 14 s of two threads at the paper's sizes.
        ("vit", "large", 15, 14),
        ("varnet", "paper", 15, 20),
    ],
)
def test_the_built_in_estimate_of_other_networks_is_of_their_order(name, profile, coils, seconds):
    large = (("depth", 10), ("heads", 16), ("width", 1024))
    size, options = 320, large
    if profile in profiles.PROFILES:
        size = profiles.profile(profile).size
        options = profiles.profile(profile).networks[name].options
    model = ModelSpec(name=name, options=options)
    estimated = recipes._step_s(model, size, Context(device="cpu"), coils)
    assert seconds / 2 < estimated < 2 * seconds


def test_plan_of_real_specs(shared):
    context, _ = shared
    other = replace(context, store=context.store.parent / "other")
    table = plan(wanted(context), other, RECIPES)
    assert table.groupby("kind")["runs"].sum().to_dict() == {
        "data": 2, "train": 1, "eval": 3, "exhibit": 2,
    }  # fmt: skip
    assert f"unet on {NAME}" in set(table["what"])
    assert table.set_index("what").loc[f"{NAME} test", "stored"] == 1
    assert plan(wanted(context), context, RECIPES)["missing"].sum() == 0


def test_simulated_data_are_tasks_of_their_own(shared, tmp_path):
    context, _ = shared
    new = replace(context, store=tmp_path / "store", cache=tmp_path / "cache")
    tasks = graph([run(new), scores(new)], new, RECIPES)
    files = [task for task in tasks if task.path is not None]
    assert len(files) == 2 + 1
    assert {task.spec.kind: len(task.needs) for task in tasks} == {"data": 0, "train": 2, "eval": 1}
    table = plan([run(new)], new, RECIPES).set_index("kind")
    assert table.loc["data", "missing"] == 1
    expected = 4 * 0.3 * (32 / 96) ** 2
    assert table.loc["data", "missing_seconds"] == pytest.approx(expected)
    ensure([data("train", new)], new, RECIPES)
    made = [task.path for task in files if task.path.exists()]
    assert made == volumes.files_of(data("train", new), new)
    for path in made:
        there = context.cache / path.relative_to(new.cache)
        assert path.read_bytes() == there.read_bytes()


def test_workers_write_the_same_bytes(shared, tmp_path):
    context, _ = shared
    new = replace(context, store=tmp_path / "store", cache=tmp_path / "cache", workers=2)
    with workers.using(workers.Workers(2)):
        ensure([data("train", new)], new, RECIPES)
        workers.close_pool()
    for path in volumes.files_of(data("train", new), new):
        there = context.cache / path.relative_to(new.cache)
        assert path.read_bytes() == there.read_bytes()


def test_another_group_of_metrics_is_another_entry_and_trains_nothing(tmp_path):
    context = Context(store=tmp_path / "store", cache=tmp_path / "cache", device="cpu")
    large = TINY._replace(size=48)

    def on(spec):
        test = volumes.data_spec(NAME, "test", large, context)
        return spec.model_copy(update={"data": test})

    first = on(scores(context, run(context)))
    ensure([first], context, RECIPES)
    further = first.model_copy(update={"metrics": metrics.GROUPS["perceptual"].pairs()})
    assert further.key != first.key
    assert [task.spec for task in graph([further], context, RECIPES)] == [further]
    table = ensure([further], context, RECIPES)[further].table("scores")
    columns = [name + end for name in perceptual.VERSIONS for end in ("", "_matched")]
    assert np.isfinite(table[columns]).all(axis=None)
    assert table["haarpsi"].between(0.01, 0.99).all()
    assert "ssim" not in table
    assert RECIPES[EvalSpec].label(further).endswith(f"{NAME} test by haarpsi, ms_ssim, vif")
    costs = [RECIPES[EvalSpec].cost(spec, context) for spec in (first, further)]
    assert costs[0].group != costs[1].group
    assert RECIPES[EvalSpec].outdated(further) is None
    assert "the metric vif has version 1" in RECIPES[EvalSpec].outdated(
        further.model_copy(update={"metrics": (("vif", 2),)})
    )


def test_slices_of_a_subsampled_pool(shared, tmp_path):
    context, _ = shared
    names = ("knee/PD-Skyra", "knee/PD-Aera")
    pool = Pool.of(*names).take(7)
    specs = tuple(volumes.data_spec(n, "train", TINY, context) for n in names)
    assert recipes.pool_slices(pool, specs, context) == 7
    half = Pool.of(NAME).half().expanded()
    assert recipes.pool_slices(Pool.parse(half), [data("train", context)], context) == 2
    limited = data("train", context).model_copy(update={"limit": 3})
    assert recipes.split_slices(limited, context) == 3


def outdated(spec):
    return RECIPES[type(spec)].outdated(spec)


def test_versions_make_specs_outdated(shared, monkeypatch):
    context, _ = shared
    every = [*wanted(context), data("test", context)]
    assert [outdated(spec) for spec in every] == [None] * 7
    monkeypatch.setattr(training, "VERSION", training.VERSION + 1)
    assert [bool(outdated(spec)) for spec in every] == [True, False, True, True, False, True, False]
    monkeypatch.undo()
    monkeypatch.setattr(masks, "VERSION", masks.VERSION + 1)
    assert all(map(outdated, every[:-1]))
    monkeypatch.undo()
    monkeypatch.setitem(metrics.VERSIONS, "ssim", 99)
    assert [bool(outdated(s)) for s in every] == [False, True, True, True, False, False, False]
    monkeypatch.undo()
    for name in ("reference", "reconstruction"):
        monkeypatch.setitem(exhibits.EXHIBITS, name, exhibits.find(name)._replace(version=99))
    assert [bool(outdated(s)) for s in every] == [False] * 4 + [True] * 2 + [False]
    monkeypatch.undo()
    monkeypatch.setattr(volumes, "_versions", lambda *words: ())
    old = data("test", context)
    assert "another version" in outdated(old)
    assert outdated(DataSpec(distribution=NAME, split="test", digest="x")) is None


def test_labels_say_what_and_not_how(shared):
    context, _ = shared
    train = run(context, seed=3)
    label = {type(s): RECIPES[type(s)].label(s) for s in [data("test", context), train]}
    assert list(label.values()) == [f"{NAME} test", f"unet on {NAME}"]
    assert RECIPES[EvalSpec].label(scores(context)) == f"zero-filled, tested on {NAME} test"
    assert RECIPES[ExhibitSpec].label(exhibit(context, "reconstruction", train)) == (
        f"reconstruction of unet on {NAME}, {NAME} test"
    )
    assert RECIPES[ExhibitSpec].label(ExhibitSpec(name="toy_risk")) == "toy_risk"


def test_missing_real_files_are_one_line(shared, tmp_path):
    context, _ = shared
    spec = scores(context).model_copy(
        update={"data": DataSpec(distribution=NAME, split="test", digest="x")}
    )
    with pytest.raises(MrinbError, match="give their data_root") as error:
        ensure([spec], replace(context, store=tmp_path / "store"), RECIPES)
    assert "\n" not in str(error.value)
