"""M4Raw: low-field brains in a layout close to fastMRI's, a file for each repetition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from mrinb.data.convert import common
from mrinb.data.convert.base import Wanted
from mrinb.data.convert.output import Scan, Volume
from mrinb.data.files import TARGET, open_volume
from mrinb.slicing import kspace as transforms

_ECHO_OFFSET = 45 / 256
"""How far right of the middle the gradient echo lies, as a share of the readout."""


def read(path: Path, wanted: Sequence[Wanted], as_paper: bool) -> Iterator[tuple[Wanted, Volume]]:
    """Read ``<subject>_<contrast><repetition>.h5``.

    Args:
        path: the file: ``kspace`` (slices, coils, rows, columns).
        wanted: the one dataset.
        as_paper: of gradient echoes, keep the ``max`` of the target that was replaced.

    Yields:
        The volume.

    Raises:
        MrinbError: the file is damaged.
    """
    [want] = wanted
    subject, _, scan = path.stem.rpartition("_")
    contrast, repetition = scan[:-2], int(scan[-2:])
    turned = contrast == "GRE"
    with open_volume(path) as file:
        stored = common.stored(file, "kspace", 4)
        recon = file[TARGET].shape[1:] if TARGET in file else stored.shape[2:]
        slices, coils, rows, columns = stored.shape
        shape = (columns, rows) if turned else (rows, columns)
        stale = float(file.attrs["max"]) if turned and as_paper and "max" in file.attrs else None
        volume = Volume(
            shape=(slices, coils, *shape),
            blocks=_blocks(stored, turned, want.converter.scale),
            padding=_padding(stored, 2 if turned else 3, turned),
            recon=(recon[1], recon[0]) if turned else (recon[0], recon[1]),
            scan=Scan(vendor="XGY", field_t=0.3, protocol=contrast),
            acquisition=contrast,
            patient=subject,
            attributes={"repetition": repetition},
            stated_max=stale,
        )
        yield want, volume


def _blocks(stored: h5py.Dataset, turned: bool, scale: float) -> Iterator[np.ndarray]:
    for data in stored:
        kspace = data[np.newaxis].astype(np.complex64) * np.float32(scale)
        if turned:
            # The echo is moved to the middle, a linear phase of the image; then a quarter turn.
            kspace = np.roll(kspace, -round(_ECHO_OFFSET * kspace.shape[-1]), axis=-1)
            kspace = np.ascontiguousarray(kspace.swapaxes(-1, -2))
        yield transforms.reverse(kspace, -1 if turned else -2)


def _padding(stored: h5py.Dataset, axis: int, reversed_columns: bool) -> tuple[int, int]:
    filled = np.zeros(stored.shape[axis], bool)
    for data in stored:
        left, right = transforms.acquired(data[np.newaxis], axis)
        filled[left:right] = True
    if reversed_columns:
        filled = transforms.reverse(filled.astype(np.complex64), 0) != 0
    return transforms.acquired(filled[np.newaxis], 1)
