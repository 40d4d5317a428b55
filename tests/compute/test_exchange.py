"""Results from one store to another: whole, checked, merged, and nothing lost."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from toy_recipes import RECIPES, ToyTrain

from mrinb.compute.curation import diff, verify
from mrinb.compute.exchange import export, import_files, read_size
from mrinb.compute.store import Store, entries
from mrinb.errors import MrinbError

SPECS = [ToyTrain(log="log", seed=n) for n in range(12)]
SIZES = {"1": 1, "15MB": 15_000_000, "1.5 kB": 1500, "2gb": 2 * 10**9}
OURS = {
    **RECIPES,
    ToyTrain: RECIPES[ToyTrain]._replace(published=("*.json", "*.parquet", "*.npz")),
}


def fill(root, specs=SPECS, weights=True, value=None):
    store = Store(root)
    for spec in specs:
        with store.create(spec, device="far", seconds=3.5) as draft:
            draft.json("history", {"loss": spec.seed if value is None else value})
            draft.table("scores", pd.DataFrame({"v": ["a"] * 9, "x": np.arange(9) / 7}))
            noise = np.random.default_rng(spec.seed).random(500)
            draft.arrays("arrays", {"noise": noise})
            if weights:
                draft.path("epoch-01.weights").write_bytes(bytes(1000))
    return store


@pytest.fixture
def store(tmp_path):
    store = fill(tmp_path / "far")
    chapters = store.root / "chapters"
    chapters.mkdir()
    items = [{"kind": s.kind, "key": s.key} for s in SPECS[:3]]
    (chapters / "03_one-quick.json").write_text(json.dumps(items))
    return store


def records(root):
    return {e.key: {**e.record, "files": e.files} for e in entries(root)}


def snapshot(root):
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != ".guard"}


def test_all_comes_back_with_where_it_is_from(store, tmp_path):
    done = export(store, tmp_path / "all.zip", OURS, weights=True)
    assert (done.paths, done.results, done.outdated) == ([tmp_path / "all.zip"], 12, 0)
    here = Store(tmp_path / "here")
    assert import_files(here, done.paths) == (12, 0, 0)
    assert records(here.root) == records(store.root)
    assert diff(store.root, here.root, RECIPES).empty
    assert verify(here.root, RECIPES) == []
    assert json.loads((here.root / "chapters" / "03_one-quick.json").read_text()) == sorted(
        json.loads((store.root / "chapters" / "03_one-quick.json").read_text()),
        key=lambda item: item["key"],
    )
    before = snapshot(here.root)
    assert import_files(here, done.paths) == (0, 0, 12)
    assert snapshot(here.root) == before


def test_weights_only_if_asked_for(store, tmp_path):
    done = export(store, tmp_path / "all.zip", OURS)
    here = Store(tmp_path / "here")
    import_files(here, done.paths)
    assert all(e.files == ("arrays.npz", "history.json", "scores.parquet") for e in here.entries())
    again = export(store, tmp_path / "weights.zip", OURS, weights=True)
    assert import_files(here, again.paths) == (0, 12, 0)
    assert here.find(SPECS[0], ("*.weights",)).record["device"] == "far"
    assert import_files(here, done.paths) == (0, 0, 12)
    assert here.find(SPECS[0], ("*.weights",)) is not None


def test_split_files_stand_alone_and_together(store, tmp_path):
    done = export(store, tmp_path / "part.zip", OURS, split=25_000)
    assert len(done.paths) > 1
    assert [p.name for p in done.paths] == [f"part-{n + 1}.zip" for n in range(len(done.paths))]
    assert all(p.stat().st_size <= 25_000 for p in done.paths)
    assert sorted(p.name for p in tmp_path.iterdir() if "part" in p.name) == sorted(
        p.name for p in done.paths
    )
    one = Store(tmp_path / "one")
    added = [import_files(one, [path]).added for path in reversed(done.paths)]
    assert min(added) > 0 and sum(added) == 12
    both = Store(tmp_path / "both")
    assert import_files(both, done.paths) == (12, 0, 0)
    assert diff(one.root, both.root, RECIPES).empty
    with pytest.raises(MrinbError, match=r"alone takes .*--split"):
        export(store, tmp_path / "tiny.zip", OURS, split=500)
    assert not list(tmp_path.glob("*tiny*"))


def test_one_chapter(store, tmp_path):
    done = export(store, tmp_path / "one.zip", OURS, chapter="3", profile="quick")
    assert done.results == 3
    with pytest.raises(MrinbError, match="unknown chapter '4'"):
        export(store, tmp_path / "two.zip", OURS, chapter="4", profile="quick")


def test_what_is_not_finished_or_outdated_stays(store, tmp_path):
    (store.scratch(ToyTrain(log="x")) / "state").write_text("half")
    fill(store.root, [ToyTrain(log="log", version=2)])
    store.find(SPECS[0]).path("history.json").write_text("{}")
    with pytest.warns(UserWarning, match="set aside"):
        done = export(Store(store.root), tmp_path / "all.zip", OURS)
    assert (done.results, done.outdated) == (11, 1)


def test_nothing_is_overwritten(store, tmp_path):
    (tmp_path / "all.zip").write_text("mine")
    with pytest.raises(MrinbError, match=r"all.zip is there already"):
        export(store, tmp_path / "all.zip", OURS)
    assert (tmp_path / "all.zip").read_text() == "mine"
    with pytest.raises(MrinbError, match="cannot be written"):
        export(store, tmp_path / "all.zip" / "inner.zip", OURS)
    with pytest.raises(MrinbError, match="no finished results"):
        export(Store(tmp_path / "empty"), tmp_path / "none.zip", OURS)


@pytest.mark.parametrize("damage", ["flip", "cut", "text", "zip", "member", "missing", "empty"])
def test_files_that_are_damaged_foreign_or_partial(store, tmp_path, damage):
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    export(store, good, OURS)
    whole = good.read_bytes()
    if damage == "flip":
        bad.write_bytes(whole[:9000] + bytes([whole[9000] ^ 255]) + whole[9001:])
    elif damage == "cut":
        bad.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        bad.write_text("hello")
    elif damage == "empty":
        bad.write_text("")
    elif damage == "zip":
        with zipfile.ZipFile(bad, "w") as file:
            file.writestr("a.txt", "hello")
    elif damage == "member":
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as file:
            for name in source.namelist():
                if name != "arrays.zip":
                    file.writestr(name, source.read(name))
    here = Store(tmp_path / "here")
    with pytest.raises(MrinbError, match=r"bad\.zip") as error:
        import_files(here, [good, bad])
    assert "\n" not in str(error.value)
    assert not list(here.entries())


def test_other_values_under_one_key_are_refused(store, tmp_path):
    export(store, tmp_path / "all.zip", OURS)
    here = fill(tmp_path / "here", SPECS[5:6], value=99)
    before = snapshot(here.root)
    with pytest.raises(MrinbError, match=f"{SPECS[5].key} of .*history.json.*--keep-own"):
        import_files(here, [tmp_path / "all.zip"])
    assert snapshot(here.root) == before
    assert import_files(here, [tmp_path / "all.zip"], keep_own=True) == (11, 0, 1)
    assert here.find(SPECS[5]).json("history") == {"loss": 99}
    export(fill(tmp_path / "third", SPECS[:1], value=98), tmp_path / "third.zip", OURS)
    with pytest.raises(MrinbError, match="another of the files"):
        import_files(Store(tmp_path / "new"), [tmp_path / "all.zip", tmp_path / "third.zip"])
    assert not list(entries(tmp_path / "new"))


def test_files_of_both_are_kept_together(store, tmp_path):
    export(store, tmp_path / "all.zip", OURS)
    here = Store(tmp_path / "here")
    with here.create(SPECS[0]) as draft:
        draft.json("history", {"loss": 0})
        draft.path("epoch-09.weights").write_bytes(b"mine")
    assert import_files(here, [tmp_path / "all.zip"]) == (11, 1, 0)
    entry = Store(here.root).find(SPECS[0])
    assert entry.path("epoch-09.weights").read_bytes() == b"mine"
    assert "scores.parquet" in entry.files


def test_a_store_that_cannot_be_written_to(store, tmp_path):
    export(store, tmp_path / "all.zip", OURS)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MrinbError, match="cannot be written to"):
        import_files(Store(tmp_path / "file"), [tmp_path / "all.zip"])


def test_sizes():
    assert {text: read_size(text) for text in SIZES} == SIZES
    for text in ("", "0", "-1MB", "15 apples", "1e9"):
        with pytest.raises(MrinbError, match="write it like 15MB"):
            read_size(text)
