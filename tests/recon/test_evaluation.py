import os

import fastmri.evaluate
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from fastmri.models import VarNet
from safetensors.torch import save_file
from synthetic import write
from toy_slices import spec as train_spec

from mrinb.compute.context import Context
from mrinb.data import slices
from mrinb.data.index import digest, find, scan
from mrinb.data.slices import Slices, crop, zero_filled
from mrinb.data.volumes import volumes
from mrinb.errors import MrinbError
from mrinb.recon import evaluation, masks, models
from mrinb.recon.metrics import VERSIONS
from mrinb.specs import DataSpec, EvalSpec, ModelSpec

NAME = "knee/PD-Skyra"


@pytest.fixture
def context(tmp_path):
    root = tmp_path / "root"
    for number, shape in enumerate([(3, 2, 40, 35), (2, 3, 48, 40), (1, 2, 40, 35)]):
        recon = (24, 24) if number == 0 else (20, 26)
        write(root / "test" / f"file{number}.h5", shape, recon, seed=number, padding=(2, 33))
    return Context(store=tmp_path / "store", cache=tmp_path / "cache", data_root=root, device="cpu")


def eval_spec(context, train=None, **changes):
    found = find(scan(context.data_root, context), NAME, "test", context.data_root)
    data = DataSpec(distribution=NAME, split="test", digest=digest(found))
    return EvalSpec(train=train, data=data, metrics=tuple(sorted(VERSIONS.items()))).model_copy(
        update=changes
    )


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = models.build(train_spec().model)
    file = tmp_path / "epoch-01.safetensors"
    save_file(model.state_dict(), file)
    return file


def test_every_slice_has_a_row_that_says_whose_it_is(context):
    seen = []
    table = evaluation.evaluate(
        eval_spec(context), None, context, progress=lambda *counts: seen.append(counts)
    )
    assert table["volume"].tolist() == ["file0"] * 3 + ["file1"] * 2 + ["file2"]
    assert table["slice"].tolist() == [0, 1, 2, 0, 1, 0]
    assert set(table["subject"]) == {"file0", "file1", "file2"}
    assert (table["distribution"] == NAME).all()
    assert (table["split"] == "test").all()
    assert (table["acceleration"] == 4).all()
    names = [*VERSIONS, *(f"{name}_matched" for name in VERSIONS)]
    assert np.isfinite(table[names].to_numpy()).all()
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_scores_are_fastmris_of_the_volumes_one_mask(context):
    spec = eval_spec(context)
    table = evaluation.evaluate(spec, None, context)
    for volume in volumes(spec.data, context):
        mask = masks.for_volume(spec.sampling, volume.name, volume.kspace_shape[-1], volume.padding)
        rows = table[table["volume"] == volume.name]
        assert (rows["effective_acceleration"] == mask.effective).all()
        with h5py.File(volume.path) as file:
            kspace, target = file["kspace"][()], file["reconstruction_rss"][()]
        image = np.fft.ifft2(np.fft.ifftshift(kspace * mask.lines.numpy(), (-2, -1)), norm="ortho")
        image = np.sqrt((np.abs(np.fft.fftshift(image, (-2, -1))) ** 2).sum(1))
        top, left = ((a - b) // 2 for a, b in zip(image.shape[1:], target.shape[1:], strict=True))
        image = image[:, top : top + target.shape[1], left : left + target.shape[2]]
        image = image.astype(np.float32)
        for index, (_, row) in enumerate(rows.iterrows()):
            one = target[index : index + 1], image[index : index + 1]
            ssim = fastmri.evaluate.ssim(*one, volume.max_value).item()
            assert row["ssim"] == pytest.approx(ssim, abs=1e-5)
            assert row["psnr"] == pytest.approx(
                fastmri.evaluate.psnr(*one, volume.max_value), abs=1e-3
            )
            assert row["nmse"] == pytest.approx(float(fastmri.evaluate.nmse(*one)), rel=1e-4)


def test_a_network_is_scored_by_its_own_reconstructions(context, weights):
    train = train_spec()
    spec = eval_spec(context, train)
    table = evaluation.evaluate(spec, weights, context)
    assert not np.allclose(
        table["ssim"], evaluation.evaluate(eval_spec(context), None, context)["ssim"]
    )
    (volume, *_) = volumes(spec.data, context)
    images = evaluation.reconstruct(train, weights, [(volume, 1)], spec.sampling, context)
    target = Slices([(volume, 1)], context)[0].target.numpy()
    ssim = fastmri.evaluate.ssim(target[None], images[0][None], volume.max_value).item()
    assert table["ssim"][1] == pytest.approx(ssim, abs=1e-5)


def test_small_volumes_are_prepared_once_a_process_and_again_when_the_file_has_changed(
    context, monkeypatch
):
    spec = eval_spec(context)
    first = evaluation.evaluate(spec, None, context)
    prepared, foregrounds = [], []
    prepare, foreground = slices.prepare, evaluation.metrics.foreground
    monkeypatch.setattr(slices, "prepare", lambda *a: prepared.append(a[2]) or prepare(*a))
    monkeypatch.setattr(
        evaluation.metrics, "foreground", lambda t: foregrounds.append(len(t)) or foreground(t)
    )
    pd.testing.assert_frame_equal(evaluation.evaluate(spec, None, context), first)
    assert (prepared, foregrounds) == ([], [])
    (changed, *_) = volumes(spec.data, context)
    written = changed.path.stat().st_mtime_ns + 1_000_000
    os.utime(changed.path, ns=(written, written))
    pd.testing.assert_frame_equal(evaluation.evaluate(spec, None, context), first)
    assert (prepared, foregrounds) == ([0, 1, 2], [3])
    monkeypatch.setattr(evaluation, "KEPT_BYTES", 0)
    pd.testing.assert_frame_equal(evaluation.evaluate(spec, None, context), first)
    assert (prepared, foregrounds) == ([0, 1, 2, 0, 1, 2, 0, 1, 0], [3, 3, 2, 1])


def test_varnet_sees_the_whole_readout_as_fastmris_own_does(context, tmp_path):
    options = {"cascades": 1, "channels": 2, "pools": 2, "sens_channels": 2, "sens_pools": 2}
    model = ModelSpec(name="varnet", options=tuple(sorted(options.items())))
    torch.manual_seed(0)
    network = models.build(model)
    theirs = VarNet(1, 2, 2, 2, 2)
    theirs.load_state_dict(network.network.state_dict())
    file = tmp_path / "epoch-01.safetensors"
    save_file(network.state_dict(), file)
    volume = volumes(eval_spec(context).data, context)[1]
    sampling = eval_spec(context).sampling
    items = [(volume, 1)]
    (image,) = evaluation.reconstruct(train_spec(model=model), file, items, sampling, context)
    with h5py.File(volume.path) as opened:
        kspace = torch.from_numpy(opened["kspace"][1:2])
    mask = masks.for_volume(sampling, volume.name, kspace.shape[-1], volume.padding)
    masked = torch.view_as_real(torch.where(mask.lines, kspace, 0))
    with torch.no_grad():
        whole = theirs(masked, mask.lines[None, None, None, :, None], mask.low)
    expected = crop(whole, volume.recon_shape)[0].numpy()
    assert image.shape == volume.recon_shape != whole.shape[1:]
    assert np.allclose(image, expected, rtol=1e-3, atol=1e-4 * expected.max())


def test_reconstructions_come_in_the_order_asked_for(context, weights, monkeypatch):
    spec = eval_spec(context)
    first, second, third = volumes(spec.data, context)
    items = [(second, 1), (first, 2), (third, 0), (first, 0), (second, 0)]
    together = evaluation.reconstruct(train_spec(), weights, items, spec.sampling, context)
    monkeypatch.setattr(evaluation, "PIXELS", 1)
    for item, image in zip(items, together, strict=True):
        (alone,) = evaluation.reconstruct(train_spec(), weights, [item], spec.sampling, context)
        assert image.dtype == np.float32
        assert np.allclose(image, alone, rtol=1e-4)


def test_zero_filled_is_the_reconstruction_without_a_network(context):
    spec = eval_spec(context)
    (volume, *_) = volumes(spec.data, context)
    (image,) = evaluation.reconstruct(None, None, [(volume, 0)], spec.sampling, context)
    data = Slices([(volume, 0)], context)[0]
    mask = masks.for_volume(spec.sampling, volume.name, 35, volume.padding)
    assert np.allclose(image, zero_filled(data.hybrid, mask.lines, 24).numpy())


def test_what_cannot_be_evaluated_is_one_clear_line(context, weights):
    with pytest.raises(MrinbError, match="unknown metric 'sim': did you mean ssim"):
        evaluation.evaluate(eval_spec(context, metrics=(("sim", 1),)), None, context)
    with pytest.raises(MrinbError, match="metric ssim is version 1 here, not 2"):
        evaluation.evaluate(eval_spec(context, metrics=(("ssim", 2),)), None, context)
    with pytest.raises(MrinbError, match="needs weights where it names a training run"):
        evaluation.evaluate(eval_spec(context, train_spec()), None, context)
    with pytest.raises(MrinbError, match="needs weights where it names a training run"):
        evaluation.evaluate(eval_spec(context), weights, context)


def test_a_score_that_is_not_a_number_names_the_slice(context, tmp_path):
    model = models.build(train_spec().model)
    state = {
        name: torch.full_like(value, float("nan")) for name, value in model.state_dict().items()
    }
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(MrinbError, match="ssim is not a number for volume file0, slice 0"):
        evaluation.evaluate(eval_spec(context, train_spec()), tmp_path / "nan.safetensors", context)
