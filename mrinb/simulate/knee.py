"""A procedural knee: one continuous volume per subject, cut in the coronal plane.

A subject is the reference knee of ``knee_atlas`` scaled, turned, warped and filled with its own
texture. Shapes live in its frame (m, p, z): m points medially, p posteriorly, z superiorly, and
the origin is the middle of the joint line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mrinb.errors import MrinbError
from mrinb.simulate import knee_atlas
from mrinb.simulate.anatomies import Anatomy, Body, register
from mrinb.simulate.scanner import Former
from mrinb.simulate.shapes import (
    Array,
    Noise,
    Sweep,
    capsule,
    coverage,
    ellipse,
    ellipsoid,
    sheet,
    smooth_max,
    smooth_min,
    step,
)
from mrinb.simulate.tissues import KNEE_TISSUES, Grid, TissueMaps

VERSION = 2
"""Enters the data keys: to be raised whenever pixels change."""

FRONT, BACK = -42.0, 40.0
"""Centres of the first and last slice, in millimetres along the anterior-posterior axis."""


class _Body(NamedTuple):
    """What makes one subject: drawn once, constant afterwards."""

    side: float
    size: float
    aspect: tuple[float, float]
    tilt: float
    turn: float
    flexion: float
    offset: tuple[float, float]
    bulk: float
    fat: float
    fat_medial: float
    effusion: float
    cyst: float
    condyle_radius: float
    condyle_round: float
    condyle_gap: float
    notch: float
    cartilage: float
    slope: float
    meniscus: float
    scar: float
    red: float
    cortex: float
    infiltration: float
    trabecular: float
    patella: tuple[float, float, float]


class _Points(NamedTuple):
    """Sample points of the planes of one slice in the subject's frame, reference millimetres.

    ``m``, ``p`` and ``z`` are (planes, height, width); ``level`` is (planes, height, 1), the
    height without warp or tilt, along which tables are read. ``pixel`` is the pixel size and
    ``axes`` are the scanner's positions of columns, planes and rows, where noise is evaluated.
    """

    m: Array
    p: Array
    z: Array
    level: Array
    pixel: float
    axes: tuple[Array, Array, Array]

    def of(self, noise: Noise) -> Array:
        """Values of a random field at the points."""
        return noise.grid(*self.axes)


def _draw_body(rng: np.random.Generator) -> _Body:
    """Draw a subject; every range is about what a clinic sees, injuries apart."""

    def normal(mean: float, sd: float, cut: float = 2.0) -> float:
        return float(mean + sd * np.clip(rng.standard_normal(), -cut, cut))

    return _Body(
        side=float(rng.choice([-1.0, 1.0])),
        size=normal(1.0, 0.055),
        aspect=(normal(1.0, 0.025), normal(1.0, 0.03)),
        tilt=normal(0.0, 2.2),
        turn=normal(0.0, 5.0),
        flexion=normal(0.0, 2.0),
        offset=(normal(0.0, 3.0), normal(0.0, 5.0)),
        bulk=normal(1.05, 0.11),
        fat=float(np.exp(normal(np.log(8.5), 0.45))),
        fat_medial=normal(0.25, 0.15),
        effusion=float(np.exp(normal(np.log(0.6), 0.75))),
        cyst=max(0.0, normal(-2.0, 4.0)),
        condyle_radius=normal(0.0, 1.0),
        condyle_round=normal(11.0, 1.0),
        condyle_gap=normal(22.0, 0.8),
        notch=normal(9.5, 1.0),
        cartilage=normal(1.0, 0.13),
        slope=normal(0.06, 0.025),
        meniscus=normal(1.0, 0.12),
        scar=normal(0.45, 0.2),
        red=normal(0.0, 0.8),
        cortex=normal(1.0, 0.12),
        infiltration=normal(0.30, 0.12),
        trabecular=normal(0.06, 0.016),
        patella=(normal(-2.0, 2.0), normal(0.0, 1.5), normal(27.0, 4.0)),
    )


def _jitter(table: knee_atlas.Table, rng: np.random.Generator, sd: float) -> Sweep:
    """A sweep whose centres and semi-axes differ a little from the reference table."""
    knots = np.array(table, dtype=float)
    knots[:, 1:3] += sd * rng.standard_normal(2)
    knots[:, 3:] *= np.exp(0.06 * sd * rng.standard_normal((len(knots), 2)))
    return Sweep(knots)


class Knee:
    """One subject's knee, cut coronally; slices run from anterior to posterior.

    Args:
        subject: which subject; equal (subject, seed) give equal pixels in any process.
        seed: which population.
    """

    def __init__(self, subject: int, seed: int = 0) -> None:
        if subject < 0 or seed < 0:
            raise MrinbError(f"subject and seed of a knee must not be negative: {subject}, {seed}")
        rng = np.random.default_rng([0x6B6E6565, seed, subject])
        self._body = _draw_body(rng)
        self._femur = Sweep(np.array(knee_atlas.FEMUR), square=0.25)
        self._tibia = Sweep(np.array(knee_atlas.TIBIA), square=0.45)
        self._fibula = _jitter(knee_atlas.FIBULA, rng, 0.5)
        self._deep = _jitter(knee_atlas.DEEP, rng, 0.5)
        self._muscles = [_jitter(t, rng, 1.2) for t in knee_atlas.MUSCLES.values()]
        self._tendons = [_jitter(t, rng, 0.4) for t in knee_atlas.TENDONS.values()]
        self._ligaments = [_jitter(t, rng, 0.3) for t in knee_atlas.LIGAMENTS.values()]
        self._artery = _jitter(knee_atlas.ARTERY, rng, 1.0)
        self._vein = _jitter(knee_atlas.VEIN, rng, 1.0)
        self._nerve = _jitter(knee_atlas.NERVE, rng, 0.8)
        self._veins = [_draw_vein(rng) for _ in range(5)]
        self._twigs = [_draw_twig(rng) for _ in range(8)]
        self._warp = [Noise(rng, (70.0, 220.0), 16) for _ in range(3)]
        self._ripple = [Noise(rng, (14.0, 45.0), 32) for _ in range(3)]
        self._soft = [Noise(rng, (30.0, 90.0), 24) for _ in range(2)]
        self._thick = Noise(rng, (60.0, 160.0), 24)
        self._slow = Noise(rng, (25.0, 90.0), 32)
        self._patchy = Noise(rng, (7.0, 28.0), 64, stretch=(1.0, 1.0, 1.4))
        self._trabeculae = Noise(rng, (1.1, 4.5), 256, stretch=(1.0, 1.0, 1.7))
        self._fibres = Noise(rng, (2.5, 9.0), 96, stretch=(1.0, 1.0, 9.0))
        self._bundles = Noise(rng, (6.0, 16.0), 64, stretch=(1.0, 1.0, 8.0))
        self._lobules = [Noise(rng, (6.0, 22.0), 64, stretch=(0.8, 1.0, 2.2)) for _ in range(2)]
        self._grain = Noise(rng, (0.9, 6.0), 192)
        self._water = Noise(rng, (6.0, 30.0), 48)

    def positions(self, slices: int) -> list[float]:
        """Slice centres in millimetres from the patella to the calf, evenly spaced.

        Args:
            slices: how many, at least 1.

        Returns:
            Positions along the anterior-posterior axis, posterior positive.

        Raises:
            MrinbError: if ``slices`` is not positive.
        """
        if slices < 1:
            raise MrinbError(f"slices must be at least 1, not {slices}")
        if slices == 1:
            return [0.0]
        scale = self._body.size * self._body.aspect[1]
        return [float(v) for v in np.linspace(FRONT * scale, BACK * scale, slices)]

    def render(self, position_mm: float, grid: Grid) -> TissueMaps:
        """Cut one coronal slice.

        Args:
            position_mm: slice centre, anterior negative, posterior positive.
            grid: pixels, field of view and thickness; row 0 superior, column 0 the patient's right.

        Returns:
            The tissue maps (tissues, height, width).
        """
        x, y, z = _axes(position_mm, grid)
        points = self._points(x, y, z, grid)
        stack = self._compose(points)
        fractions = np.stack([stack[name].mean(axis=0) for name in KNEE_TISSUES])
        total = np.maximum(fractions.sum(axis=0), 1.0)
        fractions = np.clip(fractions / total, 0.0, 1.0).astype(np.float32)
        pd, t1, t2 = self._textures(fractions, x, position_mm, z, grid)
        return TissueMaps(KNEE_TISSUES, fractions, pd, t1, t2)

    # -- geometry ---------------------------------------------------------------------------

    def _points(self, x: Array, y: Array, z: Array, grid: Grid) -> _Points:
        """Carry the grid of a slice into the subject's frame: shift, turn, warp, scale."""
        body = self._body
        du, dv, dw = (
            2.2 * far.grid(x, y, z) + 0.35 * near.grid(x, y, z)
            for far, near in zip(self._warp, self._ripple, strict=True)
        )
        tilt, turn, flexion = np.deg2rad([body.tilt, body.turn, body.flexion]).astype(np.float32)
        xs = (x - body.offset[0]).astype(np.float32)[None, None, :]
        ys = y.astype(np.float32)[:, None, None]
        zs = (z - body.offset[1]).astype(np.float32)[None, :, None]
        ax, ay = body.size * body.aspect[0], body.size * body.aspect[1]
        m = (xs * np.cos(tilt) + zs * np.sin(tilt) + du) * np.float32(body.side)
        up = zs * np.cos(tilt) - xs * np.sin(tilt) + dw
        p = ys + zs * np.sin(flexion) + dv
        m, p = m * np.cos(turn) + p * np.sin(turn), p * np.cos(turn) - m * np.sin(turn)
        level = np.broadcast_to(zs / body.size, (len(y), len(z), 1))
        edge = np.sqrt(grid.fov_mm[0] / grid.height * grid.fov_mm[1] / grid.width)
        pixel = float(edge / body.size)
        return _Points(
            (m / np.float32(ax)).astype(np.float32),
            (p / np.float32(ay)).astype(np.float32),
            (up / np.float32(body.size)).astype(np.float32),
            level.astype(np.float32),
            pixel,
            (x, y, z),
        )

    def _femur_shapes(self, at: _Points) -> tuple[Array, Array, Array]:
        """Femur: its distance, that of its cartilage, and of the intercondylar notch."""
        body = self._body
        r = body.condyle_radius
        shaft = smooth_max(
            self._femur.distance(at.m, at.p, at.level), 14.0 - at.z, 6.0
        )  # the lower end: roof of the notch
        back = np.hypot(at.p - 14.0, at.z - (22.5 + r)) - np.float32(20.5 + r)
        front = np.hypot(at.p + 6.0, at.z - (28.5 + r)) - np.float32(26.5 + r)
        disc = smooth_min(back, front, 6.0)
        side = np.abs(np.abs(at.m) - np.float32(body.condyle_gap)) - np.float32(14.0)
        condyle = _rounded(disc, side, body.condyle_round)
        shoulder = (np.abs(at.m) + 0.85 * at.z - 67.0) * np.float32(0.76)
        condyle = smooth_max(condyle, shoulder, 12.0)
        groove = ellipsoid((at.m, at.p, at.z), (0.0, -9.0, 32.0), (30.0, 22.0, 20.0))
        bump = ellipsoid((np.abs(at.m), at.p, at.z), (33.0, 3.0, 27.0), (8.0, 10.0, 11.0))
        bone = smooth_min(smooth_min(shaft, condyle, 6.0), smooth_min(groove, bump, 3.0), 6.0)
        top = np.clip(15.0 + 0.5 * (at.p + 6.0), 10.0, 36.0) - np.float32(body.notch)
        arch = np.hypot(at.m, np.maximum(at.z - top, 0.0)) - np.float32(body.notch)
        notch = smooth_max(arch, -7.0 - at.p, 5.0)
        bone = smooth_max(bone, -notch, 3.0)
        facing = step(disc, -6.5, -3.5) * step(notch, 0.0, 2.5)
        facing = facing * step(at.z - 0.35 * np.maximum(at.p, 0.0), 40.0, 33.0)
        trochlea = (
            step(at.p, -18.0, -24.0) * step(at.z, 44.0, 38.0) * step(np.abs(at.m), 26.0, 22.0)
        )
        thick = np.float32(2.3 * body.cartilage) * np.maximum(facing, trochlea)
        return bone, bone - thick, notch

    def _tibia_shapes(self, at: _Points) -> tuple[Array, Array, Array]:
        """Tibia: its distance, that of its cartilage, and the height of its plateau."""
        body = self._body
        away = at.p - 4.0
        spine = 8.0 * _bell(at.m - 4.5, 3.2) * _bell(at.p - 2.0, 8.0)
        spine = spine + 6.5 * _bell(at.m + 5.5, 3.2) * _bell(at.p - 5.0, 7.0)
        medial = _bell(at.m - 21.0, 10.0) * _bell(away, 14.0)
        lateral = _bell(at.m + 21.0, 10.0) * _bell(away, 14.0)
        top = np.float32(-3.0) - np.float32(body.slope) * away
        top = top + spine - 0.9 * medial - 0.2 * lateral
        top = top - 2.5 * _bell(at.m, 9.0) * step(at.p, 12.0, 22.0)
        tube = self._tibia.distance(at.m, at.p, at.level)
        tube = smooth_min(
            tube, ellipsoid((at.m, at.p, at.z), (3.0, -22.0, -38.0), (11, 7, 13)), 8.0
        )
        steep = 1.0 / np.sqrt(1.0 + 6.0 * np.minimum(spine / 8.0, 1.0))
        bone = smooth_max(tube, (at.z - top) * steep, 4.0)
        compartment = ellipse(np.abs(at.m) - 21.5, away, 14.0, 21.0, square=0.4)
        thick = np.float32(2.3 * body.cartilage) * (1.0 + 0.25 * lateral)
        return bone, bone - thick * step(compartment, 1.5, -2.5) * step(tube, 0.0, -2.0), top

    def _patella_shapes(self, at: _Points) -> tuple[Array, Array]:
        """Patella and its cartilage, on the posterior side only."""
        m, p, z = self._body.patella
        p -= 46.0
        where = (at.m - m, at.p - p, at.z - z)
        bone = ellipsoid(where, (0.0, 0.0, 0.0), (22.5, 10.5, 22.0))
        ridge = where[1] - (8.0 - 0.22 * np.abs(where[0]))
        bone = smooth_max(bone, ridge, 3.0)
        thick = np.float32(3.2 * self._body.cartilage) * step(ridge, -4.0, -1.5)
        return bone, bone - thick * step(where[2], -16.0, -10.0)

    def _menisci(self, at: _Points, top: Array, femur: Array, tibia: Array) -> Array:
        """Both menisci: wedges between the cartilages, open towards the notch."""
        wide = np.where(at.m > 0, np.float32(1.0), np.float32(0.96))
        u, v = np.abs(at.m) - 20.0, at.p - np.where(at.m > 0, np.float32(4.5), np.float32(3.0))
        rim = ellipse(u, v, 17.5 * wide, 22.5 * wide, square=0.2)
        breadth = np.float32(10.0 * self._body.meniscus) + 3.0 * step(at.p, 5.0, 22.0) * (at.m > 0)
        height = np.float32(7.0 * self._body.meniscus)
        roof = top + 2.0 + height * np.clip(1.0 + rim / breadth, 0.0, 1.2)
        body = np.maximum(rim, -breadth - rim)
        body = np.maximum(body, np.maximum((at.z - roof) * np.float32(0.8), top - at.z))
        body = np.maximum(body, np.maximum(0.35 - femur, 0.3 - tibia))
        root = step(np.abs(v), 10.0, 16.0)  # the horns reach further in
        return np.maximum(body, np.float32(9.0) - 4.0 * root - np.abs(at.m))

    # -- composition ------------------------------------------------------------------------

    def _compose(self, at: _Points) -> dict[str, Array]:
        """Fill the planes tissue by tissue, each taking its share of what is still free."""
        px = at.pixel
        ripple = 0.5 * at.of(self._patchy)
        slow = at.of(self._slow)
        femur, femur_outer, notch = self._femur_shapes(at)
        tibia, tibia_outer, top = self._tibia_shapes(at)
        patella, patella_outer = self._patella_shapes(at)
        fibula = self._fibula.distance(at.m, at.p, at.level)
        bare = np.minimum(np.minimum(femur, tibia), patella)
        outline = _Outline(self, at, at.of(self._thick), bare)
        layers = _Layers(coverage(outline.skin, px))

        layers.take("skin", 1.0 - coverage(outline.skin + 1.4, px))
        self._fill_bones(layers, at, (femur, tibia, patella, fibula), ripple, slow)
        cartilage = np.minimum(np.minimum(femur_outer, tibia_outer), patella_outer)
        layers.take_shell("cartilage", coverage(cartilage, px), coverage(bare, px))
        layers.take("meniscus", coverage(self._menisci(at, top, femur_outer, tibia_outer), px))
        self._fill_ligaments(layers, at)
        self._fill_fluid(layers, at, np.minimum(femur_outer, tibia_outer), notch)
        self._fill_vessels(layers, at, outline)
        self._fill_muscle(layers, at, outline)
        self._fill_fat(layers, at, outline)
        return layers.shares

    def _fill_bones(
        self, layers: _Layers, at: _Points, bones: tuple[Array, ...], ripple: Array, slow: Array
    ) -> None:
        """Cortical rim, physeal scar, fatty marrow and patches of red marrow."""
        body, px = self._body, at.pixel
        femur, tibia, patella, fibula = bones
        up, down = at.level, -at.level
        cortex = np.float32(body.cortex)
        rim_f = cortex * (0.8 + 0.9 * step(up, 36.0, 60.0) + 2.6 * step(up, 60.0, 100.0))
        rim_t = cortex * (0.9 + 1.1 * step(down, 25.0, 48.0) + 2.6 * step(down, 45.0, 90.0))
        rim_b = cortex * (0.8 + 1.2 * step(down, 26.0, 50.0))
        inner = np.minimum(
            np.minimum(femur + rim_f, tibia + rim_t), np.minimum(patella + cortex, fibula + rim_b)
        )
        outer = np.minimum(np.minimum(femur, tibia), np.minimum(patella, fibula))
        whole, marrow = coverage(outer, px), coverage(inner, px)
        scar_f = at.z - (33.0 - 0.004 * at.m**2 + 1.5 * ripple + 1.5 * slow)
        scar_t = at.z + (19.0 - 0.004 * at.m**2 + 1.2 * ripple + 1.2 * slow)
        scar = sheet(scar_f, 1.1, px) * (femur < 0) + sheet(scar_t, 1.0, px) * (tibia < 0)
        faint = np.clip(0.75 + 0.8 * ripple, 0.1, 1.2) * np.float32(max(body.scar, 0.05))
        hard = np.minimum(faint * scar, 0.9) * marrow
        metaphysis = step(up, 34.0, 44.0) + 0.7 * step(down, 20.0, 32.0)
        share = step(1.4 * ripple + 0.9 * slow + np.float32(body.red), 0.2, 3.0) * metaphysis
        red = np.clip(0.6 * share, 0.0, 1.0) * (marrow - hard)
        layers.take_all(
            whole,
            {"cortical_bone": whole - marrow + hard, "red_marrow": red,
             "fatty_marrow": marrow - hard - red},
        )  # fmt: skip

    def _fill_ligaments(self, layers: _Layers, at: _Points) -> None:
        """Cruciates (streaked with fluid and fat), collaterals and tendons."""
        px, where = at.pixel, (at.m, at.p, at.z)
        acl = capsule(where, (-8.5, 16.0, 20.0), (2.5, -8.0, -1.0), 4.2)
        pcl = smooth_min(
            capsule(where, (6.5, 2.0, 15.0), (3.0, 20.0, 9.0), 4.6),
            capsule(where, (3.0, 20.0, 9.0), (0.0, 28.0, -9.0), 4.4), 2.0,
        )  # fmt: skip
        strands = at.of(self._fibres)
        loose = coverage(acl, px) * np.clip(0.35 + 0.25 * strands, 0.0, 0.8)
        layers.take_all(
            coverage(acl, px),
            {"ligament": coverage(acl, px) - loose, "synovium": 0.6 * loose, "fat": 0.4 * loose},
        )
        layers.take("ligament", coverage(pcl, px))
        for band in self._ligaments:
            layers.take("ligament", coverage(band.distance(at.m, at.p, at.level), px))
        for cord in self._tendons:
            layers.take("tendon", coverage(cord.distance(at.m, at.p, at.level), px))

    def _fill_fluid(self, layers: _Layers, at: _Points, joint: Array, notch: Array) -> None:
        """Joint fluid: between the cartilages, in the notch and in recesses as effusion has it."""
        body, px = self._body, at.pixel
        water, slow = at.of(self._water), at.of(self._slow)
        wet = np.float32(body.effusion)
        film = np.maximum(0.22 + 0.15 * wet + 0.1 * water, 0.0)
        film = film * step(at.z, 14.0, 8.0) * step(at.z, -4.5, -3.0) * step(at.p, 31.0, 26.0)
        film = film * step(np.abs(at.m), 36.0, 33.0) * step(at.p, -23.0, -18.0)
        gutter = step(np.abs(at.m), 24.0, 31.0) * step(at.z, 6.0, 12.0) * step(at.z, 40.0, 30.0)
        gutter = gutter * step(at.p, 22.0, 10.0)
        pocket = wet * np.maximum(0.25 + 0.6 * water + 0.6 * slow, 0.0) * gutter
        hollow = step(notch, 0.5, -1.0) * step(at.z, -4.0, 0.0) * step(at.p, 30.0, 22.0)
        cleft = np.maximum(0.5 + water, 0.0) * wet * 0.6 * hollow
        reach = np.maximum(np.maximum(film, pocket), cleft)
        deep = 0.8 + 1.3 * body.effusion
        bursa = ellipsoid((at.m, at.p, at.z), (-1.0, -32.0 - 0.5 * deep, 60.0), (21.0, deep, 20.0))
        fluid = np.minimum(joint - reach, bursa + 0.5 * slow + 0.3 * water)
        if body.cyst > 1.0:
            radii = (0.8 * body.cyst, body.cyst, 2.5 * body.cyst)
            cyst = ellipsoid((at.m, at.p, at.z), (22.0, 44.0, 8.0), radii)
            fluid = np.minimum(fluid, cyst + 0.4 * water)
        layers.take_shell("synovial_fluid", coverage(fluid, px), coverage(joint, px))
        layers.take("synovium", 0.7 * coverage(fluid - 0.9, px) * (reach > 0.5))
        villi = coverage(notch + 1.0, px) * np.clip(0.25 + 0.3 * water, 0.0, 0.7)
        layers.take("synovium", villi * hollow)
        lining = smooth_min(joint, notch + 6.0, 4.0) - (2.6 + 0.8 * slow + 0.7 * pocket)
        wall = sheet(lining, 0.6, px) * step(at.z, -9.0, -5.0) * step(at.z, 46.0, 40.0)
        layers.take("tendon", 0.65 * wall * step(at.p, 34.0, 26.0) * step(np.abs(at.m), 12.0, 18.0))

    def _fill_vessels(self, layers: _Layers, at: _Points, outline: _Outline) -> None:
        """Popliteal artery, vein and nerve, and the veins under the skin."""
        px = at.pixel
        for tube in (self._artery, self._vein):
            wall = tube.distance(at.m, at.p, at.level)
            whole, lumen = coverage(wall, px), coverage(wall + 0.7, px)
            layers.take_all(whole, {"blood": lumen, "tendon": 0.5 * (whole - lumen),
                                    "muscle": 0.5 * (whole - lumen)})  # fmt: skip
        nerve = coverage(self._nerve.distance(at.m, at.p, at.level), px)
        layers.take_all(nerve, {"muscle": 0.6 * nerve, "fat": 0.4 * nerve})
        for start, stop, radius in self._twigs:
            twig = capsule((at.m, at.p, at.z), start, stop, radius)
            layers.take("blood", 0.7 * coverage(twig, px))
        for vein in self._veins:
            layers.take("blood", coverage(outline.vein(at, vein), px))

    def _fill_muscle(self, layers: _Layers, at: _Points, outline: _Outline) -> None:
        """Muscles share the room under the fascia; fat planes run where two of them meet."""
        body, px = self._body, at.pixel
        m = at.m + 1.6 * at.of(self._soft[0])
        p = at.p + 1.6 * at.of(self._soft[1])
        first = np.full_like(m, 99.0)
        second = first.copy()
        reach = (float(p.min()) - 4.0, float(p.max()) + 4.0)
        for belly in self._muscles:
            if belly.low * 1.3 > reach[1] or belly.high * 1.3 + 8.0 < reach[0]:
                continue
            d = belly.distance(m, p, at.level, grow=body.bulk)
            second = np.minimum(second, np.maximum(first, d))
            first = np.minimum(first, d)
        plane = 0.5 * (second - first)
        room = np.maximum(first, outline.fascia + 0.8)
        share = coverage(room, px) * (1.0 - sheet(plane, 1.0, px))
        bundles = at.of(self._bundles) / np.float32(self._bundles.steepness())
        fibres = at.of(self._fibres) / np.float32(self._fibres.steepness())
        fatty = np.float32(max(body.infiltration, 0.05))
        streak = sheet(bundles, 0.7, px) + 0.5 * sheet(fibres, 0.35, px)
        lean = 1.0 - np.clip(1.5 * fatty * streak, 0.0, 0.8)
        layers.take("muscle", share * lean)

    def _fill_fat(self, layers: _Layers, at: _Points, outline: _Outline) -> None:
        """Fascia, septa, and fat everywhere else."""
        px = at.pixel
        layers.take("tendon", 0.7 * sheet(outline.fascia, 0.7, px))
        for k, lobule in enumerate(self._lobules):
            surface = at.of(lobule) / np.float32(lobule.steepness())
            gate = 0.2 if k == 0 else 0.12
            layers.take("tendon", gate * sheet(surface, 0.4, px))
        layers.take("fat", np.float32(1.0))

    def _textures(
        self, fractions: Array, x: Array, y: float, z: Array, grid: Grid
    ) -> tuple[Array, Array, Array]:
        """Multipliers of PD, T1 and T2: trabeculae in marrow, grain and drift elsewhere."""
        body = self._body
        pixel = (
            grid.fov_mm[1] / grid.width, grid.thickness_mm, grid.fov_mm[0] / grid.height,
        )  # fmt: skip
        plane = np.array([y])
        fine = self._trabeculae.grid(x, plane, z, pixel)[0]
        grain = self._grain.grid(x, plane, z, pixel)[0]
        slow = self._slow.grid(x, plane, z, pixel)[0]
        patch = self._patchy.grid(x, plane, z, pixel)[0]
        share = dict(zip(KNEE_TISSUES, fractions, strict=True))
        marrow = share["fatty_marrow"] + share["red_marrow"]
        soft = 1.0 - marrow
        bone = np.float32(body.trabecular) * (1.6 * fine + 0.7 * patch + 0.5 * slow)
        pd = 1.0 + marrow * bone + soft * (0.045 * grain + 0.02 * patch)
        t1 = 1.0 + 0.03 * slow + 0.03 * patch
        t2 = 1.0 + 0.05 * slow + 0.05 * patch + 0.03 * grain
        pd, t1, t2 = (np.clip(v, 0.4, 1.8).astype(np.float32) for v in (pd, t1, t2))
        return pd, t1, t2


class _Layers:
    """Shares of the tissues so far, and what is still free of each sample."""

    def __init__(self, body: Array) -> None:
        self.free = body
        self.shares = {name: np.zeros_like(body) for name in KNEE_TISSUES}

    def take(self, name: str, cover: Array | np.floating) -> None:
        """Give ``cover`` of what is free to one tissue."""
        part = self.free * cover
        self.shares[name] += part
        self.free = self.free - part

    def take_shell(self, name: str, outer: Array, inner: Array) -> None:
        """Give one tissue what lies between two nested shapes: nothing where they coincide.

        Taking ``outer`` of what ``inner`` left would leak half an edge pixel all around.
        """
        self.take(name, np.clip((outer - inner) / np.maximum(1.0 - inner, 1e-3), 0.0, 1.0))

    def take_all(self, cover: Array, parts: dict[str, Array]) -> None:
        """Give ``cover`` of what is free to several tissues, whose parts add up to it."""
        for name, part in parts.items():
            self.shares[name] += self.free * part
        self.free = self.free * (1.0 - cover)


class _Vein(NamedTuple):
    """A subcutaneous vein: where around the leg, how it drifts, how deep, how wide."""

    angle: float
    drift: float
    phase: float
    depth: float
    radius: float


def _draw_vein(rng: np.random.Generator) -> _Vein:
    return _Vein(
        float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(0.1, 0.5)),
        float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.25, 0.7)),
        float(rng.uniform(0.7, 1.7)),
    )  # fmt: skip


def _draw_twig(rng: np.random.Generator) -> tuple[list[float], list[float], float]:
    """A short artery or vein that winds round the joint in the deep fat (genicular vessels)."""
    side, high = rng.choice([-1.0, 1.0]), rng.choice([-14.0, 42.0])
    start = np.array([side * rng.uniform(36, 43), rng.uniform(-10, 10), high])
    stop = np.array([side * rng.uniform(20, 32), start[1] + rng.uniform(15, 30), high])
    shift = rng.normal(0.0, 4.0, (2, 3))
    return list(start + shift[0]), list(stop + shift[1]), float(rng.uniform(0.7, 1.3))


class _Outline:
    """Skin and deep fascia of one slice."""

    def __init__(self, knee: Knee, at: _Points, thick: Array, bones: Array) -> None:
        body = knee._body
        self._knee = knee
        inner = knee._deep.distance(at.m, at.p, at.level, grow=1.0 + 0.35 * (body.bulk - 1.0))
        self.fascia = smooth_min(inner, bones - 4.0, 12.0)
        medial = np.tanh(at.m * np.float32(1 / 30.0))
        fat = np.float32(body.fat) * (1.0 + np.float32(body.fat_medial) * medial + 0.12 * thick)
        self.skin = smooth_min(inner - fat, bones - 4.0 - 0.5 * fat, 15.0)

    def vein(self, at: _Points, vein: _Vein) -> Array:
        """Distance to a vein that runs within the subcutaneous fat."""
        u, v, a, b = self._knee._deep.section(at.level)
        angle = vein.angle + vein.drift * np.sin(at.level / 35.0 + vein.phase)
        out = self._knee._body.fat * vein.depth
        cu, cv = u + (a + out) * np.cos(angle), v + (b + out) * np.sin(angle)
        return (np.hypot(at.m - cu, at.p - cv) - vein.radius).astype(np.float32)


def _axes(position_mm: float, grid: Grid) -> tuple[Array, Array, Array]:
    """Centres of the columns, planes and rows in millimetres."""
    planes = (np.arange(grid.sub_slices) + 0.5) / grid.sub_slices - 0.5
    return grid.columns(), position_mm + planes * grid.thickness_mm, grid.rows()


def _bell(x: Array, width: float) -> Array:
    """A bump of height 1 with tails that end, cheaper than a Gaussian of that width."""
    t = np.maximum(1.0 - x * x * np.float32(1.0 / (6.0 * width * width)), 0.0)
    return t * t * t


def _rounded(a: Array, b: Array, radius: float) -> Array:
    """Intersection of two shapes, with its edge rounded at the given radius."""
    r = np.float32(radius)
    u, v = a + r, b + r
    return np.hypot(np.maximum(u, 0.0), np.maximum(v, 0.0)) + np.minimum(np.maximum(u, v), 0.0) - r


BODY = Body(
    recon_fov_mm=160.0,
    thickness_mm=3.0,
    reference="muscle",
    partial_share=0.3,
    position="FFS",
    former=Former((92.0, 92.0), 160.0, 0.0, full_rings=(6, 13)),
    tapered=True,
    view="coronal",
)
"""How knees are scanned."""

register(Anatomy("knee", Knee, VERSION, BODY))
