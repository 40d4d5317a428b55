"""Raw data in ISMRMRD files: the header, and readouts gathered into a grid block by block.

A file has the group ``dataset`` with ``xml`` and ``data``, an array of acquisitions: a header of
fixed size and a readout of all coils of variable length. Read with h5py in blocks, which is about
ten times faster than one acquisition at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from ismrmrd import constants, xsd

from mrinb.data.convert.output import Scan
from mrinb.data.files import open_volume
from mrinb.errors import MrinbError

Outer = Literal["slice", "kspace_encode_step_2"]

_BLOCK_BYTES = 64 * 2**20

_NOT_IMAGING = (
    constants.ACQ_IS_NOISE_MEASUREMENT,
    constants.ACQ_IS_PARALLEL_CALIBRATION,
    constants.ACQ_IS_NAVIGATION_DATA,
    constants.ACQ_IS_PHASECORR_DATA,
    constants.ACQ_IS_HPFEEDBACK_DATA,
    constants.ACQ_IS_DUMMYSCAN_DATA,
    constants.ACQ_IS_RTFEEDBACK_DATA,
    constants.ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA,
)
_SKIPPED = np.uint64(sum(1 << (flag - 1) for flag in _NOT_IMAGING))
_REVERSED = np.uint64(1 << (constants.ACQ_IS_REVERSE - 1))


class Limit(NamedTuple):
    """Range of a counter, and its value in the middle of k-space."""

    maximum: int
    center: int


class RawHeader(NamedTuple):
    """What is used of an ISMRMRD header.

    Attributes:
        encoded, recon: matrices (x readout, y phase, z).
        limits: ranges of the counters that are stated, such as ``kspace_encoding_step_1``.
        scan: scanner and sequence.
        coils: number of receiver channels stated, 0 if it is not.
        parameters: user parameters, such as ``ChopY``.
    """

    encoded: tuple[int, int, int]
    recon: tuple[int, int, int]
    limits: dict[str, Limit]
    scan: Scan
    coils: int
    parameters: dict[str, str]

    def last(self, counter: str, default: int) -> int:
        """The highest value of a counter that is stated."""
        return self.limits[counter].maximum if counter in self.limits else default


class Lines(NamedTuple):
    """The imaging readouts of a file on their grid.

    Attributes:
        data: complex64 (outer, line, coils, readout); repeated readouts are averaged.
        counts: int (outer, line): how many readouts there were of each.
        segment: int (outer, line): echo of the train that acquired each.
        calibration: (outer, segment) -> (coils, readout), the phase reference of spin-echo trains.
        cut: index of the first readout that cannot be read, None where all can.
    """

    data: np.ndarray
    counts: np.ndarray
    segment: np.ndarray
    calibration: dict[tuple[int, int], np.ndarray]
    cut: int | None


class Raw:
    """An open ISMRMRD file, read once from start to end."""

    def __init__(self, file: h5py.File) -> None:
        group = file.get("dataset")
        if not isinstance(group, h5py.Group) or not {"xml", "data"} <= set(group):
            raise MrinbError("no 'dataset/xml' and 'dataset/data': not an ISMRMRD file")
        self.acquisitions = group["data"]
        self.header = parse(group["xml"][0])
        self.deviations = np.ravel(group["rec_std"][0]) if "rec_std" in group else None

    def lines(self, outer: Outer, calibrated: bool = False) -> Lines:
        """Gather the imaging readouts of the first contrast on a grid.

        Args:
            outer: the counter of the grid's first axis; slices are as many as there are, lines of
                the second phase encoding as many as the matrix states.
            calibrated: lines beyond the stated last one are phase references, where the scan has
                several segments; otherwise they are left out.

        Returns:
            The grid. Noise and other scans that are no image are passed over.

        Raises:
            MrinbError: coils or readouts differ in number, or do not fit the stated matrix.
        """
        grid: Lines | None = None
        for head, samples in self._readouts():
            if grid is None:
                grid = self._empty(outer, int(head["active_channels"]))
            readout = self._placed(head, samples, grid.data.shape[2:])
            if readout is None:
                grid = grid._replace(cut=int(head["scan_counter"]))
                break
            grid = self._add(grid, readout, head["idx"], outer, calibrated)
        if grid is None or not grid.counts.any():
            raise MrinbError("no imaging readouts in it")
        for at, line in np.argwhere(grid.counts > 1):
            grid.data[at, line] /= grid.counts[at, line]
        return _filled(grid) if outer == "slice" else grid

    def _add(
        self, grid: Lines, readout: np.ndarray, index: Any, outer: Outer, calibrated: bool
    ) -> Lines:
        ky, at = int(index["kspace_encode_step_1"]), int(index[outer])
        last = self._last_line()
        if outer == "slice":
            grid = _enlarged(grid, at + 1)
        else:
            at += self._first("kspace_encoding_step_2", 0, len(grid.data))
        if at >= len(grid.data):
            raise MrinbError(f"line {at} of {outer}, but the matrix is {len(grid.data)}")
        if ky > last and outer == "slice":
            if calibrated:
                grid.calibration[at, int(index["segment"])] = readout.copy()
            return grid
        line = ky + self._first("kspace_encoding_step_1", last, grid.data.shape[1])
        if line >= grid.data.shape[1]:
            raise MrinbError(f"line {line} of phase encoding in a matrix of {grid.data.shape[1]}")
        grid.data[at, line] += readout
        grid.counts[at, line] += 1
        grid.segment[at, line] = index["segment"]
        return grid

    def _empty(self, outer: Outer, coils: int) -> Lines:
        stated = self.header.last("slice", 0) + 1 if outer == "slice" else self.header.encoded[2]
        shape = (stated, self.header.encoded[1])
        counts = np.zeros(shape, np.int32)
        data = np.zeros((*shape, coils, self.header.encoded[0]), np.complex64)
        return Lines(data, counts, np.zeros_like(counts), {}, None)

    def _last_line(self) -> int:
        """The last line of the image: some headers state their number, some nothing."""
        size = self.header.encoded[1]
        return min(self.header.last("kspace_encoding_step_1", 0) or size - 1, size - 1)

    def _first(self, counter: str, last: int, size: int) -> int:
        """Where line 0 lies in the matrix, so that the stated centre is its middle."""
        if counter not in self.header.limits:
            return 0
        start = size // 2 - self.header.limits[counter].center
        last = max(last, min(self.header.limits[counter].maximum, size - 1))
        return start if 0 <= start < size - last else 0

    def _readouts(self) -> Iterator[tuple[Any, np.ndarray | None]]:
        """Headers and flat samples of imaging readouts, None for the first damaged one.

        Headers are read with the samples: HDF5 reads a header alone through the samples too, and
        does not give their memory back.
        """
        start, step = 0, 64
        while start < len(self.acquisitions):
            block = self._block(start, start + step)
            for number, (head, _, samples) in enumerate(block, start):
                index = head["idx"]
                others = sum(index[c] for c in ("contrast", "phase", "repetition", "set"))
                if head["flags"] & _SKIPPED or others:
                    continue
                head["scan_counter"] = number
                yield head, samples
                if samples is None:
                    return
            start += step
            size = max(samples.nbytes for _, _, samples in block) or 1
            step = max(1, _BLOCK_BYTES // size)

    def _block(self, start: int, stop: int) -> Any:
        """Acquisitions; one by one where the block is damaged, up to the damage."""
        try:
            return self.acquisitions[start:stop]
        except (OSError, RuntimeError):
            pass
        found = []
        for number in range(start, min(stop, len(self.acquisitions))):
            try:
                found.append(self.acquisitions[number])
            except (OSError, RuntimeError):
                head = np.zeros((), self.acquisitions.dtype["head"])
                return [*found, (head, None, None)]
        return found

    def _placed(
        self, head: Any, samples: np.ndarray | None, shape: tuple[int, ...]
    ) -> np.ndarray | None:
        count, coils = int(head["number_of_samples"]), int(head["active_channels"])
        if samples is None or samples.size != 2 * coils * count or not samples.size:
            return None
        if coils != shape[0]:
            raise MrinbError(f"readouts of {shape[0]} and of {coils} coils in one scan")
        if count > shape[1]:
            raise MrinbError(f"readouts of {count} samples, but the matrix is {shape[1]}")
        readout = samples.view(np.complex64).reshape(coils, count)
        if head["flags"] & _REVERSED:
            readout = readout[:, ::-1]
        if count == shape[1]:
            return readout
        whole = np.zeros(shape, np.complex64)
        start = shape[1] // 2 - int(head["center_sample"])
        start = start if 0 <= start <= shape[1] - count else (shape[1] - count) // 2
        whole[:, start : start + count] = readout
        return whole


def _enlarged(grid: Lines, slices: int) -> Lines:
    """The grid with room for more slices than were stated."""
    lack = slices - len(grid.data)
    if lack <= 0:
        return grid

    def more(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, np.zeros((lack, *values.shape[1:]), values.dtype)])

    return grid._replace(data=more(grid.data), counts=more(grid.counts), segment=more(grid.segment))


def _filled(grid: Lines) -> Lines:
    """The grid up to the last slice that has a line."""
    used = slice(int(np.flatnonzero(grid.counts.any(axis=1))[-1]) + 1)
    return grid._replace(data=grid.data[used], counts=grid.counts[used], segment=grid.segment[used])


@contextmanager
def opened(path: Path) -> Iterator[Raw]:
    """Open an ISMRMRD file.

    Raises:
        MrinbError: it cannot be read or is of another kind.
    """
    with open_volume(path) as file:
        yield Raw(file)


def parse(xml: bytes | str) -> RawHeader:
    """Parse what is used of an ISMRMRD header.

    Raises:
        MrinbError: it is not XML, defines entities or states no matrix.
    """
    try:
        root = fromstring(xml)
    except DefusedXmlException:
        raise MrinbError("its ISMRMRD header defines XML entities: it is not read") from None
    except (ParseError, ValueError) as error:
        raise MrinbError(f"its ISMRMRD header is not valid XML ({error})") from None
    encoded = _triple(root, "encodedSpace", "matrixSize")
    if 0 in encoded:
        raise MrinbError("its ISMRMRD header states no encoded matrix")
    recon = _triple(root, "reconSpace", "matrixSize")
    limits = {}
    for element in root.iterfind(".//{*}encoding[1]/{*}encodingLimits/*"):
        maximum = _number(element, "{*}maximum")
        limits[element.tag.split("}")[-1]] = Limit(int(maximum), int(_number(element, "{*}center")))
    parameters = {
        (item.findtext("{*}name") or ""): (item.findtext("{*}value") or "")
        for item in root.iterfind(".//{*}userParameters/*")
    }
    return RawHeader(
        (int(encoded[0]), int(encoded[1]), int(encoded[2])),
        (int(recon[0] or encoded[0]), int(recon[1] or encoded[1]), int(recon[2] or encoded[2])),
        limits,
        _scan(root),
        int(_number(root, ".//{*}receiverChannels")),
        parameters,
    )


def _scan(root: Any) -> Scan:
    def text(name: str) -> str:
        return (root.findtext(f".//{{*}}{name}") or "").strip()

    position = text("patientPosition")
    return Scan(
        vendor=text("systemVendor"),
        model=text("systemModel"),
        field_t=_number(root, ".//{*}systemFieldStrength_T"),
        protocol=text("protocolName"),
        position=position if position in {p.value for p in xsd.patientPositionType} else "",
        field_of_view_mm=_triple(root, "encodedSpace", "fieldOfView_mm"),
    )


def _triple(root: Any, space: str, kind: str) -> tuple[float, float, float]:
    x, y, z = (_number(root, f".//{{*}}{space}/{{*}}{kind}/{{*}}{axis}") for axis in "xyz")
    return x, y, z


def _number(root: Any, where: str) -> float:
    try:
        value = float(root.findtext(where) or 0)
    except ValueError:
        return 0.0
    return value if np.isfinite(value) else 0.0
