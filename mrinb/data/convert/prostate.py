"""fastMRI prostate T2: three averages, each of every second line, combined into one k-space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from mrinb.data.convert import common
from mrinb.data.convert.base import Wanted
from mrinb.data.convert.ismrmrd_file import RawHeader, parse
from mrinb.data.convert.output import Volume
from mrinb.data.files import HEADER, open_volume
from mrinb.errors import MrinbError

_TARGET = (320, 320)

_NOTHING = 1e-4
"""Share of an average's power below which its odd or even lines count as not acquired."""


def read(path: Path, wanted: Sequence[Wanted], as_paper: bool) -> Iterator[tuple[Wanted, Volume]]:
    """Read ``file_prostate_AXT2_<number>.h5``.

    Args:
        path: the file: ``kspace`` (averages, slices, coils, readout, phase).
        wanted: the one dataset.
        as_paper: nothing depends on it.

    Yields:
        The volume: each line is the mean of the averages that acquired it, placed in the matrix
        that the header states.

    Raises:
        MrinbError: the file is damaged, or its header does not fit its lines.
    """
    [want] = wanted
    with open_volume(path) as file:
        stored = common.stored(file, "kspace", 5)
        if HEADER not in file:
            raise MrinbError(f"no {HEADER!r} in it")
        header = parse(file[HEADER][()])
        left, width = _place(header, stored)
        slices, coils, rows, lines = stored.shape[1:]
        patient = file.attrs.get("patient_id", path.stem)
        volume = Volume(
            shape=(slices, coils, rows, width),
            blocks=_blocks(stored, left, width, want.converter.scale),
            padding=(left, left + lines),
            recon=_TARGET,
            scan=header.scan,
            acquisition="AXT2",
            patient=patient.decode() if isinstance(patient, bytes) else str(patient),
            attributes={"averages": stored.shape[0]},
        )
        yield want, volume


def _place(header: RawHeader, stored: h5py.Dataset) -> tuple[int, int]:
    """(first column, width) of the lines in the stated matrix."""
    rows, lines = stored.shape[3:]
    height, width, _ = header.encoded
    limit = header.limits.get("kspace_encoding_step_1")
    left = width // 2 - limit.center if limit else 0
    if rows != height or left < 0 or left + lines > width:
        raise MrinbError(
            f"kspace of {rows} x {lines} does not fit the matrix {height} x {width} of its header"
        )
    return left, width


def _blocks(stored: h5py.Dataset, left: int, width: int, scale: float) -> Iterator[np.ndarray]:
    for number in range(stored.shape[1]):
        averages = stored[:, number].astype(np.complex64)
        held = _held(averages)
        averages *= held[:, np.newaxis, np.newaxis]
        lines = held.sum(axis=0)
        whole = np.zeros((1, *averages.shape[1:3], width), np.complex64)
        whole[0, ..., left : left + averages.shape[-1]] = averages.sum(axis=0)
        whole[0, ..., left : left + averages.shape[-1]] *= np.float32(scale) / np.maximum(lines, 1)
        yield whole


def _held(averages: np.ndarray) -> np.ndarray:
    """Which lines each average acquired: the odd or the even ones, or both.

    Args:
        averages: complex (averages, coils, readout, lines) of one slice.

    Returns:
        bool (averages, lines).
    """
    power = np.square(np.abs(averages)).sum(axis=(1, 2))
    parity = np.arange(power.shape[1]) % 2
    sums = np.stack([power[:, parity == p].sum(axis=1) for p in (0, 1)], axis=1)
    return (sums > _NOTHING * sums.max(axis=1, keepdims=True))[:, parity]
