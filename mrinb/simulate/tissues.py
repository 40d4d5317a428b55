"""What a subject hands to the contrast: tissue fractions and textures on a pixel grid."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

BRAIN_TISSUES = (
    "white_matter", "grey_matter", "deep_grey", "csf", "blood", "enhancing",
    "cortical_bone", "red_marrow", "fat", "muscle", "skin", "mucosa", "vitreous",
)  # fmt: skip
"""Tissues a brain may contain; ``enhancing`` takes up gadolinium (dura, plexus, lesions)."""

KNEE_TISSUES = (
    "cortical_bone", "fatty_marrow", "red_marrow", "cartilage", "meniscus", "ligament",
    "tendon", "muscle", "fat", "skin", "synovial_fluid", "synovium", "blood",
)  # fmt: skip
"""Tissues a knee may contain."""

PELVIS_TISSUES = (
    "cortical_bone", "fatty_marrow", "red_marrow", "cartilage", "muscle", "tendon", "fat", "skin",
    "blood", "peripheral_zone", "transition_zone", "urine", "mucosa", "stool", "synovial_fluid",
)  # fmt: skip
"""Tissues a pelvis may contain; ``synovial_fluid`` stands for slow veins as well."""


class Grid(NamedTuple):
    """The pixels of one slice, finer than the acquisition matrix (no inverse crime).

    Attributes:
        height: rows; row 0 is superior (coronal, sagittal) or anterior (axial).
        width: columns; column 0 is the patient's right (axial, coronal).
        fov_mm: field of view (height, width) in millimetres, centred on the anatomy's origin.
        thickness_mm: slice thickness, averaged over ``sub_slices`` planes (partial volume).
        sub_slices: number of planes averaged through the slice.
        rows_mm: where the rows lie if not evenly over the field of view, downwards; the field of
            view over the rows is still a row's extent.
        columns_mm: the same of the columns, from the right.
    """

    height: int
    width: int
    fov_mm: tuple[float, float]
    thickness_mm: float
    sub_slices: int = 3
    rows_mm: tuple[float, ...] = ()
    columns_mm: tuple[float, ...] = ()

    def rows(self) -> np.ndarray:
        """Distance of the row centres above the origin, float64 (height,)."""
        if self.rows_mm:
            return np.asarray(self.rows_mm)
        return (0.5 - (np.arange(self.height) + 0.5) / self.height) * self.fov_mm[0]

    def columns(self) -> np.ndarray:
        """Distance of the column centres to the left of the origin, float64 (width,)."""
        if self.columns_mm:
            return np.asarray(self.columns_mm)
        return ((np.arange(self.width) + 0.5) / self.width - 0.5) * self.fov_mm[1]


class TissueMaps(NamedTuple):
    """Tissue composition of one slice.

    Attributes:
        names: the tissues, one per map.
        fractions: float32 (tissues, height, width), in [0, 1]; what is missing to 1 is air.
        pd: float32 (height, width), multiplies the proton density, mean about 1.
        t1: float32 (height, width), multiplies T1, mean about 1.
        t2: float32 (height, width), multiplies T2, mean about 1.
    """

    names: tuple[str, ...]
    fractions: np.ndarray
    pd: np.ndarray
    t1: np.ndarray
    t2: np.ndarray


class Subject(Protocol):
    """One subject: a continuous volume that can be cut anywhere at any resolution."""

    def positions(self, slices: int) -> list[float]:
        """Slice centres in millimetres that cover the diagnostic range, evenly spaced."""
        ...

    def render(self, position_mm: float, grid: Grid) -> TissueMaps:
        """Cut one slice.

        Args:
            position_mm: slice centre along the slice axis.
            grid: pixels, field of view and thickness.

        Returns:
            The tissue maps, in display orientation (superior or anterior up).
        """
        ...
