"""Calgary-Campinas CC-359: hybrid (x, ky, kz) in HDF5, real and imaginary parts interleaved."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrinb.data.convert import common
from mrinb.data.convert.base import Wanted
from mrinb.data.convert.output import Scan, Volume
from mrinb.data.files import open_volume
from mrinb.errors import MrinbError
from mrinb.slicing import kspace as transforms
from mrinb.slicing.grid import Grid

_ACQUIRED = 0.85
"""Share of the slice encoding that was acquired; the rest was filled with zeros."""


def read(path: Path, wanted: Sequence[Wanted], as_paper: bool) -> Iterator[tuple[Wanted, Volume]]:
    """Read one brain; all views come from one reading.

    Args:
        path: the file: ``kspace`` (x, ky, kz, 2 coils), real and imaginary parts in turn.
        wanted: the views.
        as_paper: state no padding where lines were filled with zeros.

    Yields:
        Each view as a volume.

    Raises:
        MrinbError: the file is damaged or undersampled.
    """
    with open_volume(path) as file:
        stored = common.stored(file, "kspace", 4)
        if stored.shape[-1] % 2 or stored.dtype.kind != "f":
            raise MrinbError(
                f"kspace is {stored.dtype} of shape {stored.shape}: real and imaginary parts of "
                "each coil are expected in turn on the last axis"
            )
        data = np.empty((*stored.shape[:3], stored.shape[3] // 2), np.complex64)
        for x, plane in enumerate(data):
            plane[...] = stored[x].astype(np.float32, order="C").view(np.complex64)
    last = math.ceil(_ACQUIRED * data.shape[2])
    _refuse_undersampled(data[len(data) // 2, :, :last])
    data[:, :, last:] = 0
    data *= np.float32(wanted[0].converter.scale)
    for axis in (1, 2):
        transforms.recentre(data, axis)
    grid = Grid(data, "xyzc", image="x", acquired={"z": (0, last)})
    scan = Scan(vendor="GE", field_t=3.0, protocol="3D T1 GRE")
    for want in wanted:
        volume = common.volume(grid, want, scan, "GRE", path.stem.split("_")[0])
        yield want, volume._replace(padding=(0, volume.shape[3])) if as_paper else volume


def _refuse_undersampled(plane: np.ndarray) -> None:
    empty = 1 - plane.any(axis=-1).mean()
    if empty > 1 / 3:
        raise MrinbError(f"undersampled, {empty:.0%} of its k-space is empty: use train or val")
