"""Implicit shapes and band-limited noise: continuous functions of position, in millimetres.

A shape is its signed distance (negative inside), evaluated where it is asked for; ``coverage``
turns the distance into the share of a pixel that lies inside. Nothing here knows about anatomy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

Array = np.ndarray


def edge_width(distance: Array, pixel: float) -> Array:
    """Width over which an edge fades: the pixel, and what the edge moves from plane to plane.

    Args:
        distance: signed distance (planes, height, width).
        pixel: pixel size in the same unit.

    Returns:
        Width (1, height, width), or the pixel size alone where there is one plane.
    """
    if len(distance) == 1:
        return np.full((1, 1, 1), pixel, np.float32)
    travel = np.minimum(np.abs(distance[-1:] - distance[:1]) / (len(distance) - 1), 4.0)
    return np.sqrt(travel * travel + np.float32(pixel * pixel))


def coverage(distance: Array, pixel: float) -> Array:
    """Share of a voxel inside a shape: a box filter across a straight edge.

    Args:
        distance: signed distance (planes, height, width), negative inside.
        pixel: pixel size in the same unit.

    Returns:
        Values in [0, 1], in the shape of ``distance``.
    """
    return np.clip(0.5 - distance / edge_width(distance, pixel), 0.0, 1.0)


def sheet(distance: Array, thickness: float, pixel: float) -> Array:
    """Share of a voxel taken by a sheet around the surface ``distance = 0``.

    A sheet thinner than a pixel keeps its volume: it fades instead of vanishing.
    """
    width = edge_width(distance, pixel)
    scaled, half = distance / width, np.float32(thickness / 2) / width
    return np.clip(0.5 - scaled + half, 0.0, 1.0) - np.clip(0.5 - scaled - half, 0.0, 1.0)


def smooth_min(a: Array, b: Array, blend: float) -> Array:
    """Union of two shapes with a fillet of about ``blend`` (polynomial smooth minimum)."""
    h = np.maximum(blend - np.abs(a - b), 0.0)
    return np.minimum(a, b) - h * h * np.float32(0.25 / blend)


def smooth_max(a: Array, b: Array, blend: float) -> Array:
    """Intersection of two shapes with a rounded edge of about ``blend``."""
    h = np.maximum(blend - np.abs(a - b), 0.0)
    return np.maximum(a, b) + h * h * np.float32(0.25 / blend)


def step(x: Array, start: float, stop: float) -> Array:
    """Smooth step: 0 below ``start``, 1 above ``stop`` (either may be the larger)."""
    t = np.clip((x - start) * np.float32(1.0 / (stop - start)), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def ellipse(u: Array, v: Array, a: float | Array, b: float | Array, square: float = 0.0) -> Array:
    """Approximate signed distance to an ellipse (first order: exact at the rim).

    Args:
        u: offset from the centre along the first axis.
        v: offset along the second axis.
        a: first semi-axis.
        b: second semi-axis.
        square: 0 for an ellipse, 1 for a superellipse of exponent 4.

    Returns:
        Signed distance, broadcast from the arguments.
    """
    us, vs = u / a, v / b
    u2, v2 = us * us, vs * vs
    q = np.sqrt(u2 + v2 + np.float32(1e-6))
    slope = np.sqrt((us / a) ** 2 + (vs / b) ** 2 + np.float32(1e-9)) / q
    if square:
        q4 = np.sqrt(np.sqrt(u2 * u2 + v2 * v2 + np.float32(1e-12)))
        q = q + np.float32(square) * (q4 - q)
    return (q - 1.0) / slope


def ellipsoid(point: Sequence[Array], centre: Sequence[float], radii: Sequence[float]) -> Array:
    """Approximate signed distance to an axis-aligned ellipsoid (first order)."""
    scaled = [
        (x - np.float32(c)) * np.float32(1.0 / r)
        for x, c, r in zip(point, centre, radii, strict=True)
    ]
    squares = [s * s for s in scaled]
    root = np.sqrt(sum(squares) + np.float32(1e-6))
    slope = sum(s * np.float32(1.0 / (r * r)) for s, r in zip(squares, radii, strict=True))
    return (root - 1.0) * root / np.sqrt(slope + np.float32(1e-9))


def capsule(
    point: Sequence[Array], start: Sequence[float], stop: Sequence[float], radius: float
) -> Array:
    """Signed distance to a capsule: all points within ``radius`` of a line segment."""
    axis = [b - a for a, b in zip(start, stop, strict=True)]
    length2 = sum(c * c for c in axis)
    offset = [x - np.float32(a) for x, a in zip(point, start, strict=True)]
    t = sum(o * np.float32(c / length2) for o, c in zip(offset, axis, strict=True))
    t = np.clip(t, 0.0, 1.0)
    square = sum((o - t * np.float32(c)) ** 2 for o, c in zip(offset, axis, strict=True))
    return np.sqrt(square) - np.float32(radius)


class Sweep:
    """An elliptic cross-section that moves and changes along a level axis.

    Args:
        knots: rows of (level, centre u, centre v, semi-axis a, semi-axis b), level increasing.
        square: see ``ellipse``.
    """

    def __init__(self, knots: Array, square: float = 0.0) -> None:
        knots = np.asarray(knots, dtype=float)
        self.first, self.last = float(knots[0, 0]), float(knots[-1, 0])
        self.low = float((knots[:, 2] - knots[:, 4]).min())
        self.high = float((knots[:, 2] + knots[:, 4]).max())
        self.square = square
        self._curve = PchipInterpolator(knots[:, 0], knots[:, 1:])
        self._slope = self._curve.derivative()

    def section(self, level: Array) -> tuple[Array, Array, Array, Array]:
        """Centre (u, v) and semi-axes (a, b) at the levels, held constant beyond the ends."""
        values = self._curve(np.clip(level, self.first, self.last)).astype(np.float32)
        u, v, a, b = np.moveaxis(values, -1, 0)
        return u, v, np.maximum(a, np.float32(0.2)), np.maximum(b, np.float32(0.2))

    def distance(self, u: Array, v: Array, level: Array, grow: float = 1.0) -> Array:
        """Approximate signed distance; beyond the first and last level the shape is capped.

        Args:
            u: first coordinate of the points.
            v: second coordinate.
            level: the coordinate along the sweep, broadcastable to ``u``.
            grow: multiplies the semi-axes.

        Returns:
            Signed distance, in the shape of ``u``.
        """
        inside = np.clip(level, self.first, self.last)
        cu, cv, a, b = self.section(level)
        taper = self._slope(inside)[..., 2:].astype(np.float32)
        lean = 1.0 / np.sqrt(1.0 + (taper**2).mean(axis=-1) * np.float32(grow * grow))
        wide, deep = a * np.float32(grow), b * np.float32(grow)
        flat = ellipse(u - cu, v - cv, wide, deep, self.square) * lean
        return flat + np.abs(level - inside).astype(np.float32)


class Noise:
    """A smooth random field of unit variance: a sum of plane waves, defined everywhere.

    On a grid it is a matrix product, and each wave is averaged exactly over the pixel and the
    slice, so that a coarse rendering is the average of a fine one.

    Args:
        rng: source of randomness, read in the constructor only.
        wavelengths: shortest and longest wavelength in millimetres.
        waves: number of plane waves.
        stretch: factors on the wavelengths along (x, y, z).
    """

    def __init__(
        self,
        rng: np.random.Generator,
        wavelengths: tuple[float, float],
        waves: int = 48,
        stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        direction = rng.standard_normal((waves, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = np.exp(rng.uniform(np.log(wavelengths[0]), np.log(wavelengths[1]), (waves, 1)))
        self._k = 2 * np.pi * direction / length / np.asarray(stretch)
        self._phase = rng.uniform(0, 2 * np.pi, waves)
        self._amplitude = np.sqrt(2.0 / waves)

    def grid(
        self, x: Array, y: Array, z: Array, pixel: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ) -> Array:
        """Evaluate on a rectangular grid.

        Args:
            x: column positions (width).
            y: plane positions (planes).
            z: row positions (height).
            pixel: extent along (x, y, z) that each value is averaged over; 0 samples points.

        Returns:
            float32 (planes, height, width).
        """
        fade = np.prod(np.sinc(self._k * np.asarray(pixel) / (2 * np.pi)), axis=1)
        weight = self._amplitude * fade
        rows = np.outer(z, self._k[:, 2]) + self._phase
        angle = rows[None] + (np.asarray(y)[:, None] * self._k[:, 1])[:, None, :]
        left = np.concatenate([np.cos(angle) * weight, -np.sin(angle) * weight], axis=-1)
        across = np.outer(self._k[:, 0], x)
        right = np.concatenate([np.cos(across), np.sin(across)], axis=0)
        return np.matmul(left.astype(np.float32), right.astype(np.float32))

    def steepness(self) -> float:
        """Root mean square of the gradient, per millimetre: turns values into distances."""
        return float(np.sqrt((self._k**2).sum(axis=1).mean()))
