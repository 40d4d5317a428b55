"""One look at a data root a run.

A run asks for a split of a distribution hundreds of times. The folder is looked through once; later
only the files of the split that is asked for are looked at, and the folder again if one changed.
"""

from __future__ import annotations

import warnings
import weakref
from pathlib import Path
from typing import NamedTuple

from mrinb.compute.context import Context
from mrinb.data import index
from mrinb.data.splits import apply
from mrinb.errors import MrinbError
from mrinb.specs import Coil


class _Look(NamedTuple):
    asker: weakref.ReferenceType[Context]
    entries: list[index.FileInfo]


_LOOKS: dict[tuple[Path, Path, Coil], _Look] = {}


def everything(context: Context, root: Path, coil: Coil = "multi") -> list[index.FileInfo]:
    """All files of a data root, as they were when this context first asked."""
    look = _LOOKS.get((root, context.cache, coil))
    if look is None or look.asker() is not context:
        look = _look(context, root, coil)
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
        distribution: name in the catalogue.
        split: ``train``, ``val`` or ``test``.
        context: who asks: a context that did not ask before has the folder looked through.
        root: the data root.
        coil: which track.
        digest: of the files that are expected; where they are found, whoever looked, nobody looks
            through the folder again.

    Raises:
        MrinbError: as of ``index.find``.
    """
    look = _LOOKS.get((root, context.cache, coil))
    if look is not None and (digest is not None or look.asker() is context):
        try:
            found = index.find(look.entries, distribution, split, root)
        except MrinbError:
            found = []
        fits = digest is None or index.digest(found) == digest
        if found and fits and all(_unchanged(entry) for entry in found):
            return found
    return index.find(_look(context, root, coil).entries, distribution, split, root)


def _look(context: Context, root: Path, coil: Coil) -> _Look:
    entries = apply.assigned(index.scan(root, context, coil=coil), context.split)
    for report in apply.reports(entries, context.split):
        if report.split.missing:
            warnings.warn(f"data_root {root}: {report.words()}", stacklevel=2)
    look = _Look(weakref.ref(context), entries)
    _LOOKS[root, context.cache, coil] = look
    return look


def _unchanged(entry: index.FileInfo) -> bool:
    try:
        status = entry.path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime_ns)


def warn_of_shared_subjects(distribution: str, context: Context, root: Path, coil: Coil) -> None:
    """Warn where a subject of a distribution is in the training and in the test split."""
    entries = [e for e in everything(context, root, coil) if e.distribution == distribution]
    shared = index.shared_subjects(entries)
    if shared:
        warnings.warn(f"data_root {root}: {shared_words(shared)}", stacklevel=2)


def shared_words(shared: dict[str, tuple[index.FileInfo, index.FileInfo]]) -> str:
    """The line about subjects in two splits."""
    name, (train, test) = next(iter(shared.items()))
    count = f"{len(shared)} subjects are" if len(shared) > 1 else f"subject {name} is"
    return (
        f"{count} in train and in test, such as {train.name} and {test.name}: scores on them "
        "flatter"
    )
