"""The scatter: trained models as points, and the reconstructions behind whichever is picked."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets

from mrinb.errors import MrinbError
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
)
from mrinb.widgets.scatter_drawing import (
    frame,
    place,
    plot_svg,
    radius,
    roles,
    segment,
    shapes,
    strip,
    table_html,
)
from mrinb.widgets.scatter_points import EARLY, SIZES, Point, ScatterData

GAINS = (2, 5, 10, 20)


class Scatter(StoredWidget):
    """Pick a point of the scatter and see the reconstructions behind it.

    Args:
        data: the points, their images and the fitted lines.
        **initial: first values of the state: ``picked`` and ``pinned`` (a point's number or key;
            None pins nothing), ``hidden`` (names of training sets, models, sizes, or ``"early"``
            for all checkpoints but the last), ``error_map``, ``gain``, ``large``, ``title``, and
            ``name``, under which the state stands in the page's address.

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
    state: dict[str, Any] = {
        "name": "scatter",
        "title": "",
        "picked": None,
        "pinned": None,
        "hidden": (),
    }
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
