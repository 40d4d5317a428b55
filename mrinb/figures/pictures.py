"""Slices side by side: galleries, reconstructions, the forward model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from mrinb.errors import MrinbError
from mrinb.figures.base import (
    MUTED,
    PAGE_WIDTH,
    STAMP,
    STYLE,
    inches,
    picture,
    stamp,
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
