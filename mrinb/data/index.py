"""What a data root holds: every fastMRI file below it, its distribution and its split.

A file's distribution follows from its ``acquisition`` attribute and the scanner in its header. Its
split follows from the nearest folder whose name says so:

- ``train``, ``val``, ``test``: as they are (the simulator's layout);
- official folders such as ``multicoil_train`` or ``multicoil_val_batch_0``: the official
  validation set is our ``test`` (Appendix B.1), and our ``val`` is carved out of the official
  training set, 15 % of the subjects by a stable hash, at least one where there are two;
- official test folders: no split, because their k-space is masked;
- none of these: 15 % of the subjects are ``test`` (Appendix G.1), and ``val`` is carved likewise.

The single-coil track has files of the same names. They are told apart by their k-space, and whoever
asks for one kind sees nothing of the other; ``singlecoil_*`` folders are for the one alone, and
``multicoil_*`` folders for the other.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from mrinb import catalogue
from mrinb.catalogue import DISTRIBUTIONS, Distribution
from mrinb.compute.context import Context
from mrinb.data import files
from mrinb.errors import MrinbError
from mrinb.specs import Coil

VAL_SHARE = TEST_SHARE = 0.15

_OTHER: dict[str, str] = {"multi": "single", "single": "multi"}

_CACHE_FORMAT = 2


class FileInfo(NamedTuple):
    """One HDF5 file below a data root.

    Attributes:
        path: the file.
        name: its name without ``.h5``.
        size: bytes.
        split: ``train``, ``val``, ``test``, or empty for files of no use in any of them.
        distribution: name in the catalogue, or empty.
        info: what the file holds, or None if it cannot be read.
        problem: why it cannot be read, in one line, or empty.
        blocks: acquisition that an unreadable file may belong to: ``*`` where the file does not
            even tell that, empty where it tells that it is none of fastMRI's.
    """

    path: Path
    name: str
    size: int
    split: str
    distribution: str
    info: files.Info | None
    problem: str
    blocks: str

    @property
    def subject(self) -> str:
        """Identifier of the patient where the file states one, else the file's name."""
        return (self.info.patient if self.info else "") or self.name


def scan(
    root: Path, context: Context, progress: bool = True, coil: Coil = "multi"
) -> list[FileInfo]:
    """List the HDF5 files below a folder; what was read once is remembered.

    Args:
        root: the data root.
        context: where the memory is kept (``cache``).
        progress: show a progress bar if it takes more than two seconds.
        coil: which track is listed.

    Returns:
        The files in the order of their paths, unreadable ones with their ``problem``.

    Raises:
        MrinbError: the folder is missing or holds no HDF5 file.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise MrinbError(f"data_root {root}: no such folder")
    paths = files_below(root)
    if not paths:
        raise MrinbError(f"data_root {root}: no .h5 file in it or below")
    other = _OTHER[coil]
    paths = [p for p in paths if not _in_folder_of(p.relative_to(root), other)]
    read_in = list(read(paths, context, root, progress, memory=coil))
    entries = [e for e in read_in if e.info is None or e.info.coil == coil]
    if not entries:
        raise MrinbError(
            f"data_root {root}: only {other}-coil files in it and below; "
            f"{coil}-coil ones are needed"
        )
    return _split([_placed(entry, root) for entry in entries])


def files_below(root: Path) -> list[Path]:
    """The HDF5 files below a folder in the order of their paths."""
    return sorted(p for p in root.rglob("*.h5") if not p.name.startswith("."))


def _in_folder_of(path: Path, coil: str) -> bool:
    return any(part.lower().startswith(f"{coil}coil") for part in path.parts[:-1])


def read(
    paths: Iterable[Path],
    context: Context,
    root: Path,
    progress: bool = True,
    memory: str = "multi",
) -> Iterator[FileInfo]:
    """Read what each file holds, from memory where size and time of change are the same.

    Args:
        paths: the files.
        context: where the memory is kept (``cache``).
        root: the folder that they belong to; each has a memory of its own.
        progress: show a progress bar if it takes more than two seconds.
        memory: which of the folder's memories; one is kept for each track.

    Yields:
        The files, with neither split nor folder considered.
    """
    paths = list(paths)
    name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:20]
    kept = context.cache / "index" / f"{name}{'' if memory == 'multi' else f'-{memory}'}.json"
    known = _load(kept)
    current = {}
    bar = tqdm(paths, desc="reading headers", unit="file", delay=2, disable=not progress)
    for path in bar:
        key = str(path.resolve())
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns]
        entry = known.get(key)
        if entry is None or entry["stamp"] != stamp:
            entry = {"stamp": stamp, **_inspect(path)}
        current[key] = entry
        info = _info_from_json(entry["info"]) if entry["info"] else None
        yield FileInfo(
            path, path.stem, status.st_size, "", match(info) if info else "", info,
            entry["problem"], entry["blocks"],
        )  # fmt: skip
    if current != known:
        _save(kept, current)


def _inspect(path: Path) -> dict[str, Any]:
    try:
        return {"info": _info_to_json(files.read_info(path)), "problem": "", "blocks": ""}
    except MrinbError as error:
        return {"info": None, "problem": str(error), "blocks": _acquisition(path)}


def _acquisition(path: Path) -> str:
    try:
        with files.open_volume(path) as file:
            value = file.attrs.get("acquisition", "")
            return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    except (MrinbError, OSError, RuntimeError):
        return "*"


def _info_to_json(info: files.Info) -> dict[str, Any]:
    header = info.header._asdict()
    header["field_t"] = None if math.isnan(info.header.field_t) else info.header.field_t
    return {**info._asdict(), "header": header}


def _info_from_json(data: dict[str, Any]) -> files.Info:
    header = dict(data["header"])
    header["field_t"] = math.nan if header["field_t"] is None else header["field_t"]
    header.update({key: tuple(header[key]) for key in ("encode", "recon")})
    target = data["target_shape"]
    return files.Info(
        **{
            **data,
            "header": files.Header(**header),
            "kspace_shape": tuple(data["kspace_shape"]),
            "target_shape": None if target is None else tuple(target),
        }
    )


def _load(memory: Path) -> dict[str, Any]:
    try:
        data = json.loads(memory.read_text())
        return data["files"] if data["format"] == _CACHE_FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save(memory: Path, entries: dict[str, Any]) -> None:
    # The memory only saves time: where it cannot be written, files are read again.
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        part = memory.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"format": _CACHE_FORMAT, "files": entries}))
        part.replace(memory)


def match(info: files.Info) -> str:
    """Name of the distribution of a file, or an empty string.

    The acquisition and the scanner model must agree, and the field strength, rounded to half a
    tesla, where the header states it.
    """
    for distribution in DISTRIBUTIONS.values():
        if info.acquisition == distribution.acquisition and _same_scanner(info, distribution):
            return distribution.name
    return ""


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
        found = re.search(r"train|val|test", folder.lower())
        if folder.lower() in ("train", "val", "test"):
            return entry._replace(split=folder.lower())
        if found:
            split = {"train": "official", "val": "test", "test": ""}[found.group()]
            return entry._replace(split=split)
    return entry._replace(split="?")


def _split(entries: list[FileInfo]) -> list[FileInfo]:
    """Turn what the folders say into splits, distribution by distribution."""
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


def find(entries: list[FileInfo], distribution: str, split: str, root: Path) -> list[FileInfo]:
    """The files of one split of one distribution.

    Raises:
        MrinbError: there are none, or a file that may be one of them is damaged.
    """
    acquisition = catalogue.distribution(distribution).acquisition
    bad = [e for e in entries if e.problem and e.blocks in ("*", acquisition)]
    if bad:
        more = f" ({len(bad) - 1} more are unreadable: see mrinb data check)" if bad[1:] else ""
        raise MrinbError(f"{bad[0].problem}{more}")
    found = [e for e in entries if e.distribution == distribution]
    if not found:
        raise MrinbError(
            f"data_root {root}: no file of {distribution}; there are {_inventory(entries)}"
        )
    chosen = [e for e in found if e.split == split]
    if not chosen:
        counts = Counter(e.split or "masked or without target" for e in found)
        there = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
        raise MrinbError(f"data_root {root}: no {split} file of {distribution}, only {there}")
    _refuse_twins(chosen)
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


def digest(entries: Iterable[FileInfo]) -> str:
    """20 hexadecimal digits that change with the files found: name, size, header, maximum."""
    rows = sorted(
        [e.name, e.size, e.info.header_digest, repr(e.info.max_value)] for e in entries if e.info
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:20]
