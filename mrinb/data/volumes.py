"""Volumes of a distribution and split, simulated or found, and those that a run trains on."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mrinb import catalogue
from mrinb.catalogue import homes
from mrinb.compute.context import Context
from mrinb.data import files, index, listing
from mrinb.errors import MrinbError, unknown
from mrinb.pools import Part, Pool
from mrinb.profiles import Profile
from mrinb.specs import Coil, DataSpec, SimulatorSpec, Split, TrainSpec

SPLITS: tuple[Split, ...] = ("train", "val", "test")


class Volume(NamedTuple):
    """One volume of one split.

    Attributes:
        path: its file.
        name: its name, without ``.h5``.
        subject: identifier of the patient.
        distribution: name in the catalogue.
        slices: number of slices used: all that are not empty, or the first few of these where a
            limit cuts the last volume.
        kspace_shape: (slices, coils, height, width) of the file.
        recon_shape: (height, width) of target and reconstruction.
        max_value: the data range of SSIM.
        padding: first acquired phase-encoding line, and the line after the last.
        empty: slices left out, because their target is zero.
    """

    path: Path
    name: str
    subject: str
    distribution: str
    slices: int
    kspace_shape: tuple[int, int, int, int]
    recon_shape: tuple[int, int]
    max_value: float
    padding: tuple[int, int]
    empty: tuple[int, ...] = ()

    @property
    def used(self) -> tuple[int, ...]:
        """The numbers of the slices used."""
        every = (i for i in range(self.kspace_shape[0]) if i not in self.empty)
        return tuple(islice(every, self.slices))


Item = tuple[Volume, int]


def data_spec(
    distribution: str,
    split: str,
    profile: Profile,
    context: Context,
    seed: int = 0,
    coil: Coil = "multi",
    slices: int | None = None,
) -> DataSpec:
    """Describe a split of a distribution as it is found in these surroundings.

    Args:
        distribution: name in the catalogue, or with the home that a pool gives it.
        split: ``train``, ``val`` or ``test``.
        profile: sizes.
        context: with a data root, its files are described; else simulated ones.
        seed: seed of the simulated data.
        coil: ``single`` for the emulated single-coil track.
        slices: so many slices, or all where fewer were found; None is what the profile says.

    Raises:
        MrinbError: no such name, a profile that needs real files and has none, or a data root
            without files of this split.
    """
    homes.described(distribution)
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    home = homes.home(distribution)
    if home == homes.OWN or (context.data_root is not None and home != homes.SIMULATED):
        limit = profile.train_slices if split == "train" else profile.test_slices
        return _found_spec(
            distribution, SPLITS[SPLITS.index(split)], slices or limit, context, coil
        )
    if not profile.simulated and home != homes.SIMULATED:
        raise MrinbError(
            f"profile {profile.name!r} needs fastMRI files: give data_root, "
            "or choose a profile whose data are simulated"
        )
    distribution = homes.bare(distribution)
    each = round(profile.slices * catalogue.distribution(distribution).share)
    simulator = SimulatorSpec(
        size=profile.size,
        coils=profile.coils,
        subjects=_subjects(profile, split, slices, each),
        slices=each,
        seed=seed,
        versions=_versions(distribution, coil),
    )
    return DataSpec(
        distribution=distribution,
        split=SPLITS[SPLITS.index(split)],
        simulator=simulator,
        limit=slices,
        coil=coil,
    )


def _subjects(profile: Profile, split: str, slices: int | None, each: int) -> int:
    """Simulated subjects of so many slices each: the profile's, or as many as give the slices."""
    if slices is None:
        return profile.subjects[SPLITS.index(split)]
    return -(-slices // each)


def _found_spec(
    distribution: str, split: Split, limit: int, context: Context, coil: Coil
) -> DataSpec:
    if distribution in catalogue.EXTRA:
        raise MrinbError(
            f"{distribution} exists only as simulated data: leave data_root out, "
            "or take it out of the pool"
        )
    found = _find(distribution, split, context, coil)
    listing.warn_of_shared_subjects(
        distribution, context, listing.root(distribution, split, context), coil
    )
    return DataSpec(
        distribution=distribution, split=split, digest=index.digest(found), limit=limit, coil=coil
    )


def _find(
    distribution: str, split: str, context: Context, coil: Coil, digest: str | None = None
) -> list[index.FileInfo]:
    root = listing.root(distribution, split, context)
    return listing.find(distribution, split, context, root, coil, digest)


def available(split: str, context: Context) -> list[str]:
    """The distributions that have files of a split: all where they are simulated."""
    if context.data_root is None:
        return list(catalogue.EVERY)
    found = listing.everything(context, context.data_root)
    there = {f.distribution for f in found if f.split == split}
    return [name for name in catalogue.EVERY if name in there]


def _versions(distribution: str, coil: Coil) -> tuple[tuple[str, int], ...]:
    from mrinb.simulate import acquire

    return acquire.versions(catalogue.distribution(distribution), coil)


def volumes(spec: DataSpec, context: Context) -> tuple[Volume, ...]:
    """The volumes of a split; simulated ones are generated where they are missing.

    Args:
        spec: the split.
        context: cache of simulated data, or the data root.

    Returns:
        Whole volumes in the order of their names; with a limit, in an order that depends on the
        names alone, the last one cut so that the number of slices is exact.

    Raises:
        MrinbError: the files are not there, are not those that the spec describes, or have no
            target.
    """
    if spec.simulator is not None:
        entries = _simulated(spec, spec.simulator, context)
    else:
        entries = _find(spec.distribution, spec.split, context, spec.coil, spec.digest)
        if index.digest(entries) != spec.digest:
            raise MrinbError(
                f"{listing.where(spec.distribution, context)}: the {spec.split} files of "
                f"{spec.distribution} are not those that the results are of: files were added, "
                "removed or changed"
            )
        root = listing.root(spec.distribution, spec.split, context)
        entries = index.vet(entries, context, root, spec.coil)
        _warn_of_empty_slices(entries, spec)
    every = (_volume(e, spec.distribution) for e in entries)
    found = sorted((v for v in every if v.slices), key=lambda v: v.name)
    return tuple(found) if spec.limit is None else _limit(found, spec.limit)


def _warn_of_empty_slices(entries: list[index.FileInfo], spec: DataSpec) -> None:
    having = [len(e.findings.empty) for e in entries if e.findings and e.findings.empty]
    if having:
        warnings.warn(
            f"{sum(having)} slices of {len(having)} {spec.split} files of {spec.distribution} are "
            "zero: they are left out (see mrinb data check)",
            stacklevel=3,
        )


def folder(spec: DataSpec, context: Context) -> Path:
    """Where the simulated files of a split are kept."""
    if spec.simulator is None:
        raise MrinbError(f"{spec.distribution} {spec.split} is not simulated: it has no folder")
    name = spec.distribution.replace("/", "-")
    return context.cache / "data" / f"{name}-{spec.simulator.key}" / spec.split


def files_of(spec: DataSpec, context: Context) -> list[Path]:
    """The simulated files of a split, there or not; a split of real files has none."""
    return list(_subjects_of(spec, context))


def make_file(spec: DataSpec, path: Path, context: Context) -> None:
    """Simulate one of the files of a split (``files_of``), which appears whole or not at all.

    Raises:
        MrinbError: the cache cannot be written to, or the spec is of another simulator version.
    """
    from mrinb.simulate import files as simulated

    assert spec.simulator is not None
    _check_versions(spec)
    subject = _subjects_of(spec, context)[path]
    found = catalogue.distribution(spec.distribution)
    simulated.make(found, subject, spec.simulator, path, spec.coil)


def _subjects_of(spec: DataSpec, context: Context) -> dict[Path, int]:
    from mrinb.simulate import files as simulated

    if spec.simulator is None:
        return {}
    found = catalogue.distribution(spec.distribution)
    return simulated.paths(found, spec.split, spec.simulator, folder(spec, context))


def _check_versions(spec: DataSpec) -> None:
    if spec.simulator is None:
        return
    if spec.simulator.versions != _versions(spec.distribution, spec.coil):
        raise MrinbError(
            f"{spec.distribution} {spec.split}: these results are of another version of the "
            "simulator than this one: compute them again"
        )


def _simulated(spec: DataSpec, simulator: SimulatorSpec, context: Context) -> list[index.FileInfo]:
    from mrinb.simulate import files as simulated

    _check_versions(spec)
    place, found = folder(spec, context), catalogue.distribution(spec.distribution)
    paths = simulated.generate(found, spec.split, simulator, place, spec.coil)
    return list(index.read(paths, context, place, progress=False))


def _volume(entry: index.FileInfo, distribution: str) -> Volume:
    if entry.info is None:
        raise MrinbError(entry.problem)
    files.require_target(entry.info, entry.path)
    shape = entry.info.kspace_shape
    header = entry.info.header
    empty = entry.findings.empty if entry.findings else ()
    return Volume(
        path=entry.path,
        name=entry.name,
        subject=entry.subject,
        distribution=distribution,
        slices=shape[0] - len(empty),
        kspace_shape=shape,
        recon_shape=files.crop_shape(shape, entry.info.target_shape or shape),
        max_value=entry.info.max_value,
        padding=(header.padding_left, header.padding_right),
        empty=empty,
    )


def _limit(found: list[Volume], limit: int) -> tuple[Volume, ...]:
    kept: list[Volume] = []
    left = limit
    for volume in sorted(found, key=lambda v: _order("limit", v.name)):
        if left:
            kept.append(volume._replace(slices=min(volume.slices, left)))
            left -= kept[-1].slices
    return tuple(kept)


def select(spec: TrainSpec, available: Mapping[str, Iterable[Volume]]) -> list[Item]:
    """The slices that a run trains on: the pool's distributions after its subsampling steps.

    A subsampled part keeps whole volumes in an order that depends on the run's seed and the
    volumes' names; of the last volume it keeps random slices, so that the count is exact. What a
    step keeps is a prefix of what it is given: ``take(n)`` is nested in ``take(n + 1)``, and a
    quarter in the half.

    Args:
        spec: the run: its pool and seed.
        available: the volumes of each distribution of the pool.

    Returns:
        (volume, slice) pairs.

    Raises:
        MrinbError: a distribution of the pool has no volumes.
    """
    items = []
    for part in Pool.parse(spec.pool).parts:
        missing = [d for d in part.distributions if not available.get(d)]
        if missing:
            raise MrinbError(f"pool {spec.pool}: there are no training volumes of {missing[0]}")
        items += _part(part, spec.seed, available)
    return items


def _part(part: Part, seed: int, available: Mapping[str, Iterable[Volume]]) -> list[Item]:
    found = [v for d in part.distributions for v in available[d]]
    if not part.steps:
        return [(v, i) for v in found for i in v.used]
    found.sort(key=lambda v: _order(seed, v.distribution, v.name))
    items = [
        (v, i)
        for v in found
        for i in sorted(v.used, key=lambda i: _order(seed, v.distribution, v.name, i))
    ]
    for step in part.steps:
        items = items[: step.count(len(items))]
    return items


def _order(*words: object) -> str:
    """A stable pseudo-random sort key."""
    return hashlib.sha256(":".join(map(str, words)).encode()).hexdigest()
