"""A scan of one's own as a file in the fastMRI layout, with a picture of what was understood."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrinb.compute.whole import written
from mrinb.data.convert.output import Scan, Volume, write
from mrinb.data.own import arrays, axes, conventions
from mrinb.data.own.conventions import Told
from mrinb.errors import MrinbError
from mrinb.slicing import kspace as transforms

VERSION = 1
"""Goes up when imported files change."""
LARGEST = 1e-3
"""Images are scaled to this largest value, the magnitude of fastMRI's."""
_SHOWN = 9


class Wanted(NamedTuple):
    """What the user says of a scan.

    Attributes:
        key: array in its file; empty for the one that is there.
        axes: names of its axes, or empty where they are found out.
        crop: matrix of the target (height, width); None keeps the image whole.
        upside_down: whether the array shows anatomy upside down already, as fastMRI's files do.
        subject: identifier of the person; empty takes the file's name.
        told: conventions that are not to be found out.
    """

    key: str = ""
    axes: str = ""
    crop: tuple[int, int] | None = None
    upside_down: bool = False
    subject: str = ""
    told: Told = Told()


class Understood(NamedTuple):
    """A scan as it was understood.

    Attributes:
        kspace: centred, upside down as in fastMRI's files, complex64 (slices, coils, height,
            width).
        lines: which phase-encoding lines were measured.
        recon: matrix of the image (height, width).
        scan: what a header says.
        words: what was found, a line each.
        scale: factor from the source's values.
    """

    kspace: np.ndarray
    lines: conventions.Lines
    recon: tuple[int, int]
    scan: Scan
    words: list[str]
    scale: float


NOTHING_TOLD = Wanted()


def understand(path: Path, wanted: Wanted = NOTHING_TOLD) -> Understood:
    """Read a scan and find out what is not told.

    Args:
        path: the scan, in any form of ``arrays``.
        wanted: what is told.

    Raises:
        MrinbError: it cannot be read, or a question where it cannot be told.
    """
    try:
        return _understand(arrays.load(path, wanted.key), wanted)
    except MrinbError as error:
        words = str(error)
        raise MrinbError(words if words.startswith(str(path)) else f"{path}: {words}") from None


def _understand(loaded: arrays.Loaded, wanted: Wanted) -> Understood:
    # Scaled first: squares of what some scanners write are beyond single precision.
    scale = float(1 / np.abs(loaded.array).max())
    loaded = loaded._replace(array=(loaded.array * scale).astype(np.complex64))
    roles, how = _roles(loaded, wanted)
    data = loaded.array.squeeze()
    if not wanted.told.sure:
        axes.check(data, roles)
    if not wanted.axes and "coil" not in roles and _swap(data, roles):
        roles, how = _swapped(roles), "found: lines are missing along the first"
    sized = ", ".join(f"{r} {n}" for r, n in zip(roles, data.shape, strict=True))
    words = [f"{loaded.name or 'array'}: {sized} ({how})"]
    ordered, deep = axes.arrange(data, roles)
    if deep:
        words.append("partitions transformed to slices")
        ordered = transforms.centred(ordered, (0,), inverse=True)
    kspace, said = conventions.to_kspace(ordered, wanted.told)
    lines = conventions.lines(kspace)
    if not wanted.upside_down:
        kspace = transforms.reverse(kspace, conventions.ROWS)
    recon = wanted.crop or loaded.recon or (kspace.shape[2], kspace.shape[3])
    recon = (min(recon[0], kspace.shape[2]), min(recon[1], kspace.shape[3]))
    factor = np.float32(LARGEST / transforms.target(kspace, recon).max())
    words += [", ".join(said), *_line_words(lines)]
    height, width = recon
    words.append(f"{kspace.shape[0]} slices, {kspace.shape[1]} coils, image {height} x {width}")
    return Understood(kspace * factor, lines, recon, loaded.scan, words, scale * float(factor))


def _roles(loaded: arrays.Loaded, wanted: Wanted) -> tuple[axes.Roles, str]:
    if wanted.axes:
        return axes.parse(wanted.axes, loaded.array.shape), "as told"
    if loaded.axes:
        pairs = zip(loaded.axes, loaded.array.shape, strict=True)
        return tuple(role for role, size in pairs if size > 1), "as the format has them"
    return axes.guess(loaded.array.squeeze()), "found: say --axes where it is otherwise"


def _swap(data: np.ndarray, roles: axes.Roles) -> bool:
    """Whether it is the first axis of the plane alone that lacks lines."""
    ordered, _ = axes.arrange(data, roles)
    turned = ordered.swapaxes(-2, -1)
    return conventions.missing_readout(ordered) and not conventions.missing_readout(turned)


def _swapped(roles: axes.Roles) -> axes.Roles:
    other = {"readout": "phase", "phase": "readout"}
    return tuple(other.get(role, role) for role in roles)


def _line_words(lines: conventions.Lines) -> list[str]:
    left, right = lines.padding
    words = []
    if (left, right) != (0, len(lines.kept)):
        words.append(f"lines {left} to {right - 1} of {len(lines.kept)} were acquired")
    if lines.undersampled:
        kept = int(lines.kept.sum())
        words.append(
            f"undersampled: {kept} of {len(lines.kept)} lines, so there is no target and no score"
        )
    return words


def write_scan(understood: Understood, source: Path, name: str, subject: str, path: Path) -> None:
    """Write a scan as a file in the fastMRI layout, whole or not at all.

    Args:
        understood: the scan.
        source: where it is from.
        name: the distribution it is to belong to.
        subject: identifier of the person.
        path: the file; an older one is replaced.

    Raises:
        MrinbError: the folder cannot be written to.
    """
    kspace = understood.kspace
    slices, coils, height, width = kspace.shape
    volume = Volume(
        shape=(slices, coils, height, width),
        blocks=iter(kspace[i : i + 1] for i in range(slices)),
        padding=understood.lines.padding,
        recon=understood.recon,
        scan=understood.scan,
        acquisition=name,
        patient=subject or source.stem,
        attributes={"scale": understood.scale},
        mask=understood.lines.kept if understood.lines.undersampled else None,
    )
    mark = json.dumps({"version": VERSION, "imported": source.name}, sort_keys=True)
    write(volume, path, mark)


def preview(understood: Understood, path: Path) -> None:
    """Write a picture of some slices, the right way up; zero-filled where lines are missing.

    Raises:
        MrinbError: it cannot be written.
    """
    from PIL import Image

    count = len(understood.kspace)
    chosen = sorted({round(i) for i in np.linspace(0, count - 1, min(count, _SHOWN))})
    images = transforms.target(understood.kspace[chosen], understood.recon)[:, ::-1]
    white = np.percentile(images, 99.5)
    shown = np.round(np.clip(images / white, 0, 1) * 255).astype(np.uint8)
    with written(path) as part:
        Image.fromarray(_sheet(list(shown))).save(part, "PNG")


def _sheet(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images side by side, three in a row."""
    across = min(len(images), 3)
    rows = [list(images[i : i + across]) for i in range(0, len(images), across)]
    rows[-1] += [np.zeros_like(images[0])] * (across - len(rows[-1]))
    return np.concatenate([np.concatenate(row, axis=1) for row in rows])
