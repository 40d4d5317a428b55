"""The scatter: trained models as points, and the reconstructions behind whichever is picked."""

from __future__ import annotations

import base64
import html
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import traitlets

from mrinb.errors import MrinbError
from mrinb.models import MODELS
from mrinb.widgets.host import (
    Sidecars,
    StoredWidget,
    figure_html,
    module_source,
    one_of,
    preview_png,
    shared,
    sheet,
    style_source,
    to_uint8,
    upright,
)

GAINS = (2, 5, 10, 20)
SIZES = {"full": "full set", "quarter": "quarter of the set"}
EARLY = "early"

ROLES = {"P_best": "narrow", "P": "diverse", "P, size of P_best": "same-size", "P+Q": "both"}
COLOURS = {
    "narrow": "#7a3e9d",
    "diverse": "#e07b1a",
    "same-size": "#f5bf85",
    "both": "#35b3a2",
    "other-0": "#b8366f",
    "other-1": "#5f7f1e",
    "other-2": "#0091c8",
    "other-3": "#8c5a2b",
}
"""Colour by role of the training set, as in the book's figures; the style sheet has a dark set."""
OTHERS = 4  # roles for training sets that are not the paper's

CIRCLE = "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0Z"
OUTLINES = {
    "o": CIRCLE, "s": "M-.9-.9H.9V.9H-.9Z", "^": "M0-1.25L1.15.85H-1.15Z",
    "D": "M0-1.3L1.3 0L0 1.3L-1.3 0Z", "v": "M0 1.25L1.15-.85H-1.15Z",
}  # fmt: skip
"""Outlines of models' marks, of about unit radius, for the path element."""
OTHER_SHAPES = (OUTLINES["D"], OUTLINES["v"])

WIDTH, HEIGHT = 400, 350  # of the plot, in its own units
LEFT, RIGHT, TOP, BOTTOM = 60, 10, 10, 44  # what surrounds its frame


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


class Scatter(StoredWidget):
    """Pick a point of the scatter and see the reconstructions behind it.

    Args:
        data: the points, their images and the fitted lines.
        **initial: first values of the state: ``picked`` and ``pinned`` (a point's number or key;
            None pins nothing), ``hidden`` (names of training sets, models, sizes, or ``"early"``
            for all checkpoints but the last), ``error_map``, ``gain``, ``large``, and ``name``,
            under which the state stands in the page's address.

    Without ``picked`` and ``pinned``, a full training on P is picked, beside one on the baseline,
    of the seed whose gain on Q is the median.
    The images of all but these two points go to sidecars, one a series, where the environment
    names a place for them (see `Sidecars`); else they are in the page.
    """

    module = "scatter"
    _esm = module_source("scatter")
    _css = style_source()

    exhibit = shared(traitlets.Dict())
    picked = shared(traitlets.Int(0))
    pinned = shared(traitlets.Int(-1))
    hidden = shared(traitlets.Unicode())
    error_map = shared(traitlets.Bool(False))
    gain = shared(traitlets.Int(5))
    large = shared(traitlets.Bool(False))

    def __init__(self, data: ScatterData, **initial: Any) -> None:
        data.check()
        state = first_state(data, initial)
        self._data = data
        first = [number for number in (state["pinned"], state["picked"]) if number >= 0]
        state["exhibit"] = pack(data, Sidecars.from_environment(), list(dict.fromkeys(first)))
        super().__init__(**state)

    def still(self) -> str:
        """Return what is shown where no script runs: the plot, one point's images, all numbers."""
        data, point = self._data, self._data.points[self.picked]
        drawing = base64.b64encode(plot_svg(data, self.picked).encode()).decode()
        counts = ", ".join(
            f"{sum(point.training == name for point in data.points)} trained on {name}"
            for name in data.factor("training")
        )
        about = f"{data.y_label} against {data.x_label} of {len(data.points)} models: {counts}."
        scores = ", ".join(
            f"{label} (SSIM {score:.3f})"
            for label, score in zip(data.slice_labels, point.scores, strict=True)
        )
        alt = f"Ground truth left, reconstruction right, by {point.words}, of: {scores}."
        return (
            figure_html(f"data:image/svg+xml;base64,{drawing}", about, 560, "; ".join(data.notes))
            + figure_html(preview_png(strip(data, point)), alt, 420, alt)
            + f"<details><summary>All points</summary>{table_html(data)}</details>"
        )


def first_state(data: ScatterData, initial: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid first values of the state, what is not given filled in.

    Args:
        data: the scatter.
        initial: what the caller wants.

    Raises:
        MrinbError: naming what does not exist, and what does.
    """
    state: dict[str, Any] = {"name": "scatter", "picked": None, "pinned": None, "hidden": ()}
    for key, value in initial.items():
        one_of("scatter setting", key, [*state, "error_map", "gain", "large"])
        state[key] = value
    if "picked" not in initial:
        state["picked"] = counterpart(data, "P", typical_seed(data))
    if "pinned" not in initial and data.baseline in data.factor("training"):
        state["pinned"] = counterpart(data, data.baseline, typical_seed(data))
    state["picked"] = number_of(data, state["picked"])
    state["pinned"] = -1 if state["pinned"] is None else number_of(data, state["pinned"])
    if state["pinned"] == state["picked"]:
        state["pinned"] = -1
    if isinstance(state["hidden"], str):
        raise MrinbError("hidden must be a list of names")
    names = [*data.factor("training"), *data.factor("model"), *SIZES, EARLY]
    wanted = [one_of("series to hide", name, names) for name in state["hidden"]]
    state["hidden"] = "|".join(name for name in names if name in wanted)
    if state.get("gain", GAINS[0]) not in GAINS:
        raise MrinbError(f"gain must be one of {', '.join(map(str, GAINS))}")
    return state


def typical_seed(data: ScatterData) -> int:
    """Return the seed whose gain on Q of P over the baseline is the median of all seeds."""
    first = data.factor("model")[0]
    ends = {
        (p.training, p.seed): p.y
        for p in data.points
        if (p.model, p.size, p.epoch) == (first, "full", p.epochs)
    }
    gains = sorted(
        (y - ends[data.baseline, seed], seed)
        for (training, seed), y in ends.items()
        if training == "P" and (data.baseline, seed) in ends
    )
    return gains[(len(gains) - 1) // 2][1] if gains else min(p.seed for p in data.points)


def counterpart(data: ScatterData, training: str, seed: int) -> int:
    """Return the number of a training set's plainest point: first model, full set, all epochs.

    Args:
        data: the scatter.
        training: the training set; the first one where it has no points.
        seed: the seed, where it has one.
    """
    models = data.factor("model")

    def plainness(number: int) -> tuple[bool, bool, int, bool, bool, int]:
        p = data.points[number]
        early, other = p.epoch < p.epochs, p.seed != seed
        model = models.index(p.model)
        return p.training != training, p.size != "full", model, early, other, p.seed

    return min(range(len(data.points)), key=plainness)


def number_of(data: ScatterData, point: int | str) -> int:
    """Return a point's number.

    Args:
        data: the scatter.
        point: its number or key.

    Raises:
        MrinbError: where there is no such point.
    """
    if isinstance(point, str):
        keys = [p.key for p in data.points]
        return keys.index(one_of("point", point, keys))
    if not 0 <= point < len(data.points):
        raise MrinbError(f"point {point} does not exist: there are {len(data.points)}")
    return int(point)


# --- what the browser gets ------------------------------------------------------------------------


def pack(data: ScatterData, sidecars: Sidecars | None, first: Sequence[int]) -> dict[str, Any]:
    """Return the scatter as the browser gets it.

    Args:
        data: the scatter.
        sidecars: where the images of points that are not seen first go; None keeps them in the
            page.
        first: numbers of the points that are seen first.
    """
    white, stages, box = data.white(), stages_of(data.points), frame(data)
    groups = group(data.points, first)
    places = {number: (g, row) for g, members in enumerate(groups) for row, number in
              enumerate(members)}  # fmt: skip
    pieces = []
    for g, members in enumerate(groups):
        sheets = {
            str(s): sheet(np.stack([data.points[number].images[s] for number in members]),
                          np.full(len(members), white[s]))
            for s in range(len(data.targets))
        }  # fmt: skip
        inline = g == 0 or sidecars is None
        pieces.append({"sheets": sheets} if inline or sidecars is None else sidecars.write(sheets))
    targets = [
        sheet(np.asarray(target)[None], np.array([top]))
        for target, top in zip(data.targets, white, strict=True)
    ]
    return {
        "points": [
            {
                **pack_point(point, stages[number], places[number]),
                "at": place(box, point.x, point.y),
            }
            for number, point in enumerate(data.points)
        ],
        "groups": pieces,
        "truth": {"sheets": {str(s): uri for s, uri in enumerate(targets)}},
        "slices": [
            {"label": label, "height": int(target.shape[0]), "width": int(target.shape[1])}
            for label, target in zip(data.slice_labels, data.targets, strict=True)
        ],
        "roles": roles(data.factor("training")),
        "shapes": shapes(data.factor("model")),
        "sizes": {size: words for size, words in SIZES.items() if size in data.factor("size")},
        "lines": [{**line._asdict(), "path": segment(line, box)} for line in data.lines],
        "frame": pack_frame(box),
        "gains": list(GAINS),
        "labels": [data.x_label, data.y_label],
        "baseline": data.baseline,
        "notes": list(data.notes),
    }


def pack_point(point: Point, stage: int, place: tuple[int, int]) -> dict[str, Any]:
    """Return one point as the browser gets it.

    Args:
        point: the point.
        stage: see `stages_of`.
        place: the group of its images and the row within each of the group's sheets.
    """
    fields = ("training", "model", "size", "epoch", "epochs", "seed", "key", "words")
    return {
        **{name: getattr(point, name) for name in fields},
        "x": round(float(point.x), 6),
        "y": round(float(point.y), 6),
        "r": radius(point),
        "stage": stage,
        "group": place[0],
        "row": place[1],
        "scores": [round(float(s), 5) if np.isfinite(s) else None for s in point.scores],
    }


def pack_frame(box: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plot's frame as the browser gets it, ticks where they are drawn.

    Args:
        box: the plot's frame.
    """
    ticks = {
        "x": [[place(box, value, 0)[0], text] for value, text in box["x"]["ticks"]],
        "y": [[place(box, 0, value)[1], text] for value, text in box["y"]["ticks"]],
    }
    return {**{name: box[name] for name in box if name not in ticks}, "ticks": ticks}


def group(points: Sequence[Point], first: Sequence[int]) -> list[list[int]]:
    """Return the points' numbers in groups that are loaded together: those seen first, each series.

    Args:
        points: the points.
        first: numbers of the points that are seen first.
    """
    series: dict[tuple[str, str, str], list[int]] = {}
    for number, point in enumerate(points):
        if number not in first:
            series.setdefault(point.series, []).append(number)
    return [list(first), *series.values()]


def stages_of(points: Sequence[Point]) -> list[int]:
    """Return how many checkpoints of its series come after each point: 0 for the last.

    Checkpoints of models with different numbers of epochs are matched by it.

    Args:
        points: the points.
    """
    epochs: dict[tuple[str, str, str], set[int]] = {}
    for point in points:
        epochs.setdefault(point.series, set()).add(point.epoch)
    return [sum(epoch > point.epoch for epoch in epochs[point.series]) for point in points]


def roles(trainings: Iterable[str]) -> dict[str, str]:
    """Return the role, and with it the colour, of each training set.

    Args:
        trainings: their names.
    """
    return _marked(trainings, ROLES, [f"other-{i}" for i in range(OTHERS)])


def shapes(models: Iterable[str]) -> dict[str, str]:
    """Return the outline of each model's marks.

    Args:
        models: their names for readers.
    """
    known = {model.label: OUTLINES[model.mark] for model in MODELS.values()}
    return _marked(models, known, OTHER_SHAPES)


def _marked(
    names: Iterable[str], known: Mapping[str, str], others: Sequence[str]
) -> dict[str, str]:
    """Give each name its own mark, or the next of the others in turn."""
    found: dict[str, str] = {}
    free = itertools.cycle(others)
    for name in names:
        found[name] = known[name] if name in known else next(free)
    return found


# --- geometry of the plot, which the browser shares -----------------------------------------------


def axis(values: Sequence[float]) -> dict[str, Any]:
    """Return an axis that holds the values: ``low``, ``high``, and ``ticks`` as [value, text].

    Args:
        values: what is drawn along it.
    """
    low, high = float(min(values)), float(max(values))
    span = max(high - low, 1e-3)
    low, high = low - 0.07 * span, high + 0.07 * span
    raw = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda factor: abs(np.log(factor * power / raw)))
    digits = max(len(f"{step:.6f}".rstrip("0").split(".")[1]), 0)
    count = range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)
    ticks = [[round(k * step, 6), f"{k * step:.{digits}f}"] for k in count]
    return {"low": round(low, 6), "high": round(high, 6), "ticks": ticks}


def frame(data: ScatterData) -> dict[str, Any]:
    """Return the plot's size, margins and axes.

    Args:
        data: the scatter.
    """
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - RIGHT,
        "top": TOP,
        "bottom": HEIGHT - BOTTOM,
        "x": axis([point.x for point in data.points]),
        "y": axis([point.y for point in data.points]),
    }


def place(box: Mapping[str, Any], x: float, y: float) -> tuple[float, float]:
    """Return where a point lies in the plot, in its units, from the upper left corner.

    Args:
        box: the plot's frame.
        x: the point's horizontal value.
        y: its vertical value.
    """
    across = (x - box["x"]["low"]) / (box["x"]["high"] - box["x"]["low"])
    up = (y - box["y"]["low"]) / (box["y"]["high"] - box["y"]["low"])
    return (
        round(box["left"] + across * (box["right"] - box["left"]), 2),
        round(box["bottom"] - up * (box["bottom"] - box["top"]), 2),
    )


def segment(line: Line, box: Mapping[str, Any]) -> str:
    """Return a line's path within the frame; empty where it lies outside.

    Args:
        line: the line.
        box: the plot's frame.
    """
    low, high = max(line.low, box["x"]["low"]), min(line.high, box["x"]["high"])
    if line.slope:
        ends = sorted((box["y"][side] - line.intercept) / line.slope for side in ("low", "high"))
        low, high = max(low, ends[0]), min(high, ends[1])
    elif not box["y"]["low"] <= line.intercept <= box["y"]["high"]:
        return ""
    if low >= high:
        return ""
    ends = [place(box, x, line.slope * x + line.intercept) for x in (low, high)]
    return "M{} {}L{} {}".format(*ends[0], *ends[1])


def radius(point: Point) -> float:
    """Return the size of a point's mark, in the plot's units: smaller for early checkpoints.

    Args:
        point: the point.
    """
    return round(2.2 + 2.8 * point.epoch / point.epochs, 2)


# --- what is shown where no script runs -----------------------------------------------------------


def plot_svg(data: ScatterData, picked: int) -> str:
    """Return the plot as an SVG document on a white ground, one point ringed.

    Args:
        data: the scatter.
        picked: the number of the ringed point.
    """
    box = frame(data)
    role, shape = roles(data.factor("training")), shapes(data.factor("model"))
    parts = ['<rect width="100%" height="100%" fill="#fff"/>']
    for value, text in box["x"]["ticks"]:
        x, _ = place(box, value, 0)
        parts.append(f'<path d="M{x} {box["top"]}V{box["bottom"]}" stroke="#dfe3e8"/>')
        parts.append(svg_text(x, box["bottom"] + 15, text, "middle"))
    for value, text in box["y"]["ticks"]:
        _, y = place(box, 0, value)
        parts.append(f'<path d="M{box["left"]} {y}H{box["right"]}" stroke="#dfe3e8"/>')
        parts.append(svg_text(box["left"] - 6, y + 4, text, "end"))
    middle = (box["top"] + box["bottom"]) / 2
    parts.append(svg_text((box["left"] + box["right"]) / 2, HEIGHT - 8, data.x_label, "middle"))
    turned = svg_text(0, 0, data.y_label, "middle")
    parts.append(f'<g transform="translate(11 {middle}) rotate(-90)">{turned}</g>')
    for line in data.lines:
        colour = COLOURS[role[line.training]]
        parts.append(f'<path d="{segment(line, box)}" stroke="{colour}" fill="none"/>')
    for number, point in enumerate(data.points):
        x, y = place(box, point.x, point.y)
        colour, r = COLOURS[role[point.training]], radius(point)
        fill = colour if point.size == "full" else "#fff"
        parts.append(
            f'<path transform="translate({x} {y}) scale({r})" d="{shape[point.model]}" '
            f'fill="{fill}" stroke="{colour}" stroke-width="{1.4 / r:.2f}"/>'
        )
        if number == picked:
            parts.append(f'<circle cx="{x}" cy="{y}" r="9" fill="none" stroke="#20262e"/>')
    columns = [
        [(f"trained on {name}", CIRCLE, COLOURS[role[name]], 5.0) for name in role],
        [
            *((name, path, "#5a6370", 5.0) for name, path in shape.items()),
            *[("hollow: a quarter of the set", CIRCLE, "", 5.0)]
            * ("quarter" in data.factor("size")),
            *[("small: an early checkpoint", CIRCLE, "#5a6370", 3.1)]
            * any(point.epoch < point.epochs for point in data.points),
        ],
    ]
    tall = HEIGHT + 18 * max(map(len, columns)) + 8
    for x, column in zip((LEFT + 5, LEFT + 165), columns, strict=True):
        for row, (text, path, colour, r) in enumerate(column):
            y = HEIGHT + 18 * row + 12
            paint = (
                f'fill="{colour}"' if colour else 'fill="#fff" stroke="#5a6370" stroke-width=".3"'
            )
            parts.append(
                f'<path transform="translate({x} {y - 4}) scale({r})" d="{path}" {paint}/>'
            )
            parts.append(svg_text(x + 11, y, text, "start"))
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}" '
        f'font-family="sans-serif" font-size="11" fill="#20262e">{body}</svg>'
    )


def svg_text(x: float, y: float, text: str, anchor: str) -> str:
    """Return a text element, an index after an underscore set lower.

    Args:
        x: where it is anchored.
        y: its base line.
        text: the words.
        anchor: ``start``, ``middle`` or ``end``.
    """
    words = re.sub(
        r"_(\w+)(.?)",
        r'<tspan dy="3" font-size="8">\1</tspan><tspan dy="-3">\2</tspan>',
        html.escape(text),
    )
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{words}</text>'


def strip(data: ScatterData, point: Point) -> np.ndarray:
    """Return ground truth and reconstruction of every slice, side by side, uint8.

    Args:
        data: the scatter.
        point: whose reconstructions are shown.
    """
    white, gap = data.white(), 4
    pairs = [
        np.concatenate([to_uint8(upright(np.asarray(image)[None]), white[s])[0]
                        for image in (target, point.images[s])], axis=1)
        for s, target in enumerate(data.targets)
    ]  # fmt: skip
    width = max(pair.shape[1] for pair in pairs)
    rows = [np.pad(pair, ((0, gap), (0, width - pair.shape[1]))) for pair in pairs]
    return np.concatenate(rows)[:-gap]


def table_html(data: ScatterData) -> str:
    """Return the table of all points.

    Args:
        data: the scatter.
    """
    heads = ["Training set", "Model", "Size", "Epoch", "Seed", data.x_label, data.y_label]
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(point)) + "</tr>"
        for point in data.points
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cells(point: Point) -> list[str]:
    """Return a point's row of the table.

    Args:
        point: the point.
    """
    epoch = f"{point.epoch} of {point.epochs}"
    names = [point.training, point.model, SIZES[point.size], epoch, str(point.seed)]
    return [*names, f"{point.x:.4f}", f"{point.y:.4f}"]
