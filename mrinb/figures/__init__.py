"""Figures that several chapters share; each function returns a figure and computes nothing new.

What is drawn are tables of ``lab.evaluate`` and ``lab.histories``, and arrays of exhibits.
"""

from mrinb.figures.base import (
    METRICS,
    PAGE_WIDTH,
    PHONE_WIDTH,
    ROLES,
    SCALE,
    Drawing,
    Html,
    csv_link,
    csv_text,
    note_text,
    show,
    webp,
)
from mrinb.figures.curves import history
from mrinb.figures.pictures import detail, reconstructions
from mrinb.figures.scores import bars, bars_table
from mrinb.figures.tables import folded, table

__all__ = [
    "METRICS", "PAGE_WIDTH", "PHONE_WIDTH", "ROLES", "SCALE", "Drawing", "Html", "bars",
    "bars_table", "csv_link", "csv_text", "detail", "folded", "history", "note_text",
    "reconstructions", "show", "table", "webp",
]  # fmt: skip
