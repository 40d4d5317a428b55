"""How views lie in three-dimensional scans (Appendix G.1), real and simulated ones alike."""

from __future__ import annotations

from typing import NamedTuple


class View(NamedTuple):
    """How a view lies in a volume.

    Attributes:
        slices, rows, columns: the axis each is along, as named by the source.
        flip: turn the rows around, so that anatomy is upside down as in fastMRI's files.
        trim: how many slices are left out at the start and the end, being noise (G.1).
    """

    slices: str
    rows: str
    columns: str
    flip: bool
    trim: tuple[int, int] = (0, 0)


VIEWS: dict[str, View] = {
    "SKM-TEA, 3D": View("z", "x", "y", True),
    "Stanford 3D, axial": View("x", "y", "z", True, (5, 5)),
    "Stanford 3D, coronal": View("y", "x", "z", True, (40, 40)),
    "Stanford 3D, sagittal": View("z", "x", "y", True, (30, 30)),
    "7T database, 3D, axial": View("z", "y", "x", False, (70, 70)),
    "7T database, 3D, coronal": View("y", "z", "x", False, (30, 30)),
    "7T database, 3D, sagittal": View("x", "z", "y", False, (30, 30)),
    "CC-359, 3D, axial": View("x", "y", "z", True, (50, 0)),
    "CC-359, 3D, coronal": View("y", "x", "z", True, (25, 15)),
    "CC-359, 3D, sagittal": View("z", "x", "y", True, (15, 15)),
}
"""The view of every row of Table 1 that is cut from 3-D scans."""
