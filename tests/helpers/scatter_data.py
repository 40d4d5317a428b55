"""A small scatter whose pixels are known."""

from collections.abc import Callable

import numpy as np

from mrinb.widgets import Line, Point, ScatterData

TRAININGS = ["P_best", "P", "P, size of P_best", "P+Q"]
EPOCHS = {"U-net": 30, "ViT": 12}
SHAPES = [(8, 10), (12, 6)]  # of the two slices
TRUTH = [100, 120]


def level(number: int, slice_index: int) -> int:
    """The 8-bit value of a point's image, in every row but one."""
    return 30 + 5 * number + slice_index


def image(slice_index: int, value: int) -> np.ndarray:
    """A grey slice whose last stored row, shown first, is white."""
    out = np.full(SHAPES[slice_index], value / 255, np.float32)
    out[-1] = 1
    return out


def point(number: int, training: str, model: str, size: str, epoch: int, seed: int) -> Point:
    t, late = TRAININGS.index(training), epoch / EPOCHS[model]
    x = (
        0.8
        + 0.05 * (model == "ViT")
        + 0.03 * late
        + 0.004 * t
        + 0.01 * seed
        - 0.02 * (size != "full")
    )
    images = tuple(image(s, level(number, s)) for s in range(2))
    scores = (number / 100, 0.5 + number / 100)
    y = 0.5 + 0.1 * t + x / 10
    return Point(x, y, training, model, size, epoch, EPOCHS[model], seed, images, scores)


def points() -> list[Point]:
    """18 points: two checkpoints of each training set and model, a second seed, a quarter set."""
    rows = [
        (training, model, "full", epochs // (2 - last), 0)
        for training in TRAININGS
        for model, epochs in EPOCHS.items()
        for last in (0, 1)
    ]
    rows += [("P_best", "U-net", "full", 30, 1), ("P", "U-net", "quarter", 30, 0)]
    return [point(number, *row) for number, row in enumerate(rows)]


def scatter_data(change: Callable[[Point], Point] = lambda p: p) -> ScatterData:
    """The points with the lines they lie on.

    Args:
        change: applied to every point.
    """
    lines = [Line(name, 0.1, 0.5 + 0.1 * t, 0.8, 0.88) for t, name in enumerate(TRAININGS)]
    return ScatterData(
        [change(p) for p in points()],
        [image(s, value) for s, value in enumerate(TRUTH)],
        ["knee, slice 3", "brain, slice 5"],
        lines,
        vmax=[1.0, 1.0],
        notes=["Simulated data", "key 12ab"],
    )
