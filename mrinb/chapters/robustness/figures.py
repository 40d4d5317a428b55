"""Figures of Section 4: lines through trained models, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mrinb.catalogue import homes
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
    math,
    role_colour,
    spaced,
)
from mrinb.labels import BASELINE, DIVERSE, SCORES, TRAININGS
from mrinb.models import label as model_label
from mrinb.models import mark as model_mark
from mrinb.profiles import NETWORKS
from mrinb.stats.lines import QUARTER, Line, lines
from mrinb.tables import note_of

OUTSIDE = "#6b7682"
"""Ink of a distance that is read beyond the points of P_best."""


@drawn
def effective_robustness(
    points: pd.DataFrame,
    metric: str = "ssim",
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Scores on Q against scores on P_best, a line for each training set (Figure 5).

    A mark is a checkpoint: its shape is the network, its fill the size of the training set, its
    size the number of epochs. A dashed line has the common slope, for want of spread (see
    ``robustness``).

    Args:
        points: result of ``robustness.points``.
        metric: ``ssim`` or ``ssim_foreground``.
        width: in inches.

    Raises:
        MrinbError: the metric is missing, or there are no points.
    """
    if f"y_{metric}" not in points.columns or points.empty:
        raise MrinbError(f"no points with metric {metric!r}: give the table of robustness.points")
    shifts = list(points["shift"].unique())
    with mpl.rc_context(STYLE):
        stacks = len(shifts) if is_narrow(width) else 1
        fig = Drawing((width, 4.9 if stacks == 1 else 1.2 + 3.2 * stacks), layout="constrained")
        spaced(fig)
        grid = fig.subplots(stacks, len(shifts) // stacks, squeeze=False).ravel()
        for ax, shift in zip(grid, shifts, strict=True):
            part = points[points["shift"] == shift]
            _marks(ax, part, metric)
            for line in lines(part, metric):
                _line(ax, line)
            ax.set_title(f"{shift} shift", loc="left", fontweight="bold")
            ax.set_xlabel(f"{SCORES[metric]} on $P_{{\\mathrm{{best}}}}$")
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.yaxis.set_major_locator(MaxNLocator(5))
            ax.grid(True, color=RULE, lw=0.5)
            ax.set_axisbelow(True)
        for ax in grid if stacks > 1 else grid[:1]:
            ax.set_ylabel(f"{SCORES[metric]} on Q")
        handles = _legend(points, stacks > 1)
        legend(fig, handles, len(handles) // 2, columnspacing=1.2, handletextpad=0.5)
        return described(fig, note_of(points), _single(points))


def _marks(ax: Axes, part: pd.DataFrame, metric: str) -> None:
    for row in part.to_dict("records"):
        colour = role_colour(row["training"], TRAININGS)
        hollow = row["size"] == QUARTER
        ax.plot(
            row[f"x_{metric}"], row[f"y_{metric}"], model_mark(row["model"]), color=colour, ls="",
            ms=3.2 + 3.3 * row["epoch"] / row["epochs"], mfc="white" if hollow else colour,
            mew=1.1 if hollow else 0.5, mec=colour if hollow else "white", zorder=3, alpha=0.9,
        )  # fmt: skip


def _line(ax: Axes, line: Line) -> None:
    x = np.array([line.low, line.high])
    ax.plot(x, line.intercept + line.slope * x, color=role_colour(line.training, TRAININGS),
            lw=1.8, ls="-" if line.own else (0, (4, 2)), zorder=4, path_effects=CASING)  # fmt: skip


def _legend(points: pd.DataFrame, stacked: bool) -> list[Line2D]:
    """Training sets in the upper row; networks, sizes and checkpoints in the lower one.

    Stacked, there are no rows: one after the other.
    """
    blank: dict[str, Any] = {"ls": "", "marker": ""}
    above = [Line2D([], [], label="trained on", **blank)]
    above += [
        Line2D([], [], color=role_colour(t, TRAININGS), lw=2, label=math(t))
        for t in TRAININGS
        if t in set(points["training"])
    ]
    look: dict[str, Any] = {"ls": "", "color": MUTED, "ms": 6}
    below = [
        Line2D([], [], marker=model_mark(m), label=model_label(m), **look)
        for m in points["model"].unique()
    ]
    if QUARTER in set(points["size"]):
        below.append(Line2D([], [], marker="o", mfc="white", label="a quarter of the set", **look))
    if (points["epoch"] < points["epochs"]).any():
        below.append(Line2D([], [], marker="o", label="early checkpoint", **{**look, "ms": 3.5}))
    if stacked:
        return [*above[1:], *below]
    columns = max(len(above), len(below))
    for row in (above, below):
        row += [Line2D([], [], label=" ", **blank) for _ in range(columns - len(row))]
    # Legends are filled column by column.
    return [handle for pair in zip(above, below, strict=True) for handle in pair]


def _single(points: pd.DataFrame) -> str:
    """Which networks have a single seed."""
    seeds = points.groupby("model", sort=False)["seed"].nunique()
    few = [model_label(str(m)) for m in seeds.index[seeds == 1]]
    return f"single seed: {', '.join(few)}" if few else ""


@drawn
def distances(
    table: pd.DataFrame,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Severity and effective robustness with their intervals, for each shift and network.

    Args:
        table: result of ``robustness.distances``.
        width: in inches.

    Raises:
        MrinbError: the table is empty.
    """
    if table.empty:
        raise MrinbError("no distances to draw: give the table of robustness.distances")
    shifts = list(table["shift"].unique())
    metrics = list(table["metric"].unique())
    quantities = list(table["quantity"].unique())
    others = [m for m in table["model"].unique() if m not in (*NETWORKS, "all")]
    order = [*NETWORKS, *others, "all"]
    models = sorted(table["model"].unique(), key=order.index)
    places = {(q, m): -(i * (len(models) + 0.8) + j) for i, q in enumerate(quantities)
              for j, m in enumerate(models)}  # fmt: skip
    with mpl.rc_context(STYLE):
        stacks = len(metrics) if is_narrow(width) else 1
        rows = len(shifts) * stacks
        height = 0.6 * stacks + rows * (0.5 + 0.15 * (len(places) + len(quantities)))
        fig = Drawing((width, height), layout="constrained")
        spaced(fig)
        share: Any = "row" if stacks == 1 else False
        grid = fig.subplots(rows, len(metrics) // stacks, squeeze=False, sharex=share, sharey=True)
        grid = grid.reshape(len(shifts), len(metrics))
        for row, shift in zip(grid, shifts, strict=True):
            for ax, metric in zip(row, metrics, strict=True):
                part = table[(table["shift"] == shift) & (table["metric"] == metric)]
                _forest(ax, part, places)
                ax.set_title(f"{shift} shift, {SCORES[metric]}", loc="left", fontweight="bold")
            middle = [np.mean([places[q, m] for m in models]) for q in quantities]
            row[0].set_yticks(middle, [math(q).replace("robustness of", "robustness\nof")
                                       for q in quantities])  # fmt: skip
            for ax in row:
                ax.tick_params(axis="y", length=0)
        for ax in grid[-1] if stacks == 1 else grid[-1, -1:]:
            ax.set_xlabel("above the line of $P_{\\mathrm{best}}$, in SSIM on Q")
        handles = [
            Line2D([], [], ls="", marker=model_mark(m) if m != "all" else "D", color=INK, ms=5,
                   label="all networks" if m == "all" else model_label(m))
            for m in models
        ]  # fmt: skip
        handles.append(Line2D([], [], color=INK, lw=1.2, label="90 % interval"))
        if (table["seeds"] < 2).any():
            handles.append(Line2D([], [], ls="", marker="o", mfc="white", mec=INK, ms=5,
                                  label="hollow: a single seed"))  # fmt: skip
        if not table["inside"].all():
            handles.append(Line2D([], [], color=OUTSIDE, lw=1.2, ls=(0, (3, 2)),
                                  label="pale, dashed: extrapolated"))  # fmt: skip
        legend(fig, handles, len(handles), columnspacing=1.1, handletextpad=0.4)
        return described(fig, note_of(table))


def _forest(ax: Axes, part: pd.DataFrame, places: Mapping[tuple[str, str], float]) -> None:
    ax.axvline(0, color=MUTED, lw=1)
    for row in part.to_dict("records"):
        y = places[row["quantity"], row["model"]]
        mark = "D" if row["model"] == "all" else model_mark(row["model"])
        few = row["seeds"] < 2
        ink = INK if row["inside"] else OUTSIDE
        # A single seed has no interval over seeds: what is left would look too sure.
        if not few or row["model"] == "all":
            ax.plot([row["low"], row["high"]], [y, y], color=ink, lw=1.2, zorder=2,
                    ls="-" if row["inside"] else (0, (3, 2)))  # fmt: skip
        ax.plot(row["estimate"], y, mark, color=ink, ms=5, mfc="white" if few else ink, zorder=3)
    ax.xaxis.grid(True, color=RULE, lw=0.5)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_ylim(min(places.values()) - 0.8, 0.8)


@drawn
def singles(
    table: pd.DataFrame,
    metric: str = "ssim",
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Networks of each distribution of P on Q: which is P_best, by test and by validation data.

    Args:
        table: result of ``robustness.singles``, or several of them joined.
        metric: ``ssim``, ``ssim_foreground``, or the score that P_best was chosen by.
        width: in inches.

    Raises:
        MrinbError: the metric is missing.
    """
    if metric not in table.columns:
        raise MrinbError(f"no scores with metric {metric!r}: give the table of robustness.singles")
    shifts = list(table["shift"].unique())
    counts = [table.loc[table["shift"] == s, "distribution"].nunique() for s in shifts]
    with mpl.rc_context(STYLE):
        line = 0.25 if not is_narrow(width) else 0.36  # there a name may take two
        height = 0.5 + sum(0.6 + line * c for c in counts) + 0.4 * is_narrow(width)
        fig = Drawing((width, height), layout="constrained")
        spaced(fig)
        grid = fig.subplots(len(shifts), 1, squeeze=False, gridspec_kw={"height_ratios": counts})
        for ax, shift in zip(grid[:, 0], shifts, strict=True):
            _ranked(ax, table[table["shift"] == shift], metric, "\n" if is_narrow(width) else "  ")
            ax.set_title(f"{shift} shift: {SCORES[metric]} on Q", loc="left", fontweight="bold")
        handles = [
            Line2D([], [], ls="", marker="o", color=INK, ms=6, label="mean on Q's test data"),
            Line2D([], [], ls="", marker="o", color=INK, ms=6, mfc="white",
                   label="on its validation data"),
            Line2D([], [], ls="", marker="|", color=MUTED, ms=8, label="one seed, test data"),
            Line2D([], [], ls=":", color=INK, lw=1.4, label="zero-filled images"),
        ]  # fmt: skip
        legend(fig, handles, 4)
        return described(fig, note_of(table))


def _ranked(ax: Axes, part: pd.DataFrame, metric: str, between: str) -> None:
    means = part.groupby("distribution")[[metric, f"val_{metric}"]].mean().sort_values(metric)
    chosen = part.groupby("distribution")[["by_test", "by_validation"]].first()
    ax.axvline(part[f"zero_filled_{metric}"].iloc[0], color=INK, ls=":", lw=1.4, zorder=1)
    names = []
    for y, (name, (test, val)) in enumerate(means.iterrows()):
        rules = [w for w, is_best in zip(("test", "validation"), chosen.loc[name], strict=True)
                 if is_best]  # fmt: skip
        role = BASELINE if rules else DIVERSE if name == DIVERSE else ""
        colour = role_colour(role, TRAININGS) if role else INK
        seeds = part.loc[part["distribution"] == name, metric]
        ax.plot(seeds, [y] * len(seeds), "|", color=MUTED, ms=9, zorder=2)
        ax.plot(val, y, "o", color=colour, mfc="white", ms=6.5, zorder=3)
        ax.plot(test, y, "o", color=colour, ms=6, zorder=4)
        label = "all of P" if name == DIVERSE else homes.label(str(name))
        why = f"{between}({math(BASELINE)} by {' and '.join(rules)})" if rules else ""
        names.append(f"{label}{why}")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.grid(True, color=RULE, lw=0.5)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_locator(MaxNLocator(6 if between != "\n" else 3))


@drawn
def capacity(
    scores: pd.DataFrame,
    metric: str = "ssim",
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """U-nets of several widths: scores on P_best and Q, and what P gains over P_best on Q.

    Args:
        scores: table of ``robustness.capacity``.
        metric: ``ssim`` or ``ssim_foreground``.
        width: in inches.

    Raises:
        MrinbError: the metric or the channels are missing.
    """
    for name in ("channels", "training", metric):
        if name not in scores.columns:
            raise MrinbError(f"score table lacks column {name!r}: give that of robustness.capacity")
    rows = scores[scores["training"].isin(TRAININGS)]
    keys = ["target", "training", "channels", "seed"]
    means = rows.groupby(keys, sort=False)[metric].mean()
    base = means.xs(BASELINE, level="training")
    with mpl.rc_context(STYLE):
        stacks = 3 if is_narrow(width) else 1
        fig = Drawing((width, 0.8 + 2.4 * stacks), layout="constrained")
        spaced(fig)
        panels = fig.subplots(stacks, 3 // stacks).ravel()
        for training in [t for t in TRAININGS if t in set(rows["training"])]:
            values = means.xs(training, level="training")
            for ax, target in zip(panels, (BASELINE, "Q"), strict=False):
                _widths(ax, values.loc[target], training)
            if training != BASELINE:
                _widths(panels[2], (values - base).loc["Q"], training)
        words = (f"on {math(BASELINE)}", "on Q", f"gain over {math(BASELINE)} on Q")
        for ax, word in zip(panels, words, strict=True):
            _channels(ax, sorted(rows["channels"].unique()))
            ax.set_title(f"{SCORES[metric]} {word}", loc="left", fontweight="bold")
        panels[2].axhline(0, color=MUTED, lw=1)
        handles = [
            Line2D([], [], color=role_colour(t, TRAININGS), lw=2, marker="o", ms=4,
                   label=f"trained on {math(t)}")
            for t in TRAININGS if t in set(rows["training"])
        ]  # fmt: skip
        handles.append(Line2D([], [], ls="", marker="_", color=MUTED, ms=8, label="one seed"))
        legend(fig, handles, 4)
        seeds = rows.groupby("channels")["seed"].nunique()
        few = ", ".join(str(c) for c in seeds.index[seeds == 1])
        extra = f"single seed: {few} channels" if few else ""
        return described(fig, note_of(scores), extra)


def _widths(ax: Axes, values: pd.Series, training: str) -> None:
    """Means over seeds as a line, seeds as dashes."""
    colour = role_colour(training, TRAININGS)
    means = values.groupby("channels").mean()
    ax.plot(means.index, means, "o-", color=colour, ms=4, lw=1.8, zorder=3)
    widths = values.index.get_level_values("channels")
    ax.plot(widths, values, "_", color=colour, ms=9, mew=1, zorder=2)


def _channels(ax: Axes, widths: Sequence[int]) -> None:
    ax.set_xscale("log", base=2)
    ax.set_xticks(widths, [str(w) for w in widths])
    ax.minorticks_off()
    ax.set_xlabel("channels of the first layer")
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.grid(True, color=RULE, lw=0.5)
    ax.set_axisbelow(True)
