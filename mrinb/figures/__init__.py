"""One function for each kind of figure; each returns a matplotlib figure and computes nothing new.

What is drawn are tables of ``lab.evaluate`` and ``lab.histories``, and arrays of exhibits.
"""

from mrinb.figures.base import (
    METRICS,
    PAGE_WIDTH,
    ROLES,
    SCALE,
    Html,
    csv_link,
    csv_text,
    note_text,
    show,
    stamp,
    webp,
)
from mrinb.figures.curves import history, spectrum
from mrinb.figures.pictures import detail, forward_model, gallery, reconstructions
from mrinb.figures.scores import bars, bars_table
from mrinb.figures.tables import table, table1

__all__ = [
    "METRICS", "PAGE_WIDTH", "ROLES", "SCALE", "Html", "bars", "bars_table", "csv_link",
    "csv_text", "detail", "forward_model", "gallery", "history", "note_text", "reconstructions",
    "show", "spectrum", "stamp", "table", "table1", "webp",
]  # fmt: skip
