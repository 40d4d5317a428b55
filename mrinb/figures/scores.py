"""Bars of scores, and the table beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mrinb.errors import MrinbError
from mrinb.figures.base import (
    CASING,
    INK,
    MUTED,
    PAGE_WIDTH,
    REFERENCES,
    RULE,
    STYLE,
    Drawing,
    described,
    drawn,
    is_narrow,
    legend,
    role_colour,
    spaced,
    wrap,
)
from mrinb.labels import SCORES
from mrinb.shifts import Section, section3
from mrinb.tables import note_of


def bars_table(scores: pd.DataFrame, split: str = "test") -> pd.DataFrame:
    """Mean scores over slices, of every run and test pool: the data of ``bars``.

    Args:
        scores: table of ``lab.evaluate``; each run's last epoch counts.
        split: ``test`` or ``val``.

    Returns:
        One row a shift, target, model, pool and seed; ``train_slices``, ``test_slices`` and the
        mean of every score that the table has.

    Raises:
        MrinbError: a column or the split is missing.
    """
    keys = ["shift", "target", "model", "pool", "seed"]
    missing = [c for c in (*keys, "split", "epoch", "train_slices") if c not in scores.columns]
    if missing:
        raise MrinbError(f"score table lacks column {missing[0]!r}: give the table of lab.evaluate")
    rows = scores[scores["split"] == split].fillna({"seed": -1, "epoch": -1})
    if rows.empty:
        raise MrinbError(f"score table has no rows of split {split!r}: evaluate the runs on it")
    rows = rows[rows["epoch"] == rows.groupby(keys, dropna=False)["epoch"].transform("max")]
    kept = [c for c in (*SCORES, "acceleration", "effective_acceleration") if c in rows.columns]
    groups = rows.groupby(keys, sort=False)
    table = groups["train_slices"].mean().round().astype(int).to_frame()
    table["test_slices"] = groups.size()
    return table.join(groups[kept].mean()).reset_index()


def references(table: pd.DataFrame, metric: str) -> dict[str, float]:
    """Mean score of each method without training that a table has, in the order they are drawn."""
    means = table.groupby("pool")[metric].mean()
    return {name: float(means[name]) for name in REFERENCES if name in means.index}


@drawn
def bars(
    scores: pd.DataFrame,
    metric: str = "ssim",
    split: str = "test",
    pools: Sequence[str] | None = None,
    words: Mapping[str, str] | None = None,
    section: Section = section3,
    title: str = "",
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Scores of models by training pool: a row of panels for each shift (Figures 3 and 4).

    Bars are means over slices and seeds, error bars two standard deviations over seeds, dots the
    seeds; below each bar stands the number of training slices. Lines are what needs no training
    (``REFERENCES``). The axis does not start at zero and says so; the panels of one row span the
    same range.

    Args:
        scores: table of ``lab.evaluate`` with one model.
        metric: a key of ``SCORES``.
        split: ``test`` or ``val``.
        pools: labels in the order drawn; None draws all, as they stand in the table.
        words: what each target is, such as ``{"Q": "unseen"}``; None takes a shift's own words.
        section: where the words for P and Q of a shift are.
        title: stands in bold above everything, such as the network's name.
        width: in inches.

    Raises:
        MrinbError: columns, split, metric or pools are missing, or there are several models.
    """
    if metric not in SCORES or metric not in scores.columns:
        known = ", ".join(m for m in SCORES if m in scores.columns)
        raise MrinbError(f"bars cannot show metric {metric!r}: the table has {known}")
    table = bars_table(scores, split)
    trained = table[~table["pool"].isin(REFERENCES)]
    if trained["model"].nunique() != 1:
        found = ", ".join(map(str, trained["model"].unique())) or "none"
        raise MrinbError(f"bars show one model at a time, this table has {found}: select one")
    order = list(pools) if pools is not None else list(trained["pool"].unique())
    absent = [p for p in order if p not in set(trained["pool"])]
    if absent:
        raise MrinbError(f"score table has no rows of pool {absent[0]!r}")
    shifts = list(trained["shift"].unique())
    targets = sorted(trained["target"].unique())
    with mpl.rc_context(STYLE):
        rows, columns = len(shifts), len(targets)
        if is_narrow(width):
            rows, columns = rows * columns, 1
        height = 2.55 * rows + (1.0 if title else 0.75) - 0.3
        fig = Drawing((width, height), layout="constrained")
        spaced(fig)
        grid = fig.subplots(rows, columns, squeeze=False).reshape(len(shifts), len(targets))
        for row, shift in zip(grid, shifts, strict=True):
            parts = [table[(table["shift"] == shift) & (table["target"] == t)] for t in targets]
            limits = _limits(parts, metric, order)
            for ax, part, target, limit in zip(row, parts, targets, limits, strict=True):
                _panel(ax, part, metric, order, limit)
                _head(ax, part, metric, target, _target_words(shift, target, section, words), limit)
        for ax in grid[-1] if columns > 1 else grid[-1, -1:]:
            ax.set_xlabel("training pool, number of training slices")
        _legend(fig, trained, [r for r in REFERENCES if r in set(table["pool"])], title)
        return described(fig, note_of(scores), _acceleration(table))


def _limits(
    parts: Sequence[pd.DataFrame], metric: str, order: Sequence[str]
) -> list[tuple[float, float]]:
    """Axis limits of one row's panels: one span for all, each with room above its own bars."""
    ranges = []
    for part in parts:
        trained = part[part["pool"].isin(order)]
        means = trained.groupby("pool")[metric].mean()
        twice = 2 * trained.groupby("pool")[metric].std().fillna(0)
        low, high = float((means - twice).min()), float((means + twice).max())
        # A reference far off would flatten what is compared: then only its number is written.
        room = max(high - low, 0.02)
        near = [v for v in references(part, metric).values() if low - room < v < high + room]
        ranges.append((min([low, *near]), max([high, *near])))
    # Never less than 3 % of the score, so that trifles do not look like effects.
    span = max(1.35 * max(h - low for low, h in ranges), 0.03 * max(abs(h) for _, h in ranges))
    tick = 10.0 ** (np.floor(np.log10(span)) - 1) if span > 0 else 1.0
    out = []
    for _, high in ranges:
        bottom = float(np.floor((high - span) / tick) * tick)
        out.append((0.0 if bottom < 0.1 * high else bottom, high + 0.16 * span))
    return out


def _panel(
    ax: Axes, part: pd.DataFrame, metric: str, order: Sequence[str], limit: tuple[float, float]
) -> None:
    """The bars of one panel."""
    top = limit[1] - limit[0]
    names = []
    for x, pool in enumerate(order):
        rows = part[part["pool"] == pool]
        if rows.empty:
            names.append(f"{wrap(pool)}\nnot scored")
            continue
        values = rows[metric].to_numpy(float)
        mean, colour = float(values.mean()), role_colour(pool, order)
        ax.bar(x, mean, 0.68, color=colour, label=pool, zorder=2)
        twice = 2 * float(values.std(ddof=1)) if len(values) > 1 else 0.0
        if len(values) > 1:
            _, caps, lines = ax.errorbar(x, mean, twice, color=INK, capsize=3, lw=1.1, zorder=4)
            for mark in (*caps, *lines):
                mark.set_path_effects(CASING)
            spread = np.linspace(-0.17, 0.17, len(values))
            ax.scatter(x + spread, values, s=13, c="white", edgecolors=INK, linewidths=0.7,
                       zorder=5)  # fmt: skip
        highest = max(mean + twice, float(values.max()))
        ax.text(x, highest + 0.03 * top, f"{mean:.3f}", ha="center", va="bottom", zorder=6,
                path_effects=CASING)  # fmt: skip
        names.append(f"{wrap(pool)}\n{rows['train_slices'].iloc[0]:,}")
    for name, value in references(part, metric).items():
        if limit[0] < value < limit[1]:
            ax.axhline(value, zorder=3, path_effects=CASING, **REFERENCES[name])
    ax.set_xticks(range(len(order)), names)
    ax.tick_params(axis="x", length=0)
    ax.set_xlim(-0.6, len(order) - 0.4)
    ax.set_ylim(*limit)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.grid(True, color=RULE, lw=0.5, zorder=0)
    ax.set_axisbelow(True)
    if limit[0] > 0:
        _break(ax)


def _break(ax: Axes) -> None:
    """Two slashes across the foot of the axis: it does not start at zero."""
    for y in (0.025, 0.055):
        ax.plot((-0.014, 0.014), (y - 0.014, y + 0.014), transform=ax.transAxes, color=INK,
                lw=1, clip_on=False, zorder=7)  # fmt: skip


def _target_words(
    shift: str, target: str, section: Section, words: Mapping[str, str] | None
) -> str:
    """What a target is, in words: the caller's, or those of a known shift's P and Q."""
    if words is not None:
        return words.get(target, "")
    if shift in Section._fields and target in ("P", "Q"):
        known = getattr(section, shift)
        return known.p_label if target == "P" else known.q_label
    return ""


def _head(
    ax: Axes, part: pd.DataFrame, metric: str, target: str, words: str, limit: tuple[float, float]
) -> None:
    """Title, reference and axis label of one panel."""
    known = references(part, metric)
    title = textwrap.fill(f"{target}: {words}" if words else target, 40)  # as wide as a phone
    ax.set_title(title, loc="left", fontweight="bold", pad=6 + 12 * len(known))
    for line, (name, value) in enumerate(known.items()):
        off = "" if limit[0] < value < limit[1] else ", off the axis"
        ax.annotate(
            f"{name} {value:.3f}{off}", (0, 1), (0, 5 + 12 * line), "axes fraction",
            "offset points", color=MUTED, va="bottom",
        )  # fmt: skip
    start = f"\n(axis from {limit[0]:.3g})" if limit[0] > 0 else ""
    ax.set_ylabel(f"{SCORES[metric]} on {target}{start}")


def _legend(fig: Figure, trained: pd.DataFrame, known: Sequence[str], title: str) -> None:
    """The title, and what the marks mean in one row; above all panels."""
    several = trained["seed"].nunique() > 1
    marks = []
    if several:
        marks.append(Line2D([], [], color=INK, lw=1.1, marker="|", label="\N{PLUS-MINUS SIGN}2 "
                            "standard deviations over seeds"))  # fmt: skip
        marks.append(Line2D([], [], ls="", marker="o", mfc="white", mec=INK, ms=4,
                            label="one seed"))  # fmt: skip
    else:
        marks.append(Line2D([], [], ls="", marker="s", color=MUTED, label="a single seed: no error "
                            "bars"))  # fmt: skip
    marks += [Line2D([], [], label=name, **REFERENCES[name]) for name in known]
    legend(fig, marks, len(marks), handlelength=1.6, columnspacing=1.4, title=title or None,
           title_fontproperties={"weight": "bold", "size": 11})  # fmt: skip


def _acceleration(table: pd.DataFrame) -> str:
    """Nominal and effective acceleration, where the table has them."""
    if not {"acceleration", "effective_acceleration"} <= set(table.columns):
        return ""
    effective = table["effective_acceleration"].mean()
    nominal = "/".join(f"{a:g}" for a in sorted(table["acceleration"].unique()))
    return f"{nominal}-fold (effective {effective:.2f})"
