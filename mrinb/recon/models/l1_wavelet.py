"""Compressed sensing without training: least squares with an l1 penalty on wavelet coefficients.

The image x of the kept lines y of all coils solves

    minimise  1/2 || M F S x - y ||_2^2 + weight || W x ||_1

with the mask M, the unitary Fourier transform F, the coils' sensitivities S and the wavelet
transform W (Lustig, Donoho and Pauly, Sparse MRI, 2007; Appendix A of the paper). Everything that
fixes what a weight means is as in BART's ``pics -l1``, which the paper used, at its defaults:

* wavelet: Daubechies of four taps (``db2``, BART's ``dau2``), mirrored at the borders, along a side
  as long as it has ``MIN_SIZE`` pixels or more; the coarsest image is penalised as well;
* a random circular shift before the transform of each iteration, taken back after it (cycle
  spinning): without it the penalty leaves blocks, and little is gained over zero-filling;
* scale: y is divided by the largest value of the root sum of squares of the coils' images from the
  fully sampled central lines alone, or by its 90th percentile p where ``max - p < 2 (p - median)``,
  slice by slice; a bright spot thus does not set the scale;
* FISTA (Beck and Teboulle, 2009) from zero with step 1, which is what ``M F S`` allows; it ends
  with a gradient step, so that the kept lines of one coil are those measured. Small weights are far
  from converged after any usual number of iterations: the number is part of the method.

Readout is fully sampled: its transform is unitary and drops out of the data term, so that all is
done in hybrid space on the rows that are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mrinb.errors import MrinbError
from mrinb.recon.models.base import Measured, Reconstructor

VERSION = 1
"""Version of the numbers that a weight and a number of iterations give; an option of the method."""

NAME = "l1-wavelet"
WAVELET = "db2"
MIN_SIZE = 16
CALIBRATION = 24
"""At most so many central lines and rows calibrate the sensitivities (sigpy's default)."""
KERNEL = 6
_SEED = 0


def build(weight: float = 0.01, iterations: int = 100, version: int = VERSION) -> L1Wavelet:
    """Build the method.

    Args:
        weight: regularisation weight, lambda in the paper, of k-space scaled as the module says.
        iterations: iterations of FISTA.
        version: version of the method; it must be this code's.

    Raises:
        MrinbError: a value that makes no sense, or another version.
    """
    if not weight > 0:
        raise MrinbError(f"{NAME}: weight is {weight:g}; give a number above 0, such as 0.01")
    if not (isinstance(iterations, int) and iterations > 0):
        raise MrinbError(f"{NAME}: iterations is {iterations}; give a whole number above 0")
    if version != VERSION:
        raise MrinbError(f"{NAME} is version {VERSION} here, not {version}")
    return L1Wavelet(weight, iterations)


class L1Wavelet(Reconstructor):
    """l1-wavelet regularised least squares; it has no parameters to train and runs on the CPU.

    Args:
        weight: regularisation weight.
        iterations: iterations of FISTA.
        spin: shift at random before each wavelet transform.
        rescale: divide by the scale that the module describes; False takes k-space as it is.
    """

    def __init__(
        self, weight: float, iterations: int, spin: bool = True, rescale: bool = True
    ) -> None:
        super().__init__()
        self.weight = weight
        self.iterations = iterations
        self.spin = spin
        self.rescale = rescale

    def forward(self, measured: Measured) -> Tensor:
        """Reconstruct magnitude images (slices, height, recon_width) in the data's units.

        One coil has sensitivity 1 everywhere. Those of several are ESPIRiT maps (Uecker et al.,
        2014) from the fully sampled centre, and pixels that no coil sees are zero.
        """
        lines = measured.lines.cpu().numpy().astype(bool)
        kept = measured.hybrid.cpu().numpy().astype(np.complex64) * lines
        scale = _scale(kept, lines) if self.rescale else np.ones(len(kept), np.float32)
        kept /= scale[:, None, None, None]
        maps = None if kept.shape[1] == 1 else np.stack([sensitivities(k, lines) for k in kept])
        images = self._solve(kept, lines, maps)
        left = (images.shape[-1] - measured.recon_width) // 2
        images = images[..., left : left + measured.recon_width]
        magnitude = np.abs(images) * scale[:, None, None]
        return torch.from_numpy(magnitude.astype(np.float32)).to(measured.hybrid.device)

    def _solve(self, kept: np.ndarray, lines: np.ndarray, maps: np.ndarray | None) -> np.ndarray:
        """Complex images (slices, height, width) of scaled data (slices, coils, height, width)."""
        from sigpy import alg

        forward = operator(lines, kept.shape, maps)

        def gradient(images: np.ndarray) -> np.ndarray:
            return forward.H(forward(images) - kept)

        solver = alg.GradientMethod(
            gradient,
            np.zeros((len(kept), *kept.shape[2:]), np.complex64),
            alpha=1,
            proxg=shrinkage(self.weight, kept.shape[-2:], self.spin),
            accelerate=True,
            max_iter=self.iterations - 1,
        )
        solver.t = (1 + 5**0.5) / 2  # The start from zero counts as an iteration.
        while not solver.done():
            solver.update()
        return solver.z - gradient(solver.z)


def operator(lines: np.ndarray, shape: tuple[int, ...], maps: np.ndarray | None) -> Any:
    """M F S as a sigpy operator from images (slices, height, width) to hybrid data.

    Args:
        lines: kept lines, boolean (width,).
        shape: (slices, coils, height, width) of the data.
        maps: sensitivities of that shape, or None for one coil of sensitivity 1.
    """
    from sigpy import linop

    slices, _, height, width = shape
    single = (slices, 1, height, width)
    image = linop.Reshape(single, (slices, height, width))
    if maps is not None:
        image = linop.Multiply(single, maps) * image
    transform = linop.FFT(shape, axes=(-1,))
    return linop.Multiply(shape, lines.astype(np.float32)) * transform * image


def shrinkage(
    weight: float, shape: tuple[int, ...], spin: bool
) -> Callable[[float, np.ndarray], np.ndarray]:
    """Soft thresholding of wavelet coefficients, as a function of step and images.

    Args:
        weight: threshold at step 1.
        shape: (height, width) of the images.
        spin: shift at random before the transform. The shifts are the same for all images of a
            call, and every function made here draws the same ones in turn: what else is in a
            batch changes no image.
    """
    period = [2 ** _levels(size) for size in shape]
    rng = np.random.default_rng(_SEED)

    def prox(step: float, images: np.ndarray) -> np.ndarray:
        shift = rng.integers(0, period) if spin else np.zeros(2, int)
        moved = np.roll(images, shift, (-2, -1))
        return np.roll(_threshold(moved, weight * step), -shift, (-2, -1))

    return prox


def _threshold(images: np.ndarray, limit: float) -> np.ndarray:
    """Transform, shrink every coefficient, transform back; (..., height, width)."""
    import pywt

    axes = [axis for axis in (-2, -1) if images.shape[axis] >= MIN_SIZE]
    if not axes:
        return _soft(images, limit)
    bands = pywt.dwtn(images, WAVELET, "symmetric", axes)
    coarse = len(axes) * "a"
    shrunk = {name: _soft(band, limit) for name, band in bands.items() if name != coarse}
    shrunk[coarse] = _threshold(bands[coarse], limit)
    height, width = images.shape[-2:]
    return pywt.idwtn(shrunk, WAVELET, "symmetric", axes)[..., :height, :width]


def _soft(values: np.ndarray, limit: float) -> np.ndarray:
    """Magnitudes smaller by the limit, none below zero; phases as they are."""
    size = np.abs(values)
    return values * (np.maximum(size - limit, 0) / np.maximum(size, 1e-30))


def _levels(size: int) -> int:
    """How often a side of this size is halved."""
    levels = 0
    while size >= MIN_SIZE:
        size, levels = (size + 3) // 2, levels + 1
    return levels


def central(lines: np.ndarray) -> slice:
    """The widest centred block of k-space in which every line was kept."""
    middle = len(lines) // 2
    count = 0
    while True:
        left = middle - (count + 1) // 2
        block = slice(left, left + count + 1)
        if left < 0 or block.stop > len(lines) or not lines[block].all():
            left = middle - count // 2
            return slice(left, left + count)
        count += 1


def _scale(kept: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """What each slice's k-space is divided by, shape (slices,)."""
    band = central(lines)
    low = np.zeros_like(kept)
    low[..., band] = kept[..., band]
    shifted = np.fft.ifft(np.fft.ifftshift(low, axes=-1), norm="ortho")
    image = np.sqrt((np.abs(shifted) ** 2).sum(1)).reshape(len(kept), -1)
    median, high = np.quantile(image, (0.5, 0.9), axis=1)
    largest = image.max(1)
    scale = np.where(largest - high < 2 * (high - median), high, largest)
    return np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)


def sensitivities(kept: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """ESPIRiT maps of one slice.

    Args:
        kept: hybrid data (coils, height, width).
        lines: kept lines, boolean (width,).

    Returns:
        complex64 (coils, height, width), of unit root sum of squares or zero.

    Raises:
        MrinbError: there are too few central lines to calibrate from.
    """
    from sigpy.mri.app import EspiritCalib

    band = central(lines)
    width = min(CALIBRATION, band.stop - band.start, kept.shape[-2])
    if width < 4:
        raise MrinbError(
            f"{NAME}: only {width} central lines to calibrate coils from: sample more of the centre"
        )
    kspace = np.fft.fft(np.fft.ifftshift(kept, axes=-2), axis=-2, norm="ortho")
    kspace = np.fft.fftshift(kspace, axes=-2).astype(np.complex64)
    kernel = min(KERNEL, (width + 1) // 2)
    return EspiritCalib(kspace, width, kernel_width=kernel, show_pbar=False).run()
