"""Which volumes train, validate and test: the paper's lists, or a draw by subject.

The paper draws 85 % of the volumes where a dataset brings no split (Appendix G.1). Here subjects
are drawn, and one draw decides for everything that shares them: the views of a scan, echoes,
repetitions, and sister datasets such as M4Raw's gradient echoes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mrinb.data import splits
from mrinb.data.index import TEST_SHARE, VAL_SHARE, fraction
from mrinb.errors import MrinbError, unknown

PAPER_NAMES = {"m4raw_gre": "m4raw_gre_rot"}
"""Datasets that the paper's lists name otherwise."""

_SUBJECTS: dict[str, str] = {
    "7T": r"(mp2rageme_\d+)_inv\d_te\d",
    "cc-359": r"(e\d+s\d+)_.*",
    "m4raw": r"(\d+)_(?:T1|T2|FLAIR|GRE)\d\d",
    "skm-tea": r"E[12]_(MTR_\d+)",
    "fastmri_prostate_T2": r"(file_prostate_AXT2_\d+)",
    "fastmri_knee": r"(file\d+)",
    "fastmri_brain": r"(file_brain_\w+)",
}
"""How a file's name says whose it is. Names at mridata.org are random identifiers: two scans of one
person cannot be told from two people."""


class Split(NamedTuple):
    """Names of files without ``.h5``.

    Attributes:
        train, val, test: the three parts; the paper's lists have no ``val``.
        missing: names on the paper's lists that are not here.
        unlisted: names here that are on no list.
        verified: whether names tell the subjects, so that no subject in two parts is certain.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    verified: bool = False


def subject(dataset: str, name: str) -> str | None:
    """Whom a file is of, by its name.

    Args:
        dataset: short name, such as ``7T_ax``.
        name: of the file, without ``.h5``.

    Returns:
        An identifier that all views, echoes, repetitions and sister datasets share; None where
        names do not tell.
    """
    for family, pattern in _SUBJECTS.items():
        if dataset == family or dataset.startswith(f"{family}_"):
            found = re.fullmatch(pattern, name)
            return f"{family}:{found.group(1)}" if found else None
    return None


def paper(dataset: str, names: Iterable[str]) -> Split:
    """The paper's split of a dataset of Section 7.

    Args:
        dataset: short name, such as ``cc-359_sag``.
        names: of the files that are here, without ``.h5``.

    Returns:
        Those of the listed files that are here, and which are missing.

    Raises:
        MrinbError: the paper has no list of this name.
    """
    lists = splits.table(splits.SECTION7)
    known = set(lists.dataset)
    listed_as = PAPER_NAMES.get(dataset, dataset)
    if listed_as not in known:
        raise unknown("dataset", dataset, sorted(known))
    rows = lists[lists.dataset == listed_as]
    role = {
        name.removesuffix(".h5"): part for name, part in zip(rows.filename, rows.role, strict=True)
    }
    here = sorted(names)
    split = Split(
        train=tuple(n for n in here if role.get(n) == "train"),
        val=(),
        test=tuple(n for n in here if role.get(n) == "test"),
        missing=tuple(sorted(set(role) - set(here))),
        unlisted=tuple(n for n in here if n not in role),
    )
    return verified(split, lambda name: subject(dataset, name))


def seeded(dataset: str, names: Iterable[str], seed: int = 0) -> Split:
    """Draw subjects: 15 % test, and of the rest 15 % validate.

    What becomes of a subject depends on its identifier and the seed alone, so that it is the same
    in every dataset that has it, however many files are here.

    Args:
        dataset: short name, such as ``7T_ax``.
        names: of the files, without ``.h5``.
        seed: of the draw.

    Returns:
        The split; of few subjects, a part may be empty.

    Raises:
        MrinbError: there is no file.
    """
    here, family = sorted(names), re.sub("_(ax|cor|sag)$", "", dataset)
    if not here:
        raise MrinbError(f"{dataset}: no files to draw from")
    parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for name in here:
        parts[part(subject(dataset, name) or f"{family}:{name}", seed)].append(name)
    split = Split(tuple(parts["train"]), tuple(parts["val"]), tuple(parts["test"]))
    return verified(split, lambda name: subject(dataset, name))


def fastmri(names: Iterable[str], seed: int = 0) -> Split:
    """The paper's split of fastMRI knees and brains in Sections 3 to 6.

    Args:
        names: of the files that are here, without ``.h5``.
        seed: 0 to 4, which of the five draws of training files.

    Returns:
        Those of the listed files that are here, of Sections 3 and 4 together; what is on no list
        is ``unlisted``. The 30 brains of the test list that are masked in fastMRI's test archive
        need its full one.

    Raises:
        MrinbError: there is no such draw.
    """
    subsets = splits.table(splits.TRAIN_SUBSETS)
    if seed not in set(subsets.seed):
        raise MrinbError(f"the paper drew training files with seeds 0 to 4, not {seed}")
    train = {n.removesuffix(".h5") for n in subsets.filename[subsets.seed == seed]}
    test = {n.removesuffix(".h5") for n in splits.table(splits.TEST).filename}
    here = sorted(names)
    split = Split(
        train=tuple(n for n in here if n in train),
        val=(),
        test=tuple(n for n in here if n in test),
        missing=tuple(sorted((train | test) - set(here))),
        unlisted=tuple(n for n in here if n not in train | test),
    )
    return verified(
        split, lambda name: subject("fastmri_brain", name) or subject("fastmri_knee", name)
    )


def part(identifier: str, seed: int) -> str:
    """What becomes of a subject: ``train``, ``val`` or ``test``."""
    if fraction(f"test:{seed}:{identifier}") < TEST_SHARE:
        return "test"
    return "val" if fraction(f"val:{seed}:{identifier}") < VAL_SHARE else "train"


def verified(split: Split, of: Callable[[str], str | None]) -> Split:
    """Make sure that no subject is in two parts.

    Args:
        split: the split.
        of: the subject of a name, None where that is not known.

    Returns:
        The split, ``verified`` where every subject is known.

    Raises:
        MrinbError: a subject is in two parts.
    """
    where: dict[str, tuple[str, str]] = {}
    known = True
    for part in ("train", "val", "test"):
        for name in getattr(split, part):
            identifier = of(name)
            if identifier is None:
                known = False
                continue
            other, first = where.setdefault(identifier, (part, name))
            if other != part:
                raise MrinbError(
                    f"{identifier.partition(':')[2]} is in {other} ({first}) and {part} ({name})"
                )
    return split._replace(verified=known)
