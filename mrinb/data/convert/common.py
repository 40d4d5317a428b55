"""What readers share: a view of a 3-D scan as a volume, arrays of a source file."""

from __future__ import annotations

from collections.abc import Mapping

import h5py

from mrinb.catalogue.views import View
from mrinb.data.convert.base import Converter, Wanted
from mrinb.data.convert.output import Scan, Volume
from mrinb.errors import MrinbError
from mrinb.slicing.grid import Grid


def view_of(converter: Converter, size: int) -> View:
    """The view of a converter, with a line for a scan that is all trim.

    Args:
        converter: one with a view.
        size: number of slices before the trim.

    Raises:
        MrinbError: nothing would be left.
    """
    if converter.view is None:
        raise MrinbError(f"{converter.slug} has no view")
    if size <= sum(converter.trim):
        first, last = converter.trim
        raise MrinbError(
            f"{size} slices, of which the first {first} and the last {last} are left out: "
            "none remains"
        )
    return converter.view


def volume(
    grid: Grid,
    wanted: Wanted,
    scan: Scan,
    acquisition: str,
    patient: str,
    matrix: Mapping[str, int] | None = None,
) -> Volume:
    """The volume of one view of a scan.

    Args:
        grid: the scan.
        wanted: which view.
        scan: what the header says.
        acquisition: fastMRI's name for contrast and sequence.
        patient: the subject.
        matrix: size of the target along each axis, the whole image by default.

    Returns:
        The volume, its blocks yet to be computed.
    """
    converter = wanted.converter
    total = grid.size(converter.view.slices) if converter.view else 0
    view = view_of(converter, total)
    shape = grid.shape(view)
    return Volume(
        shape=shape,
        blocks=grid.blocks(view),
        padding=grid.padding(view),
        recon=(matrix[view.rows], matrix[view.columns]) if matrix else shape[2:],
        scan=scan,
        acquisition=acquisition,
        patient=patient,
        attributes={
            "slice_start": view.trim[0],
            "slice_stop": total - view.trim[1],
            "slices_in_source": total,
        },
    )


def stored(file: h5py.File, key: str, ndim: int) -> h5py.Dataset:
    """An array of a source file.

    Raises:
        MrinbError: it is missing or has another number of axes.
    """
    found = file.get(key)
    if not isinstance(found, h5py.Dataset):
        raise MrinbError(f"no array {key!r} in it")
    if found.ndim != ndim or 0 in found.shape:
        raise MrinbError(f"{key} is of shape {found.shape}: {ndim} axes are expected")
    return found
