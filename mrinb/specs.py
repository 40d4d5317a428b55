"""The kinds of results, from data to pictures, as specs.

Keys are chained: an evaluation holds its training, a training its data. Whatever does not change
a number (profile name, workers, device, where files lie) is in ``Context``, not in a spec.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from mrinb.compute.specs import Spec

Split = Literal["train", "val", "test"]
Coil = Literal["multi", "single"]


class SimulatorSpec(Spec):
    """How simulated files of one distribution and split are made.

    Attributes:
        size: target matrix of a distribution whose full size is 320; others scale with it.
        coils: at most so many receiver coils.
        subjects: number of subjects, one volume each.
        slices: slices a volume.
        seed: seed of anatomy, contrast and noise.
        versions: versions of the modules that made them, as sorted (module, version) pairs.
    """

    kind: ClassVar[str] = "simulator"
    size: int
    coils: int
    subjects: int
    slices: int
    seed: int = 0
    versions: tuple[tuple[str, int], ...] = ()


class DataSpec(Spec):
    """One split of one distribution.

    Attributes:
        distribution: name in the catalogue.
        split: ``train``, ``val`` or ``test``.
        simulator: how simulated files are made, or None for files found in a data root.
        digest: digest of the files found (name, size, header, max, fingerprint of the content),
            or None if simulated.
        limit: at most so many slices, whole volumes in seeded order; None keeps all.
        coil: ``multi``, or ``single`` for the emulated single-coil track, whose target is
            ``reconstruction_esc``.
    """

    kind: ClassVar[str] = "data"
    later: ClassVar[frozenset[str]] = frozenset({"coil"})
    distribution: str
    split: Split
    simulator: SimulatorSpec | None = None
    digest: str | None = None
    limit: int | None = None
    coil: Coil = "multi"

    @property
    def simulated(self) -> bool:
        """Whether these data come from the simulator."""
        return self.simulator is not None


class SamplingSpec(Spec):
    """Undersampling of k-space along the phase-encoding direction.

    Attributes:
        mask: ``equispaced`` (exact stride, the paper's code), ``equispaced_fraction`` (adjusted
            stride, fastMRI) or ``random``.
        accelerations: nominal accelerations; training draws one of them for each mini-batch.
        center_fractions: fraction of fully sampled central lines for each acceleration.
        version: version of the draws in ``masks``.
    """

    kind: ClassVar[str] = "sampling"
    mask: Literal["equispaced", "equispaced_fraction", "random"] = "equispaced"
    accelerations: tuple[int, ...] = (4,)
    center_fractions: tuple[float, ...] = (0.08,)
    version: int = 1


class ModelSpec(Spec):
    """A network and its size.

    Attributes:
        name: ``unet``, ``vit``, ``varnet`` or an untrained method.
        options: sorted (name, value) pairs such as (("channels", 32), ("pools", 4)).
    """

    kind: ClassVar[str] = "model"
    name: str
    options: tuple[tuple[str, int | float], ...] = ()

    def option(self, name: str) -> Any:
        """Value of one option."""
        return dict(self.options)[name]


class TrainSpec(Spec):
    """One training run (Appendix B.2).

    Attributes:
        pool: the pool's expanded string form (``Pool.expanded``).
        data: the train splits of the pool's distributions, in catalogue order.
        model: the network.
        sampling: the masks drawn in training.
        epochs: passes over the pool; the schedule spans them.
        learning_rate: the largest of the schedule.
        batch_size: slices a step.
        clip: global l2 norm at which gradients are clipped.
        seed: seed of initialisation, order, masks and the pool's subsample.
        checkpoints: further epochs after which weights are kept (``training.kept_epochs``); they
            are not part of the key.
        version: version of the trainer.
    """

    kind: ClassVar[str] = "train"
    unkeyed: ClassVar[frozenset[str]] = frozenset({"checkpoints"})
    pool: str
    data: tuple[DataSpec, ...]
    model: ModelSpec
    sampling: SamplingSpec = SamplingSpec()
    epochs: int
    learning_rate: float = 1e-3
    batch_size: int = 1
    clip: float = 1.0
    seed: int = 0
    checkpoints: tuple[int, ...] = ()
    version: int = 1


class EvalSpec(Spec):
    """Scores of one reconstruction method on one split of one distribution.

    Attributes:
        train: the training run, or None for the zero-filled reconstruction.
        epoch: checkpoint that is evaluated; None is the last.
        data: the split that is evaluated.
        sampling: the masks, one for each volume, from the volume's name alone.
        metrics: (metric, version) pairs.
        method: an untrained method that is evaluated in place of a training run.
    """

    kind: ClassVar[str] = "eval"
    later: ClassVar[frozenset[str]] = frozenset({"method"})
    train: TrainSpec | None
    epoch: int | None = None
    data: DataSpec
    sampling: SamplingSpec = SamplingSpec()
    metrics: tuple[tuple[str, int], ...] = ()
    method: ModelSpec | None = None


class ExhibitSpec(Spec):
    """Arrays that a figure or widget shows.

    Attributes:
        name: what is shown, such as ``reconstruction`` or ``reference`` (a function in exhibits).
        train: the training run whose reconstructions are shown, if any.
        data: the split shown, if any.
        sampling: the masks.
        options: sorted (name, value) pairs particular to the exhibit.
        version: version of the exhibit's function.
        epoch: checkpoint whose reconstructions are shown; None is the last.
        method: an untrained method whose reconstructions are shown in place of a run's.
    """

    kind: ClassVar[str] = "exhibit"
    later: ClassVar[frozenset[str]] = frozenset({"epoch", "method"})
    name: str
    train: TrainSpec | None = None
    data: DataSpec | None = None
    sampling: SamplingSpec = SamplingSpec()
    options: tuple[tuple[str, int | float | str], ...] = ()
    version: int = 1
    epoch: int | None = None
    method: ModelSpec | None = None

    def option(self, name: str) -> Any:
        """Value of one option."""
        return dict(self.options)[name]


class EmbedderSpec(Spec):
    """A network whose features measure similarity (Appendix D).

    Attributes:
        name: ``clip-vit-b-16-datacomp`` or ``efficientnet-lite0``.
        weights: first 16 hexadecimal digits of the SHA-256 of its weights.
        size: pixels a side that it is given.
        version: version of preprocessing and features.
        path: file of weights that the user gave; it is not part of the key.
    """

    kind: ClassVar[str] = "embedder"
    unkeyed: ClassVar[frozenset[str]] = frozenset({"path"})
    name: str
    weights: str
    size: int
    version: int = 1
    path: str = ""


class FeatureSpec(Spec):
    """Features of random patches of one split's ground truths.

    Attributes:
        data: the split.
        embedder: the network.
        patch: pixels a side.
        count: number of patches.
        draw: seed of the draws.
        foreground: version of the mask that tells patches of the body from those of air.
        version: version of the draws.
    """

    kind: ClassVar[str] = "features"
    data: DataSpec
    embedder: EmbedderSpec
    patch: int
    count: int
    draw: int = 0
    foreground: int = 1
    version: int = 1


class SimilaritySpec(Spec):
    """Nearest-neighbour similarity of test patches to a training pool.

    Attributes:
        test: features of the test splits.
        pool: the training pool's expanded string form.
        train: features of the train splits of the pool's distributions, in catalogue order.
        counts: numbers of training patches at which it is measured, beside all there are.
        subsample: seed of the pool's subsample; 0 for a pool without one.
        version: version of the search.
    """

    kind: ClassVar[str] = "similarity"
    test: tuple[FeatureSpec, ...]
    pool: str
    train: tuple[FeatureSpec, ...]
    counts: tuple[int, ...] = ()
    subsample: int = 0
    version: int = 1


class MatchSpec(Spec):
    """Pictures of some test patches and of their nearest neighbours in a pool.

    Attributes:
        similarity: the search.
        shown: number of test patches, from each test split in turn.
        version: version of the pictures.
    """

    kind: ClassVar[str] = "matches"
    similarity: SimilaritySpec
    shown: int
    version: int = 1
