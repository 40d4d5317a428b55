"""What a chapter's results are: data, training runs, scores and pictures described as specs.

Nothing is computed here. ``lab.Lab`` has what is described provided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from mrinb import exhibits, parameters
from mrinb.catalogue import homes
from mrinb.compute.context import Context
from mrinb.compute.devices import torch_device
from mrinb.compute.specs import Spec
from mrinb.compute.store import seed_of
from mrinb.compute.used import digest
from mrinb.data import provenance
from mrinb.data.volumes import available, data_spec
from mrinb.errors import MrinbError, unknown
from mrinb.pools import Pool
from mrinb.profiles import NETWORKS, Profile, profile
from mrinb.recipes import pool_slices
from mrinb.recon import masks, metrics
from mrinb.recon.training import VERSION as TRAINER_VERSION
from mrinb.runs import Runs
from mrinb.specs import Coil, DataSpec, EvalSpec, ExhibitSpec, ModelSpec, SamplingSpec, TrainSpec

ALL_MODELS = "all"

COMMON = {
    "profile": "str", "data_root": "str", "store": "str", "device": "str",
    "seed": "int", "model": "str", "workers": "int", **parameters.OPTIONAL,
}  # fmt: skip
"""Parameters that every chapter takes, and their types."""


@dataclass(frozen=True)
class Setting:
    """Under which conditions a chapter describes its results.

    Attributes:
        chapter: number or letter under which used results are recorded for publishing.
        profile: sizes.
        context: where and how results are computed.
        seed: first seed of training.
        model: default model, or ``all``.
        sampling: masks of training and evaluation.
    """

    chapter: str
    profile: Profile
    context: Context
    seed: int = 0
    model: str = "unet"
    sampling: SamplingSpec = field(default_factory=lambda: masks.sampling(4))
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
    ) -> Self:
        """Validate every parameter of a notebook and build what it runs in.

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
    ) -> Self:
        """The same under other conditions of measurement.

        Args:
            acceleration: nominal acceleration of all masks; of several, training draws one for each
                mini-batch.
            coils: simulated scanners have at most so many; those with fewer keep theirs, and so do
                real files.
            mask: rule of the masks, as of ``masks.sampling``; they keep their accelerations.

        Raises:
            MrinbError: there is no such acceleration or mask, or there are no coils.
        """
        changed = self
        if acceleration is not None or mask is not None:
            given = self.sampling.accelerations if acceleration is None else acceleration
            several = [given] if isinstance(given, int) else given
            rule = masks.sampling(*several, mask=mask or self.sampling.mask)
            changed = replace(changed, sampling=rule)
        if coils is not None:
            if coils < 1:
                raise MrinbError(f"coils = {coils}: a scanner has at least one")
            changed = replace(changed, profile=changed.profile._replace(coils=coils))
        return changed

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


def _check_model(name: str, valid: Iterable[str] = NETWORKS) -> None:
    if name not in NETWORKS:
        raise unknown("model", name, valid)
