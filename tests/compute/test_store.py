import errno
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import places
import pytest
from places import HELPERS
from toy_recipes import ToyEval, ToyTrain

from mrinb.compute import entry as entry_module
from mrinb.compute import store as store_module
from mrinb.compute.entry import entry_folder
from mrinb.compute.store import Store, entries, seed_of
from mrinb.errors import MrinbError

GOLDEN = places.GOLDEN / "store-entry.json"
SPEC = ToyTrain(log="log", seed=3)


def tree(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.name != ".guard")


def fill(store, spec=SPEC, value=1):
    with store.create(spec) as draft:
        draft.json("history", {"loss": value})
    return store.find(spec)


def test_layout_is_the_golden_one(tmp_path):
    store = Store(tmp_path)
    with store.create(SPEC, device="cpu") as draft:
        draft.json("history", {"loss": [0.5, 0.25]})
        draft.path("epoch-01.safetensors").write_bytes(b"weights")
    golden = json.loads(GOLDEN.read_text())
    (path,) = tmp_path.glob("toytrain/*/*/entry.json")
    assert str(path.relative_to(tmp_path)) == golden["path"]
    record = json.loads(path.read_text())
    assert sorted(record) == golden["fields"]
    assert sorted(record["versions"]) == golden["versions"]
    assert {n: record[n] for n in golden["record"]} == golden["record"]


def test_tables_arrays_and_json_come_back(tmp_path):
    store = Store(tmp_path)
    table = pd.DataFrame({"volume": ["a", "b"], "ssim": [0.5, 0.25]})
    arrays = {"image": np.arange(6, dtype=np.float16).reshape(2, 3), "name": np.array(["x"])}
    with store.create(SPEC) as draft:
        draft.table("scores", table)
        draft.arrays("arrays", arrays)
        draft.json("note", [1, {"a": None}])
    entry = Store(tmp_path).find(SPEC)
    pd.testing.assert_frame_equal(entry.table("scores"), table)
    found = entry.arrays("arrays")
    assert found["image"].dtype == np.float16
    assert all(np.array_equal(found[n], arrays[n]) for n in arrays)
    assert entry.json("note") == [1, {"a": None}]
    assert entry.files == ("arrays.npz", "note.json", "scores.parquet")
    with pytest.raises(MrinbError, match=r"no file 'x\.json'"):
        entry.json("x")


def test_nothing_is_there_before_the_end_and_after_an_error(tmp_path):
    store = Store(tmp_path)
    with store.create(SPEC) as draft:
        draft.json("history", 1)
        assert store.find(SPEC) is None
    assert store.find(SPEC) is not None
    other = ToyTrain(log="other")
    with pytest.raises(KeyboardInterrupt), store.create(other) as draft:
        draft.json("history", 1)
        raise KeyboardInterrupt
    assert store.find(other) is None
    assert not list((tmp_path / "tmp").iterdir())


def test_a_killed_writer_leaves_no_entry(tmp_path):
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(HELPERS)!r})
from pathlib import Path
from toy_recipes import ToyTrain
from mrinb.compute.store import Store
with Store(Path({str(tmp_path)!r})).create(ToyTrain(log="log", seed=3)) as draft:
    draft.json("history", 1)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    store = Store(tmp_path)
    assert store.find(SPEC) is None
    assert list((tmp_path / "tmp").iterdir())
    with store.lease(SPEC):  # whoever computes it next clears up
        assert not list((tmp_path / "tmp").iterdir())
    assert fill(store) is not None


def test_the_first_of_two_writers_stays(tmp_path):
    store = Store(tmp_path)
    with store.create(SPEC) as late:
        late.json("history", {"loss": 2})
        fill(store, value=1)
    assert store.find(SPEC).json("history") == {"loss": 1}


def test_an_entry_with_more_files_replaces_one_with_fewer(tmp_path):
    store = Store(tmp_path)
    fill(store)
    assert store.find(SPEC, ("*.weights",)) is None
    with store.create(SPEC) as draft:
        draft.json("history", {"loss": 2})
        draft.path("epoch-01.weights").write_bytes(b"w")
    assert store.find(SPEC, ("*.weights",)).json("history") == {"loss": 2}


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "entry", "no entry", "spec"])
def test_a_damaged_entry_is_set_aside_with_one_warning(tmp_path, damage):
    store = Store(tmp_path)
    folder = fill(store).folder
    path = folder / "history.json"
    os.utime(path, (1, 1))
    if damage == "flip":
        path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    elif damage == "truncate":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "remove":
        path.unlink()
    elif damage == "entry":
        (folder / "entry.json").write_text("{")
    elif damage == "no entry":
        (folder / "entry.json").unlink()
    else:
        record = json.loads((folder / "entry.json").read_text())
        record["spec"] = ToyTrain(log="other").canonical()
        (folder / "entry.json").write_text(json.dumps(record))
    with pytest.warns(UserWarning, match="is damaged .*set aside") as warned:
        assert store.find(SPEC) is None
    assert len(warned) == 1
    assert "\n" not in str(warned[0].message)
    assert not folder.exists()
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    assert fill(store) is not None


def test_an_entry_under_another_key_is_damaged(tmp_path):
    store = Store(tmp_path)
    folder = fill(store).folder
    other = ToyTrain(log="other")
    place = entry_folder(tmp_path, other.kind, other.key)
    place.parent.mkdir(parents=True)
    folder.rename(place)
    with pytest.warns(UserWarning, match="is damaged"):
        assert store.find(other) is None


def test_a_damaged_published_entry_is_passed_over_and_left_alone(tmp_path):
    published, mine = tmp_path / "published", tmp_path / "mine"
    path = fill(Store(published)).path("history.json")
    path.write_text("{}")
    before = tree(published)
    store = Store(mine, [published])
    with pytest.warns(UserWarning, match="not used") as warned:
        assert store.find(SPEC) is None
        assert store.find(SPEC) is None
    assert len(warned) == 1
    assert tree(published) == before
    assert not mine.exists()


def test_writable_goes_before_published_and_published_is_not_written(tmp_path):
    published, mine = tmp_path / "published", tmp_path / "mine"
    fill(Store(published), value="published")
    before = tree(published)
    store = Store(mine, [published])
    assert store.find(SPEC).json("history") == {"loss": "published"}
    assert not mine.exists()
    fill(store, value="mine")
    assert store.find(SPEC).json("history") == {"loss": "mine"}
    assert tree(published) == before


def test_checksums_are_computed_once_while_files_do_not_change(tmp_path, monkeypatch):
    store = Store(tmp_path)
    fill(store)
    calls = []
    real = entry_module.sha256
    monkeypatch.setattr(entry_module, "sha256", lambda p: calls.append(p) or real(p))
    fresh = Store(tmp_path)
    assert fresh.find(SPEC) and fresh.find(SPEC)
    assert len(calls) == 1


def test_a_store_that_cannot_be_written_to_says_so_in_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    store = Store(blocked)
    assert store.find(SPEC) is None
    for attempt in (
        lambda: fill(store), lambda: store.lease(SPEC), lambda: store.scratch(SPEC),
        store.check_writable,
    ):  # fmt: skip
        with pytest.raises(MrinbError, match="cannot be written to") as error:
            attempt()
        assert str(blocked) in str(error.value)
        assert "\n" not in str(error.value)
    assert blocked.read_text() == "in the way"


def test_a_check_whether_a_store_can_be_written_to_leaves_nothing_in_it(tmp_path):
    Store(tmp_path / "store").check_writable()
    assert tree(tmp_path / "store") == ["tmp"]


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path):
    store = Store(tmp_path)
    with (
        pytest.raises(MrinbError, match=f"disk of results store {tmp_path} is full"),
        store.create(SPEC) as draft,
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        draft.json("history", 1)
        full.write(b"x")
    assert store.find(SPEC) is None
    assert tree(tmp_path) == ["tmp"]


def test_a_disk_that_is_full_at_the_commit(tmp_path, monkeypatch):
    def full(folder, record):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(store_module, "write_entry", full)
    with pytest.raises(MrinbError, match="full"):
        fill(Store(tmp_path))
    assert tree(tmp_path) == ["tmp"]


def test_errors_that_are_not_the_stores_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError), Store(tmp_path).create(SPEC):
        (tmp_path.parent / "no such data").read_bytes()


def test_scratch_stays_until_the_entry_is_there(tmp_path):
    store = Store(tmp_path)
    (store.scratch(SPEC) / "state").write_text("half")
    with pytest.raises(RuntimeError), store.create(SPEC):
        raise RuntimeError
    assert (store.scratch(SPEC) / "state").read_text() == "half"
    fill(store)
    assert not store.scratch_folder(SPEC).exists()


def test_entries_lists_kinds_and_not_service_folders(tmp_path):
    store = Store(tmp_path)
    fill(store)
    fill(store, ToyEval(train=SPEC))
    (store.scratch(ToyTrain(log="x")) / "state").write_text("")
    found = [(e.kind, e.key) for e in entries(tmp_path)]
    assert found == [("toyeval", ToyEval(train=SPEC).key), ("toytrain", SPEC.key)]
    assert [e.kind for e in store.entries(("toyeval",))] == ["toyeval"]


def test_seed_is_the_trainings(tmp_path):
    assert seed_of(ToyEval(train=SPEC)) == 3
    assert fill(Store(tmp_path), ToyEval(train=SPEC)).record["seed"] == 3


def test_opening_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fill(Store(tmp_path)) is not None
