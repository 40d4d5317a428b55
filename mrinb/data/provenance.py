"""Whose data results are of, in the words of a caption."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from mrinb.catalogue import homes
from mrinb.compute.context import Context
from mrinb.compute.specs import Spec
from mrinb.data import index, listing
from mrinb.specs import DataSpec

SIMULATED = "simulated data"
MEASURED = "measured data"

_WORDS = {
    frozenset[str](): SIMULATED,
    frozenset({"simulated"}): SIMULATED,
    frozenset({"fastmri"}): f"{MEASURED} of fastMRI",
    frozenset({"own"}): f"{MEASURED} of your own",
    frozenset({"fastmri", "own"}): f"{MEASURED}, of fastMRI and of your own",
    frozenset({"simulated", "fastmri"}): f"{SIMULATED}, and {MEASURED} of fastMRI",
    frozenset({"simulated", "own"}): f"{SIMULATED}, and {MEASURED} of your own",
    frozenset({"simulated", "fastmri", "own"}): (
        f"{SIMULATED}, and {MEASURED} of fastMRI and of your own"
    ),
}


def provenance(specs: Iterable[Spec], context: Context) -> str:
    """The words: simulated or measured, and whose.

    Args:
        specs: results, or splits; none stands for all that a chapter could use.
        context: the data root, if there is one.
    """
    specs = list(specs)
    names = sorted({d for d in _distributions(specs) if homes.home(d) == homes.OWN})
    words = _WORDS[origins(specs, context)]
    return f"{words} ({', '.join(names)})" if names else words


def _distributions(specs: Iterable[Spec]) -> frozenset[str]:
    return frozenset(split.distribution for spec in specs for split in _splits(spec))


def origins(specs: Iterable[Spec], context: Context) -> frozenset[str]:
    """Where the files behind results come from: ``simulated``, ``fastmri``, ``own``.

    A file says that it was simulated by an attribute; it is fastMRI's if its name and attributes
    are. Arguments as of ``provenance``.
    """
    splits = frozenset[DataSpec]().union(*(_splits(spec) for spec in specs))
    if not splits:
        if context.data_root is None:
            return frozenset({"simulated"})
        found = listing.everything(context, context.data_root)
        return _of(e for e in found if e.distribution)
    return frozenset[str]().union(*(_origins(split, context) for split in splits))


def left_out(specs: Iterable[Spec], context: Context) -> str:
    """The word about slices that results leave out because they are zero, or an empty text."""
    splits = frozenset[DataSpec]().union(*(_splits(spec) for spec in specs))
    count = sum(_empty(split, context) for split in splits)
    words = "slice is" if count == 1 else "slices are"
    return f"{count} empty {words} left out" if count else ""


@lru_cache(maxsize=50_000)
def _splits(spec: Spec) -> frozenset[DataSpec]:
    """The splits that a result rests on."""
    if isinstance(spec, DataSpec):
        return frozenset({spec})
    values = [getattr(spec, name) for name in type(spec).model_fields]
    inner = [v for value in values for v in (value if isinstance(value, tuple) else (value,))]
    return frozenset[DataSpec]().union(*(_splits(v) for v in inner if isinstance(v, Spec)))


@lru_cache(maxsize=4096)
def _origins(split: DataSpec, context: Context) -> frozenset[str]:
    # Remembered: captions ask often, and files of another content have another digest.
    return frozenset({"simulated"}) if split.simulated else _of(_files(split, context))


@lru_cache(maxsize=4096)
def _empty(split: DataSpec, context: Context) -> int:
    if split.simulated:
        return 0
    found = _files(split, context)
    root = listing.root(split.distribution, split.split, context)
    looked = index.vet(found, context, root, split.coil)
    return sum(len(entry.findings.empty) for entry in looked if entry.findings)


def _of(entries: Iterable[index.FileInfo]) -> frozenset[str]:
    return frozenset(entry.info.origin for entry in entries if entry.info)


def _files(spec: DataSpec, context: Context) -> list[index.FileInfo]:
    root = listing.root(spec.distribution, spec.split, context)
    return listing.find(spec.distribution, spec.split, context, root, spec.coil, spec.digest)
