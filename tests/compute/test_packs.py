"""Packs: what goes in comes out, nothing is written in vain, and damage is found and named."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_recipes import ToyTrain

from mrinb.compute import packs
from mrinb.compute.packing import Item, stage
from mrinb.compute.packs import INDEX, Pack, together
from mrinb.compute.store import Store, entries
from mrinb.errors import MrinbError

SPECS = [ToyTrain(log="log", seed=n) for n in range(4)]


def scores(n):
    return pd.DataFrame({
        "volume": [f"v{n}", "ä", ""],
        "slice": np.array([n, 2, 3], np.int16),
        "ssim": [n / 3, np.nan, -0.0],
        "kept": [True, False, n > 1],
    })  # fmt: skip


def fill(root, specs=SPECS, shift=0):
    store = Store(root)
    for spec in specs:
        n = spec.seed + shift
        with store.create(spec, device=None, cost={"group": "t", "units": n}) as draft:
            draft.table("scores", scores(n))
            draft.arrays("arrays", {"image": np.full((n, 3), n, np.float16), "of": np.array("x")})
            draft.json("note", {"n": n})
            draft.path("weights.bin").write_bytes(bytes(range(n)))
            if spec.seed == 1:
                draft.table("index", pd.DataFrame({"a": [1]}))
                draft.table("lists", pd.DataFrame({"a": [[1, 2], []]}))
            if spec.seed == 2:
                draft.table("scores", scores(n).assign(more=1.5))
            if spec.seed == 3:
                gaps = pa.table({"n": pa.array([1, None, 3], pa.int64()), "s": ["a", None, "b"]})
                draft.arrow("gaps", gaps)
    return store


def pack(store, folder, specs=SPECS, old=None):
    items = [Item(e, e.files) for s in specs if (e := store.find(s))]
    staged = stage(folder, items, folder.with_name("staging"), old)
    staged.commit()
    return staged


def tree(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path / "store")


@pytest.fixture
def root(tmp_path, store):
    pack(store, tmp_path / "book" / "01-quick")
    return tmp_path / "book"


def test_a_packed_entry_answers_like_another(store, root, tmp_path):
    reader = Store(tmp_path / "none", (root,))
    for spec in SPECS:
        ours, packed = store.find(spec), reader.find(spec)
        assert {**ours.record, "files": 0} == {**packed.record, "files": 0}
        assert (ours.files, ours.size) == (packed.files, packed.size)
        assert packed.has(("scores.*", "*.bin")) and not packed.has(("*.safetensors",))
        for name in ours.files:
            assert ours.digest(name) == packed.digest(name)
        for name in [n.removesuffix(".parquet") for n in ours.files if n.endswith(".parquet")]:
            pd.testing.assert_frame_equal(ours.table(name), packed.table(name))
            again = pd.read_parquet(packed.path(f"{name}.parquet"))
            pd.testing.assert_frame_equal(ours.table(name), again)
        arrays = packed.arrays("arrays")
        assert list(arrays) == ["image", "of"] and arrays["image"].dtype == np.float16
        assert all(np.array_equal(a, arrays[n]) for n, a in ours.arrays("arrays").items())
        assert packed.json("note") == ours.json("note")
        assert packed.path("weights.bin").read_bytes() == bytes(range(spec.seed))
        with pytest.raises(MrinbError, match=r"no file 'x\.json'"):
            packed.json("x")
    assert [e.key for e in entries(root)] == sorted(s.key for s in SPECS)
    assert reader.find(SPECS[0], ("*.safetensors",)) is None
    assert not (tmp_path / "none").exists()


def test_tables_of_one_name_and_columns_are_stacked_by_key(root):
    names = sorted(p.name for p in (root / "01-quick").iterdir())
    assert names == [
        "arrays.zip", "files.zip", "gaps.parquet", "index-1.parquet", "index.parquet",
        "scores-2.parquet", "scores.parquet",
    ]  # fmt: skip
    keys = [
        key
        for name in ("scores.parquet", "scores-2.parquet")
        for key in pq.read_table(root / "01-quick" / name)["key"].to_pylist()
    ]
    assert sorted(keys) == sorted(s.key for s in SPECS for _ in range(3))
    longest = max(("scores.parquet", "scores-2.parquet"), key=lambda n: (
        len(pq.read_table(root / "01-quick" / n))))  # fmt: skip
    keys = pq.read_table(root / "01-quick" / longest)["key"].to_pylist()
    assert len(keys) == 9 and keys == sorted(keys)


def test_many_tables_are_read_at_once(store, root, tmp_path):
    reader = Store(tmp_path / "none", (root,))
    mixed = [reader.find(SPECS[3]), reader.find(SPECS[0]), store.find(SPECS[1])]
    table, lengths = together(mixed, "scores")
    expected = pd.concat([scores(n) for n in (3, 0, 1)], ignore_index=True)
    pd.testing.assert_frame_equal(table, expected)
    assert lengths == [3, 3, 3]


def test_the_same_results_give_the_same_bytes(store, root, tmp_path):
    pack(store, tmp_path / "other" / "01-quick", SPECS[::-1])
    assert tree(root / "01-quick") == tree(tmp_path / "other" / "01-quick")
    shutil.rmtree(tmp_path / "other")  # from a pack as from the store
    pack(Store(tmp_path / "none", (root,)), tmp_path / "other" / "01-quick")
    assert tree(root / "01-quick") == tree(tmp_path / "other" / "01-quick")


def test_only_files_whose_content_changed_are_written(root, tmp_path):
    folder = root / "01-quick"
    table = pq.read_table(folder / "scores.parquet")
    pq.write_table(table, folder / "scores.parquet", compression="gzip")  # holds the same
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    changed = fill(tmp_path / "new")
    spec = SPECS[0]
    shutil.rmtree(changed.find(spec).folder)
    with changed.create(spec) as draft:
        source = Store(tmp_path / "none", (root,)).find(spec)
        for name in source.files:
            draft.path(name).write_bytes(source.content(name))
        draft.json("note", {"n": "another"})
    staged = pack(changed, folder, old=packs.open_pack(folder))
    after = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert {n for n in after if after[n] != before.get(n)} == {
        "files.zip", "index.parquet", "scores.parquet"
    }  # fmt: skip
    assert staged.bytes == sum(p.stat().st_size for p in folder.iterdir())
    before = after
    pack(changed, folder, old=packs.open_pack(folder))
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before


def test_a_file_compressed_anew_is_used(store, root, tmp_path):
    path = root / "01-quick" / "scores.parquet"
    pq.write_table(pq.read_table(path), path, compression="gzip")
    reader = Store(tmp_path / "none", (root,))
    for spec in SPECS:
        assert reader.find(spec).table("scores").equals(store.find(spec).table("scores"))


@pytest.mark.parametrize("name", ["scores.parquet", "arrays.zip", "files.zip", INDEX])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty"])
def test_damage_is_found_and_named(store, root, tmp_path, name, damage):
    path = root / "01-quick" / name
    whole = path.read_bytes()
    if damage == "flip":
        middle = len(whole) // 3
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    elif damage == "truncate":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    reader = Store(tmp_path / "none", (root,))
    if (name, damage) == (INDEX, "remove"):  # then it is no pack
        assert all(reader.find(s) is None for s in SPECS)
        return
    with pytest.warns(UserWarning, match="01-quick.* is damaged .*git checkout") as warned:
        found = {s: reader.find(s) for s in SPECS}
    assert len(warned) == 1 and "\n" not in str(warned[0].message)
    for spec, entry in found.items():  # what is given is right
        assert entry is None or all(
            entry.digest(n) == store.find(spec).digest(n) for n in entry.files
        )
    assert None in found.values()
    if name != INDEX:
        problems = Pack(root / "01-quick").damages()
        assert any(name in p and "git checkout" in p for p in problems)


def test_packs_that_disagree_are_named(root, tmp_path):
    other = fill(tmp_path / "other", SPECS[:2], shift=5)
    pack(other, root / "02-quick", SPECS[:2])
    reader = Store(tmp_path / "none", (root,))
    with pytest.raises(MrinbError, match="differs between chapters 01-quick and 02-quick") as error:
        reader.find(SPECS[0])
    assert "\n" not in str(error.value) and SPECS[0].key in str(error.value)
    assert reader.find(SPECS[2]) is not None
    assert len(packs.conflicts(packs.open_union(root)[0].packs)) == 2


def test_a_pack_that_comes_or_changes_is_seen(store, root, tmp_path):
    reader = Store(tmp_path / "none", (root,))
    new = ToyTrain(log="log", seed=4)
    assert reader.find(new) is None
    fill(store.root, [new])
    pack(store, root / "02-quick", [new])
    assert reader.find(new) is not None
    shutil.rmtree(root / "02-quick")
    assert reader.find(new) is None
    pack(store, root / "01-quick", [*SPECS, new], old=packs.open_pack(root / "01-quick"))
    assert reader.find(new).json("note") == {"n": 4}


def test_a_pack_of_a_later_form_says_so(store, root, tmp_path, monkeypatch):
    monkeypatch.setattr("mrinb.compute.packing.FORM", 2)
    pack(store, root / "02-quick", SPECS[:1])
    with pytest.warns(UserWarning, match="form 2.*update mrinb"):
        assert Store(tmp_path / "none", (root,)).find(SPECS[0]) is not None


def test_a_row_with_another_key_is_damaged(store, tmp_path):
    entry = store.find(SPECS[0])
    wrong = type(entry)(entry.folder, {**entry.record, "spec": json.dumps("other")})
    folder = tmp_path / "book" / "01-quick"
    stage(folder, [Item(wrong, wrong.files)], tmp_path / "staging").commit()
    (problem,) = Pack(folder).damages()
    assert "its key is not its spec's" in problem
    with pytest.warns(UserWarning, match="another spec"):
        assert Store(tmp_path / "none", (tmp_path / "book",)).find(SPECS[0]) is None
