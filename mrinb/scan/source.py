"""A scan to reconstruct: slices at its own matrix, fully sampled or not, of any form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from mrinb.catalogue import homes
from mrinb.compute.context import Context
from mrinb.data import files, index, slices
from mrinb.data.own import scan
from mrinb.data.own.scan import Wanted
from mrinb.errors import MrinbError
from mrinb.recon import masks
from mrinb.recon.models.l1_wavelet import central
from mrinb.slicing import kspace as transforms

MASKED = "mask"


class Scan(NamedTuple):
    """Some slices of a scan.

    Attributes:
        name: its file's name.
        hybrid: complex64 (slices, coils, height, width): image space along the height, cropped to
            the image, k-space along the width.
        target: float32 (slices, height, image width), or None where lines were never measured.
        max_value: data range of SSIM; 1 where there is no target.
        padding: first acquired line, and the line after the last.
        measured: measured lines, boolean (width,), of an undersampled scan; else None.
        recon: (height, width) of the image.
        indices: which slices of the scan.
        words: what is known of it, a line each.
    """

    name: str
    hybrid: Tensor
    target: Tensor | None
    max_value: float
    padding: tuple[int, int]
    measured: Tensor | None
    recon: tuple[int, int]
    indices: list[int]
    words: list[str]

    @property
    def coils(self) -> int:
        """Number of receiver coils."""
        return int(self.hybrid.shape[1])

    def mask(self, acceleration: int) -> masks.Mask:
        """Its own pattern where it was measured undersampled, else that of its name."""
        width = self.hybrid.shape[-1]
        if self.measured is None:
            return masks.for_volume(masks.sampling(acceleration), self.name, width, self.padding)
        band = central(self.measured.numpy())
        left, right = self.padding
        kept = int(self.measured.sum())
        return masks.Mask(
            self.measured, round((right - left) / kept), band.stop - band.start, right - left
        )


def files_of(text: str, context: Context) -> list[Path]:
    """The files that a word of the command line means: one, or all of ``own:NAME``.

    Raises:
        MrinbError: nothing is registered under the name, or it has no files.
    """
    if homes.home(text) != homes.OWN:
        return [Path(text)]
    own = homes.lookup(text, context.cache)
    found = index.scan(own.folder, context, own=own)
    paths = [e.path for e in found if e.distribution == own.distribution]
    if not paths:
        raise MrinbError(f"{text}: no file in {own.folder} belongs to it")
    return paths


def read(path: Path, wanted: Wanted, slices_wanted: int) -> Scan:
    """Read slices of a scan, spread over its extent.

    Args:
        path: a file in the fastMRI layout, or any form that ``mrinb data import`` takes.
        wanted: what is told of a file that is not in the layout.
        slices_wanted: at most so many slices.

    Raises:
        MrinbError: it cannot be read, or a question where it cannot be told.
    """
    path = path.expanduser()
    if _in_layout(path):
        return _of_layout(path, slices_wanted)
    found = scan.understand(path, wanted)
    chosen = spread(len(found.kspace), slices_wanted)
    target = None
    if not found.lines.undersampled:
        target = transforms.target(found.kspace[chosen], found.recon)
    measured = torch.from_numpy(found.lines.kept) if target is None else None
    return _scan(
        path.stem, found.kspace[chosen], target, scan.LARGEST, found.lines.padding, measured,
        found.recon, chosen, found.words,
    )  # fmt: skip


def spread(available: int, wanted: int) -> list[int]:
    """Which slices are shown: as many as wanted, evenly, without the very first and last."""
    count = min(available, wanted)
    return [int((i + 0.5) * available / count) for i in range(count)]


def _in_layout(path: Path) -> bool:
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with files.open_volume(path) as file:
        return files.KSPACE in file and files.HEADER in file


def _of_layout(path: Path, slices_wanted: int) -> Scan:
    info = files.read_info(path)
    chosen = spread(info.kspace_shape[0], slices_wanted)
    key = files.TARGET if info.coil == "multi" else files.SINGLE_TARGET
    measured = target = None
    with files.open_volume(path) as file:
        kspace = np.stack([files.read_slice(file, files.KSPACE, i, path) for i in chosen])
        if info.masked:
            measured = torch.from_numpy(np.ravel(file[MASKED][()]).astype(bool))
        elif info.target_shape is not None:
            target = np.stack([files.read_slice(file, key, i, path) for i in chosen])
    kspace = kspace.reshape(len(chosen), *info.kspace_shape[1:]).astype(np.complex64)
    shape = info.target_shape or info.header.recon
    recon = files.crop_shape(info.kspace_shape, shape)
    recon = (min(recon[0], kspace.shape[2]), min(recon[1], kspace.shape[3]))
    if measured is not None and len(measured) != kspace.shape[3]:
        raise MrinbError(f"{path}: mask of {len(measured)} lines, kspace of {kspace.shape[3]}")
    if target is None and measured is None:
        target = transforms.target(kspace, recon)
    largest = info.max_value or (1.0 if target is None else float(target.max()))
    padding = (info.header.padding_left, info.header.padding_right)
    words = [f"a file in the fastMRI layout, {info.acquisition or 'no acquisition stated'}"]
    return _scan(path.stem, kspace, target, largest, padding, measured, recon, chosen, words)


def _scan(
    name: str,
    kspace: np.ndarray,
    target: np.ndarray | None,
    largest: float,
    padding: tuple[int, int],
    measured: Tensor | None,
    recon: tuple[int, int],
    chosen: Sequence[int],
    words: Sequence[str],
) -> Scan:
    hybrid = slices.readout(torch.from_numpy(kspace), recon[0])
    image = None
    if target is not None:
        image = slices.crop(torch.from_numpy(target.astype(np.float32)), recon).contiguous()
    return Scan(name, hybrid, image, largest, padding, measured, recon, list(chosen), list(words))
