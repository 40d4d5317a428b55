"""Lines through points whose distance is known."""

import numpy as np
import pytest
from lines_data import HEIGHTS, MODELS, table

from mrinb.errors import MrinbError
from mrinb.stats import bootstrap, lines


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(bootstrap, "REPLICATES", 400)


def test_points_are_checkpoints():
    points = lines.points(table())
    assert len(points) == len(HEIGHTS) * 5 * 2 * 3
    assert (points["epochs"] == 6).all()
    np.testing.assert_allclose(points["x_ssim"] - points["x_ssim_foreground"], 0.1)


def test_lines_have_the_slope_and_height_of_their_points():
    found = {line.training: line for line in lines.lines(lines.points(table()))}
    for training, height in HEIGHTS.items():
        line = found[training]
        assert line.own
        assert (line.slope, line.intercept) == pytest.approx((0.5, 0.3 + height))
        assert (line.low, line.high) == pytest.approx((0.8 + 0.05 * (1 / 3 - 1), 0.85))


def test_fits_tell_how_straight_the_points_lie():
    exact = lines.fits(lines.points(table())).set_index("training")
    assert exact["r2"].tolist() == pytest.approx([1.0] * 4)
    assert exact["residual"].tolist() == pytest.approx([0.0] * 4, abs=1e-12)
    noisy = lines.fits(lines.points(table(run=0.02))).set_index("training")
    assert (noisy["r2"] < 0.9).all() and (noisy["points"] == 30).all()
    assert noisy["residual"].to_numpy() == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize("metric", lines.METRICS)
def test_distance_is_that_of_the_lines_even_where_one_set_is_ahead(metric):
    found = lines.distance(table(ahead=0.02), "P", metric=metric)
    assert (found.estimate, found.slope, found.own) == pytest.approx((0.05, 0.5, 0.05))
    assert found.inside
    assert (found.runs, found.seeds, found.subjects, found.slices) == (10, 1, 12, 24)
    assert found.low == pytest.approx(found.high)  # no noise, no width


def test_a_set_beyond_the_baseline_s_points_is_an_extrapolation():
    assert not lines.distance(table(ahead=0.2), "P").inside


def test_without_spread_the_distance_is_a_plain_difference():
    scores = table(spread=1e-4, ahead=0.02)
    found = lines.distance(scores, "P")
    assert found.slope == 0
    assert found.estimate == pytest.approx(0.05 + 0.5 * 0.02)
    assert np.isnan(found.own)
    assert not any(line.own for line in lines.lines(lines.points(scores)))


def test_one_checkpoint_of_one_run_still_has_a_distance():
    scores = table(models={"unet": (0,)})
    found = lines.distance(scores[(scores["epoch"] == 6) & (scores["size"] == "full")], "P")
    assert found.estimate == pytest.approx(0.05)
    assert found.runs == 1


def test_noise_that_all_training_sets_share_does_not_widen_the_interval():
    shared = lines.distance(table(run=0.02, models={"unet": (0, 1, 2)}), "P")
    apart = lines.distance(table(own=0.02, models={"unet": (0, 1, 2)}), "P")
    assert shared.high - shared.low < 1e-9
    assert apart.high - apart.low > 0.01


@pytest.mark.parametrize(
    "noise", [{"own": 0.01}, {"taste": 0.02}, {"own": 0.01, "taste": 0.02}],
    ids=["seeds differ", "subjects differ", "both"],
)  # fmt: skip
def test_intervals_cover_the_truth_as_often_as_they_say(noise):
    rng = np.random.default_rng(3)
    too_high = too_low = 0
    for _ in range(60):
        scores = table({"P_best": 0.0, "P": 0.05}, {"unet": (0, 1, 2)}, rng=rng, **noise)
        found = lines.distance(scores, "P")
        too_high += found.low > 0.05
        too_low += found.high < 0.05
    # 3 of 60 are expected on each side; 8 and more happen in 2 % of such tests.
    assert max(too_high, too_low) < 9


def test_both_sizes_of_a_seed_are_no_two_seeds():
    three = table(own=0.01, models={"unet": (0, 1, 2)})
    full = lines.distance(three[three["size"] == "full"], "P")
    both = lines.distance(three, "P")
    assert both.runs == 2 * full.runs
    assert both.high - both.low == pytest.approx(full.high - full.low, rel=0.15)


def test_the_same_table_has_the_same_interval():
    scores = table(own=0.01)
    first, second = (lines.distance(scores, "P") for _ in range(2))
    assert (first.low, first.high) == (second.low, second.high)


def test_distances_of_every_model_and_of_all():
    found = lines.distances(table(own=0.001))
    assert set(found["model"]) == {*MODELS, "all"}
    assert len(found) == 4 * 3 * 2
    rows = found[(found["model"] == "all") & (found["metric"] == "ssim")].set_index("quantity")
    assert rows.loc["severity", "estimate"] == pytest.approx(0.1, abs=0.005)
    assert rows.loc["effective robustness of P", "estimate"] == pytest.approx(0.05, abs=0.005)
    seeds = found.groupby("model")["seeds"].first()
    assert seeds.to_dict() == {"unet": 3, "vit": 1, "varnet": 1, "all": 1}


def test_share_of_the_severity():
    scores = table().assign(pool=lambda t: t["training"])
    scores = scores[scores["model"] == "unet"]
    found = lines.share(scores, "Q", "P+Q")
    assert (found.effect, found.severity, found.share) == pytest.approx((0.05, 0.1, 0.5))
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
    with pytest.raises(MrinbError, match=r"no rows of training set 'P\+Q2' on 'Q'"):
        lines.share(scores, "Q", "P+Q2")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t[t["training"] != "P"], "no runs of training set 'P', only 'P_best'"),
        (lambda t: t[(t["training"] == "P") == (t["size"] == "full")], "share no model, size"),
        (lambda t: t.drop(t.index[0]), "different slices"),
        (lambda t: t[(t["target"] == "Q") | (t["epoch"] > 2)], "evaluate it on both"),
    ],
)
def test_tables_that_cannot_be_compared_say_why(spoil, message):
    with pytest.raises(MrinbError, match=message):
        lines.distance(spoil(table()), "P")


def test_points_need_both_test_sets():
    scores = table()
    with pytest.raises(MrinbError, match="no scores on target 'Q'"):
        lines.points(scores[scores["target"] == "P_best"])
    with pytest.raises(MrinbError, match="lacks column 'training'"):
        lines.points(scores.drop(columns="training"))


def test_points_of_other_metrics_are_theirs():
    scores = table().assign(ssim_matched=lambda t: t["ssim"] + 0.03)
    points = lines.points(scores, ("ssim_matched",))
    plain = lines.points(scores)
    np.testing.assert_allclose(points["y_ssim_matched"], plain["y_ssim"] + 0.03)
    assert "x_ssim" not in points
    with pytest.raises(MrinbError, match="lacks column 'ssim_foreground_matched'"):
        lines.points(scores, ("ssim_foreground_matched",))
