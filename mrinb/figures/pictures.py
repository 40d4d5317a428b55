"""Slices side by side: galleries, reconstructions, the forward model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from matplotlib.ticker import MaxNLocator

from mrinb.catalogue import EVERY
from mrinb.errors import MrinbError
from mrinb.figures.base import (
    LINE,
    MUTED,
    PAGE_WIDTH,
    STAMP,
    STYLE,
    inches,
    picture,
    stamp,
    words_at,
)


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
    for name in [*(d for d in EVERY if d in images), *images]:
        group = groups.setdefault(name.split("/")[0], [])
        if name not in group:
            group.append(name)
    groups = {anatomy: names for anatomy, names in groups.items() if names}
    rows = 2 if len(images) > 4 else 1
    columns = {anatomy: -(-len(names) // rows) for anatomy, names in groups.items()}
    gap, head = 0.22, 0.3
    space = PAGE_WIDTH - 0.1 - gap * (len(groups) - 1)
    cell = min(space / sum(columns.values()), 1.7)
    cell_height = 0.2 + cell + 2 * LINE + 0.08
    with mpl.rc_context(STYLE):
        fig = Figure((PAGE_WIDTH, head + rows * cell_height + STAMP))
        left = 0.05 + (space - cell * sum(columns.values())) / 2
        for anatomy, names in groups.items():
            width = cell * columns[anatomy]
            view = {EVERY[n].view for n in names if n in EVERY}
            title = f"{anatomy}, {view.pop()} view" if len(view) == 1 else anatomy
            words_at(fig, left + width / 2, 0.08, title, fontweight="bold", fontsize=9.5)
            for i, name in enumerate(names):
                row, column = divmod(i, columns[anatomy])
                x, y = left + column * cell, head + row * cell_height
                above, below = _captions(name)
                words_at(fig, x + cell / 2, y, above)
                ax = inches(fig, x + 0.02, y + 0.18, cell - 0.04, cell - 0.04)
                picture(ax, images[name])
                words_at(fig, x + cell / 2, y + 0.18 + cell, below)
            left += width + gap
        return stamp(fig, note)


def _captions(name: str) -> tuple[str, str]:
    """Words above and below an image of the gallery."""
    if name in EVERY:
        known = EVERY[name]
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
    with mpl.rc_context(STYLE):
        fig = Figure((PAGE_WIDTH, names + tall + near + tall + 3 * gap + STAMP))
        starts = (names, names + tall + gap, names + tall + near + 2 * gap)
        for text, start, size in zip(("image", "detail", "error"), starts, (tall, near, tall),
                                     strict=True):  # fmt: skip
            words_at(fig, 0.16, start + size / 2 - 0.125, text, rotation=90, va="center",
                   color=MUTED)  # fmt: skip
        for i, (label, image) in enumerate(columns.items()):
            x = side + i * cell
            score = f"\nSSIM {ssim[label]:.3f}" if ssim and label in ssim else ""
            words_at(fig, x + cell / 2, 0.06, f"{label}{score}")
            ax = inches(fig, x, starts[0], cell - gap, tall - gap * tall / cell)
            picture(ax, image, white)
            foot = target.shape[0] - top - high  # rows are turned for display
            ax.add_patch(Rectangle((left - 0.5, foot - 0.5), wide, high, fill=False, ec="#ffd23f",
                                   lw=1.1))  # fmt: skip
            ax = inches(fig, x, starts[1], cell - gap, near - gap * near / cell)
            picture(ax, image[top : top + high, left : left + wide], white)
            if label in errors:
                ax = inches(fig, x, starts[2], cell - gap, tall - gap * tall / cell)
                shown = picture(ax, errors[label], largest, cmap="inferno")
        _error_scale(fig, shown, side, starts[2], cell - gap, tall)
        return stamp(fig, note)


def _error_scale(
    fig: Figure, shown: Any, left: float, top: float, width: float, height: float
) -> None:
    """The errors' colour bar, in the place below the ground truth, which has no error."""
    ax = inches(fig, left + 0.12, top + height / 2 - 0.08, width - 0.3, 0.13)
    bar = Colorbar(ax, shown, orientation="horizontal", extend="max")
    bar.locator = MaxNLocator(3 if width > 1.5 else 2)
    bar.update_ticks()
    bar.outline.set_visible(False)
    ax.tick_params(axis="x", color=MUTED)
    words = "absolute error\n(white is 1)"
    words_at(fig, left + width / 2, top + height / 2 - 0.48, words)


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
    with mpl.rc_context(STYLE):
        fig = Figure((PAGE_WIDTH, 0.05 + 2 * tall + STAMP))
        last: Axes | None = None
        for i, (words, symbol, image, top, look) in enumerate(panels):
            row, column = divmod(i, across)
            # The second row is centred below the first.
            shift = row * (cell + gap) * (2 * across - len(panels)) / 2
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
        return stamp(fig, note)


def _arrow(fig: Figure, before: Axes, after: Axes) -> None:
    fig.add_artist(
        ConnectionPatch(
            (1.03, 0.5), (-0.03, 0.5), coordsA="axes fraction", coordsB="axes fraction",
            axesA=before, axesB=after, arrowstyle="-|>", color=MUTED, lw=1.2, mutation_scale=11,
        )
    )  # fmt: skip
