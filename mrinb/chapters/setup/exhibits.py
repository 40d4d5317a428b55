"""Exhibits of Chapter 2: the forward model, k-space, spectra, noise ceilings, the toy problem."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from matplotlib import cbook

from mrinb.catalogue import distribution
from mrinb.compute.context import Context
from mrinb.data.slices import Slices, zero_filled
from mrinb.errors import MrinbError
from mrinb.exhibits import Arrays, chosen_items, exhibit, loaded, volume_mask
from mrinb.recon import toy
from mrinb.simulate import ceiling
from mrinb.specs import ExhibitSpec


@exhibit()
def forward_model(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Equation 1 step by step for one slice: coil images, k-space, mask, zero-filled image.

    Returns:
        ``target`` (height, width), ``coils`` magnitudes and ``phases`` in radians (coils, height,
        width), ``kspace`` log-magnitudes (coils, height, width), ``lines`` (width,) and
        ``zero_filled`` (height, width), in float16 but for the mask.
    """
    item = chosen_items(spec, context)[-1]
    data = Slices([item], context)[0]
    drawn = volume_mask(spec.sampling, data)
    width = data.target.shape[-1]
    images = _image(data.hybrid, width)
    strongest = torch.argsort(images.abs().sum((-2, -1)), descending=True)[: spec.option("coils")]
    images, hybrid = images[strongest], data.hybrid[strongest]
    filled = zero_filled(data.hybrid[None], drawn.lines, width)[0]
    scale = float(data.target.max())
    kspace = _kspace(hybrid).abs()
    floor = float(kspace.max()) * 1e-4
    return {
        "target": (data.target / scale).numpy().astype(np.float16),
        "coils": (images.abs() / scale).numpy().astype(np.float16),
        "phases": images.angle().numpy().astype(np.float16),
        "kspace": torch.log10(kspace.clamp(min=floor) / floor).numpy().astype(np.float16),
        "lines": drawn.lines.numpy(),
        "zero_filled": (filled / scale).numpy().astype(np.float16),
    }


def _image(hybrid: torch.Tensor, width: int) -> torch.Tensor:
    """Coil images (coils, height, width) of hybrid data."""
    shifted = torch.fft.ifftshift(hybrid, dim=-1)
    image = torch.fft.fftshift(torch.fft.ifft(shifted, dim=-1, norm="ortho"), dim=-1)
    start = (image.shape[-1] - width) // 2
    return image[..., start : start + width] if start >= 0 else image


def _kspace(hybrid: torch.Tensor) -> torch.Tensor:
    """k-space of the cropped readout, (coils, height, width)."""
    shifted = torch.fft.ifftshift(hybrid, dim=-2)
    return torch.fft.fftshift(torch.fft.fft(shifted, dim=-2, norm="ortho"), dim=-2)


@exhibit()
def kspace(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Fully sampled k-space of one slice, for the mask explorer.

    It is compressed to ``coils`` virtual coils (principal components of the coils) and, where it
    is larger than ``size`` in a direction, cropped to its centre: a page has little room.

    Returns:
        ``real`` and ``imag`` float16 (coils, height, width) in units of ``scale``, and ``kept``,
        the fraction of the energy that the virtual coils hold.
    """
    item = chosen_items(spec, context)[-1]
    hybrid = Slices([item], context)[0].hybrid
    full = _kspace(hybrid)
    for dim in (-2, -1):
        size = min(full.shape[dim], spec.option("size"))
        full = full.narrow(dim, (full.shape[dim] - size) // 2, size)
    flat = full.reshape(len(full), -1)
    u, energy, _ = torch.linalg.svd(flat, full_matrices=False)
    count = min(spec.option("coils"), len(full))
    virtual = (u[:, :count].mH @ flat).reshape(count, *full.shape[1:])
    scale = float(torch.view_as_real(virtual).abs().max()) / 6e4  # float16 ends at 65504
    return {
        "real": (virtual.real / scale).numpy().astype(np.float16),
        "imag": (virtual.imag / scale).numpy().astype(np.float16),
        "scale": np.array(scale),
        "kept": np.array(float(energy[:count].square().sum() / energy.square().sum())),
    }


@exhibit()
def spectrum(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Radial power spectrum and intensity histogram of a split's targets, averaged over slices.

    Returns:
        ``frequency`` in cycles per pixel (bins,), ``power`` relative to its mean over all
        frequencies (bins,), ``edges`` (bins + 1,) in units of the slice's 99.5th percentile and
        ``density`` (bins,).
    """
    items = chosen_items(spec, context)
    return image_statistics([d.target.numpy() for d in loaded(items, context)])


def image_statistics(images: list[np.ndarray], bins: int = 40) -> Arrays:
    """Mean radial power spectrum and intensity histogram of images (height, width)."""
    edges = np.linspace(0, 1.2, bins + 1)
    powers, densities = [], []
    for image in images:
        scaled = image / np.percentile(image, 99.5)
        densities.append(np.histogram(scaled, edges, density=True)[0])
        spectrum = np.abs(np.fft.fft2(scaled * _window(scaled.shape))) ** 2
        radius = np.hypot(
            np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None]
        )
        ring = np.minimum((radius * 2 * bins).astype(int), bins)
        total = np.bincount(ring.ravel(), spectrum.ravel(), bins + 1)[:bins]
        count = np.bincount(ring.ravel(), minlength=bins + 1)[:bins]
        powers.append(total / np.maximum(count, 1) / spectrum.mean())
    return {
        "frequency": (np.arange(bins) + 0.5) / (2 * bins),
        "power": np.mean(powers, axis=0),
        "edges": edges,
        "density": np.mean(densities, axis=0),
    }


def _window(shape: tuple[int, ...]) -> np.ndarray:
    """Hann window: an image's cut borders would otherwise dominate high frequencies."""
    return np.hanning(shape[0])[:, None] * np.hanning(shape[1])[None]


@exhibit()
def real_head(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """``spectrum`` of a real image: the sagittal T1-weighted head that matplotlib carries.

    Its k-space is cropped to ``size``, so that a pixel is of a size with the simulated ones.
    """
    packed = Path(str(cbook.get_sample_data("s1045.ima.gz", asfileobj=False))).read_bytes()
    image = np.frombuffer(gzip.decompress(packed), np.uint16).reshape(256, 256)
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    size = min(spec.option("size"), len(image))
    start = (len(image) - size) // 2
    center = spectrum[start : start + size, start : start + size]
    return image_statistics([np.abs(np.fft.ifft2(np.fft.ifftshift(center)))])


@exhibit()
def noise_ceiling(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """SSIM that noise leaves attainable for one volume of a simulated distribution.

    Returns:
        ``snr``, and the SSIM against the target of the noise-free image (``noise_free``) and of
        the same raised by the floor that the coils' noise adds to an RSS image (``with_floor``).

    Raises:
        MrinbError: the data are real, whose noise-free image nobody knows.
    """
    if spec.data is None or spec.data.simulator is None:
        raise MrinbError("noise ceilings are known of simulated data only: leave data_root empty")
    few = spec.data.simulator.model_copy(update={"subjects": 1, "slices": spec.option("slices")})
    found = distribution(spec.data.distribution)
    reached = ceiling.noise_ceiling(found, few)
    return {
        "snr": np.array(found.snr),
        "noise_free": np.array(reached.noise_free),
        "with_floor": np.array(reached.with_floor),
    }


@exhibit()
def toy_risk(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Section 3's toy problem: risk of the non-linear estimator over noise levels.

    Returns:
        ``sigmas``, ``risk`` and its standard ``error`` (levels,).
    """
    sigmas = np.round(np.arange(0.05, 1.0001, 0.025), 3)
    n, d, draws = (spec.option(name) for name in ("n", "d", "draws"))
    risk, error = toy.nonlinear_risk(sigmas.tolist(), n, d, draws, 0)
    return {"sigmas": sigmas, "risk": risk, "error": error}
