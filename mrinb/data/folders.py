"""Which files lie below a folder, and which split the names of folders speak of."""

from __future__ import annotations

import os
import re
from collections import deque
from pathlib import Path
from typing import NamedTuple

from mrinb.data.access import cause

_SYSTEM = {"lost+found", "system volume information", "__macosx", "@eadir"}
_SYSTEM_MARKS = (".", "$", "#")
"""Folders of systems and programs, which hold no scans: by name, and by first letter."""

_WORDS = {
    "train": re.compile(r"train(ing)?(set)?"),
    "val": re.compile(r"val(id(ation)?)?(set)?"),
    "test": re.compile(r"test(ing)?(set)?"),
}


class Listing(NamedTuple):
    """What lies below a folder.

    Attributes:
        files: the HDF5 files in the order of their paths.
        blocked: what could not be looked at, and why, in one line each.
    """

    files: list[Path]
    blocked: list[tuple[Path, str]]


def hdf5_files(root: Path) -> Listing:
    """List the HDF5 files below a folder.

    Linked folders are followed, each folder is visited once, under its own name rather than a
    link's. Hidden folders and those of the system are passed over.
    """
    walk = _Walk(Path(root))
    while walk.folders or walk.links:
        walk.visit(walk.folders.popleft() if walk.folders else walk.links.popleft())
    for path in walk.linked:
        walk.add_link(path)
    return Listing(sorted(walk.files), sorted(walk.blocked))


class _Walk:
    """What was found so far, and the folders still to be visited, linked ones last."""

    def __init__(self, root: Path) -> None:
        self.folders, self.links = deque([root]), deque[Path]()
        self.files: list[Path] = []
        self.linked: list[Path] = []
        self.blocked: list[tuple[Path, str]] = []
        self.visited: set[tuple[int, int]] = set()
        self.known: set[tuple[int, int]] = set()

    def visit(self, folder: Path) -> None:
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in self.visited:
                return
            self.visited.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda e: e.name)
        except OSError as error:
            self.blocked.append((folder, _blocked(error)))
            return
        for entry in entries:
            if not entry.name.startswith(_SYSTEM_MARKS) and entry.name.lower() not in _SYSTEM:
                self._sort_in(entry, folder / entry.name)

    def _sort_in(self, entry: os.DirEntry[str], path: Path) -> None:
        try:
            if entry.is_dir():
                (self.links if entry.is_symlink() else self.folders).append(path)
            elif entry.is_symlink():
                if path.suffix == ".h5" or (not path.suffix and not path.exists()):
                    self.linked.append(path)
            elif path.suffix == ".h5":
                status = entry.stat()
                self.known.add((status.st_dev, status.st_ino))
                self.files.append(path)
        except OSError as error:
            self.blocked.append((path, _blocked(error)))

    def add_link(self, path: Path) -> None:
        """A linked file, unless it is listed under its own name."""
        try:
            status = path.stat()
        except OSError as error:
            words = cause(error)
            leads = "the link leads nowhere: mount its drive, or remove it"
            self.blocked.append((path, leads if words in ("", "no such file") else words))
            return
        if (status.st_dev, status.st_ino) not in self.known:
            self.known.add((status.st_dev, status.st_ino))
            self.files.append(path)


def _blocked(error: OSError) -> str:
    words = cause(error) or f"cannot be looked at ({error.strerror})"
    return "vanished while it was looked at: try again" if words == "no such file" else words


def split_word(folder: str) -> str:
    """The split that a folder's name speaks of in whole words, or an empty text.

    ``multicoil_val_batch_0`` speaks of ``val``; ``latest``, ``interval`` and ``retrained`` of none,
    nor does a name that speaks of two.
    """
    words = {w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", folder)}
    found = [s for s, pattern in _WORDS.items() if any(pattern.fullmatch(w) for w in words)]
    return found[0] if len(found) == 1 else ""
