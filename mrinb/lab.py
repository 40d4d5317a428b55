"""The lab: what a chapter needs to turn pools into runs, scores and pictures.

It describes results as specs, and has the runner provide them, from the store where they are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mrinb.catalogue import homes
from mrinb.comparison import CompareData, pool_name, view_of
from mrinb.compute import runner
from mrinb.compute.entry import Entry
from mrinb.compute.specs import Spec
from mrinb.compute.used import record
from mrinb.labels import ZERO_FILLED
from mrinb.pools import Pool
from mrinb.profiles import NETWORKS
from mrinb.recipes import RECIPES
from mrinb.runs import Best, Panel, Runs, labelled
from mrinb.setting import Setting
from mrinb.shifts import Shift
from mrinb.specs import DataSpec, ExhibitSpec, TrainSpec
from mrinb.tables import Table, joined, joined_note, noted


@dataclass(frozen=True)
class Lab(Setting):
    """One chapter's lab: its setting, and the results that it used.

    Attributes:
        used: kind and key of every result used so far.
    """

    used: set[tuple[str, str]] = field(default_factory=set, compare=False, repr=False)

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
        tested, labels = [], []
        for (label, name, train, _, epoch), spec in zip(wanted, specs, strict=True):
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
            tested += [entries[spec]] * len(on_targets)
            about["home"] = f"{homes.SIMULATED}:" if homes.home(name) == homes.SIMULATED else ""
            labels += [{**about, "target": target} for target in on_targets]
        table = labelled(tested, "scores", labels)
        home = table.pop("home")
        if home.any():  # told from measured ones of the same name
            table["distribution"] = home + table["distribution"].astype(str)
        return noted(table, self.note(specs))

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
        table = labelled([entries[spec] for spec in specs], "history", labels)
        return noted(table, self.note(specs))

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

    def fetch(self, specs: Sequence[Spec]) -> dict[Spec, Entry]:
        """Have the runner provide results, and record them as this chapter's."""
        entries = runner.ensure(list(dict.fromkeys(specs)), self.context, RECIPES)
        self.used.update((spec.kind, spec.key) for spec in specs)
        record(self.context.store, f"{self.chapter}-{self.profile.name}", self.used)
        return entries
