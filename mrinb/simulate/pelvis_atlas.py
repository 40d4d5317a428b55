"""The reference pelvis in numbers: bones, muscles and vessels of the left side.

Millimetres; x to the left, y to the front, z up from the middle of the prostate. Sizes are those of
a man of average build in textbooks of sectional anatomy; subjects vary around them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mrinb.simulate.shapes import Array, capsule, ellipsoid

Triple = tuple[float, float, float]

HEAD: Triple = (84.0, 10.0, 24.0)
"""Centre of the femoral head."""

HEAD_RADIUS = 23.5


class Ball(NamedTuple):
    """An ellipsoid: centre and semi-axes."""

    centre: Triple
    radii: Triple


class Rod(NamedTuple):
    """A capsule: ends and radius."""

    start: Triple
    stop: Triple
    radius: float


def distance(shape: Ball | Rod, x: Array, y: Array, z: Array) -> Array:
    """Signed distance to a shape, negative inside."""
    if isinstance(shape, Ball):
        return ellipsoid((x, y, z), shape.centre, shape.radii)
    return capsule((x, y, z), shape.start, shape.stop, shape.radius)


FEMUR: tuple[Ball | Rod, ...] = (
    Rod((88.0, 8.0, 21.0), (116.0, -4.0, 2.0), 14.5),
    Ball((127.0, -10.0, 2.0), (15.0, 19.0, 25.0)),
    Rod((122.0, -4.0, -20.0), (119.0, 2.0, -110.0), 15.5),
)
"""Neck, greater trochanter and shaft; the head is ``HEAD``."""

HIP: tuple[Ball | Rod, ...] = (
    Ball((60.0, -22.0, 14.0), (10.0, 15.0, 42.0)),
    Ball((56.0, -36.0, -36.0), (13.0, 13.0, 20.0)),
    Rod((58.0, 24.0, 22.0), (16.0, 46.0, 4.0), 8.0),
    Ball((13.0, 45.0, -5.0), (11.0, 8.0, 19.0)),
    Rod((13.0, 42.0, -18.0), (47.0, -30.0, -44.0), 6.0),
    Ball((78.0, 8.0, 66.0), (24.0, 20.0, 28.0)),
)
"""Ischium, its tuberosity, both rami of the pubis and its body, the roof of the socket."""


class Belly(NamedTuple):
    """A muscle: an ellipsoid turned in the axial plane, leaning as it rises.

    Attributes:
        centre: of the ellipsoid.
        radii: semi-axes before it is turned.
        turn: degrees from the left towards the front.
        lean: millimetres it moves (left, forwards) for each millimetre up.
    """

    centre: Triple
    radii: Triple
    turn: float = 0.0
    lean: tuple[float, float] = (0.0, 0.0)

    @property
    def reach(self) -> Triple:
        """Half of the box around it, leaning included."""
        c, s = abs(np.cos(np.deg2rad(self.turn))), abs(np.sin(np.deg2rad(self.turn)))
        a, b, high = self.radii
        return (
            float(a * c + b * s + abs(self.lean[0]) * high),
            float(a * s + b * c + abs(self.lean[1]) * high),
            high,
        )

    def distance(self, x: Array, y: Array, z: Array, bulk: float) -> Array:
        """Approximate signed distance of points; ``bulk`` multiplies the cross-section."""
        up = z - np.float32(self.centre[2])
        u = x - np.float32(self.centre[0]) - np.float32(self.lean[0]) * up
        v = y - np.float32(self.centre[1]) - np.float32(self.lean[1]) * up
        c, s = np.float32(np.cos(np.deg2rad(self.turn))), np.float32(np.sin(np.deg2rad(self.turn)))
        a, b, high = self.radii
        return ellipsoid((u * c + v * s, v * c - u * s, up), (0, 0, 0), (a * bulk, b * bulk, high))


MUSCLES: tuple[Belly, ...] = (
    Belly((48.5, -2.0, 6.0), (8.5, 36.0, 48.0), 8.0, (0.06, 0.0)),  # obturator internus
    Belly((84.0, -70.0, -8.0), (66.0, 21.0, 110.0), 28.0, (-0.15, 0.0)),  # gluteus maximus
    Belly((136.0, 4.0, 78.0), (20.0, 42.0, 62.0), 80.0, (-0.1, 0.0)),  # gluteus medius
    Belly((108.0, 22.0, 74.0), (13.0, 30.0, 48.0), 70.0),  # gluteus minimus
    Belly((88.0, 44.0, 20.0), (21.0, 14.0, 90.0), -20.0, (-0.05, 0.1)),  # iliopsoas
    Belly((106.0, 64.0, -12.0), (13.0, 12.0, 75.0), 0.0, (-0.05, -0.05)),  # rectus femoris
    Belly((96.0, 82.0, 2.0), (16.0, 7.5, 80.0), -15.0, (0.2, 0.0)),  # sartorius
    Belly((137.0, 54.0, -4.0), (11.0, 20.0, 80.0), 30.0, (-0.1, 0.0)),  # tensor fasciae latae
    Belly((52.0, 58.0, -10.0), (23.0, 9.0, 27.0), -18.0, (-0.2, 0.1)),  # pectineus
    Belly((56.0, 22.0, -26.0), (27.0, 11.0, 19.0), 30.0),  # obturator externus
    Belly((32.0, 44.0, -56.0), (22.0, 17.0, 32.0), 10.0, (-0.3, 0.0)),  # adductor longus
    Belly((58.0, 0.0, -72.0), (30.0, 26.0, 38.0)),  # adductor magnus
    Belly((92.0, -36.0, -16.0), (30.0, 8.0, 18.0), 12.0),  # quadratus femoris
    Belly((90.0, -40.0, 20.0), (38.0, 8.0, 15.0), 12.0),  # gemelli and piriformis
    Belly((138.0, 16.0, -62.0), (19.0, 34.0, 48.0), 70.0),  # vastus lateralis
    Belly((19.0, 76.0, 62.0), (18.0, 8.5, 70.0), -4.0, (0.0, 0.1)),  # rectus abdominis
    Belly((62.0, -52.0, -60.0), (14.0, 14.0, 30.0)),  # hamstrings
)

VESSELS: tuple[tuple[Triple, Triple, float], ...] = (
    ((66.0, 72.0, -60.0), (58.0, 60.0, 90.0), 5.0),
    ((57.0, 69.0, -60.0), (47.0, 55.0, 90.0), 6.2),
    ((45.0, -28.0, -30.0), (40.0, -34.0, 60.0), 1.8),
    ((42.0, 20.0, 6.0), (38.0, 2.0, 70.0), 2.2),
    ((31.0, -22.0, 24.0), (36.0, -30.0, 70.0), 2.4),
    ((30.0, 82.0, -60.0), (40.0, 78.0, 60.0), 2.6),
)
"""Femoral artery and vein, pudendal, obturator and iliac vessels, spermatic cord (x, y, z ends,
radius)."""
