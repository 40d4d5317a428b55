"""From files to network input: slices in hybrid space, their masked images, normalisation.

Whatever does not depend on the mask is done once: reading, the inverse transform along the
readout and the crop to the target's height. What is left for each new mask is one transform along
the phase encoding.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch

from mrinb.compute.context import Context
from mrinb.data import files
from mrinb.data.volumes import Item, Volume

VERSION = 1
"""Raised when prepared slices change, so that those on disk are made again."""

MEMORY_BYTES = 2**30
DISK_BYTES = 50 * 2**30
_SPARE_BYTES = 2**30  # Disk space that is left to others.
_OPEN_FILES = 8


class SliceData(NamedTuple):
    """One slice, ready for any mask. Tensors are shared with the cache: do not change them.

    Attributes:
        hybrid: complex64 (coils, height, width): image space along the height (readout), cropped
            to the target's height unless the full readout was asked for, k-space along the width
            (phase encoding).
        target: float32 (height, recon width).
        max_value: largest value of the volume's target, the data range of SSIM.
        padding: first acquired phase-encoding line, and the line after the last.
        volume, subject, distribution: names.
        slice_index: the slice's number in its volume.
    """

    hybrid: torch.Tensor
    target: torch.Tensor
    max_value: float
    padding: tuple[int, int]
    volume: str
    subject: str
    distribution: str
    slice_index: int


class Slices:
    """A sequence of slices that prepares each once and keeps it, in memory or on disk.

    It may be pickled and forked: worker processes share what is on disk.

    Args:
        items: (volume, slice) pairs.
        context: where prepared slices are kept (``cache``).
        memory_bytes: at most so much is kept in memory, the slices asked for first.
        disk_bytes: at most so much is kept on disk, by all sequences together; 0 keeps nothing.
            Slices that find no room are prepared each time.
        full_readout: whether the readout keeps its oversampling; otherwise it is cropped to the
            target's height.
    """

    def __init__(
        self,
        items: Sequence[Item],
        context: Context,
        memory_bytes: int = MEMORY_BYTES,
        disk_bytes: int = DISK_BYTES,
        full_readout: bool = False,
    ) -> None:
        self.items = tuple(items)
        self.full_readout = full_readout
        self._memory = _Memory(memory_bytes, full_readout)
        self._disk = _Disk(context.cache / "slices", disk_bytes, self.items, full_readout)
        self._handles = _Handles()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> SliceData:
        """Get one slice.

        Raises:
            MrinbError: its file cannot be read, or holds NaN or infinity.
        """
        volume, index = self.items[position]
        hybrid, target = self._arrays(volume, index)
        return SliceData(
            hybrid,
            target,
            volume.max_value,
            volume.padding,
            volume.name,
            volume.subject,
            volume.distribution,
            index,
        )

    def __iter__(self) -> Iterator[SliceData]:
        return (self[position] for position in range(len(self)))

    def close(self) -> None:
        """Close the files; they are opened again where a slice is still to be prepared."""
        self._handles.close()

    def _arrays(self, volume: Volume, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        kept = self._memory.get(volume, index)
        if kept is not None:
            return kept
        in_memory = self._memory.has_room(volume)
        arrays = None if in_memory else self._disk.load(volume, index)
        if arrays is None:
            arrays = prepare(self._handles.open(volume.path), volume, index, self.full_readout)
            if not in_memory:
                arrays = self._disk.store(volume, index, arrays)
        if in_memory:
            self._memory.store(volume, index, arrays)
        return arrays


def prepare(
    file: h5py.File, volume: Volume, index: int, full_readout: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read a slice and do everything that does not depend on the mask; arguments as in ``Slices``.

    Returns:
        Hybrid slice, complex64 (coils, height, width), and target, float32 (height, recon width).

    Raises:
        MrinbError: the slice cannot be read, or holds NaN or infinity.
    """
    height, width = volume.recon_shape
    kspace = files.read_slice(file, files.KSPACE, index, volume.path)
    wanted = files.target_key(file)
    target = files.read_slice(file, wanted, index, volume.path)
    files.require_finite(kspace, files.KSPACE, index, volume.path)
    files.require_finite(target, wanted, index, volume.path)
    kspace = kspace.reshape(-1, *kspace.shape[-2:])  # A single coil's has no axis of coils.
    rows = _rows(volume, full_readout)
    hybrid = readout(torch.from_numpy(kspace.astype(np.complex64, copy=False)), rows)
    image = torch.from_numpy(target.astype(np.float32, copy=False))
    return hybrid, crop(image, (height, width)).contiguous()


def readout(kspace: torch.Tensor, height: int) -> torch.Tensor:
    """Centred orthonormal inverse transform along the readout, cropped to its middle.

    Args:
        kspace: complex (..., coils, full height, width).
        height: rows kept.

    Returns:
        Complex (..., coils, height, width).
    """
    full = kspace.shape[-2]
    top = (full - height) // 2
    if full % 2:
        image = torch.fft.ifft(torch.fft.ifftshift(kspace, dim=-2), dim=-2, norm="ortho")
        return torch.fft.fftshift(image, dim=-2)[..., top : top + height, :].contiguous()
    # For an even length both shifts are alternating signs, which need no copies.
    sign = _alternating(full, kspace.device)[:, None]
    image = torch.fft.ifft(kspace * sign, dim=-2, norm="ortho")[..., top : top + height, :]
    return image * (sign[top : top + height] * (1 if full % 4 == 0 else -1))


def zero_filled(hybrid: torch.Tensor, lines: torch.Tensor, recon_width: int) -> torch.Tensor:
    """Root-sum-of-squares image of masked data, missing lines filled with zeros (Appendix B.2).

    Equal to the image in fastMRI's ``UnetDataTransform`` before its normalisation.

    Args:
        hybrid: complex64 (..., coils, height, width).
        lines: kept lines, boolean (..., width); its leading dimensions are those of ``hybrid``,
            or none.
        recon_width: columns kept.

    Returns:
        float32 (..., height, recon width).
    """
    return rss(phase_encoding(hybrid, lines, recon_width))


def phase_encoding(hybrid: torch.Tensor, lines: torch.Tensor, recon_width: int) -> torch.Tensor:
    """Coil images of masked data up to a sign that alternates along the width (no RSS sees it).

    Args:
        hybrid: complex64 (..., coils, height, width).
        lines: kept lines, boolean (..., width).
        recon_width: columns kept.

    Returns:
        Complex64 (..., coils, height, recon width).
    """
    width = hybrid.shape[-1]
    left = (width - recon_width) // 2
    weight = lines.to(hybrid.device)[..., None, None, :] if lines.ndim > 1 else lines
    if width % 2:
        masked = torch.fft.ifftshift(hybrid * weight.to(hybrid), dim=-1)
        image = torch.fft.fftshift(torch.fft.ifft(masked, norm="ortho"), dim=-1)
    else:
        # The alternating sign, one pass with the mask, replaces the shift of the input; the
        # shift of the output would be another alternating sign, which the magnitude forgets.
        signed = weight.to(hybrid.device) * _alternating(width, hybrid.device)
        image = torch.fft.ifft(hybrid * signed, norm="ortho")
    return image[..., left : left + recon_width]


def rss(images: torch.Tensor) -> torch.Tensor:
    """Root sum of squares over coils.

    Args:
        images: complex64 (..., coils, height, width).

    Returns:
        float32 (..., height, width).
    """
    parts = torch.view_as_real(images)
    coils = parts.unbind(-4)
    # Coil by coil in place: a ninth of the time of squaring everything and summing.
    total = coils[0] * coils[0]
    for coil in coils[1:]:
        total.addcmul_(coil, coil)
    return (total[..., 0] + total[..., 1]).sqrt_()


def crop(image: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """The middle of an image, (..., height, width), placed as in fastMRI."""
    top, left = (image.shape[-2] - shape[0]) // 2, (image.shape[-1] - shape[1]) // 2
    return image[..., top : top + shape[0], left : left + shape[1]]


def normalise(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Zero mean and unit variance, slice by slice (Appendix B.2); nothing is clamped.

    Args:
        image: float32 (..., height, width).

    Returns:
        The normalised image, and mean and unbiased standard deviation of shape (..., 1, 1).
    """
    # Two calls: torch.std_mean takes three times as long as both.
    mean = image.mean((-2, -1), keepdim=True)
    std = image.std((-2, -1), keepdim=True)
    return (image - mean) / (std + 1e-11), mean, std


def _alternating(length: int, device: torch.device) -> torch.Tensor:
    sign = torch.ones(length, device=device)
    sign[1::2] = -1
    return sign


def _rows(volume: Volume, full_readout: bool) -> int:
    """Height of a prepared slice."""
    return volume.kspace_shape[2] if full_readout else volume.recon_shape[0]


def slice_bytes(volume: Volume, full_readout: bool) -> int:
    """Size of one prepared slice of a volume, with or without the readout's oversampling."""
    height, width = volume.recon_shape
    lines = volume.kspace_shape[1] * _rows(volume, full_readout) * volume.kspace_shape[3]
    return 8 * lines + 4 * height * width


class _Memory:
    """Slices kept in this process, the first ones asked for, up to a limit."""

    def __init__(self, limit: int, full_readout: bool) -> None:
        self.limit = limit
        self.full_readout = full_readout
        self.kept: dict[tuple[Path, int], tuple[torch.Tensor, torch.Tensor]] = {}
        self.used = 0

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "kept": {}, "used": 0}

    def get(self, volume: Volume, index: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        return self.kept.get((volume.path, index))

    def has_room(self, volume: Volume) -> bool:
        return self.used + slice_bytes(volume, self.full_readout) <= self.limit

    def store(self, volume: Volume, index: int, arrays: tuple[torch.Tensor, torch.Tensor]) -> None:
        self.kept[volume.path, index] = arrays
        self.used += slice_bytes(volume, self.full_readout)


class _Disk:
    """Slices kept as memory-mapped files; what other sequences left makes room where need be.

    A sequence never evicts its own slices: a cyclic pass over more than the limit would evict
    each just before it is needed again.
    """

    def __init__(self, folder: Path, limit: int, items: Sequence[Item], full_readout: bool) -> None:
        self.folder = folder
        self.limit = limit
        self.items = items
        self.full_readout = full_readout
        self.used: int | None = None
        self.writable = limit > 0
        self.stamps: dict[Path, str] = {}

    def load(self, volume: Volume, index: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        if not self.limit:
            return None
        path = self._path(volume, index)
        try:
            size = slice_bytes(volume, self.full_readout)
            if path.stat().st_size != size:
                return None
            # Private pages: torch wants writable memory, and the file cannot be changed by it.
            flat = torch.from_file(str(path), shared=False, size=size // 4, dtype=torch.float32)
        except (OSError, RuntimeError):
            return None
        return _unflatten(flat, volume, self.full_readout)

    def store(
        self, volume: Volume, index: int, arrays: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keep a slice if there is room; a full or read-only disk keeps nothing."""
        size = slice_bytes(volume, self.full_readout)
        if not self._has_room(size):
            return arrays
        path = self._path(volume, index)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                for array in arrays:
                    array.contiguous().numpy().tofile(file)
            part.replace(path)
        except OSError:
            self.writable = False
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            return arrays
        self.used = (self.used or 0) + size
        return self.load(volume, index) or arrays

    def _has_room(self, size: int) -> bool:
        if not self.writable:
            return False
        if self.used is None:
            self.used = self._make_room()
        if self.used + size > self.limit:
            return False
        try:
            where = self.folder if self.folder.exists() else self.folder.parent
            return shutil.disk_usage(where).free - size > _SPARE_BYTES
        except OSError:
            return True

    def _make_room(self) -> int:
        """Drop the slices of others, oldest first, until all of ours fit; count what is left."""
        own = {
            self._path(volume, index): slice_bytes(volume, self.full_readout)
            for volume, index in self.items
        }
        others, present = [], 0
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                with contextlib.suppress(OSError):
                    status = path.stat()
                    if path in own:
                        present += status.st_size
                    else:
                        age = max(status.st_atime, status.st_mtime)
                        others.append((age, status.st_size, path))
        foreign = sum(size for _, size, _ in others)
        for _, size, path in sorted(others):
            if foreign + sum(own.values()) <= self.limit:
                break
            with contextlib.suppress(OSError):
                path.unlink()
                foreign -= size
        return foreign + present

    def _path(self, volume: Volume, index: int) -> Path:
        if volume.path not in self.stamps:
            status = volume.path.stat()
            words = (VERSION, str(volume.path.resolve()), status.st_size, status.st_mtime_ns)
            text = repr((*words, volume.recon_shape, *["full readout"] * self.full_readout))
            self.stamps[volume.path] = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self.folder / f"{self.stamps[volume.path]}-{index}.bin"


def _unflatten(
    flat: torch.Tensor, volume: Volume, full_readout: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = volume.recon_shape
    coils, rows, lines = volume.kspace_shape[1], _rows(volume, full_readout), volume.kspace_shape[3]
    split = flat.numel() - height * width
    hybrid = torch.view_as_complex(flat[:split].view(coils, rows, lines, 2))
    return hybrid, flat[split:].view(height, width)


class _Handles:
    """A few open files of this process: opening dominates small reads."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.files: OrderedDict[Path, h5py.File] = OrderedDict()

    def __getstate__(self) -> dict[str, object]:
        return {"process": -1, "files": OrderedDict()}

    def open(self, path: Path) -> h5py.File:
        if self.process != os.getpid():  # Handles do not survive a fork.
            self.process, self.files = os.getpid(), OrderedDict()
        if path in self.files:
            self.files.move_to_end(path)
            return self.files[path]
        if len(self.files) >= _OPEN_FILES:
            self.files.popitem(last=False)[1].close()
        self.files[path] = files.open_volume(path)
        return self.files[path]

    def close(self) -> None:
        if self.process == os.getpid():
            while self.files:
                self.files.popitem()[1].close()
