"""What a converter is, and what its reader is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

from mrinb.catalogue.views import View
from mrinb.data.convert.output import Volume


class Converter(NamedTuple):
    """How a dataset of Table 1 becomes files in the fastMRI layout.

    Attributes:
        dataset: its row in Table 1.
        slug: its name on the command line and as a folder.
        family: what is read from the same source files, such as all views of a scan.
        module: module of this package whose ``read`` reads the source; empty where none is needed.
        files: regular expression for the names of its source files.
        view: how its slices lie in a 3-D scan.
        prefixes: one output for each, named prefix + name of the source.
        scale: factor that brings k-space to the magnitude of fastMRI's.
        form: the source's form, in a few words.
        quirks: what is done about its peculiarities.
        as_paper: what ``--as-paper`` changes; empty where nothing.
    """

    dataset: str
    slug: str
    family: str
    module: str
    files: str = r".*\.h5"
    view: View | None = None
    prefixes: tuple[str, ...] = ("",)
    scale: float = 1.0
    form: str = ""
    quirks: str = ""
    as_paper: str = ""

    def accepts(self, path: Path) -> bool:
        """Whether a file is one of this dataset, by its name."""
        return re.fullmatch(self.files, path.name) is not None

    @property
    def trim(self) -> tuple[int, int]:
        """How many slices are left out at the start and the end."""
        return self.view.trim if self.view else (0, 0)


class Wanted(NamedTuple):
    """One output asked of a reader: a dataset, and which of its volumes."""

    converter: Converter
    prefix: str = ""

    def path(self, source: Path, destination: Path) -> Path:
        """The file it becomes."""
        return destination / self.converter.slug / f"{self.prefix}{source.stem}.h5"


class Reader(Protocol):
    """Reads a source file once and hands over the volumes that are wanted, one at a time."""

    def __call__(
        self, path: Path, wanted: Sequence[Wanted], as_paper: bool
    ) -> Iterator[tuple[Wanted, Volume]]:
        """Yield each wanted volume; the next is asked for when the last has been written."""


def reader(converter: Converter) -> Reader:
    """The reader of a converter's source form."""
    found: Reader = import_module(f"mrinb.data.convert.{converter.module}").read
    return found
