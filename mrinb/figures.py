"""One function for each kind of figure; each returns a matplotlib figure and computes nothing new.

What is drawn are tables of ``lab.evaluate`` and ``lab.histories``, and arrays of exhibits. Pages
may be light or dark, so every figure is a white card of its own. Colours keep the paper's roles
(``ROLES``), differ in lightness as well as hue, and never stand alone: names are written beside
them. Text is at least 9 points at the page's width. Images are stored upside down, as fastMRI's
are, and turned here.
"""

from __future__ import annotations

import base64
import html
import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import ConnectionPatch, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from PIL import Image

from mrinb.catalogue import DATASETS, DISTRIBUTIONS, Dataset
from mrinb.errors import MrinbError
from mrinb.shifts import Section, section3

PAGE_WIDTH = 8.0
"""Width of every figure in inches: a page's text column at 96 pixels an inch."""
SCALE = 2
"""Pixels of a picture for each pixel of the page."""
INK, MUTED, RULE = "#20262e", "#5a6370", "#c3c9d0"

ROLES = {
    "P": "#e07b1a",
    "Q": "#1f5fa8",
    "P+Q": "#35b3a2",
    "half of P+Q": "#26292d",
    "narrow": "#7a3e9d",
    "diverse": "#e07b1a",
    "diverse, same size": "#f5bf85",
    "zero-filled": "#8a929c",
}
"""Colour by role, as in the paper: orange P, blue Q, teal both, black the half of both (Figure 3);
violet the narrow pool and orange the diverse one (Figure 5)."""
OTHERS = ("#b8366f", "#5f7f1e", "#0091c8", "#8c5a2b", "#6f6f9e")
"""Colours of pools without a role, in turn."""

METRICS = {
    "ssim": "SSIM",
    "ssim_foreground": "SSIM, foreground",
    "psnr": "PSNR in dB",
    "nmse": "NMSE",
    "ssim_matched": "SSIM, matched mean and variance",
    "psnr_matched": "PSNR in dB, matched mean and variance",
}
"""Scores that bars can show."""

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.titlecolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "hatch.linewidth": 0.6,
    "mathtext.fontset": "dejavusans",
}
_CASING = [withStroke(linewidth=2.6, foreground="white")]  # marks stand out on any bar
_STAMP = 0.3  # inches kept free at the bottom for the stamp
_LINE = 0.165  # inches from line to line


# --- captions, downloads, display ---------------------------------------------------------------


def note_text(note: Mapping[str, Any], names: bool = False) -> str:
    """Say in one line where numbers come from.

    Args:
        note: ``simulated``, ``profile``, ``seeds`` and ``key``, as in ``attrs["note"]`` of a table;
            no seeds where nothing was trained. Where it has ``missing``, these are distributions
            that the user's files lack.
        names: whether missing distributions are named, which takes room, or only counted.

    Raises:
        MrinbError: one of them is missing.
    """
    for name in ("simulated", "profile", "seeds", "key"):
        if name not in note:
            raise MrinbError(
                f"the note of a figure lacks {name!r}: pass attrs['note'] of its table"
            )
    kind = "simulated data" if note["simulated"] else "real fastMRI data"
    count = len(note["seeds"])
    listed = ", ".join(map(str, note["seeds"])) if count < 6 else f"{count} of them"
    seeds = f"seed{'s' * (count != 1)} {listed}" if count else ""
    lack = note.get("missing", ())
    missing = f"not in data_root: {', '.join(lack) if names else f'{len(lack)} distributions'}"
    words = (kind, f"{note['profile']} profile", seeds, f"key {note['key']}", missing * bool(lack))
    return " | ".join(filter(None, words))


def stamp(fig: Figure, note: Mapping[str, Any] | None, extra: str = "") -> Figure:
    """Write where a figure comes from into the figure itself, below everything else.

    Args:
        fig: a figure made here, which keeps room for it.
        note: see ``note_text``; None writes only ``extra``.
        extra: further words, such as the effective acceleration.

    Returns:
        The figure.
    """
    words = " | ".join(filter(None, [note_text(note) if note else "", extra]))
    if words:
        height = fig.get_size_inches()[1]
        fig.text(0.08 / PAGE_WIDTH, 0.07 / height, words, color=MUTED, fontsize=9, va="bottom")
    return fig


@dataclass(frozen=True)
class Html:
    """A piece of a page, shown by Jupyter as it is.

    Attributes:
        source: the HTML.
        words: what stands where HTML cannot be shown.
    """

    source: str
    words: str

    def _repr_html_(self) -> str:
        return self.source

    def __str__(self) -> str:
        return self.words

    __repr__ = __str__


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV with numbers to six digits, without its index."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def csv_link(table: pd.DataFrame, name: str) -> str:
    """A link that saves a table as CSV, from a page on disk as well.

    Args:
        table: what is saved.
        name: file name without ``.csv``.

    Returns:
        An ``<a download>`` with the data inside it.
    """
    text = csv_text(table)
    # Percent-encoded text shrinks under gzip as base64 does not.
    uri = "data:text/csv;charset=utf-8," + quote(text, safe=",;:/+()*|.-_~@=!?$")
    rows = f"{len(table):,} row{'s' * (len(table) != 1)}"
    return (
        f'<a download="{html.escape(name)}.csv" href="{html.escape(uri)}" '
        f'style="color:inherit;text-decoration:underline">'
        f"Download {html.escape(name)}.csv ({rows})</a>"
    )


def webp(fig: Figure) -> bytes:
    """Render a figure as lossless WebP, ``SCALE`` pixels for each of the page, in 256 colours.

    Pictures without colour keep all shades of grey. Others get 128 shades and the 128 colours that
    fit best, which no eye tells apart and nearly halves the page.
    """
    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE):
        fig.savefig(buffer, format="png", dpi=96 * SCALE)
    image = Image.open(buffer).convert("RGB")
    rgb = np.asarray(image)
    grey = np.ptp(rgb, axis=2) == 0
    image = image.getchannel(0) if grey.all() else _palette(rgb, grey)
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=True, method=6, quality=100)
    return out.getvalue()


def _palette(rgb: np.ndarray, grey: np.ndarray) -> Image.Image:
    """A picture (height, width, 3) with a palette of 128 greys and 128 colours."""
    colours = Image.fromarray(rgb[~grey][None]).quantize(128, kmeans=2)
    index = np.empty(grey.shape, np.uint8)
    index[grey] = np.round(rgb[grey][:, 0] / 255 * 127)
    index[~grey] = np.asarray(colours)[0] + 128
    shades = np.round(np.arange(128) / 127 * 255).astype(int)
    image = Image.fromarray(index).convert("P")
    image.putpalette([*np.repeat(shades, 3).tolist(), *(colours.getpalette() or [])[:384]])
    return image


def show(
    fig: Figure,
    alt: str,
    note: Mapping[str, Any],
    table: pd.DataFrame | None = None,
    name: str = "data",
) -> Html:
    """A figure for a page: the picture, what it shows in words, where it comes from, its data.

    Args:
        fig: the figure.
        alt: what the picture shows, for those who cannot see it.
        note: see ``note_text``.
        table: data offered as CSV below it.
        name: file name of the CSV, without ``.csv``.

    Raises:
        MrinbError: ``alt`` is empty.
    """
    if not alt.strip():
        raise MrinbError("a figure needs alternative text: say in alt what the picture shows")
    data = base64.b64encode(webp(fig)).decode()
    width, height = (round(96 * side) for side in fig.get_size_inches())
    words = note_text(note, names=True)
    link = f" | {csv_link(table, name)}" if table is not None else ""
    # "dark-light" keeps the book's theme from dimming the picture in the dark.
    return Html(
        f'<figure class="mrinb-figure" style="margin:1em 0"><img class="dark-light" '
        f'src="data:image/webp;base64,{data}" alt="{html.escape(alt)}" width="{width}" '
        f'height="{height}" style="width:100%;max-width:{width + 160}px;height:auto;'
        f'background:#fff;border-radius:4px"><figcaption class="mrinb-caption">'
        f"{html.escape(words)}{link}</figcaption></figure>",
        f"{alt} ({words})",
    )


# --- bars ---------------------------------------------------------------------------------------


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
    kept = [c for c in (*METRICS, "acceleration", "effective_acceleration") if c in rows.columns]
    groups = rows.groupby(keys, sort=False)
    table = groups["train_slices"].mean().round().astype(int).to_frame()
    table["test_slices"] = groups.size()
    return table.join(groups[kept].mean()).reset_index()


def bars(
    scores: pd.DataFrame,
    metric: str = "ssim",
    split: str = "test",
    pools: Sequence[str] | None = None,
    words: Mapping[str, str] | None = None,
    section: Section = section3,
    note: Mapping[str, Any] | None = None,
) -> Figure:
    """Scores of models by training pool: a row of panels for each shift (Figures 3 and 4).

    Bars are means over slices and seeds, error bars two standard deviations over seeds, dots the
    seeds; below each bar stands the number of training slices. The axis does not start at zero and
    says so; the panels of one row span the same range.

    Args:
        scores: table of ``lab.evaluate`` with one model.
        metric: a key of ``METRICS``.
        split: ``test`` or ``val``.
        pools: labels in the order drawn; None draws all, as they stand in the table.
        words: what each target is, such as ``{"Q": "unseen"}``; None takes a shift's own words.
        section: where the words for P and Q of a shift are.
        note: stamped into the figure; None takes the table's own.

    Raises:
        MrinbError: columns, split, metric or pools are missing, or there are several models.
    """
    if metric not in METRICS or metric not in scores.columns:
        known = ", ".join(m for m in METRICS if m in scores.columns)
        raise MrinbError(f"bars cannot show metric {metric!r}: the table has {known}")
    table = bars_table(scores, split)
    trained = table[table["pool"] != "zero-filled"]
    if trained["model"].nunique() != 1:
        found = ", ".join(map(str, trained["model"].unique())) or "none"
        raise MrinbError(f"bars show one model at a time, this table has {found}: select one")
    order = list(pools) if pools is not None else list(trained["pool"].unique())
    absent = [p for p in order if p not in set(trained["pool"])]
    if absent:
        raise MrinbError(f"score table has no rows of pool {absent[0]!r}")
    shifts = list(trained["shift"].unique())
    targets = sorted(trained["target"].unique())
    with mpl.rc_context(_STYLE):
        height = 2.55 * len(shifts) + 0.75
        fig = Figure((PAGE_WIDTH, height), layout="constrained")
        _reserve(fig)
        grid = fig.subplots(len(shifts), len(targets), squeeze=False)
        for row, shift in zip(grid, shifts, strict=True):
            parts = [table[(table["shift"] == shift) & (table["target"] == t)] for t in targets]
            limits = _limits(parts, metric, order)
            for ax, part, target, limit in zip(row, parts, targets, limits, strict=True):
                _panel(ax, part, metric, order, limit)
                _head(ax, part, metric, target, _target_words(shift, target, section, words), limit)
        for ax in grid[-1]:
            ax.set_xlabel("training pool, number of training slices")
        _legend(fig, trained, "zero-filled" in set(table["pool"]))
        own = scores.attrs.get("note")
        return stamp(fig, note if note is not None else own, _acceleration(table))


def _reserve(fig: Figure) -> None:
    """Keep room for the stamp."""
    share = _STAMP / fig.get_size_inches()[1]
    engine: Any = fig.get_layout_engine()
    engine.set(rect=(0, share, 1, 1 - share), w_pad=0.06, h_pad=0.06, wspace=0.04, hspace=0.06)


def _colour(pool: str, order: Sequence[str]) -> str:
    free = [p for p in order if p not in ROLES]
    return ROLES[pool] if pool in ROLES else OTHERS[free.index(pool) % len(OTHERS)]


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
        zero = part.loc[part["pool"] == "zero-filled", metric]
        # A reference far below would flatten what is compared: then only its number is written.
        if len(zero) and 0 < low - zero.iloc[0] < max(high - low, 0.02):
            low = float(zero.iloc[0])
        ranges.append((low, high))
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
            names.append(f"{_wrap(pool)}\nnot scored")
            continue
        values = rows[metric].to_numpy(float)
        mean, colour = float(values.mean()), _colour(pool, order)
        ax.bar(x, mean, 0.68, color=colour, label=pool, zorder=2)
        twice = 2 * float(values.std(ddof=1)) if len(values) > 1 else 0.0
        if len(values) > 1:
            _, caps, lines = ax.errorbar(x, mean, twice, color=INK, capsize=3, lw=1.1, zorder=4)
            for mark in (*caps, *lines):
                mark.set_path_effects(_CASING)
            spread = np.linspace(-0.17, 0.17, len(values))
            ax.scatter(x + spread, values, s=13, c="white", edgecolors=INK, linewidths=0.7,
                       zorder=5)  # fmt: skip
        highest = max(mean + twice, float(values.max()))
        ax.text(x, highest + 0.03 * top, f"{mean:.3f}", ha="center", va="bottom", zorder=6,
                path_effects=_CASING)  # fmt: skip
        names.append(f"{_wrap(pool)}\n{rows['train_slices'].iloc[0]:,}")
    zero = part.loc[part["pool"] == "zero-filled", metric]
    if len(zero) and limit[0] < zero.iloc[0]:
        ax.axhline(float(zero.iloc[0]), color=MUTED, ls=(0, (1, 1.5)), lw=1.4, zorder=3,
                   path_effects=_CASING)  # fmt: skip
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
    zero = part.loc[part["pool"] == "zero-filled", metric]
    title = f"{target}: {words}" if words else target
    ax.set_title(title, loc="left", fontweight="bold", pad=18 if len(zero) else 6)
    if len(zero):
        below = ", off the axis" if zero.iloc[0] <= limit[0] else ""
        ax.annotate(
            f"zero-filled {zero.iloc[0]:.3f}{below}", (0, 1), (0, 5), "axes fraction",
            "offset points", color=MUTED, va="bottom",
        )  # fmt: skip
    start = f"\n(axis from {limit[0]:.3g})" if limit[0] > 0 else ""
    ax.set_ylabel(f"{METRICS[metric]} on {target}{start}")


def _wrap(pool: str) -> str:
    return "\n".join(textwrap.wrap(pool, 10, break_long_words=False)) or pool


def _legend(fig: Figure, trained: pd.DataFrame, zero: bool) -> None:
    """What the marks mean; one row above all panels."""
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
    if zero:
        marks.append(Line2D([], [], color=MUTED, ls=(0, (1, 1.5)), lw=1.4, label="zero-filled"))
    fig.legend(handles=marks, loc="outside upper center", ncols=len(marks), frameon=False,
               handlelength=1.6, columnspacing=1.4)  # fmt: skip


def _acceleration(table: pd.DataFrame) -> str:
    """Nominal and effective acceleration, where the table has them."""
    if not {"acceleration", "effective_acceleration"} <= set(table.columns):
        return ""
    effective = table["effective_acceleration"].mean()
    nominal = "/".join(f"{a:g}" for a in sorted(table["acceleration"].unique()))
    return f"{nominal}-fold (effective {effective:.2f})"


# --- pictures -----------------------------------------------------------------------------------


def _inches(fig: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the figure's top left corner, without ticks."""
    full = fig.get_size_inches()
    ax = fig.add_axes(
        (left / full[0], 1 - (top + height) / full[1], width / full[0], height / full[1])
    )
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _words(fig: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Text whose first line starts ``y`` inches below the figure's top, line by line.

    Baselines are set, not tops, so that words beside each other stand level.
    """
    full = fig.get_size_inches()
    look = {"ha": "center", "va": "baseline", **style}
    for i, line in enumerate(text.split("\n")):
        fig.text(x / full[0], 1 - (y + 0.125 + _LINE * i) / full[1], line, **look)


def _picture(ax: Axes, image: np.ndarray, white: float | None = None, **style: Any) -> Any:
    """Draw an image (height, width) the right way up, black at 0 and white at ``white``."""
    if image.ndim != 2:
        raise MrinbError(f"a picture has shape {image.shape}: give one image (height, width)")
    top = float(np.percentile(image, 99.5)) if white is None else white
    look = {"cmap": "gray", "vmin": 0, "vmax": top or 1.0, "interpolation": "lanczos", **style}
    ax.set_facecolor("black")
    return ax.imshow(np.asarray(image, np.float32)[::-1], **look)


def gallery(images: Mapping[str, np.ndarray], note: Mapping[str, Any] | None = None) -> Figure:
    """One image of each distribution: brains left, knees right (Figure 2).

    The contrast stands above an image, the scanner below.

    Args:
        images: image (height, width) by distribution name; each is shown up to its own 99.5th
            percentile.
        note: stamped into the figure.

    Raises:
        MrinbError: there is no image.
    """
    if not images:
        raise MrinbError("a gallery needs at least one image")
    groups: dict[str, list[str]] = {"brain": [], "knee": []}
    for name in [*(d for d in DISTRIBUTIONS if d in images), *images]:
        group = groups.setdefault(name.split("/")[0], [])
        if name not in group:
            group.append(name)
    groups = {anatomy: names for anatomy, names in groups.items() if names}
    rows = 2 if len(images) > 4 else 1
    columns = {anatomy: -(-len(names) // rows) for anatomy, names in groups.items()}
    gap, head = 0.22, 0.3
    space = PAGE_WIDTH - 0.1 - gap * (len(groups) - 1)
    cell = min(space / sum(columns.values()), 1.7)
    cell_height = 0.2 + cell + 2 * _LINE + 0.08
    with mpl.rc_context(_STYLE):
        fig = Figure((PAGE_WIDTH, head + rows * cell_height + _STAMP))
        left = 0.05 + (space - cell * sum(columns.values())) / 2
        for anatomy, names in groups.items():
            width = cell * columns[anatomy]
            view = {DISTRIBUTIONS[n].view for n in names if n in DISTRIBUTIONS}
            title = f"{anatomy}, {view.pop()} view" if len(view) == 1 else anatomy
            _words(fig, left + width / 2, 0.08, title, fontweight="bold", fontsize=9.5)
            for i, name in enumerate(names):
                row, column = divmod(i, columns[anatomy])
                x, y = left + column * cell, head + row * cell_height
                above, below = _captions(name)
                _words(fig, x + cell / 2, y, above)
                ax = _inches(fig, x + 0.02, y + 0.18, cell - 0.04, cell - 0.04)
                _picture(ax, images[name])
                _words(fig, x + cell / 2, y + 0.18 + cell, below)
            left += width + gap
        return stamp(fig, note)


def _captions(name: str) -> tuple[str, str]:
    """Words above and below an image of the gallery."""
    if name in DISTRIBUTIONS:
        known = DISTRIBUTIONS[name]
        return known.contrast, f"{known.scanner.name}\n{known.scanner.field_t:g} T"
    contrast, _, scanner = name.partition("/")[2].partition("-")
    return contrast or name, scanner


def detail(target: np.ndarray, share: float = 0.3) -> tuple[int, int, int, int]:
    """Where to look closer: the square of the target whose gradient has the most energy.

    Chosen by the target alone, so that no reconstruction is favoured.

    Args:
        target: image (height, width).
        share: side of the square relative to the shorter side.

    Returns:
        Top, left, height and width in pixels of the stored image.
    """
    side = max(int(share * min(target.shape)), 2)
    vertical, horizontal = np.gradient(np.asarray(target, float))
    energy = np.pad((vertical**2 + horizontal**2).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = (
        energy[side:, side:] - energy[:-side, side:] - energy[side:, :-side]
        + energy[:-side, :-side]
    )  # fmt: skip
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return int(top), int(left), side, side


def reconstructions(
    target: np.ndarray,
    images: Mapping[str, np.ndarray],
    ssim: Mapping[str, float] | None = None,
    zoom: tuple[int, int, int, int] | None = None,
    note: Mapping[str, Any] | None = None,
) -> Figure:
    """Ground truth beside reconstructions, each with a detail and its error (Figure 1).

    All images share the target's grey scale, all errors one colour scale.

    Args:
        target: ground truth (height, width).
        images: reconstruction (height, width) by label, such as narrow, diverse, zero-filled.
        ssim: SSIM by label, computed from the float images.
        zoom: top, left, height and width of the detail; None takes ``detail(target)``.
        note: stamped into the figure.

    Raises:
        MrinbError: there is no reconstruction, or one is not of the target's shape.
    """
    if not images:
        raise MrinbError("reconstructions needs at least one image beside the target")
    for label, image in images.items():
        if image.shape != target.shape:
            raise MrinbError(
                f"image {label!r} has shape {image.shape}, its target {target.shape}: "
                "show reconstructions of the same slice"
            )
    white = float(np.percentile(target, 99.5)) or 1.0
    errors = {label: np.abs(image - target) / white for label, image in images.items()}
    largest = float(np.percentile(np.stack(list(errors.values())), 99.7)) or 1.0
    top, left, high, wide = zoom or detail(target)
    columns = {"ground truth": target, **images}
    names, side, gap = 0.4, 0.3, 0.06
    cell = min((PAGE_WIDTH - side - 0.05) / len(columns), 2.4)
    tall = cell * target.shape[0] / target.shape[1]
    near = cell * high / wide
    with mpl.rc_context(_STYLE):
        fig = Figure((PAGE_WIDTH, names + tall + near + tall + 3 * gap + _STAMP))
        starts = (names, names + tall + gap, names + tall + near + 2 * gap)
        for text, start, size in zip(("image", "detail", "error"), starts, (tall, near, tall),
                                     strict=True):  # fmt: skip
            _words(fig, 0.16, start + size / 2 - 0.125, text, rotation=90, va="center",
                   color=MUTED)  # fmt: skip
        for i, (label, image) in enumerate(columns.items()):
            x = side + i * cell
            score = f"\nSSIM {ssim[label]:.3f}" if ssim and label in ssim else ""
            _words(fig, x + cell / 2, 0.06, f"{label}{score}")
            ax = _inches(fig, x, starts[0], cell - gap, tall - gap * tall / cell)
            _picture(ax, image, white)
            foot = target.shape[0] - top - high  # rows are turned for display
            ax.add_patch(Rectangle((left - 0.5, foot - 0.5), wide, high, fill=False, ec="#ffd23f",
                                   lw=1.1))  # fmt: skip
            ax = _inches(fig, x, starts[1], cell - gap, near - gap * near / cell)
            _picture(ax, image[top : top + high, left : left + wide], white)
            if label in errors:
                ax = _inches(fig, x, starts[2], cell - gap, tall - gap * tall / cell)
                shown = _picture(ax, errors[label], largest, cmap="inferno")
        _error_scale(fig, shown, side, starts[2], cell - gap, tall)
        return stamp(fig, note)


def _error_scale(
    fig: Figure, shown: Any, left: float, top: float, width: float, height: float
) -> None:
    """The errors' colour bar, in the place below the ground truth, which has no error."""
    ax = _inches(fig, left + 0.12, top + height / 2 - 0.08, width - 0.3, 0.13)
    bar = Colorbar(ax, shown, orientation="horizontal", extend="max")
    bar.locator = MaxNLocator(3)
    bar.update_ticks()
    bar.outline.set_visible(False)
    ax.tick_params(axis="x", color=MUTED)
    words = "absolute error\nas a fraction of white"
    _words(fig, left + width / 2, top + height / 2 - 0.48, words)


def forward_model(steps: Mapping[str, np.ndarray], note: Mapping[str, Any] | None = None) -> Figure:
    """Equation 1 step by step, from the image to its zero-filled reconstruction.

    Args:
        steps: arrays of the exhibit ``forward_model``: ``target`` (height, width), ``coils`` and
            ``phases`` (coils, height, width), ``kspace`` log-magnitudes (coils, height, width),
            ``lines`` (width,), ``zero_filled`` (height, width).
        note: stamped into the figure.

    Raises:
        MrinbError: an array is missing.
    """
    for name in ("target", "coils", "phases", "kspace", "lines", "zero_filled"):
        if name not in steps:
            raise MrinbError(f"the forward model lacks the array {name!r}")
    coil, phase = np.asarray(steps["coils"][0], float), np.asarray(steps["phases"][0], float)
    kspace, lines = np.asarray(steps["kspace"][0], float), np.asarray(steps["lines"], bool)
    white = float(np.percentile(np.asarray(steps["target"], float), 99.5))
    phase = np.where(np.asarray(steps["target"], float) > 0.05 * white, phase, np.nan)  # not in air
    sampled = np.where(lines, kspace, 0.0)
    mask = np.broadcast_to(lines, (len(kspace), len(lines))).astype(float)
    count = f"{lines.sum()} of {len(lines)} lines"
    strong, plain = float(kspace.max()), {"interpolation": "nearest"}
    phases = {"cmap": "twilight", "vmin": -np.pi, "vmax": np.pi, **plain}
    panels: list[tuple[str, str, np.ndarray, float, dict[str, Any]]] = [
        ("image", r"$\mathbf{x}$", np.asarray(steps["target"], float), white, {}),
        ("one coil's image", r"$\mathbf{S}_i\,\mathbf{x}$", coil, float(coil.max()), {}),
        ("its phase, −π to π", r"$\angle\,\mathbf{S}_i\,\mathbf{x}$", phase, 1.0, phases),
        ("its k-space (log)", r"$\mathbf{F}\,\mathbf{S}_i\,\mathbf{x}$", kspace, strong, plain),
        (f"mask: {count}", r"$\mathbf{M}$", mask, 1.0, plain),
        ("measurements (log)", r"$\mathbf{y}_i=\mathbf{M}\,\mathbf{F}\,\mathbf{S}_i\,\mathbf{x}"
         r"+\mathbf{z}_i$", sampled, strong, plain),
        ("zero-filled, all coils", r"$\sqrt{\Sigma_i\,|\mathbf{F}^{-1}\mathbf{y}_i|^2}$",
         np.asarray(steps["zero_filled"], float), white, {}),
    ]  # fmt: skip
    across, gap, title, formula = 4, 0.32, 0.26, 0.46
    cell = (PAGE_WIDTH - 0.2 - gap * (across - 1)) / across
    tall = title + cell + formula
    with mpl.rc_context(_STYLE):
        fig = Figure((PAGE_WIDTH, 0.05 + 2 * tall + _STAMP))
        last: Axes | None = None
        for i, (words, symbol, image, top, look) in enumerate(panels):
            row, column = divmod(i, across)
            # The second row is centred below the first.
            shift = row * (cell + gap) * (2 * across - len(panels)) / 2
            x, y = 0.1 + shift + column * (cell + gap), 0.05 + row * tall
            _words(fig, x + cell / 2, y + 0.05, words)
            ax = _inches(fig, x, y + title, cell, cell)
            if image.shape[0] != image.shape[1] and (image is kspace or look is plain):
                look = {**look, "aspect": "auto"}  # k-space has no square pixels to keep
            _picture(ax, image, top, **look)
            _words(fig, x + cell / 2, y + title + cell + 0.15, symbol, fontsize=11)
            if last is not None and column:
                _arrow(fig, last, ax)
            last = ax
        return stamp(fig, note)


def _arrow(fig: Figure, before: Axes, after: Axes) -> None:
    fig.add_artist(
        ConnectionPatch(
            (1.03, 0.5), (-0.03, 0.5), coordsA="axes fraction", coordsB="axes fraction",
            axesA=before, axesB=after, arrowstyle="-|>", color=MUTED, lw=1.2, mutation_scale=11,
        )
    )  # fmt: skip


# --- lines --------------------------------------------------------------------------------------


def history(histories: pd.DataFrame, note: Mapping[str, Any] | None = None) -> Figure:
    """Training loss of every pool, over epochs and over steps.

    Thin lines are the seeds; a thick line is their mean over a twentieth of the run, since
    a step's loss is that of one slice. Epochs are the same for all pools, so a larger pool takes
    more steps.

    Args:
        histories: table of ``lab.histories``: columns ``pool``, ``seed``, ``epoch``, ``step``,
            ``loss``.
        note: stamped into the figure; None takes the table's own.

    Raises:
        MrinbError: a column is missing or the table is empty.
    """
    for name in ("pool", "seed", "epoch", "step", "loss"):
        if name not in histories.columns:
            raise MrinbError(f"training history lacks column {name!r}")
    if histories.empty:
        raise MrinbError("training history is empty: train at least one run")
    order = list(histories["pool"].unique())
    with mpl.rc_context(_STYLE):
        fig = Figure((PAGE_WIDTH, 3.3), layout="constrained")
        _reserve(fig)
        left, right = fig.subplots(1, 2, sharey=True)
        for pool in order:
            rows = histories[histories["pool"] == pool]
            steps_an_epoch = rows["step"].max() / rows["epoch"].max()
            for ax, unit in ((left, steps_an_epoch), (right, 1.0)):
                curves = rows.pivot_table(index="step", columns="seed", values="loss")
                colour, x = _colour(pool, order), curves.index.to_numpy(float) / unit
                width = max(1, len(curves) // 20)
                mean = curves.mean(axis=1).rolling(width, center=True, min_periods=1).mean()
                ax.plot(x, curves.to_numpy(), color=colour, lw=0.7, alpha=0.3)
                ax.plot(x, mean, color=colour, lw=1.8, label=pool)
        for ax, words in ((left, "epoch"), (right, "optimiser step")):
            ax.set_xlabel(words)
            ax.yaxis.grid(True, color=RULE, lw=0.5)
            ax.set_xlim(left=0)
        right.xaxis.set_major_locator(MaxNLocator(5))
        right.xaxis.set_major_formatter("{x:,.0f}")
        left.set_ylabel("training loss, 1 \N{MINUS SIGN} SSIM")
        handles, labels = left.get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper center", ncols=len(order), frameon=False)
        own = histories.attrs.get("note")
        return stamp(fig, note if note is not None else own)


def spectrum(
    statistics: Mapping[str, Mapping[str, np.ndarray]], note: Mapping[str, Any] | None = None
) -> Figure:
    """Radial power spectra and intensity histograms side by side, such as simulated against real.

    Args:
        statistics: by label, the arrays of the exhibit ``spectrum``: ``frequency`` in cycles per
            pixel and relative ``power`` (bins,), ``edges`` (bins + 1,) and ``density`` (bins,).
        note: stamped into the figure.

    Raises:
        MrinbError: there is nothing to draw, or an array is missing.
    """
    if not statistics:
        raise MrinbError("spectrum needs the statistics of at least one set of images")
    for label, arrays in statistics.items():
        for name in ("frequency", "power", "edges", "density"):
            if name not in arrays:
                raise MrinbError(f"statistics of {label!r} lack the array {name!r}")
    colours = ("#1f5fa8", "#e07b1a", "#35b3a2", "#7a3e9d", "#26292d", *OTHERS)
    dashes = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
    columns = 3
    rows = -(-len(statistics) // columns)
    with mpl.rc_context(_STYLE):
        fig = Figure((PAGE_WIDTH, 3.3 + 0.19 * rows), layout="constrained")
        _reserve(fig)
        left, right = fig.subplots(1, 2)
        for i, (label, arrays) in enumerate(statistics.items()):
            look: dict[str, Any] = {
                "color": colours[i % len(colours)], "ls": dashes[i // len(colours) % 4 or i % 4],
                "lw": 1.5, "label": label,
            }  # fmt: skip
            power = np.asarray(arrays["power"], float)
            left.plot(arrays["frequency"], np.where(power > 0, power, np.nan), **look)
            middle = (np.asarray(arrays["edges"])[1:] + np.asarray(arrays["edges"])[:-1]) / 2
            right.plot(middle, arrays["density"], **look)
        left.set_yscale("log")
        left.set(xlabel="spatial frequency in cycles per pixel", xlim=(0, 0.5),
                 ylabel="power, relative to its mean", title="power spectrum")  # fmt: skip
        right.set(xlabel="intensity, 99.5th percentile = 1", ylabel="density", ylim=(0, None),
                  title="intensities (air off the scale)", xlim=(0, None))  # fmt: skip
        # Air fills the first bin and would flatten the rest.
        inside = [float(np.max(np.asarray(a["density"])[1:])) for a in statistics.values()]
        right.set_ylim(0, 1.1 * max(inside))
        for ax in (left, right):
            ax.grid(True, color=RULE, lw=0.5)
        handles, labels = left.get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False,
                   handlelength=2.6)  # fmt: skip
        return stamp(fig, note)


# --- tables -------------------------------------------------------------------------------------


def table(frame: pd.DataFrame, caption: str) -> Html:
    """A small table for the page.

    Args:
        frame: text and numbers as they are to be read; the first column heads its row. Why it is
            empty, if it is, stands in ``attrs["empty"]``.
        caption: what the table shows.
    """
    if frame.empty:
        caption = f"{caption}: {frame.attrs.get('empty', 'nothing to show')}"
        return Html(f"<p>{html.escape(caption)}</p>", caption)
    head = "".join(f'<th scope="col">{html.escape(str(c))}</th>' for c in frame.columns)
    body = ""
    for first, *rest in frame.itertuples(index=False):
        cells = "".join(f"<td>{html.escape(str(c))}</td>" for c in rest)
        body += f'<tr><th scope="row">{html.escape(str(first))}</th>{cells}</tr>'
    words = html.escape(caption)
    return Html(
        f'<div class="mrinb-table" role="region" tabindex="0" aria-label="{words}" '
        f'style="overflow-x:auto"><table><caption style="text-align:left">{words}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>",
        frame.to_string(index=False),
    )


def table1(datasets: Iterable[Dataset] = DATASETS) -> Html:
    """Table 1 as printed, and what of it this book has.

    Args:
        datasets: rows of the catalogue.
    """
    rows = list(datasets)
    heads = ("dataset", "anatomy", "view", "contrast", "vendor", "magnet", "coils",
             "volumes / subjects", "slices", "in this book")  # fmt: skip
    body = ""
    for role, words in (("train", "training pool of Section 7"), ("unseen", "only tested on")):
        group = [d for d in rows if d.role == role]
        if group:
            body += (
                f'<tbody><tr><th scope="rowgroup" colspan="{len(heads)}" '
                f'style="text-align:left">{words}</th></tr>{"".join(map(_row, group))}</tbody>'
            )
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    words = (
        "Fully sampled k-space datasets, numbers as the paper prints them (Table 1). The field "
        "strengths of fastMRI brain add up to 110 % there; the paper's public lists give 43 % and "
        "57 %, and 2 to 28 coils."
    )
    text = "\n".join(f"{d.name}: {d.contrast}, {d.slices} slices; {_coverage(d)}" for d in rows)
    return Html(
        '<div class="mrinb-table" role="region" tabindex="0" aria-label="Table 1: datasets" '
        f'style="overflow-x:auto"><table><caption style="text-align:left">{html.escape(words)}'
        f"</caption><thead><tr>{head}</tr></thead>{body}</table></div>",
        text,
    )


def _row(dataset: Dataset) -> str:
    cells = (
        dataset.anatomy, dataset.view, dataset.contrast, dataset.vendor, dataset.magnet,
        dataset.coils, dataset.volumes, dataset.slices, _coverage(dataset),
    )  # fmt: skip
    return (
        f'<tr><th scope="row">{html.escape(dataset.name)}</th>'
        + "".join(f"<td>{html.escape(c)}</td>" for c in cells)
        + "</tr>"
    )


def _coverage(dataset: Dataset) -> str:
    """Which distributions of the catalogue stand for a dataset."""
    found = [d for d in DISTRIBUTIONS.values() if d.dataset == dataset.name]
    if not found:
        return "follows"
    contrasts: dict[str, list[str]] = {}
    for d in found:
        contrasts.setdefault(d.contrast, []).append(d.scanner.name)
    listed = "; ".join(f"{c} on {', '.join(s)}" for c, s in contrasts.items())
    return f"{len(found)} distributions: {listed}"
