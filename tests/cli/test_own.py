"""``mrinb data import``: files and pictures appear, or a question and nothing."""

import numpy as np
import phantom
import pytest
from typer.testing import CliRunner

from mrinb import cli
from mrinb.catalogue import homes
from mrinb.compute.context import Context
from mrinb.data.volumes import volumes
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.profiles import PROFILES

KSPACE = phantom.to_kspace(phantom.images(3, 3, 96, 80)).astype(np.complex64)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MRINB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(*words):
    return CliRunner().invoke(cli.app, ["data", *map(str, words)])


def scan(tmp_path, name, kspace=KSPACE):
    np.save(tmp_path / name, kspace)
    return tmp_path / name


def test_scans_become_a_distribution(tmp_path, cache):
    paths = [scan(tmp_path, f"s{i}.npy", KSPACE * (1 + i / 9) + i * 1e-9) for i in range(3)]
    done = run("import", *paths, "--as", "mine", "--crop", 64, 60)
    assert done.exit_code == 0, done.output
    assert "3 of 3 scans are own:mine" in done.output
    assert "coil 3" in done.output and "image 64 x 60" in done.output
    folder = cache / "own" / "mine"
    assert sorted(p.name for p in folder.iterdir()) == [
        f"s{i}.{kind}" for i in range(3) for kind in ("h5", "png")
    ]
    context = Context(store=cache / "results", cache=cache)
    lab = Lab("1", PROFILES["quick"], context)
    found = [v for s in ("train", "val", "test") for v in _volumes(lab, s, context)]
    assert sorted(v.name for v in found) == ["s0", "s1", "s2"]
    assert {v.recon_shape for v in found} == {(64, 60)}
    checked = run("check", folder)
    assert checked.exit_code == 0 and "3 of 3 files are sound" in checked.output


def _volumes(lab, split, context):
    try:
        return volumes(lab.data("own:mine", split), context)
    except MrinbError:
        return ()


def test_scans_of_one_person_stay_together(tmp_path, cache):
    for i in range(3):
        path = scan(tmp_path, f"s{i}.npy", KSPACE * (1 + i / 9) + i * 1e-9)
        assert run("import", path, "--as", "mine", "--subject", "anna").exit_code == 0
    context = Context(store=cache / "results", cache=cache)
    lab = Lab("1", PROFILES["quick"], context)
    assert len(volumes(lab.data("own:mine", "test"), context)) == 3


def test_a_question_leaves_nothing_behind(tmp_path, cache):
    path = scan(tmp_path, "s.npy")
    done = run("import", path, "--as", "mine", "--axes", "phase,readout,slice,coil")
    assert done.exit_code == 2
    assert "Which is which? Say so by --axes." in done.output
    assert not cache.exists() and not homes.registered()


def test_one_bad_scan_stops_no_other(tmp_path, cache):
    good, bad = scan(tmp_path, "good.npy"), scan(tmp_path, "bad.npy", np.abs(KSPACE))
    done = run("import", bad, good, "--as", "mine", "--to", tmp_path / "here")
    assert done.exit_code == 2
    assert "bad.npy" in done.output and "1 of 2 scans are own:mine" in done.output
    assert [p.name for p in sorted((tmp_path / "here").iterdir())] == ["good.h5", "good.png"]
    assert homes.lookup("mine").folder == tmp_path / "here"


def test_names_are_not_taken_over(tmp_path):
    path = scan(tmp_path, "s.npy")
    assert run("import", path, "--as", "mine", "--to", tmp_path / "here").exit_code == 0
    done = run("import", path, "--as", "mine")
    assert "own:mine is" in str(done.exception) and "choose another name" in str(done.exception)
    (tmp_path / "other").mkdir()
    twin = scan(tmp_path / "other", "s.npy")
    done = run("import", path, twin, "--as", "new")
    assert "two scans are called s" in str(done.exception)
    done = run("import", path, "--as", "new name")
    assert "take up to 40 letters" in str(done.exception)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    path = scan(tmp_path, "s.npy")
    (tmp_path / "file").write_text("in the way")
    done = run("import", path, "--as", "mine", "--to", tmp_path / "file" / "deep")
    assert isinstance(done.exception, MrinbError) and "cannot be written" in str(done.exception)
    assert not homes.registered()
