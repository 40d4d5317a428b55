"""Which axis of an array is which: as told, else as sizes and content suggest, else a question."""

from __future__ import annotations

import numpy as np

from mrinb.errors import MrinbError, unknown
from mrinb.slicing import kspace as transforms

NAMES = ("slice", "partition", "coil", "readout", "phase")
"""Names of axes; ``partition`` are slices that are encoded in k-space, as in 3-D scans."""

SMALLEST = 16
"""A side of an image has at least so many pixels."""
MOST_COILS = 256
COILS, SLICES = 0.92, 0.85
"""Share of the largest eigenvalue above which images are of coils, below which of slices.

Measured at 64 pixels: real coils 0.97 and 0.98, simulated ones 0.94 to 0.99, slices 0.42 to 0.59,
two neighbouring ones up to 0.81. Of 18 central lines alone: coils 0.94 to 0.98, slices up to 0.72,
two up to 0.91, which is a question.
"""
IN_KSPACE, IN_IMAGE = 0.55, 0.4
"""Share of energy in the strongest 5 % of lines across an axis (three of few), of k-space and of
image space.

Measured on three real and three simulated scans: 0.79 to 0.95 and 0.09 to 0.17.
"""
_LOW = 64
_BLOCKS = 8
_FEWEST = 10

Roles = tuple[str, ...]


def parse(text: str, shape: tuple[int, ...]) -> Roles:
    """Read names of axes.

    Args:
        text: names in the array's order with commas between, ``coil,readout,phase``; a number in
            place of a name takes that index alone. Axes of one element may be left out.
        shape: of the array.

    Returns:
        A name or number for each axis of more than one element.

    Raises:
        MrinbError: a name that does not exist, or too many or few of them.
    """
    words = [word.strip().lower() for word in text.split(",")]
    sizes = [size for size in shape if size > 1]
    for word in words:
        if word not in NAMES and not word.isdecimal():
            raise unknown("axis", word, [*NAMES, "0"])
    if len(words) == len(shape):
        words = [word for word, size in zip(words, shape, strict=True) if size > 1]
    if len(words) != len(sizes):
        raise MrinbError(
            f"--axes {text}: {len(words)} names, but the array is {_written(sizes)}: "
            "give one for each axis of more than one element"
        )
    named = [word for word in words if word in NAMES]
    twice = [word for word in NAMES if named.count(word) > 1]
    if twice:
        raise MrinbError(f"--axes {text}: {twice[0]} stands there twice")
    if not {"readout", "phase"} <= set(named) or {"slice", "partition"} <= set(named):
        raise MrinbError(
            f"--axes {text}: readout and phase must be there, and slice or partition but not both"
        )
    for word, size in zip(words, sizes, strict=True):
        if word.isdecimal() and int(word) >= size:
            raise MrinbError(f"--axes {text}: index {word} of an axis of {size}")
    return tuple(words)


def guess(array: np.ndarray) -> Roles:
    """Name the axes of an array by their sizes and what is in it.

    Args:
        array: complex, without axes of one element.

    Raises:
        MrinbError: a question, where it cannot be told.
    """
    shape = array.shape
    if array.ndim < 2:
        raise MrinbError(f"an array of shape {shape} is no scan: two axes at least")
    if array.ndim == 2:
        return ("readout", "phase")
    if array.ndim > 4:
        raise _question(shape, "there are more than four")
    order = sorted(range(array.ndim), key=lambda i: (shape[i], i))
    plane, others = sorted(order[-2:]), sorted(order[:-2])
    if shape[order[-3]] * 2 > shape[order[-2]] and not _fits(array, plane):
        raise _question(shape, "three of them have similar sizes")
    roles = {plane[0]: "readout", plane[1]: "phase"}
    kinds = {axis: _kind(array, axis, plane) for axis in others}
    if "" in kinds.values() or len(set(kinds.values())) < len(kinds):
        raise _question(shape, "coils and slices cannot be told apart")
    return tuple({**roles, **kinds}[axis] for axis in range(array.ndim))


def check(array: np.ndarray, roles: Roles) -> None:
    """Refuse axes that what is in the array speaks against.

    Args:
        array: complex, without axes of one element.
        roles: a name or number for each axis.

    Raises:
        MrinbError: a question that says what does not fit.
    """
    at = {role: axis for axis, role in enumerate(roles)}
    plane = [at["readout"], at["phase"]]
    sizes = [array.shape[axis] for axis in plane]
    if min(sizes) < SMALLEST or max(sizes) > 12 * min(sizes):
        raise MrinbError(f"an image of {sizes[0]} x {sizes[1]} pixels? {_ask(array.shape, roles)}")
    if "coil" in at and array.shape[at["coil"]] > MOST_COILS:
        raise MrinbError(f"{array.shape[at['coil']]} coils? {_ask(array.shape, roles)}")
    array = _single(array, roles)
    roles = tuple(role for role in roles if role in NAMES)
    at = {role: axis for axis, role in enumerate(roles)}
    plane = [at["readout"], at["phase"]]
    for axis in plane:
        if in_kspace(array, axis) is None:
            raise MrinbError(
                f"{roles[axis]} is neither like k-space nor like an image: "
                f"{_ask(array.shape, roles)} If all is as it should be, add --sure"
            )
    for name, other in (("coil", "slice"), ("slice", "coil")):
        if name not in at:
            continue
        found = _kind(array, at[name], plane)
        if found == other:
            raise MrinbError(
                f"the {array.shape[at[name]]} images along {name} look like "
                f"{'coils' if other == 'coil' else 'slices'}: {_ask(array.shape, roles)} If all "
                "is as it should be, add --sure"
            )
    if "slice" in at and in_kspace(array, at["slice"]) and array.shape[at["slice"]] >= SMALLEST:
        raise MrinbError(
            "slices look like lines of k-space: a 3-D scan has partition in place of slice; "
            "if they are slices, add --sure"
        )


def arrange(array: np.ndarray, roles: Roles) -> tuple[np.ndarray, bool]:
    """Bring an array into the order of fastMRI.

    Args:
        array: complex, without axes of one element.
        roles: a name or number for each axis.

    Returns:
        Complex64 (slices, coils, height, width), and whether the slices are still encoded.
    """
    array = _single(array, roles)
    named = [role for role in roles if role in NAMES]
    deep = "partition" in named
    order = ["partition" if deep else "slice", "coil", "readout", "phase"]
    for place, role in enumerate(order):
        if role not in named:
            array = np.expand_dims(array, 0)
            named.insert(0, role)
        at = named.index(role)
        array = np.moveaxis(array, at, place)
        named.insert(place, named.pop(at))
    return np.ascontiguousarray(array, np.complex64), deep


def _single(array: np.ndarray, roles: Roles) -> np.ndarray:
    """Numbers in place of names take their index."""
    return array[tuple(slice(None) if role in NAMES else int(role) for role in roles)]


def in_kspace(array: np.ndarray, axis: int) -> bool | None:
    """Whether an axis is in k-space, where energy is in few lines; None where it cannot be told."""
    energy = np.square(array.real) + np.square(array.imag)
    lines = np.sort(energy.sum(tuple(i for i in range(array.ndim) if i != axis % array.ndim)))
    count = max(3, round(0.05 * len(lines)))
    share = lines[-count:].sum() / max(lines.sum(), np.finfo(lines.dtype).tiny)
    return None if IN_IMAGE < share < IN_KSPACE else bool(share >= IN_KSPACE)


def _fits(array: np.ndarray, plane: list[int]) -> bool:
    """Whether no other pair of the large axes looks like an image's as well."""
    sizes = [size for size in array.shape if size >= SMALLEST]
    if len(sizes) == 2:
        return True
    others = [axis for axis in range(array.ndim) if axis not in plane]
    return all(
        _kind(array, axis, plane) == "coil" for axis in others if array.shape[axis] >= SMALLEST
    )


def _kind(array: np.ndarray, axis: int, plane: list[int]) -> str:
    """``coil``, ``slice``, or an empty text where the images along an axis are like neither."""
    others = [i for i in range(array.ndim) if i not in (axis, *plane)]
    middle = tuple(array.shape[i] // 2 if i in others else slice(None) for i in range(array.ndim))
    kept = [i for i in range(array.ndim) if i not in others]
    images = np.moveaxis(array[middle], kept.index(axis), 0)
    small = _small(images)
    if small is None:
        return ""
    share = _common(small)
    return "coil" if share > COILS else "slice" if share < SLICES else ""


def _small(images: np.ndarray) -> np.ndarray | None:
    """Images of low resolution, whatever space the two last axes are in.

    They are those of the fully measured middle of k-space: missing lines would fold coils together.
    None where that has too few lines.
    """
    images = images.astype(np.complex64)
    for axis in (-2, -1):
        if not in_kspace(images, axis):
            images = transforms.centred(images, (axis,), inverse=False)
        else:
            strongest = _strongest(images, axis)
            images = np.roll(images, images.shape[axis] // 2 - strongest, axis)
    size = (_measured(images, -2), _measured(images, -1))
    if min(size) < _FEWEST:
        return None
    images = transforms.crop(images, size)
    return transforms.centred(images, (-2, -1), inverse=True)


def _measured(kspace: np.ndarray, axis: int) -> int:
    """Width of the block of measured lines around the middle of an axis, at most ``_LOW``."""
    there = (kspace != 0).any(axis=tuple(i for i in range(3) if i != axis % 3))
    middle, half = len(there) // 2, 0
    while half < _LOW // 2 and there[max(middle - half - 1, 0) : middle + half + 1].all():
        half += 1
        if half > middle:
            break
    return min(2 * half, len(there))


def _strongest(data: np.ndarray, axis: int) -> int:
    """The line across an axis that holds most energy."""
    energy = np.square(data.real) + np.square(data.imag)
    return int(energy.sum(tuple(i for i in range(data.ndim) if i != axis % data.ndim)).argmax())


def _common(images: np.ndarray) -> float:
    """How far images (n, height, width) are one image times a smooth factor each, up to 1.

    In a small block, differences between neighbouring pixels of n coils are those of one image,
    times n numbers: a matrix of rank one. The mean share of its largest eigenvalue is taken over
    the fifth of the blocks in which most changes.
    """
    shares = []
    # Blocks cover an eighth of the image, whatever its resolution along an axis.
    high, wide = (max(2, round(size / _BLOCKS)) for size in images.shape[1:])
    for axis in (-2, -1):
        change = np.diff(images, axis=axis)
        count, height, width = change.shape
        rows, columns = height // high, width // wide
        blocks = change[:, : rows * high, : columns * wide]
        blocks = blocks.reshape(count, rows, high, columns, wide).transpose(1, 3, 0, 2, 4)
        blocks = blocks.reshape(rows * columns, count, high * wide)
        gram = blocks @ blocks.conj().transpose(0, 2, 1)
        total = np.trace(gram, axis1=1, axis2=2).real
        strong = (total >= np.quantile(total, 0.8)) & (total > 0)
        if not strong.any():
            return 0.0
        largest = np.linalg.eigvalsh(gram[strong])[:, -1]
        shares.append(float((largest / total[strong]).mean()))
    return float(np.mean(shares))


def _written(sizes: tuple[int, ...] | list[int]) -> str:
    return " x ".join(map(str, sizes))


def _ask(shape: tuple[int, ...], roles: Roles) -> str:
    taken = ", ".join(f"{role} {size}" for role, size in zip(roles, shape, strict=True))
    return f"the axes were taken as {taken}. Which is which? Say so by --axes."


def _question(shape: tuple[int, ...], why: str) -> MrinbError:
    """What is asked where axes cannot be told, with an example of this shape."""
    names = ["readout", "phase", "coil", "slice", "0", "0"]
    order = sorted(range(len(shape)), key=lambda i: -shape[i])
    example = dict(zip(order, names, strict=False))
    words = ",".join(example.get(i, "0") for i in range(len(shape)))
    return MrinbError(
        f"which axis of {_written(shape)} is which? {why}. Name each by --axes, for example "
        f"--axes {words} (of {', '.join(NAMES)}, or a number for an index to take)"
    )
