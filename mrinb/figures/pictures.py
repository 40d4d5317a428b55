"""Slices side by side: galleries, reconstructions, the forward model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mrinb.errors import MrinbError
from mrinb.figures.base import (
    LIGHTBOX,
    PAGE_WIDTH,
    PALE,
    Drawing,
    described,
    drawn,
    inches,
    is_narrow,
    picture,
    words_at,
)


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


@drawn
def reconstructions(
    target: np.ndarray,
    images: Mapping[str, np.ndarray],
    ssim: Mapping[str, float] | None = None,
    zoom: tuple[int, int, int, int] | None = None,
    note: Mapping[str, Any] | None = None,
    *,
    width: float = PAGE_WIDTH,
) -> Drawing:
    """Ground truth beside reconstructions, each with a detail and its error (Figure 1).

    All images share the target's grey scale, all errors one colour scale. A column is an image;
    in a narrow figure it is a row.

    Args:
        target: ground truth (height, width).
        images: reconstruction (height, width) by label, such as narrow, diverse, zero-filled.
        ssim: SSIM by label, computed from the float images.
        zoom: top, left, height and width of the detail; None takes ``detail(target)``.
        note: of the caption.
        width: in inches.

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
    place = zoom or detail(target)
    shown = {"ground truth": target, **images}
    with mpl.rc_context(LIGHTBOX):
        grid = _grid(target.shape, place, len(shown), width)
        fig = Drawing((width, grid.height))
        for text, (x, y) in zip(("image", "detail", "error"), grid.heads, strict=True):
            words_at(fig, x, y, text, rotation=0 if is_narrow(width) else 90, va="center",
                     color=PALE)  # fmt: skip
        for (label, image), (x, y), frames in zip(shown.items(), grid.names, grid.frames,
                                                  strict=True):  # fmt: skip
            join = ", " if is_narrow(width) else "\n"
            score = f"{join}SSIM {ssim[label]:.3f}" if ssim and label in ssim else ""
            words_at(fig, x, y, f"{label}{score}")
            _image(inches(fig, *frames[0]), image, white, place)
            top, left, high, wide = place
            picture(inches(fig, *frames[1]), image[top : top + high, left : left + wide], white)
            if label in errors:
                error = picture(inches(fig, *frames[2]), errors[label], largest, cmap="inferno")
        _error_scale(fig, error, *grid.frames[0][2])
        return described(fig, note)


Frame = tuple[float, float, float, float]
"""Left, top, width and height in inches from a figure's top left corner."""


class _Grid(NamedTuple):
    """Where the parts of ``reconstructions`` stand, in inches.

    Attributes:
        height: of the figure.
        heads: middles of the words for image, detail and error.
        names: middles of the images' names.
        frames: of each image, its detail and its error.
    """

    height: float
    heads: list[tuple[float, float]]
    names: list[tuple[float, float]]
    frames: list[list[Frame]]


def _grid(shape: tuple[int, ...], zoom: Sequence[int], count: int, width: float) -> _Grid:
    """Columns of images, or rows of them where the figure is narrow."""
    ratio, near, gap = shape[0] / shape[1], zoom[2] / zoom[3], 0.06
    if not is_narrow(width):
        names, side = 0.4, 0.3
        cell = min((width - side - 0.05) / count, 2.4)
        sizes = [ratio * cell, near * cell, ratio * cell]
        tops = [names + sum(sizes[:i]) + i * gap for i in range(3)]
        lefts = [side + i * cell for i in range(count)]
        frames = [[(x, y, cell - gap, (cell - gap) * size / cell)
                   for y, size in zip(tops, sizes, strict=True)] for x in lefts]  # fmt: skip
        heads = [(0.16, y + size / 2 - 0.125) for y, size in zip(tops, sizes, strict=True)]
        return _Grid(tops[2] + sizes[2] + gap, heads, [(x + cell / 2, 0.06) for x in lefts], frames)
    head, name = 0.25, 0.24
    cell = (width - 0.1 - 2 * gap) / 3
    lefts = [0.05 + i * (cell + gap) for i in range(3)]
    tall = name + max(ratio, near) * cell + gap
    tops = [head + i * tall for i in range(count)]
    columns = list(zip(lefts, (ratio, near, ratio), strict=True))
    frames = [[(x, y + name, cell, cell * size) for x, size in columns] for y in tops]
    heads = [(x + cell / 2, 0.0) for x in lefts]
    return _Grid(head + count * tall, heads, [(width / 2, y + 0.04) for y in tops], frames)


def _image(ax: Axes, image: np.ndarray, white: float, zoom: Sequence[int]) -> None:
    """A whole image with its detail framed."""
    top, left, high, wide = zoom
    picture(ax, image, white)
    foot = image.shape[0] - top - high  # rows are turned for display
    ax.add_patch(Rectangle((left - 0.5, foot - 0.5), wide, high, fill=False, ec="#ffd23f", lw=1.1))


def _error_scale(
    fig: Figure, shown: Any, left: float, top: float, width: float, height: float
) -> None:
    """The errors' colour bar, in the place of the ground truth's error, which has none."""
    ax = inches(fig, left + 0.12, top + height / 2 - 0.08, width - 0.24, 0.13)
    bar = Colorbar(ax, shown, orientation="horizontal", extend="max")
    bar.locator = MaxNLocator(3 if width > 1.5 else 2)
    bar.update_ticks()
    bar.outline.set_visible(False)
    ax.tick_params(axis="x", color=PALE)
    words = "absolute error\n(white is 1)"
    words_at(fig, left + width / 2, top + height / 2 - 0.48, words)
