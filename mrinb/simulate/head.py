"""Heads that owe nothing to the ICBM template: two people's T1 images made into many subjects.

The tissues were cut out of the images beforehand (``head_atlas.py``). A subject is one of the two
heads, as it is or mirrored, under a random smooth warp, with jittered borders between tissues.
Folds, skull, scalp and orbits are the person's own; texture, membranes and vessels are made as
``brain.py`` makes them. One of the images has voxels of 1 mm, the other of 2 mm, so that detail
below that comes from smooth borders and from noise.
"""

from __future__ import annotations

import io
import lzma
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mrinb.simulate.anatomies import Anatomy, register
from mrinb.simulate.brain import (
    BODY,
    Brain,
    Points,
    _Canvas,
    _coarse,
    _Noise,
    _sample,
    _signed_distance,
    _step,
)
from mrinb.simulate.head_atlas import LABELS, ORIGIN, SOURCES

VERSION = 1
"""Enters the data key; grows with every change of the pixels."""

_FIRST_OUTER = LABELS.index("cortical_bone")

_HULL_PAD_MM = 28.0

_SLOPE = 0.5
"""Change of a blurred label per millimetre at its border."""

_STEEP = 0.22
"""The same of the fields that ``Brain._paint_brain`` takes."""


class _Atlas(NamedTuple):
    """Fields of one person's head on grids (z, y, x).

    Attributes:
        origin: coordinates (x, y, z) of voxel 0, in millimetres.
        white: blurred white matter, 0 to 255, 1 mm.
        brain: blurred white and grey matter, 0 to 255, 1 mm.
        outer: blurred air and tissues outside the brain, 0 to 255, 1 mm; ``air`` first.
        hull: signed distance to what the skull encloses, millimetres, 2 mm grid.
    """

    origin: np.ndarray
    white: np.ndarray
    brain: np.ndarray
    outer: tuple[np.ndarray, ...]
    hull: np.ndarray


@lru_cache(maxsize=1)
def _codes() -> dict[str, np.ndarray]:
    packed = Path(__file__).with_name("heads.npz.xz").read_bytes()
    with np.load(io.BytesIO(lzma.decompress(packed))) as volumes:
        return {name: volumes[name] for name in volumes.files}


@lru_cache(maxsize=len(SOURCES))
def _atlas(name: str) -> _Atlas:
    codes = _codes()[name]
    grey, white = LABELS.index("grey_matter"), LABELS.index("white_matter")
    inner = (codes > 0) & (codes < _FIRST_OUTER)
    outer = [codes == 0, *(codes == i for i in range(_FIRST_OUTER, len(LABELS)))]
    # Bone around the brain is painted by its distance: here it reaches inwards without end.
    outer[1] |= inner
    hull = _signed_distance(inner[::2, ::2, ::2].transpose(2, 1, 0), 2.0)
    return _Atlas(
        np.array(ORIGIN[::-1], np.float32),
        _blurred(codes == white),
        _blurred((codes == white) | (codes == grey)),
        tuple(map(_blurred, outer)),
        np.ascontiguousarray(hull.transpose(2, 1, 0)),
    )


def _blurred(mask: np.ndarray) -> np.ndarray:
    field = ndimage.gaussian_filter(mask.astype(np.float32), 0.6, truncate=2)
    return np.rint(255 * field).astype(np.uint8)


def _rng(subject: int, seed: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, subject, 0x4EAD]))


def _source(rng: np.random.Generator) -> str:
    return SOURCES[int(rng.integers(len(SOURCES)))].name


def person(subject: int, seed: int = 0) -> str:
    """Whose image a simulated head is a variation of.

    Args:
        subject: number of the subject.
        seed: seed of the simulation.
    """
    return _source(_rng(subject, seed))


class Head(Brain):
    """One head: a continuous volume that can be cut axially anywhere at any resolution."""

    def __init__(self, subject: int, seed: int = 0) -> None:
        """Draw a head.

        Args:
            subject: number of the subject.
            seed: seed of the simulation; the same pair gives the same head.
        """
        super().__init__(subject, seed)
        rng = _rng(subject, seed)
        self.source = _source(rng)
        self.mirrored = bool(rng.integers(2))
        self._shape = [_Noise(rng, 150.0, n=16) for _ in range(3)]
        # How far each tissue outside the brain pushes its neighbours back; air stays.
        self._push = np.exp(0.3 * rng.standard_normal(len(LABELS) - _FIRST_OUTER))
        self._person = self._person._replace(spots=np.zeros((0, 4), np.float32))

    def _warp(self, x: np.ndarray, y: np.ndarray, z: float, every: int) -> Points:
        points = super()._warp(x, y, z, every)
        right, front, up = self._moved(points, self._shape, 2.0, every * 4)
        return (-right if self.mirrored else right), front, up

    def _cut(
        self, x: np.ndarray, y: np.ndarray, z: float, pixel: float
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        every = max(1, int(1.6 / pixel))
        points = self._warp(x, y, z, every)
        atlas = _atlas(self.source)
        origin = atlas.origin - np.float32(_HULL_PAD_MM)
        hull = _coarse(partial(_sample, atlas.hull, origin, 2.0), points, every)
        slow = _coarse(self._slow, points, every * 4)
        fine = self._fine(points)
        inside = self._moved(points, self._wobble, self._free(hull), every * 2)
        canvas = _Canvas(x.shape)
        self._paint_outside(canvas, points, fine)
        white, brain = self._brain_fields(inside, hull, fine, every)
        self._paint_brain(canvas, inside, hull, white, brain, fine, pixel)
        return canvas.layers, self._texture(canvas, inside, fine, slow)

    def _brain_fields(
        self, points: Points, hull: np.ndarray, fine: np.ndarray, every: int
    ) -> tuple[np.ndarray, np.ndarray]:
        atlas, person = _atlas(self.source), self._person
        scale = np.float32(_STEEP / _SLOPE)
        white = _sample(atlas.white, atlas.origin, 1.0, points) / np.float32(255)
        brain = _sample(atlas.brain, atlas.origin, 1.0, points) / np.float32(255)
        fold = _coarse(self._fold, points, every) * np.clip((hull + 25) / 8, 0, 1)
        white = scale * (white - person.white_cut) + 0.05 * fold + 0.02 * fine
        brain = scale * (brain - 0.5) + 0.02 * fine - person.atrophy
        return white, brain

    def _paint_outside(self, canvas: _Canvas, points: Points, fine: np.ndarray) -> None:
        """Everything but the brain: each place belongs mostly to the label that is nearest."""
        atlas = _atlas(self.source)
        push = (1.0, *self._push)
        shares = []
        for field, factor in zip(atlas.outer, push, strict=True):
            share = _sample(field, atlas.origin, 1.0, points) * np.float32(factor / 255)
            shares.append(share**3)
        total = np.sum(shares, axis=0) + np.float32(1e-9)
        for name, share in zip(LABELS[_FIRST_OUTER:], shares[1:], strict=True):
            canvas.layers[name] = share / total
        # Septa of the scalp's fat.
        canvas.paint("skin", 0.3 * canvas.get("fat") * _step(0.3 - np.abs(fine - 0.5), 0.4))

    def _within_reach(self, tube: np.ndarray, canvas: _Canvas) -> np.ndarray:
        """Arteries lie where the template has them; in another head, where there is fluid."""
        return tube * canvas.get("csf")


# What it shares with the template's heads changes it too.
register(Anatomy("head", Head, VERSION, BODY, shares=("brain",)))
