"""Published networks: what is in them, how they are made, what they say of themselves."""

import pytest
import torch
from safetensors import safe_open
from tiny import TINY
from typer.testing import CliRunner

from mrinb import cli, weights
from mrinb.catalogue import distribution
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.pools import Pool
from mrinb.profiles import Network
from mrinb.recon.training import VERSION
from mrinb.simulate import acquire
from mrinb.weights import training

SMALL = TINY._replace(
    networks={
        "unet": Network((("channels", 2), ("pools", 2)), 1, 1),
        "varnet": Network(
            (
                ("cascades", 1), ("channels", 2), ("oversampling", 0), ("pools", 2),
                ("sens_channels", 2), ("sens_pools", 2),
            ), 1, 1,
        ),
    },
)  # fmt: skip


def test_all_are_here_half_floats_and_small():
    files = [weights.path(name) for name in weights.NETWORKS]
    assert all(file.is_file() for file in files)
    assert sum(file.stat().st_size for file in files) < 10e6
    for file in files:
        with safe_open(file, "pt") as found:
            assert {found.get_tensor(key).dtype for key in found.keys()} == {torch.float16}  # noqa: SIM118


@pytest.mark.parametrize("name", weights.NETWORKS)
def test_each_has_a_card_that_is_true(name):
    about, network = weights.about(name), weights.find(name)
    text = weights.path(name).with_suffix(".md").read_text()
    assert network.name in text and f"Licence**: {weights.LICENCE}" in text
    assert about.train.pool == Pool.parse(network.distributions).expanded()
    assert about.size >= 192 and all(d.simulated for d in about.train.data)
    for split in about.train.data:
        assert split.distribution in text
    for target, found in about.scores.items():
        assert f"| {target} | {found['network']:.3f} | {found['zero-filled']:.3f} |" in text
        own = target.startswith(network.pool) or network.pool == "all"
        assert found["network"] > found["zero-filled"] or not own
    assert about.train.version == VERSION


def test_loading():
    network = weights.load("unet-knees")
    assert not network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    with pytest.raises(MrinbError, match="unknown published network 'unet-feet'"):
        weights.load("unet-feet")


def test_damaged_weights_are_named(tmp_path):
    (tmp_path / "unet-all.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(MrinbError, match=r"cannot read the weights .*unet-all.safetensors"):
        weights.load("unet-all", tmp_path)
    with pytest.raises(MrinbError, match="cannot read the weights"):
        weights.about("unet-brains", tmp_path)


def test_pools_by_name():
    assert {n.name for n in weights.of_pools("knees, brains")} == {"unet-knees", "unet-brains"}
    assert len(weights.of_pools("")) == len(weights.NETWORKS)


def test_training_goes_through_the_store_and_comes_out_the_same(tmp_path, monkeypatch):
    tested = {"knees": Pool.parse("knee/PD-Skyra")}
    monkeypatch.setattr(training, "TESTED_ON", tested)
    narrow = weights.NETWORKS["unet-knees"]._replace(distributions="knee/PD-Skyra", epochs=1)
    small = weights.NETWORKS["varnet-all"]._replace(distributions="knee/PD-Skyra", epochs=1)
    monkeypatch.setattr(training, "NETWORKS", {"unet-knees": narrow, "varnet-all": small})
    context = Context(store=tmp_path / "results", cache=tmp_path / "cache")
    made = training.train(["unet-knees", "varnet-all"], context, tmp_path / "out", SMALL)
    assert [file.name for file in made] == ["unet-knees.safetensors", "varnet-all.safetensors"]
    about = weights.about("unet-knees", tmp_path / "out")
    versions = acquire.versions(distribution("knee/PD-Skyra"), "multi")
    assert about.train.data[0].simulator.versions == versions
    assert set(about.scores) == {"knees"}
    loaded = weights.load("unet-knees", tmp_path / "out")
    weights.load("varnet-all", tmp_path / "out")
    stored = next((tmp_path / "results").rglob("epoch-01.safetensors"))
    assert stored.is_file() and sum(p.numel() for p in loaded.parameters()) > 0
    before = {file: file.read_bytes() for file in made}
    again = training.train(["unet-knees", "varnet-all"], context, tmp_path / "out", SMALL)
    assert {file: file.read_bytes() for file in again} == before


def test_the_command_lists_them():
    done = CliRunner().invoke(cli.app, ["weights", "ls"])
    assert done.exit_code == 0
    for name in weights.NETWORKS:
        about = weights.about(name)
        assert f"{name}: {weights.find(name).label}, {about.slices} simulated slices" in done.output
    done = CliRunner().invoke(cli.app, ["weights", "train", "unet-feet"])
    assert "unknown published network 'unet-feet'" in str(done.exception)
