"""The 7T AHEAD database: MP2RAGE-ME brains of 32 coils as ISMRMRD, a file for each echo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrinb.data.convert import common
from mrinb.data.convert.base import Wanted
from mrinb.data.convert.ismrmrd_file import Lines, Raw, opened
from mrinb.data.convert.output import Scan, Volume
from mrinb.errors import MrinbError
from mrinb.slicing.grid import Grid


def read(path: Path, wanted: Sequence[Wanted], as_paper: bool) -> Iterator[tuple[Wanted, Volume]]:
    """Read ``mp2rageme_<subject>_inv<n>_te<n>.h5``; all views come from one reading.

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
        lines = raw.lines("kspace_encode_step_2")
        require_whole(raw, lines)
        scan = described(raw.header.scan, "Philips", 7.0)
    lines.data[...] *= wanted[0].converter.scale
    subject = path.stem.split("_inv")[0]
    grid = Grid(lines.data, "zycx", acquired=extents(lines))
    for want in wanted:
        yield want, common.volume(grid, want, scan, "MP2RAGEME", subject)


def require_whole(raw: Raw, lines: Lines) -> None:
    """Refuse a scan that ends early.

    Corners of k-space may be missing on purpose; lines along a whole axis may not.

    Raises:
        MrinbError: a readout cannot be read, or the last lines are missing.
    """
    if lines.cut is not None:
        raise MrinbError(
            f"truncated: readout {lines.cut} of {len(raw.acquisitions)} cannot be read"
        )
    for axis, counter in enumerate(("kspace_encoding_step_2", "kspace_encoding_step_1")):
        if counter not in raw.header.limits:
            continue
        found = np.flatnonzero(lines.counts.any(axis=1 - axis))
        stated = raw.header.limits[counter].maximum
        if found[-1] - found[0] < min(stated, lines.counts.shape[axis] - 1):
            raise MrinbError(
                f"truncated: {found[-1] - found[0] + 1} lines of {counter}, {stated + 1} are stated"
            )


def extents(lines: Lines) -> dict[str, tuple[int, int]]:
    """First acquired line of ``z`` and ``y``, and the line after the last."""
    found = {}
    for axis, name in enumerate("zy"):
        at = np.flatnonzero(lines.counts.any(axis=1 - axis))
        found[name] = (int(at[0]), int(at[-1]) + 1)
    return found


def described(scan: Scan, vendor: str, field_t: float) -> Scan:
    """What a header leaves out of a dataset's one scanner; sizes are of the 3-D space, not 2-D."""
    return scan._replace(
        vendor=scan.vendor or vendor,
        field_t=scan.field_t or field_t,
        field_of_view_mm=(0.0, 0.0, 0.0),
    )
