"""A data root is looked through once a run; changes are seen all the same."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from synthetic import write

from mrinb.compute.context import Context
from mrinb.compute.runner import ensure
from mrinb.data import checks, files, index, listing, memory, volumes
from mrinb.data.provenance import left_out, origins, provenance
from mrinb.errors import MrinbError
from mrinb.profiles import PROFILES
from mrinb.recipes import RECIPES
from mrinb.specs import EvalSpec, ModelSpec, TrainSpec

SHAPE, RECON = (2, 1, 8, 6), (4, 4)
PD, PAPER = "knee/PD-Skyra", PROFILES["paper"]


@pytest.fixture
def context(tmp_path):
    root = tmp_path / "root"
    for place, split in enumerate(("train", "val", "test")):
        for n in range(4):
            write(root / split / f"file_{split}{n}.h5", SHAPE, RECON, seed=10 * place + n)
    return Context(store=tmp_path / "store", cache=tmp_path / "cache", data_root=root)


@pytest.fixture
def scans(monkeypatch):
    count = []
    original = index.scan
    monkeypatch.setattr(index, "scan", lambda *a, **o: count.append(1) or original(*a, **o))
    return count


def specs(context):
    return [volumes.data_spec(PD, split, PAPER, context) for split in ("train", "val", "test")]


def test_one_look_a_run(context, scans):
    for _ in range(3):
        for spec in specs(context):
            volumes.volumes(spec, context)
        assert volumes.available("test", context) == [PD]
    assert len(scans) == 1


def test_a_worker_does_not_look_again_and_a_new_run_does(context, scans):
    found = specs(context)
    for spec in found:
        volumes.volumes(spec, replace(context, workers=3))
    assert len(scans) == 1
    assert specs(replace(context)) == found
    assert len(scans) == 2


def test_a_changed_file_is_seen_by_the_same_context(context):
    before = specs(context)
    path = context.data_root / "train" / "file_train1.h5"
    write(path, SHAPE, RECON, seed=99)
    assert specs(context)[0] != before[0]
    with pytest.raises(MrinbError, match="added, removed or changed"):
        volumes.volumes(before[0], context)
    path.unlink()
    assert specs(context)[0] not in (before[0],)
    write(context.data_root / "train" / "new.h5", SHAPE, RECON, seed=98)
    assert len(volumes.volumes(specs(replace(context))[0], context)) == 4


def test_mended_files_of_the_same_size_are_other_data(context):
    before = specs(context)
    path = context.data_root / "test" / "file_test2.h5"
    size = path.stat().st_size
    with h5py.File(path, "a") as file:
        file["kspace"][...] = file["kspace"][()] * np.exp(0.5j).astype(np.complex64)
    assert path.stat().st_size == size
    after = specs(replace(context))
    assert (after[0], after[1]) == (before[0], before[1])
    assert after[2] != before[2]


def test_an_interrupted_first_scan_goes_on(context, monkeypatch):
    read = []
    original = files.read_info

    def slow(path):
        if len(read) == 7:
            raise KeyboardInterrupt
        read.append(path)
        return original(path)

    monkeypatch.setattr(files, "read_info", slow)
    with pytest.raises(KeyboardInterrupt):
        index.scan(context.data_root, context)
    first, read = read[:], []
    assert len(first) == 7
    assert len(index.scan(context.data_root, context)) == 12
    assert len(read) == 5
    assert not set(first) & set(read)


def test_a_first_scan_is_written_down_on_the_way(context, monkeypatch):
    monkeypatch.setattr(memory, "_SAVE_SECONDS", 0)
    reader = index.read(files_of(context), context, context.data_root, content=True)
    for _ in range(4):
        next(reader)
    kept = memory.Memory(context, context.data_root)  # as another process would see it
    known = [kept.get(p, p.stat().st_size, p.stat().st_mtime_ns) for p in files_of(context)]
    assert sum(k is not None for k in known) >= 3
    reader.close()


def files_of(context):
    return index.files_below(context.data_root)


def test_two_processes_add_to_one_memory(context):
    index.scan(context.data_root, context)
    a, b = (memory.Memory(context, context.data_root) for _ in range(2))
    paths = files_of(context)
    for kept, path in ((a, paths[0]), (b, paths[1])):
        status = path.stat()
        known = kept.get(path, status.st_size, status.st_mtime_ns)
        update = {"findings": checks.Findings("", (1,))}
        kept.put(path, known.model_copy(update=update))
    a.save()
    b.save()
    kept = memory.Memory(context, context.data_root)
    found = [kept.get(p, p.stat().st_size, p.stat().st_mtime_ns).findings for p in paths[:3]]
    assert found == [("", (1,)), ("", (1,)), None]
    assert not list((context.cache / "index").glob("*.part"))


def test_whose_data_they_are(context, tmp_path):
    simulated = replace(context, data_root=None)
    assert provenance([], simulated) == "simulated data"
    assert provenance(specs(context), context) == "measured data of your own"
    root = tmp_path / "mixed"
    write(root / "train" / "file1000001.h5", SHAPE, RECON)
    write(root / "val" / "file1000002.h5", SHAPE, RECON, seed=1, attributes={"simulated": True})
    write(root / "test" / "scan7.h5", SHAPE, RECON, seed=2)
    mixed = replace(context, data_root=root)
    train, val, test = specs(mixed)
    assert provenance([train], mixed) == "measured data of fastMRI"
    assert provenance([val], mixed) == "simulated data"
    assert provenance([test], mixed) == "measured data of your own"
    assert (
        origins([train, val, test], mixed) == {"simulated", "fastmri", "own"} == origins([], mixed)
    )
    assert volumes.volumes(val, mixed)  # simulated files serve as any others
    run = TrainSpec(pool=PD, data=(train,), model=ModelSpec(name="unet"), epochs=1)
    scores = EvalSpec(train=run, data=test)
    assert provenance([scores], mixed) == "measured data, of fastMRI and of your own"
    assert left_out([scores], mixed) == ""
    write(root / "test" / "scan8.h5", (4, 1, 8, 6), RECON, seed=3, change=without_first)
    mixed = replace(mixed)
    assert left_out([specs(mixed)[2]], mixed) == "1 empty slice is left out"


def without_first(arrays):
    arrays["kspace"][0] = arrays["reconstruction_rss"][0] = 0


def test_simulated_files_given_as_data_root_say_so(tmp_path):
    made = Context(store=tmp_path / "store", cache=tmp_path / "cache")
    tiny = PROFILES["quick"]._replace(name="tiny", size=16, coils=2, subjects=(1, 1, 1), slices=2)
    wanted = [volumes.data_spec(PD, split, tiny, made) for split in ("train", "val", "test")]
    ensure(wanted, made, RECIPES)
    root = volumes.files_of(wanted[0], made)[0].parent.parent
    found = replace(made, data_root=root)
    assert provenance(specs(found), found) == "simulated data"
    assert all(not listing.find(PD, s, found, root)[0].problem for s in ("train", "val", "test"))
    assert len(volumes.volumes(specs(found)[2], found)) == 1
