"""SKM-TEA: hybrid (x, ky, kz, echo, coil) in HDF5, two echoes that become separate volumes."""

from __future__ import annotations

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


def read(path: Path, wanted: Sequence[Wanted], as_paper: bool) -> Iterator[tuple[Wanted, Volume]]:
    """Read one knee, an echo at a time.

    Args:
        path: the file: ``kspace`` (x, ky, kz, echoes, coils).
        wanted: the echoes, with prefixes ``E1_`` and ``E2_``.
        as_paper: lay the readout horizontally, so that masks undersample it.

    Yields:
        Each echo as a volume.

    Raises:
        MrinbError: the file is damaged or lacks an echo.
    """
    with open_volume(path) as file:
        stored = common.stored(file, "kspace", 5)
        for want in wanted:
            echo = int(want.prefix[1]) - 1
            if echo >= stored.shape[3]:
                raise MrinbError(f"kspace has {stored.shape[3]} echoes: 2 are expected")
            data = np.empty((*stored.shape[:3], stored.shape[4]), np.complex64)
            for x, plane in enumerate(data):
                plane[...] = stored[x, :, :, echo]
            yield want, _echo(data, want, path.stem, as_paper)


def _echo(data: np.ndarray, want: Wanted, subject: str, as_paper: bool) -> Volume:
    data *= np.float32(want.converter.scale)
    acquired = transforms.acquired(data, 1)
    grid = Grid(data, "xyzc", image="x", acquired={"y": acquired})
    view = common.view_of(want.converter, data.shape[2])
    if as_paper:
        view = view._replace(rows=view.columns, columns=view.rows)
        want = want._replace(converter=want.converter._replace(view=view))
    scan = Scan(vendor="GE", field_t=3.0, protocol="qDESS")
    volume = common.volume(grid, want, scan, f"QDESS_E{want.prefix[1]}", subject)
    attributes = {**volume.attributes, "echo": int(want.prefix[1])}
    return volume._replace(padding=acquired, attributes=attributes)
