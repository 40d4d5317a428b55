"""Folders as they occur: links, hidden folders, unreadable ones, names that look like files."""

import os
import subprocess
import sys
import textwrap

import pytest
from synthetic import write
from typer.testing import CliRunner

from mrinb import cli
from mrinb.compute.context import Context
from mrinb.data import folders, index
from mrinb.errors import MrinbError

SHAPE, RECON = (2, 1, 8, 6), (4, 4)


@pytest.fixture
def context(tmp_path):
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


def names(root):
    return [p.relative_to(root).as_posix() for p in folders.hdf5_files(root).files]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("multicoil_train", "train"), ("multicoil_val_batch_0", "val"), ("multicoilTrain", "train"),
        ("multicoil_test_full", "test"), ("Training", "train"), ("validation", "val"),
        ("testset", "test"), ("TEST", "test"), ("train2", "train"), ("trainingSet", "train"),
        ("latest", ""), ("interval", ""), ("retrained", ""), ("contest_scans", ""), ("valley", ""),
        ("train_and_test", ""), ("data", ""), ("", ""),
    ],
)  # fmt: skip
def test_folder_words_are_whole_words(folder, expected):
    assert folders.split_word(folder) == expected


def test_folders_of_unlucky_names_decide_nothing(tmp_path, context):
    for n, folder in enumerate(("latest", "interval", "retrained")):
        for split in ("train", "test"):
            write(
                tmp_path / folder / split / f"{split}{n}.h5", SHAPE, RECON, seed=10 * n + len(split)
            )
    found = index.scan(tmp_path, context)
    assert {e.name: e.split for e in found} == {
        f"{s}{n}": s for n in range(3) for s in ("train", "test")
    }


def test_fully_sampled_test_files_are_test_files(tmp_path, context):
    write(tmp_path / "multicoil_test_full" / "full.h5", SHAPE, RECON)
    drop = ["reconstruction_rss", "max"]
    write(tmp_path / "multicoil_test" / "masked.h5", SHAPE, RECON, mask=True, drop=drop)
    found = {e.name: e.split for e in index.scan(tmp_path, context)}
    assert found == {"full": "test", "masked": ""}


def test_links_are_followed_once_and_under_their_own_name(tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    write(root / "multicoil_train" / "a.h5", SHAPE, RECON)
    write(elsewhere / "deep" / "b.h5", SHAPE, RECON)
    write(elsewhere / "c-1234.h5", SHAPE, RECON)
    (root / "abc").symlink_to(root / "multicoil_train")  # sorts before the folder itself
    (root / "multicoil_train" / "loop").symlink_to(root)
    (root / "multicoil_val").symlink_to(elsewhere / "deep")
    (root / "multicoil_val_2").symlink_to(elsewhere / "deep")
    (root / "multicoil_test").mkdir()
    (root / "multicoil_test" / "c.h5").symlink_to(elsewhere / "c-1234.h5")
    (root / "again.h5").symlink_to(root / "multicoil_train" / "a.h5")
    assert names(root) == ["multicoil_test/c.h5", "multicoil_train/a.h5", "multicoil_val/b.h5"]
    assert not folders.hdf5_files(root).blocked


def test_hidden_folders_and_folders_named_like_files(tmp_path):
    for folder in (".Trash-1000", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found", "__MACOSX"):
        write(tmp_path / folder / "a.h5", SHAPE, RECON)
    write(tmp_path / "x.h5" / "b.h5", SHAPE, RECON)
    write(tmp_path / "._a.h5", SHAPE, RECON)
    assert names(tmp_path) == ["x.h5/b.h5"]


def test_links_that_lead_nowhere_are_one_line_each(tmp_path, context):
    write(tmp_path / "root" / "train" / "a.h5", SHAPE, RECON)
    for name in ("gone.h5", "gone"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "nowhere")
    (tmp_path / "root" / "notes.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "root" / "circle.h5").symlink_to("circle.h5")
    found = index.scan(tmp_path / "root", context)
    problems = {e.path.name: e.problem for e in found if e.problem}
    assert set(problems) == {"gone.h5", "gone", "circle.h5"}
    assert problems["gone.h5"].endswith(
        "gone.h5: the link leads nowhere: mount its drive, or remove it"
    )
    assert "leads in a circle" in problems["circle.h5"]
    with pytest.raises(MrinbError, match=r"circle.*\(2 more are unreadable"):
        index.find(found, "knee/PD-Skyra", "train", tmp_path / "root")


def test_a_file_that_vanishes_while_it_is_looked_at(tmp_path, context):
    paths = [write(tmp_path / f"{n}.h5", SHAPE, RECON) for n in range(2)]
    reader = index.read(paths, context, tmp_path)
    next(reader)
    paths[1].unlink()
    (second,) = reader
    assert second.problem == f"{paths[1]}: no such file"


AS_SOMEONE = """
import os, sys
from pathlib import Path
from mrinb.compute.context import Context
from mrinb.data import index
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
root = Path(sys.argv[1])
for entry in index.scan(root, Context(cache=Path(sys.argv[2]))):
    print(f"{entry.path.name}|{entry.problem}")
"""


def as_someone(root, cache):
    """Scan as an ordinary user, who is bound by permissions."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AS_SOMEONE), str(root), str(cache)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(line.split("|") for line in done.stdout.splitlines())


def test_what_may_not_be_read_is_named_and_read_once_it_may(tmp_path):
    root, cache = tmp_path / "root", tmp_path / "cache"
    write(root / "train" / "a.h5", SHAPE, RECON)
    closed = write(root / "train" / "b.h5", SHAPE, RECON, seed=1)
    hidden = write(root / "closed" / "c.h5", SHAPE, RECON, seed=2).parent
    cache.mkdir()
    for folder in (cache, *tmp_path.parents[:3], tmp_path):
        folder.chmod(0o777)
    closed.chmod(0)
    hidden.chmod(0)
    try:
        found = as_someone(root, cache)
        assert found["a.h5"] == ""
        words = "you may not read this: change its permissions"
        assert found["b.h5"] == f"{closed}: {words}"
        assert found["closed"] == f"{hidden}: {words}"
    finally:
        closed.chmod(0o644)
        hidden.chmod(0o755)
    assert set(as_someone(root, cache).values()) == {""}  # nothing of it was remembered


def test_names_that_are_not_utf8(tmp_path, context):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    write(root / "train" / os.fsdecode(b"a\xff.h5"), SHAPE, RECON, patient="p")
    write(root / "train" / "b.h5", SHAPE, RECON, seed=1, drop=["kspace"])
    good, bad = index.scan(root, context)
    assert good.name == "a\\xff"
    str(good.name).encode()
    str(MrinbError(bad.problem)).encode()
    index.digest([good])
    assert index.scan(root, context) == [good, bad]


def test_the_same_scan_in_train_and_test_is_refused_and_a_shared_subject_noted(tmp_path, context):
    root = tmp_path / "root"
    write(root / "train" / "a.h5", SHAPE, RECON, patient="p1")
    write(root / "train" / "b.h5", SHAPE, RECON, seed=1, patient="p2")
    write(root / "test" / "c.h5", SHAPE, RECON, seed=2, patient="p2")
    found = index.scan(root, context)
    assert len(index.find(found, "knee/PD-Skyra", "test", root)) == 1
    assert set(index.shared_subjects(found)) == {"p2"}
    checked = CliRunner().invoke(cli.app, ["data", "check", str(root)])
    assert checked.exit_code == 0
    assert "subject p2 is in train and in test, such as b and c" in checked.stdout
    (root / "test" / "copy.h5").write_bytes((root / "train" / "a.h5").read_bytes())
    for split in ("train", "test"):
        with pytest.raises(MrinbError, match=r"a\.h5: the same scan as .*copy\.h5"):
            index.find(index.scan(root, context), "knee/PD-Skyra", split, root)
    checked = CliRunner().invoke(cli.app, ["data", "check", str(root)])
    assert checked.exit_code == 2
    assert "the same scan as" in checked.stderr
