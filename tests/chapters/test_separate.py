"""Section 3 and Appendix B: pools, sizes, networks, the scatter of seeds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mrinb import shifts
from mrinb.chapters.separate import experiment
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.profiles import PROFILES
from mrinb.tables import noted
from mrinb.widgets import CompareData, View

CONTRAST = shifts.section3.contrast


@pytest.fixture
def lab(tmp_path):
    context = Context(store=tmp_path / "store", cache=tmp_path / "cache")
    return Lab("B", PROFILES["classroom"], context)


def test_a_tenth_of_the_slices_of_q_is_kept_of_p(lab):
    for shift in shifts.section3:
        pools = experiment.skewed_pools(lab, shift)
        sizes = {label: lab.slices(pool) for label, pool in pools.items()}
        assert sizes["Q"] / sizes["P"] == pytest.approx(10, abs=0.2)
        assert sizes["P+Q"] == sizes["P"] + sizes["Q"]


def test_small_pools_are_a_quarter_and_the_half_is_half_of_that(lab):
    four, small = experiment.four_pools(CONTRAST), experiment.small_pools(CONTRAST)
    assert list(four) == list(small)
    for label in four:
        assert lab.slices(small[label]) == lab.slices(four[label]) / 4


def test_the_small_network_is_as_the_papers_10_to_32(lab):
    found = {
        name: experiment.small_channels(replace(lab, profile=p)) for name, p in PROFILES.items()
    }
    assert found == {"quick": 3, "classroom": 3, "paper": 10}


def test_networks_have_the_papers_numbers_of_parameters(lab):
    table = experiment.networks(lab)
    paper = table[table["profile"] == "paper"].set_index("network")["parameters"].to_dict()
    assert paper == {
        "U-net": "7,756,097", "U-net, small": "757,501", "ViT": "8,029,000",
        "VarNet": "9,340,868",
    }  # fmt: skip
    assert len(table) == 3 * 4
    assert "classroom (here)" in set(table["profile"])


def test_sizes_are_those_of_the_profile_beside_the_papers(lab):
    table = experiment.sizes(lab).set_index("distribution")
    assert len(table) == 16 + 1
    assert table.loc["the paper, each"].tolist() == ["about 2,048", "not stated", "about 128"]
    assert set(table["train"][:-1]) == {"64 of 8 subjects"}
    assert set(table["test"][:-1]) == {"32 of 4 subjects"}


def view(model):
    images = np.ones((1, 4, 4)) * len(model)
    scores = [{"ssim": 0.5, "psnr": 30.0}]
    return View(
        "knee", "test", {(model, "P"): images}, images, images,
        {(model, "P"): scores, (model, "zero-filled"): scores}, notes=[f"key of {model}"],
    )  # fmt: skip


def test_networks_come_together_in_one_comparer():
    exhibits = [CompareData({"P": "P: knees"}, [m], [view(m)]) for m in ("U-net", "ViT")]
    both = experiment.join_models(exhibits)
    both.check()
    assert both.models == ["U-net", "ViT"]
    assert set(both.views[0].images) == {("U-net", "P"), ("ViT", "P")}
    assert both.views[0].notes == ["key of U-net", "key of ViT"]
    other = replace(exhibits[1], pools={"Q": "Q"})
    with pytest.raises(MrinbError, match="same pools and test slices"):
        experiment.join_models([exhibits[0], other])


def scores(spreads, seeds=(0, 1, 2)):
    """Scores of training sets, by their number of slices, whose seeds scatter by so much."""
    rows = [
        {
            "series": "U-net", "pool_string": f"(knee/PD-*).take({size})", "train_slices": size,
            "seed": seed, "split": "test", "distribution": name, "volume": "v", "slice": i,
            "ssim": 0.9 + spread * seed + far * (name == "brain/T1-Aera"),
            "ssim_foreground": 0.8 + 2 * spread * seed,
        }
        for size, spread in spreads.items()
        for seed in seeds
        for far in (0.1 * seed,)
        for name in ("knee/PD-Skyra", "knee/PD-Aera", "brain/T1-Aera")
        for i in range(2)
    ]  # fmt: skip
    return noted(pd.DataFrame(rows), {"key": "x"})


def test_scatter_is_measured_on_what_a_network_was_trained_for_and_once():
    table = scores({10: 0.01, 20: 0.002})
    twice = noted(pd.concat([table, table]), table.note)
    found = experiment.seed_scatter(twice)
    assert found["train_slices"].tolist() == [10, 20]
    assert found["ssim"].tolist() == pytest.approx([0.01, 0.002])
    assert found["ssim_foreground"].tolist() == pytest.approx([0.02, 0.004])
    assert found["seeds"].tolist() == [3, 3]
    assert found.note == {"key": "x"}


FALLING = {10 * 2**i: 0.01 / 2**i for i in range(6)}


@pytest.mark.parametrize(
    ("spreads", "words"),
    [
        (FALLING, ["holds", "beyond this profile"]),
        ({size: 0.01 - s for size, s in FALLING.items()}, ["does not hold", "beyond this profile"]),
        ({10: 0.01, 20: 0.02, 40: 0.01, 80: 0.02}, ["undecided", "beyond this profile"]),
        (FALLING | {4000: 0.0001, 5000: 0.00005}, ["holds", "holds"]),
        (FALLING | {4000: 0.0001, 5000: 0.0011}, ["holds", "undecided"]),
        (FALLING | {4000: 0.0001, 5000: 0.0027}, ["holds", "does not hold"]),
        (FALLING | {4000: 0.0001, 5000: 0.0020}, ["holds", "undecided"]),
    ],
)
def test_verdicts_on_the_scatter(spreads, words):
    table = experiment.scatter_verdicts(experiment.seed_scatter(scores(spreads)))
    assert table["verdict"].tolist() == words
    assert f"10 to {max(spreads):,} slices" in table["found"][0]


def test_scatter_is_ranked_within_one_network():
    # The smaller network scatters more and has the larger sets: over both it would be a rise.
    wide, small = scores(FALLING), scores({1000 * s: 1.5 for s in (1, 2, 3)})
    both = pd.concat([wide, small.assign(series="small")], ignore_index=True)
    table = experiment.scatter_verdicts(experiment.seed_scatter(both))
    assert table["verdict"][0] == "holds"
    assert "U-net: rank correlation \N{MINUS SIGN}1.00" in table["found"][0]


def test_scatter_of_one_seed_is_not_judged():
    table = experiment.scatter_verdicts(experiment.seed_scatter(scores(FALLING, seeds=(0,))))
    assert table["verdict"].tolist() == ["underpowered", "beyond this profile"]


def test_learning_rates_are_compared_where_the_paper_saw_no_difference():
    rates = (1.3e-3, 1e-3, 7e-4, 4e-4)
    rows = [("flat", r, 0, 0.9 - 5 * (r == 4e-4) * 1e-2 + r, 0.8) for r in rates]
    rows += [("steep", r, 0, 0.9 + 10 * r, 0.8 + 5 * r) for r in rates]
    columns = ["series", "learning_rate", "seed", "ssim", "ssim_foreground"]
    table = experiment.flat_rates(pd.DataFrame(rows, columns=columns)).set_index("trained")
    assert table["range of 0.0007 to 0.0013"].to_dict() == {"flat": "0.0006", "steep": "0.0060"}
    assert table["on the foreground"].to_dict() == {"flat": "0.0000", "steep": "0.0030"}
    assert table.loc["steep", "best rate"] == "0.0013"
    assert table.loc["steep", "0.001 below it by"] == "0.0030"
