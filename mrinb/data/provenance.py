"""Whose data results are of, in the words of a caption."""

from __future__ import annotations

from collections.abc import Iterable

from mrinb.compute.context import Context
from mrinb.data import index, listing
from mrinb.errors import MrinbError
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


def origins(data: Iterable[DataSpec], context: Context) -> frozenset[str]:
    """Where the files of some splits come from: ``simulated``, ``fastmri``, ``own``.

    A file says that it was simulated by an attribute; it is fastMRI's if its name and attributes
    are.

    Args:
        data: the splits; none stands for all that a chapter could use.
        context: the data root, if there is one.
    """
    data = set(data)
    found = {"simulated"} if context.data_root is None else set[str]()
    for spec in data:
        found |= {"simulated"} if spec.simulated else _of(_files(spec, context))
    if not data and context.data_root is not None:
        found |= _of(e for e in listing.everything(context, context.data_root) if e.distribution)
    return frozenset(found)


def provenance(data: Iterable[DataSpec], context: Context) -> str:
    """The words: simulated or measured, and whose.

    Args:
        data: the splits that results are of.
        context: the data root, if there is one.
    """
    return _WORDS[origins(data, context)]


def _of(entries: Iterable[index.FileInfo]) -> set[str]:
    return {entry.info.origin for entry in entries if entry.info}


def _files(spec: DataSpec, context: Context) -> list[index.FileInfo]:
    root = context.data_root
    if root is None:
        raise MrinbError(
            f"{spec.distribution} {spec.split}: these results are of real files: give their "
            "data_root"
        )
    return listing.find(spec.distribution, spec.split, context, root, spec.coil, spec.digest)
