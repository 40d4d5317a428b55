"""Figures of Section 4, by what they draw."""

import numpy as np
import pandas as pd
import pytest
from lines_data import table
from matplotlib.colors import to_hex

from mrinb.chapters.robustness import figures
from mrinb.errors import MrinbError
from mrinb.labels import ROLES
from mrinb.stats import bootstrap, lines
from mrinb.tables import noted

NOTE = {"data": "simulated data", "profile": "classroom", "seeds": [0, 1, 2], "key": "a1b2c3d4e5"}


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr(bootstrap, "REPLICATES", 100)


def scores(shifts=("anatomy", "field"), **noise):
    return noted(
        pd.concat([table(**noise).assign(shift=s) for s in shifts], ignore_index=True), NOTE
    )


def texts(fig):
    return [t.get_text() for t in fig.findobj(lambda a: hasattr(a, "get_text"))]


def marks(ax, colour):
    return [
        line for line in ax.lines
        if line.get_linestyle() == "None" and to_hex(line.get_color()) == colour
    ]  # fmt: skip


@pytest.mark.parametrize("metric", lines.METRICS)
def test_figure_5_draws_every_checkpoint_and_a_line_a_training_set(metric):
    points = lines.points(scores())
    fig = figures.effective_robustness(points, metric)
    assert len(fig.axes) == 2
    ax = fig.axes[0]
    violet = marks(ax, ROLES["P_best"])
    assert len(violet) == 5 * 2 * 3  # runs x sizes x checkpoints
    drawn = sorted((float(m.get_xdata()[0]), float(m.get_ydata()[0])) for m in violet)
    rows = points[(points["shift"] == "anatomy") & (points["training"] == "P_best")]
    expected = sorted(zip(rows[f"x_{metric}"], rows[f"y_{metric}"], strict=True))
    np.testing.assert_allclose(drawn, expected)
    assert sum(line.get_linestyle() == "-" for line in ax.lines) == 4
    assert {"a quarter of the set", "early checkpoint", "U-net", "ViT", "VarNet"} <= set(texts(fig))
    assert fig.extra == "single seed: ViT, VarNet"


def test_lines_without_spread_are_dashed():
    fig = figures.effective_robustness(lines.points(scores(("field",), spread=1e-4)))
    assert all(line.get_linestyle() != "-" for line in fig.axes[0].lines)


def test_distances_of_single_seeds_have_no_interval():
    found = lines.distances(scores(("anatomy",), own=0.01))
    fig = figures.distances(noted(found, NOTE))
    ax = fig.axes[0]
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 1.2]
    assert len(bars) == 2 * 3  # U-net and all, three quantities
    row = found[(found["model"] == "unet") & (found["metric"] == "ssim")].iloc[0]
    np.testing.assert_allclose(bars[0].get_xdata(), [row["low"], row["high"]])
    estimates = {float(line.get_xdata()[0]) for line in ax.lines if len(line.get_xdata()) == 1}
    assert float(row["estimate"]) in estimates


def test_distances_beyond_the_points_of_p_best_are_pale():
    found = lines.distances(scores(("anatomy",), own=0.01))
    assert found["inside"].all()
    assert not any("extrapolated" in t for t in texts(figures.distances(noted(found, NOTE))))
    found.loc[found["model"] == "all", "inside"] = False
    fig = figures.distances(noted(found, NOTE))
    assert any("extrapolated" in t for t in texts(fig))
    pale = [line for line in fig.axes[0].lines if line.get_color() == "#6b7682"]
    assert len(pale) == 3 * 2  # marks and intervals of three quantities


def ranked():
    rows = [
        ("contrast", name, seed, mean + 0.01 * seed, mean - 0.1, mean + 0.02, mean, i == 1, i == 0,
         0.6, 0.5)
        for i, (name, mean) in enumerate({"knee/PD-Aera": 0.7, "knee/PD-Skyra": 0.75, "P": 0.8}
                                         .items())
        for seed in (0, 1)
    ]  # fmt: skip
    columns = ["shift", "distribution", "seed", "ssim", "ssim_foreground", "val_ssim",
               "val_ssim_foreground", "by_test", "by_validation", "zero_filled_ssim",
               "zero_filled_ssim_foreground"]  # fmt: skip
    return noted(pd.DataFrame(rows, columns=columns), NOTE)


def test_the_best_single_distribution_is_named_with_its_rule():
    fig = figures.singles(ranked())
    labels = [t.get_text() for t in fig.axes[0].get_yticklabels()]
    assert [label.partition(" (")[0].strip() for label in labels] == [
        "knee PD, Aera 1.5 T", "knee PD, Skyra 3 T", "all of P",
    ]  # fmt: skip
    assert "by validation" in labels[0] and "by test" in labels[1]
    (zero,) = [line for line in fig.axes[0].lines if line.get_linestyle() == ":"]
    assert set(zero.get_xdata()) == {0.6}


def widths(gain=0.01):
    rows = [
        (width, training, target, seed, 0.7 + width / 100 + gain * (training == "P"), 0.6)
        for width in (4, 8, 16)
        for training in ("P_best", "P", "zero-filled")
        for target in ("P_best", "Q")
        for seed in ((0, 1, 2) if width < 16 else (0,))
    ]
    columns = ["channels", "training", "target", "seed", "ssim", "ssim_foreground"]
    return noted(pd.DataFrame(rows, columns=columns), NOTE)


def test_capacity_shows_the_gain_at_every_width():
    fig = figures.capacity(widths())
    gain = next(line for line in fig.axes[2].lines if len(line.get_xdata()) == 3)
    assert list(gain.get_xdata()) == [4, 8, 16]
    np.testing.assert_allclose(gain.get_ydata(), 0.01)
    assert fig.extra == "single seed: 16 channels"


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(MrinbError, match="no points with metric 'psnr'"):
        figures.effective_robustness(lines.points(scores()), "psnr")
    with pytest.raises(MrinbError, match="no distances"):
        figures.distances(pd.DataFrame())
    with pytest.raises(MrinbError, match="no scores with metric 'psnr'"):
        figures.singles(ranked(), "psnr")
    with pytest.raises(MrinbError, match="lacks column 'channels'"):
        figures.capacity(widths().drop(columns="channels"))
