"""Heads: the ICBM152 atlas made into individual subjects, with skull, scalp, orbits and vessels.

The atlas gives the large anatomy (gyri, ventricles, deep nuclei, cerebellum). A subject is a random
smooth warp of it whose probability maps are cut into crisp tissue by jittered thresholds; folding
and folia that averaging has washed out are put back by band-limited noise. Everything outside the
brain is procedural geometry in atlas coordinates.
source: Fonov et al., NeuroImage 2011;54:313 (ICBM 2009a symmetric, carried by nilearn).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from mrinb.errors import MrinbError
from mrinb.simulate.anatomies import Anatomy, Body, register
from mrinb.simulate.scanner import Former
from mrinb.simulate.tissues import BRAIN_TISSUES, Grid, TissueMaps

VERSION = 2
"""Enters the data key; grows with every change of the pixels."""

_LOW_MM, _HIGH_MM = -36.0, 63.0
"""Range of slice centres in atlas height: orbits and cerebellum to close below the vertex."""

_CENTRE = np.array([0.0, -17.0, 0.0], np.float32)
"""Middle of the head in atlas coordinates, the grid's origin."""

Points = tuple[np.ndarray, np.ndarray, np.ndarray]


class _Atlas(NamedTuple):
    """Fields of the atlas on regular grids (z, y, x).

    Attributes:
        origin: atlas coordinates of voxel 0, in millimetres.
        white: sharpened white matter probability, 1 mm.
        brain: sharpened grey plus white matter probability, 1 mm.
        dip: how far the T1 image falls below its surroundings (sulci, fissures), 1 mm.
        hull: signed distance to the closed brain mask, millimetres, 2 mm grid.
        column: the same for a closed mask continued downwards as a column, 2 mm grid.
        outline: the same for the convex hull of the column's sections, 2 mm grid.
    """

    origin: np.ndarray
    white: np.ndarray
    brain: np.ndarray
    dip: np.ndarray
    hull: np.ndarray
    column: np.ndarray
    outline: np.ndarray


def _load(kind: str) -> tuple[np.ndarray, np.ndarray]:
    import nibabel

    # Found without importing nilearn, which takes seconds.
    package = find_spec("nilearn")
    if package is None or package.origin is None:
        raise MrinbError("the package nilearn is missing; install it: it carries the brain atlas")
    name = f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"
    image = nibabel.load(Path(package.origin).parent / "datasets" / "data" / name)
    assert isinstance(image, nibabel.Nifti1Image)
    return np.asarray(image.dataobj, np.float32) / 255, np.asarray(image.affine)


@lru_cache(maxsize=1)
def _atlas() -> _Atlas:
    t1, affine = _load("t1")
    white, grey = _load("wm")[0], _load("gm")[0]
    both = white + grey
    mask = _closed(t1[::2, ::2, ::2] > 0.05, 6)
    column = _closed(mask, 16)
    floor = int((-18 - affine[2, 3]) / 2)
    column[:, :, :floor] = column[:, :, floor : floor + 1]
    smooth = ndimage.gaussian_filter(t1, 3.0)
    fields = (
        _sharpen(white, 1.6),
        _sharpen(both, 1.2),
        (smooth - t1) / (smooth + 0.05),
        _signed_distance(mask, 2.0),
        _signed_distance(column, 2.0),
        _signed_distance(_convex(column), 2.0, 4.0),
    )
    # Axial planes lie together in memory.
    turned = (np.ascontiguousarray(f.transpose(2, 1, 0), np.float32) for f in fields)
    return _Atlas(affine[:3, 3].astype(np.float32), *turned)


def _sharpen(field: np.ndarray, amount: float) -> np.ndarray:
    return field + amount * (field - ndimage.gaussian_filter(field, 2.0))


def _closed(mask: np.ndarray, radius: int) -> np.ndarray:
    """Closing by a ball, voxels; what is below the mask does not count as outside."""
    pad = radius + 2
    padded = np.pad(mask, pad)
    padded[:, :, :pad] = padded[:, :, pad : pad + 1]
    grown = ndimage.distance_transform_edt(~padded) <= radius
    shrunk = ndimage.distance_transform_edt(grown) > radius
    return ndimage.binary_fill_holes(shrunk)[pad:-pad, pad:-pad, pad:-pad]


def _convex(mask: np.ndarray) -> np.ndarray:
    """Convex hull of every axial section."""
    out = np.zeros_like(mask)
    grid = np.argwhere(np.ones(mask.shape[:2], bool))
    for k in np.flatnonzero(mask.any((0, 1))):
        corners = np.argwhere(mask[:, :, k])
        if np.ptp(corners, axis=0).min() < 3:
            out[:, :, k] = mask[:, :, k]
            continue
        planes = ConvexHull(corners).equations
        inside = (grid @ planes[:, :2].T + planes[:, 2] <= 0.25).all(1)
        out[:, :, k] = inside.reshape(mask.shape[:2])
    return out


def _signed_distance(mask: np.ndarray, spacing: float, blur: float = 1.2) -> np.ndarray:
    pad = 14
    mask = np.pad(mask, pad, mode="constant")
    mask[:, :, :pad] = mask[:, :, pad : pad + 1]
    out = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
    return (ndimage.gaussian_filter(out, blur) * spacing).astype(np.float32)


_HULL_PAD_MM = 28.0


class _Noise:
    """Smooth periodic Gaussian noise of unit variance with one dominant wavelength."""

    def __init__(
        self,
        rng: np.random.Generator,
        wavelength: float,
        band: bool = False,
        n: int = 40,
        order: int = 2,
    ) -> None:
        self.step, self.order = wavelength / 5, order
        white = rng.standard_normal((n, n, n)).astype(np.float32)
        field = ndimage.gaussian_filter(white, 1.0, mode="wrap")
        if band:
            field = field - ndimage.gaussian_filter(white, 1.8, mode="wrap")
        field = field / field.std()
        if order > 1:
            field = ndimage.spline_filter(field, order, mode="grid-wrap")
        self.coefficients = field.astype(np.float32)

    def __call__(self, points: Points) -> np.ndarray:
        index = [p / np.float32(self.step) for p in points]
        return ndimage.map_coordinates(
            self.coefficients,
            index,
            order=self.order,
            mode="grid-wrap",
            prefilter=False,
            output=np.float32,
        )


def _coarse(field: Callable[[Points], np.ndarray], points: Points, every: int) -> np.ndarray:
    """Evaluate a slow function of position on a thinned plane and interpolate linearly."""
    if every <= 1:
        return field(points)
    height, width = points[0].shape
    x, y, z = (p[::every, ::every] for p in points)
    values = field((x, y, z))
    rows = _interpolation(height, values.shape[0], every)
    columns = _interpolation(width, values.shape[1], every)
    return rows @ values @ columns.T


@lru_cache(maxsize=64)
def _interpolation(size: int, knots: int, every: int) -> np.ndarray:
    at = np.arange(size) / every
    low = np.minimum(at.astype(int), knots - 2) if knots > 1 else np.zeros(size, int)
    matrix = np.zeros((size, knots), np.float32)
    rows = np.arange(size)
    if knots == 1:
        matrix[:, 0] = 1
        return matrix
    # The last knot may lie before the last sample: continue the last segment.
    matrix[rows, low] = 1 - (at - low)
    matrix[rows, low + 1] = at - low
    return matrix


def _step(distance: np.ndarray, width: float) -> np.ndarray:
    """1 where ``distance`` is well positive, 0 where negative, linear within ``width``."""
    return np.clip(0.5 + distance / np.float32(width), 0, 1)


def _ellipsoid(points: Points, centre: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    """Approximate signed distance to an ellipsoid, positive inside, millimetres."""
    scaled = sum(((p - c) / r) ** 2 for p, c, r in zip(points, centre, radii, strict=True))
    return (1 - np.sqrt(scaled)) * np.float32(min(radii))


def _capsule(points: Points, start: tuple[float, ...], end: tuple[float, ...]) -> np.ndarray:
    """Distance to the segment from start to end."""
    a, d = np.array(start, np.float32), np.array(end, np.float32) - np.array(start, np.float32)
    along = sum((p - a[i]) * d[i] for i, p in enumerate(points)) / np.float32(d @ d)
    along = np.clip(along, 0, 1)
    return np.sqrt(sum((p - a[i] - along * d[i]) ** 2 for i, p in enumerate(points)))


class _Canvas:
    """Tissue fractions painted one over the other."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.layers: dict[str, np.ndarray] = {}
        self.shape = shape

    def paint(self, tissue: str | None, cover: np.ndarray) -> None:
        """Put a tissue (None: air) over what is there, where ``cover`` in [0, 1] is above zero."""
        rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
        if not len(rows):
            return
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        part = cover[box]
        for layer in self.layers.values():
            layer[box] *= 1 - part
        if tissue is not None:
            if tissue not in self.layers:
                self.layers[tissue] = np.zeros(self.shape, np.float32)
            self.layers[tissue][box] += part

    def get(self, tissue: str) -> np.ndarray:
        """Fraction of a tissue so far."""
        return self.layers.get(tissue, np.zeros(self.shape, np.float32))


class _Person(NamedTuple):
    """Numbers that make one subject."""

    rotation: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    atrophy: float
    white_cut: float
    skull_mm: float
    diploe: float
    fat_mm: float
    skin_mm: float
    csf_mm: float
    eye_mm: float
    muscle_mm: float
    spots: np.ndarray
    low_mm: float


def _person(rng: np.random.Generator) -> _Person:
    pitch, roll, yaw = np.deg2rad(rng.normal([0, 0, 0], [5.0, 2.0, 3.0]).clip(-9, 9))
    age = rng.uniform()
    many = int(rng.poisson(1 + 14 * max(age - 0.35, 0) ** 1.3 * 2))
    spots = np.column_stack([
        rng.choice([-1, 1], many) * rng.uniform(14, 34, many),
        rng.uniform(-60, 45, many),
        rng.uniform(5, 42, many),
        rng.uniform(1.2, 3.2, many),
    ]).astype(np.float32)  # fmt: skip
    return _Person(
        rotation=_rotation(pitch, roll, yaw),
        scale=(1 + rng.normal(0, [0.03, 0.03, 0.03])).clip(0.93, 1.07).astype(np.float32),
        shift=rng.uniform([-4, -4, 0], [4, 4, 0]).astype(np.float32),
        atrophy=float(age**2 * 0.16 + rng.uniform(-0.03, 0.03)),
        white_cut=float(rng.normal(0.5, 0.03)),
        skull_mm=float(rng.uniform(5.5, 8.5)),
        diploe=float(rng.uniform(0.3, 0.5)),
        fat_mm=float(rng.uniform(2.0, 5.0)),
        skin_mm=float(rng.uniform(1.6, 2.4)),
        csf_mm=float(rng.uniform(0.4, 1.2) + 1.8 * age**2),
        eye_mm=float(rng.uniform(11.3, 12.6)),
        muscle_mm=float(rng.uniform(4, 9)),
        spots=spots,
        low_mm=float(rng.uniform(-4, 4)),
    )


def _rotation(pitch: float, roll: float, yaw: float) -> np.ndarray:
    (cp, cr, cy), (sp, sr, sy) = np.cos([pitch, roll, yaw]), np.sin([pitch, roll, yaw])
    x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return (x @ y @ z).astype(np.float32)


class Brain:
    """One head: a continuous volume that can be cut axially anywhere at any resolution."""

    def __init__(self, subject: int, seed: int = 0) -> None:
        """Draw a head.

        Args:
            subject: number of the subject.
            seed: seed of the simulation; the same pair gives the same head.
        """
        rng = np.random.default_rng(np.random.SeedSequence([seed, subject, 0xB2A1]))
        self._person = _person(rng)
        self._bend = [_Noise(rng, 110.0, n=16) for _ in range(3)]
        self._wobble = [_Noise(rng, 30.0, n=32) for _ in range(3)]
        self._fold = _Noise(rng, 11.0, band=True)
        self._fine = _Noise(rng, 4.0, n=64, order=1)
        self._slow = _Noise(rng, 45.0, n=24)

    def positions(self, slices: int) -> list[float]:
        """Slice centres in millimetres, from the orbits to below the vertex."""
        low = _LOW_MM + self._person.low_mm
        if slices == 1:
            return [8.0]
        return [float(p) for p in np.linspace(low, _HIGH_MM, slices)]

    def render(self, position_mm: float, grid: Grid) -> TissueMaps:
        """Cut one axial slice.

        Args:
            position_mm: slice centre along the body axis, in atlas height.
            grid: pixels, field of view and thickness.

        Returns:
            The tissue maps, anterior up, the patient's right on the left.
        """
        fractions = np.zeros((len(BRAIN_TISSUES), grid.height, grid.width), np.float32)
        texture = np.zeros((3, grid.height, grid.width), np.float32)
        y, x, box = _plane(grid)
        pixel = grid.fov_mm[0] / grid.height
        offsets = (np.arange(grid.sub_slices) + 0.5) / grid.sub_slices - 0.5
        for offset in offsets * grid.thickness_mm:
            layers, part = self._cut(x, y, position_mm + offset, pixel)
            for i, name in enumerate(BRAIN_TISSUES):
                if name in layers:
                    fractions[(i, *box)] += layers[name] / grid.sub_slices
            texture[(slice(None), *box)] += part / grid.sub_slices
        texture[texture == 0] = 1
        return TissueMaps(BRAIN_TISSUES, fractions, texture[0], texture[1], texture[2])

    def _warp(self, x: np.ndarray, y: np.ndarray, z: float, every: int) -> Points:
        """From the scanner's plane to atlas coordinates."""
        person = self._person
        plane = np.stack([x + person.shift[0], y + person.shift[1], np.full_like(x, z - 8.0)])
        turned = np.tensordot(person.rotation, plane, 1)
        centre = _CENTRE + np.array([0, 0, 8.0], np.float32)
        base = turned / person.scale[:, None, None] + centre[:, None, None]
        points = (base[0], base[1], base[2])
        return self._moved(points, self._bend, 1.0, every * 4)

    @staticmethod
    def _moved(
        points: Points, noises: list[_Noise], amount: float | np.ndarray, every: int
    ) -> Points:
        x, y, z = (
            (p + amount * _coarse(noise, points, every)).astype(np.float32)
            for p, noise in zip(points, noises, strict=True)
        )
        return x, y, z

    def _cut(
        self, x: np.ndarray, y: np.ndarray, z: float, pixel: float
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        every = max(1, int(1.6 / pixel))
        points = self._warp(x, y, z, every)
        atlas = _atlas()
        hull = _coarse(partial(_distance, atlas.hull), points, every)
        column = _coarse(partial(_distance, atlas.column), points, every)
        outline = _coarse(partial(_distance, atlas.outline), points, every)
        slow = _coarse(self._slow, points, every * 4)
        inside = self._moved(points, self._wobble, self._free(hull), every * 2)
        fine = self._fine(points)
        canvas = _Canvas(x.shape)
        self._paint_head(canvas, points, hull, column, outline, slow, fine, pixel)
        white, brain = self._brain_fields(inside, hull, fine, every)
        self._paint_brain(canvas, inside, hull, white, brain, fine, pixel)
        texture = self._texture(canvas, inside, fine, slow)
        return canvas.layers, texture

    @staticmethod
    def _free(hull: np.ndarray) -> np.ndarray:
        """The skull is rigid: small displacements are the brain's own. Millimetres."""
        return 1.9 * np.clip(2 - hull / 6, 0, 1) * np.clip(-hull / 5, 0.15, 1)

    def _brain_fields(
        self, points: Points, hull: np.ndarray, fine: np.ndarray, every: int
    ) -> tuple[np.ndarray, np.ndarray]:
        atlas, person = _atlas(), self._person
        white = _sample(atlas.white, atlas.origin, 1.0, points)
        brain = _sample(atlas.brain, atlas.origin, 1.0, points)
        dip = _sample(atlas.dip, atlas.origin, 1.0, points)
        fold = _coarse(self._fold, points, every)
        x, y, _ = points
        # Folding individuality lives in the outer 25 mm and not in the nuclei or brain stem.
        shell = np.clip((hull + 30) / 8, 0, 1) * np.clip((np.hypot(x, y + 8) - 30) / 10, 0, 1)
        stem = _ellipsoid(points, (0, -35, -30), (22, 20, 30)) > 0
        shell[stem] = 0
        cerebellum = _cerebellum(points)
        fold = fold * shell * (1 - cerebellum)
        folia = cerebellum * self._folia(points, fine)
        white = white + 0.16 * fold + 0.35 * folia - person.white_cut
        brain = brain - 0.55 * np.maximum(dip, 0) * shell - 0.12 * np.maximum(-fold, 0)
        brain = brain + 0.02 * fine - 0.5 - person.atrophy - 0.6 * np.maximum(-folia - 0.25, 0)
        return white, brain

    def _folia(self, points: Points, fine: np.ndarray) -> np.ndarray:
        x, y, z = points
        # Leaves are stacked around the white core of each hemisphere and of the vermis.
        radius = np.sqrt((np.abs(x) * 0.55) ** 2 + (y + 50) ** 2 + (1.1 * (z + 32)) ** 2)
        return np.cos(2 * np.pi * radius / 5.6 + 0.6 * fine).astype(np.float32)

    def _paint_head(
        self, canvas: _Canvas, points: Points, hull: np.ndarray, column: np.ndarray,
        outline: np.ndarray, slow: np.ndarray, fine: np.ndarray, pixel: float,
    ) -> None:  # fmt: skip
        person = self._person
        x, y, z = points
        low = np.clip((-14 - z) / 12, 0, 1)
        inner = person.csf_mm
        skull = person.skull_mm * (1 + 0.07 * slow)
        # The vault is thicker at the back, and the side of the head carries a muscle.
        skull = skull * (1 + 0.25 * np.clip((-y - 60) / 50, 0, 1))
        side = np.clip((np.abs(x) - 38) / 14, 0, 1) * np.clip((y + 38) / 20, 0, 1)
        side = side * np.clip((58 - y) / 18, 0, 1) * np.clip((32 - z) / 25, 0, 1)
        muscle = person.muscle_mm * side
        outer = inner + skull
        front = 1 - 0.45 * np.clip((y - 35) / 30, 0, 1)
        scalp = person.fat_mm * front * (1 + 0.1 * slow) + person.skin_mm
        # Below the occiput the neck draws in.
        neck = 0.45 * np.clip(-30 - z, 0, 40) * np.clip((-y - 50) / 40, 0, 1)
        cover = outer + muscle * 0.8
        outside = outline - (cover + scalp) + neck
        outside = np.minimum(outside, -_face(points, person.eye_mm))
        canvas.paint("skin", _step(-outside, pixel))
        canvas.paint("fat", _step(-outside - person.skin_mm - 0.2 * fine, pixel))
        # The temple's muscle fills what the skull's waist leaves of the convex outline.
        temple = np.minimum(cover - 0.5 - outline, column - outer) - 1.2 + 0.4 * fine
        canvas.paint("muscle", _step(temple, pixel) * np.clip((np.abs(x) - 30) / 10, 0, 1))
        # Septa of the scalp, vessels, and the galea under it.
        inside = _step(-outside - person.skin_mm, pixel)
        canvas.paint("skin", 0.3 * inside * _step(0.3 - np.abs(fine - 0.5), 0.4))
        canvas.paint("blood", 0.8 * inside * _step(fine - 2.1, 0.3))
        canvas.paint("muscle", 0.6 * _step(0.5 - np.abs(column - outer - muscle - 0.8), pixel))
        belly = np.minimum(outer + 0.8 * muscle - column, cover - 0.4 - outline)
        canvas.paint("muscle", _step(belly, pixel) * _step(side - 0.05, 0.1))
        canvas.paint(
            "fat",
            _step(0.35 - np.abs(fine - 0.8), 0.4)
            * 0.7
            * _step(outer + muscle - 0.8 - column, pixel)
            * _step(side - 0.2, 0.1),
        )
        # Behind and below, bone hugs the brain, and neck muscles fill the column.
        behind = np.clip((-y - 38) / 26, 0, 1) * np.clip((-20 - z) / 8, 0, 1)
        vault = outer - column
        canvas.paint("muscle", _step(vault, pixel))
        canvas.paint("fat", 0.6 * _step(0.2 - np.abs(fine - 1.1), 0.5) * _step(vault, pixel))
        canvas.paint("fat", 0.9 * _step(1.0 - np.abs(vault - 4 - fine), 1.0))
        bone = vault - behind * np.maximum(vault - (inner + 0.8 * skull - hull), 0)
        canvas.paint("cortical_bone", _step(bone, pixel))
        table = skull * (0.5 - 0.5 * person.diploe)
        middle = np.minimum(column - inner - table, outer - table - column)
        pores = _step(fine + 1.6, 1.5)
        canvas.paint("red_marrow", _step(middle, 1.2) * pores * (1 - 0.5 * low))
        if low.any():
            self._paint_base(canvas, points, fine, pixel)

    def _paint_base(
        self, canvas: _Canvas, points: Points, fine: np.ndarray, pixel: float,
    ) -> None:  # fmt: skip
        person = self._person
        x, y, z = points
        side = np.abs(x)
        mirrored = (side, y, z)
        # Marrow of the clivus and the sphenoid, air cells of the mastoid.
        canvas.paint("red_marrow", 0.85 * _step(_ellipsoid(points, (0, -8, -42), (9, 8, 14)), 2))
        cells = _ellipsoid(mirrored, (58, -38, -38), (11, 14, 14))
        canvas.paint(None, _step(cells, pixel) * _step(fine + 0.2, 0.5))
        canvas.paint("mucosa", 0.5 * _step(cells, pixel) * _step(-fine - 0.8, 0.5))
        # Fat and muscle in front of the middle fossa, temporal muscle lateral to the orbit.
        fossa = _ellipsoid(mirrored, (50, 32, -44), (13, 19, 26))
        canvas.paint("fat", _step(fossa, pixel))
        canvas.paint("muscle", _step(fossa - 1.0 - 1.0 * fine, pixel))
        canvas.paint(
            "fat", 0.7 * _step(_ellipsoid(mirrored, (57, 42, -46), (4, 7, 18)) - 0.6 * fine, pixel)
        )
        self._paint_nose(canvas, points, fine, pixel)
        self._paint_orbit(canvas, mirrored, fine, pixel, person.eye_mm)

    def _paint_nose(self, canvas: _Canvas, points: Points, fine: np.ndarray, pixel: float) -> None:
        x, y, z = points
        frontal = _ellipsoid(points, (0, 74, -14), (20, 5, 14))
        canvas.paint(None, _step(frontal - 0.5 * fine, pixel))
        labyrinth = np.minimum.reduce([
            13 + 0.05 * (70 - y) - np.abs(x), y - 6, 72 - y, -26 - z,
            _ellipsoid(points, (0, 38, -46), (18, 36, 26)),
        ])  # fmt: skip
        labyrinth = labyrinth + 0.8 * fine
        canvas.paint("cortical_bone", _step(labyrinth + 1.2, pixel))
        canvas.paint("mucosa", _step(labyrinth, pixel))
        walls = np.abs(np.sin(np.pi * (y + 0.5 * np.abs(x) + 2.2 * fine) / 11)) * 3.5
        cells = np.minimum(np.minimum(np.abs(x) - 1.2, walls - 0.7), labyrinth - 0.7)
        canvas.paint(None, _step(cells, pixel))
        sphenoid = np.minimum(_ellipsoid(points, (0, 14, -36), (14, 12, 10)), np.abs(x - 2) - 0.6)
        canvas.paint(None, _step(sphenoid, pixel))

    def _paint_orbit(
        self, canvas: _Canvas, mirrored: Points, fine: np.ndarray, pixel: float, eye: float
    ) -> None:
        side, y, z = mirrored
        centre = (33.0, 59.0, -38.0)
        # A cone of fat from the apex of the orbit to the globe.
        along = np.clip((y - 20) / 36, 0, 1)
        axis_x = 15 + 18 * along
        radial = np.sqrt((side - axis_x) ** 2 + (z + 38) ** 2)
        cone = np.minimum(
            np.minimum(3 + 14.5 * along - radial, y - 18),
            _ellipsoid(mirrored, (29.0, 40.0, -38.0), (20.0, 24.0, 18.0)),
        )
        canvas.paint("cortical_bone", _step(cone + 1.5, pixel))
        canvas.paint("fat", _step(cone, pixel))
        # Rectus muscles along the wall, lateral and medial, above and below; the optic nerve.
        wall = 3 + 13.2 * along - 3.0
        angle = np.arctan2(z + 38, side - axis_x)
        sector = np.abs(np.sin(2 * angle)) < 0.55
        belly = 1.9 * np.sin(np.pi * np.clip((y - 20) / 40, 0, 1)) + 0.5
        rectus = np.where(sector, belly - np.abs(radial - wall), -9)
        canvas.paint("muscle", _step(np.minimum(rectus, np.minimum(y - 21, 60 - y)), pixel))
        nerve = _capsule(mirrored, (14, 20, -37), (32, 49, -38))
        canvas.paint("csf", 0.8 * _step(2.9 - nerve, pixel))
        canvas.paint("white_matter", _step(2.0 - nerve, pixel))
        ball = _ellipsoid(mirrored, centre, (eye, eye, eye))
        canvas.paint("skin", _step(ball, pixel))
        canvas.paint("vitreous", _step(ball - 1.1, pixel))
        lens = _ellipsoid(mirrored, (33, 59 + eye * 0.62, -38), (4.6, 2.1, 4.6))
        canvas.paint("muscle", _step(lens, pixel))

    def _paint_brain(
        self, canvas: _Canvas, points: Points, hull: np.ndarray, white: np.ndarray,
        brain: np.ndarray, fine: np.ndarray, pixel: float,
    ) -> None:  # fmt: skip
        person = self._person
        x, y, z = points
        inner = person.csf_mm
        # Around the base of the brain the bone follows the brain itself, not the column.
        canvas.paint("cortical_bone", _step(inner + 2.5 - hull, pixel))
        canvas.paint("enhancing", _step(inner + 0.8 - hull, pixel))
        canvas.paint("csf", _step(inner - hull, pixel))
        falx = np.minimum(0.45 - np.abs(x), np.minimum(hull + 28, inner - hull))
        falx = np.where((z > 12 + 0.0 * y) | (y > 30) | (y < -60), falx, -9)
        canvas.paint("enhancing", _step(falx, max(pixel, 0.5)) * 0.9)
        steep = 0.22  # probability per millimetre at the atlas' tissue borders
        tissue = _step(brain / steep, pixel) * _step(0.6 - hull, pixel)
        canvas.paint("grey_matter", tissue)
        deep = _step(_ellipsoid(points, (0, -5, 5), (33, 31, 19)), 1.0)
        canvas.paint("deep_grey", tissue * deep)
        canvas.paint("white_matter", tissue * _step(white / steep, pixel))
        self._paint_vessels(canvas, points, hull, fine, pixel)

    def _paint_vessels(
        self, canvas: _Canvas, points: Points, hull: np.ndarray, fine: np.ndarray, pixel: float
    ) -> None:
        x, y, z = points
        mirrored = (np.abs(x), y, z)
        self._paint_sinuses(canvas, points, hull, pixel)
        for start, end, radius in _ARTERIES:
            tube = _step(radius - _capsule(mirrored, start, end), pixel)
            canvas.paint("blood", self._within_reach(tube, canvas))
        spots = _step(fine - 2.0, 0.3) * canvas.get("csf") * _step(hull + 26, 2)
        canvas.paint("blood", np.clip(spots, 0, 1))
        plexus = _ellipsoid(mirrored, (24, -43, 10), (4.5, 7, 7)) + 0.9 * fine
        csf = canvas.get("csf")
        canvas.paint("enhancing", _step(plexus - 0.5, pixel) * csf * 0.9)

    def _within_reach(self, tube: np.ndarray, canvas: _Canvas) -> np.ndarray:
        """The part of an artery that is there: all of it, where its place is known."""
        return tube

    def _paint_sinuses(
        self, canvas: _Canvas, points: Points, hull: np.ndarray, pixel: float
    ) -> None:
        x, y, z = points
        side = np.abs(x)
        inner = self._person.csf_mm
        # Superior sagittal sinus: a triangle at the midline under the vault.
        sinus = np.minimum(inner + 0.5 - hull, 4.2 - side - 0.55 * (inner - hull))
        sinus = np.where((z > -12) & ((y < 55) | (z > 20)), sinus, -9)
        canvas.paint("blood", _step(sinus, pixel))
        transverse = np.minimum(2.3 - np.abs(hull - inner + 1.8), 3.2 - np.abs(z + 15))
        transverse = np.where((y < -58) & (side < 62), transverse, -9)
        canvas.paint("blood", _step(transverse, pixel))

    def _texture(
        self, canvas: _Canvas, points: Points, fine: np.ndarray, slow: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        x, y, z = points
        mirrored = (np.abs(x), y, z)
        pd = 1 + 0.02 * fine
        t1 = 1 + 0.03 * fine + 0.015 * slow
        t2 = 1 + 0.035 * fine + 0.02 * slow
        # Iron: pallidum, red nucleus, substantia nigra, dentate nucleus.
        for centre, radii, drop in _IRON:
            t2 = t2 * (1 - drop * _step(_ellipsoid(mirrored, centre, radii), 2.0))
        # Myelin thins towards the ventricle horns; lesions of age lie in white matter.
        inside = canvas.get("white_matter")
        for spot in self._person.spots:
            if abs(spot[2] - float(z.flat[0])) > 25:
                continue
            reach = _step(_ellipsoid(points, tuple(spot[:3]), (spot[3],) * 3) + 0.3 * fine, 1.0)
            t2 = t2 * (1 + 0.9 * reach * inside)
            t1 = t1 * (1 + 0.5 * reach * inside)
            pd = pd * (1 + 0.12 * reach * inside)
        return np.stack([pd, t1, t2]).astype(np.float32).clip(0.4, 3.0)


_ARTERIES = (
    ((0, -20, -44), (0, -14, -16), 1.8),
    ((11, 2, -44), (10, 3, -30), 2.6),
    ((10, 3, -30), (11, 5, -16), 2.3),
    ((11, 4, -15), (36, 3, -13), 1.5),
    ((36, 3, -13), (42, -12, 2), 1.2),
    ((3, 18, -14), (2, 32, 8), 1.0),
    ((4, -16, -15), (22, -26, -12), 1.1),
    ((2, -52, 4), (2, -62, 12), 1.6),
)
"""Segments (start, end, radius) of the large vessels of one side, in millimetres."""

_IRON = (
    ((19, -5, -2), (7, 9, 5), 0.16),
    ((5, -20, -8), (3.2, 3.2, 3.5), 0.18),
    ((10, -18, -12), (5, 3, 4), 0.15),
    ((15, -57, -35), (6, 8, 5), 0.12),
)


def _cerebellum(points: Points) -> np.ndarray:
    x, y, z = points
    tent = 1.0 - 0.45 * np.abs(x) + 0.3 * np.clip(y + 52, -60, 0) - z
    return np.clip(np.minimum(tent, -y - 36) / 5, 0, 1)


def _face(points: Points, eye: float) -> np.ndarray:
    """Signed distance (positive inside) to what sticks out of the head's column: eyes and nose."""
    x, y, z = points
    lids = _ellipsoid((np.abs(x), y, z), (33.0, 60.0, -38.0), (16.0, eye + 4.5, 15.0))
    bridge = _ellipsoid(points, (0.0, 62.0, -54.0), (16.0, 26.0, 36.0))
    return np.maximum(lids, bridge)


def _distance(field: np.ndarray, points: Points) -> np.ndarray:
    return _sample(field, _atlas().origin - _HULL_PAD_MM, 2.0, points)


def _sample(field: np.ndarray, origin: np.ndarray, step: float, points: Points) -> np.ndarray:
    index = [(p - o) / np.float32(step) for p, o in zip(points, origin, strict=True)]
    return ndimage.map_coordinates(field, index[::-1], order=1, mode="nearest", output=np.float32)


def _plane(grid: Grid) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    """Coordinates of the pixels that a head can reach, and their box in the grid."""
    rows = _reach(grid.height, grid.fov_mm[0], 124.0)
    columns = _reach(grid.width, grid.fov_mm[1], 100.0)
    y = -(np.arange(grid.height)[rows] + 0.5 - grid.height / 2) * grid.fov_mm[0] / grid.height
    x = -(np.arange(grid.width)[columns] + 0.5 - grid.width / 2) * grid.fov_mm[1] / grid.width
    yy, xx = np.meshgrid(y.astype(np.float32), x.astype(np.float32), indexing="ij")
    return yy, xx, (rows, columns)


def _reach(size: int, fov: float, half_mm: float) -> slice:
    half = min(size / 2, half_mm * size / fov)
    return slice(int(size / 2 - half), int(np.ceil(size / 2 + half)))


BODY = Body(
    recon_fov_mm=220.0,
    thickness_mm=5.0,
    reference="white_matter",
    partial_share=0.15,
    position="HFS",
    former=Former((125.0, 145.0), 150.0, 15.0, full_rings=(6,), top=0.82),
)
"""How heads are scanned."""

register(Anatomy("brain", Brain, VERSION, BODY))
