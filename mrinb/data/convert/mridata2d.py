"""Two-dimensional ISMRMRD scans of mridata.org: Stanford 2D FSE and NYU knees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrinb.data.convert.ahead import extents
from mrinb.data.convert.base import Wanted
from mrinb.data.convert.echo_train import correct
from mrinb.data.convert.ismrmrd_file import Lines, Raw, opened
from mrinb.data.convert.output import Volume
from mrinb.errors import MrinbError
from mrinb.slicing import kspace as transforms


def read(path: Path, wanted: Sequence[Wanted], as_paper: bool) -> Iterator[tuple[Wanted, Volume]]:
    """Read one scan.

    Args:
        path: the file.
        wanted: the one dataset.
        as_paper: keep a truncated scan, its missing lines zero.

    Yields:
        The volume.

    Raises:
        MrinbError: the file is damaged or, unless ``as_paper``, not whole.
    """
    [want] = wanted
    with opened(path) as raw:
        trains = raw.header.last("segment", 0) > 0
        lines = raw.lines("slice", calibrated=trains)
        if not as_paper:
            require_every_line(raw, lines)
        unify(raw, lines)
    scan = raw.header.scan._replace(vendor=raw.header.scan.vendor or "")
    slices, _, coils, _ = lines.data.shape
    yield (
        want,
        Volume(
            shape=(slices, coils, *raw.header.encoded[:2]),
            blocks=_blocks(lines, want.converter.scale),
            padding=extents(lines)["y"],
            recon=raw.header.recon[:2],
            scan=scan,
            acquisition=scan.protocol,
            patient=path.stem,
            attributes={"truncated": lines.cut is not None},
        ),
    )


def _blocks(lines: Lines, scale: float) -> Iterator[np.ndarray]:
    for number, (data, segment) in enumerate(zip(lines.data, lines.segment, strict=True)):
        references = {e: line for (s, e), line in lines.calibration.items() if s == number}
        corrected = correct(data, segment, references) * np.float32(scale)
        corrected[lines.counts[number] == 0] = 0
        yield transforms.reverse(corrected.transpose(1, 2, 0)[np.newaxis], -2)


def require_every_line(raw: Raw, lines: Lines) -> None:
    """Refuse a scan whose slices have not all of the lines.

    Raises:
        MrinbError: a readout cannot be read, slices are missing, or lines of a slice are.
    """
    if lines.cut is not None:
        raise MrinbError(
            f"truncated: readout {lines.cut} of {len(raw.acquisitions)} cannot be read"
        )
    slices = len(lines.counts)
    stated = raw.header.last("slice", slices - 1) + 1
    anywhere = lines.counts.any(axis=0)
    whole = (lines.counts[:, anywhere] > 0).all(axis=1)
    if whole.all():
        return
    raise MrinbError(
        f"truncated: {int(whole.sum())} of {max(slices, stated)} slices have all of their "
        f"{int(anywhere.sum())} lines"
    )


def unify(raw: Raw, lines: Lines) -> None:
    """Undo alternating signs of lines that the header states, and weigh coils by their noise.

    ``ChopY`` is 0 where the scanner did not alternate the signs of phase-encoding lines; the image
    then lies half a field of view off. ``rec_std`` is the noise of each coil.
    """
    if raw.header.parameters.get("ChopY", "1").split(".")[0] == "0":
        transforms.alternate(lines.data, 1)
    deviations = raw.deviations
    if deviations is None or deviations.size != lines.data.shape[2] or not (deviations > 0).all():
        return
    weights = np.sqrt(1 / deviations**2 / np.sum(1 / deviations**2)).astype(np.float32)
    lines.data[...] *= weights[:, np.newaxis]
