"""The receiving end: coil arrays, bias, background phase, finite k-space, noise."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft
from scipy.interpolate import make_interp_spline

VERSIONS: dict[str, int] = {"Skyra": 1, "Aera": 1, "Biograph": 1, "Prisma": 1, "Avanto": 1}

VERSIONS |= {"Vida": 1, "XGY": 1, "MR750": 1, "Achieva": 1}
"""One number per scanner; it enters the data key and grows with every change of its pixels."""

NOISE_CORRELATION = 0.12
"""Noise correlation of neighbouring coils; it falls as a power with their distance in the list."""


class Loop(NamedTuple):
    """A circular receiver coil.

    Attributes:
        centre: position in millimetres (right, anterior, superior).
        normal: unit vector along its axis.
        radius: millimetres.
    """

    centre: np.ndarray
    normal: np.ndarray
    radius: float


class Former(NamedTuple):
    """The elliptic cylinder along the main field that an array's coils sit on.

    Attributes:
        radius_mm: half axes (right, anterior).
        length_mm: length of the array along the field.
        middle_mm: its middle, superior of the anatomy's origin.
        full_rings: numbers of coils above which there is one ring more.
        top: what a head array's uppermost ring closes in to, as a fraction; 1 stays open.
    """

    radius_mm: tuple[float, float]
    length_mm: float
    middle_mm: float
    full_rings: tuple[int, ...]
    top: float = 1.0


class Matrix(NamedTuple):
    """The sampled k-space of one slice.

    Attributes:
        height: readout samples, oversampling included.
        width: phase-encoding lines of the matrix.
        first: first acquired line.
        last: last acquired line; lines outside are zero-filled.
        pixel_mm: pixel size of the image, the same in both directions.
        oversample: how many object samples lie in one pixel, in each direction.
    """

    height: int
    width: int
    first: int
    last: int
    pixel_mm: float
    oversample: int


def coil_array(former: Former, coils: int, rng: np.random.Generator) -> list[Loop]:
    """Lay loops out around the anatomy: rings on an elliptic cylinder along the main field.

    Args:
        former: the cylinder.
        coils: number of loops; fewer loops are larger.
        rng: places the patient a little off centre.

    Returns:
        The loops, ring by ring.
    """
    radius, length = former.radius_mm, former.length_mm
    rings = 1 + sum(coils > number for number in former.full_rings)
    counts = [coils // rings + (i < coils % rings) for i in range(rings)]
    offset = rng.uniform([-6, -6, -8], [6, 6, 8])
    loops = []
    for ring, count in enumerate(counts):
        height = former.middle_mm + length * ((ring + 0.5) / rings - 0.5)
        size = min(1.15 * np.pi * float(np.mean(radius)) / max(count, 3), 0.62 * length)
        turn = rng.uniform(-0.15, 0.15) + (np.pi / count) * (ring % 2)
        close = former.top if ring == rings - 1 and rings > 1 else 1.0
        for k in range(count):
            angle = 2 * np.pi * k / count + turn
            direction = np.array([np.cos(angle), np.sin(angle), 0.35 if close < 1 else 0.0])
            centre = np.array(
                [close * radius[0] * np.cos(angle), close * radius[1] * np.sin(angle), height]
            )
            loops.append(Loop(centre + offset, direction / np.linalg.norm(direction), float(size)))
    return loops


def sensitivity(loops: list[Loop], points: np.ndarray) -> np.ndarray:
    """Receive sensitivity of loops by the law of Biot and Savart (quasi-static).

    Args:
        loops: the coils.
        points: (..., 3) positions in millimetres.

    Returns:
        complex64 (coils, ...): the transverse field ``Bx - i By`` of a unit current, by
        reciprocity the sensitivity; softened within 25 mm of the wire.

    source: Roemer et al., Magn Reson Med 1990;16:192.
    """
    out = np.empty((len(loops), *points.shape[:-1]), np.complex64)
    angles = ((np.arange(32) + 0.5) * 2 * np.pi / 32)[:, None]
    for i, loop in enumerate(loops):
        helper = np.array([0.0, 0.0, 1.0]) if abs(loop.normal[2]) < 0.9 else np.array([1.0, 0, 0])
        u = np.cross(loop.normal, helper)
        u /= np.linalg.norm(u)
        v = np.cross(loop.normal, u)
        wire = loop.centre + loop.radius * (np.cos(angles) * u + np.sin(angles) * v)
        current = loop.radius * (2 * np.pi / 32) * (-np.sin(angles) * u + np.cos(angles) * v)
        away = [points[..., k, None] - wire[:, k] for k in range(3)]
        cube = (away[0] ** 2 + away[1] ** 2 + away[2] ** 2 + 25.0**2) ** 1.5
        right = (current[:, 1] * away[2] - current[:, 2] * away[1]) / cube
        forward = (current[:, 2] * away[0] - current[:, 0] * away[2]) / cube
        out[i] = right.sum(-1) - 1j * forward.sum(-1)
    return out


@lru_cache(maxsize=32)
def _spline(size: int, knots: int) -> np.ndarray:
    """Matrix (size, knots) that interpolates evenly spaced values by cubic splines."""
    at = (np.arange(size) + 0.5) / size * (knots - 1)
    spline = make_interp_spline(np.arange(knots), np.eye(knots), k=3)
    return spline(at).astype(np.float32)


def coil_maps(
    loops: list[Loop],
    view: str,
    position_mm: float,
    shape: tuple[int, int],
    fov_mm: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Coil sensitivities over a slice, with root sum of squares 1 at the array's middle.

    Args:
        loops: the coils.
        view: ``axial``, ``coronal`` or ``sagittal``.
        position_mm: slice position, superior for axial, anterior for coronal, right for sagittal.
        shape: pixels (height, width).
        fov_mm: field of view (height, width) in millimetres.
        rng: constant phase of each receiver channel.

    Returns:
        complex64 (coils, height, width).
    """
    knots = 28
    down = (0.5 - np.linspace(0, 1, knots)) * fov_mm[0]
    across = (0.5 - np.linspace(0, 1, knots)) * fov_mm[1]
    first, second = np.meshgrid(down, across, indexing="ij")
    level = np.full_like(first, position_mm)
    axes = {
        "axial": (second, first, level),
        "coronal": (second, level, first),
        "sagittal": (level, second, first),
    }[view]
    maps = sensitivity(loops, np.stack(axes, -1))
    centre = np.sqrt((np.abs(sensitivity(loops, np.zeros(3))) ** 2).sum())
    phase = np.exp(1j * rng.uniform(-np.pi, np.pi, len(loops))).astype(np.complex64)
    maps *= (phase / centre)[:, None, None]
    rows, columns = _spline(shape[0], knots), _spline(shape[1], knots)
    return np.matmul(np.matmul(rows, maps), columns.T).astype(np.complex64)


def background(
    shape: tuple[int, int], field_t: float, gradient_echo: bool, rng: np.random.Generator
) -> np.ndarray:
    """Smooth phase and transmit bias of a slice.

    Args:
        shape: pixels (height, width).
        field_t: field strength; the bias grows with it.
        gradient_echo: gradient echoes keep the phase of the field, spin echoes refocus it.
        rng: source of the coefficients, the same number of draws in every case.

    Returns:
        complex64 (height, width), magnitude about 1.
    """
    y = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :]
    c = rng.standard_normal(8).astype(np.float32)
    strength = np.float32(1.6 if gradient_echo else 0.7)
    phase = c[0] * 2 + strength * (c[1] * x + c[2] * y + 0.6 * (c[3] * x * y + c[4] * (x * x - y)))
    # Standing waves make the middle brighter at 3 T.
    bright = np.float32(0.16 * min(field_t / 3, 2) ** 2) * (1 - 0.3 * c[5])
    tilt = np.float32(0.03) * (c[6] * x + c[7] * y)
    bias = 1 + bright * (np.exp(-2.5 * (x * x + y * y)) - 0.5) + tilt
    return (bias * np.exp(1j * phase)).astype(np.complex64)


def encode(image: np.ndarray, matrix: Matrix) -> np.ndarray:
    """The finite k-space of a finely sampled object (fastmri's centred, orthonormal convention).

    Args:
        image: complex64 (coils, height, width), ``matrix.oversample`` samples a pixel; it may be
            shorter than the field of view along the height, and is centred in it.
        matrix: the acquisition.

    Returns:
        complex64 (coils, matrix.height, matrix.width), lines outside first..last included.
    """
    out = _transform(image, 1, matrix.height, matrix.oversample)
    return _transform(out, 2, matrix.width, matrix.oversample)


def _transform(image: np.ndarray, axis: int, size: int, oversample: int) -> np.ndarray:
    full = size * oversample
    start = (full - image.shape[axis]) // 2
    # Zeros go behind; the place of the image is put right by a phase ramp on what is kept.
    spectrum = fft.fft(image, n=full, axis=axis)
    low, high = [slice(None)] * image.ndim, [slice(None)] * image.ndim
    low[axis], high[axis] = slice(full - size // 2, full), slice(0, size - size // 2)
    kept = np.concatenate([spectrum[tuple(low)], spectrum[tuple(high)]], axis)
    frequency = np.arange(-(size // 2), size - size // 2)
    ramp = np.exp(-2j * np.pi * frequency * (start - full // 2) / full)
    ramp = (ramp / (oversample * np.sqrt(size))).astype(np.complex64)
    shape = [1] * image.ndim
    shape[axis] = size
    kept *= ramp.reshape(shape)
    return kept


def noise(coils: int, shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Complex Gaussian noise, correlated between coils.

    Args:
        coils: number of coils.
        shape: k-space samples (height, width).
        sigma: standard deviation of the real and of the imaginary part in every coil.
        rng: its source.

    Returns:
        complex64 (coils, height, width).
    """
    index = np.arange(coils)
    apart = np.abs(index[:, None] - index[None, :])
    apart = np.minimum(apart, coils - apart)
    factor = np.linalg.cholesky(NOISE_CORRELATION**apart + 1e-9 * np.eye(coils))
    white = rng.standard_normal((coils, shape[0] * shape[1], 2), dtype=np.float32)
    mixed = (factor.astype(np.float32) * np.float32(sigma)) @ white.reshape(coils, -1)
    return mixed.view(np.complex64).reshape(coils, *shape)


def acquire(
    image: np.ndarray,
    maps: np.ndarray,
    matrix: Matrix,
    sigma: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Measure a slice.

    Args:
        image: complex64 (height, width), the finely sampled object with its phase.
        maps: complex64 (coils, height, width), sensitivities on the same samples.
        matrix: the acquisition.
        sigma: noise of the real and of the imaginary part; 0 measures without noise.
        rng: source of the noise.

    Returns:
        complex64 k-space (coils, readout, phase); lines not acquired are zero.
    """
    kspace = encode(maps * image, matrix)
    if sigma > 0:
        kspace += noise(len(maps), kspace.shape[1:], sigma, rng)
    kspace[:, :, : matrix.first] = 0
    kspace[:, :, matrix.last + 1 :] = 0
    return kspace
