"""Figures of Chapter 2: gallery, spectra, the forward model, Table 1."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from mrinb.catalogue import DATASETS, EVERY, Dataset
from mrinb.errors import MrinbError
from mrinb.figures.base import (
    LIGHTBOX,
    LINE,
    PAGE_WIDTH,
    PALE,
    RULE,
    STYLE,
    Drawing,
    Html,
    described,
    drawn,
    inches,
    is_narrow,
    legend,
    picture,
    spaced,
    words_at,
)
from mrinb.labels import OTHERS

FOLLOWS = "follows"
"""What Table 1 says of a dataset that the book does not have yet."""


@drawn
def gallery(
    images: Mapping[str, np.ndarray],
    note: Mapping[str, Any] | None = None,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """One image of each distribution: brains left, knees right (Figure 2).

    The contrast stands above an image, the scanner below.

    Args:
        images: image (height, width) by distribution name; each is shown up to its own 99.5th
            percentile.
        note: of the caption.
        width: in inches.

    Raises:
        MrinbError: there is no image.
    """
    if not images:
        raise MrinbError("a gallery needs at least one image")
    groups: dict[str, list[str]] = {"brain": [], "knee": []}
    for name in [*(d for d in EVERY if d in images), *images]:
        group = groups.setdefault(name.split("/")[0], [])
        if name not in group:
            group.append(name)
    groups = {anatomy: names for anatomy, names in groups.items() if names}
    gap, head = 0.22, 0.3
    with mpl.rc_context(LIGHTBOX):
        if is_narrow(width):  # anatomies below each other
            cell, left, top = (width - 0.1) / 4, 0.05, 0.0
            rows = [-(-len(names) // 4) for names in groups.values()]
            fig = Drawing((width, len(rows) * head + sum(rows) * _tall(cell)))
            for (anatomy, names), count in zip(groups.items(), rows, strict=True):
                _group(fig, anatomy, {n: images[n] for n in names}, (left, top), 4, cell)
                top += head + count * _tall(cell)
            return described(fig, note)
        deep = 2 if len(images) > 4 else 1
        columns = {anatomy: -(-len(names) // deep) for anatomy, names in groups.items()}
        space = width - 0.1 - gap * (len(groups) - 1)
        cell = min(space / sum(columns.values()), 1.7)
        fig = Drawing((width, head + deep * _tall(cell)))
        left = 0.05 + (space - cell * sum(columns.values())) / 2
        for anatomy, names in groups.items():
            _group(fig, anatomy, {n: images[n] for n in names}, (left, 0.0), columns[anatomy], cell)
            left += cell * columns[anatomy] + gap
        return described(fig, note)


def _tall(cell: float) -> float:
    """Height of an image of the gallery with its words."""
    return 0.2 + cell + 2 * LINE + 0.08


def _group(
    fig: Drawing, anatomy: str, images: Mapping[str, np.ndarray], corner: tuple[float, float],
    columns: int, cell: float,
) -> None:  # fmt: skip
    """The images of one anatomy below its name."""
    left, top = corner
    view = {EVERY[n].view for n in images if n in EVERY}
    title = f"{anatomy}, {view.pop()} view" if len(view) == 1 else anatomy
    words_at(fig, left + cell * columns / 2, top + 0.08, title, fontweight="bold", fontsize=9.5)
    left += cell * max(columns - len(images), 0) / 2
    for i, (name, image) in enumerate(images.items()):
        row, column = divmod(i, columns)
        x, y = left + column * cell, top + 0.3 + row * _tall(cell)
        above, below = _captions(name)
        words_at(fig, x + cell / 2, y, above)
        picture(inches(fig, x + 0.02, y + 0.18, cell - 0.04, cell - 0.04), image)
        words_at(fig, x + cell / 2, y + 0.18 + cell, below)


def _captions(name: str) -> tuple[str, str]:
    """Words above and below an image of the gallery."""
    if name in EVERY:
        known = EVERY[name]
        return known.contrast, f"{known.scanner.name}\n{known.scanner.field_t:g} T"
    contrast, _, scanner = name.partition("/")[2].partition("-")
    return contrast or name, scanner


@drawn
def forward_model(
    steps: Mapping[str, np.ndarray],
    note: Mapping[str, Any] | None = None,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Equation 1 step by step, from the image to its zero-filled reconstruction.

    Args:
        steps: arrays of the exhibit ``forward_model``: ``target`` (height, width), ``coils`` and
            ``phases`` (coils, height, width), ``kspace`` log-magnitudes (coils, height, width),
            ``lines`` (width,), ``zero_filled`` (height, width) and, if known, its
            ``zero_filled_ssim``; if there is one, a ``network``'s image (height, width) and its
            ``ssim``.
        note: of the caption.
        width: in inches.

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
    zero = "zero-filled, all coils"
    if "zero_filled_ssim" in steps:
        zero = f"zero-filled, SSIM {float(steps['zero_filled_ssim']):.3f}"
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
        (zero, r"$\sqrt{\Sigma_i\,|\mathbf{F}^{-1}\mathbf{y}_i|^2}$",
         np.asarray(steps["zero_filled"], float), white, {}),
    ]  # fmt: skip
    if "network" in steps:
        words, symbol = "a network's image", rf"SSIM {float(steps['ssim']):.3f}"
        panels.append((words, symbol, np.asarray(steps["network"], float), white, {}))
    across, gap, title, formula = 2 if is_narrow(width) else 4, 0.32, 0.26, 0.46
    cell = (width - 0.2 - gap * (across - 1)) / across
    tall = title + cell + formula
    rows = -(-len(panels) // across)
    with mpl.rc_context(LIGHTBOX):
        fig = Drawing((width, 0.05 + rows * tall))
        last: Axes | None = None
        for i, (words, symbol, image, top, look) in enumerate(panels):
            row, column = divmod(i, across)
            # The last row is centred below the others.
            shift = (row == rows - 1) * (cell + gap) * (rows * across - len(panels)) / 2
            x, y = 0.1 + shift + column * (cell + gap), 0.05 + row * tall
            words_at(fig, x + cell / 2, y + 0.05, words)
            ax = inches(fig, x, y + title, cell, cell)
            if image.shape[0] != image.shape[1] and (image is kspace or look is plain):
                look = {**look, "aspect": "auto"}  # k-space has no square pixels to keep
            picture(ax, image, top, **look)
            words_at(fig, x + cell / 2, y + title + cell + 0.15, symbol, fontsize=11)
            if last is not None and column:
                _arrow(fig, last, ax)
            last = ax
        return described(fig, note)


def _arrow(fig: Figure, before: Axes, after: Axes) -> None:
    fig.add_artist(
        ConnectionPatch(
            (1.03, 0.5), (-0.03, 0.5), coordsA="axes fraction", coordsB="axes fraction",
            axesA=before, axesB=after, arrowstyle="-|>", color=PALE, lw=1.2, mutation_scale=11,
        )
    )  # fmt: skip


@drawn
def spectrum(
    statistics: Mapping[str, Mapping[str, np.ndarray]],
    note: Mapping[str, Any] | None = None,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Radial power spectra and intensity histograms side by side, such as simulated against real.

    Args:
        statistics: by label, the arrays of the exhibit ``spectrum``: ``frequency`` in cycles per
            pixel and relative ``power`` (bins,), ``edges`` (bins + 1,) and ``density`` (bins,).
        note: of the caption.
        width: in inches.

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
    panels = (2, 1) if is_narrow(width) else (1, 2)
    columns = 3 // panels[0]
    rows = -(-len(statistics) // columns)
    with mpl.rc_context(STYLE):
        fig = Drawing((width, 3.0 * panels[0] + 0.19 * rows), layout="constrained")
        spaced(fig)
        left, right = fig.subplots(*panels)
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
        legend(fig, left.get_legend_handles_labels()[0], columns, handlelength=2.6)
        return described(fig, note)


def table1(datasets: Iterable[Dataset] = DATASETS) -> Html:
    """Table 1 as printed, and what of it this book has.

    Args:
        datasets: rows of the catalogue.
    """
    rows = list(datasets)
    heads = ("dataset", "anatomy", "view", "contrast", "vendor", "magnet", "coils",
             "volumes / subjects", "slices", "here")  # fmt: skip
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
        dataset.coils, dataset.volumes, dataset.slices,
    )  # fmt: skip
    listed = _coverage(dataset)
    count = listed if listed == FOLLOWS else listed.split()[0]
    row = "".join(f"<td>{html.escape(c)}</td>" for c in (*cells, count))
    more = f'<tr class="mrinb-more"><td colspan="{len(cells) + 2}">{html.escape(listed)}</td></tr>'
    name = html.escape(dataset.name)
    return f'<tr><th scope="row">{name}</th>{row}</tr>' + more * (listed != FOLLOWS)


def _coverage(dataset: Dataset) -> str:
    """Which distributions of the catalogue stand for a dataset."""
    found = dataset.distributions
    if not found:
        return FOLLOWS
    contrasts: dict[str, list[str]] = {}
    for d in found:
        contrasts.setdefault(d.contrast, []).append(d.scanner.name)
    listed = "; ".join(f"{c} on {', '.join(s)}" for c, s in contrasts.items())
    return f"{len(found)} distributions: {listed}"
