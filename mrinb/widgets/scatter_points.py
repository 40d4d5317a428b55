"""What a scatter shows: trained models as points, their images, fitted lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mrinb.errors import MrinbError
from mrinb.widgets.host import one_of

SIZES = {"full": "full set", "quarter": "quarter of the set"}
EARLY = "early"


class Point(NamedTuple):
    """One checkpoint of one training, and what it makes of the shown slices.

    Attributes:
        x: its score on the test set of ``P_best``.
        y: its score on the test set of ``Q``.
        training: the training set: ``"P_best"``, ``"P"``, ``"P, size of P_best"``, ``"P+Q"``, each
            with a colour of its own, or another name.
        model: the model's name as readers see it: U-net, ViT, VarNet, or another.
        size: ``"full"`` or ``"quarter"`` of the training set.
        epoch: the epochs behind this checkpoint.
        epochs: the epochs of the whole training.
        seed: the training's seed.
        images: one reconstruction a shown slice, each float ``(height, width)``, upside down as
            fastMRI stores them.
        scores: SSIM of each image, from the float values.
    """

    x: float
    y: float
    training: str
    model: str
    size: str
    epoch: int
    epochs: int
    seed: int
    images: Sequence[np.ndarray]
    scores: Sequence[float]

    @property
    def key(self) -> str:
        """The name under which the point stands in a page's address; each point has its own."""
        return "/".join(
            (self.training, self.model, self.size, f"seed {self.seed}", f"epoch {self.epoch}")
        )

    @property
    def series(self) -> tuple[str, str, str]:
        """What the points of one series have in common."""
        return self.training, self.model, self.size

    @property
    def words(self) -> str:
        """What the point is, in one line."""
        return (
            f"{self.training}, {self.model}, {SIZES[self.size]}, "
            f"epoch {self.epoch} of {self.epochs}, seed {self.seed}"
        )


class Line(NamedTuple):
    """A straight line fitted to the points of one training set.

    Attributes:
        training: the training set.
        slope: change of y for one of x.
        intercept: y at x = 0.
        low: the smallest x that it was fitted to, where the drawn line begins.
        high: the largest.
    """

    training: str
    slope: float
    intercept: float
    low: float
    high: float


@dataclass(frozen=True)
class ScatterData:
    """Everything a scatter shows.

    Attributes:
        points: the trained models, in the order of the legend.
        targets: the ground truth of each shown slice, each ``(height, width)``, upside down as
            fastMRI stores them; slices may differ in shape.
        slice_labels: what each slice is, such as ``"P_best: knee/PD-Skyra, slice 12"``.
        lines: fitted lines, at most one a training set.
        vmax: the value shown white in each slice; the target's largest where not given.
        x_label: the horizontal axis.
        y_label: the vertical axis.
        baseline: the training set whose line says what a score on Q is measured against.
        notes: where numbers and pictures come from: simulated or real, profile, seeds, key.
    """

    points: Sequence[Point]
    targets: Sequence[np.ndarray]
    slice_labels: Sequence[str]
    lines: Sequence[Line] = ()
    vmax: Sequence[float] | None = None
    x_label: str = "SSIM on P_best"
    y_label: str = "SSIM on Q"
    baseline: str = "P_best"
    notes: Sequence[str] = ()

    def white(self) -> list[float]:
        """Return the value shown white in each slice."""
        given = [np.max(target) for target in self.targets] if self.vmax is None else self.vmax
        return [float(value) for value in given]

    def factor(self, name: str) -> list[Any]:
        """Return the values that the points have of one of their attributes, first seen first.

        Args:
            name: the attribute.
        """
        return list(dict.fromkeys(getattr(point, name) for point in self.points))

    def check(self) -> None:
        """Refuse what could not be shown, before anything is drawn.

        Raises:
            MrinbError: naming the point or field and what is wrong with it.
        """
        if not self.points or not self.targets:
            raise MrinbError("a scatter needs at least one point and one slice")
        if len(self.slice_labels) != len(self.targets):
            raise MrinbError(f"slice_labels must be {len(self.targets)}, one a target")
        for label, target in zip(self.slice_labels, self.targets, strict=True):
            if np.ndim(target) != 2 or not np.isfinite(target).all():
                raise MrinbError(f"target {label!r} must be (height, width) without NaN")
        white = self.white()
        if len(white) != len(self.targets) or not all(value > 0 for value in white):
            raise MrinbError(f"vmax must be {len(self.targets)} positive numbers")
        for point in self.points:
            check_point(point, self.targets)
        keys = [point.key for point in self.points]
        for key in set(keys):
            if keys.count(key) > 1:
                raise MrinbError(f"two points are {key!r}: give them other seeds or epochs")
        check_names(self)
        check_lines(self)


def check_point(point: Point, targets: Sequence[np.ndarray]) -> None:
    """Refuse a point whose numbers or images cannot be shown.

    Args:
        point: the point.
        targets: the ground truths that its images must fit.

    Raises:
        MrinbError: naming the point and what is wrong with it.
    """
    one_of("training set size", point.size, list(SIZES))
    if not np.isfinite([point.x, point.y]).all():
        raise MrinbError(f"point {point.key!r}: x and y must be numbers")
    if not 1 <= point.epoch <= point.epochs:
        raise MrinbError(f"point {point.key!r}: epoch must be 1 to {point.epochs}")
    for what, values in {"images": point.images, "scores": point.scores}.items():
        if len(values) != len(targets):
            raise MrinbError(f"point {point.key!r} needs {len(targets)} {what}, one a target")
    for image, target in zip(point.images, targets, strict=True):
        if np.shape(image) != np.shape(target):
            shapes = f"{np.shape(image)}, the target {np.shape(target)}"
            raise MrinbError(f"point {point.key!r}: an image is {shapes}")
        if not np.isfinite(image).all():
            raise MrinbError(f"point {point.key!r}: an image contains NaN or infinity")


def check_names(data: ScatterData) -> None:
    """Refuse names that the legend could not tell apart.

    Args:
        data: the scatter.

    Raises:
        MrinbError: naming the training set or model.
    """
    names = [*data.factor("training"), *data.factor("model"), *SIZES, EARLY]
    for name in names:
        if names.count(name) > 1 or "|" in name or not name:
            raise MrinbError(f"{name!r} cannot be the name of a training set or model here")


def check_lines(data: ScatterData) -> None:
    """Refuse lines that cannot be drawn.

    Args:
        data: the scatter.

    Raises:
        MrinbError: naming the line and what is wrong with it.
    """
    trainings = data.factor("training")
    seen = [line.training for line in data.lines]
    for line in data.lines:
        one_of("training set of a line", line.training, trainings)
        if seen.count(line.training) > 1:
            raise MrinbError(f"{line.training!r} has two lines")
        if not np.isfinite(line[1:]).all() or line.low > line.high:
            raise MrinbError(f"the line of {line.training!r} needs numbers, low before high")
