"""Pools that say where their data live: simulated ones beside real ones, and the user's own."""

import shutil

import h5py
import phantom
import pytest
from typer.testing import CliRunner

from mrinb import cli
from mrinb.catalogue import homes
from mrinb.compute.context import Context
from mrinb.data import provenance
from mrinb.data.volumes import select, volumes
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool, paired
from mrinb.profiles import PROFILES, Network

PD, T2 = "knee/PD-Skyra", "brain/T2-Skyra"
TINY = PROFILES["quick"]._replace(
    name="tiny", size=48, coils=2, subjects=(2, 1, 1), slices=2, train_slices=4, test_slices=4,
    networks={"unet": Network((("channels", 2), ("pools", 2)), 1, 1)}, exhibit_slices=2,
)  # fmt: skip


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MRINB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_scan(path, number, **options):
    """A phantom of its own brightness, since one scan in two splits is refused."""
    phantom.write_phantom(
        path,
        kspace=lambda k: k * (1 + number / 8),
        target=lambda t: t * (1 + number / 8),
        **options,
    )


def spoil(path):
    with h5py.File(path, "r+") as file:
        del file["kspace"]


@pytest.fixture
def root(tmp_path):
    """A data root of real knees, one to train on and one to test on."""
    for split, number in (("train", 1), ("train", 2), ("val", 3)):
        write_scan(
            tmp_path / "fastmri" / f"multicoil_{split}" / f"file100000{number}.h5", number,
            acquisition="CORPD_FBK", model="Skyra", field=2.89362, patient=f"p{number}",
        )  # fmt: skip
    return tmp_path / "fastmri"


@pytest.fixture
def mine(tmp_path):
    """Files of one's own: three of one protocol and one of another."""
    for number, kind in enumerate(["MINE", "MINE", "MINE", "OTHER"]):
        write_scan(
            tmp_path / "mine" / f"scan{number}.h5", number, acquisition=kind, model="Box",
            field=0.55, patient=f"q{number}",
        )  # fmt: skip
    return tmp_path / "mine"


def context(cache, **options):
    return Context(store=cache / "results", cache=cache, **options)


def lab(cache, **options):
    return Lab("1", TINY, context(cache, **options))


def run(*words):
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.mark.parametrize(
    "text",
    [
        "sim:brain/*",
        "knee/* + sim:brain/*",
        "sim:* + own:mine",
        "(sim:knee/PD-* + own:a_b-2).half()",
        "knee/PD-Skyra + sim:knee/PD-Skyra",
    ],
)
def test_pools_with_homes_read_back(text):
    pool = Pool.parse(text)
    assert Pool.parse(str(pool)) == pool
    assert Pool.parse(pool.expanded()).expanded() == pool.expanded()


def test_a_home_keeps_the_catalogues_order_and_arithmetic():
    pool = Pool.parse("own:mine + sim:brain/T2-* + knee/PD-Aera - sim:brain/T2-Avanto")
    assert pool.distributions == (
        "knee/PD-Aera", "sim:brain/T2-Aera", "sim:brain/T2-Biograph", "sim:brain/T2-Prisma",
        "sim:brain/T2-Skyra", "own:mine",
    )  # fmt: skip
    assert str(pool).startswith("knee/PD-Aera + sim:brain/T2-Aera")


def test_names_that_do_not_exist(cache):
    for text, words in {
        "real:brain/*": "unknown home 'real:': .*valid: sim:, own:",
        "sim:foot/*": "unknown distribution or pattern 'sim:foot/\\*'",
        "own:*": "unknown distribution of your own 'own:\\*'",
    }.items():
        with pytest.raises(MrinbError, match=words):
            Pool.parse(text)
    with pytest.raises(MrinbError, match="own:mine: nothing is registered here"):
        lab(cache).data("own:mine", "test")
    namespace = {"profile": "quick", "train": "own:mine", "__annotations__": {"train": str}}
    with pytest.raises(MrinbError, match="own:mine: nothing is registered here"):
        Lab.from_parameters(namespace, "1", {"train": Pool.parse})


def test_plain_and_simulated_names_share_their_keys(cache, root):
    plain = lab(cache).train("unet", {"P": Pool.parse(f"{PD} + {T2}")})
    named = lab(cache).train("unet", {"P": Pool.parse(f"sim:{PD} + sim:{T2}")})
    beside = lab(cache, data_root=root).train("unet", {"P": Pool.parse(f"sim:{PD} + sim:{T2}")})
    keys = {runs.specs["P"][0].key for runs in (plain, named, beside)}
    assert len(keys) == 1
    assert beside.slices["P"] == 8


def test_real_files_are_what_plain_names_mean_in_a_data_root(cache, root):
    found = lab(cache, data_root=root)
    real, simulated = found.data(PD, "train"), found.data(f"sim:{PD}", "train")
    assert real.digest and not real.simulated
    assert simulated.simulated and simulated.distribution == PD
    with pytest.raises(MrinbError, match="no file of brain/T2-Skyra"):
        found.data(T2, "train")
    assert found.data(f"sim:{T2}", "train").simulated


def test_measured_and_simulated_twins_in_one_pool(cache, root):
    pool = Pool.parse(f"{PD} + sim:{PD}")
    runs = lab(cache, data_root=root).train("unet", {"both": pool})
    spec = runs.specs["both"][0]
    named = paired(Pool.parse(spec.pool), spec.data)
    where = context(cache, data_root=root)
    items = select(spec, {name: volumes(d, where) for name, d in named.items()})
    folders = {v.path.is_relative_to(root) for v, _ in items}
    assert folders == {True, False} and len(items) == runs.slices["both"]
    with pytest.raises(MrinbError, match="is in it twice, for plain names are simulated too"):
        lab(cache).train("unet", {"both": pool})


def test_trained_in_simulation_and_tested_on_real_files_and_back(cache, root):
    found = lab(cache, data_root=root)
    runs = found.train("unet", {"sim": Pool.parse(f"sim:{PD}"), "real": Pool.parse(PD)})
    on = {"real": Pool.parse(PD), "sim": Pool.parse(f"sim:{PD}")}
    scores = found.evaluate(runs, on)
    assert set(zip(scores["pool"], scores["target"], scores["distribution"], strict=True)) == {
        (pool, target, PD if target == "real" else f"sim:{PD}")
        for pool in ("zero-filled", "sim", "real")
        for target in on
    }
    assert scores.note["data"] == "simulated data, and measured data of fastMRI"
    shown = found.reconstructions(runs, on["sim"], 1)
    assert shown.views[0].label == "knee PD, Skyra 3 T, simulated"


def test_register_and_use_own_data(cache, mine):
    done = run("data", "register", "mine", mine, "--where", "acquisition=MINE")
    assert done.exit_code == 0, done.output
    assert "own:mine" in done.output
    found = lab(cache)
    splits = {s: volumes(found.data("own:mine", s), context(cache)) for s in ("train", "test")}
    assert {v.name for vs in splits.values() for v in vs} <= {"scan0", "scan1", "scan2"}
    assert splits["train"] and splits["test"]
    assert all(v.distribution == "own:mine" for v in splits["test"])
    runs = found.train("unet", {"sim": Pool.parse(f"sim:{PD}"), "own": Pool.parse("own:mine")})
    scores = found.evaluate(runs, {"mine": Pool.parse("own:*")})
    assert set(scores["distribution"]) == {"own:mine"}
    assert scores.note["data"] == "simulated data, and measured data of your own (own:mine)"
    shown = found.reconstructions(runs, Pool.parse("own:mine"), 1)
    assert shown.views[0].label == "your own: mine"
    only = provenance.provenance([found.data("own:mine", "test")], context(cache))
    assert only == "measured data of your own (own:mine)"


def test_keys_belong_to_the_files_not_to_where_they_lie(cache, mine, tmp_path):
    run("data", "register", "mine", mine, "--where", "acquisition=MINE")
    before = lab(cache).data("own:mine", "test").key
    moved = shutil.copytree(mine, tmp_path / "elsewhere")
    run("data", "register", "mine", moved, "--where", "name=scan[012]")
    assert lab(cache).data("own:mine", "test").key == before
    name = volumes(lab(cache).data("own:mine", "test"), context(cache))[0].path
    with h5py.File(name, "r+") as file:
        file["kspace"][0] *= 0.5
        file["reconstruction_rss"][0] *= 0.5
    assert lab(cache).data("own:mine", "test").key != before


def test_the_only_subject_is_for_testing(cache, mine):
    run("data", "register", "one", mine, "--where", "patient=q3")
    found = lab(cache)
    assert [v.name for v in volumes(found.data("own:one", "test"), context(cache))] == ["scan3"]
    with pytest.raises(MrinbError, match=r"own:one .*: no train file of own:one, only 1 test"):
        found.data("own:one", "train")


def test_register_says_what_does_not_fit(cache, mine, tmp_path):
    for words, said in {
        ("data", "register", "a b", mine): "take up to 40 letters",
        ("data", "register", "a", tmp_path / "none"): "no such folder",
        ("data", "register", "a", mine, "--where", "acquisition"): "write key=value",
        ("data", "register", "a", mine, "--where", "colour=red"): "unknown fact of a file 'colour'",
        ("data", "register", "a", mine, "--where", "coils=9"): "no file of it fits coils=9",
    }.items():
        done = run(*words)
        assert isinstance(done.exception, MrinbError) and said in str(done.exception), words
    assert not homes.registered()
    (cache / homes.REGISTER).parent.mkdir(exist_ok=True)
    (cache / homes.REGISTER).write_text("{")
    with pytest.raises(MrinbError, match=r"own.json: damaged: remove it"):
        homes.registered()


def test_a_damaged_file_of_another_protocol_stops_nobody(cache, mine):
    run("data", "register", "mine", mine, "--where", "acquisition=MINE")
    write_scan(mine / "bad.h5", 9, acquisition="OTHER")
    spoil(mine / "bad.h5")
    assert lab(cache).data("own:mine", "test").digest
    write_scan(mine / "worse.h5", 10, acquisition="MINE")
    spoil(mine / "worse.h5")
    with pytest.raises(MrinbError, match=r"worse.h5: no 'kspace'"):
        lab(cache).data("own:mine", "test")
