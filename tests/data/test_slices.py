"""Slices: equal to fastMRI's transform, prepared once, kept within limits."""

import math
import os
import pickle

import numpy as np
import pytest
import torch
from fastmri.data import SliceDataset
from fastmri.data.subsample import EquiSpacedMaskFunc
from fastmri.data.transforms import UnetDataTransform
from synthetic import write

from mrinb.compute.context import Context
from mrinb.data import files, slices, volumes
from mrinb.data.slices import Slices
from mrinb.errors import MrinbError
from mrinb.recon import masks

SIZES = [  # (coils, height, width), recon
    ((2, 20, 16), (10, 10)),
    ((3, 20, 15), (10, 11)),
    ((2, 21, 15), (11, 15)),
    ((1, 22, 13), (11, 9)),
    ((4, 64, 37), (32, 32)),
    ((2, 24, 16), (18, 20)),  # recon wider than encoded: both become 16 x 16
    ((2, 26, 17), (20, 19)),
    ((2, 16, 24), (16, 24)),
]


def volume_of(path):
    info = files.read_info(path)
    return volumes.Volume(
        path=path, name=path.stem, subject=info.patient, distribution="knee/PD-Skyra",
        slices=info.kspace_shape[0], kspace_shape=info.kspace_shape,
        recon_shape=files.crop_shape(info.kspace_shape, info.target_shape),
        max_value=info.max_value,
        padding=(info.header.padding_left, info.header.padding_right),
    )  # fmt: skip


def items_of(*paths):
    found = [volume_of(p) for p in paths]
    return [(v, i) for v in found for i in range(v.slices)]


@pytest.fixture
def context(tmp_path):
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


@pytest.mark.parametrize(("shape", "recon"), SIZES)
def test_network_input_equals_fastmris(tmp_path, context, shape, recon):
    """Image, target, mean and std of every slice, with the mask of the volume's name."""
    path = write(tmp_path / "files" / "file7.h5", (2, *shape), recon)
    transform = UnetDataTransform("multicoil", EquiSpacedMaskFunc((0.08,), (2,)))
    theirs = SliceDataset(path.parent, "multicoil", transform)
    sampling = masks.SamplingSpec(accelerations=(2,), center_fractions=(0.08,))
    for ours, expected in zip(Slices(items_of(path), context), theirs, strict=True):
        lines = masks.for_volume(sampling, ours.volume, ours.hybrid.shape[-1]).lines
        image = slices.zero_filled(ours.hybrid, lines, ours.target.shape[-1])
        scaled, mean, std = slices.normalise(image)
        assert image.shape == ours.target.shape == expected.image.shape
        # fastMRI clamps at 6 standard deviations, which these small images do not reach.
        assert expected.image.abs().max() < 6
        torch.testing.assert_close(scaled, expected.image, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(mean.squeeze(), expected.mean, rtol=1e-5, atol=0)
        torch.testing.assert_close(std.squeeze(), expected.std, rtol=1e-5, atol=0)
        unscaled = expected.image * (expected.std + 1e-11) + expected.mean
        assert (image - unscaled).abs().max() <= 1e-5 * image.max()
        target = (ours.target - mean) / (std + 1e-11)
        torch.testing.assert_close(target.clamp(-6, 6), expected.target, atol=1e-5, rtol=1e-5)
        assert ours.max_value == pytest.approx(expected.max_value)
        assert ours.slice_index == expected.slice_num


@pytest.mark.parametrize(("shape", "recon"), SIZES)
def test_all_lines_give_the_target(tmp_path, context, shape, recon):
    path = write(tmp_path / "file7.h5", (2, *shape), recon)
    for item in Slices(items_of(path), context):
        lines = torch.ones(shape[-1], dtype=torch.bool)
        image = slices.zero_filled(item.hybrid, lines, item.target.shape[-1])
        assert (image - item.target).abs().max() <= 1e-5 * item.target.max()


@pytest.mark.parametrize("height", [20, 21, 22, 23])
def test_hybrid_is_the_centred_transform_along_the_readout(height):
    kspace = torch.randn(2, height, 7, dtype=torch.complex64)
    shifted = torch.fft.ifftshift(kspace, dim=-2)
    whole = torch.fft.fftshift(torch.fft.ifft(shifted, dim=-2, norm="ortho"), dim=-2)
    top = (height - 9) // 2
    torch.testing.assert_close(slices.readout(kspace, 9), whole[:, top : top + 9])


@pytest.mark.parametrize("width", [16, 15])
def test_a_batch_equals_its_slices_one_by_one(width):
    hybrid = torch.randn(3, 2, 10, width, dtype=torch.complex64)
    lines = torch.rand(3, width) < 0.5
    single = [slices.zero_filled(h, m, 9) for h, m in zip(hybrid, lines, strict=True)]
    torch.testing.assert_close(slices.zero_filled(hybrid, lines, 9), torch.stack(single))
    shared = [slices.zero_filled(h, lines[0], 9) for h in hybrid]
    torch.testing.assert_close(slices.zero_filled(hybrid, lines[0], 9), torch.stack(shared))


def test_masked_lines_do_not_matter_and_nothing_is_changed_in_place():
    hybrid = torch.randn(2, 10, 16, dtype=torch.complex64)
    lines = torch.zeros(16, dtype=torch.bool)
    lines[::4] = True
    image = slices.zero_filled(hybrid, lines, 10)
    other = torch.where(lines, hybrid, torch.randn_like(hybrid))
    before = other.clone()
    torch.testing.assert_close(slices.zero_filled(other, lines, 10), image)
    assert torch.equal(other, before)


def test_normalise_is_by_slice_unbiased_and_unclamped():
    image = torch.rand(3, 8, 9)
    image[0, 0, 0] = 1000
    scaled, mean, std = slices.normalise(image)
    for n in range(3):
        assert std[n].item() == pytest.approx(image[n].std(unbiased=True).item())
        assert mean[n].item() == pytest.approx(image[n].mean().item())
    assert scaled.max() > 6
    torch.testing.assert_close(scaled * std + mean, image, atol=1e-4, rtol=1e-5)


def counting(monkeypatch):
    calls = []
    original = slices.prepare

    def prepare(file, volume, index, full_readout):
        calls.append((volume.name, index))
        return original(file, volume, index, full_readout)

    monkeypatch.setattr(slices, "prepare", prepare)
    return calls


@pytest.mark.parametrize("memory", [0, 2000, 2**20])
def test_each_slice_is_prepared_once_in_memory_on_disk_or_in_both(
    tmp_path, context, monkeypatch, memory
):
    paths = [write(tmp_path / f"file{n}.h5", seed=n) for n in range(2)]
    plain = [x.hybrid.clone() for x in Slices(items_of(*paths), context, 0, 0)]
    calls = counting(monkeypatch)
    sequence = Slices(items_of(*paths), context, memory_bytes=memory)
    for _ in range(3):
        for item, expected in zip(sequence, plain, strict=True):
            assert torch.equal(item.hybrid, expected)
            assert item.target.shape == (10, 11)
    assert len(calls) == len(plain)
    if memory == 0:  # another process finds them
        again = Slices(items_of(*paths), context, memory_bytes=0)
        assert all(torch.equal(x.hybrid, y) for x, y in zip(again, plain, strict=True))
        assert len(calls) == len(plain)


@pytest.mark.parametrize("memory", [0, 2**20])
def test_the_full_readout_holds_the_cropped_one_in_its_middle(tmp_path, context, memory):
    items = items_of(write(tmp_path / "file0.h5", (2, 3, 20, 15), (10, 11)))
    cropped = list(Slices(items, context, memory))
    for _ in range(2):  # both are kept, beside each other
        for item, middle in zip(
            Slices(items, context, memory, full_readout=True), cropped, strict=True
        ):
            assert item.hybrid.shape == (3, 20, 15)
            torch.testing.assert_close(item.hybrid[:, 5:15], middle.hybrid)
            assert torch.equal(item.target, middle.target)
        again = Slices(items, context, memory)
        assert all(torch.equal(x.hybrid, y.hybrid) for x, y in zip(again, cropped, strict=True))


def test_disk_limit_is_kept_and_others_slices_make_room(tmp_path, context):
    old = Slices(items_of(write(tmp_path / "old.h5")), context, 0)
    list(old)
    folder = context.cache / "slices"
    size = next(folder.iterdir()).stat().st_size
    assert len(list(folder.iterdir())) == 3
    new = Slices(items_of(write(tmp_path / "new.h5", seed=1)), context, 0, disk_bytes=2 * size)
    first, second = [x.hybrid.clone() for x in new], [x.hybrid for x in new]
    assert sum(f.stat().st_size for f in folder.iterdir()) == 2 * size
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len(set(folder.iterdir()) & {new._disk._path(*i) for i in new.items}) == 2


def test_a_full_disk_falls_back_to_computing(tmp_path, context, monkeypatch):
    path = write(tmp_path / "file.h5")
    calls = counting(monkeypatch)
    context.cache.mkdir()
    (context.cache / "slices").write_text("a file where the folder should be")
    sequence = Slices(items_of(path), context, memory_bytes=0)
    first, second = [x.target.sum() for x in sequence], [x.target.sum() for x in sequence]
    assert first == second
    assert len(calls) == 6
    usage = type("usage", (), {"free": 100})
    (context.cache / "slices").unlink()
    monkeypatch.setattr(slices.shutil, "disk_usage", lambda _: usage)
    list(Slices(items_of(path), context, memory_bytes=0))
    assert not (context.cache / "slices").exists()


def test_a_changed_file_and_a_cut_cache_file_are_prepared_again(tmp_path, context, monkeypatch):
    path = write(tmp_path / "file.h5")
    list(Slices(items_of(path), context, memory_bytes=0))
    calls = counting(monkeypatch)
    write(path, seed=5)
    os.utime(path, ns=(1, 1))
    changed = [x.target.clone() for x in Slices(items_of(path), context, memory_bytes=0)]
    assert len(calls) == 3
    kept = context.cache / "slices"
    newest = max(kept.iterdir(), key=lambda f: f.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-8])
    again = [x.target for x in Slices(items_of(path), context, memory_bytes=0)]
    assert len(calls) == 4
    assert all(torch.equal(a, b) for a, b in zip(changed, again, strict=True))


def test_a_sequence_travels_to_worker_processes(tmp_path, context):
    path = write(tmp_path / "file.h5")
    sequence = Slices(items_of(path), context)
    here = sequence[1]
    there = pickle.loads(pickle.dumps(sequence))[1]
    assert torch.equal(here.hybrid, there.hybrid)
    assert len(pickle.dumps(sequence)) < 4000


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("key", ["kspace", "reconstruction_rss"])
def test_nan_is_named_with_its_slice(tmp_path, context, key, value):
    def change(arrays):
        arrays[key][2].flat[5] = value

    path = write(tmp_path / "bad.h5", change=change, attributes={"max": 1.0})
    sequence = Slices(items_of(path), context)
    assert sequence[1].slice_index == 1
    with pytest.raises(MrinbError, match=rf"bad\.h5: NaN or infinite values in slice 2 of {key}"):
        sequence[2]
    assert not list(context.cache.rglob("*.bin"))


def test_values_near_the_largest_float_are_not_taken_for_infinity(tmp_path, context):
    def change(arrays):
        arrays["kspace"][...] = 1e36

    path = write(tmp_path / "large.h5", (1, 4, 40, 40), (20, 20), change=change)
    assert np.isfinite(Slices(items_of(path), context)[0].hybrid.numpy()).all()


def test_more_files_than_handles(tmp_path, context):
    paths = [write(tmp_path / f"file{n}.h5", seed=n) for n in range(12)]
    sequence = Slices(items_of(*paths), context, 0, 0)
    assert [x.volume for x in sequence] == [v.name for v, _ in sequence.items]
    assert len(sequence._handles.files) == slices._OPEN_FILES
