"""The look that all figures share, and how they get onto a page: notes, stamps, downloads.

Pages may be light or dark, so every figure is a white card of its own. Colours keep the paper's
roles (``ROLES``), differ in lightness as well as hue, and never stand alone: names are written
beside them. Text is at least 9 points at the page's width. Images are stored upside down, as
fastMRI's are, and turned here.
"""

from __future__ import annotations

import base64
import html
import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from mrinb.errors import MrinbError

PAGE_WIDTH = 8.0
"""Width of every figure in inches: a page's text column at 96 pixels an inch."""
SCALE = 2
"""Pixels of a picture for each pixel of the page."""
LARGE, QUALITY = 200_000, 88
"""Bytes above which a picture is stored with losses, and the quality (0 to 100) that it keeps."""
INK, MUTED, RULE = "#20262e", "#5a6370", "#c3c9d0"

ROLES = {
    "P": "#e07b1a",
    "Q": "#1f5fa8",
    "P+Q": "#35b3a2",
    "half of P+Q": "#26292d",
    "narrow": "#7a3e9d",
    "diverse": "#e07b1a",
    "diverse, same size": "#f5bf85",
    "P_best": "#7a3e9d",
    "P, size of P_best": "#f5bf85",
    "zero-filled": "#8a929c",
    "l1-wavelet": "#4c535c",
}
"""Colour by role, as in the paper: orange P, blue Q, teal both, black the half of both (Figure 3);
violet the narrow pool and orange the diverse one (Figure 5)."""
REFERENCES: dict[str, dict[str, Any]] = {
    "zero-filled": {"color": MUTED, "ls": (0, (1, 1.5)), "lw": 1.4},
    "l1-wavelet": {"color": INK, "ls": (0, (5, 1.5)), "lw": 1.2},
}
"""Lines of what needs no training, by the label that its rows have as ``pool``."""
OTHERS = ("#b8366f", "#5f7f1e", "#0091c8", "#8c5a2b", "#6f6f9e")
"""Colours of pools without a role, in turn."""

METRICS = {
    "ssim": "SSIM",
    "ssim_foreground": "SSIM, foreground",
    "psnr": "PSNR in dB",
    "nmse": "NMSE",
    "ssim_matched": "matched SSIM",
    "ssim_foreground_matched": "matched SSIM, foreground",
    "psnr_matched": "matched PSNR in dB",
}
"""Scores that bars can show; *matched* is after the target's mean and variance."""

STYLE: dict[Any, Any] = {
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
CASING = [withStroke(linewidth=2.6, foreground="white")]  # marks stand out on any bar
STAMP = 0.3  # inches kept free at the bottom for the stamp
LINE = 0.165  # inches from line to line


def note_text(note: Mapping[str, Any], names: bool = False) -> str:
    """Say in one line where numbers come from.

    Args:
        note: ``simulated``, ``profile``, ``seeds`` and ``key``, as in ``attrs["note"]`` of a table;
            no seeds where nothing was trained. Where it has ``missing``, these are distributions
            that the user's files lack; ``embedder`` is the network that measured similarity.
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
    profile, key = f"{note['profile']} profile", f"key {note['key']}"
    words = (kind, profile, seeds, note.get("embedder", ""), key, missing * bool(lack))
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
    """Render a figure as WebP, ``SCALE`` pixels for each of the page.

    It is lossless, in 256 colours. Pictures without colour keep all shades of grey. Others get 128
    shades and the 128 colours that fit best, which no eye tells apart and nearly halves the page.
    Where that is still more than ``LARGE`` bytes, as of many noisy images, it is lossy.
    """
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        fig.savefig(buffer, format="png", dpi=96 * SCALE)
    image = Image.open(buffer).convert("RGB")
    rgb = np.asarray(image)
    grey = np.ptp(rgb, axis=2) == 0
    few = image.getchannel(0) if grey.all() else _palette(rgb, grey)
    lossless = _encoded(few, lossless=True, quality=100)
    return lossless if len(lossless) <= LARGE else _encoded(image, quality=QUALITY)


def _encoded(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    # Method 6 makes lossless pictures 3 % smaller and takes 18 times as long.
    image.save(out, "WEBP", method=4, **options)
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
    link = f"<br>{csv_link(table, name)}" if table is not None else ""
    # On a phone the picture scrolls; without a link in it only a focus lets the keyboard do so.
    focus = "" if link else ' tabindex="0"'
    # "dark-light" keeps the book's theme from dimming the picture in the dark.
    return Html(
        f'<figure class="mrinb-figure"{focus} style="margin:1em 0"><img class="dark-light" '
        f'src="data:image/webp;base64,{data}" alt="{html.escape(alt)}" width="{width}" '
        f'height="{height}" style="width:100%;max-width:{width + 160}px;height:auto;'
        f'background:#fff;border-radius:4px"><figcaption class="mrinb-caption">'
        f"{html.escape(words)}{link}</figcaption></figure>",
        f"{alt} ({words})",
    )


def reserve(fig: Figure) -> None:
    """Keep room for the stamp."""
    share = STAMP / fig.get_size_inches()[1]
    engine: Any = fig.get_layout_engine()
    engine.set(rect=(0, share, 1, 1 - share), w_pad=0.06, h_pad=0.06, wspace=0.04, hspace=0.06)


def role_colour(pool: str, order: Sequence[str]) -> str:
    """Colour of a training pool: its role's, or the next free one in the order of all pools."""
    free = [p for p in order if p not in ROLES]
    return ROLES[pool] if pool in ROLES else OTHERS[free.index(pool) % len(OTHERS)]


def wrap(pool: str) -> str:
    """A pool's name broken into short lines."""
    return "\n".join(textwrap.wrap(pool, 10, break_long_words=False)) or pool


def inches(fig: Figure, left: float, top: float, width: float, height: float) -> Axes:
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


def words_at(fig: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Text whose first line starts ``y`` inches below the figure's top, line by line.

    Baselines are set, not tops, so that words beside each other stand level.
    """
    full = fig.get_size_inches()
    look = {"ha": "center", "va": "baseline", **style}
    for i, line in enumerate(text.split("\n")):
        fig.text(x / full[0], 1 - (y + 0.125 + LINE * i) / full[1], line, **look)


def picture(ax: Axes, image: np.ndarray, white: float | None = None, **style: Any) -> Any:
    """Draw an image (height, width) the right way up, black at 0 and white at ``white``."""
    if image.ndim != 2:
        raise MrinbError(f"a picture has shape {image.shape}: give one image (height, width)")
    top = float(np.percentile(image, 99.5)) if white is None else white
    look = {"cmap": "gray", "vmin": 0, "vmax": top or 1.0, "interpolation": "lanczos", **style}
    ax.set_facecolor("black")
    return ax.imshow(np.asarray(image, np.float32)[::-1], **look)
