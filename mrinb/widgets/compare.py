"""The comparer: two reconstructions of one slice, side by side under a swipe divider."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import traitlets

from mrinb.comparison import (
    FIXED_SIDES,
    GROUND_TRUTH,
    ZERO_FILLED,
    CompareData,
    Score,
    View,
)
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
    to_uint8,
    upright,
)

GAINS = (2, 5, 10, 20)

TINTS = {
    "P": "P",
    "Q": "Q",
    "P+Q": "both",
    "half of P+Q": "half",
    "narrow": "narrow",
    "diverse": "P",
    "diverse, same size": "same-size",
    "P_best": "narrow",
    "P, size of P_best": "same-size",
    "all four": "half",
}
"""Colour of each training pool by its id, as in the book's figures; the style sheet has them."""
OTHER_TINTS = 5  # for pools that have no role in the paper


class Comparer(StoredWidget):
    """Compare reconstructions across training pools, models and test distributions.

    Args:
        data: the images and scores; several by name (such as one a shift) get a menu of their
            names, and pools, models and views are those of the one that is shown.
        menu: what that menu is called.
        **initial: first values of the state: ``title``, ``left``, ``right`` (a pool's id,
            ``"ground-truth"`` or ``"zero-filled"``), ``model``, ``view`` (its name or number),
            ``slice_index``, ``divider``, ``error_map``, ``gain``, ``smooth``, ``zoom``; ``show``,
            which of several is seen first; and ``name``, under which the state stands in the
            page's address.

    Views beyond the first, and models beyond the chosen one, go to sidecars where the environment
    names a place for them (see `Sidecars`); else they are in the page.
    """

    module = "compare"
    _esm = module_source("compare")
    _css = style_source()

    exhibit = shared(traitlets.Dict())
    left = shared(traitlets.Unicode())
    right = shared(traitlets.Unicode())
    model = shared(traitlets.Unicode())
    view = shared(traitlets.Int(0))
    slice_index = shared(traitlets.Int(0))
    divider = shared(traitlets.Float(0.5))
    error_map = shared(traitlets.Bool(False))
    gain = shared(traitlets.Int(5))
    smooth = shared(traitlets.Bool(True))
    zoom = shared(traitlets.Float(1.0))
    x = shared(traitlets.Float(0.5))
    y = shared(traitlets.Float(0.5))

    def __init__(
        self, data: CompareData | Mapping[str, CompareData], menu: str = "Shift", **initial: Any
    ) -> None:
        groups = {"": data} if isinstance(data, CompareData) else dict(data)
        if not groups:
            raise MrinbError("a comparer needs at least one CompareData")
        for group in groups.values():
            group.check()
        state = first_state(groups, initial)
        self._views = [(group, view) for group in groups.values() for view in group.views]
        first = (state["view"], state["model"])
        state["exhibit"] = pack(groups, menu, Sidecars.from_environment(), first)
        super().__init__(**state)

    def still(self) -> str:
        """Return the picture shown where no script runs: both sides, the divider in the middle."""
        data, view = self._views[self.view]
        left, right = (side_image(view, self.model, side) for side in (self.left, self.right))
        middle = view.target.shape[2] // 2
        both = np.concatenate([left[..., :middle], right[..., middle:]], axis=2)
        index = slice(self.slice_index, self.slice_index + 1)
        image = upright(to_uint8(both[index], view.white()[index]))[0]
        words = [self._words(data, view, side) for side in (self.left, self.right)]
        alt = (
            f"{view.name}, slice {self.slice_index + 1}, {self.model}. "
            f"Left half: {words[0]}. Right half: {words[1]}."
        )
        return figure_html(preview_png(image), alt, 480, "; ".join([alt, *view.notes]))

    def _words(self, data: CompareData, view: View, side: str) -> str:
        label = side_label(data, side)
        scores = view.scores.get((self.model, side))
        if scores is None:
            return label
        score = scores[self.slice_index]
        return f"{label}, SSIM {score['ssim']:.3f}, PSNR {score['psnr']:.1f} dB"


def side_label(data: CompareData, side: str) -> str:
    """Return how a side is called: the pool's label, ground truth, or zero-filled.

    Args:
        data: the exhibit.
        side: a pool's id or one of the fixed sides.
    """
    return FIXED_SIDES.get(side) or data.pools[side]


def side_image(view: View, model: str, side: str) -> np.ndarray:
    """Return one side's images, shape ``(slices, height, width)``.

    Args:
        view: the view.
        model: the model's name.
        side: a pool's id or one of the fixed sides.
    """
    if side == GROUND_TRUTH:
        return view.target
    return view.zero_filled if side == ZERO_FILLED else view.images[model, side]


def first_state(groups: Mapping[str, CompareData], initial: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid first values of the state, what is not given filled in.

    Args:
        groups: the exhibits by name.
        initial: what the caller wants.

    Raises:
        MrinbError: naming what does not exist, and what does.
    """
    wanted = dict(initial)
    show = one_of("exhibit", wanted.pop("show", next(iter(groups))), groups)
    data = groups[show]
    pools, views = list(data.pools), [view.name for view in data.views]
    state: dict[str, Any] = {
        "name": "cmp",
        "title": "",
        "left": pools[0],
        "right": pools[1] if len(pools) > 1 else next(iter(data.fixed)),
        "model": data.models[0],
        "view": 0,
        "slice_index": 0,
    }
    valid = [*state, "divider", "error_map", "gain", "smooth", "zoom", "x", "y"]
    for key, value in wanted.items():
        one_of("comparer setting", key, valid)
        state[key] = value
    for side in ("left", "right"):
        one_of("training pool", state[side], [*pools, *data.fixed])
    one_of("model", state["model"], list(data.models))
    if isinstance(state["view"], str):
        state["view"] = views.index(one_of("view", state["view"], views))
    if not 0 <= state["view"] < len(views):
        raise MrinbError(f"view {state['view']} does not exist: there are {len(views)}")
    slices = len(data.views[state["view"]].target)
    if not 0 <= state["slice_index"] < slices:
        raise MrinbError(f"slice_index {state['slice_index']} does not exist: there are {slices}")
    if state.get("gain", GAINS[0]) not in GAINS:
        raise MrinbError(f"gain must be one of {', '.join(map(str, GAINS))}")
    before = itertools.takewhile(lambda name: name != show, groups)
    state["view"] += sum(len(groups[name].views) for name in before)
    return state


def pack(
    groups: Mapping[str, CompareData],
    menu: str,
    sidecars: Sidecars | None,
    first: tuple[int, str],
) -> dict[str, Any]:
    """Return the exhibits as the browser gets them.

    Args:
        groups: the exhibits by name.
        menu: what the menu of them is called.
        sidecars: where pieces beyond the first view and model go; None keeps them in the page.
        first: the number of the view, among all of them, and the model that are seen first.
    """
    views: list[dict[str, Any]] = []
    for number, (name, data) in enumerate(groups.items()):
        for view in data.views:
            shown = first[1] if len(views) == first[0] else None
            key = f"{name}: {view.name}" if name else view.name
            packed = pack_view(data, view, sidecars, shown)
            views.append({**packed, "group": number, "key": key})
    return {
        "menu": menu,
        "groups": [
            {
                "label": name,
                "pools": pack_pools(data.pools),
                "models": list(data.models),
                "fixed": list(data.fixed),
            }
            for name, data in groups.items()
        ],
        "gains": list(GAINS),
        "views": views,
    }


def pack_pools(pools: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the training pools as the browser gets them, each with a colour.

    Args:
        pools: label by id.
    """
    free = itertools.cycle(f"other-{i}" for i in range(OTHER_TINTS))
    return [
        {"id": id_, "label": label, "tint": TINTS.get(id_) or next(free)}
        for id_, label in pools.items()
    ]


def pack_view(
    data: CompareData, view: View, sidecars: Sidecars | None, shown: str | None
) -> dict[str, Any]:
    """Return one view as the browser gets it.

    Args:
        data: the exhibit.
        view: the view.
        sidecars: where pieces that are not seen first go, or None.
        shown: the model seen first, or None where another view is.
    """
    white = view.white()

    def place(sheets: dict[str, str], inline: bool) -> dict[str, Any]:
        return {"sheets": sheets} if inline or sidecars is None else sidecars.write(sheets)

    base = {ZERO_FILLED: sheet(view.zero_filled, white)}
    if view.truth:
        base = {GROUND_TRUTH: sheet(view.target, white), **base}
    slices, height, width = view.target.shape
    return {
        "name": view.name,
        "slices": slices,
        "height": height,
        "width": width,
        "notes": list(view.notes),
        "scores": {model: pack_scores(view, model) for model in data.models},
        "base": place(base, inline=shown is not None),
        "models": {
            model: place(
                {pool: sheet(view.images[model, pool], white) for pool in data.pools},
                inline=model == shown,
            )
            for model in data.models
        },
    }


def pack_scores(view: View, model: str) -> dict[str, list[list[float | None]]]:
    """Return a model's scores by side: [ssim, psnr] a slice, None where it is not a number.

    Args:
        view: the view.
        model: the model's name.
    """

    def number(score: Score, name: str, digits: int) -> float | None:
        value = float(score.get(name, np.nan))
        return round(value, digits) if np.isfinite(value) else None

    return {
        side: [[number(score, "ssim", 5), number(score, "psnr", 3)] for score in scores]
        for (owner, side), scores in view.scores.items()
        if owner == model
    }
