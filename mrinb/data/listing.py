"""One look at a data root a run.

A run asks for a split of a distribution hundreds of times. The folder is looked through once; later
only the files of the split that is asked for are looked at, and the folder again if one changed.
"""

from __future__ import annotations

import warnings
import weakref
from pathlib import Path
from typing import NamedTuple

from mrinb.catalogue import homes
from mrinb.compute.context import Context
from mrinb.data import index
from mrinb.data.splits import apply
from mrinb.errors import MrinbError
from mrinb.specs import Coil


class _Look(NamedTuple):
    asker: weakref.ReferenceType[Context]
    entries: list[index.FileInfo]


_Key = tuple[Path, Path, Coil, homes.Own | None]

_LOOKS: dict[_Key, _Look] = {}


def root(distribution: str, split: str, context: Context) -> Path:
    """The folder that files of a distribution lie in: the data root, or a registered one.

    Raises:
        MrinbError: no data root is given, or nothing is registered under the name.
    """
    own = _own(distribution, context)
    if own:
        return own.folder
    if context.data_root is None:
        raise MrinbError(
            f"{distribution} {split}: these results are of real files: give their data_root"
        )
    return context.data_root


def where(distribution: str, context: Context) -> str:
    """The folder in the words of an error: the parameter or the registered name, and its path."""
    own = _own(distribution, context)
    return f"{own.distribution} {own.folder}" if own else f"data_root {context.data_root}"


def _own(distribution: str, context: Context) -> homes.Own | None:
    own = homes.home(distribution) == homes.OWN
    return homes.lookup(distribution, context.cache) if own else None


def everything(
    context: Context, root: Path, coil: Coil = "multi", own: homes.Own | None = None
) -> list[index.FileInfo]:
    """All files of a data root, as they were when this context first asked."""
    look = _LOOKS.get((root, context.cache, coil, own))
    if look is None or look.asker() is not context:
        look = _look(context, root, coil, own)
    return look.entries


def find(
    distribution: str,
    split: str,
    context: Context,
    root: Path,
    coil: Coil = "multi",
    digest: str | None = None,
) -> list[index.FileInfo]:
    """The files of one split of one distribution.

    Args:
        distribution: name in the catalogue, or ``own:NAME``.
        split: ``train``, ``val`` or ``test``.
        context: who asks: a context that did not ask before has the folder looked through.
        root: the data root.
        coil: which track.
        digest: of the files that are expected; where they are found, whoever looked, nobody looks
            through the folder again.

    Raises:
        MrinbError: as of ``index.find``.
    """
    own = _own(distribution, context)
    look = _LOOKS.get((root, context.cache, coil, own))
    if look is not None and (digest is not None or look.asker() is context):
        try:
            found = index.find(look.entries, distribution, split, root, own)
        except MrinbError:
            found = []
        fits = digest is None or index.digest(found) == digest
        if found and fits and all(_unchanged(entry) for entry in found):
            return found
    return index.find(_look(context, root, coil, own).entries, distribution, split, root, own)


def _look(context: Context, root: Path, coil: Coil, own: homes.Own | None) -> _Look:
    entries = index.scan(root, context, coil=coil, own=own)
    if own is None:  # what is registered keeps the parts it was registered with
        entries = apply.assigned(entries, context.split)
        for report in apply.reports(entries, context.split):
            if report.split.missing:
                warnings.warn(f"data_root {root}: {report.words()}", stacklevel=2)
    look = _Look(weakref.ref(context), entries)
    _LOOKS[root, context.cache, coil, own] = look
    return look


def _unchanged(entry: index.FileInfo) -> bool:
    try:
        status = entry.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)


def warn_of_shared_subjects(distribution: str, context: Context, root: Path, coil: Coil) -> None:
    """Warn where a subject of a distribution is in the training and in the test split."""
    own = _own(distribution, context)
    entries = [e for e in everything(context, root, coil, own) if e.distribution == distribution]
    shared = index.shared_subjects(entries)
    if shared:
        words = f"{where(distribution, context)}: {shared_words(shared)}"
        warnings.warn(words, stacklevel=2)


def shared_words(shared: dict[str, tuple[index.FileInfo, index.FileInfo]]) -> str:
    """The line about subjects in two splits."""
    name, (train, test) = next(iter(shared.items()))
    count = f"{len(shared)} subjects are" if len(shared) > 1 else f"subject {name} is"
    return (
        f"{count} in train and in test, such as {train.name} and {test.name}: scores on them "
        "flatter"
    )
