"""HDF5 to network input: mrinb's slices against fastMRI's SliceDataset and UnetDataTransform."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from fastmri.data import SliceDataset
from fastmri.data.subsample import EquiSpacedMaskFunc
from fastmri.data.transforms import UnetDataTransform

from benchmarks.harness import Row, bench, race
from mrinb.compute.context import Context
from mrinb.data import files, slices
from mrinb.data.slices import Slices
from mrinb.data.volumes import Item, Volume
from mrinb.recon import masks

# Name, k-space (slices, coils, height, width), target, promised ratio.
SIZES = (
    ("knee 15 x 640 x 368", (4, 15, 640, 368), (320, 320), 4.0),
    ("96 x 96, 8 coils", (8, 8, 192, 110), (96, 96), 4.0),
)
_SAMPLING = masks.sampling(4)
_HEADER = (
    '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>'
    "<encodedSpace><matrixSize><x>{0}</x><y>{1}</y><z>1</z></matrixSize></encodedSpace>"
    "<reconSpace><matrixSize><x>{2}</x><y>{3}</y><z>1</z></matrixSize></reconSpace>"
    "<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{4}</maximum>"
    "<center>{5}</center></kspace_encoding_step_1></encodingLimits>"
    "</encoding></ismrmrdHeader>"
)


@bench("loader")
def loader() -> Iterator[Row]:
    """Time passes over two files of each size; a row is the time of one slice."""
    for name, shape, recon, promise in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            yield from _rows(Path(folder), name, shape, recon, promise)


def _rows(
    folder: Path,
    name: str,
    shape: tuple[int, int, int, int],
    recon: tuple[int, int],
    promise: float,
) -> Iterator[Row]:
    root = folder / "files"
    root.mkdir()
    items = [
        item for n in range(2) for item in _items(_write(root / f"file{n}.h5", shape, recon, n))
    ]
    transform = UnetDataTransform("multicoil", EquiSpacedMaskFunc((0.08,), (4,)))
    theirs = SliceDataset(root, "multicoil", transform)
    context = Context(store=folder / "store", cache=folder / "cache")
    kept = {
        "in memory": Slices(items, context),
        "on disk": Slices(items, context, memory_bytes=0),
    }
    _compare(kept["in memory"], theirs)
    for where, ours in kept.items():
        yield _row(f"{name}, prepared {where}", ours, theirs, promise)
    yield _row(f"{name}, nothing kept", Slices(items, context, 0, 0), theirs, None)
    yield _first_pass(f"{name}, first pass", items, context, theirs)


def _row(what: str, ours: Slices, theirs: SliceDataset, promise: float | None) -> Row:
    times = race(lambda: _ours(ours), lambda: _theirs(theirs))
    return Row(what, times[0] / len(ours), times[1] / len(ours), promise)


def _first_pass(what: str, items: list[Item], context: Context, theirs: SliceDataset) -> Row:
    """Preparing and keeping in memory; the files themselves are in the system's cache."""
    times = race(lambda: _ours(Slices(items, context)), lambda: _theirs(theirs))
    return Row(what, times[0] / len(items), times[1] / len(items))


def _input(item: slices.SliceData) -> torch.Tensor:
    lines = masks.for_volume(_SAMPLING, item.volume, item.hybrid.shape[-1], item.padding).lines
    image = slices.zero_filled(item.hybrid, lines, item.target.shape[-1])
    scaled, mean, std = slices.normalise(image)
    _ = (item.target - mean) / (std + 1e-11)  # fastMRI normalises its target as well.
    return scaled


def _ours(sequence: Slices) -> None:
    for item in sequence:
        _input(item)


def _theirs(dataset: SliceDataset) -> None:
    for position in range(len(dataset)):
        dataset[position]


def _compare(ours: Slices, theirs: SliceDataset) -> None:
    """Both give the same input, or the comparison is void."""
    for position in range(len(ours)):
        expected = theirs[position].image
        torch.testing.assert_close(
            _input(ours[position]).clamp(-6, 6), expected, atol=1e-4, rtol=1e-4
        )


def _write(path: Path, shape: tuple[int, int, int, int], recon: tuple[int, int], seed: int) -> Path:
    random = np.random.default_rng(seed)
    kspace = random.standard_normal((*shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    target = random.random((shape[0], *recon), dtype=np.float32)
    header = _HEADER.format(*shape[2:], *recon, shape[3] - 1, shape[3] // 2)
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["reconstruction_rss"] = target
        file["ismrmrd_header"] = np.bytes_(header.encode())
        file.attrs["max"] = float(target.max())
        file.attrs["acquisition"] = "CORPD_FBK"
    return path


def _items(path: Path) -> list[Item]:
    info = files.read_info(path)
    shape, target = info.kspace_shape, info.target_shape or info.kspace_shape
    volume = Volume(
        path, path.stem, path.stem, "knee/PD-Skyra", shape[0], shape,
        files.crop_shape(shape, target), info.max_value,
        (info.header.padding_left, info.header.padding_right),
    )  # fmt: skip
    return [(volume, index) for index in range(shape[0])]
