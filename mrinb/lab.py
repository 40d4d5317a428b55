"""The lab: what a chapter needs to turn pools into runs, scores and pictures.

It holds context only (profile, data, store, device); each method describes results as specs and
has the runner provide them, from the store where they are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mrinb import exhibits, parameters
from mrinb.catalogue import homes
from mrinb.comparison import CompareData, pool_name, view_of
from mrinb.compute import runner
from mrinb.compute.context import Context
from mrinb.compute.devices import torch_device
from mrinb.compute.entry import Entry
from mrinb.compute.specs import Spec
from mrinb.compute.store import seed_of
from mrinb.compute.used import digest, record
from mrinb.data import provenance
from mrinb.data.volumes import available, data_spec
from mrinb.errors import MrinbError, unknown
from mrinb.labels import ZERO_FILLED
from mrinb.pools import Pool
from mrinb.profiles import NETWORKS, Profile, profile
from mrinb.recipes import RECIPES, pool_slices
from mrinb.recon import masks, metrics
from mrinb.recon.training import VERSION as TRAINER_VERSION
from mrinb.runs import Best, Panel, Runs, labelled
from mrinb.shifts import Shift
from mrinb.specs import Coil, DataSpec, EvalSpec, ExhibitSpec, ModelSpec, SamplingSpec, TrainSpec
from mrinb.tables import Table, joined, joined_note, noted

ALL_MODELS = "all"

COMMON = {
    "profile": "str", "data_root": "str", "store": "str", "device": "str",
    "seed": "int", "model": "str", "workers": "int",
}  # fmt: skip
"""Parameters that every chapter takes, and their types."""


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
    _data: dict[tuple[str, str, int, Coil, int | None], DataSpec] = field(
        default_factory=dict, compare=False, repr=False
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
            found = check(values[name]) if values[name] != "" else None
            for own in found.distributions if isinstance(found, Pool) else ():
                if homes.home(own) == homes.OWN:
                    homes.lookup(own)  # known before any work
        sizes = profile(values.get("profile", "classroom"))
        model = values.get("model", "unet")
        if not (several and model == ALL_MODELS):
            _check_model(model, [*NETWORKS, ALL_MODELS] if several else NETWORKS)
        for name in ("epochs", "seeds", "workers"):
            if values.get(name, 0) < 0:
                raise MrinbError(f"parameter {name} = {values[name]}: give 0 or a larger number")
        sizes = sizes.trained(values.get("epochs", 0), values.get("seeds", 0))
        context = parameters.context(values)
        torch_device(context.device)
        return cls(
            chapter,
            sizes,
            context,
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

    def at(
        self,
        acceleration: int | Sequence[int] | None = None,
        coils: int | None = None,
        mask: str | None = None,
    ) -> Lab:
        """The same lab under other conditions of measurement.

        Args:
            acceleration: nominal acceleration of all masks; of several, training draws one for each
                mini-batch.
            coils: simulated scanners have at most so many; those with fewer keep theirs, and so do
                real files.
            mask: rule of the masks, as of ``masks.sampling``; they keep their accelerations.

        Raises:
            MrinbError: there is no such acceleration or mask, or there are no coils.
        """
        lab = self
        if acceleration is not None or mask is not None:
            given = self.sampling.accelerations if acceleration is None else acceleration
            several = [given] if isinstance(given, int) else given
            rule = masks.sampling(*several, mask=mask or self.sampling.mask)
            lab = replace(lab, sampling=rule)
        if coils is not None:
            if coils < 1:
                raise MrinbError(f"coils = {coils}: a scanner has at least one")
            lab = replace(lab, profile=lab.profile._replace(coils=coils))
        return lab

    def data(
        self,
        distribution: str,
        split: str,
        coil: Coil = "multi",
        slices: int | None = None,
    ) -> DataSpec:
        """Describe one split of one distribution, real files as they were when first asked for.

        Args:
            distribution: name in the catalogue, or with the home that a pool gives it.
            split: ``train``, ``val`` or ``test``.
            coil: ``single`` for the emulated single-coil track.
            slices: so many slices in place of the profile's number.

        Raises:
            MrinbError: there is no such data.
        """
        ident = (distribution, split, self.profile.coils, coil, slices)
        if ident not in self._data:
            self._data[ident] = data_spec(
                distribution, split, self.profile, self.context, coil=coil, slices=slices
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
    ) -> Runs:
        """Describe the training of one model on several pools.

        Nothing is computed yet: ``evaluate`` and the exhibits compute what is missing, together.

        Args:
            model: the model's name.
            pools: pool by label.
            seeds: number of seeds; None is the profile's.
            options: options of the model that differ from the profile's.
        """
        network, description = self.profile.networks[model], self.model_spec(model, options)
        specs, sizes = {}, {}
        for label, pool in pools.items():
            data = self._trained_on(pool)
            sizes[label] = pool_slices(pool, data, self.context)
            specs[label] = tuple(
                TrainSpec(
                    pool=pool.expanded(),
                    data=data,
                    model=description,
                    sampling=self.sampling,
                    epochs=network.epochs,
                    seed=self.seed + i,
                    version=TRAINER_VERSION,
                )
                for i in range(seeds or network.seeds)
            )
        return Runs(model, dict(pools), specs, sizes)

    def _trained_on(self, pool: Pool) -> tuple[DataSpec, ...]:
        """The train splits of a pool's distributions, in their order."""
        data = tuple(self.data(d, "train") for d in pool.distributions)
        for name, one in zip(pool.distributions, data, strict=True):
            if data.count(one) > 1:
                raise MrinbError(
                    f"pool {pool}: {name} is in it twice, for plain names are simulated too "
                    "where no data_root is given"
                )
        return data

    def evaluate(
        self,
        runs: Runs,
        on: Shift | Mapping[str, Pool],
        split: str = "test",
        *,
        epochs: Sequence[int] = (),
    ) -> Table:
        """Score every run, and the zero-filled images, on test slices.

        Args:
            runs: the training runs.
            on: pools to test on by name; a shift stands for its P and Q.
            split: ``test`` or ``val``.
            epochs: earlier epochs that are scored as well, of those that ``runs.early`` has.

        Returns:
            A tidy table, one row a slice, run and epoch.
        """
        shift = on.name if isinstance(on, Shift) else ""
        targets = {"P": on.P, "Q": on.Q} if isinstance(on, Shift) else dict(on)
        wanted = self._tested(runs, targets, split, epochs)
        specs = [self.eval_spec(train, test, epoch) for _, _, train, test, epoch in wanted]
        entries = self.fetch(specs)
        tables, labels = [], []
        for (label, name, train, _, epoch), spec in zip(wanted, specs, strict=True):
            scores = entries[spec].table("scores")
            if homes.home(name) == homes.SIMULATED:  # told from measured ones beside them
                scores = scores.assign(distribution=name)
            about = {
                "pool": label,
                "pool_string": str(runs.pools[label]) if train else "",
                "train_slices": runs.slices.get(label, 0),
                "model": runs.model,
                "seed": train.seed if train else -1,
                "epoch": (epoch or train.epochs) if train else 0,
                "shift": shift,
            }
            on_targets = [t for t, pool in targets.items() if name in pool.distributions]
            tables += [scores] * len(on_targets)
            labels += [{**about, "target": target} for target in on_targets]
        return noted(labelled(tables, labels), self.note(specs))

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
        self.fetch([self.eval_spec(train, test, epoch) for _, _, train, test, epoch in wanted])

    def _tested(
        self, runs: Runs, targets: Mapping[str, Pool], split: str, epochs: Sequence[int]
    ) -> list[tuple[str, str, TrainSpec | None, DataSpec, int | None]]:
        """Every score of runs on targets: label, distribution, run, its test data and epoch.

        The epoch None is the last.
        """
        names = {d for pool in targets.values() for d in pool.distributions}
        tests = {d: self.data(d, split) for d in homes.ordered(names)}
        return [
            (label, name, train, test, epoch)
            for name, test in tests.items()
            for label, group in [(ZERO_FILLED, (None,)), *runs.specs.items()]
            for train in group
            for epoch in ((*epochs, None) if train else (None,))
        ]

    def eval_spec(
        self,
        train: TrainSpec | None,
        data: DataSpec,
        epoch: int | None = None,
        method: ModelSpec | None = None,
    ) -> EvalSpec:
        """Describe the scores of a run, of an untrained method, or of zero-filled images."""
        return EvalSpec(
            train=train, epoch=epoch, data=data, sampling=self.sampling,
            metrics=tuple(sorted(metrics.VERSIONS.items())), method=method,
        )  # fmt: skip

    def best_single(
        self,
        pool: Pool,
        on: Pool,
        model: str = "unet",
        *,
        metric: str = "ssim",
    ) -> Best:
        """Find the distribution of a pool whose networks do best on another pool (Section 4).

        Args:
            pool: P; one network is trained on each of its distributions and every seed.
            on: Q.
            model: the network; the paper takes the U-net.
            metric: the score that chooses.
        """
        runs = self.train(model, {d: Pool.of(d) for d in pool.distributions})
        return self.best_of(runs, {"Q": on}, "distribution", metric=metric)

    def best_of(
        self,
        runs: Runs,
        on: Mapping[str, Pool],
        name: str,
        metric: str = "ssim",
    ) -> Best:
        """Find the runs that do best, by test and by validation data.

        Args:
            runs: the candidates, one a label.
            on: what they are tested on, by name.
            name: what the labels are: the first column of the table.
            metric: the score that chooses.
        """
        found = {s: self.evaluate(runs, on, s) for s in ("test", "val")}
        means = {split: t.groupby("pool")[metric].mean() for split, t in found.items()}
        table = pd.DataFrame(means).loc[list(runs.specs)].rename_axis(name).reset_index()
        by_test, by_validation = (str(table.loc[table[s].idxmax(), name]) for s in found)
        return Best(
            noted(table, joined_note(found.values())), by_test, by_validation, found, metric
        )

    def histories(self, runs: Runs) -> Table:
        """Training losses of all runs: columns of the history, pool and seed."""
        specs = [spec for group in runs.specs.values() for spec in group]
        entries = self.fetch(specs)
        labels = [
            {"pool": label, "seed": spec.seed}
            for label, group in runs.specs.items()
            for spec in group
        ]
        table = labelled([entries[spec].table("history") for spec in specs], labels)
        return noted(table, self.note(specs))

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
        entries = self.fetch(specs)
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
        tests = {d: self.data(d, split) for d in on.distributions}
        references = {d: self.exhibit("reference", data, slices=count) for d, data in tests.items()}
        pictures = {
            (d, label): self.exhibit("reconstruction", data, runs.specs[label][0], slices=count)
            for d, data in tests.items()
            for label in labels
        }
        specs = [*references.values(), *pictures.values()]
        arrays = dict(zip(specs, self.show(specs), strict=True))
        words = self.words(specs)
        model = NETWORKS[runs.model]
        views = [
            view_of(
                d, split, model, arrays[references[d]],
                {label: arrays[pictures[d, label]] for label in labels}, words,
            )
            for d in tests
        ]  # fmt: skip
        names = {label: pool_name(label, runs) for label in labels}
        return CompareData(pools=names, models=[model], views=views)

    def panel(
        self, runs: Runs, distribution: str, position: int = 0, slices: int | None = None
    ) -> Panel:
        """Reconstructions of one test slice by every pool's first-seed run.

        Args:
            runs: the training runs.
            distribution: test distribution.
            position: which of the slices that ``reconstructions`` shows.
            slices: how many it shows of the distribution; None is the profile's number.
        """
        data = self.reconstructions(runs, Pool.of(distribution), slices)
        view, model = data.views[0], data.models[0]
        images = {ZERO_FILLED: view.zero_filled[position]}
        images |= {label: view.images[model, label][position] for label in data.pools}
        scores = {label: view.scores[model, label][position]["ssim"] for label in images}
        specs = [spec for group in runs.specs.values() for spec in group[:1]]
        return Panel(view.target[position], images, scores, self.note(specs))

    def join(self, tables: Iterable[pd.DataFrame]) -> Table:
        """Tables of the lab as one, its note made from theirs."""
        return joined(tables)

    def slices(self, pool: Pool) -> int:
        """Number of slices a pool trains on."""
        return pool_slices(pool, self._trained_on(pool), self.context)

    def check_unseen(self, unseen: Pool, *pools: Pool) -> None:
        """Refuse test distributions that a training pool contains.

        Raises:
            MrinbError: naming the distribution.
        """
        for pool in pools:
            for name in unseen.distributions:
                if name in pool.distributions:
                    raise MrinbError(f"{name} is not unseen: the training pool {pool} contains it")

    def present(self, wanted: Sequence[str]) -> list[str]:
        """The wanted distributions that there is test data of, else as many others.

        Raises:
            MrinbError: there is test data of none.
        """
        there = available("test", self.context)
        if not there:
            self.data(wanted[0], "test")  # says what there is instead
        return [name for name in wanted if name in there] or there[: len(wanted)]

    def data_note(self, present: Iterable[str], wanted: Iterable[str]) -> dict[str, Any]:
        """The note of test data, with the wanted distributions that are not there."""
        present = list(present)
        note = self.note([self.data(d, "test") for d in present])
        missing = [name for name in wanted if name not in present]
        return {**note, "missing": missing} if missing else note

    def words(self, specs: Sequence[Spec]) -> str:
        """The note of results as one line."""
        note = self.note(specs)
        seeds = f", seed {note['seeds'][0]}" if note["seeds"] else ""
        left = f", {note['left_out']}" if note["left_out"] else ""
        return f"{note['data']}, {note['profile']} profile{seeds}, key {note['key']}{left}"

    def note(self, specs: Sequence[Spec]) -> dict[str, Any]:
        """Where results come from: whose data, profile, seeds of training and a key."""
        seeds = {seed for spec in specs if (seed := seed_of(spec)) is not None}
        return {
            "data": provenance.provenance(specs, self.context),
            "left_out": provenance.left_out(specs, self.context),
            "profile": self.profile.name,
            "seeds": sorted(seeds),
            "key": digest(spec.key for spec in specs),
        }

    def fetch(self, specs: Sequence[Spec]) -> dict[Spec, Entry]:
        """Have the runner provide results, and record them as this chapter's."""
        entries = runner.ensure(list(dict.fromkeys(specs)), self.context, RECIPES)
        self.used.update((spec.kind, spec.key) for spec in specs)
        record(self.context.store, f"{self.chapter}-{self.profile.name}", self.used)
        return entries


def _check_model(name: str, valid: Iterable[str] = NETWORKS) -> None:
    if name not in NETWORKS:
        raise unknown("model", name, valid)
