"""Reconstructions to compare: images and scores by training pool, model and test distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mrinb.catalogue import homes
from mrinb.errors import MrinbError
from mrinb.exhibits import Pictures
from mrinb.labels import ZERO_FILLED
from mrinb.runs import Runs

GROUND_TRUTH = "ground-truth"
FIXED_SIDES = {GROUND_TRUTH: "Ground truth", ZERO_FILLED: "Zero-filled"}

Score = Mapping[str, float]


@dataclass(frozen=True)
class View:
    """What can be seen of one test distribution.

    Attributes:
        label: the test distribution's name, as readers see it.
        split: which split the slices are from, such as ``"test"``.
        images: reconstructions by (model, training pool), each float ``(slices, height, width)``,
            upside down as fastMRI stores them.
        target: the ground truth, ``(slices, height, width)``.
        zero_filled: the zero-filled images, ``(slices, height, width)``.
        scores: by (model, training pool) and, where known, (model, ``"zero-filled"``), one mapping
            with ``ssim`` and ``psnr`` (dB) a slice, computed from the float images.
        vmax: the value shown white, one a slice; the target's largest where not given.
        notes: where the pictures come from: simulated or real, profile, seeds, key.
        truth: whether ``target`` is the ground truth; where there is none, it is what sizes and
            white values are taken from, and is not shown.
    """

    label: str
    split: str
    images: Mapping[tuple[str, str], np.ndarray]
    target: np.ndarray
    zero_filled: np.ndarray
    scores: Mapping[tuple[str, str], Sequence[Score]]
    vmax: Sequence[float] | None = None
    notes: Sequence[str] = ()
    truth: bool = True

    @property
    def name(self) -> str:
        """Label and split, as listed and as written in a page's address."""
        return f"{self.label} ({self.split})"

    def white(self) -> np.ndarray:
        """Return the value shown white in each slice, shape ``(slices,)``."""
        if self.vmax is None:
            return self.target.reshape(len(self.target), -1).max(axis=1)
        return np.asarray(self.vmax, dtype=float)


@dataclass(frozen=True)
class CompareData:
    """Everything a comparer shows.

    Attributes:
        pools: label by id of the training pools, in the order they are listed.
        models: the models' names; every view has an image for each of them and each pool.
        views: one a test distribution and split.
    """

    pools: Mapping[str, str]
    models: Sequence[str]
    views: Sequence[View] = field(default_factory=list)

    @property
    def fixed(self) -> dict[str, str]:
        """Names of the sides beside the pools; the ground truth only where every view has it."""
        shown = all(view.truth for view in self.views)
        return {id_: name for id_, name in FIXED_SIDES.items() if shown or id_ != GROUND_TRUTH}

    def check(self) -> None:
        """Refuse what could not be shown, before anything is drawn.

        Raises:
            MrinbError: naming the view and what is wrong with it.
        """
        if not self.pools or not self.models or not self.views:
            raise MrinbError("a comparer needs at least one pool, one model and one view")
        for reserved in FIXED_SIDES.keys() & self.pools.keys():
            raise MrinbError(f"{reserved!r} cannot be a pool's id: the comparer uses it itself")
        names = [view.name for view in self.views]
        for name in names:
            if names.count(name) > 1:
                raise MrinbError(f"two views are called {name!r}: give them other labels or splits")
        for view in self.views:
            check_view(view, self.models, self.pools)


def check_view(view: View, models: Sequence[str], pools: Mapping[str, str]) -> None:
    """Refuse a view whose arrays or scores do not fit together.

    Args:
        view: the view.
        models: the models it must have images of.
        pools: the pools it must have images of.

    Raises:
        MrinbError: naming the view and what is wrong with it.
    """
    shape = view.target.shape
    if len(shape) != 3 or 0 in shape:
        raise MrinbError(f"view {view.name!r}: target must be (slices, height, width), not {shape}")
    arrays = {"zero_filled": view.zero_filled}
    for model in models:
        for pool in pools:
            if (model, pool) not in view.images:
                raise MrinbError(f"view {view.name!r} has no image for ({model!r}, {pool!r})")
            if view.truth and len(view.scores.get((model, pool), ())) != shape[0]:
                raise MrinbError(
                    f"view {view.name!r} needs {shape[0]} scores for ({model!r}, {pool!r})"
                )
            arrays[f"image ({model}, {pool})"] = view.images[model, pool]
    for what, array in {"target": view.target, **arrays}.items():
        if array.shape != shape:
            raise MrinbError(f"view {view.name!r}: {what} is {array.shape}, the target {shape}")
        if not np.isfinite(array).all():
            raise MrinbError(f"view {view.name!r}: {what} contains NaN or infinity")
    white = view.white()
    if white.shape != shape[:1] or not (white > 0).all():
        raise MrinbError(f"view {view.name!r}: vmax must be {shape[0]} positive numbers")


def pool_name(label: str, runs: Runs) -> str:
    """A pool's name for a menu: its string form where that is short."""
    pool = runs.pools[label]
    text = str(pool) if 1 < len(str(pool)) < 30 else f"{len(pool.distributions)} distributions"
    return f"{label}: {text} ({runs.slices[label]} slices)"


def view_of(
    name: str,
    split: str,
    model: str,
    reference: Mapping[str, np.ndarray],
    pictures: Mapping[str, Mapping[str, np.ndarray]],
    words: str,
) -> View:
    """One distribution's exhibits as a view.

    Args:
        name: the distribution.
        split: which of its splits.
        model: the network's name for readers.
        reference: arrays of the exhibit ``reference``.
        pictures: arrays of the exhibit ``reconstruction`` by training pool.
        words: where they come from.
    """

    def floats(images: np.ndarray) -> np.ndarray:
        return Pictures(images, reference["white"]).floats()

    def scores(arrays: Mapping[str, np.ndarray]) -> list[dict[str, float]]:
        pairs = zip(arrays["ssim"], arrays["psnr"], strict=True)
        return [{"ssim": float(s), "psnr": float(p)} for s, p in pairs]

    return View(
        label=homes.label(name),
        split=split,
        images={(model, label): floats(a["image"]) for label, a in pictures.items()},
        target=floats(reference["target"]),
        zero_filled=floats(reference["zero_filled"]),
        scores={
            (model, ZERO_FILLED): scores(reference),
            **{(model, label): scores(a) for label, a in pictures.items()},
        },
        vmax=reference["white"].tolist(),
        notes=[f"{words}; effective acceleration {np.mean(reference['effective']):.2f}"],
    )
