"""Volumes: specs of what there is, the files behind a spec, and a run's slices."""

from dataclasses import replace

import pytest
import torch
from synthetic import write

from mrinb import profiles
from mrinb.catalogue import DISTRIBUTIONS
from mrinb.compute.context import Context
from mrinb.data import volumes
from mrinb.data.slices import Slices, zero_filled
from mrinb.data.volumes import Volume
from mrinb.errors import MrinbError
from mrinb.pools import Pool
from mrinb.specs import DataSpec, ModelSpec, SimulatorSpec, TrainSpec

SHAPE, RECON = (5, 1, 8, 6), (4, 4)
TINY = profiles.PROFILES["quick"]._replace(size=16, coils=2, subjects=(2, 1, 1), slices=2)


@pytest.fixture
def context(tmp_path):
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


@pytest.fixture
def real(tmp_path, context):
    root = tmp_path / "root"
    for place, (split, count) in enumerate((("train", 8), ("val", 2), ("test", 3))):
        for n in range(count):
            path = root / split / f"file_{split}{n}.h5"
            write(path, SHAPE, RECON, seed=10 * place + n)
    return replace(context, data_root=root)


def fake(distribution, count, slices=7):
    shape = (slices, 1, 8, 6)
    return tuple(
        Volume(None, f"file{n}", f"p{n}", distribution, slices, shape, RECON, 1.0, (0, 6))
        for n in range(count)
    )


def run(pool, seed=0):
    text = pool if isinstance(pool, str) else pool.expanded()
    return TrainSpec(pool=text, data=(), model=ModelSpec(name="unet"), epochs=1, seed=seed)


def test_simulated_spec_follows_the_profile(context):
    for name in ("quick", "classroom"):
        profile = profiles.profile(name)
        for position, split in enumerate(("train", "val", "test")):
            spec = volumes.data_spec("brain/T2-Skyra", split, profile, context, seed=3)
            assert spec.simulator.subjects == profile.subjects[position]
            assert (spec.simulator.size, spec.simulator.coils) == (profile.size, profile.coils)
            assert (spec.simulator.slices, spec.simulator.seed) == (profile.slices, 3)
            assert (spec.limit, spec.digest, spec.simulated) == (None, None, True)


def test_versions_are_only_those_behind_the_distribution(context):
    profile = profiles.profile("quick")
    found = {
        name: dict(volumes.data_spec(name, "train", profile, context).simulator.versions)
        for name in ("knee/PD-Aera", "brain/T2-Skyra", "brain/T2-Prisma")
    }
    assert set(found["knee/PD-Aera"]) == {"acquire", "knee", "PD", "Aera"}
    assert set(found["brain/T2-Skyra"]) == {"acquire", "brain", "T2", "Skyra"}
    assert set(found["brain/T2-Prisma"]) == {"acquire", "brain", "T2", "Prisma"}


def test_paper_profile_needs_real_files(context):
    with pytest.raises(MrinbError, match="profile 'paper' needs fastMRI files: give data_root"):
        volumes.data_spec("knee/PD-Skyra", "train", profiles.profile("paper"), context)


def test_unknown_names(context):
    profile = profiles.profile("quick")
    with pytest.raises(MrinbError, match=r"unknown distribution 'knee/PD-Skira'.*knee/PD-Skyra"):
        volumes.data_spec("knee/PD-Skira", "train", profile, context)
    with pytest.raises(MrinbError, match="unknown split 'trian': did you mean train"):
        volumes.data_spec("knee/PD-Skyra", "trian", profile, context)


def test_real_spec_holds_digest_and_limit_and_no_path(real):
    paper = profiles.profile("paper")
    spec = volumes.data_spec("knee/PD-Skyra", "train", paper, real)
    assert (spec.limit, spec.simulator) == (2048, None)
    assert volumes.data_spec("knee/PD-Skyra", "test", paper, real).limit == 128
    assert str(real.data_root) not in spec.canonical()
    assert len(volumes.volumes(spec, real)) == 8
    classroom = volumes.data_spec("knee/PD-Skyra", "train", profiles.profile("classroom"), real)
    assert (classroom.limit, classroom.digest) == (64, spec.digest)


def test_half_a_folder_is_not_taken_for_a_whole_one(real):
    spec = volumes.data_spec("knee/PD-Skyra", "train", profiles.profile("paper"), real)
    (real.data_root / "train" / "file_train0.h5").unlink()
    with pytest.raises(MrinbError, match="the train files of knee/PD-Skyra are not those"):
        volumes.volumes(spec, real)
    assert volumes.data_spec("knee/PD-Skyra", "train", profiles.profile("paper"), real) != spec


def test_results_of_real_files_ask_for_them(context):
    spec = DataSpec(distribution="knee/PD-Skyra", split="train", digest="0" * 20, limit=5)
    with pytest.raises(MrinbError, match="these results are of real files: give their data_root"):
        volumes.volumes(spec, context)


def test_a_limit_keeps_whole_volumes_and_cuts_the_last(real):
    paper = profiles.profile("paper")

    def found(limit):
        spec = volumes.data_spec("knee/PD-Skyra", "train", paper._replace(train_slices=limit), real)
        return volumes.volumes(spec, real)

    assert [v.slices for v in found(12)] == [5, 5, 2]
    assert [v.slices for v in found(10)] == [5, 5]
    assert [v.name for v in found(12)][:2] == [v.name for v in found(10)]
    assert sum(v.slices for v in found(999)) == 40
    assert [v.name for v in found(10)] != sorted(v.name for v in found(999))[:2]


def test_simulated_volumes_are_generated_once_and_are_what_the_spec_says(context):
    specs = [volumes.data_spec("brain/T1-Aera", s, TINY, context) for s in ("train", "test")]
    for spec in specs:
        for path in volumes.files_of(spec, context):
            volumes.make_file(spec, path, context)
    train, test = (volumes.volumes(s, context) for s in specs)
    assert [len(train), len(test)] == [2, 1]
    assert not {v.subject for v in train} & {v.subject for v in test}
    for volume in (*train, *test):
        assert volume.path.is_relative_to(context.cache / "data")
        assert (volume.slices, volume.distribution) == (2, "brain/T1-Aera")
        assert (volume.kspace_shape, volume.recon_shape) == ((2, 2, 32, 16), (16, 16))
        assert volume.max_value > 0
    for item in Slices([(v, 1) for v in train], context):
        every = torch.ones(item.hybrid.shape[-1], dtype=torch.bool)
        image = zero_filled(item.hybrid, every, item.target.shape[-1])
        assert (image - item.target).abs().max() <= 1e-5 * item.target.max()
    stamps = [v.path.stat().st_mtime_ns for v in train]
    train[1].path.unlink()
    again = volumes.volumes(specs[0], context)
    assert [v[1:] for v in again] == [v[1:] for v in train]
    assert again[0].path.stat().st_mtime_ns == stamps[0]
    assert again[1].path.stat().st_mtime_ns != stamps[1]


def test_a_spec_of_another_simulator_version_is_not_served(context):
    simulator = SimulatorSpec(
        size=16, coils=2, subjects=1, slices=2, versions=(("acquire", 10**6),)
    )
    spec = DataSpec(distribution="knee/PD-Aera", split="train", simulator=simulator)
    (path,) = volumes.files_of(spec, context)
    for call in (
        lambda: volumes.volumes(spec, context),
        lambda: volumes.make_file(spec, path, context),
    ):
        with pytest.raises(MrinbError, match="another version of the simulator"):
            call()
    assert not (context.cache / "data").exists()


def test_a_whole_pool_is_all_slices_of_its_distributions():
    pool = Pool.of("knee/PD-*")
    available = {d: fake(d, 3) for d in DISTRIBUTIONS}
    items = volumes.select(run(pool), available)
    assert len(items) == len(set(items)) == 3 * 3 * 7
    assert {v.distribution for v, _ in items} == set(pool.distributions)


@pytest.mark.parametrize("count", [1, 2, 20, 41, 10_000])
def test_take_is_exact_volume_wise_and_nested(count):
    pool = Pool.of("knee/*")
    available = {d: fake(d, 3) for d in DISTRIBUTIONS}
    items = volumes.select(run(pool.take(count)), available)
    assert len(items) == len(set(items)) == min(count, 6 * 3 * 7)
    volumes_used = {v for v, _ in items}
    assert len(volumes_used) == -(-len(items) // 7)
    more = volumes.select(run(pool.take(count + 9)), available)
    assert more[: len(items)] == items


def test_half_and_quarter_are_nested_rounded_up_and_seeded():
    available = {d: fake(d, 3) for d in DISTRIBUTIONS}
    pool = Pool.of("knee/*") + Pool.of("brain/T2-*")
    total = 11 * 3 * 7
    half = volumes.select(run(pool.half()), available)
    quarter = volumes.select(run(pool.quarter()), available)
    assert (len(half), len(quarter)) == (-(-total // 2), -(-total // 4))
    assert half[: len(quarter)] == quarter
    assert volumes.select(run(pool.half().half()), available) == half[: -(-len(half) // 2)]
    assert volumes.select(run(pool.half()), available) == half
    assert volumes.select(run(pool.half(), seed=1), available) != half
    assert {v.distribution.split("/")[0] for v, _ in half} == {"knee", "brain"}


def test_order_does_not_depend_on_the_order_found():
    pool = Pool.of("knee/*").half()
    found = {d: fake(d, 3) for d in DISTRIBUTIONS}
    other = {d: tuple(reversed(v)) for d, v in reversed(found.items())}
    assert volumes.select(run(pool), found) == volumes.select(run(pool), other)


def test_parts_are_subsampled_apart():
    available = {d: fake(d, 4, slices=5) for d in DISTRIBUTIONS}
    items = volumes.select(run("knee/PD-Skyra + (brain/T1-Aera).take(3)"), available)
    assert sum(v.distribution == "knee/PD-Skyra" for v, _ in items) == 20
    assert sum(v.distribution == "brain/T1-Aera" for v, _ in items) == 3
    assert len({v for v, _ in items if v.distribution == "brain/T1-Aera"}) == 1


def test_slices_cut_from_a_volume_by_a_limit_stay_out():
    volume = fake("knee/PD-Skyra", 1)[0]._replace(slices=2)
    items = volumes.select(run("knee/PD-Skyra"), {"knee/PD-Skyra": [volume]})
    assert [i for _, i in items] == [0, 1]


def test_a_distribution_without_volumes_is_named():
    with pytest.raises(MrinbError, match="no training volumes of knee/PD-Aera"):
        volumes.select(run("knee/PD-*"), {"knee/PD-Skyra": fake("knee/PD-Skyra", 1)})
