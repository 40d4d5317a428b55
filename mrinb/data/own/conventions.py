"""Where the middles of k-space and image are, and which lines were not measured.

fastMRI's convention is centred: frequency zero and the middle of the image are at index ``n // 2``.
Others have frequency zero at a corner, or an image whose middle is at its edges.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from mrinb.data.own.axes import in_kspace
from mrinb.errors import MrinbError
from mrinb.slicing import kspace as transforms

Space = Literal["auto", "kspace", "image"]
Place = Literal["auto", "middle", "corner"]

ROWS, COLUMNS = -2, -1
WORDS = {ROWS: "readout", COLUMNS: "phase"}
_LOW = 32
_NEAR = 1 / 8
"""k-space's strongest line is within this share of an axis of where its middle is taken to be."""
_CLEAR = 1.25
"""An image is brighter in the middle than at the edges by this factor, or the other way round."""


class Told(NamedTuple):
    """What the user says in place of finding out.

    Attributes:
        space: whether the plane is k-space or coil images.
        kspace_centre: where frequency zero is.
        image_centre: where the middle of the image is.
        sure: take unlikely things as they are.
    """

    space: Space = "auto"
    kspace_centre: Place = "auto"
    image_centre: Place = "auto"
    sure: bool = False


class Lines(NamedTuple):
    """Which phase-encoding lines were measured.

    Attributes:
        kept: boolean (width,).
        padding: first measured line, and the line after the last.
    """

    kept: np.ndarray
    padding: tuple[int, int]

    @property
    def undersampled(self) -> bool:
        """Whether lines are missing between measured ones."""
        left, right = self.padding
        return not bool(self.kept[left:right].all())


def to_kspace(data: np.ndarray, told: Told) -> tuple[np.ndarray, list[str]]:
    """Bring the plane of an array into centred k-space.

    Args:
        data: complex64 (slices, coils, height, width), k-space or images along either axis.
        told: what is not to be found out.

    Returns:
        Centred k-space, complex64 of the same shape, and what was found, in words.

    Raises:
        MrinbError: a question, where it cannot be told.
    """
    words = []
    spaces = {}
    for axis in (ROWS, COLUMNS):
        found = in_kspace(data, axis) if told.space == "auto" else told.space == "kspace"
        if found is None:
            raise MrinbError(
                f"is {WORDS[axis]} in k-space or in image space? Neither is clear: say so by "
                "--space kspace or --space image"
            )
        spaces[axis] = found
        if found:
            data, said = _centre_kspace(data, axis, told)
            words += said
    for axis in (ROWS, COLUMNS):
        data, said = _centre_image(data, axis, spaces[axis], told, spaces)
        words += said
    for axis in (ROWS, COLUMNS):
        if not spaces[axis]:
            data = transforms.centred(data, (axis,), inverse=False)
    if all(spaces.values()):
        words.insert(0, "k-space")
    elif not any(spaces.values()):
        words.insert(0, "coil images")
    else:
        there = WORDS[ROWS] if spaces[COLUMNS] else WORDS[COLUMNS]
        words.insert(0, f"k-space, but {there} in image space")
    return data, words


def _centre_kspace(data: np.ndarray, axis: int, told: Told) -> tuple[np.ndarray, list[str]]:
    size, place = data.shape[axis], told.kspace_centre
    name = WORDS[axis]
    energy = np.square(data.real) + np.square(data.imag)
    peak = int(energy.sum(tuple(i for i in range(data.ndim) if i != axis % data.ndim)).argmax())
    if place == "auto":
        if abs(peak - size // 2) <= _NEAR * size:
            place = "middle"
        elif min(peak, size - peak) <= _NEAR * size:
            place = "corner"
        else:
            raise MrinbError(
                f"where is the middle of k-space along {name}? Its strongest line is {peak} of "
                f"{size}: say --kspace-centre middle or corner, or look at --axes"
            )
    if place == "middle":
        off = peak - size // 2
        return data, [f"centred along {name}" + (f" (peak at {off:+d})" if abs(off) > 2 else "")]
    return np.fft.fftshift(data, axes=axis), [f"frequency zero at the corner along {name}: moved"]


def _centre_image(
    data: np.ndarray, axis: int, transformed: bool, told: Told, spaces: dict[int, bool]
) -> tuple[np.ndarray, list[str]]:
    place, words = told.image_centre, []
    if place == "auto":
        ratio = _edges(data, axis, spaces)
        place = "corner" if ratio > _CLEAR else "middle"
        if 1 / _CLEAR < ratio <= _CLEAR:
            words = [
                f"the image fills {WORDS[axis]}, so its middle is taken to be where fastMRI has it"
            ]
    if place == "middle":
        return data, words
    if transformed:
        data = transforms.recentre(data.copy(), axis % data.ndim)
    else:
        data = np.fft.fftshift(data, axes=axis)
    return data, [f"image half a field of view off along {WORDS[axis]}: moved"]


def _edges(data: np.ndarray, axis: int, spaces: dict[int, bool]) -> float:
    """Brightness of the outer third of the image along an axis over that of its middle third.

    It is that of the square root of an image of low resolution, which undersampling spares.
    """
    low = data
    for at in (ROWS, COLUMNS):
        if not spaces[at]:
            low = transforms.centred(low, (at,), inverse=False)
    size = [_LOW, min(_LOW, _full_lines(low))]
    low = transforms.crop(low, (size[0], max(size[1], 8)))
    image = np.abs(transforms.centred(low, (ROWS, COLUMNS), inverse=True))
    image = np.sqrt(np.sqrt(np.square(image).sum(axis=1)))
    profile = image.mean(axis=tuple(i for i in range(3) if i != axis % 3))
    edge, third = max(1, len(profile) // 6), max(1, len(profile) // 3)
    start = (len(profile) - third) // 2
    outer = np.concatenate([profile[:edge], profile[-edge:]]).mean()
    return float(outer / max(profile[start : start + third].mean(), np.finfo(np.float32).tiny))


def _full_lines(kspace: np.ndarray) -> int:
    """Width of the widest centred block of measured lines."""
    kept = _measured(kspace, COLUMNS)
    middle, width = len(kept) // 2, 0
    while 2 * width + 2 <= len(kept) and kept[middle - width - 1 : middle + width + 1].all():
        width += 1
    return 2 * width


def lines(kspace: np.ndarray) -> Lines:
    """Which lines of phase encoding are not all zero.

    Args:
        kspace: centred (slices, coils, height, width), untransformed where lines are missing.

    Raises:
        MrinbError: lines along the readout are missing, or slices lack different ones.
    """
    kept = _measured(kspace, COLUMNS)
    found = Lines(kept, transforms.acquired(kspace, COLUMNS))
    if missing_readout(kspace):
        raise MrinbError(
            "samples are missing along readout: undersampled is what is called phase, or the "
            "pattern has two directions, which networks for whole lines cannot take; look at "
            "--axes"
        )
    each = np.stack([_measured(one[None], COLUMNS) for one in kspace])
    if not (each == each[0]).all():
        raise MrinbError(
            "slices have different lines: a volume has one pattern; import them one by one"
        )
    return found


def missing_readout(kspace: np.ndarray) -> bool:
    """Whether samples are missing along the readout between measured ones."""
    rows = _measured(kspace, ROWS)
    first, last = transforms.acquired(kspace, ROWS)
    if not rows[first:last].all():
        return True
    columns = _measured(kspace, COLUMNS)
    inside = kspace[..., first:last, :][..., columns]
    return bool((inside == 0).all(axis=(0, 1)).mean() > 0.02)


def _measured(kspace: np.ndarray, axis: int) -> np.ndarray:
    return (kspace != 0).any(axis=tuple(i for i in range(kspace.ndim) if i != axis % kspace.ndim))
