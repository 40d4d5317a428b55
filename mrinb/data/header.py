"""What an ISMRMRD header says about a scan. Reading is defusedxml's, which expands no entities."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from mrinb.errors import MrinbError

HEADER = "ismrmrd_header"


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


def header_text(value: Any, path: Path) -> bytes:
    """The header as bytes: fastMRI stores one string, ISMRMRD's own files an array of one.

    Raises:
        MrinbError: the value is no string.
    """
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, bytes):
        return bytes(value)
    raise MrinbError(f"{path}: {HEADER} is {type(value).__name__}: it should be one string of XML")


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
    except (ParseError, ValueError, LookupError) as error:
        words = " ".join(str(error).split())
        raise MrinbError(f"{path}: {HEADER} is not valid XML ({words})") from None
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
