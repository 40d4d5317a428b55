"""Rules that divide the files of a data root otherwise than its folders do.

- ``paper``: the paper's lists. fastMRI's knees and brains are divided as in Sections 3 to 6, the
  training files by the first of five draws (``paper:1`` to ``paper:4`` by another), every other
  dataset as in Section 7. ``section7`` takes the lists of Section 7 for all.
- ``seeded``: 15 % of the subjects test, 15 % of the others validate (``seeded:7``: another draw).

The paper validates on nothing. So that a chapter can choose by validation data, files on neither
list serve for that, and where there are none, 15 % of the subjects of the training list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mrinb import catalogue
from mrinb.data.convert import CONVERTERS
from mrinb.data.index import VAL_SHARE, FileInfo, fraction
from mrinb.data.splits import draw
from mrinb.data.splits.draw import Split
from mrinb.errors import MrinbError, unknown

RULES = ("paper", "section7", "seeded")

_FASTMRI = ("fastmri_knee", "fastmri_brain")


class Report(NamedTuple):
    """How a rule divides the files of one dataset.

    Attributes:
        dataset: short name, such as ``7T_ax``.
        split: names of files without ``.h5``.
    """

    dataset: str
    split: Split

    def words(self) -> str:
        """One line on what is missing and what is not known."""
        split = self.split
        counts = f"{len(split.train)} train, {len(split.val)} val, {len(split.test)} test"
        words = [f"{self.dataset}: {counts}"]
        if split.missing:
            total = len(split.missing) + len(split.train) + len(split.test)
            words.append(f"{len(split.missing)} of {total} listed files are missing, such as "
                         f"{split.missing[0]}.h5")  # fmt: skip
        if split.unlisted:
            words.append(f"{len(split.unlisted)} are on no list")
        if not split.verified:
            words.append("names do not tell whether two scans are of one person")
        return "; ".join(words)


def rule(text: str) -> tuple[str, int]:
    """Read a rule and its seed, such as ``seeded:3``; an empty text leaves it to the folders.

    Raises:
        MrinbError: there is no such rule, or the seed is no number.
    """
    name, colon, seed = text.partition(":")
    if text and name not in RULES:
        raise unknown("split", name, RULES)
    if colon and not (seed.isdigit() and name != "section7"):
        raise MrinbError(f"split {text!r}: write for example 'paper', 'paper:1' or 'seeded:7'")
    return name, int(seed or 0)


def assigned(entries: Iterable[FileInfo], text: str) -> list[FileInfo]:
    """Files with the split that a rule gives them.

    Args:
        entries: the files of a data root; those of no use, or of no dataset, stay as they are.
        text: the rule; where it is empty, all stay as they are.

    Raises:
        MrinbError: there is no such rule, or a subject is in two parts.
    """
    entries = list(entries)
    if not text:
        return entries
    where: dict[tuple[str, str], str] = {}
    for report in reports(entries, text):
        for part in ("train", "val", "test"):
            names: tuple[str, ...] = getattr(report.split, part)
            where.update({(report.dataset, name): part for name in names})
    return [
        entry._replace(split=where.get((dataset_of(entry), entry.name), ""))
        if entry.split and dataset_of(entry)
        else entry
        for entry in entries
    ]


def reports(entries: Iterable[FileInfo], text: str) -> list[Report]:
    """How a rule divides the files of each dataset; nothing for an empty rule.

    Raises:
        MrinbError: there is no such rule, or a subject is in two parts.
    """
    name, seed = rule(text)
    groups: dict[str, list[FileInfo]] = {}
    for entry in entries:
        if name and entry.split and dataset_of(entry):
            groups.setdefault(dataset_of(entry), []).append(entry)
    return [Report(slug, _divided(slug, group, name, seed)) for slug, group in groups.items()]


def dataset_of(entry: FileInfo) -> str:
    """Short name of the dataset of a file, as the lists have it; empty where it is of none."""
    if entry.distribution not in catalogue.EVERY:
        return ""
    row = catalogue.distribution(entry.distribution).dataset
    return CONVERTERS[row].slug if row in CONVERTERS else ""


def _divided(slug: str, entries: list[FileInfo], name: str, seed: int) -> Split:
    names = [entry.name for entry in entries]
    subjects = {entry.name: _subject(slug, entry) for entry in entries}
    if name == "seeded":
        parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        for one in sorted(names):
            parts[draw.part(subjects[one], seed)].append(one)
        split = Split(tuple(parts["train"]), tuple(parts["val"]), tuple(parts["test"]))
        return draw.verified(split, lambda n: draw.subject(slug, n))
    fastmri = name == "paper" and slug in _FASTMRI
    split = draw.fastmri(names, seed) if fastmri else draw.paper(slug, names)
    if fastmri:  # one list for both: what is missing of the other is told there
        kind = "file_brain_" if slug == "fastmri_brain" else "file1"
        split = split._replace(missing=tuple(n for n in split.missing if n.startswith(kind)))
    return _validated(split, subjects, slug)


def _subject(slug: str, entry: FileInfo) -> str:
    """An identifier that all files of a subject share, in sister datasets too."""
    family = CONVERTERS[catalogue.distribution(entry.distribution).dataset].family
    return draw.subject(slug, entry.name) or f"{family}:{entry.subject}"


def _validated(split: Split, subjects: dict[str, str], slug: str) -> Split:
    """A validation part of subjects that are neither trained nor tested on."""
    taken = {subjects[n] for n in (*split.train, *split.test)}
    spare = tuple(n for n in split.unlisted if subjects[n] not in taken)
    if spare:
        return split._replace(val=spare, unlisted=tuple(set(split.unlisted) - set(spare)))
    order = sorted({subjects[n] for n in split.train}, key=lambda s: fraction(f"val:{s}"))
    chosen = {s for s in order if fraction(f"val:{s}") < VAL_SHARE} or set(order[: len(order) > 1])
    val = tuple(n for n in split.train if subjects[n] in chosen)
    train = tuple(n for n in split.train if subjects[n] not in chosen)
    return draw.verified(split._replace(train=train, val=val), lambda n: draw.subject(slug, n))
