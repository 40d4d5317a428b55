"""Fourier transforms in fastMRI's convention, and what follows from them without one.

Centred and orthonormal: frequency zero and the middle of the image are at index ``n // 2``.
"""

from __future__ import annotations

import numpy as np
from scipy import fft


def centred(data: np.ndarray, axes: tuple[int, ...], inverse: bool) -> np.ndarray:
    """Centred orthonormal Fourier transform.

    Args:
        data: complex array of any shape.
        axes: the axes to transform.
        inverse: from k-space to the image.

    Returns:
        A new array of the same shape and precision.
    """
    shifted = fft.ifftshift(data, axes=axes)
    change = fft.ifftn if inverse else fft.fftn
    return fft.fftshift(change(shifted, axes=axes, norm="ortho", overwrite_x=True), axes=axes)


def reverse(kspace: np.ndarray, axis: int) -> np.ndarray:
    """The k-space of the image turned around along an axis, for odd and even sizes.

    Reversing the frequencies turns the image around its centre ``n // 2``; for even sizes that is
    half a pixel beside the middle, so a linear phase moves it by one pixel.

    Args:
        kspace: complex array.
        axis: the axis along which the image is turned.

    Returns:
        complex64 array of the same shape; lines of zeros remain exact zeros.
    """
    size = kspace.shape[axis]
    frequency = np.arange(size) - size // 2
    turned = np.take(kspace, (size // 2 - frequency) % size, axis=axis)
    shift = 2 * (size // 2) - size + 1
    if shift:
        turned *= _along(np.exp(2j * np.pi * shift * frequency / size), kspace.ndim, axis)
    return turned


def recentre(kspace: np.ndarray, axis: int) -> np.ndarray:
    """Bring k-space of the plain ``ifft`` convention into the centred one, in place.

    Where the plain inverse transform of centred frequencies already has the image in the middle,
    the centred transform shows it half a field of view off; a linear phase (alternating signs for
    even sizes) moves it back.

    Args:
        kspace: complex array.
        axis: the axis to correct.

    Returns:
        The same array.
    """
    size = kspace.shape[axis]
    frequency = np.arange(size) - size // 2
    phase = np.exp(2j * np.pi * (size // 2) * frequency / size)
    kspace *= _along(phase, kspace.ndim, axis)
    return kspace


def alternate(data: np.ndarray, axis: int) -> np.ndarray:
    """Multiply every second index along an axis by -1, in place."""
    index: list[slice] = [slice(None)] * data.ndim
    index[axis] = slice(1, None, 2)
    data[tuple(index)] *= -1
    return data


def _along(values: np.ndarray, ndim: int, axis: int) -> np.ndarray:
    shape = [1] * ndim
    shape[axis] = len(values)
    return values.astype(np.complex64).reshape(shape)


def target(kspace: np.ndarray, recon: tuple[int, int]) -> np.ndarray:
    """Root sum of squares over coils, cropped in the middle.

    Args:
        kspace: complex64 (slices, coils, height, width).
        recon: matrix of the target (height, width); what is larger than the image is cut to it.

    Returns:
        float32 (slices, height, width).
    """
    image = crop(centred(kspace, (-2, -1), inverse=True), recon)
    power = np.square(image.real) + np.square(image.imag)
    return np.sqrt(power.sum(axis=1)).astype(np.float32)


def crop(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The middle of the last two axes, where they are larger."""
    where = [slice(None)] * image.ndim
    for axis, size in zip((-2, -1), shape, strict=True):
        start = max((image.shape[axis] - size) // 2, 0)
        where[axis] = slice(start, start + size)
    return image[tuple(where)]


def acquired(kspace: np.ndarray, axis: int) -> tuple[int, int]:
    """First line along an axis that is not all zeros, and the line after the last.

    Args:
        kspace: complex array.
        axis: the axis across which the lines are counted.

    Returns:
        (first, after the last); (0, size) where everything is zero.
    """
    axis %= kspace.ndim
    over = 0 if axis else 1
    filled = np.zeros(kspace.shape[axis], bool)
    rest = tuple(i for i in range(kspace.ndim - 1) if i != axis - (axis > over))
    for part in np.moveaxis(kspace, over, 0):
        filled |= part.any(axis=rest)
        if filled[0] and filled[-1]:
            break
    lines = np.flatnonzero(filled)
    return (int(lines[0]), int(lines[-1]) + 1) if lines.size else (0, len(filled))
