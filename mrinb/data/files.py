"""The fastMRI file layout: what a volume's file holds, and one clear line where it does not.

Keys: ``kspace`` (slices, coils, height, width) complex; ``reconstruction_rss`` (slices, height,
width); ``ismrmrd_header`` (XML). Attributes: ``max``, ``acquisition``, ``patient_id``.

Files of the emulated single-coil track have ``kspace`` (slices, height, width) and as target
``reconstruction_esc``; here they appear as volumes of one coil.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from mrinb.errors import MrinbError
from mrinb.specs import Coil

KSPACE, TARGET, HEADER = "kspace", "reconstruction_rss", "ismrmrd_header"
SINGLE_TARGET = "reconstruction_esc"

_DAMAGED = "damaged HDF5 file: download or generate it again"
_DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError)
"""What h5py raises on bytes that make no sense, depending on where they are."""


class Header(NamedTuple):
    """What the ISMRMRD header says about a scan.

    Attributes:
        system_model: scanner model, empty where it is not stated.
        field_t: field strength in tesla, NaN where it is not stated.
        coils: number of receiver coils in the k-space.
        encode: encoded matrix (height, width).
        recon: reconstructed matrix (height, width).
        padding_left, padding_right: first acquired phase-encoding line, and the line after the
            last; those outside are zeros. 0 and the width where nothing useful is stated.
    """

    system_model: str
    field_t: float
    coils: int
    encode: tuple[int, int]
    recon: tuple[int, int]
    padding_left: int
    padding_right: int


class Info(NamedTuple):
    """Everything known of a volume's file without reading its k-space.

    Attributes:
        header: the parsed header.
        header_digest: 16 hexadecimal digits of the header's SHA-256.
        kspace_shape: (slices, coils, height, width).
        target_shape: (slices, height, width), or None for a file without target.
        coil: ``multi``, or ``single`` for a file of the emulated single-coil track.
        masked: whether the k-space is already undersampled (the challenge's test files).
        acquisition: fastMRI's name of the sequence, such as ``CORPD_FBK``, or empty.
        patient: identifier of the subject, or empty.
        max_value: the attribute ``max``; where it is missing, the largest value of the target;
            0 for a file with neither.
    """

    header: Header
    header_digest: str
    kspace_shape: tuple[int, int, int, int]
    target_shape: tuple[int, int, int] | None
    coil: Coil
    masked: bool
    acquisition: str
    patient: str
    max_value: float


def open_volume(path: Path) -> h5py.File:
    """Open a volume's file for reading.

    Raises:
        MrinbError: the file is missing, empty, truncated or not HDF5.
    """
    try:
        return h5py.File(path, "r", locking="best-effort")
    except FileNotFoundError:
        raise MrinbError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise MrinbError(f"{path}: a folder, not a file") from None
    except PermissionError:
        raise MrinbError(f"{path}: you may not read this file") from None
    except OSError as error:
        raise MrinbError(f"{path}: {_open_problem(path, str(error))}") from None


def _open_problem(path: Path, words: str) -> str:
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty: download or generate it again"
    if "truncated" in words:
        return "the file is truncated: download or generate it again"
    if "signature" in words:
        return "not an HDF5 file"
    return _DAMAGED


def read_header(path: Path) -> Header:
    """Read and parse the header of a volume's file.

    Raises:
        MrinbError: the file or its header cannot be read.
    """
    return read_info(path).header


def read_info(path: Path) -> Info:
    """Read everything but the arrays (and the target's maximum where ``max`` is missing).

    Raises:
        MrinbError: the file is not in the fastMRI layout.
    """
    with open_volume(path) as file:
        try:
            return _info(file, path)
        except _DAMAGE:
            raise MrinbError(f"{path}: {_DAMAGED}") from None


def _info(file: h5py.File, path: Path) -> Info:
    kspace = _dataset(file, KSPACE, path)
    shape = kspace.shape
    if len(shape) not in (3, 4) or 0 in shape or kspace.dtype.kind != "c":
        raise MrinbError(
            f"{path}: kspace is {kspace.dtype} of shape {shape}: it should be complex of shape "
            "(slices, coils, height, width), or (slices, height, width) for a single coil"
        )
    single, key = len(shape) == 3, target_key(file)
    if single:
        shape = (shape[0], 1, *shape[1:])
    target = _dataset(file, key, path) if key in file else None
    if target is not None:
        _check_target(target, shape, path)
    xml = _dataset(file, HEADER, path)[()]
    text = xml.encode() if isinstance(xml, str) else bytes(xml)
    return Info(
        header=parse_header(text, shape, target.shape if target is not None else None, path),
        header_digest=hashlib.sha256(text).hexdigest()[:16],
        kspace_shape=shape,
        target_shape=None if target is None else target.shape,
        coil="single" if single else "multi",
        masked="mask" in file,
        acquisition=_text(file.attrs.get("acquisition")),
        patient=_text(file.attrs.get("patient_id")),
        max_value=_max_value(file, target, path),
    )


def target_key(file: h5py.File) -> str:
    """Name of the target that goes with a file's k-space."""
    return SINGLE_TARGET if file[KSPACE].ndim == 3 else TARGET


def _dataset(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    if key not in file:
        raise MrinbError(f"{path}: no {key!r}: not a file in the fastMRI layout")
    if not isinstance(file[key], h5py.Dataset):
        raise MrinbError(f"{path}: {key!r} is a group: it should be an array")
    return file[key]


def _check_target(target: h5py.Dataset, kspace_shape: tuple[int, ...], path: Path) -> None:
    shape, name = target.shape, target.name.lstrip("/")
    if len(shape) != 3 or 0 in shape or target.dtype.kind != "f":
        raise MrinbError(
            f"{path}: {name} is {target.dtype} of shape {shape}: it should be real of shape "
            "(slices, height, width)"
        )
    if shape[0] != kspace_shape[0]:
        raise MrinbError(f"{path}: {name} has {shape[0]} slices but kspace has {kspace_shape[0]}")
    if crop_shape(kspace_shape, shape)[0] > kspace_shape[2]:
        raise MrinbError(
            f"{path}: {name} {shape} is higher than the image that kspace {kspace_shape} gives"
        )


def crop_shape(kspace_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> tuple[int, int]:
    """Matrix to which image and target are cropped: the target's, where the k-space allows it.

    Where the target is wider than the encoded width (some brains), both become a square of that
    width, as in fastMRI's ``UnetDataTransform``.

    Returns:
        (height, width).
    """
    height, width = target_shape[-2:]
    encoded = kspace_shape[-1]
    return (min(height, encoded), encoded) if encoded < width else (height, width)


def _max_value(file: h5py.File, target: h5py.Dataset | None, path: Path) -> float:
    if "max" in file.attrs:
        try:
            value = float(np.asarray(file.attrs["max"]).item())
        except (TypeError, ValueError):
            value = math.nan
    elif target is not None:
        value = float(np.max(target[()]))
    else:
        return 0.0
    if not (math.isfinite(value) and value > 0):
        where = "attribute 'max'" if "max" in file.attrs else f"largest value of {target_key(file)}"
        raise MrinbError(f"{path}: {where} is {value:g}: it should be positive and finite")
    return value


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def parse_header(
    xml: bytes,
    kspace_shape: tuple[int, ...],
    target_shape: tuple[int, ...] | None,
    path: Path,
) -> Header:
    """Parse an ISMRMRD header; sizes it does not state are those of the arrays.

    Args:
        xml: the header.
        kspace_shape: (slices, coils, height, width).
        target_shape: (slices, height, width), if there is a target.
        path: the file, for error lines.

    Raises:
        MrinbError: the header is not XML, or defines entities.
    """
    try:
        root = fromstring(xml)
    except DefusedXmlException:
        raise MrinbError(f"{path}: {HEADER} defines XML entities: the file is not read") from None
    except (ParseError, ValueError) as error:
        raise MrinbError(f"{path}: {HEADER} is not valid XML ({error})") from None
    encode = _matrix(root, "encodedSpace") or kspace_shape[-2:]
    recon = _matrix(root, "reconSpace") or (target_shape or kspace_shape)[-2:]
    left, right = _padding(root, encode[1], kspace_shape[-1])
    field = _number(root, ".//{*}systemFieldStrength_T")
    return Header(
        system_model=(root.findtext(".//{*}systemModel") or "").strip(),
        field_t=math.nan if field is None else field,
        coils=kspace_shape[1],
        encode=(encode[0], encode[1]),
        recon=(recon[0], recon[1]),
        padding_left=left,
        padding_right=right,
    )


def _number(root: Any, where: str) -> float | None:
    try:
        value = float(root.findtext(where) or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _matrix(root: Any, space: str) -> tuple[int, int] | None:
    sizes = [_number(root, f".//{{*}}{space}/{{*}}matrixSize/{{*}}{axis}") for axis in "xy"]
    height, width = sizes
    return (int(height), int(width)) if height and width else None


def _padding(root: Any, encoded: int, width: int) -> tuple[int, int]:
    """Acquired lines as in fastMRI's ``SliceDataset``, kept inside the k-space.

    A negative left edge, which there empties the mask, means that no line is padded on the left.
    Limits that are missing, empty or about another width than the k-space's say nothing.
    """
    limits = ".//{*}encodingLimits/{*}kspace_encoding_step_1/{*}"
    center, last = _number(root, f"{limits}center"), _number(root, f"{limits}maximum")
    if center is None or last is None or encoded != width:
        return 0, width
    left = encoded // 2 - int(center)
    right = left + int(last) + 1
    left, right = max(left, 0), min(right, width)
    return (left, right) if left < right else (0, width)


def require_target(info: Info, path: Path) -> None:
    """Refuse a file that cannot be trained on or scored.

    Raises:
        MrinbError: the k-space is masked, or there is no target.
    """
    if info.masked:
        raise MrinbError(
            f"{path}: masked test file, its k-space is already undersampled: use train or val files"
        )
    if info.target_shape is None:
        name = TARGET if info.coil == "multi" else SINGLE_TARGET
        raise MrinbError(f"{path}: no {name!r}: training and scoring need a target")


def check(path: Path, target: bool = True) -> Info:
    """Read a whole file and raise for the first thing wrong with it.

    Args:
        path: the file.
        target: whether a target is needed.

    Raises:
        MrinbError: one line that names the file and what is wrong.
    """
    info = read_info(path)
    if target:
        require_target(info, path)
    with open_volume(path) as file:
        keys = (KSPACE, target_key(file)) if info.target_shape else (KSPACE,)
        for index in range(info.kspace_shape[0]):
            for key in keys:
                require_finite(read_slice(file, key, index, path), key, index, path)
    return info


def read_slice(file: h5py.File, key: str, index: int, path: Path) -> np.ndarray:
    """One slice of an array.

    Raises:
        MrinbError: the slice cannot be read.
    """
    try:
        return file[key][index]
    except _DAMAGE:
        raise MrinbError(
            f"{path}: slice {index} of {key} cannot be read: download or generate the file again"
        ) from None


def require_finite(values: np.ndarray, key: str, index: int, path: Path) -> None:
    """Refuse NaN and infinity.

    Raises:
        MrinbError: a value of this slice is not finite.
    """
    # One sum first: it is finite where all values are, and costs a fraction of isfinite.
    with np.errstate(over="ignore", invalid="ignore"):
        total = values.sum()
    if not np.isfinite(total) and not np.isfinite(values).all():
        raise MrinbError(f"{path}: NaN or infinite values in slice {index} of {key}")
