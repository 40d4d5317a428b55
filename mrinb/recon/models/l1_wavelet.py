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

Several coils have ESPIRiT maps (Uecker et al., 2014) as sensitivities, and their result is the root
sum of squares of coil images whose kept lines are those measured, as the reference is one of coil
images. What matters for the few central lines of small scans was chosen on validation data:

* crop: maps are zero where their eigenvalue is not above 0.8. On two slices each of
  knee/PDFS-Aera, knee/PD-Skyra, brain/T1-Aera and brain/T2-Skyra (96 pixels, 8 coils, 4-fold, best
  of three weights) mean SSIM is 0.859, 0.863 and 0.878 at crop 0, 0.5 and 0.8, on the foreground
  0.876, 0.879 and 0.889 (zero-filled: 0.580). On ten distributions 0.8 blanks nothing of a body,
  0.9 up to 3 %, and sigpy's default of 0.95 up to 14 %. Two real brains of 96 pixels, phase
  encoding along either axis, agree: 0.888 to 0.952 at crop 0.5, 0.910 to 0.968 at 0.8, and 0.481
  to 0.959 at 0.95, which blanks 4 and 40 % of them. (At 256 pixels one has 0.935 at 0.5 and 0.922
  at 0.8, and nothing is blanked.)
* calibration: all central lines, up to 24. From 4 or 6 of the 8 to 10 lines SSIM is lower by 0.03
  and 0.01 or more.
* kernel: 6 pixels, or half the lines where they are few. Half of an odd number rounded up leaves
  too few equations: SSIM is lower by 0.01 at crop 0.5, and 0.95 blanked up to 58 % of a slice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from mrinb.errors import MrinbError
from mrinb.recon.models.base import Measured, Reconstructor
from mrinb.specs import Coil, ModelSpec

VERSION = 1
"""Version of the numbers that a weight and a number of iterations give; an option of the method."""

NAME = "l1-wavelet"
WAVELET = "db2"
MIN_SIZE = 16
CALIBRATION = 24
"""At most so many central lines and rows calibrate the sensitivities (sigpy's default)."""
KERNEL = 6
"""ESPIRiT's kernel has so many pixels a side, or half the calibration lines where they are few."""
FEWEST = 4
"""Central lines that ESPIRiT needs; fewer give sensitivities by the coils' shares of brightness."""
CROP = 0.8
"""Sensitivities are zero where ESPIRiT's eigenvalue is not above it (why 0.8: see the module)."""
_POWER = 30
"""Iterations for the eigenvectors: their error within a body is below 1e-6, as after 100."""
_KEPT_MAPS, _KEPT_VALUES = 32, 2**20
"""A process keeps so many slices' maps, of at most so many values, for its next weights."""
_SEED = 0


def spec(weight: float, iterations: int = 100, coil: Coil = "multi") -> ModelSpec:
    """Describe the method for data of one coil or of several.

    The crop belongs to the description only where there are sensitivities to crop.
    """
    options: dict[str, int | float] = {
        "iterations": iterations, "version": VERSION, "weight": weight,
    }  # fmt: skip
    if coil == "multi":
        options["crop"] = CROP
    return ModelSpec(name=NAME, options=tuple(sorted(options.items())))


def build(
    weight: float = 0.01, iterations: int = 100, version: int = VERSION, crop: float = CROP
) -> L1Wavelet:
    """Build the method.

    Args:
        weight: regularisation weight, lambda in the paper, of k-space scaled as the module says.
        iterations: iterations of FISTA.
        version: version of the method; it must be this code's.
        crop: eigenvalue below which ESPIRiT's sensitivities are zero, for data of several coils.

    Raises:
        MrinbError: a value that makes no sense, or another version.
    """
    if not weight > 0:
        raise MrinbError(f"{NAME}: weight is {weight:g}; give a number above 0, such as 0.01")
    if not (isinstance(iterations, int) and iterations > 0):
        raise MrinbError(f"{NAME}: iterations is {iterations}; give a whole number above 0")
    if version != VERSION:
        raise MrinbError(f"{NAME} is version {VERSION} here, not {version}")
    if not 0 <= crop < 1:
        raise MrinbError(f"{NAME}: crop is {crop:g}; give a number from 0 to below 1")
    return L1Wavelet(weight, iterations, crop)


class L1Wavelet(Reconstructor):
    """l1-wavelet regularised least squares; it has no parameters to train and runs on the CPU.

    Args:
        weight: regularisation weight.
        iterations: iterations of FISTA.
        crop: eigenvalue below which ESPIRiT's sensitivities are zero.
        spin: shift at random before each wavelet transform.
        rescale: divide by the scale that the module describes; False takes k-space as it is.
    """

    def __init__(
        self,
        weight: float,
        iterations: int,
        crop: float = CROP,
        spin: bool = True,
        rescale: bool = True,
    ) -> None:
        super().__init__()
        self.weight = weight
        self.iterations = iterations
        self.crop = crop
        self.spin = spin
        self.rescale = rescale

    def forward(self, measured: Measured) -> Tensor:
        """Reconstruct magnitude images (slices, height, recon_width) in the data's units.

        One coil has sensitivity 1 everywhere, several have those of ``sensitivities``.

        Raises:
            MrinbError: no central line was kept to calibrate several coils from.
        """
        lines = measured.lines.cpu().numpy().astype(bool)
        kept = measured.hybrid.cpu().numpy().astype(np.complex64) * lines
        scale = _scale(kept, lines) if self.rescale else np.ones(len(kept), np.float32)
        kept /= scale[:, None, None, None]
        several = kept.shape[1] > 1
        maps = np.stack([sensitivities(k, lines, self.crop) for k in kept]) if several else None
        images = self._solve(kept, lines, maps)
        magnitude = np.abs(images) if maps is None else consistent(images, kept, lines, maps)
        left = (magnitude.shape[-1] - measured.recon_width) // 2
        magnitude = magnitude[..., left : left + measured.recon_width] * scale[:, None, None]
        return torch.from_numpy(magnitude.astype(np.float32)).to(measured.hybrid.device)

    def _solve(self, kept: np.ndarray, lines: np.ndarray, maps: np.ndarray | None) -> np.ndarray:
        """Complex images (slices, height, width) of scaled data (slices, coils, height, width)."""
        from sigpy import alg

        gradient = data_gradient(kept, lines, maps)
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


def consistent(
    images: np.ndarray, kept: np.ndarray, lines: np.ndarray, maps: np.ndarray
) -> np.ndarray:
    """Root sum of squares of coil images whose kept lines are those measured.

    The other lines are those of ``maps * images``. Where no coil sees a pixel, what the kept lines
    say of it remains, as in a zero-filled image.

    Args:
        images: complex (slices, height, width).
        kept: masked hybrid data (slices, coils, height, width).
        lines: kept lines, boolean (width,).
        maps: sensitivities of the data's shape.

    Returns:
        float32 (slices, height, width).
    """
    order = np.fft.ifftshift(lines)
    found = np.empty(images.shape, np.float32)
    for i, image in enumerate(images):
        spectrum = torch.fft.fft(torch.from_numpy(maps[i] * image), norm="ortho").numpy()
        spectrum[..., order] = _from_corner(kept[i])[..., order]
        coils = torch.fft.ifft(torch.from_numpy(spectrum), norm="ortho").numpy()
        found[i] = np.sqrt((np.abs(coils) ** 2).sum(0))
    return found


def _from_corner(kept: np.ndarray) -> np.ndarray:
    """Centred lines (..., width) in the order and phase of a transform that starts at a corner."""
    width = kept.shape[-1]
    phase = np.exp(-2j * np.pi * np.fft.fftfreq(width) * (width // 2)).astype(np.complex64)
    return np.fft.ifftshift(kept, axes=-1) * phase


def data_gradient(
    kept: np.ndarray, lines: np.ndarray, maps: np.ndarray | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Gradient of the data term, (M F S)^H (M F S x - y), as a function of images x.

    The transform starts at a corner, for which y is shifted once and not x in every iteration;
    slices are done one after the other, since one slice's coils stay in a processor's cache.

    Args:
        kept: masked hybrid data y (slices, coils, height, width).
        lines: kept lines, boolean (width,).
        maps: sensitivities of the data's shape, or None for one coil of sensitivity 1.

    Returns:
        A function from images (slices, height, width) to images.
    """
    mask = torch.from_numpy(np.fft.ifftshift(lines).astype(np.float32))
    weights = None if maps is None else torch.from_numpy(maps)
    conjugate = None if weights is None else weights.conj().resolve_conj()

    def image(data: Tensor, i: int) -> Tensor:
        coils = torch.fft.ifft(data, norm="ortho")
        return (coils if conjugate is None else coils.mul_(conjugate[i])).sum(0)

    measured = [image(data, i) for i, data in enumerate(torch.from_numpy(_from_corner(kept)))]

    def gradient(images: np.ndarray) -> np.ndarray:
        found = np.empty_like(images)
        for i, x in enumerate(torch.from_numpy(images)):
            coils = x[None] if weights is None else weights[i] * x
            data = torch.fft.fft(coils, norm="ortho").mul_(mask)
            found[i] = (image(data, i) - measured[i]).numpy()
        return found

    return gradient


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


def sensitivities(kept: np.ndarray, lines: np.ndarray, crop: float = CROP) -> np.ndarray:
    """Sensitivities of one slice's coils, from its fully sampled centre.

    ESPIRiT maps (Uecker et al., 2014) of a square centre; where it has fewer than ``FEWEST``
    lines, the coils' images from them, divided by their root sum of squares.

    Args:
        kept: hybrid data (coils, height, width).
        lines: kept lines, boolean (width,).
        crop: ESPIRiT maps are zero where their eigenvalue is not above it.

    Returns:
        complex64 (coils, height, width), of unit root sum of squares or zero.

    Raises:
        MrinbError: no central line was kept.
    """
    band = central(lines)
    count = band.stop - band.start
    if not count:
        raise MrinbError(f"{NAME}: no central line to calibrate coils from: sample the centre")
    kspace = np.fft.fft(np.fft.ifftshift(kept, axes=-2), axis=-2, norm="ortho")
    kspace = np.fft.fftshift(kspace, axes=-2).astype(np.complex64)
    if count < FEWEST:
        return _shares(kspace, band)
    width = min(CALIBRATION, count, kept.shape[-2])
    centre = _centre(kspace, width)
    find = _kept_espirit if kept.size <= _KEPT_VALUES else _espirit
    return find(centre.tobytes(), centre.shape, kept.shape[1:], crop)


def _centre(kspace: np.ndarray, width: int) -> np.ndarray:
    """The central ``width`` rows and lines, (coils, width, width)."""
    from sigpy import util

    return util.resize(kspace, (len(kspace), width, width))


def _espirit(
    centre: bytes, shape: tuple[int, ...], image: tuple[int, int], crop: float
) -> np.ndarray:
    """ESPIRiT maps (coils, *image) from a centre of k-space of this shape."""
    from sigpy import util
    from sigpy.mri.app import EspiritCalib

    coils, width, _ = shape
    kspace = util.resize(np.frombuffer(centre, np.complex64).reshape(shape), (coils, *image))
    calibration = EspiritCalib(
        kspace, width, kernel_width=min(KERNEL, width // 2), crop=crop, max_iter=_POWER,
        show_pbar=False,
    )  # fmt: skip
    return calibration.run()


_kept_espirit = lru_cache(_KEPT_MAPS)(_espirit)


def _shares(kspace: np.ndarray, band: slice) -> np.ndarray:
    """Low-resolution images of the coils, divided by their root sum of squares."""
    rows = min(CALIBRATION, kspace.shape[-2])
    top = (kspace.shape[-2] - rows) // 2
    low = np.zeros_like(kspace)
    count = band.stop - band.start
    taper = np.hanning(rows + 2)[1:-1, None] * np.hanning(count + 2)[1:-1]
    low[:, top : top + rows, band] = kspace[:, top : top + rows, band] * taper
    images = np.fft.ifft2(np.fft.ifftshift(low, axes=(-2, -1)))
    images = np.fft.fftshift(images, axes=(-2, -1)).astype(np.complex64)
    size = np.sqrt((np.abs(images) ** 2).sum(0))
    return images / np.maximum(size, np.finfo(np.float32).tiny)
