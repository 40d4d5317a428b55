"""One function for each kind of figure; each returns a matplotlib figure and computes nothing new.

What is drawn are tables of ``lab.evaluate`` and ``lab.histories``, and arrays of exhibits.
"""

from mrinb.figures.accelerations import folds, folds_table, kept_lines, table2
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
from mrinb.figures.learning import learning_rates, spread
from mrinb.figures.neighbours import (
    correlations,
    matches,
    patches,
    similarity,
    similarity_curves,
    similarity_note,
    similarity_table,
)
from mrinb.figures.pictures import detail, forward_model, gallery, reconstructions
from mrinb.figures.robustness import capacity, distances, effective_robustness, singles
from mrinb.figures.scores import bars, bars_table
from mrinb.figures.tables import table, table1
from mrinb.figures.weights import weights, weights_table

__all__ = [
    "METRICS", "PAGE_WIDTH", "ROLES", "SCALE", "Html", "bars", "bars_table", "capacity",
    "correlations", "csv_link", "csv_text", "detail", "distances", "effective_robustness",
    "folds", "folds_table", "forward_model", "gallery", "history", "kept_lines", "learning_rates",
    "matches", "note_text", "patches", "reconstructions", "show", "similarity",
    "similarity_curves", "similarity_note", "similarity_table", "singles", "spectrum", "spread",
    "stamp", "table", "table1", "table2", "webp", "weights", "weights_table",
]  # fmt: skip
