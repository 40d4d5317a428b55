"""One scan of one subject: anatomy, contrast and scanner put together, from k-space to target."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
from scipy import fft

from mrinb.catalogue import Distribution
from mrinb.simulate import anatomies, contrast, scanner, single_coil, views
from mrinb.simulate.anatomies import Body
from mrinb.simulate.subjects import SPLITS
from mrinb.simulate.tissues import Grid, Subject
from mrinb.specs import Coil, SimulatorSpec

VERSION = 2
"""Version of what is done here; it enters the data key with those of the other modules."""


class VolumeArrays(NamedTuple):
    """One simulated volume.

    Attributes:
        kspace: complex64 (slices, coils, height, width), of an emulated single coil (slices,
            height, width).
        reconstruction_rss: float32 (slices, height, width), centre-cropped.
        matrix: the sampled k-space.
        coils: number of receiver coils, those behind an emulated one included.
        reconstruction_esc: float32 (slices, height, width), the target of an emulated single coil.
        voxel_mm: (height, width, slice) where it is not the matrix's and the body's.
    """

    kspace: np.ndarray
    reconstruction_rss: np.ndarray
    matrix: scanner.Matrix
    coils: int
    reconstruction_esc: np.ndarray | None = None
    voxel_mm: tuple[float, float, float] | None = None

    @property
    def target(self) -> np.ndarray:
        """What reconstructions are compared with, float32 (slices, height, width)."""
        esc = self.reconstruction_esc
        return self.reconstruction_rss if esc is None else esc


def versions(distribution: Distribution, coil: Coil = "multi") -> tuple[tuple[str, int], ...]:
    """Versions of the modules behind a distribution, for ``SimulatorSpec.versions``."""
    scans = distribution.variants or (distribution,)
    return tuple(sorted({
        *([("single_coil", single_coil.VERSION)] if coil == "single" else []),
        ("acquire", VERSION),
        *(pair for d in scans for pair in anatomies.find(d.anatomy).versions()),
        *(("views", views.VERSION) for d in scans if views.needed(d)),
        *((d.contrast, contrast.VERSIONS[d.contrast]) for d in scans),
        (distribution.scanner.name, scanner.VERSIONS[distribution.scanner.name]),
    }))  # fmt: skip


def scaled(size: int, full: int) -> int:
    """A matrix dimension at a profile's size: even, ``full`` where the size is 320."""
    return 2 * round(size / 320 * full / 2)


def _rng(spec: SimulatorSpec, distribution: Distribution, subject: int) -> np.random.Generator:
    words = [spec.seed, subject, zlib.crc32(distribution.name.encode())]
    return np.random.default_rng(np.random.SeedSequence(words))


def body_of(distribution: Distribution) -> Body:
    """How the anatomy lies in the scanner, in a distribution's own geometry."""
    body, geometry = anatomies.find(distribution.anatomy).body, distribution.geometry
    if geometry is None:
        return body
    return body._replace(recon_fov_mm=geometry.recon_fov_mm, thickness_mm=geometry.thickness_mm)


def _matrix(
    distribution: Distribution, spec: SimulatorSpec, rng: np.random.Generator
) -> scanner.Matrix:
    body = body_of(distribution)
    height, width = (scaled(spec.size, n) for n in distribution.encode)
    pixel = body.recon_fov_mm / scaled(spec.size, distribution.recon[0])
    partial, share = rng.uniform(), rng.uniform(0.80, 0.94)
    missing = 0
    if partial < body.partial_share:
        missing = round(width * (1 - share) / 2)
    first, last = missing, width - 1 - missing
    if distribution.geometry is not None and distribution.geometry.acquired is not None:
        first, last = (round(width * at) for at in distribution.geometry.acquired)
        last -= 1
    # Small matrices still have their object sampled at 0.8 mm or finer.
    oversample = max(2, int(np.ceil(pixel / 0.8)))
    return scanner.Matrix(height, width, first, last, pixel, oversample)


def simulate_volume(
    distribution: Distribution, subject: int, spec: SimulatorSpec, noise: bool = True
) -> VolumeArrays:
    """Scan one subject.

    Args:
        distribution: contrast and scanner.
        subject: the subject's number (``subject_id``).
        spec: sizes and seed; ``spec.subjects`` and ``spec.versions`` do not matter here.
        noise: False gives the same volume without noise (for the noise ceiling).

    Returns:
        The volume. Equal arguments give equal bytes in any process on one machine.
    """
    from threadpoolctl import threadpool_limits

    anatomies.find(distribution.anatomy)  # loads libraries that the limit has to find
    # One thread: sums in another order would round otherwise, and volumes run side by side.
    with threadpool_limits(1):
        return _simulate(distribution, subject, spec, noise)


def _simulate(
    distribution: Distribution, subject: int, spec: SimulatorSpec, noise: bool
) -> VolumeArrays:
    distribution = distribution.variant(subject // len(SPLITS))
    if distribution.axes:
        from mrinb.simulate import volumetric  # which builds upon this module

        return volumetric.simulate(distribution, subject, spec, noise)
    rng = _rng(spec, distribution, subject)
    field_t = distribution.scanner.field_t
    person = views.turned(
        anatomies.find(distribution.anatomy).subject(subject, spec.seed), distribution
    )
    timing = contrast.sequence(distribution.contrast, field_t, rng)
    matrix = _matrix(distribution, spec, rng)
    coils = min(spec.coils, distribution.coils)
    loops = scanner.coil_array(body_of(distribution).former, coils, rng)
    reference = _reference(distribution, timing)
    sigma = reference / distribution.snr
    # Receivers deliver arbitrary units; fastMRI's targets peak around 1e-4 to 1e-3.
    gain = np.float32(2e-4 / reference * np.exp(0.25 * rng.standard_normal()))
    slices = []
    for position, child in zip(person.positions(spec.slices), rng.spawn(spec.slices), strict=True):
        image, maps = _slice(person, distribution, position, matrix, loops, timing, rng, child)
        draws = np.random.default_rng(child.integers(2**63))
        measured = _measure(distribution, image, maps, matrix, sigma if noise else 0.0, draws)
        slices.append(measured * gain)
    kspace = np.stack(slices)
    recon = tuple(scaled(spec.size, n) for n in distribution.recon)
    target = reconstruct(kspace, (recon[0], recon[1]))
    return VolumeArrays(kspace, target, matrix, coils)


def _measure(
    distribution: Distribution, image: np.ndarray, maps: np.ndarray, matrix: scanner.Matrix,
    sigma: float, rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """k-space of a slice; lines that are averaged have less noise than others."""
    geometry = distribution.geometry
    if geometry is None or geometry.averages == (1, 1) or not sigma:
        return scanner.acquire(image, maps, matrix, sigma, rng)
    kspace = scanner.acquire(image, maps, matrix, 0.0, rng)
    error = scanner.noise(len(maps), kspace.shape[1:], sigma, rng)
    odd, even = geometry.averages
    error[..., 1::2] /= np.float32(np.sqrt(odd))
    error[..., ::2] /= np.float32(np.sqrt(even))
    kspace[..., matrix.first : matrix.last + 1] += error[..., matrix.first : matrix.last + 1]
    return kspace


def emulate_single_coil(volume: VolumeArrays) -> VolumeArrays:
    """The volume as one emulated coil would have measured it (``single_coil``)."""
    recon = (volume.reconstruction_rss.shape[1], volume.reconstruction_rss.shape[2])
    kspace = single_coil.combine(volume.kspace, recon)
    target = reconstruct(kspace, recon)
    return volume._replace(kspace=kspace[:, 0], reconstruction_esc=target)


def _slice(
    person: Subject, distribution: Distribution, position: float, matrix: scanner.Matrix,
    loops: list[scanner.Loop], timing: contrast.Sequence, volume_rng: np.random.Generator,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The finely sampled object of one slice with its phase, and the coils' sensitivities."""
    body, field_t = body_of(distribution), distribution.scanner.field_t
    # Of an oversampled readout, little more than the target's field of view is ever seen.
    oversampled = distribution.encode[0] > 1.5 * distribution.recon[0]
    rows = 2 * round(0.575 * matrix.height / 2) if oversampled else matrix.height
    shape = (rows * matrix.oversample, matrix.width * matrix.oversample)
    fov = (rows * matrix.pixel_mm, matrix.width * matrix.pixel_mm)
    # Planes through the slice lie no farther apart than about a pixel.
    planes = 3 if matrix.pixel_mm > 1.2 else 5
    grid = Grid(*shape, fov, body.thickness_mm, planes)
    maps = person.render(position, grid)
    signal = contrast.signal(maps, distribution.contrast, field_t, rng, timing)
    if body.tapered:
        signal *= _excited(shape[0])[:, None]
    # Channel phases and the field's shape belong to the volume, not to the slice.
    seed = np.random.SeedSequence(volume_rng.bit_generator.seed_seq.entropy)  # type: ignore[attr-defined]
    fixed = np.random.default_rng(seed.spawn(1)[0])
    sensitivities = scanner.coil_maps(loops, distribution.view, position, shape, fov, fixed)
    smooth = scanner.background(shape, field_t, timing.flip_deg != 90, fixed)
    # Stored upside down, as fastMRI stores it.
    return (signal * smooth)[::-1], sensitivities[:, ::-1]


def _excited(rows: int) -> np.ndarray:
    """Fall-off of excitation along the leg, beyond the target's field of view."""
    edge = np.abs(np.linspace(-1, 1, rows, dtype=np.float32))
    return np.cos(np.clip((edge - 0.86) / 0.14, 0, 1) * np.pi / 2) ** 2


def _reference(distribution: Distribution, timing: contrast.Sequence) -> float:
    tissue = body_of(distribution).reference
    field_t = distribution.scanner.field_t
    return float(abs(contrast.tissue_signal(tissue, timing, field_t)))


def reconstruct(kspace: np.ndarray, recon: tuple[int, int]) -> np.ndarray:
    """Root sum of squares over coils of the centre-cropped inverse transform.

    Args:
        kspace: complex64 (slices, coils, height, width).
        recon: target matrix (height, width).

    Returns:
        float32 (slices, recon height, recon width).
    """
    target = np.empty((len(kspace), *recon), np.float32)
    top, left = ((n - m) // 2 for n, m in zip(kspace.shape[2:], recon, strict=True))
    for i, k in enumerate(kspace):
        image = fft.ifftshift(k, axes=(1, 2))
        image = fft.fftshift(fft.ifft2(image, norm="ortho", overwrite_x=True), axes=(1, 2))
        image = image[:, top : top + recon[0], left : left + recon[1]]
        target[i] = np.sqrt((image.real**2 + image.imag**2).sum(0))
    return target
