"""Scans at their own matrix, by the published networks: better than zero-filled, on one page."""

import re

import h5py
import numpy as np
import pytest
from places import SHARED
from scipy import io
from typer.testing import CliRunner

from mrinb import cli, weights
from mrinb.compute.context import Context
from mrinb.data.own import scan as own
from mrinb.data.own.scan import Wanted
from mrinb.data.volumes import data_spec, volumes
from mrinb.errors import MrinbError
from mrinb.labels import L1_WAVELET, ZERO_FILLED
from mrinb.profiles import PROFILES
from mrinb.scan import methods, page, source

SIZE = 256
SIMULATED = PROFILES["classroom"]._replace(size=SIZE, coils=6, subjects=(1, 1, 1), slices=2)
ALL = list(weights.NETWORKS.values())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A simulated knee and brain of 256 pixels, larger than any network has seen."""
    context = Context(cache=tmp_path_factory.mktemp("cache"))
    return {
        name: volumes(data_spec(name, "test", SIMULATED, context), context)[0].path
        for name in ("knee/PD-Skyra", "brain/T1-Aera")
    }


@pytest.fixture(scope="module")
def brain(files, tmp_path_factory):
    """The brain as a researcher has it: k-space in a MATLAB file, right way up, no header."""
    with h5py.File(files["brain/T1-Aera"]) as file:
        kspace = file["kspace"][()]
    path = tmp_path_factory.mktemp("scans") / "brain.mat"
    io.savemat(path, {"kData": kspace.transpose(2, 3, 1, 0), "te": 0.1})
    return path


def ssim(outcome):
    return methods.summary(outcome)["ssim"]


# Heads await the simulator that the networks were trained on: here they are noisier.
@pytest.mark.parametrize("name", ["knee/PD-Skyra"])
def test_networks_beat_zero_filled_at_a_matrix_they_never_saw(files, name):
    scan = source.read(files[name], Wanted(), 1)
    assert scan.recon == (SIZE, SIZE) and scan.coils == 6
    found = ssim(methods.reconstruct(scan, ALL))
    own = "knees" if name.startswith("knee") else "brains"
    assert set(found.index) == {n.name for n in ALL} | {ZERO_FILLED, L1_WAVELET}
    for method in (f"unet-{own}", "unet-all", "varnet-all", L1_WAVELET):
        assert found[method] > found[ZERO_FILLED] + 0.01, method


def test_real_scans_where_they_are_here():
    folder = SHARED / "real-scans"
    if not folder.is_dir():
        pytest.skip("no real scans beside the checkout")
    for name in ("mprage_4coils.mat", "t2_1coil.mat", "brain_8coils.cfl"):
        scan = source.read(folder / name, Wanted(), 1)
        found = ssim(methods.reconstruct(scan, ALL))
        assert ("varnet-all" in found) == (scan.coils > 1)
        for method in ("unet-brains", "unet-all"):
            assert found[method] > found[ZERO_FILLED] + 0.05, (name, method)


def test_a_scan_without_header_scores_as_its_file_in_the_layout(files, brain):
    one = source.read(files["brain/T1-Aera"], Wanted(), 2)
    other = source.read(brain, Wanted(crop=(SIZE, SIZE), upside_down=True), 2)
    assert other.hybrid.shape == one.hybrid.shape
    factor = float(other.target.max() / one.target.max())
    np.testing.assert_allclose(other.target, one.target * factor, atol=1e-3 * other.target.max())


def test_one_page_that_needs_no_network(brain, tmp_path):
    out = tmp_path / "page.html"
    options = ["--pools", "brains,all", "--crop", str(SIZE), str(SIZE), "--slices", "1"]
    done = CliRunner().invoke(cli.app, ["reconstruct", str(brain), *options, "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = out.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert not re.search(r"@import|url\((?!['\"]?data:)", text)
    for words in (
        "U-net, trained on brains",
        "VarNet, trained on all",
        "l1-wavelet",
        "zero-filled",
    ):
        assert f"<th scope=row>{words}" in text, words
    assert "trained on knees" not in text
    assert "undersampled 4-fold here" in text and "VarNet" in done.output
    rows = re.findall(r"<tr><th scope=row>([^<]*)</th><td>([\d.]+)</td>", text)
    assert len(rows) == 5 and sorted((float(s) for _, s in rows), reverse=True) == [
        float(s) for _, s in rows
    ]


def test_undersampled_scans_have_images_and_no_scores(brain, tmp_path):
    kspace = io.loadmat(brain)["kData"]
    width = kspace.shape[1]
    lines = np.arange(width) % 3 == 0
    lines[width // 2 - 12 : width // 2 + 12] = True
    np.save(tmp_path / "fast.npy", kspace * lines[:, None, None])
    scan = source.read(tmp_path / "fast.npy", Wanted(), 1)
    assert scan.target is None
    outcome = methods.reconstruct(scan, ALL)
    assert outcome.mask.low == 24 and not len(outcome.scores) and not outcome.failed
    np.testing.assert_array_equal(outcome.mask.lines, lines)
    understood = own.understand(tmp_path / "fast.npy")
    own.write_scan(understood, tmp_path / "fast.npy", "fast", "", tmp_path / "fast.h5")
    stored = source.read(tmp_path / "fast.h5", Wanted(), 1)
    assert stored.target is None and stored.recon == scan.recon
    np.testing.assert_allclose(stored.hybrid, scan.hybrid, atol=1e-9)
    np.testing.assert_array_equal(stored.mask(4).lines, lines)
    text = page.html([outcome], ALL)
    assert "there are no scores" in text and "<table>" not in text
    assert "Ground truth" not in re.sub(r"<script type=\"module\">.*", "", text, flags=re.DOTALL)
    data = methods.comparison(outcome)
    assert list(data.fixed) == [ZERO_FILLED]


def test_a_scan_without_central_lines_is_not_for_every_method(brain, tmp_path):
    kspace = io.loadmat(brain)["kData"]
    lines = np.arange(kspace.shape[1]) % 3 == 0
    lines[kspace.shape[1] // 2 - 3 : kspace.shape[1] // 2 + 3] = False
    np.save(tmp_path / "gap.npy", kspace * lines[:, None, None])
    with pytest.raises(MrinbError, match="coils and slices cannot be told apart"):
        source.read(tmp_path / "gap.npy", Wanted(), 1)
    told = Wanted(axes="readout,phase,coil,slice")
    outcome = methods.reconstruct(source.read(tmp_path / "gap.npy", told, 1), ALL)
    assert [line.split(",")[0] for line in outcome.failed] == ["VarNet", "l1-wavelet"]
    assert "unet-all" in outcome.images
    assert "VarNet needs central lines" in page.html([outcome], ALL)


def test_what_cannot_be_asked_for(brain, tmp_path):
    for options, words in {
        ("--pools", "feet"): "unknown pool of published networks 'feet'",
        ("--acceleration", "5"): "acceleration 5: choose one of",
        ("--space", "outer"): "unknown --space 'outer'",
        ("--crop", "3", "9"): "--crop 3 9: give at least 16",
    }.items():
        done = CliRunner().invoke(cli.app, ["reconstruct", str(brain), *options])
        assert isinstance(done.exception, MrinbError) and words in str(done.exception)
    done = CliRunner().invoke(cli.app, ["reconstruct", "own:none"])
    assert "own:none" in str(done.exception)
