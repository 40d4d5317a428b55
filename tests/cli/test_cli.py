"""The command line as a user meets it: one line, exit code 2, nothing written."""

import os
import re
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from places import ROOT

from mrinb.errors import MrinbError
from mrinb.publish import book
from mrinb.publish.dry_run import dry_run


def plain(word):
    return word if isinstance(word, bytes) else str(word)


def mrinb(*words, cwd=ROOT, **env):
    return subprocess.run(
        [sys.executable, "-m", "mrinb.cli", *map(os.fsdecode, map(plain, words))],
        capture_output=True, text=True, cwd=cwd, timeout=300, env={**os.environ, **env},
    )  # fmt: skip


def refused(done, words):
    """The command was refused in one line that holds the words."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [
        line for line in done.stderr.splitlines() if line.startswith("mrinb: ") or "Error" in line
    ]
    assert len(lines) == 1, done.stderr
    assert words in lines[0]
    assert "Traceback" not in done.stderr


def test_help_and_import_do_not_load_torch():
    code = (
        "import sys, mrinb, mrinb.cli; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = mrinb("--help")
        seconds.append(time.perf_counter() - start)
    assert done.returncode == 0
    for command in ("run", "plan", "claims", "book", "bench", "data", "results"):
        assert command in done.stdout
    assert min(seconds) < 2  # 0.4 s on an idle machine; the bound allows for a busy one


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "33"], "unknown chapter '33'"),
        (["run", "3", "-p", "shif", "contrast"], "unknown parameter 'shif': did you mean shift?"),
        (["run", "3", "-p", "seed", "one"], "parameter seed = 'one': give a value of type int"),
        (["run", "3", "-p", "seed"], "-p needs a name and a value"),
        (["run", "3", "-pshif", "contrast"], "unknown parameter 'shif': did you mean shift?"),
        (["run", "3", "-p", "shif=contrast"], "unknown parameter 'shif': did you mean shift?"),
        (["run", "3", "-pseed"], "-p needs a name and a value"),
        (["run", "3", "-p", "seed", str(2**63)], "give a number below 2^62"),
        (["run", "3", "-p", "data_root", b"/caf\xe9"], "not UTF-8, which no notebook can hold"),
        (["results", "ls", "nowhere"], "results store nowhere: no such folder"),
        (["results", "verify", "nowhere"], "results store nowhere: no such folder"),
        (["results", "diff", ".", "nowhere"], "results store nowhere: no such folder"),
        (["results", "gc", "--store", "nowhere"], "results store nowhere: no such folder"),
        (["book", "--store", "nowhere"], "--store nowhere: no such folder"),
        (["plan", "33"], "unknown chapter '33'"),
        (["plan", "3", "-p", "shif", "contrast"], "unknown parameter 'shif': did you mean shift?"),
        (["plan", "3", "--profile", "quik"], "unknown profile 'quik': did you mean quick"),
        (["claims", "3", "-p", "seed"], "-p needs a name and a value"),
        (["book", "--compute", "sometimes"], "unknown --compute 'sometimes'"),
        (["data", "simulate", "kne/*"], "unknown distribution or pattern 'kne/*'"),
        (["data", "simulate", "--profile", "quik"], "unknown profile 'quik': did you mean quick"),
        (["data", "ls", "no/such/folder"], "data_root no/such/folder: no such folder"),
        (["data", "check", "no/such/folder"], "no/such/folder"),
        (["bench", "nosuch"], "nosuch"),
    ],
)
def test_mistakes_on_the_command_line(words, expected, tmp_path):
    refused(mrinb(*words, MRINB_CACHE=str(tmp_path)), expected)
    assert not list(tmp_path.rglob("*.h5"))


@pytest.mark.parametrize(
    ("chapter", "parameters", "expected"),
    [
        ("3", {"profile": "quik"}, "unknown profile 'quik': did you mean quick"),
        ("3", {"model": "unett"}, "unknown model 'unett': did you mean unet"),
        ("3", {"shift": "contrst"}, "unknown shift 'contrst': did you mean contrast"),
        ("3", {"P": "knee/* +", "Q": "brain/*"}, "cannot read pool 'knee/* +'"),
        ("2", {"distribution": "knee/PD-Aero"}, "did you mean knee/PD-Aera"),
        ("4", {"clip_weights": "no/such.bin"}, "clip_weights no/such.bin: no such file"),
        ("D", {"clip_weights": "no/such.bin"}, "clip_weights no/such.bin: no such file"),
    ],
)
def test_values_that_only_the_chapter_can_judge(chapter, parameters, expected, tmp_path):
    path = book.find_chapter(ROOT, chapter).path
    store = tmp_path / "store"
    with pytest.raises(MrinbError, match=re.escape(expected)) as caught:
        dry_run(path, {**parameters, "store": str(store)})
    assert "\n" not in str(caught.value)
    assert not store.exists()


def test_a_chapter_that_refuses_a_value_ends_the_command(tmp_path):
    out, store = tmp_path / "out.ipynb", tmp_path / "store"
    done = mrinb("run", "3", "-p", "store", store, "--out", out, "-p", "shift", "contrst")
    refused(done, "unknown shift 'contrst': did you mean contrast")
    assert not out.exists()
    assert not store.exists()


def test_plain_papermill_names_an_unknown_parameter(tmp_path):
    notebook = ROOT / "notebooks" / "03_one_model_or_several.ipynb"
    words = ["papermill", notebook, tmp_path / "out.ipynb", "-p", "shif", "contrast"]
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        capture_output=True, text=True, timeout=300, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode != 0
    assert "unknown parameter 'shif': did you mean shift?" in done.stderr


def test_a_store_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = mrinb(
        "run", "2", "-p", "profile", "quick", "-p", "store", tmp_path / "file" / "store",
        "--out", tmp_path / "out.ipynb", MRINB_CACHE=str(tmp_path / "cache"), MRINB_PUBLISHED="",
    )  # fmt: skip
    refused(done, str(tmp_path / "file" / "store"))
    assert not (tmp_path / "cache").exists()  # refused before data are simulated
    assert (tmp_path / "file").read_text() == "in the way"


def test_data_roots_without_what_is_needed(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "multicoil_train").mkdir()
    with h5py.File(root / "multicoil_train" / "other.h5", "w") as file:
        file["image"] = np.zeros(3)
    path, given = book.find_chapter(ROOT, "2").path, {"store": str(tmp_path / "store")}
    words = ["-p", "store", tmp_path / "store", "-p", "data_root", root, "-p", "profile", "paper"]
    refused(mrinb("run", "2", *words, MRINB_CACHE=str(tmp_path)), "knee/PD-Skyra")
    with pytest.raises(MrinbError, match="no such folder"):
        dry_run(path, {**given, "data_root": str(tmp_path / "none")})
    with pytest.raises(MrinbError, match="data_root"):
        dry_run(path, {**given, "profile": "paper"})


def test_check_names_each_bad_file(tmp_path):
    (tmp_path / "empty.h5").write_bytes(b"")
    (tmp_path / "foreign.h5").write_text("not HDF5")
    done = mrinb("data", "check", tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "empty.h5" in lines[0]
    assert "foreign.h5" in lines[1]
    assert "0 of 2 files are sound" in done.stdout
