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
        count: int (outer, line): how many readouts there were of each.
        segment: int (outer, line): echo of the train that acquired each.
        calibration: (outer, segment) -> (coils, readout), the phase reference of spin-echo trains.
        cut: index of the first readout that cannot be read, None where all can.
    """

    data: np.ndarray
    count: np.ndarray
    segment: np.ndarray
    calibration: dict[tuple[int, int], np.ndarray]
    cut: int | None


class Raw:
    """An open ISMRMRD file."""

    def __init__(self, file: h5py.File, path: Path) -> None:
        group = file.get("dataset")
        if not isinstance(group, h5py.Group) or not {"xml", "data"} <= set(group):
            raise MrinbError("no 'dataset/xml' and 'dataset/data': not an ISMRMRD file")
        self.path = path
        self.acquisitions = group["data"]
        self.header = parse(group["xml"][0])
        self.deviations = np.ravel(group["rec_std"][0]) if "rec_std" in group else None
        heads = self.acquisitions.fields("head")[:]
        self.heads = heads
        self.imaging = np.flatnonzero((heads["flags"] & _SKIPPED) == 0)
        first = heads["idx"]
        for counter in ("contrast", "phase", "repetition", "set"):
            self.imaging = self.imaging[first[counter][self.imaging] == 0]
        if not self.imaging.size:
            raise MrinbError("no imaging readouts in it")

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
        index = self.heads["idx"][self.imaging]
        ky, oz = index["kspace_encode_step_1"].astype(int), index[outer].astype(int)
        inside = ky <= self._last_line(ky)
        if outer != "slice":
            oz += self._first("kspace_encoding_step_2", int(oz.max()), self.header.encoded[2])
        outers = int(oz.max()) + 1 if outer == "slice" else self.header.encoded[2]
        ky += self._first("kspace_encoding_step_1", int(ky[inside].max()), self.header.encoded[1])
        grid = self._empty((outers, self.header.encoded[1]))
        for which, readouts in self._readouts(grid.data.shape[2:]):
            if readouts is None:
                return grid._replace(cut=int(self.imaging[which[0]]))
            for at, samples in zip(which, readouts, strict=True):
                place = (oz[at], ky[at])
                if inside[at]:
                    grid.data[place] += samples
                    grid.count[place] += 1
                    grid.segment[place] = index["segment"][at]
                elif calibrated:
                    grid.calibration[int(oz[at]), int(index["segment"][at])] = samples.copy()
        for place in np.argwhere(grid.count > 1):
            grid.data[tuple(place)] /= grid.count[tuple(place)]
        return grid

    def _empty(self, shape: tuple[int, int]) -> Lines:
        counts = np.zeros(shape, np.int32)
        data = np.zeros((*shape, *self._readout()), np.complex64)
        return Lines(data, counts, np.zeros_like(counts), {}, None)

    def _last_line(self, ky: np.ndarray) -> int:
        """The last line of the image: some headers state their number, some nothing."""
        last = self.header.last("kspace_encoding_step_1", 0) or int(ky.max())
        return min(last, self.header.encoded[1] - 1)

    def _first(self, counter: str, last: int, size: int) -> int:
        """Where line 0 lies in the matrix, so that the stated centre is its middle."""
        if last >= size:
            raise MrinbError(f"line {last} of {counter}, but the matrix is {size}")
        if counter not in self.header.limits:
            return 0
        start = size // 2 - self.header.limits[counter].center
        return start if 0 <= start < size - last else 0

    def _readout(self) -> tuple[int, int]:
        heads = self.heads[self.imaging]
        coils, samples = np.unique(heads["active_channels"]), np.unique(heads["number_of_samples"])
        if len(coils) > 1:
            raise MrinbError(f"readouts of {coils[0]} and of {coils[-1]} coils in one scan")
        if samples[-1] > self.header.encoded[0]:
            raise MrinbError(
                f"readouts of {samples[-1]} samples, but the matrix is {self.header.encoded[0]}"
            )
        return int(coils[0]), self.header.encoded[0]

    def _readouts(
        self, shape: tuple[int, int]
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray] | None]]:
        """Blocks of (positions among the imaging readouts, readouts or None if damaged)."""
        step = max(1, _BLOCK_BYTES // (8 * shape[0] * shape[1]))
        for start in range(0, len(self.imaging), step):
            which = np.arange(start, min(start + step, len(self.imaging)))
            numbers = self.imaging[which]
            found = self._read(int(numbers[0]), int(numbers[-1]) + 1)
            done: list[np.ndarray] = []
            for number in numbers:
                samples = None if found is None else found[number - numbers[0]]
                readout = None if samples is None else self._placed(number, samples, shape)
                if readout is None:
                    break
                done.append(readout)
            if done:
                yield which[: len(done)], done
            if len(done) < len(which):
                yield which[len(done) :], None
                return

    def _read(self, start: int, stop: int) -> Any:
        """Readouts as flat arrays; read one by one where the block is damaged, to find the end."""
        fields = self.acquisitions.fields("data")
        try:
            return fields[start:stop]
        except (OSError, RuntimeError):
            pass
        found: list[np.ndarray | None] = [None] * (stop - start)
        for i in range(start, stop):
            try:
                found[i - start] = fields[i]
            except (OSError, RuntimeError):
                break
        return found

    def _placed(
        self, number: int, samples: np.ndarray, shape: tuple[int, int]
    ) -> np.ndarray | None:
        head = self.heads[number]
        count = int(head["number_of_samples"])
        if samples.size != 2 * shape[0] * count:
            return None
        readout = samples.view(np.complex64).reshape(shape[0], count)
        if head["flags"] & _REVERSED:
            readout = readout[:, ::-1]
        if count == shape[1]:
            return readout
        whole = np.zeros(shape, np.complex64)
        start = shape[1] // 2 - int(head["center_sample"])
        start = start if 0 <= start <= shape[1] - count else (shape[1] - count) // 2
        whole[:, start : start + count] = readout
        return whole

    def patient(self) -> str:
        """Identifier for the subject: the file's name, since these headers name nobody."""
        return self.path.stem


@contextmanager
def opened(path: Path) -> Iterator[Raw]:
    """Open an ISMRMRD file.

    Raises:
        MrinbError: it cannot be read or is of another kind.
    """
    with open_volume(path) as file:
        yield Raw(file, path)


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
