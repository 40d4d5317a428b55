"""The arrays that figures and widgets show, each computed by a function named after the exhibit.

Pictures are kept in 8 bits with the value shown white beside them; the scores beside them are
computed from the float images before that.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib import cbook

from mrinb import masks, metrics, similarity, toy
from mrinb.catalogue import distribution
from mrinb.context import Context
from mrinb.data.simulate import acquire
from mrinb.data.slices import SliceData, Slices, zero_filled
from mrinb.data.volumes import Item, Volume, volumes
from mrinb.errors import MrinbError, unknown
from mrinb.evaluation import reconstruct
from mrinb.specs import ExhibitSpec, SamplingSpec

Arrays = dict[str, np.ndarray]
VERSION = 1
"""Version of every exhibit's arrays; it enters their keys."""


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
            items.append((volume, min(int(fraction * volume.slices), volume.slices - 1)))
    return items[:count]


def _items(spec: ExhibitSpec, context: Context) -> list[Item]:
    assert spec.data is not None
    return shown_slices(volumes(spec.data, context), spec.option("slices"))


def _loaded(items: list[Item], context: Context) -> list[SliceData]:
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


def reference(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Targets and zero-filled images of a split, with the zero-filled images' scores.

    Returns:
        ``target`` and ``zero_filled`` uint8 (slices, height, width), ``white``, ``max_value``,
        ``ssim``, ``psnr``, ``effective`` (slices,), ``volume`` and ``slice``.
    """
    items = _items(spec, context)
    data = _loaded(items, context)
    targets = np.stack([d.target.numpy() for d in data])
    filled = np.stack(reconstruct(None, None, items, spec.sampling, context))
    white = _white(targets)
    drawn = [_volume_mask(spec.sampling, d) for d in data]
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


def reconstruction(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Reconstructions of the slices of ``reference`` by a run or an untrained method, with scores.

    Returns:
        ``image`` uint8 (slices, height, width), ``white``, ``ssim`` and ``psnr`` (slices,).
    """
    items = _items(spec, context)
    data = _loaded(items, context)
    targets = np.stack([d.target.numpy() for d in data])
    images = np.stack(
        reconstruct(spec.method or spec.train, weights, items, spec.sampling, context)
    )
    white = _white(targets)
    pictures = Pictures.of(images, white)
    return {"image": pictures.images, "white": white, **_scores(images, targets, data)}


def _volume_mask(sampling: SamplingSpec, data: SliceData) -> masks.Mask:
    return masks.for_volume(sampling, data.volume, data.hybrid.shape[-1], padding=data.padding)


def forward_model(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Equation 1 step by step for one slice: coil images, k-space, mask, zero-filled image.

    Returns:
        ``target`` (height, width), ``coils`` magnitudes and ``phases`` in radians (coils, height,
        width), ``kspace`` log-magnitudes (coils, height, width), ``lines`` (width,) and
        ``zero_filled`` (height, width), in float16 but for the mask.
    """
    item = _items(spec, context)[-1]
    data = Slices([item], context)[0]
    drawn = _volume_mask(spec.sampling, data)
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


def kspace(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Fully sampled k-space of one slice, for the mask explorer.

    It is compressed to ``coils`` virtual coils (principal components of the coils) and, where it
    is larger than ``size`` in a direction, cropped to its centre: a page has little room.

    Returns:
        ``real`` and ``imag`` float16 (coils, height, width) in units of ``scale``, and ``kept``,
        the fraction of the energy that the virtual coils hold.
    """
    item = _items(spec, context)[-1]
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


def spectrum(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Radial power spectrum and intensity histogram of a split's targets, averaged over slices.

    Returns:
        ``frequency`` in cycles per pixel (bins,), ``power`` relative to its mean over all
        frequencies (bins,), ``edges`` (bins + 1,) in units of the slice's 99.5th percentile and
        ``density`` (bins,).
    """
    items = _items(spec, context)
    return image_statistics([d.target.numpy() for d in _loaded(items, context)])


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
    ceiling = acquire.noise_ceiling(distribution(spec.data.distribution), few)
    return {
        "snr": np.array(acquire.SNR[spec.data.distribution]),
        "noise_free": np.array(ceiling.noise_free),
        "with_floor": np.array(ceiling.with_floor),
    }


def patches(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Which patches Appendix D keeps: a slice, its foreground, and candidates in and out.

    Returns:
        ``image`` uint8 (height, width), ``foreground`` (height, width), ``kept`` and ``discarded``
        first rows and columns (patches, 2), and the ``patch``'s side in pixels.
    """
    assert spec.data is not None
    volume, index = _items(spec, context)[-1]
    side = similarity.patch_size(spec.data)
    chosen = similarity.choice(volume, index, side)
    arrays = {**chosen._asdict(), "patch": np.array(side)}
    return arrays | {"foreground": chosen.foreground.astype(np.uint8)}


def lines(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """What the masks of a split's volumes keep.

    Returns:
        ``volume``, nominal ``acceleration``, lines ``acquired`` by a full scan, ``low`` fully
        sampled ones, lines ``kept`` and ``effective`` acceleration (volumes,).
    """
    assert spec.data is not None
    found = volumes(spec.data, context)
    drawn = [masks.for_volume(spec.sampling, v.name, v.kspace_shape[-1], v.padding) for v in found]
    return {
        "volume": np.array([v.name for v in found]),
        "acceleration": np.array([m.acceleration for m in drawn]),
        "acquired": np.array([m.acquired for m in drawn]),
        "low": np.array([m.low for m in drawn]),
        "kept": np.array([int(m.lines.sum()) for m in drawn]),
        "effective": np.array([m.effective for m in drawn]),
    }


def toy_risk(spec: ExhibitSpec, weights: Path | None, context: Context) -> Arrays:
    """Section 3's toy problem: risk of the non-linear estimator over noise levels.

    Returns:
        ``sigmas``, ``risk`` and its standard ``error`` (levels,).
    """
    sigmas = np.round(np.arange(0.05, 1.0001, 0.025), 3)
    n, d, draws = (spec.option(name) for name in ("n", "d", "draws"))
    risk, error = toy.nonlinear_risk(sigmas.tolist(), n, d, draws, 0)
    return {"sigmas": sigmas, "risk": risk, "error": error}


EXHIBITS: dict[str, Callable[[ExhibitSpec, Path | None, Context], Arrays]] = {
    f.__name__: f
    for f in (
        reference,
        reconstruction,
        forward_model,
        kspace,
        spectrum,
        real_head,
        noise_ceiling,
        patches,
        toy_risk,
        lines,
    )
}


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
    if spec.name not in EXHIBITS:
        raise unknown("exhibit", spec.name, EXHIBITS)
    return EXHIBITS[spec.name](spec, weights, context)
