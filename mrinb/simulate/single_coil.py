"""Emulated single-coil volumes, as in fastMRI's single-coil track.

One complex linear combination of a volume's coils stands for the response of a single receiver. Its
coefficients are those for which the magnitude of the combined images comes closest to their root
sum of squares in the least-squares sense. Noise and phase are those of one receiver.
Source: Tygert and Zbontar, Simulating single-coil MRI from the responses of multiple coils (2020).
"""

from __future__ import annotations

import numpy as np
from scipy import fft

VERSION = 1
"""Version of the combination; it enters the data key of single-coil volumes."""

ITERATIONS = 100


def combine(kspace: np.ndarray, recon: tuple[int, int]) -> np.ndarray:
    """Emulate a single coil.

    Args:
        kspace: complex64 (slices, coils, height, width).
        recon: target matrix (height, width), inside which the combination is fitted.

    Returns:
        k-space complex64 (slices, 1, height, width).
    """
    weights = coefficients(_images(kspace, recon))
    return np.einsum("c,schw->shw", weights, kspace, dtype=np.complex64)[:, None]


def coefficients(images: np.ndarray, iterations: int = ITERATIONS) -> np.ndarray:
    """Coefficients of the coils for which the combination's magnitude is nearest to the RSS.

    Alternating least squares: the root sum of squares takes the phase of the present combination,
    then the coefficients are fitted to it. No step increases the distance. It starts from the
    first principal component of the coils.

    Args:
        images: complex coil images (slices, coils, height, width).
        iterations: number of fits.

    Returns:
        complex64 (coils,), the largest of them real and positive.
    """
    samples = np.moveaxis(images, 1, -1).reshape(-1, images.shape[1])
    rss = np.linalg.norm(samples, axis=1)
    adjoint = samples.conj().T
    gram = (adjoint @ samples).astype(np.complex128)
    found = np.linalg.eigh(gram)[1][:, -1].astype(np.complex64)
    for _ in range(iterations):
        combined = samples @ found
        phase = combined / np.maximum(np.abs(combined), np.finfo(np.float32).tiny)
        fitted = np.linalg.lstsq(gram, adjoint @ (rss * phase), rcond=1e-8)[0]
        found = fitted.astype(np.complex64)
    largest = found[np.argmax(np.abs(found))]
    return found * (np.abs(largest) / largest)


def _images(kspace: np.ndarray, recon: tuple[int, int]) -> np.ndarray:
    """Centre-cropped inverse transform, slice by slice to spare memory."""
    top, left = ((n - m) // 2 for n, m in zip(kspace.shape[2:], recon, strict=True))
    slices = []
    for one in kspace:
        image = fft.ifft2(fft.ifftshift(one, axes=(1, 2)), norm="ortho", overwrite_x=True)
        image = fft.fftshift(image, axes=(1, 2))
        slices.append(image[:, top : top + recon[0], left : left + recon[1]])
    return np.stack(slices)
