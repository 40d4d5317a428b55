"""Scores over regularisation weights (Appendix A)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

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
    role_colour,
    spaced,
)
from mrinb.labels import SCORES
from mrinb.stats import bootstrap
from mrinb.tables import note_of


class _Curve(NamedTuple):
    """Means over weights with 90 % intervals over subjects, each (weights,)."""

    weights: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def weights_table(
    test: pd.DataFrame, chosen: Mapping[str, float], metric: str = "ssim"
) -> pd.DataFrame:
    """Mean scores at every weight, and how far they are from those at the chosen weight.

    Args:
        test: table of ``lab.regularised`` on test data.
        chosen: the weight of each target that validation data chose.
        metric: a column of scores.

    Returns:
        One row a target and weight: ``mean, low, high`` and ``difference, difference_low,
        difference_high``; intervals cover 90 % and resample subjects.
    """
    tables = []
    for target in sorted(test["target"].unique()):
        own = _curve(_wide(test, target, metric))
        gap = _curve(_gaps(test, target, chosen[target], metric))
        columns = {"weight": own.weights, "mean": own.mean, "low": own.low, "high": own.high}
        columns |= {"difference": gap.mean, "difference_low": gap.low, "difference_high": gap.high}
        tables.append(pd.DataFrame({"target": target, **columns}))
    return pd.concat(tables, ignore_index=True)


@drawn
def weights(
    test: pd.DataFrame,
    validation: pd.DataFrame,
    chosen: Mapping[str, float],
    metric: str = "ssim",
    words: Mapping[str, str] | None = None,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Scores of l1-regularised least squares over its weight: a column of panels a target.

    Above, the mean over test slices with its 90 % interval over subjects, and the mean over
    validation slices that chose the ringed weight. Subjects differ more than weights do, and so
    the panels below show what the rule compares: the difference, slice by slice, from the chosen
    weight. Diamonds mark the weights that the other targets chose.

    Args:
        test: table of ``lab.regularised`` on test data.
        validation: the same on validation data.
        chosen: the weight of each target that validation data chose.
        metric: a key of ``SCORES``.
        words: what each target is.
        width: in inches.

    Raises:
        MrinbError: the table lacks the column ``weight``, or a chosen weight.
    """
    for name in ("weight", metric):
        if name not in test.columns or name not in validation.columns:
            raise MrinbError(f"score table lacks column {name!r}: give those of lab.regularised")
    targets = sorted(test["target"].unique())
    with mpl.rc_context(STYLE):
        # A target's two panels stand one above the other, targets beside or below each other.
        stacks = len(targets) if is_narrow(width) else 1
        fig = Drawing((width, 0.5 + 4.5 * stacks), layout="constrained")
        spaced(fig)
        grid = fig.subplots(2 * stacks, len(targets) // stacks, squeeze=False, sharex=True,
                            height_ratios=(3, 2) * stacks)  # fmt: skip
        grid = grid.reshape(stacks, 2, -1).transpose(1, 0, 2).reshape(2, len(targets))
        for column, target in zip(grid.T, targets, strict=True):
            colour = role_colour(target, targets)
            _scores(column[0], test, validation, target, chosen, metric, colour)
            _differences(column[1], test, target, chosen, metric, colour)
            title = f"{target}: {words[target]}" if words and target in words else target
            column[0].set_title(title, loc="left", fontweight="bold")
        _same_span(grid[0])
        _same_limits(grid[1])
        for above, below in grid.T if stacks > 1 else grid.T[:1]:
            above.set_ylabel(f"{SCORES[metric]}\n(axes not from zero, of one span)")
            below.set_ylabel(f"{SCORES[metric]} minus that\nat the chosen weight")
        _legend(fig, len(targets) > 1)
        return described(fig, note_of(test))


def _scores(
    ax: Axes,
    test: pd.DataFrame,
    validation: pd.DataFrame,
    target: str,
    chosen: Mapping[str, float],
    metric: str,
    colour: str,
) -> None:
    """Mean scores of one target."""
    curve = _curve(_wide(test, target, metric))
    ax.fill_between(curve.weights, curve.low, curve.high, color=colour, alpha=0.16, lw=0)
    ax.plot(curve.weights, curve.mean, color=colour, lw=1.8, marker="o", ms=4)
    held = _wide(validation, target, metric).mean()
    ax.plot(held.index, held, color=colour, lw=1.1, ls=(0, (4, 2)))
    zero = test.loc[(test["target"] == target) & test["weight"].isna(), metric].mean()
    ax.axhline(zero, color=MUTED, ls=(0, (1, 1.5)), lw=1.4)
    _mark(ax, curve, target, chosen, colour)
    _axis(ax)


def _differences(
    ax: Axes, test: pd.DataFrame, target: str, chosen: Mapping[str, float], metric: str, colour: str
) -> None:
    """Differences from the chosen weight's scores, paired by slice, of one target."""
    curve = _curve(_gaps(test, target, chosen[target], metric))
    ax.axhline(0, color=MUTED, lw=0.8)
    spread = (curve.mean - curve.low, curve.high - curve.mean)
    ax.errorbar(curve.weights, curve.mean, spread, color=colour, lw=1.2, marker="o", ms=4,
                elinewidth=1.2, capsize=3)  # fmt: skip
    _mark(ax, curve, target, chosen, colour)
    _axis(ax)
    ax.set_xlabel("regularisation weight λ")


def _mark(ax: Axes, curve: _Curve, target: str, chosen: Mapping[str, float], colour: str) -> None:
    """Ring the target's own weight; diamonds on those of others."""
    for owner, weight in chosen.items():
        at = np.flatnonzero(curve.weights == weight)
        if not len(at):
            raise MrinbError(f"score table has no rows of weight {weight:g}, the one of {owner}")
        look: dict[str, Any] = {"ms": 11, "marker": "o", "mfc": "none"}
        if owner != target:
            look = {"ms": 6.5, "marker": "D", "mfc": "white"}
        ax.plot(weight, curve.mean[at[0]], mec=INK if owner == target else colour, mew=1.4,
                zorder=5, path_effects=CASING, **look)  # fmt: skip


def _axis(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.grid(True, color=RULE, lw=0.5)
    ax.set_axisbelow(True)


def _same_span(axes: np.ndarray) -> None:
    """Axes of one height in score, so that slopes can be compared, each about its own scores."""
    limits = [ax.get_ylim() for ax in axes]
    span = max(high - low for low, high in limits)
    for ax, (low, high) in zip(axes, limits, strict=True):
        middle = (low + high) / 2
        ax.set_ylim(middle - span / 2, middle + span / 2)


def _same_limits(axes: np.ndarray) -> None:
    limits = [ax.get_ylim() for ax in axes]
    low, high = min(low for low, _ in limits), max(high for _, high in limits)
    for ax in axes:
        ax.set_ylim(low, max(high, 0.12 * (high - low)))  # room for the marks at zero


def _legend(fig: Figure, several: bool) -> None:
    """What the marks mean, above all panels."""
    marks = [
        Line2D([], [], color=INK, lw=1.8, marker="o", ms=4, label="test, 90 % over subjects"),
        Line2D([], [], color=INK, lw=1.1, ls=(0, (4, 2)), label="validation"),
        Line2D([], [], color=MUTED, lw=1.4, ls=(0, (1, 1.5)), label="zero-filled"),
        Line2D([], [], ls="", marker="o", ms=10, mfc="none", mec=INK, mew=1.4, label="chosen"),
    ]
    if several:
        marks.append(Line2D([], [], ls="", marker="D", ms=6, mfc="white", mec=INK, mew=1.4,
                            label="the other's choice"))  # fmt: skip
    legend(fig, marks, len(marks), handlelength=1.8, columnspacing=1.2)


def _wide(scores: pd.DataFrame, target: str, metric: str) -> pd.DataFrame:
    """Scores of one target: a row a slice, a column a weight."""
    rows = scores[(scores["target"] == target) & scores["weight"].notna()]
    return rows.pivot(
        index=["subject", "distribution", "volume", "slice"], columns="weight", values=metric
    )


def _gaps(scores: pd.DataFrame, target: str, weight: float, metric: str) -> pd.DataFrame:
    """Scores of one target minus those at one weight."""
    wide = _wide(scores, target, metric)
    if weight not in wide.columns:
        raise MrinbError(f"score table has no rows of weight {weight:g}, the one of {target}")
    return wide.sub(wide[weight], axis=0)


def _curve(wide: pd.DataFrame) -> _Curve:
    found = [
        bootstrap.interval(bootstrap.Mean(wide[[weight]]), "weights") for weight in wide.columns
    ]
    values = ([getattr(i, name) for i in found] for name in ("estimate", "low", "high"))
    return _Curve(wide.columns.to_numpy(float), *(np.array(v) for v in values))
