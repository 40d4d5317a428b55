"""Figures that several chapters share; each function returns a figure and computes nothing new.

What is drawn are tables of ``lab.evaluate`` and ``lab.histories``, and arrays of exhibits.
"""

from mrinb.figures.base import (
    PAGE_WIDTH,
    PHONE_WIDTH,
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
from mrinb.labels import ROLES, SCORES

__all__ = [
    "PAGE_WIDTH",
    "PHONE_WIDTH",
    "ROLES",
    "SCALE",
    "SCORES",
    "Drawing",
    "Html",
    "bars",
    "bars_table",
    "csv_link",
    "csv_text",
    "detail",
    "folded",
    "history",
    "note_text",
    "reconstructions",
    "show",
    "table",
    "webp",
]  # fmt: skip
