"""Whether a file's parts belong together, and a fingerprint of its content.

The target is compared with the image that the k-space gives. What a user gets wrong leaves traces
that differ: axes swapped or flipped, a missing shift before or after a Fourier transform, slices in
another order, another scale, lines already left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from scipy import fft

from mrinb.data import files
from mrinb.data.access import DAMAGE, problem
from mrinb.errors import MrinbError

VERSION = 1
"""Raised when findings change, so that remembered ones are made again."""

ALIKE = 0.98
"""Correlation from which two images are taken for one: of a sound file it is 1.000."""

UNLIKE = 0.8
"""Correlation below which a target is none of its k-space, however it was processed."""

_SCALE = (0.8, 1.25)
_MAX_TOLERANCE = 0.01
_LEFT_OUT = 0.05  # Share of lines inside the acquired ones that no full sampling leaves out.
_OFF_CENTRE = 0.06  # Share of the lines by which the strongest may lie beside the middle.
_LARGEST = 1e15
_STRONG = 20.0  # Times the median by which the strongest line of an image's k-space exceeds it.


class Findings(NamedTuple):
    """What was found out about a file by looking into its arrays.

    Attributes:
        problem: what does not belong together, in one line, or empty.
        empty: slices whose target is zero everywhere; they are neither trained on nor scored.
    """

    problem: str
    empty: tuple[int, ...]


def fingerprint(path: Path) -> str:
    """20 hexadecimal digits that change with the arrays, from two rows of every slice.

    Of k-space one coil is taken from each slice, another from the next.

    Raises:
        MrinbError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with files.open_volume(path) as file:
        try:
            for key in (files.KSPACE, files.TARGET, files.SINGLE_TARGET):
                if key in file:
                    digest.update(f"{key}:{file[key].dtype}:{file[key].shape}".encode())
                    for row in _rows(file[key]):
                        digest.update(np.ascontiguousarray(row).tobytes())
        except DAMAGE as error:
            raise problem(path, error, "damaged HDF5 file: download or generate it again") from None
    return digest.hexdigest()[:20]


def _rows(array: h5py.Dataset) -> Iterable[np.ndarray]:
    for index in range(array.shape[0]):
        coil = (index % array.shape[1],) if array.ndim == 4 else ()
        height = array.shape[-2]
        for row in sorted({height // 2, height // 3}):
            yield array[(index, *coil, row)]


def examine(path: Path, info: files.Info) -> Findings:
    """Compare one slice, and the target's maximum, with what they should be.

    Args:
        path: the file.
        info: what it holds; it has a target.

    Raises:
        MrinbError: the file cannot be read, or holds NaN or infinity in what was read.
    """
    with files.open_volume(path) as file:
        targets = _targets(file, path, info)
        index = _telling(targets)
        kspace = _kspace(file, path, index)
    found = _problem(kspace, targets, index, info) or _range_problem(targets, info)
    return Findings(f"{path}: {found}" if found else "", _empty(targets))


def check(path: Path, target: bool = True) -> tuple[files.Info, Findings]:
    """Read a whole file and raise for the first thing wrong with it.

    Args:
        path: the file.
        target: whether a target is needed.

    Raises:
        MrinbError: one line that names the file and what is wrong.
    """
    info = files.read_info(path)
    if target:
        files.require_target(info, path)
    with files.open_volume(path) as file:
        targets = _targets(file, path, info) if info.target_shape else None
        for index in range(info.kspace_shape[0]):
            kspace = _kspace(file, path, index)
            found = "" if info.masked else _off_centre(kspace)
            if targets is not None and not info.masked and not found and targets[index].any():
                found = _problem(kspace, targets, index, info)
            if found:
                raise MrinbError(f"{path}: {found}")
    if targets is None:
        return info, Findings("", ())
    found = _range_problem(targets, info)
    if found:
        raise MrinbError(f"{path}: {found}")
    return info, Findings("", _empty(targets))


def _targets(file: h5py.File, path: Path, info: files.Info) -> np.ndarray:
    key = files.target_key(file)
    slices = [files.read_slice(file, key, i, path) for i in range(info.kspace_shape[0])]
    for index, values in enumerate(slices):
        files.require_finite(values, key, index, path)
        _require_sense(values, key, index, path)
    return np.stack(slices).astype(np.float32, copy=False)


def _kspace(file: h5py.File, path: Path, index: int) -> np.ndarray:
    """One slice, complex64 (coils, height, width)."""
    values = files.read_slice(file, files.KSPACE, index, path)
    files.require_finite(values, files.KSPACE, index, path)
    _require_sense(values, files.KSPACE, index, path)
    return values.reshape(-1, *values.shape[-2:]).astype(np.complex64, copy=False)


def _require_sense(values: np.ndarray, key: str, index: int, path: Path) -> None:
    """Refuse numbers whose squares do not fit into single precision."""
    parts = (values.real, values.imag)
    largest = max(max(float(part.max()), -float(part.min())) for part in parts)
    if largest > _LARGEST:
        raise MrinbError(
            f"{path}: values of up to {largest:.3g} in slice {index} of {key}: no measurement has "
            "them; download or generate the file again"
        )


def _empty(targets: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(~targets.any((1, 2))))


def _telling(targets: np.ndarray) -> int:
    """The slice that is looked at: off the middle, which stays in place when order is reversed."""
    full = [i for i in range(len(targets)) if targets[i].any()]
    wanted = len(targets) // 4
    return min(full, key=lambda i: (abs(i - wanted), i)) if full else 0


def _problem(kspace: np.ndarray, targets: np.ndarray, index: int, info: files.Info) -> str:
    """What is wrong with one slice, or an empty text."""
    target = targets[index]
    if not kspace.any():
        return f"k-space of slice {index} is zero, but its target is not" if target.any() else ""
    if not target.any():
        return ""
    return (
        _left_out(kspace)
        or _off_centre(kspace)
        or _swapped(info)
        or _unlike(image(kspace), targets, index)
    )


def image(kspace: np.ndarray) -> np.ndarray:
    """Root sum of squares of the centred orthonormal inverse transform.

    Args:
        kspace: complex64 (coils, height, width).

    Returns:
        float32 (height, width).
    """
    axes = (-2, -1)
    coils = fft.ifft2(fft.ifftshift(kspace, axes), norm="ortho", overwrite_x=True)
    return fft.fftshift(np.sqrt(_power(coils)), axes)


def _power(coils: np.ndarray) -> np.ndarray:
    """Sum over coils of squared magnitudes, float32 (height, width)."""
    return np.einsum("chw,chw->hw", coils.real, coils.real) + np.einsum(
        "chw,chw->hw", coils.imag, coils.imag
    )


def _left_out(kspace: np.ndarray) -> str:
    measured = (kspace != 0).any(0)
    for axis, name in ((0, "phase-encoding"), (1, "readout")):
        there = np.flatnonzero(measured.any(axis))
        span = int(there[-1] - there[0]) + 1
        if span - len(there) > max(1, _LEFT_OUT * span):
            return (
                f"{span - len(there)} of {span} {name} lines are empty: k-space is already "
                "undersampled, and the file does not say so (no 'mask'); use fully sampled files"
            )
    return ""


def _off_centre(kspace: np.ndarray) -> str:
    power = _power(kspace)
    for axis, name in ((0, "phase-encoding"), (1, "readout")):
        lines = power.sum(axis, dtype=np.float64)
        peak, middle = int(lines.argmax()), len(lines) // 2
        strong = lines[peak] > _STRONG * np.median(lines[lines > 0]) if lines.any() else False
        if strong and abs(peak - middle) > 2 + _OFF_CENTRE * len(lines):
            return (
                f"k-space is not centred: its strongest {name} line is {peak} of {len(lines)}, "
                f"not {middle}; apply fftshift, or roll it there"
            )
    return ""


def _swapped(info: files.Info) -> str:
    shape, stated = info.kspace_shape[-2:], info.header.encode
    if shape[0] == shape[1] or stated != shape[::-1]:
        return ""
    return (
        f"k-space is {shape[0]} x {shape[1]}, but the header says {stated[0]} x {stated[1]}: axes "
        "are swapped; height is readout, width is phase encoding"
    )


_MISTAKES: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("axes are swapped: height is readout, width is phase encoding", np.transpose),
    ("one of them is upside down", lambda a: a[::-1]),
    ("one of them is mirrored", lambda a: a[:, ::-1]),
    ("one of them is turned by 180 degrees", lambda a: a[::-1, ::-1]),
    ("axes are swapped and one is reversed", lambda a: np.rot90(a)),
    ("axes are swapped and one is reversed", lambda a: np.rot90(a, -1)),
    ("a shift is missing (fftshift of the image)", np.fft.fftshift),
    ("a shift along the width is missing (fftshift)", lambda a: np.fft.fftshift(a, 1)),
    ("a shift along the height is missing (fftshift)", lambda a: np.fft.fftshift(a, 0)),
)


def _unlike(found: np.ndarray, targets: np.ndarray, index: int) -> str:
    """How the image of a slice's k-space and its target differ, or an empty text."""
    fit = correlation(found, targets[index])
    if fit is None:
        return ""
    if fit < ALIKE:
        for words, change in _MISTAKES:
            if _explains(correlation(change(found), targets[index]), fit):
                return f"target and k-space of slice {index} do not go together: {words}"
        for other, target in enumerate(targets):
            if other != index and _explains(correlation(found, target), fit):
                return (
                    f"k-space of slice {index} is that of target {other}: slices and targets are "
                    "in another order"
                )
    if fit < UNLIKE:
        return (
            f"the target of slice {index} is not the image of its k-space (correlation {fit:.2f})"
        )
    ratio = _ratio(found, targets[index])
    if not _SCALE[0] <= ratio <= _SCALE[1]:
        return (
            f"the target is {ratio:.3g} times the image of its k-space: scale one of them "
            "(the transform is orthonormal)"
        )
    return ""


def _explains(other: float | None, fit: float) -> bool:
    return other is not None and (other >= ALIKE or 1 - other < (1 - fit) / 4)


def correlation(found: np.ndarray, target: np.ndarray) -> float | None:
    """Pearson correlation of two images where both are, middles on each other.

    Returns:
        It, or None where one of them is constant.
    """
    a, b = _common(found, target)
    a, b = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / size if size else None


def _ratio(found: np.ndarray, target: np.ndarray) -> float:
    a, b = (part.astype(np.float64) for part in _common(found, target))
    return float(np.linalg.norm(b) / np.linalg.norm(a))


def _common(found: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = np.minimum(found.shape, target.shape)

    def crop(array: np.ndarray) -> np.ndarray:
        top, left = (array.shape[0] - height) // 2, (array.shape[1] - width) // 2
        return array[top : top + height, left : left + width]

    return crop(found), crop(target)


def _range_problem(targets: np.ndarray, info: files.Info) -> str:
    largest = float(targets.max())
    if abs(info.max_value - largest) <= _MAX_TOLERANCE * largest:
        return ""
    return (
        f"attribute 'max' is {info.max_value:.6g}, but the target's maximum is {largest:.6g}: "
        "SSIM needs the target's"
    )


def empty_words(empty: Sequence[int], slices: int) -> str:
    """The word about slices that are left out."""
    names = ", ".join(map(str, empty[:8])) + (", ..." if empty[8:] else "")
    return f"{len(empty)} of {slices} slices are zero and left out: {names}"
