"""Stanford 3D FSE knees: ISMRMRD in which the third axis is already in image space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrinb.data.convert import common
from mrinb.data.convert.ahead import described, extents
from mrinb.data.convert.base import Wanted
from mrinb.data.convert.ismrmrd_file import opened
from mrinb.data.convert.mridata2d import require_every_line, unify
from mrinb.data.convert.output import Volume
from mrinb.slicing import kspace as transforms
from mrinb.slicing.grid import Grid


def read(path: Path, wanted: Sequence[Wanted], as_paper: bool) -> Iterator[tuple[Wanted, Volume]]:
    """Read one knee; all views come from one reading.

    Neighbouring slices have alternating signs, which would move the other views by half a field of
    view along them.

    Args:
        path: the file.
        wanted: the views.
        as_paper: nothing depends on it.

    Yields:
        Each view as a volume.

    Raises:
        MrinbError: the file is damaged or not whole.
    """
    with opened(path) as raw:
        lines = raw.lines("slice")
        require_every_line(raw, lines)
        unify(raw, lines)
        scan, recon = described(raw.header.scan, "GE", 3.0), raw.header.recon
    lines.data[...] *= np.float32(wanted[0].converter.scale)
    transforms.alternate(lines.data, 0)
    grid = Grid(lines.data, "zycx", image="z", acquired={"y": extents(lines)["y"]})
    matrix = {"x": recon[0], "y": recon[1], "z": len(lines.data)}
    for want in wanted:
        yield want, common.volume(grid, want, scan, "PDFS", path.stem, matrix)
