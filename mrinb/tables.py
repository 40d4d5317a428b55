"""Tables that know where their numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import pandas as pd

from mrinb.compute.used import digest
from mrinb.errors import MrinbError

Note = Mapping[str, Any]
"""Whose data they are, profile, seeds and a key, as of ``Lab.note``."""


class Table(pd.DataFrame):
    """A data frame with a note on where its numbers come from.

    Selections, copies, ``assign``, ``rename`` and the like keep the note. What several frames are
    put together to (``pd.concat``, ``merge``, ``join``) has none, and no figure is shown without:
    ``joined`` makes one of several tables, ``noted`` gives one to what was made from a table.

    Attributes:
        note: see ``figures.note_text``; None where nobody gave one.
    """

    note: Note | None = None
    _metadata: ClassVar[list[str]] = ["note"]

    @property
    def _constructor(self) -> Callable[..., Table]:
        return Table


def noted(frame: pd.DataFrame, note: Note | None) -> Table:
    """A frame as a table with this note."""
    table = Table(frame)
    table.note = note
    return table


def note_of(frame: pd.DataFrame) -> Note | None:
    """The note of a table; None of a plain frame, also where a column is called so."""
    return frame.note if isinstance(frame, Table) else None


def joined(tables: Iterable[pd.DataFrame]) -> Table:
    """Tables one below the other, with the note of all.

    Raises:
        MrinbError: there is no table, or one has no note.
    """
    tables = list(tables)
    note = joined_note(tables)
    return noted(pd.concat(tables, ignore_index=True), note)


def joined_note(tables: Iterable[pd.DataFrame]) -> dict[str, Any]:
    """The note of several tables together: the first's, with a key made from all.

    Raises:
        MrinbError: there is no table, or one has no note.
    """
    notes = [note_of(table) for table in tables]
    known = [note for note in notes if note is not None]
    if not notes or len(known) < len(notes):
        raise MrinbError("a table has no note: give the tables of the lab as they are")
    return {**known[0], "key": digest(note["key"] for note in known)}
