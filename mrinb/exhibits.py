"""The arrays that figures and widgets show, each computed by a function named after the exhibit.

Pictures are kept in 8 bits with the value shown white beside them; the scores beside them are
computed from the float images before that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mrinb import registry
from mrinb.compute.context import Context
from mrinb.data.slices import SliceData, Slices
from mrinb.data.volumes import Item, Volume, volumes
from mrinb.errors import unknown
from mrinb.recon import masks, metrics
from mrinb.recon.evaluation import reconstruct
from mrinb.specs import ExhibitSpec, SamplingSpec

Arrays = dict[str, np.ndarray]
Compute = Callable[[ExhibitSpec, Path | None, Context], Arrays]


class Exhibit(NamedTuple):
    """A kind of arrays that is shown.

    Attributes:
        compute: makes the arrays from spec, weights (of the run that is shown, if any) and context.
        version: version of the arrays; it enters their keys.
    """

    compute: Compute
    version: int


EXHIBITS: dict[str, Exhibit] = {}
"""Exhibits by name; those of chapters are there once ``find`` has looked for one."""


def exhibit(version: int = 1) -> Callable[[Compute], Compute]:
    """Register a function as the exhibit of its name; chapters have theirs in ``exhibits.py``."""

    def register(function: Compute) -> Compute:
        EXHIBITS[function.__name__] = Exhibit(function, version)
        return function

    return register


def find(name: str) -> Exhibit:
    """Look an exhibit up.

    Raises:
        MrinbError: no exhibit has this name.
    """
    if name not in EXHIBITS:
        registry.load("exhibits")
    if name not in EXHIBITS:
        raise unknown("exhibit", name, EXHIBITS)
    return EXHIBITS[name]


class Pictures(NamedTuple):
    """8-bit pictures and what they stand for.

    Attributes:
        images: uint8 (slices, height, width).
        white: float32 (slices,), the value of 255.
    """

    images: np.ndarray
    white: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, white: np.ndarray) -> Pictures:
        """Quantise float images (slices, height, width) against their white values (slices,)."""
        scaled = np.clip(images / white[:, None, None], 0, 1) * 255
        return cls(np.round(scaled).astype(np.uint8), white.astype(np.float32))

    def floats(self) -> np.ndarray:
        """The images in the data's units, float32 (slices, height, width)."""
        return self.images.astype(np.float32) * (self.white[:, None, None] / 255)


def shown_slices(found: tuple[Volume, ...], count: int) -> list[Item]:
    """Which slices of a split are shown: one of each volume in turn, spread over its extent.

    The choice depends on names and numbers only, never on how well a model does. Pictures of one
    exhibit are of one size: of volumes of unlike image size, those of the commonest are shown.

    Args:
        found: the volumes of one split.
        count: number of slices.
    """
    sizes = Counter(v.recon_shape for v in found)
    common = max(sizes, key=lambda size: (sizes[size], size))
    ordered = sorted((v for v in found if v.recon_shape == common), key=lambda v: v.name)
    rounds = -(-count // len(ordered))
    items = []
    for turn in range(rounds):
        for place, volume in enumerate(ordered):
            fraction = (turn + 0.5 + 0.15 * (place % 3 - 1)) / rounds
            position = min(int(fraction * volume.slices), volume.slices - 1)
            items.append((volume, volume.used[position]))
    return items[:count]


def chosen_items(spec: ExhibitSpec, context: Context) -> list[Item]:
    """The slices that an exhibit of a split shows."""
    assert spec.data is not None
    return shown_slices(volumes(spec.data, context), spec.option("slices"))


def loaded(items: list[Item], context: Context) -> list[SliceData]:
    """Slices read from their files."""
    slices = Slices(items, context)
    return [slices[i] for i in range(len(items))]


def _white(targets: np.ndarray) -> np.ndarray:
    """The value shown white: the 99.5th percentile, so that one bright vessel darkens nothing."""
    return np.percentile(targets.reshape(len(targets), -1), 99.5, axis=1).astype(np.float32)


def _scores(images: np.ndarray, targets: np.ndarray, data: list[SliceData]) -> Arrays:
    values = metrics.score(
        torch.from_numpy(images),
        torch.from_numpy(targets),
        torch.tensor([d.max_value for d in data], dtype=torch.float32),
    )
    return {name: values[name].astype(np.float64) for name in ("ssim", "psnr")}


@exhibit()
def reference(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Targets and zero-filled images of a split, with the zero-filled images' scores.

    Returns:
        ``target`` and ``zero_filled`` uint8 (slices, height, width), ``white``, ``max_value``,
        ``ssim``, ``psnr``, ``effective`` (slices,), ``volume`` and ``slice``.
    """
    items = chosen_items(spec, context)
    data = loaded(items, context)
    targets = np.stack([d.target.numpy() for d in data])
    filled = np.stack(reconstruct(None, None, items, spec.sampling, context))
    white = _white(targets)
    drawn = [volume_mask(spec.sampling, d) for d in data]
    return {
        "target": Pictures.of(targets, white).images,
        "zero_filled": Pictures.of(filled, white).images,
        "white": white,
        "max_value": np.array([d.max_value for d in data]),
        "volume": np.array([v.name for v, _ in items]),
        "slice": np.array([s for _, s in items]),
        "effective": np.array([m.effective for m in drawn]),
        **_scores(filled, targets, data),
    }


@exhibit()
def reconstruction(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Reconstructions of the slices of ``reference`` by a run or an untrained method, with scores.

    Returns:
        ``image`` uint8 (slices, height, width), ``white``, ``ssim`` and ``psnr`` (slices,).
    """
    items = chosen_items(spec, context)
    data = loaded(items, context)
    targets = np.stack([d.target.numpy() for d in data])
    images = np.stack(
        reconstruct(spec.method or spec.train, weights, items, spec.sampling, context)
    )
    white = _white(targets)
    pictures = Pictures.of(images, white)
    return {"image": pictures.images, "white": white, **_scores(images, targets, data)}


def volume_mask(sampling: SamplingSpec, data: SliceData) -> masks.Mask:
    """The mask of a slice's volume."""
    return masks.for_volume(sampling, data.volume, data.hybrid.shape[-1], padding=data.padding)


def compute(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Compute an exhibit.

    Args:
        spec: what is shown.
        weights: the training run's weights, where the exhibit has one.
        context: where the data lie.

    Returns:
        Named arrays, compact enough to be published.

    Raises:
        MrinbError: no exhibit has this name.
    """
    return find(spec.name).compute(spec, weights, context)
