"""What a data root holds: every fastMRI file below it, its distribution and its split.

A file's distribution follows from its ``acquisition`` attribute and the scanner in its header. Its
split follows from the nearest folder whose name says so in whole words:

- ``train``, ``val``, ``test``: as they are (the simulator's layout);
- official folders such as ``multicoil_train`` or ``multicoil_val_batch_0``: the official
  validation set is our ``test`` (Appendix B.1), and our ``val`` is carved out of the official
  training set, 15 % of the subjects by a stable hash, at least one where there are two;
- test folders: ``test`` for files that are fully sampled, no split for masked ones;
- none of these: 15 % of the subjects are ``test`` (Appendix G.1), and ``val`` is carved likewise.

The single-coil track has files of the same names. They are told apart by their k-space, and whoever
asks for one kind sees nothing of the other; ``singlecoil_*`` folders are for the one alone, and
``multicoil_*`` folders for the other.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from multiprocessing import parent_process
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from mrinb import catalogue
from mrinb.catalogue import DISTRIBUTIONS, Distribution, homes
from mrinb.compute.context import Context
from mrinb.data import checks, files
from mrinb.data.access import DAMAGE, UnreachableError, cause
from mrinb.data.convert import CONVERTERS
from mrinb.data.folders import hdf5_files, split_word
from mrinb.data.memory import Known, Memory
from mrinb.errors import MrinbError, unknown
from mrinb.specs import Coil

VAL_SHARE = TEST_SHARE = 0.15

_OTHER: dict[str, str] = {"multi": "single", "single": "multi"}


class FileInfo(NamedTuple):
    """One HDF5 file below a data root.

    Attributes:
        path: the file.
        name: its name without ``.h5``.
        size: bytes.
        mtime_ns: time of change.
        split: ``train``, ``val``, ``test``, or empty for files of no use in any of them.
        distribution: name in the catalogue, or empty.
        info: what the file holds, or None if it cannot be read.
        problem: why it cannot be read, in one line, or empty.
        blocks: acquisition that an unreadable file may belong to: ``*`` where the file does not
            even tell that, empty where it tells that it is none of fastMRI's.
        fingerprint: of its content.
        findings: what a look into its arrays found, or None where nobody looked.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    split: str
    distribution: str
    info: files.Info | None
    problem: str
    blocks: str
    fingerprint: str = ""
    findings: checks.Findings | None = None

    @property
    def subject(self) -> str:
        """Identifier of the patient where the file states one, else the file's name."""
        return (self.info.patient if self.info else "") or self.name


def scan(
    root: Path,
    context: Context,
    progress: bool = True,
    coil: Coil = "multi",
    own: homes.Own | None = None,
) -> list[FileInfo]:
    """List the HDF5 files below a folder; what was read once is remembered.

    Args:
        root: the data root.
        context: where the memory is kept (``cache``).
        progress: show a progress bar if it takes more than two seconds.
        coil: which track is listed.
        own: a distribution of one's own, to which the files belong whatever the catalogue says;
            its only subject, if there is one alone, is for testing.

    Returns:
        The files in the order of their paths, unreadable ones with their ``problem``.

    Raises:
        MrinbError: the folder is missing or holds no HDF5 file.
    """
    root = Path(root).expanduser()
    named = f"{own.distribution} {root}" if own else f"data_root {root}"
    if not root.is_dir():
        raise MrinbError(f"{named}: no such folder")
    listing = hdf5_files(root)
    if not listing.files:
        _, words = listing.blocked[0] if listing.blocked else ("", "")
        raise MrinbError(f"{named}: no .h5 file in it or below{words and f' ({words})'}")
    other = _OTHER[coil]
    paths = [p for p in listing.files if not _in_folder_of(p.relative_to(root), other)]
    read_in = list(read(paths, context, root, progress, memory=coil, content=True))
    entries = [e for e in read_in if e.info is None or e.info.coil == coil]
    if not entries:
        raise MrinbError(
            f"{named}: only {other}-coil files in it and below; {coil}-coil ones are needed"
        )
    blocked = [
        _blank(path, f"{path}: {words}")
        for path, words in listing.blocked
        if not _in_folder_of((path / "any").relative_to(root), other)
    ]
    if own:
        entries = [e._replace(distribution=_of_own(e, own)) for e in entries]
    return _split([_placed(entry, root) for entry in entries], own) + blocked


def files_below(root: Path) -> list[Path]:
    """The HDF5 files below a folder in the order of their paths."""
    return hdf5_files(root).files


def _in_folder_of(path: Path, coil: str) -> bool:
    return any(part.lower().startswith(f"{coil}coil") for part in path.parts[:-1])


def _blank(path: Path, problem: str, size: int = 0, mtime_ns: int = 0) -> FileInfo:
    return FileInfo(path, _name(path), size, mtime_ns, "", "", None, problem, "*")


def _name(path: Path) -> str:
    """A file's name as text that can be written anywhere, whatever its bytes are."""
    return os.fsencode(path.stem).decode("utf-8", "backslashreplace")


def read(
    paths: Iterable[Path],
    context: Context,
    root: Path,
    progress: bool = True,
    memory: str = "multi",
    content: bool = False,
) -> Iterator[FileInfo]:
    """Read what each file holds, from memory where size and time of change are the same.

    Args:
        paths: the files.
        context: where the memory is kept (``cache``).
        root: the folder that they belong to; each has a memory of its own.
        progress: show a progress bar if it takes more than two seconds.
        memory: which of the folder's memories; one is kept for each track.
        content: whether the fingerprint of each file's content is needed.

    Yields:
        The files, with neither split nor folder considered.
    """
    paths = list(paths)
    kept = Memory(context, root, memory)
    bar = tqdm(paths, desc="reading headers", unit="file", delay=2, disable=not progress)
    try:
        for path in bar:
            yield _look(path, kept, content)
    except BaseException:  # interrupted: what was read is kept, nothing is forgotten
        kept.save()
        raise
    kept.save(only=set(paths))


def _look(path: Path, kept: Memory, content: bool) -> FileInfo:
    try:
        status = path.stat()
    except OSError as error:
        words = cause(error) or f"cannot be looked at ({error.strerror})"
        return _blank(path, f"{path}: {words}")
    stamp = (status.st_size, status.st_mtime_ns)
    known = kept.get(path, *stamp)
    if known is None or (content and known.info and not known.fingerprint):
        try:
            known = _inspect(path, stamp, content)
        except UnreachableError as error:  # says nothing of the content: not remembered
            return _blank(path, str(error), *stamp)
        kept.put(path, known)
    return FileInfo(
        path, _name(path), *stamp, "", match(known.info) if known.info else "", known.info,
        known.problem, known.blocks, known.fingerprint, known.findings,
    )  # fmt: skip


def _inspect(path: Path, stamp: tuple[int, int], content: bool) -> Known:
    size, mtime_ns = stamp
    try:
        info = files.read_info(path)
        mark = checks.fingerprint(path) if content else ""
    except UnreachableError:
        raise
    except MrinbError as error:
        return Known(
            size=size, mtime_ns=mtime_ns, info=None, problem=str(error), blocks=_acquisition(path)
        )
    return Known(size=size, mtime_ns=mtime_ns, info=info, fingerprint=mark)


def _acquisition(path: Path) -> str:
    try:
        with files.open_volume(path) as file:
            value = file.attrs.get("acquisition", "")
            return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    except (MrinbError, *DAMAGE):
        return "*"


def vet(
    entries: Iterable[FileInfo], context: Context, root: Path, coil: Coil = "multi"
) -> list[FileInfo]:
    """Look once into the arrays of files that are to be trained on or scored.

    Args:
        entries: the files; those without a target are passed over.
        context: where the memory is kept.
        root: the data root.
        coil: which track they are of.

    Returns:
        The files with their ``findings``.

    Raises:
        MrinbError: the parts of a file do not belong together.
    """
    entries = list(entries)
    kept = Memory(context, root, coil) if any(e.findings is None for e in entries) else None
    hidden = parent_process() is not None  # a worker's bar would cross the runner's
    found = []
    try:
        for entry in tqdm(entries, desc="checking files", unit="file", delay=2, disable=hidden):
            looked = _vetted(entry, kept) if kept else entry
            if looked.findings and looked.findings.problem:
                raise MrinbError(looked.findings.problem)
            found.append(looked)
    finally:
        if kept:
            kept.save()
    return found


def _vetted(entry: FileInfo, kept: Memory) -> FileInfo:
    if entry.findings or entry.info is None or entry.info.masked or not entry.info.target_shape:
        return entry
    known = kept.get(entry.path, entry.size, entry.mtime_ns)
    if known is None or known.findings is None:
        known = Known(
            size=entry.size,
            mtime_ns=entry.mtime_ns,
            info=entry.info,
            fingerprint=entry.fingerprint,
            findings=checks.examine(entry.path, entry.info),
        )
        kept.put(entry.path, known)
    return entry._replace(findings=known.findings)


def match(info: files.Info) -> str:
    """Name of the distribution of a file, or an empty string.

    A file that was converted or simulated says what it is of. Of others, the acquisition and the
    scanner model must agree, and the field strength, rounded to half a tesla, where the header
    states it.
    """
    if info.dataset:
        return _stated(info)
    for distribution in DISTRIBUTIONS.values():
        if info.acquisition == distribution.acquisition and _same_scanner(info, distribution):
            return distribution.name
    return ""


def _stated(info: files.Info) -> str:
    """The distribution of a file that says what it is of: one of several by its acquisition."""
    if info.dataset in catalogue.EVERY:
        return info.dataset
    rows = {CONVERTERS[row.name].slug: row for row in catalogue.DATASETS}
    row = rows.get(info.dataset)
    if row is None:
        return ""
    found = [d.name for d in row.distributions if d.acquisition == info.acquisition]
    if len(row.distributions) == 1:
        found = [row.distributions[0].name]
    return found[0] if len(found) == 1 else ""


def _same_scanner(info: files.Info, distribution: Distribution) -> bool:
    model, field = info.header.system_model, info.header.field_t
    if re.sub(r"\W|_", "", model).lower() != distribution.scanner.model.replace("_", "").lower():
        return False
    return math.isnan(field) or round(2 * field) / 2 == distribution.scanner.field_t


def _placed(entry: FileInfo, root: Path) -> FileInfo:
    """Write down what the folders say: an own split, ``official`` train, or nothing (``?``)."""
    unusable = entry.info is not None and (entry.info.masked or entry.info.target_shape is None)
    if unusable:
        return entry._replace(split="")
    for folder in reversed(entry.path.parent.relative_to(root).parts or (root.name,)):
        word = split_word(folder)
        if folder.lower() in ("train", "val", "test"):
            return entry._replace(split=folder.lower())
        if word:
            return entry._replace(split={"train": "official", "val": "test", "test": "test"}[word])
    return entry._replace(split="?")


_FACTS: dict[str, Callable[[FileInfo, files.Info], str]] = {
    "acquisition": lambda entry, info: info.acquisition,
    "scanner": lambda entry, info: info.header.system_model,
    "field": lambda entry, info: f"{info.header.field_t:g}",
    "coils": lambda entry, info: str(info.header.coils),
    "patient": lambda entry, info: info.patient,
    "name": lambda entry, info: entry.name,
}
"""What the files of a distribution of one's own may be told by."""


def check_where(where: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Read ``key=value`` words that tell files from others; values may have wildcards.

    Raises:
        MrinbError: a word is no such pair, or there is no such fact.
    """
    found = {}
    for word in where:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise MrinbError(f"--where {word}: write key=value, such as acquisition=AXT2")
        if key not in _FACTS:
            raise unknown("fact of a file", key, _FACTS)
        found[key] = value
    return tuple(sorted(found.items()))


def _of_own(entry: FileInfo, own: homes.Own) -> str:
    """The own distribution's name where a file fits its facts, else an empty text."""
    info = entry.info
    if info is None:
        return ""
    fits = all(fnmatchcase(_FACTS[key](entry, info), value) for key, value in own.where)
    return own.distribution if fits else ""


def _split(entries: list[FileInfo], own: homes.Own | None = None) -> list[FileInfo]:
    """Turn what the folders say into splits, distribution by distribution."""
    name = own.distribution if own else ""
    usable = [e for e in entries if e.distribution == name and e.split]
    if own and len({e.subject for e in usable}) == 1 and all(e.split == "?" for e in usable):
        alone = {e.path for e in usable}
        return [e._replace(split="test" if e.path in alone else "") for e in entries]
    entries = _carve(entries, "?", "test", "official", TEST_SHARE)
    return _carve(entries, "official", "val", "train", VAL_SHARE)


def _carve(
    entries: list[FileInfo], source: str, taken: str, rest: str, share: float
) -> list[FileInfo]:
    chosen: dict[str, set[str]] = {}
    for name in {e.distribution for e in entries}:
        subjects = {e.subject for e in entries if e.distribution == name and e.split == source}
        chosen[name] = _chosen(subjects, taken, share)
    return [
        e._replace(split=taken if e.subject in chosen[e.distribution] else rest)
        if e.split == source
        else e
        for e in entries
    ]


def _chosen(subjects: set[str], purpose: str, share: float) -> set[str]:
    order = sorted((fraction(f"{purpose}:{subject}"), subject) for subject in subjects)
    chosen = {subject for at, subject in order if at < share}
    if not chosen and len(order) > 1:
        chosen = {order[0][1]}
    return chosen


def fraction(text: str) -> float:
    """A stable hash of a text as a number from 0 to 1."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def find(
    entries: list[FileInfo],
    distribution: str,
    split: str,
    root: Path,
    own: homes.Own | None = None,
) -> list[FileInfo]:
    """The files of one split of one distribution.

    Raises:
        MrinbError: there are none, or a file that may be one of them is damaged.
    """
    named = f"{distribution} {root}" if own else f"data_root {root}"
    acquisition = homes.described(distribution).acquisition
    if own:
        acquisition = dict(own.where).get("acquisition", "*")
    bad = [
        e for e in entries if e.problem and (e.blocks == "*" or fnmatchcase(e.blocks, acquisition))
    ]
    if bad:
        more = f" ({len(bad) - 1} more are unreadable: see mrinb data check)" if bad[1:] else ""
        raise MrinbError(f"{bad[0].problem}{more}")
    found = [e for e in entries if e.distribution == distribution]
    if not found:
        raise MrinbError(f"{named}: no file of {distribution}; there are {_inventory(entries)}")
    chosen = [e for e in found if e.split == split]
    if not chosen:
        counts = Counter(e.split or "masked or without target" for e in found)
        there = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
        raise MrinbError(f"{named}: no {split} file of {distribution}, only {there}")
    _refuse_twins(chosen)
    for one, other in same_scans(found)[:1]:
        raise MrinbError(
            f"{one.path}: the same scan as {other.path}, one to learn from and one to test on: "
            "remove one of them"
        )
    return chosen


def _refuse_twins(entries: list[FileInfo]) -> None:
    seen: dict[str, Path] = {}
    for entry in entries:
        if entry.name in seen:
            raise MrinbError(
                f"{entry.path}: there is another file of this name, {seen[entry.name]}: "
                "remove one of them"
            )
        seen[entry.name] = entry.path


def _inventory(entries: list[FileInfo]) -> str:
    kinds = Counter(
        e.distribution
        or f"{e.info.acquisition or 'no acquisition'} on {e.info.header.system_model or '?'}"
        for e in entries
        if e.info
    )
    return ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(8))


def same_scans(entries: Iterable[FileInfo]) -> list[tuple[FileInfo, FileInfo]]:
    """Files of one content that stand in the training and in the test split, as pairs."""
    usable = [e for e in entries if e.fingerprint and e.split]
    test = {(e.size, e.fingerprint): e for e in usable if e.split == "test"}
    return [
        (entry, test[entry.size, entry.fingerprint])
        for entry in usable
        if entry.split != "test" and (entry.size, entry.fingerprint) in test
    ]


def shared_subjects(entries: Iterable[FileInfo]) -> dict[str, tuple[FileInfo, FileInfo]]:
    """Subjects with files in the training and in the test split, with one file of each."""
    entries = [e for e in entries if e.info and e.split]
    train = {e.subject: e for e in entries if e.split == "train"}
    return {e.subject: (train[e.subject], e) for e in entries
            if e.split == "test" and e.subject in train}  # fmt: skip


def digest(entries: Iterable[FileInfo]) -> str:
    """20 hexadecimal digits that change with the files found.

    Of each count name, size, header, maximum and a fingerprint of the content.
    """
    rows = sorted(
        [e.name, e.size, e.info.header_digest, repr(e.info.max_value), e.fingerprint]
        for e in entries
        if e.info
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:20]
