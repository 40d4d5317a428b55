"""Appendix B's details: scores by learning rate, and how far seeds scatter by training slices."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from mrinb.errors import MrinbError
from mrinb.figures.base import (
    CASING,
    INK,
    MUTED,
    PAGE_WIDTH,
    RULE,
    STYLE,
    Drawing,
    described,
    drawn,
    is_narrow,
    legend,
    spaced,
)
from mrinb.labels import OTHERS, SCORES
from mrinb.tables import note_of

COLUMNS = 3
LEAST_SPAN = 0.02
"""Panels of learning rates span at least so much SSIM, so that trifles do not look like effects."""
MARKERS = ("o", "s", "^", "D", "v", "P")


@drawn
def learning_rates(
    grid: pd.DataFrame,
    chosen: float = 1e-3,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Validation SSIM by learning rate, a panel for each series (Appendix B.2).

    All panels span the same range of SSIM, each around its own curve. A dot is one run, the line
    joins means over seeds.

    Args:
        grid: tables of ``lab.learning_rates`` with a column ``series``.
        chosen: the rate that is marked: the recipe's.
        width: in inches.

    Raises:
        MrinbError: a column is missing or the table is empty.
    """
    _check(grid, ("series", "learning_rate", "seed", "ssim"), "learning-rate grid")
    parts = dict(list(grid.groupby("series", sort=False)))
    ranges = [(part["ssim"].min(), part["ssim"].max()) for part in parts.values()]
    span = max(LEAST_SPAN, *(1.25 * (high - low) for low, high in ranges))
    columns = 1 if is_narrow(width) else min(COLUMNS, len(parts))
    count = -(-len(parts) // columns)
    with mpl.rc_context(STYLE):
        tall = 2.25 if columns > 1 else 1.85
        fig = Drawing((width, tall * count + 0.25), layout="constrained")
        spaced(fig)
        axes = fig.subplots(count, columns, squeeze=False).ravel()
        for ax, (series, part), (low, high) in zip(axes, parts.items(), ranges, strict=False):
            means = part.groupby("learning_rate")["ssim"].mean()
            ax.axvline(chosen, color=MUTED, ls=(0, (4, 2)), lw=1.2, zorder=1)
            ax.plot(means.index, means, color=INK, lw=1.4, zorder=3)
            ax.scatter(part["learning_rate"], part["ssim"], s=22, c="white", edgecolors=INK,
                       linewidths=1.1, zorder=4)  # fmt: skip
            ax.set_title(series, loc="left", fontweight="bold")
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(FixedLocator(list(means.index)))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_xticks(list(means.index), [f"{rate * 1e3:g}" for rate in means.index])
            middle = (low + high) / 2
            ax.set_ylim(middle - span / 2, middle + span / 2)
            ax.yaxis.set_major_locator(MaxNLocator(4))
            ax.yaxis.grid(True, color=RULE, lw=0.5)
        for ax in axes[len(parts) :]:
            ax.set_visible(False)
        for number, ax in enumerate(axes[: len(parts)]):
            if number % columns == 0:
                ax.set_ylabel("validation SSIM")
            if columns > 1 or number == len(parts) - 1:
                ax.set_xlabel("largest learning rate, thousandths")
        return described(fig, note_of(grid), f"dashed: the recipe's {chosen:g}")


@drawn
def seed_scatter(
    table: pd.DataFrame,
    limit: float = 3000,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Scatter of seeds against the number of training slices (remark under Figures 4 and 13).

    Args:
        table: result of ``separate.seed_scatter``: one row a training set.
        limit: number of slices that is marked.
        width: in inches.

    Raises:
        MrinbError: a column is missing or the table is empty.
    """
    shown = ("ssim", "ssim_foreground")
    _check(table, ("series", "train_slices", *shown), "table of spreads")
    with mpl.rc_context(STYLE):
        panels = (2, 1) if is_narrow(width) else (1, 2)
        fig = Drawing((width, 0.5 + 2.5 * panels[0]), layout="constrained")
        spaced(fig)
        left, right = fig.subplots(*panels, sharex=True, sharey=True)
        for ax, metric in ((left, shown[0]), (right, shown[1])):
            _scatter(ax, table, metric)
            ax.axvline(limit, color=MUTED, ls=(0, (4, 2)), lw=1.2)
            ax.set_title(SCORES[metric], loc="left", fontweight="bold")
            ax.set_xlabel("training slices")
            ax.yaxis.grid(True, color=RULE, lw=0.5)
        left.set_xscale("log")
        left.xaxis.set_major_formatter("{x:,.0f}")
        left.set_ylim(bottom=0)
        for ax in (left,) if panels[0] == 1 else (left, right):
            ax.set_ylabel("standard deviation over seeds")
        left.annotate(f"{limit:,.0f}", (limit, 1), (-3, -3), ("data", "axes fraction"),
                      "offset points", ha="right", va="top", color=MUTED)  # fmt: skip
        if handles := left.get_legend_handles_labels()[0]:
            legend(fig, handles, 3)
        return described(fig, note_of(table), f"dashed: {limit:,.0f} slices")


def _scatter(ax: Axes, table: pd.DataFrame, metric: str) -> None:
    """A mark for each training set, by series; a word where there is nothing to mark."""
    for number, (series, part) in enumerate(table.groupby("series", sort=False)):
        rows = part.dropna(subset=[metric])
        if len(rows):
            ax.scatter(rows["train_slices"], rows[metric], s=30, label=str(series),
                       color=OTHERS[number % len(OTHERS)], marker=MARKERS[number % len(MARKERS)],
                       edgecolors="white", linewidths=0.6, zorder=3)  # fmt: skip
    if table[metric].isna().all():
        ax.text(0.5, 0.5, "one seed: no scatter to show", transform=ax.transAxes, ha="center",
                color=MUTED, path_effects=CASING)  # fmt: skip
        ax.set_xlim(10, 2 * 3000)
        ax.set_ylim(0, 0.01)


def _check(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    for name in columns:
        if name not in table.columns:
            raise MrinbError(f"{what} lacks column {name!r}")
    if table.empty:
        raise MrinbError(f"{what} is empty: run at least one training")
