"""How a scatter is drawn: geometry, colours and marks, the still picture and the table."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mrinb import labels
from mrinb.labels import BASELINE, BOTH, DIVERSE, SAME_SIZE
from mrinb.models import MODELS
from mrinb.widgets.host import to_uint8, upright
from mrinb.widgets.scatter_points import SIZES, Line, Point, ScatterData

ROLES = {BASELINE: "narrow", DIVERSE: "diverse", SAME_SIZE: "same-size", BOTH: "both"}
OTHERS = 4  # roles for training sets that are not the paper's
COLOURS = {
    **{role: labels.ROLES[training] for training, role in ROLES.items()},
    **{f"other-{i}": colour for i, colour in enumerate(labels.OTHERS[:OTHERS])},
}
"""Colour by role of the training set, as in the book's figures; the style sheet has a dark set."""

CIRCLE = "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0Z"
OUTLINES = {
    "o": CIRCLE, "s": "M-.9-.9H.9V.9H-.9Z", "^": "M0-1.25L1.15.85H-1.15Z",
    "D": "M0-1.3L1.3 0L0 1.3L-1.3 0Z", "v": "M0 1.25L1.15-.85H-1.15Z",
}  # fmt: skip
"""Outlines of models' marks, of about unit radius, for the path element."""
OTHER_SHAPES = (OUTLINES["D"], OUTLINES["v"])

WIDTH, HEIGHT = 400, 350  # of the plot, in its own units
LEFT, RIGHT, TOP, BOTTOM = 60, 10, 10, 44  # what surrounds its frame


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
