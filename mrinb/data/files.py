"""The fastMRI file layout: what a volume's file holds, and one clear line where it does not.

Keys: ``kspace`` (slices, coils, height, width) complex; ``reconstruction_rss`` (slices, height,
width); ``ismrmrd_header`` (XML). Attributes: ``max``, ``acquisition``, ``patient_id``.

Files of the emulated single-coil track have ``kspace`` (slices, height, width) and as target
``reconstruction_esc``; here they appear as volumes of one coil.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np

from mrinb.data.access import AGAIN, DAMAGE, open_volume, problem
from mrinb.data.header import HEADER, Header, header_text, parse_header
from mrinb.errors import MrinbError
from mrinb.specs import Coil

KSPACE, TARGET = "kspace", "reconstruction_rss"
SINGLE_TARGET = "reconstruction_esc"

Origin = Literal["simulated", "fastmri", "own"]

_DAMAGED = f"damaged HDF5 file: {AGAIN}"
_FASTMRI_NAME = re.compile(r"file(\d{4,}|_(brain|prostate|breast)_\w+)")
_FASTMRI_SEQUENCE = re.compile(r"CORPD(FS)?_FBK|AX(T1|T1PRE|T1POST|T2|FLAIR)|AXT2_PROSTATE|AXDIFF")
_SMALLEST_SHARE = 1 / 1100
"""A file is at least this share of its arrays: deflate reaches no more than 1 to 1032."""


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
        origin: ``simulated`` where the file says so, ``fastmri`` where name and attributes are
            fastMRI's, else ``own``.
        dataset: short name of the dataset that it was converted from, or name of the simulated
            distribution; empty where the file does not say.
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
    origin: Origin = "own"
    dataset: str = ""


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
        except DAMAGE as error:
            raise problem(path, error, _DAMAGED) from None


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
    text = header_text(_dataset(file, HEADER, path)[()], path)
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
        origin=_origin(file, path),
        dataset=_stated_dataset(file),
    )


def _stated_dataset(file: h5py.File) -> str:
    """The dataset that a converted or simulated file says it is of."""
    for attribute, key in (("converted", "dataset"), ("simulator_spec", "distribution")):
        try:
            found = json.loads(_text(file.attrs.get(attribute)) or "{}")
        except ValueError:
            continue
        if isinstance(found, dict) and isinstance(found.get(key), str):
            return str(found[key])
    return ""


def _origin(file: h5py.File, path: Path) -> Origin:
    if np.any(file.attrs.get("simulated", False)):
        return "simulated"
    named = _FASTMRI_NAME.fullmatch(path.stem) and "patient_id" in file.attrs
    sequence = _text(file.attrs.get("acquisition"))
    return "fastmri" if named and _FASTMRI_SEQUENCE.fullmatch(sequence) else "own"


def target_key(file: h5py.File) -> str:
    """Name of the target that goes with a file's k-space."""
    return SINGLE_TARGET if file[KSPACE].ndim == 3 else TARGET


def _dataset(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    if key not in file:
        raise MrinbError(f"{path}: no {key!r}: not a file in the fastMRI layout")
    if not isinstance(file[key], h5py.Dataset):
        what = "a group" if isinstance(file[key], h5py.Group) else "a type"
        raise MrinbError(f"{path}: {key!r} is {what}: it should be an array")
    dataset = file[key]
    # A damaged shape may ask for more memory than there is.
    elsewhere = dataset.is_virtual or dataset.external
    if not elsewhere and dataset.nbytes * _SMALLEST_SHARE > path.stat().st_size:
        raise MrinbError(f"{path}: {key} is larger than the file can hold: {AGAIN}")
    return dataset


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
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size == 1 else ""
    if value is None or isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value).encode(errors="backslashreplace").decode()


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


def read_slice(file: h5py.File, key: str, index: int, path: Path) -> np.ndarray:
    """One slice of an array.

    Raises:
        MrinbError: the slice cannot be read.
    """
    try:
        return file[key][index]
    except DAMAGE as error:
        words = f"slice {index} of {key} cannot be read: {AGAIN}"
        raise problem(path, error, words) from None


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


__all__ = [
    "HEADER", "KSPACE", "SINGLE_TARGET", "TARGET", "Header", "Info", "Origin", "crop_shape",
    "open_volume", "parse_header", "read_header", "read_info", "read_slice", "require_finite",
    "require_target", "target_key",
]  # fmt: skip
