"""The lab: what a chapter needs to turn pools into runs, scores and pictures.

It holds context only (profile, data, store, device); each method describes results as specs and
has the runner provide them, from the store where they are there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mrinb import exhibits, parameters
from mrinb.catalogue import DISTRIBUTIONS, EVERY
from mrinb.chapters.regularisation import experiment as regularisation
from mrinb.comparison import CompareData, View
from mrinb.compute import runner
from mrinb.compute.context import PUBLISHED, Context, cache_dir
from mrinb.compute.specs import Spec
from mrinb.compute.store import Entry, seed_of
from mrinb.compute.workers import store_of
from mrinb.data.volumes import available, data_spec
from mrinb.errors import MrinbError, unknown
from mrinb.exhibits import Pictures
from mrinb.pools import Pool
from mrinb.profiles import NETWORKS, Profile, profile
from mrinb.recipes import RECIPES, pool_slices
from mrinb.recon import masks, metrics
from mrinb.recon.models import METHOD_VERSIONS
from mrinb.recon.models.l1_wavelet import NAME as L1_WAVELET
from mrinb.recon.training import LEARNING_RATES, kept_epochs, learning_rate_grid
from mrinb.recon.training import VERSION as TRAINER_VERSION
from mrinb.shifts import Shift
from mrinb.similarity import embedders
from mrinb.similarity import search as similarities
from mrinb.specs import (
    Coil,
    DataSpec,
    EmbedderSpec,
    EvalSpec,
    ExhibitSpec,
    FeatureSpec,
    MatchSpec,
    ModelSpec,
    SamplingSpec,
    SimilaritySpec,
    Split,
    TrainSpec,
)
from mrinb.widgets import ToyData

COMMON = {
    "profile": "str", "data_root": "str", "store": "str", "device": "str",
    "seed": "int", "model": "str",
}  # fmt: skip
"""Parameters that every chapter takes, and their types."""

ZERO_FILLED = "zero-filled"

MODELS = NETWORKS
"""Models a chapter can be run with, and their names in figures."""
ALL_MODELS = "all"


@dataclass(frozen=True)
class Runs:
    """Training runs of several pools, one a seed; described, not necessarily computed yet.

    Attributes:
        model: the model's name.
        pools: pool by label, such as ``{"P+Q": Pool}``.
        specs: training runs by label, one a seed.
        slices: number of training slices by label.
        coils: at most so many simulated coils; None is the profile's number.
    """

    model: str
    pools: Mapping[str, Pool]
    specs: Mapping[str, tuple[TrainSpec, ...]]
    slices: Mapping[str, int]
    coils: int | None = None

    @property
    def early(self) -> list[int]:
        """Epochs before the last whose weights are kept."""
        return kept_epochs(next(iter(self.specs.values()))[0])[:-1]

    def __or__(self, other: Runs) -> Runs:
        """Both together, such as runs with other masks, to be scored side by side.

        Raises:
            MrinbError: they are of another model or other coils, or share a label.
        """
        if (self.model, self.coils) != (other.model, other.coils):
            raise MrinbError(
                f"runs of {self.model} with coils = {self.coils} and of {other.model} with "
                f"coils = {other.coils} are scored on their own: evaluate them apart"
            )
        for label in self.specs:
            if label in other.specs:
                raise MrinbError(f"two groups of runs are called {label!r}: rename one")
        return replace(
            self,
            pools={**self.pools, **other.pools},
            specs={**self.specs, **other.specs},
            slices={**self.slices, **other.slices},
        )


class Best(NamedTuple):
    """Which single distribution's networks do best on a pool (Section 4).

    Attributes:
        table: one row a distribution: mean score of its networks over seeds and slices of the
            pool's ``test`` and ``val`` splits, columns ``distribution, test, val``.
        by_test: the best by the paper's rule, which looks at test data.
        by_validation: the best by validation data.
        scores: table of ``Lab.evaluate`` of each split, ``test`` and ``val``.
        metric: the score they were chosen by.
    """

    table: pd.DataFrame
    by_test: str
    by_validation: str
    scores: Mapping[str, pd.DataFrame]
    metric: str = "ssim"


class Panel(NamedTuple):
    """One slice reconstructed by several methods.

    Attributes:
        target: ground truth (height, width), upside down as fastMRI stores images.
        images: reconstruction (height, width) by label.
        ssim: SSIM of each, computed from float images.
        note: where the picture comes from.
    """

    target: np.ndarray
    images: Mapping[str, np.ndarray]
    ssim: Mapping[str, float]
    note: Mapping[str, Any]


class Shown(NamedTuple):
    """Arrays by name and the note that belongs under their picture."""

    arrays: Mapping[str, Any]
    note: Mapping[str, Any]

    def table(self) -> pd.DataFrame:
        """Curves as a long table: what, x-axis values and heights of every curve."""
        return pd.concat(
            [
                pd.DataFrame(
                    {"label": label, "quantity": y, "x": curve[x][: len(curve[y])], "y": curve[y]}
                )
                for label, curve in self.arrays.items()
                for x, y in (("frequency", "power"), ("edges", "density"))
            ],
            ignore_index=True,
        )


@dataclass(frozen=True)
class Lab:
    """Context of one chapter.

    Attributes:
        chapter: number or letter under which used results are recorded for publishing.
        profile: sizes.
        context: where and how results are computed.
        seed: first seed of training.
        model: default model, or ``all``.
        sampling: masks of training and evaluation.
        used: kind and key of every result used so far.
    """

    chapter: str
    profile: Profile
    context: Context
    seed: int = 0
    model: str = "unet"
    sampling: SamplingSpec = field(default_factory=lambda: masks.sampling(4))
    used: set[tuple[str, str]] = field(default_factory=set, compare=False, repr=False)
    _data: dict[tuple[str, str, int | None, Coil, int | None], DataSpec] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def from_parameters(
        cls,
        namespace: Mapping[str, Any],
        chapter: str,
        checks: Mapping[str, Callable[[str], object]] | None = None,
        several: bool = False,
    ) -> Lab:
        """Validate every parameter of a notebook and build its lab.

        Args:
            namespace: the notebook's ``globals()``.
            chapter: its number or letter.
            checks: for parameters of the chapter's own, a function that raises on a bad value;
                empty strings, which stand for "not given", are not checked.
            several: whether the chapter takes ``model = "all"``.

        Raises:
            MrinbError: a parameter is unknown, has the wrong type, or a value that cannot be.
        """
        values = parameters.read(namespace, COMMON)
        for name, check in (checks or {}).items():
            if values[name] != "":
                check(values[name])
        sizes = profile(values.get("profile", "classroom"))
        model = values.get("model", "unet")
        if not (several and model == ALL_MODELS):
            _check_model(model, [*MODELS, ALL_MODELS] if several else MODELS)
        for name in ("epochs", "seeds"):
            if values.get(name, 0) < 0:
                raise MrinbError(f"parameter {name} = {values[name]}: give 0 or a larger number")
        sizes = sizes.trained(values.get("epochs", 0), values.get("seeds", 0))
        return cls(
            chapter,
            sizes,
            _context(values),
            values.get("seed", 0),
            model,
            masks.sampling(values.get("acceleration", 4)),
        )

    @property
    def simulated(self) -> bool:
        """Whether the chapter runs on simulated data."""
        return self.context.data_root is None

    @property
    def models(self) -> tuple[str, ...]:
        """The networks the chapter runs: one, or for ``all`` those of the profile."""
        return self.profile.models if self.model == ALL_MODELS else (self.model,)

    def at_coils(self, coils: int) -> Lab:
        """The same lab, but simulated scanners have at most so many coils.

        Args:
            coils: number of coils; scanners with fewer keep theirs, and so do real files.

        Raises:
            MrinbError: the number is not positive.
        """
        if coils < 1:
            raise MrinbError(f"coils = {coils}: a scanner has at least one")
        return replace(self, profile=self.profile._replace(coils=coils))

    def data(
        self,
        distribution: str,
        split: str,
        coils: int | None = None,
        coil: Coil = "multi",
        slices: int | None = None,
    ) -> DataSpec:
        """Describe one split of one distribution, real files as they were when first asked for.

        Args:
            distribution: name in the catalogue.
            split: ``train``, ``val`` or ``test``.
            coils: at most so many simulated coils; None is the profile's number.
            coil: ``single`` for the emulated single-coil track.
            slices: so many slices in place of the profile's number.

        Raises:
            MrinbError: there is no such data.
        """
        ident = (distribution, split, coils, coil, slices)
        if ident not in self._data:
            sizes = self.profile._replace(coils=coils or self.profile.coils)
            self._data[ident] = data_spec(
                distribution, split, sizes, self.context, coil=coil, slices=slices
            )
        return self._data[ident]

    def model_spec(self, model: str, options: Mapping[str, int] | None = None) -> ModelSpec:
        """A model at this profile's size, with options changed.

        Raises:
            MrinbError: the model is unknown.
        """
        _check_model(model)
        chosen = {**dict(self.profile.networks[model].options), **(options or {})}
        return ModelSpec(name=model, options=tuple(sorted(chosen.items())))

    def train(
        self,
        model: str,
        pools: Mapping[str, Pool],
        seeds: int | None = None,
        *,
        options: Mapping[str, int] | None = None,
        sampling: SamplingSpec | None = None,
        coils: int | None = None,
    ) -> Runs:
        """Describe the training of one model on several pools.

        Nothing is computed yet: ``evaluate`` and the exhibits compute what is missing, together.

        Args:
            model: the model's name.
            pools: pool by label.
            seeds: number of seeds; None is the profile's.
            options: options of the model that differ from the profile's.
            sampling: masks of training; None is the chapter's.
            coils: at most so many simulated coils; None is the profile's number.
        """
        network, description = self.profile.networks[model], self.model_spec(model, options)
        specs, sizes = {}, {}
        for label, pool in pools.items():
            data = tuple(self.data(d, "train", coils) for d in pool.distributions)
            sizes[label] = pool_slices(pool, data, self.context)
            specs[label] = tuple(
                TrainSpec(
                    pool=pool.expanded(),
                    data=data,
                    model=description,
                    sampling=sampling or self.sampling,
                    epochs=network.epochs,
                    seed=self.seed + i,
                    version=TRAINER_VERSION,
                )
                for i in range(seeds or network.seeds)
            )
        return Runs(model, dict(pools), specs, sizes, coils)

    def evaluate(
        self,
        runs: Runs,
        on: Shift | Mapping[str, Pool],
        split: str = "test",
        *,
        epochs: Sequence[int] = (),
        sampling: SamplingSpec | None = None,
    ) -> pd.DataFrame:
        """Score every run, and the zero-filled images, on test slices.

        Args:
            runs: the training runs.
            on: pools to test on by name; a shift stands for its P and Q.
            split: ``test`` or ``val``.
            epochs: earlier epochs that are scored as well, of those that ``runs.early`` has.
            sampling: masks of the test; None is the chapter's.

        Returns:
            A tidy table, one row a slice, run and epoch; ``attrs["note"]`` says where it comes
            from.
        """
        shift = on.name if isinstance(on, Shift) else ""
        targets = {"P": on.P, "Q": on.Q} if isinstance(on, Shift) else dict(on)
        wanted = self._tested(runs, targets, split, epochs)
        specs = [self._eval(train, test, epoch, sampling) for _, train, test, epoch in wanted]
        entries = self._ensure(specs)
        tables, labels = [], []
        for (label, train, test, epoch), spec in zip(wanted, specs, strict=True):
            scores = entries[spec].table("scores")
            about = {
                "pool": label,
                "pool_string": str(runs.pools[label]) if train else "",
                "train_slices": runs.slices.get(label, 0),
                "model": runs.model,
                "seed": train.seed if train else -1,
                "epoch": (epoch or train.epochs) if train else 0,
                "shift": shift,
            }
            on_targets = [n for n, p in targets.items() if test.distribution in p.distributions]
            tables += [scores] * len(on_targets)
            labels += [{**about, "target": name} for name in on_targets]
        table = _labelled(tables, labels)
        table.attrs["note"] = self.note(specs)
        return table

    def compute(self, several: Iterable[Runs], on: Mapping[str, Pool], early: bool = False) -> None:
        """Have what ``evaluate`` of several runs needs computed together.

        One after the other, workers would wait for the longest training of each.

        Args:
            several: the training runs.
            on: pools to test on by name.
            early: whether earlier epochs are scored as well.
        """
        wanted = [
            test
            for runs in several
            for test in self._tested(runs, on, "test", runs.early if early else ())
        ]
        self._ensure([self._eval(train, test, epoch) for _, train, test, epoch in wanted])

    def _tested(
        self, runs: Runs, targets: Mapping[str, Pool], split: str, epochs: Sequence[int]
    ) -> list[tuple[str, TrainSpec | None, DataSpec, int | None]]:
        """Label, run, test data and epoch (None is the last) of every score of runs on targets."""
        names = {d for pool in targets.values() for d in pool.distributions}
        tests = {d: self.data(d, split, runs.coils) for d in EVERY if d in names}
        return [
            (label, train, test, epoch)
            for test in tests.values()
            for label, group in [(ZERO_FILLED, (None,)), *runs.specs.items()]
            for train in group
            for epoch in ((*epochs, None) if train else (None,))
        ]

    def _eval(
        self,
        train: TrainSpec | None,
        data: DataSpec,
        epoch: int | None = None,
        sampling: SamplingSpec | None = None,
        method: ModelSpec | None = None,
    ) -> EvalSpec:
        return EvalSpec(
            train=train, epoch=epoch, data=data, sampling=sampling or self.sampling,
            metrics=tuple(sorted(metrics.VERSIONS.items())), method=method,
        )  # fmt: skip

    def best_single(
        self,
        pool: Pool,
        on: Pool,
        model: str = "unet",
        *,
        coils: int | None = None,
        metric: str = "ssim",
    ) -> Best:
        """Find the distribution of a pool whose networks do best on another pool (Section 4).

        Args:
            pool: P; one network is trained on each of its distributions and every seed.
            on: Q.
            model: the network; the paper takes the U-net.
            coils: at most so many simulated coils; None is the profile's number.
            metric: the score that chooses.
        """
        runs = self.train(model, {d: Pool.of(d) for d in pool.distributions}, coils=coils)
        return self.best_of(runs, {"Q": on}, "distribution", metric=metric)

    def best_of(
        self,
        runs: Runs,
        on: Mapping[str, Pool],
        name: str,
        sampling: SamplingSpec | None = None,
        metric: str = "ssim",
    ) -> Best:
        """Find the runs that do best, by test and by validation data.

        Args:
            runs: the candidates, one a label.
            on: what they are tested on, by name.
            name: what the labels are: the first column of the table.
            sampling: masks of the test; None is the chapter's.
            metric: the score that chooses.
        """
        found = {s: self.evaluate(runs, on, s, sampling=sampling) for s in ("test", "val")}
        means = {split: t.groupby("pool")[metric].mean() for split, t in found.items()}
        table = pd.DataFrame(means).loc[list(runs.specs)].rename_axis(name).reset_index()
        table.attrs["note"] = joined_note(found.values())
        by_test, by_validation = (str(table.loc[table[s].idxmax(), name]) for s in found)
        return Best(table, by_test, by_validation, found, metric)

    def regularised(
        self,
        on: Mapping[str, Pool],
        weights: Sequence[float],
        split: Split = "test",
        *,
        coil: Coil = "single",
        iterations: int = 100,
        slices: int | None = None,
    ) -> pd.DataFrame:
        """Score l1-wavelet regularised least squares at several weights, and zero-filled images.

        Args:
            on: pools to test on by name.
            weights: regularisation weights.
            split: ``test`` or ``val``.
            coil: emulated single-coil data, or multi-coil data with ESPIRiT maps.
            iterations: iterations of FISTA.
            slices: slices of each distribution; None is the profile's number of ``images``, of
                which validation has half.

        Returns:
            A table as that of ``evaluate``; the column ``pool`` names the weight (``λ = 0.01``),
            ``weight`` is the weight, NaN for zero-filled images. Nothing is trained: seeds are -1.
        """
        if iterations < 1:
            raise MrinbError(f"iterations = {iterations}: give a number above 0")
        tests = {
            (target, d): self._images(d, split, coil, slices)
            for target, pool in on.items()
            for d in pool.distributions
        }
        specs = {
            (target, d, weight): self._eval(None, data, method=_l1(weight, iterations))
            for (target, d), data in tests.items()
            for weight in (None, *weights)
        }
        entries = self._ensure(list(specs.values()))
        labels = [
            {
                "pool": ZERO_FILLED if weight is None else regularisation.label(weight),
                "weight": np.nan if weight is None else weight,
                "pool_string": "", "train_slices": 0, "model": L1_WAVELET, "seed": -1, "epoch": 0,
                "shift": "", "target": target,
            }
            for target, _, weight in specs
        ]  # fmt: skip
        table = _labelled([entries[spec].table("scores") for spec in specs.values()], labels)
        table.attrs["note"] = self.note(list(specs.values()))
        return table

    def regularised_panel(
        self,
        distribution: str,
        weights: Sequence[float],
        *,
        coil: Coil = "single",
        iterations: int = 100,
        slices: int | None = None,
    ) -> Panel:
        """One test slice at several weights; arguments as of ``regularised``."""
        data = self._images(distribution, "test", coil, slices)
        reference = self.exhibit("reference", data, slices=1)
        pictures = [
            self.exhibit("reconstruction", data, method=_l1(weight, iterations), slices=1)
            for weight in weights
        ]
        first, *rest = self.show([reference, *pictures])
        labels = [ZERO_FILLED, *map(regularisation.label, weights)]
        arrays = [first["zero_filled"], *(a["image"] for a in rest)]
        images = {
            name: Pictures(a, first["white"]).floats()[0]
            for name, a in zip(labels, arrays, strict=True)
        }
        scores = {name: float(a["ssim"][0]) for name, a in zip(labels, [first, *rest], strict=True)}
        target = Pictures(first["target"], first["white"]).floats()[0]
        return Panel(target, images, scores, self.note([reference, *pictures]))

    def _images(self, distribution: str, split: Split, coil: Coil, slices: int | None) -> DataSpec:
        if slices is not None and slices < 0:
            raise MrinbError(f"images = {slices}: give 0 or a larger number")
        count = slices or self.profile.images
        return self.data(
            distribution, split, coil=coil, slices=count if split == "test" else -(-count // 2)
        )

    def learning_rates(
        self,
        model: str,
        pool: Pool,
        rates: Sequence[float] = LEARNING_RATES,
        seeds: int = 1,
    ) -> pd.DataFrame:
        """Appendix B.2's grid: train at each learning rate, score on the validation split.

        Args:
            model: the model's name.
            pool: pool that is trained and validated on.
            rates: largest learning rates of the schedule.
            seeds: number of seeds.

        Returns:
            One row a rate and seed: ``learning_rate``, ``seed`` and the mean of every score over
            the validation slices.
        """
        bases = self.train(model, {"pool": pool}, seeds).specs["pool"]
        runs = [spec for base in bases for spec in learning_rate_grid(base, rates)]
        tests = [self.data(d, "val") for d in pool.distributions]
        specs = {run: [self._eval(run, test) for test in tests] for run in runs}
        entries = self._ensure([spec for group in specs.values() for spec in group])
        rows = []
        for run, group in specs.items():
            scores = pd.concat([entries[spec].table("scores") for spec in group])
            means = scores[[*metrics.VERSIONS]].mean()
            rows.append({"learning_rate": run.learning_rate, "seed": run.seed, **means})
        table = pd.DataFrame(rows)
        table.attrs["note"] = self.note(list(specs))
        return table

    def histories(self, runs: Runs) -> pd.DataFrame:
        """Training losses of all runs: columns of the history, pool and seed."""
        specs = [spec for group in runs.specs.values() for spec in group]
        entries = self._ensure(specs)
        labels = [
            {"pool": label, "seed": spec.seed}
            for label, group in runs.specs.items()
            for spec in group
        ]
        table = _labelled([entries[spec].table("history") for spec in specs], labels)
        table.attrs["note"] = self.note(specs)
        return table

    def exhibit(
        self,
        name: str,
        data: DataSpec | None = None,
        train: TrainSpec | None = None,
        epoch: int | None = None,
        method: ModelSpec | None = None,
        **options: int | float | str,
    ) -> ExhibitSpec:
        """Describe an exhibit; ``epoch`` is the run's checkpoint, None the last."""
        return ExhibitSpec(
            name=name, train=train, data=data, sampling=self.sampling, epoch=epoch, method=method,
            options=tuple(sorted(options.items())), version=exhibits.find(name).version,
        )  # fmt: skip

    def show(self, specs: Sequence[ExhibitSpec]) -> list[dict[str, np.ndarray]]:
        """Arrays of exhibits, computed where they are missing."""
        entries = self._ensure(specs)
        return [entries[spec].arrays("arrays") for spec in specs]

    def references(
        self, distributions: Sequence[str], slices: int | None = None, split: str = "test"
    ) -> dict[str, dict[str, np.ndarray]]:
        """Targets and zero-filled images of distributions, float32, by name."""
        count = slices or self.profile.exhibit_slices
        specs = [
            self.exhibit("reference", self.data(d, split), slices=count) for d in distributions
        ]
        return dict(zip(distributions, self.show(specs), strict=True))

    def reconstructions(
        self, runs: Runs, on: Pool, slices: int | None = None, split: str = "test"
    ) -> CompareData:
        """Pictures of every pool's first-seed run on test slices, for the comparer.

        Args:
            runs: the training runs.
            on: the pool whose distributions are shown.
            slices: slices of each distribution; None is the profile's number.
            split: ``test`` or ``val``.
        """
        count = slices or self.profile.exhibit_slices
        labels = list(runs.specs)
        tests = {d: self.data(d, split, runs.coils) for d in on.distributions}
        references = {d: self.exhibit("reference", data, slices=count) for d, data in tests.items()}
        pictures = {
            (d, label): self.exhibit("reconstruction", data, runs.specs[label][0], slices=count)
            for d, data in tests.items()
            for label in labels
        }
        specs = [*references.values(), *pictures.values()]
        arrays = dict(zip(specs, self.show(specs), strict=True))
        words = self.words(specs)
        model = MODELS[runs.model]
        views = [
            _view(
                d, split, model, arrays[references[d]],
                {label: arrays[pictures[d, label]] for label in labels}, words,
            )
            for d in tests
        ]  # fmt: skip
        names = {label: _pool_label(label, runs) for label in labels}
        return CompareData(pools=names, models=[model], views=views)

    def join(self, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Score tables of several shifts as one, its note made from theirs."""
        table = pd.concat(list(tables), ignore_index=True)
        table.attrs["note"] = joined_note(tables)
        return table

    def slices(self, pool: Pool) -> int:
        """Number of slices a pool trains on."""
        data = [self.data(d, "train") for d in pool.distributions]
        return pool_slices(pool, data, self.context)

    def check_unseen(self, unseen: Pool, *pools: Pool) -> None:
        """Refuse test distributions that a training pool contains.

        Raises:
            MrinbError: naming the distribution.
        """
        for pool in pools:
            for name in unseen.distributions:
                if name in pool.distributions:
                    raise MrinbError(f"{name} is not unseen: the training pool {pool} contains it")

    def panel(self, runs: Runs, distribution: str, position: int = 0) -> Panel:
        """Reconstructions of one test slice by every pool's first-seed run.

        Args:
            runs: the training runs.
            distribution: test distribution.
            position: which of the slices that ``reconstructions`` shows.
        """
        data = self.reconstructions(runs, Pool.of(distribution))
        view, model = data.views[0], data.models[0]
        images = {ZERO_FILLED: view.zero_filled[position]}
        images |= {label: view.images[model, label][position] for label in data.pools}
        scores = {label: view.scores[model, label][position]["ssim"] for label in images}
        specs = [spec for group in runs.specs.values() for spec in group[:1]]
        return Panel(view.target[position], images, scores, self.note(specs))

    def _present(self, wanted: Sequence[str]) -> list[str]:
        """The wanted distributions that there is test data of, else as many others.

        Raises:
            MrinbError: there is test data of none.
        """
        there = available("test", self.context)
        if not there:
            self.data(wanted[0], "test")  # says what there is instead
        return [name for name in wanted if name in there] or there[: len(wanted)]

    def gallery(self) -> Shown:
        """One test slice of each distribution there is, by name, float32 (height, width)."""
        found = self.references(self._present([*DISTRIBUTIONS]))
        images = {
            name: Pictures(a["target"], a["white"]).floats()[len(a["target"]) // 2]
            for name, a in found.items()
        }
        return Shown(images, self._data_note(found, DISTRIBUTIONS))

    def image_statistics(self, distributions: Sequence[str], slices: int = 8) -> Shown:
        """Power spectra and intensity histograms of distributions, and of a real head.

        Distributions that the data root lacks have no curve; where it lacks them all, the first
        ones that it has stand in for them.
        """
        present = self._present(distributions)
        specs = [self.exhibit("spectrum", self.data(d, "test"), slices=slices) for d in present]
        real = self.exhibit("real_head", size=self.profile.size)
        *curves, head = self.show([*specs, real])
        labels = [EVERY[d].label for d in present]
        both = dict(zip(labels, curves, strict=True)) | {"real head, T1, sagittal": head}
        return Shown(both, self._data_note(present, distributions))

    def noise_ceilings(self) -> pd.DataFrame:
        """SSIM that noise leaves attainable in each simulated distribution; empty for real data."""
        names = list(DISTRIBUTIONS) if self.simulated else []
        specs = [
            self.exhibit("noise_ceiling", self.data(d, "test"), slices=self.profile.slices)
            for d in names
        ]
        rows = [
            {
                "distribution": EVERY[name].label,
                "SNR": f"{float(arrays['snr']):g}",
                "noise-free image": f"{float(arrays['noise_free']):.3f}",
                "with noise floor": f"{float(arrays['with_floor']):.3f}",
            }
            for name, arrays in zip(names, self.show(specs), strict=True)
        ]
        table = pd.DataFrame(rows)
        table.attrs["empty"] = "known of simulated data only"
        return table

    def forward_model(self, distribution: str, coils: int = 4) -> Shown:
        """Equation 1 step by step for one slice (see ``exhibits.forward_model``)."""
        data = self.data(distribution, "test")
        spec = self.exhibit("forward_model", data, coils=coils, slices=1)
        return Shown(self.show([spec])[0], self.note([spec]))

    def mask_explorer(self, distribution: str, coils: int = 4, size: int = 128) -> dict[str, Any]:
        """Arguments of the mask explorer: one slice's k-space and a note."""
        data = self.data(distribution, "test")
        spec = self.exhibit("kspace", data, coils=coils, size=size, slices=1)
        arrays = self.show([spec])[0]
        real, imag = (arrays[part].astype(np.float32) for part in ("real", "imag"))
        words = [
            EVERY[distribution].label,
            f"{len(real)} virtual coils with {float(arrays['kept']):.1%} of the energy",
            self.words([spec]),
        ]
        return {"kspace": (real + 1j * imag) * np.float32(arrays["scale"]), "notes": words}

    def toy(self, n: int, d: int, draws: int = 4000) -> ToyData:
        """Section 3's toy problem in ``n`` dimensions with a ``d``-dimensional signal."""
        spec = self.exhibit("toy_risk", n=n, d=d, draws=draws)
        arrays = self.show([spec])[0]
        words = (
            f"n = {n}, d = {d}",
            "linear risks in closed form",
            f"non-linear risk by Monte Carlo, {draws} draws",
            f"key {_digest([spec.key])}",
        )
        sigmas, risk, error = (arrays[name].tolist() for name in ("sigmas", "risk", "error"))
        return ToyData(n, d, sigmas, risk, error, words)

    def similarity(
        self, pools: Mapping[str, Pool], on: Pool, split: str = "test", *, clip_weights: str = ""
    ) -> pd.DataFrame:
        """Nearest-neighbour similarity of a pool's test patches to training pools (Appendix D).

        Args:
            pools: training pools by label.
            on: the pool whose test patches are compared.
            split: ``test`` or ``val``.
            clip_weights: file with CLIP's weights; empty takes those that open_clip has kept, else
                EfficientNet-Lite0 (the latter, too, where nothing may be computed and there are no
                results of the former).

        Returns:
            A tidy table, one row a test patch, pool and number of training patches: ``pool``,
            ``pool_string``, ``contains`` (whether the pool has distributions that are tested),
            ``single`` (whether it is one distribution) and the columns of ``similarity.tidy``.
            ``attrs["note"]`` says where it comes from.

        Raises:
            MrinbError: there are no weights, or a pool has too few patches.
        """
        specs = self._similarities(pools, on, split, clip_weights)
        entries = self._ensure(list(specs.values()))
        arrays = {label: entries[spec].arrays("arrays") for label, spec in specs.items()}
        same = similarities.same_number(
            list(specs.values()), [a["compared"] for a in arrays.values()]
        )
        tested = set(on.distributions)
        tables = [
            similarities.tidy(spec, arrays[label], same).assign(
                pool=label,
                pool_string=str(pools[label]),
                contains=bool(tested & set(pools[label].distributions)),
                single=len(pools[label].distributions) == 1,
            )
            for label, spec in specs.items()
        ]
        table = pd.concat(tables, ignore_index=True)
        table.attrs["note"] = self._similarity_note(list(specs.values()))
        return table

    def matches(
        self, pools: Mapping[str, Pool], on: Pool, shown: int = 6, *, clip_weights: str = ""
    ) -> Shown:
        """Some test patches of a pool and the nearest patch in each training pool.

        Args:
            pools: training pools by label.
            on: the pool whose test patches are shown, those of its distributions in turn.
            shown: number of test patches.
            clip_weights: as of ``similarity``.

        Returns:
            The arrays of ``similarity.matches`` by label of the pool, ``of`` and ``from`` as names
            of distributions.
        """
        searches = self._similarities(pools, on, "test", clip_weights)
        specs = {
            label: MatchSpec(similarity=search, shown=shown, version=similarities.VERSION)
            for label, search in searches.items()
        }
        entries = self._ensure(list(specs.values()))
        arrays = {}
        for label, spec in specs.items():
            found = entries[spec].arrays("arrays")
            for name, features in (("of", spec.similarity.test), ("from", spec.similarity.train)):
                found[name] = np.array([f.data.distribution for f in features])[found[name]]
            arrays[label] = found
        return Shown(arrays, self._similarity_note(list(searches.values())))

    def patches(self, distributions: Sequence[str]) -> Shown:
        """Which patches of a test slice are kept, by distribution (see ``exhibits.patches``)."""
        present = self._present(distributions)
        specs = [self.exhibit("patches", self.data(d, "test"), slices=1) for d in present]
        arrays = dict(zip(present, self.show(specs), strict=True))
        return Shown(arrays, self._data_note(present, distributions))

    def _similarities(
        self, pools: Mapping[str, Pool], on: Pool, split: str, clip_weights: str
    ) -> dict[str, SimilaritySpec]:
        size = self.profile.embedder_size
        specs = self._searches(pools, on, split, embedders.choose(clip_weights, size))
        if self.context.compute == "never" and not clip_weights:
            # Results of CLIP's weights on this machine where there are any, else the published.
            store = store_of(self.context)
            if any(store.find(spec) is None for spec in specs.values()):
                return self._searches(pools, on, split, embedders.choose("", size, cached=False))
        return specs

    def _searches(
        self, pools: Mapping[str, Pool], on: Pool, split: str, embedder: EmbedderSpec
    ) -> dict[str, SimilaritySpec]:
        def features(name: str, split: str) -> FeatureSpec:
            return similarities.feature_spec(self.data(name, split), embedder, self.profile.patches)

        tests = tuple(features(d, split) for d in on.distributions)
        return {
            label: SimilaritySpec(
                test=tests,
                pool=pool.expanded(),
                train=tuple(features(d, "train") for d in pool.distributions),
                counts=similarities.counts(self.profile.patches),
                subsample=self.seed if any(part.steps for part in pool.parts) else 0,
                version=similarities.VERSION,
            )
            for label, pool in pools.items()
        }

    def _similarity_note(self, specs: Sequence[SimilaritySpec]) -> dict[str, Any]:
        return {**self.note(specs), "embedder": embedders.words(specs[0].test[0].embedder)}

    def lines(self, pool: Pool, accelerations: Sequence[int]) -> pd.DataFrame:
        """How many lines of k-space the masks of a pool's test volumes keep.

        Args:
            pool: the pool; its zero-padded lines count on neither side.
            accelerations: nominal accelerations.

        Returns:
            One row a nominal acceleration and test volume: ``acceleration``, ``volume``,
            ``acquired`` lines of a full scan, ``low`` fully sampled ones in the centre, lines
            ``kept`` in all, and ``effective`` acceleration.
        """
        data = [self.data(d, "test") for d in pool.distributions]
        specs = [
            replace(self, sampling=masks.sampling(a)).exhibit("lines", d)
            for a in accelerations
            for d in data
        ]
        table = pd.concat([pd.DataFrame(arrays) for arrays in self.show(specs)], ignore_index=True)
        table.attrs["note"] = self.note(specs)
        return table

    def _data_note(self, present: Iterable[str], wanted: Iterable[str]) -> dict[str, Any]:
        present = list(present)
        note = self.note([self.data(d, "test") for d in present])
        missing = [name for name in wanted if name not in present]
        return {**note, "missing": missing} if missing else note

    def words(self, specs: Sequence[Spec]) -> str:
        """The note of results as one line."""
        note = self.note(specs)
        kind = "simulated" if note["simulated"] else "real fastMRI"
        seeds = f", seed {note['seeds'][0]}" if note["seeds"] else ""
        return f"{kind} data, {note['profile']} profile{seeds}, key {note['key']}"

    def note(self, specs: Sequence[Spec]) -> dict[str, Any]:
        """Where results come from: simulated or real, profile, seeds of training and a key."""
        seeds = {seed for spec in specs if (seed := seed_of(spec)) is not None}
        return {
            "simulated": self.simulated,
            "profile": self.profile.name,
            "seeds": sorted(seeds),
            "key": _digest(spec.key for spec in specs),
        }

    def _ensure(self, specs: Sequence[Spec]) -> dict[Spec, Entry]:
        """Have the runner provide results, and record them as this chapter's."""
        entries = runner.ensure(list(dict.fromkeys(specs)), self.context, RECIPES)
        self.used.update((spec.kind, spec.key) for spec in specs)
        record(self.context.store, f"{self.chapter}-{self.profile.name}", self.used)
        return entries


def _labelled(tables: Sequence[pd.DataFrame], labels: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Tables one below the other, each with its labels in further columns.

    Labels are repeated once for all tables: a chapter has thousands of small ones.
    """
    table = pd.concat(tables, ignore_index=True)
    repeated = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    return table.join(pd.DataFrame(labels).iloc[repeated].reset_index(drop=True))


def joined_note(tables: Iterable[pd.DataFrame]) -> dict[str, Any]:
    """The note of several tables together, made from theirs."""
    notes = [t.attrs["note"] for t in tables]
    return {**notes[0], "key": _digest(n["key"] for n in notes)}


def _check_model(name: str, valid: Iterable[str] = MODELS) -> None:
    if name not in MODELS:
        raise unknown("model", name, valid)


def _l1(weight: float | None, iterations: int) -> ModelSpec | None:
    """l1-wavelet least squares of one weight; None for zero-filled images."""
    if weight is None:
        return None
    options = {"iterations": iterations, "version": METHOD_VERSIONS[L1_WAVELET], "weight": weight}
    return ModelSpec(name=L1_WAVELET, options=tuple(sorted(options.items())))


def _digest(keys: Iterable[str]) -> str:
    return hashlib.sha256(",".join(sorted(keys)).encode()).hexdigest()[:10]


def record(store: Path, name: str, used: Iterable[tuple[str, str]]) -> None:
    """Write down which results a chapter used, for ``mrinb results publish``.

    A store that cannot be written to holds no such list: nothing computed there is published.

    Args:
        store: the results store.
        name: chapter and profile, such as ``03-classroom``.
        used: kind and key of every result.
    """
    path = store / "chapters" / f"{name}.json"
    text = json.dumps([{"kind": kind, "key": key} for kind, key in sorted(used)])
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        partial.write_text(text)
        partial.replace(path)


def _pool_label(label: str, runs: Runs) -> str:
    """A pool's name for a menu: its string form where that is short."""
    pool = runs.pools[label]
    text = str(pool) if 1 < len(str(pool)) < 30 else f"{len(pool.distributions)} distributions"
    return f"{label}: {text} ({runs.slices[label]} slices)"


def _view(
    name: str,
    split: str,
    model: str,
    reference: Mapping[str, np.ndarray],
    pictures: Mapping[str, Mapping[str, np.ndarray]],
    words: str,
) -> View:
    def floats(images: np.ndarray) -> np.ndarray:
        return Pictures(images, reference["white"]).floats()

    def scores(arrays: Mapping[str, np.ndarray]) -> list[dict[str, float]]:
        pairs = zip(arrays["ssim"], arrays["psnr"], strict=True)
        return [{"ssim": float(s), "psnr": float(p)} for s, p in pairs]

    return View(
        label=EVERY[name].label,
        split=split,
        images={(model, label): floats(a["image"]) for label, a in pictures.items()},
        target=floats(reference["target"]),
        zero_filled=floats(reference["zero_filled"]),
        scores={
            (model, ZERO_FILLED): scores(reference),
            **{(model, label): scores(a) for label, a in pictures.items()},
        },
        vmax=reference["white"].tolist(),
        notes=[f"{words}; effective acceleration {np.mean(reference['effective']):.2f}"],
    )


def _context(values: Mapping[str, Any]) -> Context:
    """Surroundings from parameters, and from the environment where a book is built."""
    context = Context(
        published=_published(),
        data_root=Path(values["data_root"]).expanduser() if values.get("data_root") else None,
        device=values.get("device", "auto"),
        workers=int(os.environ.get("MRINB_WORKERS", os.cpu_count() or 1)),
        compute=_policy(),
    )
    if values.get("store"):
        context = replace(context, store=Path(values["store"]).expanduser().resolve())
    elif os.environ.get("MRINB_STORE"):
        context = replace(context, store=Path(os.environ["MRINB_STORE"]))
    if context.device != "auto" and not context.device.startswith(("cpu", "cuda")):
        raise unknown("device", context.device, ["auto", "cpu", "cuda", "cuda:0"])
    root = context.data_root
    if root is not None:
        if not root.is_dir():
            raise MrinbError(f"data_root {root}: no such folder; give your fastMRI folder")
        context = replace(context, data_root=root.resolve())
    return replace(context, cache=cache_dir())


def _policy() -> Any:
    policy = os.environ.get("MRINB_COMPUTE", "auto")
    if policy not in ("never", "ask", "auto"):
        raise unknown("MRINB_COMPUTE", policy, ["never", "ask", "auto"])
    return policy


def _published() -> tuple[Path, ...]:
    """The published store: named by the environment, else the one beside the package."""
    named = os.environ.get("MRINB_PUBLISHED")
    folder = Path(named) if named else PUBLISHED
    return (folder,) if folder.is_dir() else ()
