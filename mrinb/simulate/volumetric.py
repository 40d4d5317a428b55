"""Three-dimensional scans: simulated whole, then cut into views by the code that cuts real ones.

The object is rendered on a grid at least twice as fine, along each axis, as the k-space that is
measured of it. All views and echoes of a subject are of one object, and all views of one k-space.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import fft

from mrinb.catalogue import Distribution
from mrinb.catalogue.base import Axis
from mrinb.catalogue.views import VIEWS, View
from mrinb.errors import MrinbError
from mrinb.simulate import acquire, anatomies, contrast, scanner
from mrinb.simulate.tissues import Grid as Plane
from mrinb.slicing.grid import Grid
from mrinb.specs import SimulatorSpec

_CANONICAL = {
    "axial": ("superior", "posterior", "left"),
    "coronal": ("posterior", "inferior", "left"),
}
"""Where planes, rows and columns run to that an anatomy renders."""

_OPPOSITE = {
    "superior": "inferior", "inferior": "superior", "anterior": "posterior",
    "posterior": "anterior", "left": "right", "right": "left",
}  # fmt: skip

_MIDDLE_MM = {"brain": 14.0}
"""How far above an anatomy's origin the middle of a 3-D scan lies."""

_KNOTS = 20


class Lattice(NamedTuple):
    """The axes of a scan at the size of a profile, in the order of the source.

    Attributes:
        axes: as the catalogue has them.
        sizes: samples of k-space along each.
        fine: samples of the object.
        extent_mm: field of view.
        acquired: first measured sample, and the one after the last.
    """

    axes: tuple[Axis, ...]
    sizes: tuple[int, ...]
    fine: tuple[int, ...]
    extent_mm: tuple[float, ...]
    acquired: tuple[tuple[int, int], ...]

    @property
    def names(self) -> str:
        """The letters of the axes."""
        return "".join(axis.name for axis in self.axes)


def lattice(distribution: Distribution, spec: SimulatorSpec) -> Lattice:
    """The axes of a distribution's scans."""
    sizes, fine, extents, acquired = [], [], [], []
    for axis in distribution.axes:
        size = acquire.scaled(spec.size, axis.size)
        first, last = (round(share * size) for share in axis.acquired)
        band = 2 * max(size // 2 - first, last - size // 2)
        sizes.append(size)
        fine.append(2 * band)
        extents.append(axis.size * axis.spacing_mm)
        acquired.append((first, last))
    return Lattice(distribution.axes, tuple(sizes), tuple(fine), tuple(extents), tuple(acquired))


def view_of(distribution: Distribution, spec: SimulatorSpec) -> View:
    """How a distribution's slices lie, its trim scaled to the size of the profile."""
    view = VIEWS[distribution.dataset]
    full = {axis.name: axis.size for axis in distribution.axes}[view.slices]
    share = acquire.scaled(spec.size, full) / full
    return view._replace(trim=(round(view.trim[0] * share), round(view.trim[1] * share)))


def simulate(
    distribution: Distribution, subject: int, spec: SimulatorSpec, noise: bool
) -> acquire.VolumeArrays:
    """Scan one subject in three dimensions and cut a view.

    Args:
        distribution: one with ``axes``.
        subject: the subject's number.
        spec: sizes and seed; ``spec.slices`` slices are kept, evenly spaced in what the trim
            leaves.
        noise: whether there is noise.

    Returns:
        The volume.

    Raises:
        MrinbError: the view has fewer slices.
    """
    made, grid = lattice(distribution, spec), scan(distribution, subject, spec, noise)
    view = view_of(distribution, spec)
    kspace = np.stack(list(_picked(grid, view, spec.slices, distribution)))
    target = acquire.reconstruct(kspace, (kspace.shape[2], kspace.shape[3]))
    first, last = grid.padding(view)
    spacing = {
        axis.name: extent / size
        for axis, extent, size in zip(made.axes, made.extent_mm, made.sizes, strict=True)
    }
    voxel = (spacing[view.rows], spacing[view.columns], spacing[view.slices])
    matrix = scanner.Matrix(kspace.shape[2], kspace.shape[3], first, last - 1, voxel[0], 2)
    return acquire.VolumeArrays(kspace, target, matrix, kspace.shape[1], voxel_mm=voxel)


def _picked(grid: Grid, view: View, count: int, distribution: Distribution) -> Iterator[np.ndarray]:
    kept = grid.shape(view)[0]
    if count > kept:
        raise MrinbError(
            f"{distribution.name}: {count} slices of {kept} that the trim leaves at this size"
        )
    wanted = set(np.round(np.linspace(0, kept - 1, count)).astype(int).tolist())
    if count == 1:
        wanted = {kept // 2}
    at = 0
    for block in grid.blocks(view):
        yield from (plane for i, plane in enumerate(block, at) if i in wanted)
        at += len(block)


def scan(distribution: Distribution, subject: int, spec: SimulatorSpec, noise: bool) -> Grid:
    """The whole k-space of a scan, as its source has it.

    Args:
        distribution: one with ``axes``.
        subject: the subject's number.
        spec: sizes and seed.
        noise: whether there is noise.

    Returns:
        complex64 (coils, and the axes of the source); samples not measured are zero.
    """
    made = lattice(distribution, spec)
    body, field_t = acquire.body_of(distribution), distribution.scanner.field_t
    place, draws = _streams(distribution, subject, spec)
    coils = min(spec.coils, distribution.coils)
    loops = scanner.coil_array(body.former, coils, place)
    timing = contrast.sequence(distribution.contrast, field_t, draws)
    reference = float(abs(contrast.tissue_signal(body.reference, timing, field_t)))
    gain = np.float32(2e-4 / reference * np.exp(0.25 * draws.standard_normal()))
    image = _object(distribution, subject, spec, made, timing, int(draws.integers(2**63)))
    image = image * _background(made, field_t, timing.dephasing > 0, place)
    kspace = np.empty((coils, *made.sizes), np.complex64)
    for coil, weights in zip(kspace, _sensitivities(loops, made, place), strict=True):
        coil[...] = encode(weights * image, made)
    if noise:
        sigma, shape = reference / distribution.snr, made.sizes
        error = scanner.noise(coils, (shape[0] * shape[1], shape[2]), sigma, draws)
        kspace += error.reshape(kspace.shape)
    for axis, (first, last) in enumerate(made.acquired, 1):
        index = [slice(None)] * 4
        for outside in (slice(0, first), slice(last, None)):
            index[axis] = outside
            kspace[tuple(index)] = 0
    kspace *= gain
    acquired = dict(zip(made.names, made.acquired, strict=True))
    return Grid(kspace, "c" + made.names, acquired=acquired)


def _streams(
    distribution: Distribution, subject: int, spec: SimulatorSpec
) -> tuple[np.random.Generator, np.random.Generator]:
    """Randomness of the subject's place in the scanner, and of one scan there."""
    place, scan_of = (
        np.random.default_rng(np.random.SeedSequence([spec.seed, subject, zlib.crc32(w.encode())]))
        for w in (distribution.subjects, f"{distribution.subjects} {distribution.contrast}")
    )
    return place, scan_of


def _object(
    distribution: Distribution, subject: int, spec: SimulatorSpec, made: Lattice,
    timing: contrast.Sequence, uneven: int,
) -> np.ndarray:  # fmt: skip
    """Signal of the finely sampled object, float32, in the axes of the source."""
    body = acquire.body_of(distribution)
    canonical = _CANONICAL[body.view]
    order, flips = [], []
    for axis in made.axes:
        straight = axis.towards in canonical
        towards = axis.towards if straight else _OPPOSITE[axis.towards]
        order.append(canonical.index(towards))
        flips.append(not straight)
    places = [order.index(i) for i in range(3)]  # of planes, rows and columns among the axes
    count, height, width = (made.fine[i] for i in places)
    deep, *fov = (made.extent_mm[i] for i in places)
    person = anatomies.find(distribution.anatomy).subject(subject, spec.seed)
    middle = _MIDDLE_MM.get(distribution.anatomy, 0.0)
    positions = ((np.arange(count) + 0.5) / count - 0.5) * deep + middle
    plane = Plane(height, width, (fov[0], fov[1]), deep / count, 1)
    out = np.empty((count, height, width), np.float32)
    for image, position in zip(out, positions, strict=True):
        maps = person.render(float(position), plane)
        # The field's unevenness is the same in all planes.
        rng = np.random.default_rng(uneven)
        field_t = distribution.scanner.field_t
        image[...] = contrast.signal(maps, distribution.contrast, field_t, rng, timing)
    turned = out.transpose(order)
    index = tuple(slice(None, None, -1) if flip else slice(None) for flip in flips)
    return turned[index]


def _points(made: Lattice, counts: tuple[int, ...]) -> list[np.ndarray]:
    """Coordinates (right, anterior, superior) of evenly spaced points, each of shape counts."""
    at: dict[str, np.ndarray] = {}
    for i, (axis, count, extent) in enumerate(zip(made.axes, counts, made.extent_mm, strict=True)):
        values = (np.linspace(0, 1, count) - 0.5) * extent
        shape = [1, 1, 1]
        shape[i] = count
        at[axis.towards] = np.broadcast_to(values.reshape(shape), counts)
    right, front, up = (
        at[name] if name in at else -at[_OPPOSITE[name]]
        for name in ("right", "anterior", "superior")
    )
    return [right, front, up]


def _sensitivities(
    loops: list[scanner.Loop], made: Lattice, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Sensitivity of one coil after the other, root sum of squares 1 at the array's middle."""
    knots = (_KNOTS,) * 3
    coarse = scanner.sensitivity(loops, np.stack(_points(made, knots), -1))
    centre = np.sqrt((np.abs(scanner.sensitivity(loops, np.zeros(3))) ** 2).sum())
    phase = np.exp(1j * rng.uniform(-np.pi, np.pi, len(loops))).astype(np.complex64)
    for values, turn in zip(coarse, phase, strict=True):
        field = values * (turn / np.float32(centre))
        for axis, size in enumerate(made.fine):
            spline = scanner._spline(size, _KNOTS)
            field = np.moveaxis(np.tensordot(spline, field, (1, axis)), 0, axis)
        yield field.astype(np.complex64)


def _background(
    made: Lattice, field_t: float, gradient_echo: bool, rng: np.random.Generator
) -> np.ndarray:
    """Smooth phase and transmit bias, as of 2-D scans (``scanner.background``)."""
    x, y, z = (
        np.linspace(-1, 1, n, dtype=np.float32).reshape(shape)
        for n, shape in zip(made.fine, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), strict=True)
    )
    c = rng.standard_normal(10).astype(np.float32)
    strength = np.float32(1.6 if gradient_echo else 0.7)
    phase = c[0] * 2 + strength * (c[1] * x + c[2] * y + c[3] * z + 0.6 * (c[4] * x * y - c[5] * z))
    bright = np.float32(0.16 * min(field_t / 3, 2) ** 2) * (1 - 0.3 * c[6])
    # A bell in each direction, so that it is computed along lines.
    bell = np.exp(-2.5 * x * x) * np.exp(-2.5 * y * y) * np.exp(-2.5 * z * z)
    bias = 1 + bright * (bell - np.float32(0.4)) + np.float32(0.03) * (c[7] * x + c[8] * y)
    return (bias * np.exp(1j * phase)).astype(np.complex64)


def encode(image: np.ndarray, made: Lattice) -> np.ndarray:
    """The finite k-space of a finely sampled object, centred and orthonormal.

    Args:
        image: complex64, ``made.fine`` samples along the axes.
        made: the axes.

    Returns:
        complex64, ``made.sizes`` samples along the axes.
    """
    for axis, size in enumerate(made.sizes):
        fine = image.shape[axis]
        kept = min(size, fine)
        spectrum = fft.fftshift(fft.fft(image, axis=axis, overwrite_x=True), axes=axis)
        middle, low = fine // 2, kept // 2
        index = [slice(None)] * 3
        index[axis] = slice(middle - low, middle - low + kept)
        image = spectrum[tuple(index)] * _ramp(kept, fine, size).reshape(
            [-1 if i == axis else 1 for i in range(3)]
        )
        if kept < size:
            pad = [(0, 0)] * 3
            pad[axis] = (size // 2 - low, size - kept - (size // 2 - low))
            image = np.pad(image, pad)
    return image


@lru_cache(maxsize=32)
def _ramp(kept: int, fine: int, size: int) -> np.ndarray:
    """Puts the origin into the middle of the object, and keeps its brightness."""
    frequency = np.arange(kept) - kept // 2
    sign = np.where(frequency % 2, -1.0, 1.0)
    return (sign * np.sqrt(size) / fine).astype(np.complex64)
