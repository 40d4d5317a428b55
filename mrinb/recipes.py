"""The table of kinds of results: what each needs, how it is computed, how long that takes.

It is handed to ``compute``, which knows nothing else of them: a new kind of result is a new row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from mrinb import models
from mrinb.compute.context import Context
from mrinb.compute.recipe import Cost, Files, Job, Need, Recipe, Recipes, Tolerance
from mrinb.pools import Pool, paired
from mrinb.specs import (
    DataSpec,
    EvalSpec,
    ExhibitSpec,
    FeatureSpec,
    MatchSpec,
    ModelSpec,
    SimilaritySpec,
    TrainSpec,
)

REAL_SIZE = 320
"""Matrix size assumed of real files when their computing time is estimated."""


TRAINED = Tolerance(0.03, mean=True)
"""For what training enters: another number of threads moved means by up to 0.008."""

PATCHES = Tolerance(0.03, mean=True)
"""For what depends on patches: rounding can tip one at the foreground's edge in or out."""
FURTHER_S = 0.016
"""Seconds that a further group of metrics takes on a slice of 96 x 96 pixels."""
NEAREST = "nearest"
"""File that says which patches are nearest; it is needed for pictures and is not published."""


def weights_name(train: TrainSpec, epoch: int | None = None) -> str:
    """File of the weights after an epoch (from 1); None is the last."""
    return f"epoch-{epoch or train.epochs:02d}.safetensors"


def split_slices(spec: DataSpec, context: Context) -> int:
    """Number of slices in a split; simulated ones need not exist yet."""
    if spec.simulator is not None:
        count = spec.simulator.subjects * spec.simulator.slices
        return count if spec.limit is None else min(count, spec.limit)
    return _found_slices(spec, context)


@lru_cache(maxsize=4096)
def _found_slices(spec: DataSpec, context: Context) -> int:
    # Remembered: a chapter asks hundreds of times, each a look at every file of the data root,
    # and files of another number would have another digest.
    from mrinb.data.volumes import volumes

    return sum(volume.slices for volume in volumes(spec, context))


def pool_slices(pool: Pool, data: Sequence[DataSpec], context: Context) -> int:
    """Number of slices of a pool, which are those of one epoch of training.

    Args:
        pool: the pool.
        data: train split of each of its distributions.
        context: where real files lie.
    """
    counts = {name: split_slices(d, context) for name, d in paired(pool, data).items()}
    total = 0
    for part in pool.parts:
        count = sum(counts[d] for d in part.distributions)
        for step in part.steps:
            count = step.count(count)
        total += count
    return total


def _data_files(spec: DataSpec, context: Context) -> list[Path]:
    from mrinb.data.volumes import files_of

    return files_of(spec, context)


def _simulate(spec: DataSpec, path: Path, context: Context) -> None:
    from mrinb.data.volumes import make_file

    make_file(spec, path, context)


def _data_cost(spec: DataSpec, context: Context) -> Cost:
    made = spec.simulator
    if made is None:
        return Cost("data", 0.0, 0.0)
    return Cost("data", made.subjects * made.slices, 0.3 * (made.size / 96) ** 2)


def _train(spec: TrainSpec, job: Job) -> None:
    from mrinb.data.slices import Slices
    from mrinb.data.volumes import select, volumes
    from mrinb.recon.models import full_readout
    from mrinb.recon.training import train

    data = paired(Pool.parse(spec.pool), spec.data)
    available = {name: volumes(d, job.context) for name, d in data.items()}
    items = select(spec, available)
    slices = Slices(items, job.context, full_readout=full_readout(spec.model))
    scratch = job.scratch()

    def progress(done: int, total: int, loss: float) -> None:
        job.progress(done / total, f"epoch {1 + done * spec.epochs // (total + 1)}/{spec.epochs}")

    history = train(spec, slices, scratch, device=job.context.device, progress=progress)
    job.draft.table("history", history)
    for path in sorted(scratch.glob("epoch-*.safetensors")):
        path.rename(job.draft.path(path.name))
    _note_device(job)


def _note_device(job: Job) -> None:
    from mrinb.compute.devices import torch_device

    job.draft.record["device"] = str(torch_device(job.context.device))


def _evaluate(spec: EvalSpec, job: Job) -> None:
    from mrinb.recon.evaluation import evaluate

    weights = _weights(job, spec.train, spec.epoch)
    job.draft.table("scores", evaluate(spec, weights, job.context, job.steps))
    _note_device(job)


def _exhibit(spec: ExhibitSpec, job: Job) -> None:
    from mrinb.exhibits import compute

    job.draft.arrays("arrays", compute(spec, _weights(job, spec.train, spec.epoch), job.context))
    _note_device(job)


def _features(spec: FeatureSpec, job: Job) -> None:
    import numpy as np

    from mrinb.similarity.search import FEATURES, PLACES, features

    found, places = features(spec, job.context, job.steps)
    np.save(job.draft.path(FEATURES), found, allow_pickle=False)
    job.draft.table(PLACES, places)
    _note_device(job)


def _similarity(spec: SimilaritySpec, job: Job) -> None:
    from mrinb.similarity.search import similarity

    arrays, where = similarity(spec, _folders(spec, job), job.context)
    job.draft.arrays("arrays", arrays)
    job.draft.arrays(NEAREST, {"where": where})
    _note_device(job)


def _matches(spec: MatchSpec, job: Job) -> None:
    from mrinb.similarity.search import matches

    search = job.fetch(spec.similarity, (f"{NEAREST}.npz",))
    largest = search.arrays("arrays")["similarity"][-1]
    where = search.arrays(NEAREST)["where"]
    folders = _folders(spec.similarity, job)
    job.draft.arrays("arrays", matches(spec, folders, largest, where, job.context))


def _folders(spec: SimilaritySpec, job: Job) -> dict[FeatureSpec, Path]:
    return {f: job.fetch(f, _feature_files()).folder for f in (*spec.test, *spec.train)}


def _feature_files() -> tuple[str, ...]:
    from mrinb.similarity.search import FEATURES, PLACES

    return (FEATURES, f"{PLACES}.parquet")


def _weights(job: Job, train: TrainSpec | None, epoch: int | None = None) -> Path | None:
    if train is None:
        return None
    name = weights_name(train, epoch)
    return job.fetch(train, (name,)).path(name)


def _train_needs(spec: TrainSpec) -> list[Need]:
    return [Need(d) for d in spec.data]


def _eval_needs(spec: EvalSpec) -> list[Need]:
    data = [Need(spec.data)]
    if spec.train is None:
        return data
    return [Need(spec.train, (weights_name(spec.train, spec.epoch),)), *data]


def _exhibit_needs(spec: ExhibitSpec) -> list[Need]:
    data = [Need(spec.data)] if spec.data is not None else []
    if spec.train is None:
        return data
    return [Need(spec.train, (weights_name(spec.train, spec.epoch),)), *data]


def _similarity_needs(spec: SimilaritySpec) -> list[Need]:
    needs = [Need(f, _feature_files()) for f in (*spec.test, *spec.train)]
    # Which slices a subsampled pool keeps is found from the volumes' files.
    whole = not any(part.steps for part in Pool.parse(spec.pool).parts)
    return needs if whole else [*needs, *(Need(f.data) for f in spec.train)]


def _match_needs(spec: MatchSpec) -> list[Need]:
    search = spec.similarity
    files = [Need(f.data) for f in (*search.test, *search.train)]
    return [Need(search, (f"{NEAREST}.npz",)), *_similarity_needs(search), *files]


def _size(data: DataSpec | None) -> int:
    return data.simulator.size if data is not None and data.simulator else REAL_SIZE


def _coils(data: DataSpec | None) -> int:
    return data.simulator.coils if data is not None and data.simulator else 15


def _step_s(model: ModelSpec, size: int, context: Context, coils: int = 15) -> float:
    """Seconds of a training step on one slice, as measured on one core."""
    seconds = models.find(model.name).step_s(dict(model.options), size, coils)
    return seconds / 100 if _processor(context) == "cuda" else seconds


def _processor(context: Context) -> str:
    if context.device != "auto":
        return context.device.partition(":")[0]
    if not any(Path("/dev").glob("nvidia*")):
        return "cpu"  # torch need not be imported to know
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _group(kind: str, model: ModelSpec, size: int, context: Context) -> str:
    options = ",".join(f"{name}={value}" for name, value in model.options)
    return f"{kind}/{model.name}({options})/{size}/{_processor(context)}"


def _train_cost(spec: TrainSpec, context: Context) -> Cost:
    size = max(map(_size, spec.data))
    units = spec.epochs * pool_slices(Pool.parse(spec.pool), spec.data, context)
    group = _group("train", spec.model, size, context)
    coils = max(map(_coils, spec.data))
    return Cost(group, units, _step_s(spec.model, size, context, coils))


def _eval_cost(spec: EvalSpec, context: Context) -> Cost:
    cost, further = _scored_cost(spec, context), _further_metrics(spec)
    if not further:
        return cost
    unit_s = cost.unit_s + FURTHER_S * (_size(spec.data) / 96) ** 2
    return cost._replace(group=f"{cost.group}/{'+'.join(further)}", unit_s=unit_s)


def _further_metrics(spec: EvalSpec) -> list[str]:
    """The metrics of a spec, empty if they are those that every evaluation once had."""
    names = [name for name, _ in spec.metrics]
    return [] if "ssim" in names else names


def _scored_cost(spec: EvalSpec, context: Context) -> Cost:
    size = _size(spec.data)
    units = split_slices(spec.data, context) + 4  # and opening files, loading weights
    if spec.method is not None:
        return _method_cost(spec.method, spec.data, units)
    if spec.train is None:
        return Cost(f"eval/zero-filled/{size}", units, 0.002 * (size / 96) ** 2)
    model = spec.train.model
    unit_s = 0.25 * _step_s(model, size, context, _coils(spec.data))
    return Cost(_group("eval", model, size, context), units, unit_s)


def _method_cost(method: ModelSpec, data: DataSpec, slices: int) -> Cost:
    """Of an untrained method: iterations cost the same whatever the other options."""
    size, coils = _size(data), 1 if data.coil == "single" else _coils(data)
    iterations = dict(method.options).get("iterations", 100)
    group = f"eval/{method.name}/{coils}/{size}/cpu"
    step_s = models.find(method.name).step_s(dict(method.options), size, coils)
    return Cost(group, slices * iterations, step_s)


def _exhibit_cost(spec: ExhibitSpec, context: Context) -> Cost:
    if spec.method is not None and spec.data is not None:
        return _method_cost(spec.method, spec.data, spec.option("slices") + 4)
    return Cost(f"exhibit/{spec.name}/{_size(spec.data)}", 1, 0.5 * (_size(spec.data) / 96) ** 2)


def _feature_cost(spec: FeatureSpec, context: Context) -> Cost:
    embedder, processor = spec.embedder, _processor(context)
    convolutional = embedder.name.startswith("efficientnet")
    seconds = 0.002 + 0.018 * (embedder.size / 224) ** 2 if convolutional else 1.0
    group = f"features/{embedder.name}/{embedder.size}/{processor}"
    return Cost(group, spec.count, seconds / 100 if processor == "cuda" else seconds)


def _similarity_cost(spec: SimilaritySpec, context: Context) -> Cost:
    pairs = sum(f.count for f in spec.test) * sum(f.count for f in spec.train)
    return Cost(f"similarity/{_processor(context)}", 0.1 + pairs / 1e6, 0.1)


def _match_cost(spec: MatchSpec, context: Context) -> Cost:
    return Cost("matches", spec.shown, 0.05)


def _data_label(spec: DataSpec) -> str:
    return f"{spec.distribution} {spec.split}"


def _train_label(spec: TrainSpec) -> str:
    return f"{spec.model.name} on {Pool.parse(spec.pool)}"


def _eval_label(spec: EvalSpec) -> str:
    what = _train_label(spec.train) if spec.train else "zero-filled"
    if spec.method is not None:
        what = _method_label(spec.method)
    further = _further_metrics(spec)
    by = f" by {', '.join(further)}" if further else ""
    return f"{what}, tested on {_data_label(spec.data)}{by}"


def _method_label(spec: ModelSpec) -> str:
    shown = [f"{name} {value:g}" for name, value in spec.options if name != "version"]
    return f"{spec.name} of {' and '.join(shown)}"


def _exhibit_label(spec: ExhibitSpec) -> str:
    about = [_train_label(spec.train)] if spec.train else []
    about += [_method_label(spec.method)] if spec.method else []
    about += [_data_label(spec.data)] if spec.data else []
    return " ".join([spec.name, "of", ", ".join(about)] if about else [spec.name])


def _feature_label(spec: FeatureSpec) -> str:
    return f"features of {_data_label(spec.data)}"


def _similarity_label(spec: SimilaritySpec) -> str:
    on = ", ".join(_data_label(f.data) for f in spec.test)
    return f"similarity of {on} to {Pool.parse(spec.pool)}"


def _match_label(spec: MatchSpec) -> str:
    return f"pictures of the {_similarity_label(spec.similarity)}"


def _data_outdated(spec: DataSpec) -> str | None:
    if spec.simulator is None:
        return None
    from mrinb import catalogue
    from mrinb.simulate import acquire

    if spec.distribution not in catalogue.EVERY:
        return f"{spec.distribution} is no longer in the catalogue"
    here = acquire.versions(catalogue.distribution(spec.distribution), spec.coil)
    same = spec.simulator.versions == here
    return None if same else f"the simulator of {spec.distribution} has another version"


def _train_outdated(spec: TrainSpec) -> str | None:
    from mrinb.recon import training

    if spec.version != training.VERSION:
        return f"the trainer has version {training.VERSION}"
    return _sampling_outdated(spec) or next(filter(None, map(_data_outdated, spec.data)), None)


def _sampling_outdated(spec: TrainSpec | EvalSpec | ExhibitSpec) -> str | None:
    from mrinb.recon import masks

    same = spec.sampling.version == masks.VERSION
    return None if same else f"the masks have version {masks.VERSION}"


def _eval_outdated(spec: EvalSpec) -> str | None:
    from mrinb.recon import metrics

    for name, version in spec.metrics:
        if metrics.version(name) != version:
            return f"the metric {name} has version {metrics.version(name)}"
    train = _train_outdated(spec.train) if spec.train else _method_outdated(spec.method)
    return _sampling_outdated(spec) or train or _data_outdated(spec.data)


def _method_outdated(method: ModelSpec | None) -> str | None:
    if method is None:
        return None
    version = models.find(method.name).version
    same = version == dict(method.options).get("version")
    return None if same else f"{method.name} has version {version}"


def _exhibit_outdated(spec: ExhibitSpec) -> str | None:
    from mrinb import exhibits

    current = exhibits.find(spec.name).version
    if spec.version != current:
        return f"exhibit {spec.name} has version {current}"
    train = _train_outdated(spec.train) if spec.train else _method_outdated(spec.method)
    data = _data_outdated(spec.data) if spec.data else None
    return _sampling_outdated(spec) or train or data


def _feature_outdated(spec: FeatureSpec) -> str | None:
    from mrinb.recon import metrics
    from mrinb.similarity import embedders
    from mrinb.similarity import search as similarity

    foreground = metrics.VERSIONS["ssim_foreground"]
    for what, now, then in (
        ("patches have", similarity.VERSION, spec.version),
        ("the foreground has", foreground, spec.foreground),
        ("features have", embedders.VERSION, spec.embedder.version),
    ):
        if now != then:
            return f"{what} version {now}"
    return _data_outdated(spec.data)


def _similarity_outdated(spec: SimilaritySpec) -> str | None:
    from mrinb.similarity import search as similarity

    if spec.version != similarity.VERSION:
        return f"the search has version {similarity.VERSION}"
    return next(filter(None, map(_feature_outdated, (*spec.test, *spec.train))), None)


def _match_outdated(spec: MatchSpec) -> str | None:
    from mrinb.similarity import search as similarity

    if spec.version != similarity.VERSION:
        return f"pictures of patches have version {similarity.VERSION}"
    return _similarity_outdated(spec.similarity)


def _tolerance(spec: EvalSpec | ExhibitSpec) -> Tolerance:
    return Tolerance(1e-3) if spec.train is None else TRAINED


RECIPES: Recipes = {
    DataSpec: Recipe(
        None, lambda spec: [], _data_cost, _data_label,
        files=Files(_data_files, _simulate), outdated=_data_outdated,
    ),
    TrainSpec: Recipe(
        _train, _train_needs, _train_cost, _train_label,
        outdated=_train_outdated, tolerance=lambda spec: TRAINED,
    ),
    EvalSpec: Recipe(
        _evaluate, _eval_needs, _eval_cost, _eval_label,
        outdated=_eval_outdated, tolerance=_tolerance,
    ),
    ExhibitSpec: Recipe(
        _exhibit, _exhibit_needs, _exhibit_cost, _exhibit_label,
        outdated=_exhibit_outdated, tolerance=_tolerance,
    ),
    FeatureSpec: Recipe(
        _features, lambda spec: [Need(spec.data)], _feature_cost, _feature_label,
        outdated=_feature_outdated, published=(), tolerance=lambda spec: PATCHES,
    ),
    SimilaritySpec: Recipe(
        _similarity, _similarity_needs, _similarity_cost, _similarity_label,
        outdated=_similarity_outdated, published=("arrays.npz",), tolerance=lambda spec: PATCHES,
    ),
    MatchSpec: Recipe(
        _matches, _match_needs, _match_cost, _match_label,
        outdated=_match_outdated, tolerance=lambda spec: PATCHES,
    ),
}  # fmt: skip
"""The kinds of results of this package."""
