"""The look that all figures share, and how they get onto a page: notes, widths, downloads.

Plots are drawn dark on white, and the book's style sheet turns their lightness over on dark pages.
Pictures of slices may not be turned over: they lie on a dark card (``LIGHTBOX``) on every page.
Colours keep the paper's roles (``ROLES``), differ in lightness as well as hue, and never stand
alone: names are written beside them. Text is at least 9 points at a page's width and at a phone's
(``drawn``). Images are stored upside down, as fastMRI's are, and turned here.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import io
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from mrinb.errors import MrinbError
from mrinb.labels import L1_WAVELET, OTHERS, ROLES, ZERO_FILLED

P = ParamSpec("P")

PAGE_WIDTH = 8.0
"""Width of every figure in inches: a page's text column at 96 pixels an inch."""
PHONE_WIDTH = 3.7
"""The same of a phone held upright."""
PHONE = 600
"""Pixels of a window up to which a page shows what is drawn for a phone."""
SCALE = 2
"""Pixels of a picture for each pixel of the page."""
LARGE, QUALITY = 200_000, 88
"""Bytes above which a picture is stored with losses, and the quality (0 to 100) that it keeps."""
MANY = 20_000
"""Colours above which a picture is an image, for which no palette is sought."""
ON_PHONES = {"large": 60_000, "quality": 60}
"""The same of what is drawn for phones, whose pixels are smaller."""
INK, MUTED, RULE = "#20262e", "#5a6370", "#c3c9d0"

REFERENCES: dict[str, dict[str, Any]] = {
    ZERO_FILLED: {"color": MUTED, "ls": (0, (1, 1.5)), "lw": 1.4},
    L1_WAVELET: {"color": INK, "ls": (0, (5, 1.5)), "lw": 1.2},
}
"""Lines of what needs no training, by the label that its rows have as ``pool``."""

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
    "savefig.facecolor": "auto",
    "hatch.linewidth": 0.6,
    "mathtext.fontset": "dejavusans",
}
PALE = "#aab6bc"
"""What MUTED is on a dark card."""
LIGHTBOX: dict[Any, Any] = {
    **STYLE,
    "text.color": "#eef1f2",
    "axes.titlecolor": "#eef1f2",
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": "#eef1f2",
    "ytick.labelcolor": "#eef1f2",
    "figure.facecolor": "#101617",
}
"""The style of pictures of slices, which are dark themselves."""
CASING = [withStroke(linewidth=2.6, foreground="white")]  # marks stand out on any bar
LINE = 0.165  # inches from line to line


class Drawing(Figure):
    """A figure that knows where its numbers come from and how to draw itself for a phone.

    Attributes:
        note: see ``note_text``; None where nobody gave one.
        extra: further words for the caption, such as the effective acceleration.
        narrow: draws the same for a phone; None in what is drawn for one.
    """

    note: Mapping[str, Any] | None = None
    extra: str = ""
    narrow: Callable[[], Drawing] | None = None


def drawn(draw: Callable[P, Drawing]) -> Callable[P, Drawing]:
    """Let a figure be drawn for a phone as well, where its page asks for that.

    Args:
        draw: function that takes ``width`` in inches by name and lays its panels out for it.
    """

    @functools.wraps(draw)
    def call(*args: P.args, **options: P.kwargs) -> Drawing:
        fig = draw(*args, **options)
        again: Callable[..., Drawing] = draw
        if "width" not in options:
            fig.narrow = lambda: again(*args, **options, width=PHONE_WIDTH)
        return fig

    return call


def is_narrow(width: float) -> bool:
    """Whether panels do not fit beside each other in so many inches."""
    return width < 0.7 * PAGE_WIDTH


def note_text(note: Mapping[str, Any], names: bool = False) -> str:
    """Say in one line where numbers come from.

    Args:
        note: ``data`` (whose they are, in words), ``profile``, ``seeds`` and ``key``, as of
            ``Lab.note``; no seeds where nothing was trained. Where it has ``missing``, these are
            distributions that the user's files lack; ``left_out`` is a word about slices;
            ``embedder`` is the network that measured similarity.
        names: whether missing distributions are named, which takes room, or only counted.

    Raises:
        MrinbError: one of them is missing.
    """
    for name in ("data", "profile", "seeds", "key"):
        if name not in note:
            raise MrinbError(f"the note of a figure lacks {name!r}: pass that of its table")
    count = len(note["seeds"])
    listed = ", ".join(map(str, note["seeds"])) if count < 6 else f"{count} of them"
    seeds = f"seed{'s' * (count != 1)} {listed}" if count else ""
    lack = note.get("missing", ())
    missing = f"not in data_root: {', '.join(lack) if names else f'{len(lack)} distributions'}"
    profile, key = f"{note['profile']} profile", f"key {note['key']}"
    more = (note.get("left_out", ""), missing * bool(lack))
    words = (note["data"], profile, seeds, note.get("embedder", ""), key, *more)
    return " | ".join(filter(None, words))


def described(fig: Drawing, note: Mapping[str, Any] | None, extra: str = "") -> Drawing:
    """Tell a figure where it comes from; ``show`` writes it below.

    Args:
        fig: the figure.
        note: see ``note_text``.
        extra: further words, such as the effective acceleration.
    """
    fig.note, fig.extra = note, extra
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


def webp(fig: Figure, words: str = "", large: int | None = None, quality: int = QUALITY) -> bytes:
    """Render a figure as WebP, ``SCALE`` pixels for each of the page.

    It is lossless, in 256 colours. Pictures without colour keep all shades of grey. Others get 128
    shades and the 128 colours that fit best, which no eye tells apart and nearly halves the page.
    Where that is still more than ``large`` bytes, as of many noisy images, or where there are more
    than ``MANY`` colours, as in coloured images, it is lossy.

    Args:
        fig: the figure.
        words: description kept in the file, for those who save it.
        large: in bytes; None is ``LARGE``.
        quality: from 0 to 100, where it is lossy.
    """
    image = _drawn(fig)
    exif = Image.Exif()
    exif[0x010E] = words  # ImageDescription
    rgb = np.asarray(image)
    grey = np.ptp(rgb, axis=2) == 0
    options = {"exif": exif} if words else {}
    if grey.all() or _colours(rgb[~grey]) <= MANY:
        few = image.getchannel(0) if grey.all() else _palette(rgb, grey)
        lossless = _encoded(few, lossless=True, quality=100, **options)
        if len(lossless) <= (large or LARGE):
            return lossless
    return _encoded(image, quality=quality, **options)


def _colours(pixels: np.ndarray) -> int:
    """How many different colours pixels (n, 3) have."""
    there = np.zeros(1 << 24, bool)
    there[pixels @ np.array([1 << 16, 1 << 8, 1])] = True
    return int(np.count_nonzero(there))


def _drawn(fig: Figure) -> Image.Image:
    """The picture of a figure, drawn once and never written as another file."""
    dpi, canvas = fig.dpi, FigureCanvasAgg(fig)
    with mpl.rc_context(STYLE):
        fig.dpi = 96 * SCALE
        try:
            canvas.draw()
        finally:
            fig.dpi = dpi
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


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
    note: Mapping[str, Any] | None = None,
    table: pd.DataFrame | None = None,
    name: str = "data",
) -> Html:
    """A figure for a page: the picture, what it shows in words, where it comes from, its data.

    Args:
        fig: the figure; the book shows how it draws itself for a phone in windows of at
            most ``PHONE`` pixels.
        alt: what the picture shows, for those who cannot see it.
        note: see ``note_text``; None is the figure's own.
        table: data offered as CSV below it.
        name: file name of the CSV, without ``.csv``.

    Raises:
        MrinbError: ``alt`` is empty, or nobody said where the figure comes from.
    """
    if not alt.strip():
        raise MrinbError("a figure needs alternative text: say in alt what the picture shows")
    note = note if note is not None else getattr(fig, "note", None)
    if note is None:
        raise MrinbError("a figure has no note: draw a table of the lab, or pass note")
    parts = (note_text(note, names=True), getattr(fig, "extra", ""))
    words = " | ".join(filter(None, parts))
    source = _for_phones(getattr(fig, "narrow", None), words)
    uri = f"data:image/webp;base64,{base64.b64encode(webp(fig, words)).decode()}"
    width, height = _pixels(fig)
    link = f"<br>{csv_link(table, name)}" if table is not None else ""
    # "dark-light" keeps the book's theme from dimming the picture in the dark.
    look = "mrinb-plot" if mpl.colors.same_color(fig.get_facecolor(), "white") else "mrinb-lightbox"
    return Html(
        f'<figure class="mrinb-figure" style="margin:1em 0"><picture>{source}'
        f'<img class="dark-light {look}" src="{uri}" alt="{html.escape(alt)}" width="{width}" '
        f'height="{height}" style="width:100%;max-width:{width + 160}px;height:auto;'
        f'background:#fff;border-radius:4px"></picture><figcaption class="mrinb-caption">'
        f"{html.escape(words)}{link}</figcaption></figure>",
        f"{alt} ({words})",
    )


def _for_phones(draw: Callable[[], Figure] | None, words: str) -> str:
    """In the book, what its pages show on phones: a file beside them that only phones load."""
    folder, address = os.environ.get("MRINB_SIDECAR_DIR"), os.environ.get("MRINB_SIDECAR_URL")
    if draw is None or not folder or not address:
        return ""
    fig = draw()
    picture = webp(fig, words, **ON_PHONES)
    file = Path(folder) / f"figure-{hashlib.sha256(picture).hexdigest()[:16]}.webp"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(picture)
    width, height = _pixels(fig)
    return (
        f'<source media="(max-width: {PHONE}px)" srcset="{html.escape(address + file.name)}" '
        f'width="{width}" height="{height}">'
    )


def _pixels(fig: Figure) -> tuple[int, int]:
    """Width and height of a figure in pixels of the page."""
    width, height = (round(96 * side) for side in fig.get_size_inches())
    return width, height


def legend(fig: Figure, handles: Sequence[Any], columns: int, **look: Any) -> None:
    """A legend above all panels, in as many columns as fit, at most so many."""
    style = {"loc": "outside upper center", "frameon": False, **look}
    width = fig.get_size_inches()[0] * fig.dpi
    for count in range(columns, 0, -1):
        made = fig.legend(handles=handles, ncols=count, **style)
        if count == 1 or made.get_window_extent().width <= width:
            return
        made.remove()


def spaced(fig: Figure) -> None:
    """Set the room between panels."""
    engine: Any = fig.get_layout_engine()
    engine.set(w_pad=0.06, h_pad=0.06, wspace=0.04, hspace=0.06)


def math(pool: str) -> str:
    """A pool's name with P_best set as in the paper."""
    return pool.replace("P_best", "$P_{\\mathrm{best}}$")


def role_colour(pool: str, order: Sequence[str]) -> str:
    """Colour of a training pool: its role's, or the next free one in the order of all pools."""
    free = [p for p in order if p not in ROLES]
    return ROLES[pool] if pool in ROLES else OTHERS[free.index(pool) % len(OTHERS)]


def wrap(pool: str) -> str:
    """A pool's name broken into short lines."""
    return math("\n".join(textwrap.wrap(pool, 10, break_long_words=False)) or pool)


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
