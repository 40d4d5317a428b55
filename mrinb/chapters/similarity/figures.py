"""Similarity of data sets: Figure 6, its curves, and the patches behind it (Appendix D)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mrinb.catalogue import EVERY
from mrinb.errors import MrinbError
from mrinb.figures.base import (
    CASING,
    LIGHTBOX,
    LINE,
    MUTED,
    PAGE_WIDTH,
    RULE,
    STYLE,
    Drawing,
    Html,
    described,
    drawn,
    inches,
    is_narrow,
    legend,
    math,
    note_text,
    picture,
    role_colour,
    spaced,
    words_at,
)
from mrinb.figures.tables import table
from mrinb.labels import ROLES, SCORES
from mrinb.stats import correlation
from mrinb.tables import note_of

_MARKERS = "o^sDvphX<>"
_SINGLE = ROLES["narrow"]
_RULE_WORDS = {
    correlation.ALL: "all patches of each pool",
    correlation.SAME: "the same number of each pool",
}


@drawn
def similarity(
    similarities: pd.DataFrame,
    scores: pd.DataFrame,
    metric: str = "ssim",
    compared: Sequence[str] = ("P", "Q"),
    best: str = "",
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Similarity of training pools to the test data, and what it has to do with scores (Figure 6).

    The upper row is over all patches of each pool, as in the paper, the lower at the same number.
    Left: histograms of the nearest-neighbour similarity of all test patches. Right: each pool's
    mean similarity against its networks' mean score, error bars two standard deviations over seeds;
    hollow marks are pools that contain test distributions. Above it, Spearman's rank correlation
    with its one-sided permutation p-value.

    Args:
        similarities: table of ``lab.similarity``.
        scores: table of ``lab.evaluate`` of one model trained on the same pools.
        metric: a key of ``SCORES``.
        compared: pools whose histograms are drawn.
        best: label of the pool that is P_best, named so in the legend.
        width: in inches.

    Raises:
        MrinbError: a pool or column is missing.
    """
    for pool in compared:
        if pool not in set(similarities["pool"]):
            raise MrinbError(f"similarity table has no pool {pool!r}: name others in compared")
    with mpl.rc_context(STYLE):
        fig = Drawing((width, 12.6 if is_narrow(width) else 6.6), layout="constrained")
        spaced(fig)
        if is_narrow(width):
            grid = fig.subplots(4, 1).reshape(2, 2)
            for above, below in grid.T:
                below.sharex(above)
        else:
            grid = fig.subplots(2, 2, width_ratios=(1, 1.15), sharex="col")
        order = list(similarities["pool"].unique())
        for (left, right), rule in zip(grid, correlation.RULES, strict=True):
            _histograms(left, similarities[similarities["rule"] == rule], compared, order)
            left.set_title(_RULE_WORDS[rule], loc="left", fontweight="bold")
            points = correlation.points(similarities, scores, metric, rule)
            _scatter(right, points, order)
            right.set_title(_correlations(points), loc="left", fontsize=9)
            right.set_ylabel(f"{SCORES[metric]} on the test data")
            for ax in (left, right):
                ax.tick_params(labelbottom=True)
        grid[1, 0].set_xlabel("similarity of a test patch to its nearest neighbour")
        grid[1, 1].set_xlabel("mean similarity of the test patches")
        handles = _handles(points, order, best)
        legend(fig, handles, 4, columnspacing=1.2, handletextpad=0.4)
        return described(fig, similarity_note(similarities, scores))


def similarity_note(similarities: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    """The note of a figure of both tables: seeds of the scores, embedder of the similarities."""
    near, trained = note_of(similarities), note_of(scores)
    if near is None or trained is None:
        raise MrinbError("a table has no note: give the tables of the lab as they are")
    return {**near, **trained, "key": f"{near['key']}, {trained['key']}"}


def similarity_table(similarities: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The pools of ``similarity`` by rule, with both scores: its data as CSV."""
    tables = []
    for rule in correlation.RULES:
        first, second = (
            correlation.points(similarities, scores, metric, rule).assign(rule=rule)
            for metric in correlation.METRICS
        )
        second = second.rename(
            columns={"score": "ssim_foreground", "deviation": "foreground_deviation"}
        )
        extra = second[["pool", "ssim_foreground", "foreground_deviation"]]
        tables.append(first.rename(columns={"score": "ssim"}).merge(extra, on="pool"))
    return pd.concat(tables, ignore_index=True)


def correlations(similarities: pd.DataFrame, scores: pd.DataFrame) -> Html:
    """Every rank correlation of similarity and score, as a table for the page.

    Args:
        similarities: table of ``lab.similarity``.
        scores: table of ``lab.evaluate`` of one model trained on the same pools.
    """
    found = correlation.summary(similarities, scores)
    rows = pd.DataFrame(
        {
            "similarity over": found["similarity"],
            "score": found["score"].map(SCORES),
            "pools": found["number"].astype(str) + ", " + found["pools"],
            "rank correlation": found["rho"].map(_signed),
            "90 % of shuffles": found["low"].map(_signed) + " to " + found["high"].map(_signed),
            "p": found["p"].map("{:.2g}".format),
        }
    )
    note = similarity_note(similarities, scores)
    return table(rows, f"Rank correlation of similarity and score ({note_text(note)})")


def _histograms(
    ax: Axes, rows: pd.DataFrame, compared: Sequence[str], order: Sequence[str]
) -> None:
    import seaborn as sns  # takes a second: only where it draws

    values = {p: rows.loc[rows["pool"] == p, "similarity"].to_numpy(float) for p in compared}
    together = np.concatenate(list(values.values()))
    edges = np.linspace(together.min(), max(together.max(), together.min() + 1e-3), 31).tolist()
    for pool, found in values.items():
        colour, count = role_colour(pool, order), rows.loc[rows["pool"] == pool, "compared"].iloc[0]
        words = f"to {math(pool)} ({count:,} patches)"
        sns.histplot(x=found, bins=edges, color=colour, alpha=0.35, element="step", lw=1.3, ax=ax,
                     label=words)  # fmt: skip
        ax.axvline(found.mean(), 0, 0.7, color=colour, ls=(0, (4, 2)), lw=1.5, path_effects=CASING)
    ax.set_ylabel("test patches")
    ax.set_ylim(0, 1.4 * ax.get_ylim()[1])
    ax.legend(loc="upper left", frameon=False, borderaxespad=0.1)
    ax.yaxis.grid(True, color=RULE, lw=0.5)
    ax.set_axisbelow(True)


def _scatter(ax: Axes, points: pd.DataFrame, order: Sequence[str]) -> None:
    for _, row in points.iterrows():
        twice = 2 * row["deviation"] if np.isfinite(row["deviation"]) else None
        look = _look(row, order)
        colour = look["mec"]
        ax.errorbar(row["similarity"], row["score"], twice, color=colour, capsize=2.5, lw=1,
                    zorder=3, ls="", **look)  # fmt: skip
    ax.margins(0.1)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.grid(True, color=RULE, lw=0.5)
    ax.set_axisbelow(True)


def _look(row: pd.Series, order: Sequence[str]) -> dict[str, Any]:
    """How a pool's mark looks: pools with a role large and round, the others told by shape."""
    pool = row["pool"]
    single = [p for p in order if p not in ROLES]
    colour = ROLES.get(pool, _SINGLE)
    return {
        "marker": "o" if pool in ROLES else _MARKERS[single.index(pool) % len(_MARKERS)],
        "ms": 9 if pool in ROLES else 6.5,
        "mec": colour, "mew": 1.6,
        "mfc": "white" if row["contains"] else colour,
    }  # fmt: skip


_POOLS = {
    correlation.SINGLE: "{} single distributions",
    correlation.OUTSIDE: "{} pools without Q",
    correlation.EVERY: "all {} pools",
}


def _correlations(points: pd.DataFrame) -> str:
    lines = []
    for which, words in _POOLS.items():
        number = len(correlation.chosen(points, which))
        words = words.format(number)
        if number < 3:
            lines.append(f"{words}: too few for a correlation")
            continue
        found = correlation.correlate(points, which)
        rho = _signed(found.rho)
        lines.append(f"{words}: \N{GREEK SMALL LETTER RHO} = {rho}, p = {found.p:.2g}")
    return "\n".join(lines)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def _handles(points: pd.DataFrame, order: Sequence[str], best: str) -> list[Line2D]:
    handles = []
    for _, row in points.iterrows():
        pool = row["pool"]
        words = EVERY[pool].label if pool in EVERY else math(pool)
        name = f"{words} ({math('P_best')})" if pool == best else words
        handles.append(Line2D([], [], ls="", label=name, **_look(row, order)))
    return handles


@drawn
def similarity_curves(similarities: pd.DataFrame, *, width: float = PAGE_WIDTH) -> Drawing:
    """Mean similarity of every pool over the number of its patches that are compared.

    Args:
        similarities: table of ``lab.similarity``.
        width: in inches.
    """
    means = similarities.groupby(["pool", "compared"], sort=False)["similarity"].mean()
    order = list(similarities["pool"].unique())
    same = similarities.loc[similarities["rule"] == correlation.SAME, "compared"].iloc[0]
    singles = [p for p in order if p not in ROLES]
    with mpl.rc_context(STYLE):
        narrow = is_narrow(width)
        fig = Drawing((width, 4.6 if narrow else 3.7), layout="constrained")
        spaced(fig)
        ax = fig.subplots()
        for pool in order:
            curve = means[pool].sort_index()
            role = pool in ROLES
            marker = "o" if role else _MARKERS[singles.index(pool) % len(_MARKERS)]
            name = EVERY[pool].label if pool in EVERY else math(pool)
            ax.plot(curve.index, curve, color=ROLES.get(pool, _SINGLE), marker=marker,
                    ms=5.5 if role else 4.5, lw=2 if role else 1, label=name)  # fmt: skip
        ax.axvline(same, color=MUTED, ls=(0, (1, 1.5)), lw=1.4)
        ax.annotate(correlation.SAME, (same, 1), (4, -2), ("data", "axes fraction"),
                    "offset points", color=MUTED, va="top")  # fmt: skip
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.set(xlabel="training patches compared", ylabel="mean similarity of the test patches")
        ax.grid(True, color=RULE, lw=0.5)
        handles = ax.get_legend_handles_labels()[0]
        if narrow:
            legend(fig, handles, 2)
        else:
            legend(fig, handles, 1, loc="outside right upper")
        return described(fig, note_of(similarities))


@drawn
def matches(
    shown: Mapping[str, Mapping[str, np.ndarray]],
    note: Mapping[str, Any] | None = None,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Test patches in the first row, below each its nearest neighbour in every pool.

    Args:
        shown: by pool, ``test`` and ``nearest`` (patches, height, width), their ``similarity``, and
            the names of the distributions they are ``of`` and ``from`` (patches,), as
            ``lab.matches`` gives them.
        note: of the caption.
        width: in inches.

    Raises:
        MrinbError: there is nothing to draw.
    """
    if not shown:
        raise MrinbError("there are no matches to draw: name at least one pool")
    first = next(iter(shown.values()))
    sets: list[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]]
    sets = [("test patch", first["test"], first["of"], None)]
    sets += [(f"nearest\nin {math(p)}", a["nearest"], a["from"], a["similarity"])
             for p, a in shown.items()]  # fmt: skip
    count, narrow = len(first["test"]), is_narrow(width)
    # Sets are rows; in a narrow figure they are columns.
    margin, head, gap, across = (0.1, 0.45, 0.1, len(sets)) if narrow else (0.95, 0.1, 0.1, count)
    cell = (width - margin - 0.1 - gap * (across - 1)) / across
    tall, down = cell + 2 * LINE + 0.16, count if narrow else len(sets)
    with mpl.rc_context(LIGHTBOX):
        fig = Drawing((width, head + down * tall))
        for one, (title, images, names, near) in enumerate(sets):
            if narrow:
                x, y, side = margin + one * (cell + gap) + cell / 2, 0.06, "center"
            else:
                x, y, side = 0.1, head + one * tall + cell / 2 - 0.1, "left"
            words_at(fig, x, y, title, ha=side, fontweight="bold")
            for other in range(count):
                column, row = (one, other) if narrow else (other, one)
                x, y = margin + column * (cell + gap), head + row * tall
                # One scale for all: a patch's brightness relative to its volume is compared, too.
                picture(inches(fig, x, y, cell, cell), images[other], 255.0,
                        interpolation="nearest")  # fmt: skip
                below = names[other].partition("/")[2] or names[other]
                if near is not None:
                    below += f"\n{near[other]:.2f}"
                words_at(fig, x + cell / 2, y + cell + 0.02, below)
        return described(fig, note)


@drawn
def patches(
    shown: Mapping[str, Mapping[str, np.ndarray]],
    note: Mapping[str, Any] | None = None,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Which patches are kept: green ones show enough of the body, dashed ones mostly air.

    Args:
        shown: arrays of the exhibit ``patches`` by distribution.
        note: of the caption.
        width: in inches.

    Raises:
        MrinbError: there is nothing to draw.
    """
    if not shown:
        raise MrinbError("there are no patches to draw: name at least one distribution")
    gap, head, foot = 0.12, 0.26, 0.35
    across = 1 if is_narrow(width) else len(shown)
    down = len(shown) // across
    cell = min((width - 0.2 - gap * (across - 1)) / across, 2.6)
    first = (width - across * cell - gap * (across - 1)) / 2
    with mpl.rc_context(LIGHTBOX):
        fig = Drawing((width, 0.05 + down * (head + cell + 0.05) + foot))
        for place, (name, arrays) in enumerate(shown.items()):
            row, column = divmod(place, across)
            x, y = first + column * (cell + gap), row * (head + cell + 0.05)
            label = EVERY[name].label if name in EVERY else name
            words_at(fig, x + cell / 2, y + 0.08, label)
            ax = inches(fig, x, y + head + 0.05, cell, cell)
            picture(ax, arrays["image"], 255.0)
            _outlines(ax, arrays)
        marks = [
            Line2D([], [], color=_FOREGROUND, lw=1.2, label="foreground"),
            Line2D([], [], color=_KEPT, lw=1.6, label="kept"),
            Line2D([], [], color=_DISCARDED, lw=1.4, ls=(0, (3, 1.5)), label="discarded"),
        ]
        fig.legend(handles=marks, loc="lower center", ncols=3, frameon=False)
        return described(fig, note)


_KEPT, _DISCARDED, _FOREGROUND = "#35b3a2", "#e07b1a", "#d9b400"


def _outlines(ax: Axes, arrays: Mapping[str, np.ndarray]) -> None:
    """Foreground and patches of one slice; rows count from the other end than the picture's."""
    height, side = len(arrays["image"]), int(arrays["patch"])
    ax.contour(arrays["foreground"][::-1], [0.5], colors=_FOREGROUND, linewidths=1.0)
    for corners, colour, dash in (
        (arrays["discarded"], _DISCARDED, (0, (3, 1.5))),
        (arrays["kept"], _KEPT, "-"),
    ):
        for row, column in corners:
            corner = (column - 0.5, height - row - side - 0.5)
            ax.add_patch(Rectangle(corner, side, side, fill=False, ec=colour, ls=dash, lw=1.4))
    ax.set_xlim(-0.5, arrays["image"].shape[1] - 0.5)
    ax.set_ylim(height - 0.5, -0.5)
