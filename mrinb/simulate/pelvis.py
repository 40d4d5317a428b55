"""A procedural male pelvis: one continuous volume per subject, cut in the axial plane.

Shapes lie in the subject's frame (x, y, z): x points to the patient's left, y to the front, z up,
and the origin is the middle of the prostate. What comes in pairs is written for one side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mrinb.errors import MrinbError
from mrinb.simulate import pelvis_atlas as atlas
from mrinb.simulate.anatomies import Anatomy, Body, register
from mrinb.simulate.scanner import Former
from mrinb.simulate.shapes import (
    Array,
    Noise,
    capsule,
    coverage,
    ellipse,
    ellipsoid,
    sheet,
    smooth_max,
    smooth_min,
    step,
)
from mrinb.simulate.tissues import PELVIS_TISSUES, Grid, TissueMaps

VERSION = 1
"""Enters the data key; grows with every change of the pixels."""

LOW, HIGH = -32.0, 50.0
"""Centres of the first and last slice, in millimetres above the middle of the prostate."""

_MARGIN = 9.0
"""How far warps move a shape, at most, in millimetres."""

Box = tuple[slice, slice, slice]


class _Body(NamedTuple):
    """What makes one subject: drawn once, constant afterwards. Lengths in millimetres."""

    size: float
    width: float
    depth: float
    fat: float
    bulk: float
    prostate: tuple[float, float, float]
    enlarged: float
    bladder: tuple[float, float, float]
    rectum: float
    gas: float
    rotated: float
    hips: float
    vesicles: float
    zone: float
    infiltration: float
    trabecular: float
    red: float


def _draw_body(rng: np.random.Generator) -> _Body:
    def normal(mean: float, sd: float) -> float:
        return float(mean + sd * np.clip(rng.standard_normal(), -2, 2))

    enlarged = float(rng.uniform(0.0, 1.0))
    grown = 1 + 0.22 * enlarged
    return _Body(
        size=normal(1.0, 0.04),
        width=normal(183.0, 10.0),
        depth=normal(112.0, 8.0),
        fat=float(np.exp(normal(np.log(19.0), 0.3))),
        bulk=normal(1.0, 0.06),
        prostate=(
            normal(23.5, 1.2) * grown, normal(15.0, 1.0) * grown, normal(19.0, 1.2) * grown,
        ),
        enlarged=enlarged,
        bladder=(normal(36.0, 5.0), normal(29.0, 5.0), normal(25.0, 6.0)),
        rectum=normal(13.0, 2.2),
        gas=float(rng.uniform()),
        rotated=normal(0.0, 2.5),
        hips=normal(0.0, 2.0),
        vesicles=normal(6.0, 1.0),
        zone=normal(1.0, 0.12),
        infiltration=normal(0.35, 0.12),
        trabecular=normal(0.07, 0.015),
        red=normal(0.25, 0.2),
    )  # fmt: skip


class _At:
    """Sample points of the planes of one slice in the subject's frame.

    Attributes:
        x, y, z: float32 (planes, height, width), warped.
        pixel: edge of a pixel in the subject's millimetres.
        axes: the scanner's positions of columns, planes and rows.
    """

    def __init__(self, body: _Body, warps: list[Noise], position_mm: float, grid: Grid) -> None:
        planes = (np.arange(grid.sub_slices) + 0.5) / grid.sub_slices - 0.5
        level = position_mm + planes * grid.thickness_mm
        self.axes = (grid.columns(), level, grid.rows())
        turn = np.deg2rad(body.rotated)
        across, down = (a.astype(np.float32) / np.float32(body.size) for a in
                        (self.axes[0][None, None, :], self.axes[2][None, :, None]))  # fmt: skip
        dx, dy, dz = (2.0 * warp.grid(*self.axes) for warp in warps)
        self.x = (across * np.cos(turn) + down * np.sin(turn) + dx).astype(np.float32)
        self.y = (down * np.cos(turn) - across * np.sin(turn) + dy).astype(np.float32)
        self.z = (level[:, None, None] / body.size + dz).astype(np.float32)
        edge = np.sqrt(grid.fov_mm[0] / grid.height * grid.fov_mm[1] / grid.width)
        self.pixel = float(edge / body.size)

    def of(self, noise: Noise) -> Array:
        """Values of a random field at the points."""
        return noise.grid(*self.axes)

    def box(self, low: tuple[float, ...], high: tuple[float, ...]) -> Box | None:
        """The points that a shape within these corners can reach, or None."""
        columns, level, rows = self.axes
        if level.min() > high[2] + _MARGIN or level.max() < low[2] - _MARGIN:
            return None
        found = []
        for values, start, stop in ((rows, low[1], high[1]), (columns, low[0], high[0])):
            near = np.flatnonzero((values > start - _MARGIN) & (values < stop + _MARGIN))
            if not near.size:
                return None
            found.append(slice(int(near[0]), int(near[-1]) + 1))
        return slice(None), found[0], found[1]

    def within(self, box: Box, side: float = 1.0) -> tuple[Array, Array, Array]:
        """Coordinates in a box, mirrored for the right side."""
        return self.x[box] * np.float32(side), self.y[box], self.z[box]


class _Layers:
    """Shares of the tissues so far, and what is still free of each sample."""

    def __init__(self, body: Array) -> None:
        self.free = body
        self.shares: dict[str, Array] = {}

    def take(self, name: str | None, cover: Array, box: Box = (slice(None),) * 3) -> None:
        """Give ``cover`` of what is free in a box to one tissue (None: air)."""
        part = self.free[box] * cover
        if name is not None:
            if name not in self.shares:
                self.shares[name] = np.zeros_like(self.free)
            self.shares[name][box] += part
        self.free[box] -= part


class Pelvis:
    """One subject's pelvis, cut axially; slices run from below the prostate into the bladder.

    Args:
        subject: which subject; equal (subject, seed) give equal pixels in any process.
        seed: which population.
    """

    def __init__(self, subject: int, seed: int = 0) -> None:
        if subject < 0 or seed < 0:
            raise MrinbError(
                f"subject and seed of a pelvis must not be negative: {subject}, {seed}"
            )
        rng = np.random.default_rng([0x70656C76, seed, subject])
        self._body = _draw_body(rng)
        self._warps = [Noise(rng, (60.0, 200.0), 16) for _ in range(3)]
        self._soft = [Noise(rng, (16.0, 60.0), 32) for _ in range(2)]
        self._slow = Noise(rng, (30.0, 110.0), 24)
        self._patchy = Noise(rng, (5.0, 20.0), 64, stretch=(1.0, 1.5, 1.0))
        self._nodules = Noise(rng, (4.0, 14.0), 64)
        self._ducts = Noise(rng, (2.2, 6.0), 96)
        self._tubules = Noise(rng, (5.0, 9.0), 64)
        self._trabeculae = Noise(rng, (1.2, 5.0), 192)
        self._grain = Noise(rng, (1.0, 6.0), 160)
        # Muscles of the hip run down and outwards: their bundles are long across planes.
        self._bundles = Noise(rng, (4.0, 13.0), 80, stretch=(1.2, 5.0, 1.0))
        self._fibres = Noise(rng, (1.6, 5.0), 96, stretch=(1.5, 5.0, 1.0))
        self._lobules = Noise(rng, (7.0, 24.0), 64, stretch=(1.3, 2.0, 0.9))
        self._folds = Noise(rng, (5.0, 14.0), 48)
        self._veins = [_draw_vein(rng) for _ in range(26)]
        self._twigs = [_draw_twig(rng, self._body) for _ in range(44)]

    def positions(self, slices: int) -> list[float]:
        """Slice centres in millimetres above the prostate's middle, evenly spaced.

        Raises:
            MrinbError: if ``slices`` is not positive.
        """
        if slices < 1:
            raise MrinbError(f"slices must be at least 1, not {slices}")
        if slices == 1:
            return [0.0]
        size = self._body.size
        return [float(v) for v in np.linspace(LOW * size, HIGH * size, slices)]

    def render(self, position_mm: float, grid: Grid) -> TissueMaps:
        """Cut one axial slice.

        Args:
            position_mm: slice centre above the middle of the prostate.
            grid: pixels, field of view and thickness; row 0 anterior, column 0 the patient's right.

        Returns:
            The tissue maps (tissues, height, width).
        """
        at = _At(self._body, self._warps, position_mm, grid)
        shares = self._compose(at)
        fractions = np.zeros((len(PELVIS_TISSUES), grid.height, grid.width), np.float32)
        for i, name in enumerate(PELVIS_TISSUES):
            if name in shares:
                fractions[i] = shares[name].mean(axis=0)
        fractions /= np.maximum(fractions.sum(axis=0), 1.0)
        pd, t1, t2 = self._textures(fractions, position_mm, grid)
        return TissueMaps(PELVIS_TISSUES, fractions, pd, t1, t2)

    # -- composition ------------------------------------------------------------------------

    def _compose(self, at: _At) -> dict[str, Array]:
        """Fill the planes from the inner organs outwards."""
        body, px = self._body, at.pixel
        slow = at.of(self._slow)
        skin = ellipse(at.x, at.y - 6.0, body.width, body.depth, 0.35) + 2.0 * slow
        cleft = np.hypot(np.maximum(np.abs(at.x) - 1.5, 0.0), np.minimum(at.y + 78.0, 0.0) * 0.0)
        gluteal = np.where(at.y < -60.0 + 0.2 * at.z, 1.5 - cleft, -9.0).astype(np.float32)
        skin = smooth_max(skin, gluteal - 0.35 * np.maximum(at.y + 75.0, 0.0), 4.0)
        layers = _Layers(coverage(skin, px))
        layers.take("skin", 1.0 - coverage(skin + 2.0, px))
        self._fill_prostate(layers, at)
        self._fill_bladder(layers, at)
        self._fill_rectum(layers, at)
        self._fill_perineum(layers, at)
        self._fill_bones(layers, at)
        self._fill_vessels(layers, at)
        self._fill_muscle(layers, at, skin + np.float32(body.fat) * (1.0 + 0.12 * slow))
        self._fill_fat(layers, at, skin)
        return layers.shares

    def _prostate(self, at: _At, box: Box) -> Array:
        """Distance to the gland's capsule."""
        x, y, z = at.within(box)
        wide, deep, high = self._body.prostate
        gland = ellipsoid((x, y, z), (0.0, 0.0, 0.0), (wide, deep, high))
        # Heart-shaped from behind: the rectum flattens it, apex and base are narrower.
        return smooth_max(gland, -(y + 0.86 * deep - 0.0016 * x * x), 4.0)

    def _fill_prostate(self, layers: _Layers, at: _At) -> None:
        """Capsule, peripheral and transition zone, stroma in front, urethra, seminal vesicles."""
        body, px = self._body, at.pixel
        wide, deep, high = body.prostate
        self._fill_vesicles(layers, at)
        box = at.box((-wide, -deep, -high), (wide, deep, high))
        if box is None:
            return
        x, y, z = at.within(box)
        gland = self._prostate(at, box) + 0.4 * at.of(self._soft[0])[box]
        nodules, ducts = at.of(self._nodules)[box], at.of(self._ducts)[box]
        urethra = capsule((x, y, z), (0.0, 0.25 * deep, high), (0.0, 0.1 * deep, -high - 4), 2.4)
        layers.take("mucosa", 0.7 * coverage(urethra, px) * step(z, high, 0.6 * high), box)
        layers.take("muscle", coverage(urethra - 2.2, px) * step(z, -0.25 * high, -0.5 * high), box)
        front = ellipsoid((x, y, z), (0.0, 0.78 * deep, 0.0), (0.5 * wide, 0.3 * deep, 0.8 * high))
        layers.take("muscle", 0.85 * coverage(np.maximum(front, gland), px), box)
        lobe = (0.40 + 0.06 * body.enlarged, 0.58 + 0.14 * body.enlarged, 0.62)
        centre = (0.34 * wide, 0.24 * deep, 0.16 * high)
        radii = (lobe[0] * wide, lobe[1] * deep, lobe[2] * high)
        inner = ellipsoid((np.abs(x), y, z), centre, radii) + 0.5 * nodules
        inner = np.maximum(inner, gland + 1.5)
        layers.take("muscle", 0.55 * sheet(inner, 1.1, px), box)  # the surgical capsule
        cover = coverage(inner, px)
        # Nodules: glandular ones bright, stromal ones dark, each with a dark rim.
        rim = sheet(nodules - 0.7, 0.35, 0.25) + 0.7 * sheet(nodules + 0.8, 0.3, 0.25)
        bright = step(nodules, 0.75, 1.2) * np.float32(0.5 + 0.4 * body.enlarged)
        dark = step(nodules, -0.8, -1.3) * np.float32(0.55)
        layers.take("muscle", np.clip(cover * (0.35 * rim + dark), 0, 1), box)
        layers.take("peripheral_zone", cover * bright, box)
        layers.take("transition_zone", cover, box)
        layers.take("muscle", 0.75 * sheet(gland, 1.0, px), box)  # the capsule
        whole = coverage(gland, px)
        septa = sheet(ducts, 0.35, 0.2) * 0.28
        layers.take("muscle", whole * septa, box)
        layers.take("peripheral_zone", whole, box)

    def _fill_vesicles(self, layers: _Layers, at: _At) -> None:
        body, px = self._body, at.pixel
        _, deep, high = body.prostate
        for side in (1.0, -1.0):
            stop = (33.0, -deep + 3.0, high + 13.0)
            corners = sorted((side * 0.0, side * stop[0]))
            box = at.box((corners[0], -deep - 10, high - 8), (corners[1], -deep + 12, high + 22))
            if box is None:
                continue
            x, y, z = at.within(box, side)
            start = (4.0, -deep + 2.0, high + 1.0)
            tube = capsule((x, y, z), start, stop, body.vesicles)
            tubules = at.of(self._tubules)[box]
            cover = coverage(tube + 0.7 * tubules, px)
            layers.take("tendon", 0.5 * sheet(tube, 0.8, px), box)
            layers.take("urine", 0.85 * cover * step(np.abs(tubules), 0.18, 0.5), box)
            layers.take("muscle", cover, box)
            duct = capsule((x, y, z), (3.0, -deep + 6.0, high - 4.0), (9.0, -deep + 6.0, 60.0), 2.6)
            layers.take("muscle", coverage(duct, px) * (1 - 0.5 * coverage(duct + 1.6, px)), box)

    def _fill_bladder(self, layers: _Layers, at: _At) -> None:
        body, px = self._body, at.pixel
        a, b, c = body.bladder
        _, deep, high = body.prostate
        centre = (0.0, 0.55 * deep + 2.0, high + c - 2.0)
        box = at.box(
            (-a - 6, centre[1] - b - 6, high - 6), (a + 6, centre[1] + b + 6, high + 2 * c)
        )
        if box is None:
            return
        x, y, z = at.within(box)
        wavy = 0.8 * at.of(self._soft[1])[box]
        lumen = ellipsoid((x, y, z), centre, (a, b, c)) + wavy
        trigone = np.hypot(x, y - centre[1]) - (4.0 + 2.2 * np.maximum(z - high + 4.0, 0.0))
        lumen = smooth_max(lumen, trigone, 5.0)
        layers.take("urine", coverage(lumen, px), box)
        layers.take("mucosa", 0.6 * coverage(lumen - 0.8, px), box)
        layers.take("muscle", 0.92 * coverage(lumen - 4.0, px), box)

    def _fill_rectum(self, layers: _Layers, at: _At) -> None:
        """Wall of muscle and mucosa, filled with stool and gas; the anal canal below."""
        body, px = self._body, at.pixel
        _, deep, _ = body.prostate
        box = at.box((-34.0, -72.0, -90.0), (34.0, 2.0, 90.0))
        if box is None:
            return
        x, y, z = at.within(box)
        up = np.clip((z + 26.0) / 20.0, 0.0, 1.0)
        back = np.float32(-deep - body.rectum - 3.5) * up + np.float32(-deep - 13.0) * (1 - up)
        back = back - 0.28 * np.maximum(z - 14.0, 0.0)
        wide = np.float32(body.rectum * 1.15) * up + 7.5 * (1 - up) + 0.1 * np.maximum(z, 0.0)
        deepness = np.float32(body.rectum) * up + 7.5 * (1 - up)
        tube = ellipse(x, y - back, wide, deepness) + 0.6 * at.of(self._soft[0])[box]
        folds = at.of(self._folds)[box]
        lumen = tube + 3.4 + 0.9 * folds
        inner = coverage(lumen, px) * up
        gas = step(y - back, 5.0 - 14.0 * body.gas, 7.0 - 14.0 * body.gas)
        layers.take(None, inner * gas, box)
        layers.take("stool", inner * np.clip(0.8 + 0.25 * folds, 0.3, 1.0), box)
        layers.take("mucosa", inner, box)
        layers.take("mucosa", 0.9 * coverage(tube + 2.0, px), box)
        layers.take("muscle", coverage(tube, px), box)
        ring = ellipse(x, y - back, wide + 5.5, deepness + 5.5)
        layers.take("fat", coverage(ring + 4.6, px) * (1 - up), box)
        layers.take("muscle", coverage(ring, px) * (1 - up), box)

    def _fill_perineum(self, layers: _Layers, at: _At) -> None:
        """The levator's sling, bulb and crura, and the veins in front of the prostate."""
        body, px = self._body, at.pixel
        wide, deep, high = body.prostate
        box = at.box((-60.0, -62.0, -60.0), (60.0, 40.0, 34.0))
        if box is None:
            return
        x, y, z = at.within(box)
        reach = wide + 4.5 + 0.32 * np.maximum(z, -40.0)
        sling = ellipse(x, y + 16.0, np.maximum(reach, 9.0), 32.0 + 0.25 * z, 0.3)
        sling = sling + 0.9 * at.of(self._soft[1])[box]
        open_front = step(y, 18.0, 8.0)
        levator = sheet(sling, 3.6, px) * open_front * step(z, 26.0, 14.0)
        layers.take("muscle", 0.9 * levator, box)
        bulb = ellipsoid((x, y, z), (0.0, 6.0, -high - 22.0), (13.0, 12.0, 11.0))
        layers.take("peripheral_zone", 0.8 * coverage(bulb, px), box)
        crus = capsule((np.abs(x), y, z), (40.0, -14.0, -46.0), (11.0, 30.0, -44.0), 6.0)
        layers.take("tendon", sheet(crus, 1.2, px), box)
        layers.take("peripheral_zone", 0.85 * coverage(crus, px), box)
        for vein in self._veins:
            tube = capsule((x, y, z), vein.start, vein.stop, vein.radius)
            cover = coverage(tube, px)
            layers.take("synovial_fluid", 0.75 * cover, box)
        del deep

    def _fill_bones(self, layers: _Layers, at: _At) -> None:
        """Cortex and marrow; cartilage of hip and symphysis."""
        px = at.pixel
        for side in (1.0, -1.0):
            box = at.box(*_corners(side, (-6.0, -95.0, -200.0), (165.0, 80.0, 200.0)))
            if box is None:
                continue
            x, y, z = at.within(box, side)
            x = x - np.float32(self._body.hips) * step(x, 30.0, 60.0)
            gap = np.abs(x)
            head = np.sqrt(sum((p - c) ** 2 for p, c in zip((x, y, z), atlas.HEAD, strict=True)))
            head = head.astype(np.float32) - np.float32(atlas.HEAD_RADIUS)
            femur = head
            for shape in atlas.FEMUR:
                femur = smooth_min(femur, atlas.distance(shape, x, y, z), 7.0)
            hip = np.full_like(x, 60.0)
            for shape in atlas.HIP:
                hip = smooth_min(hip, atlas.distance(shape, x, y, z), 6.0)
            cup = np.maximum(head - 8.0, (x - atlas.HEAD[0]) * 0.8 - 0.5 * (z - atlas.HEAD[2]) - 4)
            hip = smooth_min(hip, cup, 4.0)
            hip = np.maximum(hip, 3.2 - head)  # the socket
            hip = np.maximum(hip, 2.2 - gap)  # the symphysis
            disc = ellipsoid((x, y, z), (0.0, 45.0, -6.0), (3.6, 9.0, 19.0))
            self._fill_bone(layers, at, box, femur, px)
            self._fill_bone(layers, at, box, hip, px)
            layers.take("cartilage", 0.9 * coverage(np.maximum(disc, -x), px), box)
            joint = np.maximum(head - 3.4, (x - atlas.HEAD[0]) - 12.0)
            layers.take("cartilage", coverage(joint, px), box)
        box = at.box((-30.0, -95.0, -20.0), (30.0, -50.0, 200.0))
        if box is not None:
            x, y, z = at.within(box)
            bone = smooth_min(
                ellipsoid((x, y, z), (0.0, -80.0, 62.0), (30.0, 13.0, 34.0)),
                capsule((x, y, z), (0.0, -76.0, 32.0), (0.0, -62.0, 2.0), 5.5), 5.0,
            )  # fmt: skip
            self._fill_bone(layers, at, box, bone, px)

    def _fill_bone(self, layers: _Layers, at: _At, box: Box, bone: Array, px: float) -> None:
        body = self._body
        red = np.clip(np.float32(body.red) + 0.25 * at.of(self._slow)[box], 0.0, 0.7)
        whole = coverage(bone, px)
        if not whole.any():
            return
        marrow = coverage(bone + 1.5, px)
        layers.take("cortical_bone", np.clip((whole - marrow) / (1 - marrow + 1e-3), 0, 1), box)
        layers.take("red_marrow", marrow * red, box)
        layers.take("fatty_marrow", marrow, box)

    def _fill_vessels(self, layers: _Layers, at: _At) -> None:
        px = at.pixel
        for side in (1.0, -1.0):
            for start, stop, radius in atlas.VESSELS:
                low = [min(a, b) - radius for a, b in zip(start, stop, strict=True)]
                high = [max(a, b) + radius for a, b in zip(start, stop, strict=True)]
                box = at.box(*_corners(side, tuple(low), tuple(high)))
                if box is None:
                    continue
                tube = capsule(at.within(box, side), start, stop, radius)
                layers.take("tendon", 0.5 * sheet(tube, 0.9, px), box)
                layers.take("blood", coverage(tube, px), box)
        for twig in self._twigs:
            box = at.box(*twig.box())
            if box is None:
                continue
            tube = capsule(at.within(box), twig.start, twig.stop, twig.radius)
            layers.take("blood", 0.8 * coverage(tube, px), box)

    def _fill_muscle(self, layers: _Layers, at: _At, fascia: Array) -> None:
        """Muscles share the room under the fascia; fat runs where two of them meet."""
        body, px = self._body, at.pixel
        first = np.full_like(at.x, 99.0)
        second = first.copy()
        soft = [1.5 * at.of(noise) for noise in self._soft]
        for belly in atlas.MUSCLES:
            reach = [body.bulk * r + 4.0 for r in belly.reach]
            low = tuple(c - r for c, r in zip(belly.centre, reach, strict=True))
            high = tuple(c + r for c, r in zip(belly.centre, reach, strict=True))
            for side in (1.0, -1.0):
                box = at.box(*_corners(side, low, high))
                if box is None:
                    continue
                x, y, z = at.within(box, side)
                d = belly.distance(x + soft[0][box], y + soft[1][box], z, body.bulk)
                second[box] = np.minimum(second[box], np.maximum(first[box], d))
                first[box] = np.minimum(first[box], d)
        room = np.maximum(first, fascia)
        share = coverage(room, px) * (1.0 - sheet(0.5 * (second - first), 1.2, px))
        bundles = at.of(self._bundles) / np.float32(self._bundles.steepness())
        fibres = at.of(self._fibres) / np.float32(self._fibres.steepness())
        streak = sheet(bundles, 0.6, px) + 0.6 * sheet(fibres, 0.3, px)
        lean = 1.0 - np.clip(np.float32(max(body.infiltration, 0.05)) * streak, 0.0, 0.8)
        layers.take("muscle", share * lean)

    def _fill_fat(self, layers: _Layers, at: _At, skin: Array) -> None:
        """Septa under the skin, strands around the organs, and fat everywhere else."""
        px = at.pixel
        surface = at.of(self._lobules) / np.float32(self._lobules.steepness())
        layers.take("tendon", 0.22 * sheet(surface, 0.5, px))
        layers.take("tendon", 0.5 * sheet(skin + np.float32(0.55 * self._body.fat), 0.6, px))
        inner = ellipse(at.x, at.y + 10.0, 46.0, 50.0)
        haze = np.clip(0.10 + 0.10 * at.of(self._patchy), 0.0, 0.35) * coverage(inner, 8.0)
        layers.take("muscle", haze)
        layers.take("fat", np.ones_like(layers.free))

    def _textures(
        self, fractions: Array, position_mm: float, grid: Grid
    ) -> tuple[Array, Array, Array]:
        """Multipliers of PD, T1 and T2: trabeculae in marrow, glands, grain and drift elsewhere."""
        body = self._body
        pixel = (
            grid.fov_mm[1] / grid.width, grid.thickness_mm, grid.fov_mm[0] / grid.height,
        )  # fmt: skip
        where = (grid.columns(), np.array([position_mm]), grid.rows())
        fine, grain, slow, patch, ducts = (
            noise.grid(*where, pixel)[0]
            for noise in (self._trabeculae, self._grain, self._slow, self._patchy, self._ducts)
        )
        share = dict(zip(PELVIS_TISSUES, fractions, strict=True))
        marrow = share["fatty_marrow"] + share["red_marrow"]
        gland = share["peripheral_zone"] + share["transition_zone"]
        pd = 1 + marrow * np.float32(body.trabecular) * (1.6 * fine + 0.7 * patch)
        pd = pd + (1 - marrow) * (0.03 * grain + 0.02 * patch)
        t1 = 1 + 0.03 * slow + 0.02 * patch
        t2 = 1 + 0.04 * slow + 0.05 * patch + 0.03 * grain
        t2 = t2 + gland * (0.10 * ducts + 0.08 * patch + np.float32(body.zone - 1.0))
        pd, t1, t2 = (np.clip(v, 0.4, 1.8).astype(np.float32) for v in (pd, t1, t2))
        return pd, t1, t2


class _Tube(NamedTuple):
    start: tuple[float, float, float]
    stop: tuple[float, float, float]
    radius: float

    def box(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        pairs = list(zip(self.start, self.stop, strict=True))
        low = tuple(min(pair) - self.radius for pair in pairs)
        return low, tuple(max(pair) + self.radius for pair in pairs)


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z


def _draw_vein(rng: np.random.Generator) -> _Tube:
    """A vein of the plexus beside and in front of the prostate, or of the bundle behind."""
    side = rng.choice([-1.0, 1.0])
    angle = rng.choice([rng.uniform(-0.2, 1.35), rng.uniform(-0.75, -0.45)])
    out = rng.uniform(1.16, 1.32)
    start = np.array([side * 24 * out * np.cos(angle), 18 * out * np.sin(angle), 0.0])
    start[2] = rng.uniform(-20, 22)
    stop = start + rng.normal(0, 1, 3) * np.array([3.0, 2.5, 7.0])
    return _Tube(_triple(start), _triple(stop), float(rng.uniform(0.8, 2.0)))


def _draw_twig(rng: np.random.Generator, body: _Body) -> _Tube:
    """A small vessel in the fat under the skin or between muscles."""
    angle = rng.uniform(0, 2 * np.pi)
    out = rng.uniform(0.35, 0.97)
    start = np.array([body.width * out * np.cos(angle), 6 + body.depth * out * np.sin(angle), 0.0])
    start[2] = rng.uniform(-40, 60)
    stop = start + rng.normal(0, 1, 3) * np.array([5.0, 5.0, 12.0])
    return _Tube(_triple(start), _triple(stop), float(rng.uniform(0.6, 1.5)))


def _corners(
    side: float, low: tuple[float, ...], high: tuple[float, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Corners of a box that is mirrored for the right side."""
    if side > 0:
        return low, high
    return (-high[0], *low[1:]), (-low[0], *high[1:])


Distance = Callable[[Array, Array, Array], Array]

BODY = Body(
    recon_fov_mm=180.0,
    thickness_mm=3.0,
    reference="muscle",
    partial_share=0.0,
    position="FFS",
    former=Former((210.0, 140.0), 300.0, 0.0, full_rings=(5, 12)),
    tapered=True,
)
"""How pelves are scanned: coils in front of and behind the body."""

register(Anatomy("pelvis", Pelvis, VERSION, BODY))
