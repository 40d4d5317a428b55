"""Slices along another axis than the one along which an anatomy renders its own.

A subject is a continuous volume that is rendered plane by plane. A slice across those planes takes
a line of pixels of each: for all slices of a volume together, so that each plane is rendered once.
"""

from __future__ import annotations

import numpy as np

from mrinb.catalogue import Distribution
from mrinb.errors import MrinbError
from mrinb.simulate import anatomies
from mrinb.simulate.tissues import Grid, Subject, TissueMaps

VERSION = 1
"""Enters the data key of distributions of such views."""

_RANGE_MM = {"sagittal": (-38.0, 38.0), "axial": (-38.0, 46.0)}
"""First and last slice of a knee: to the left, upwards."""


def needed(distribution: Distribution) -> bool:
    """Whether a distribution's slices lie across those of its anatomy."""
    native = anatomies.find(distribution.anatomy).body.view
    return bool(distribution.axes) or distribution.view != native


def turned(person: Subject, distribution: Distribution) -> Subject:
    """A subject whose slices lie as the distribution has them.

    Args:
        person: the subject.
        distribution: what its slices are of.

    Returns:
        The subject itself where its own slices lie that way.

    Raises:
        MrinbError: there is no such view of the anatomy.
    """
    native = anatomies.find(distribution.anatomy).body.view
    if distribution.view == native:
        return person
    if native != "coronal" or distribution.view not in _RANGE_MM:
        raise MrinbError(f"{distribution.anatomy} has no {distribution.view} slices")
    return Turned(person, distribution.view)


class Turned:
    """A subject that renders coronal planes, cut sagittally or axially.

    Args:
        person: the subject.
        view: ``sagittal`` (row 0 superior, column 0 anterior) or ``axial`` (row 0 anterior,
            column 0 the patient's right).
    """

    def __init__(self, person: Subject, view: str) -> None:
        self._person, self._view = person, view
        self._positions: list[float] = []
        self._made: dict[float, TissueMaps] = {}
        self._grid: Grid | None = None

    def positions(self, slices: int) -> list[float]:
        """Slice centres in millimetres, to the left or upwards, evenly spaced."""
        low, high = _RANGE_MM[self._view]
        if slices == 1:
            self._positions = [12.0]
        else:
            self._positions = [float(v) for v in np.linspace(low, high, slices)]
        return list(self._positions)

    def render(self, position_mm: float, grid: Grid) -> TissueMaps:
        """Cut one slice; those of ``positions`` are cut together when the first is asked for."""
        if grid != self._grid or position_mm not in self._made:
            wanted = self._positions if position_mm in self._positions else [position_mm]
            self._made, self._grid = self._cut(wanted, grid), grid
        return self._made[position_mm]

    def _cut(self, positions: list[float], grid: Grid) -> dict[float, TissueMaps]:
        planes = (np.arange(grid.sub_slices) + 0.5) / grid.sub_slices - 0.5
        through = [p + float(t) for p in positions for t in planes * grid.thickness_mm]
        step_mm = grid.thickness_mm / grid.sub_slices
        sagittal = self._view == "sagittal"
        # Coronal planes run from anterior to posterior: along the columns, or down the rows.
        if sagittal:
            depths, pixel = grid.columns(), grid.fov_mm[1] / grid.width
            plane = Grid(
                grid.height, len(through), (grid.fov_mm[0], step_mm * len(through)), pixel, 1,
                columns_mm=tuple(through),
            )  # fmt: skip
        else:
            depths, pixel = -grid.rows(), grid.fov_mm[0] / grid.height
            plane = Grid(
                len(through), grid.width, (step_mm * len(through), grid.fov_mm[1]), pixel, 1,
                rows_mm=tuple(through),
            )  # fmt: skip
        sums: list[np.ndarray] = []
        names: tuple[str, ...] = ()
        for depth in depths:
            maps = self._person.render(float(depth), plane)
            names = maps.names
            whole = np.concatenate([maps.fractions, np.stack([maps.pd, maps.t1, maps.t2])])
            if not sagittal:
                whole = whole.swapaxes(1, 2)
            # (channels, line, slices and their planes) -> the mean over a slice's planes.
            split = whole.reshape(*whole.shape[:2], len(positions), grid.sub_slices)
            sums.append(split.mean(axis=-1))
        volume = np.stack(sums, axis=2 if sagittal else 1)  # (channels, height, width, slices)
        made = {}
        for i, position in enumerate(positions):
            channels = np.ascontiguousarray(volume[..., i])
            made[position] = TissueMaps(names, channels[:-3], *channels[-3:])
        return made
