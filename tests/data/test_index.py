"""The index of a data root: distributions, splits, memory, digests."""

import math
import os
import zlib
from collections import Counter

import pytest
from synthetic import write

from mrinb.compute.context import Context
from mrinb.data import files, index
from mrinb.errors import MrinbError

SHAPE, RECON = (2, 1, 8, 6), (4, 4)


@pytest.fixture
def context(tmp_path):
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


def put(root, folder, name, **options):
    """A file whose content follows from its name."""
    options = {"seed": zlib.crc32(name.encode()), **options}
    return write(root / folder / f"{name}.h5", SHAPE, RECON, **options)


@pytest.fixture
def official(tmp_path):
    """A root with knees and brains in official folders, as they come out of the archives."""
    root = tmp_path / "fastmri"
    for n in range(20):
        put(root, "knee/multicoil_train", f"file{n}", seed=n)
    for n in range(4):
        put(root, "knee/multicoil_val", f"file_v{n}")
    for n in range(3):
        put(root, "brain/multicoil_train_batch_0", f"file_brain{n}", acquisition="AXT2",
            model="Prisma_fit")  # fmt: skip
    put(root, "brain/multicoil_val", "file_brain_v", acquisition="AXT2", model="Prisma_fit")
    drop = ["reconstruction_rss", "max"]
    put(root, "knee/multicoil_test", "file_t", mask=True, drop=drop)
    put(root, "knee/singlecoil_train", "file0", drop=["kspace"])
    return root


def splits(entries, distribution):
    return Counter(e.split for e in entries if e.distribution == distribution)


def test_official_val_is_our_test_and_our_val_is_carved_from_train(official, context):
    entries = index.scan(official, context)
    assert len(entries) == 29
    knees = splits(entries, "knee/PD-Skyra")
    assert knees["test"] == 4
    assert knees["train"] + knees["val"] == 20
    assert 1 <= knees["val"] <= 8
    assert knees[""] == 1  # the masked test file
    assert splits(entries, "brain/T2-Prisma")["test"] == 1
    assert splits(entries, "brain/T2-Prisma")["val"] >= 1
    assert all(e.name.startswith("file_v") for e in entries if e.split == "test"
               and e.distribution == "knee/PD-Skyra")  # fmt: skip


def test_a_subject_is_in_one_split_and_stays_there_as_files_are_added(tmp_path, context):
    root = tmp_path / "root"
    for n in range(40):
        put(root, "multicoil_train", f"file{n}", patient=f"patient{n // 2}")
    before = {e.name: e.split for e in index.scan(root, context)}
    assert set(before.values()) == {"train", "val"}
    for n in range(0, 40, 2):
        assert before[f"file{n}"] == before[f"file{n + 1}"]
    for n in range(40, 60):
        put(root, "multicoil_train", f"file{n}", patient=f"patient{n // 2}")
    after = {e.name: e.split for e in index.scan(root, context)}
    assert {name: after[name] for name in before} == before


def test_val_is_never_empty_where_there_are_two_subjects(tmp_path, context):
    for n in range(12):
        root = tmp_path / f"root{n}"
        put(root, "multicoil_train", f"a{n}")
        put(root, "multicoil_train", f"b{n}")
        assert {e.split for e in index.scan(root, context)} == {"train", "val"}


def test_simulated_layout_keeps_its_folders_and_loose_files_are_split(tmp_path, context):
    root = tmp_path / "root"
    for split in ("train", "val", "test"):
        put(root, f"knee/{split}", f"file_{split}")
    assert {e.name: e.split for e in index.scan(root, context)} == {
        f"file_{s}": s for s in ("train", "val", "test")
    }
    for n in range(60):
        put(tmp_path / "loose", "volumes", f"file{n}")
    counts = splits(index.scan(tmp_path / "loose", context), "knee/PD-Skyra")
    assert sum(counts.values()) == 60
    assert 3 <= counts["test"] <= 18
    assert 2 <= counts["val"] <= 18


def test_a_root_that_is_itself_a_split_folder(tmp_path, context):
    put(tmp_path, "multicoil_val", "file0")
    assert [e.split for e in index.scan(tmp_path / "multicoil_val", context)] == ["test"]


@pytest.mark.parametrize(
    ("acquisition", "model", "field", "expected"),
    [
        ("CORPDFS_FBK", "Biograph_mMR", 2.89362, "knee/PDFS-Biograph"),
        ("CORPD_FBK", "Aera", 1.494, "knee/PD-Aera"),
        ("AXT1POST", "Avanto", 1.494, "brain/T1POST-Avanto"),
        ("AXT2", "Prisma_fit", math.nan, "brain/T2-Prisma"),
        ("AXT2", "Prisma_fit", 1.5, ""),  # another field
        ("AXT1PRE", "Skyra", 2.9, ""),  # not in Figure 2
        ("AXT2", "TrioTim", 2.9, ""),
        ("", "Skyra", 2.9, ""),
    ],
)
def test_distribution_follows_from_acquisition_and_scanner(
    tmp_path, acquisition, model, field, expected
):
    path = put(tmp_path, "x", "a", acquisition=acquisition, model=model, field=field)
    assert index.match(files.read_info(path)) == expected


def test_files_are_read_once_until_they_change(official, context, monkeypatch):
    first = index.scan(official, context)
    read = []
    original = files.read_info
    monkeypatch.setattr(files, "read_info", lambda path: read.append(path) or original(path))
    assert index.scan(official, context) == first
    assert read == []
    changed = official / "knee" / "multicoil_train" / "file3.h5"
    os.utime(changed, ns=(10**18, 10**18))
    put(official, "knee/multicoil_train", "new")
    index.scan(official, context)
    assert {p.name for p in read} == {"file3.h5", "new.h5"}


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', '{"format": 0, "files": {}}', "[]"])
def test_a_spoiled_memory_is_read_anew(official, context, content):
    first = index.scan(official, context)
    (memory,) = (context.cache / "index").iterdir()
    memory.write_text(content)
    assert index.scan(official, context) == first


def test_a_cache_that_cannot_be_written_is_no_obstacle(official, context):
    context.cache.write_text("a file where the folder should be")
    assert len(index.scan(official, context)) == 29


def test_nan_field_survives_the_memory(tmp_path, context):
    put(tmp_path / "root", "train", "a", field="unknown")
    for _ in range(2):
        (entry,) = index.scan(tmp_path / "root", context)
        assert math.isnan(entry.info.header.field_t)
        assert entry.distribution == "knee/PD-Skyra"


def test_missing_root_and_empty_root(tmp_path, context):
    with pytest.raises(MrinbError, match=r"data_root .*nowhere: no such folder"):
        index.scan(tmp_path / "nowhere", context)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MrinbError, match=r"no \.h5 file"):
        index.scan(tmp_path / "empty", context)


def test_no_match_names_the_distribution_and_what_is_there(official, context):
    entries = index.scan(official, context)
    with pytest.raises(MrinbError, match=r"no file of brain/T1-Aera; there are") as error:
        index.find(entries, "brain/T1-Aera", "train", official)
    assert "there are 25 knee/PD-Skyra, 4 brain/T2-Prisma" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_of_a_split_names_those_there_are(tmp_path, context):
    put(tmp_path / "root", "train", "a")
    entries = index.scan(tmp_path / "root", context)
    with pytest.raises(MrinbError, match="no test file of knee/PD-Skyra, only 1 train"):
        index.find(entries, "knee/PD-Skyra", "test", tmp_path / "root")


def test_two_files_of_one_name_are_refused(tmp_path, context):
    put(tmp_path / "root", "a/train", "file")
    put(tmp_path / "root", "b/train", "file")
    entries = index.scan(tmp_path / "root", context)
    with pytest.raises(MrinbError, match="another file of this name"):
        index.find(entries, "knee/PD-Skyra", "train", tmp_path / "root")


def test_a_damaged_file_stops_and_a_foreign_one_does_not(official, context):
    write(official / "other.h5", SHAPE, RECON, drop=["kspace"], acquisition="AXT1PRE")
    found = index.find(index.scan(official, context), "knee/PD-Skyra", "test", official)
    assert len(found) == 4
    damaged = official / "knee" / "multicoil_train" / "file3.h5"
    damaged.write_bytes(damaged.read_bytes()[:900])
    entries = index.scan(official, context)
    with pytest.raises(MrinbError, match=r"file3\.h5: the file is truncated"):
        index.find(entries, "knee/PD-Skyra", "test", official)


def test_digest_changes_with_name_size_header_and_max_and_not_with_place_or_order(
    tmp_path, context
):
    def digest(**options):
        root = tmp_path / f"root{digest.count}"
        digest.count += 1
        put(root, options.pop("folder", "train"), options.pop("name", "a"), **options)
        put(root, "train", "b")
        entries = index.scan(root, context)
        assert index.digest(entries) == index.digest(reversed(entries))
        return index.digest(entries)

    digest.count = 0
    plain = digest()
    assert digest() == plain
    assert digest(folder="deeper/train") == plain
    others = [
        digest(name="c"),
        digest(model="Aera"),
        digest(attributes={"max": 3.0}),
        digest(attributes={"more": "x" * 5000}),
    ]
    assert len({plain, *others}) == 5
