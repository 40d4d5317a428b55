"""Where an executed notebook goes: refused before the run, whole or not at all after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from mrinb.errors import MrinbError


def failed_name(out: Path) -> Path:
    """Where the notebook of a failed run is kept."""
    return out.with_suffix(".failed.ipynb")


def require_place(out: Path, sources: Path) -> None:
    """Refuse a place where something else would be lost, and make its folder.

    Args:
        out: where the executed notebook is to go.
        sources: folder of the chapters' sources, where nothing goes.

    Raises:
        MrinbError: it is a source, a folder, a link, a device or no notebook, or cannot be written.
    """
    if out.resolve().parent == sources.resolve():
        raise MrinbError(f"{out} is among the chapters' sources: give the output another folder")
    for path in (out, failed_name(out)):
        what = _in_the_way(path)
        if what:
            raise MrinbError(f"{path} is {what}: give the output another name")
    with writing(out):
        pass


def _in_the_way(path: Path) -> str:
    try:
        if path.is_symlink():
            return "a link, which would be replaced"
        if path.is_dir():
            return "a folder"
        if path.exists() and not path.is_file():
            return "no regular file"
        return "no notebook" if path.exists() and path.suffix != ".ipynb" else ""
    except OSError as error:
        return f"no name that can be used ({error.strerror})"


def write_notebook(notebook: Any, path: Path) -> None:
    """Write a notebook whole or not at all.

    Raises:
        MrinbError: it cannot be written.
    """
    part = path.with_name(f".{os.getpid()}.part")
    with writing(path):
        try:
            part.write_text(nbformat.writes(notebook), encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make the folder of ``path``, and tell in one line if it cannot be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(13, "Permission denied")
        yield
    except OSError as error:
        raise MrinbError(f"cannot write {path} ({error.strerror}): choose another folder") from None
