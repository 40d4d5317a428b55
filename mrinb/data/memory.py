"""What was read of a folder's files, kept from one run to the next.

It only saves time: where it is spoiled or cannot be written, files are read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mrinb.compute.context import Context
from mrinb.data import checks, files

_FORMAT = (4, checks.VERSION)

_SAVE_SECONDS = 10.0
"""So often a first scan writes down how far it is: an interrupted one goes on from there."""


class Known(BaseModel):
    """What is known of one file.

    Attributes:
        size, mtime_ns: of the file when it was read.
        info: what it holds, or None if its content cannot be read.
        problem: why it cannot be read, in one line, or empty.
        blocks: acquisition that it may belong to all the same.
        fingerprint: of its content, or empty where none was asked for.
        findings: what a look into its arrays found, or None where nobody looked.
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")
    size: int
    mtime_ns: int
    info: files.Info | None
    problem: str = ""
    blocks: str = ""
    fingerprint: str = ""
    findings: checks.Findings | None = None


class _Stored(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="constants")
    format: tuple[int, int]
    files: dict[str, Known]


class Memory:
    """What is known of the files of one folder; others may write to it meanwhile.

    Args:
        context: where it is kept (``cache``).
        root: the folder.
        track: which of the folder's memories; one is kept for each track.
    """

    def __init__(self, context: Context, root: Path, track: str = "multi") -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]
        tail = "" if track == "multi" else f"-{track}"
        self._root = root
        self._path = context.cache / "index" / f"{name}{tail}.json"
        self._known = self._load()
        self._new: dict[str, Known] = {}
        self._saved = time.monotonic()

    def _key(self, path: Path) -> str:
        name = path.relative_to(self._root) if path.is_relative_to(self._root) else path
        return os.fsencode(name).decode("utf-8", "backslashreplace")

    def get(self, path: Path, size: int, mtime_ns: int) -> Known | None:
        """What is known of a file of this size and time of change."""
        known = self._known.get(self._key(path))
        return known if known and (known.size, known.mtime_ns) == (size, mtime_ns) else None

    def put(self, path: Path, known: Known) -> None:
        """Remember a file; now and then what is new is written down."""
        self._known[self._key(path)] = self._new[self._key(path)] = known
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self.save()

    def save(self, only: set[Path] | None = None) -> None:
        """Write down what is new.

        Args:
            only: the files there are: what is known of others is forgotten.
        """
        keys = None if only is None else {self._key(path) for path in only}
        if not self._new and (keys is None or keys >= self._known.keys()):
            return
        merged = {**self._load(), **self._new}
        if keys is not None:
            merged = {key: known for key, known in merged.items() if key in keys}
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(f".{os.getpid()}.part")
            try:
                part.write_text(_Stored(format=_FORMAT, files=merged).model_dump_json())
                part.replace(self._path)
            finally:
                part.unlink(missing_ok=True)
        self._new, self._saved = {}, time.monotonic()

    def _load(self) -> dict[str, Known]:
        try:
            stored = _Stored.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return {}
        return stored.files if stored.format == _FORMAT else {}
