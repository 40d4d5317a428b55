import numpy as np
import pandas as pd
import pytest

from mrinb.chapters.regularisation import experiment as regularisation
from mrinb.chapters.regularisation import figures
from mrinb.errors import MrinbError
from mrinb.figures import note_text
from mrinb.stats import claims
from mrinb.tables import noted

NOTE = {"data": "simulated data", "profile": "quick", "seeds": [], "key": "a1b2c3d4e5"}
MEANS = {
    None: (0.70, 0.50), 0.001: (0.78, 0.61), 0.01: (0.80, 0.60), 0.1: (0.75, 0.55),
}  # fmt: skip


def scores(means=MEANS, split="test", subjects=9, seed=-1):
    """Table of ``lab.regularised``: weights differ by the same on every slice, and a little."""
    random = np.random.RandomState(0)
    rows = []
    for weight, pair in means.items():
        for target, mean in zip("PQ", pair, strict=True):
            for n in range(subjects):
                value = mean + 0.01 * n + 1e-3 * random.standard_normal()
                pool = "zero-filled" if weight is None else regularisation.label(weight)
                rows.append({
                    "pool": pool, "weight": np.nan if weight is None else weight,
                    "model": "l1-wavelet", "seed": seed, "epoch": 0, "distribution": "d",
                    "split": split, "target": target, "shift": "", "volume": f"v{n}",
                    "subject": f"{target}{n}", "slice": 0, "acceleration": 4,
                    "ssim": value, "ssim_foreground": value - 0.1,
                })  # fmt: skip
    return noted(pd.DataFrame(rows), NOTE)


def test_the_grid_has_the_papers_weights():
    assert {0.01, 0.001} <= set(regularisation.grid("")) and len(regularisation.grid("")) >= 5
    assert regularisation.grid("0.1, 1e-3 0.01") == (0.001, 0.01, 0.1)


@pytest.mark.parametrize("text", ["0.1", "0, 1", "a, b", "-1 1", "inf 1", "0.1 0.1"])
def test_a_grid_that_is_none(text):
    with pytest.raises(MrinbError, match="give two or more positive numbers"):
        regularisation.grid(text)


def test_tracks():
    assert [regularisation.track(t) for t in ("single", "multi")] == ["single", "multi"]
    with pytest.raises(MrinbError, match="unknown coil 'singel'"):
        regularisation.track("singel")


def test_the_best_weight_is_each_targets_own():
    chosen = regularisation.best(scores(split="val"))
    assert chosen == {"P": 0.01, "Q": 0.001}
    assert regularisation.at_edge(chosen, (0.001, 0.01)).endswith("weight of P and that of Q.")
    assert "No chosen weight" in regularisation.at_edge(chosen, (1e-4, 0.001, 0.01, 0.1))
    weights = (1e-4, 0.001, 0.003, 0.01, 0.1)
    assert regularisation.shown_weights(weights, {"P": 0.003, "Q": 0.01}) == [
        0.001,
        0.003,
        0.01,
        0.1,
    ]


def test_the_papers_numbers_stand_beside_the_same_weights():
    names = {"P": "knee/PD-Skyra", "Q": "knee/PDFS-Aera"}
    table = regularisation.beside_paper(scores(), {"P": 0.01, "Q": 0.001}, names)
    rows = table.set_index("λ")
    assert list(rows["P, paper"])[:4] == ["", "0.788", "0.792", ""]
    assert list(rows["Q, paper"])[:4] == ["", "0.609", "0.602", ""]
    apart = rows.loc["0.01 minus 0.001"]
    assert (apart["P, paper"], apart["Q, paper"]) == ("+0.0040", "\N{MINUS SIGN}0.0070")
    means = regularisation.means(scores())
    assert apart["P, here"] == f"{means.loc[0.01, 'P'] - means.loc[0.001, 'P']:+.4f}"
    assert rows.loc["0.01", "P, here"].endswith("*") and rows.loc["0.001", "Q, here"].endswith("*")
    assert rows.loc["none (zero-filled)", "P, here"].startswith("0.7")
    others = regularisation.beside_paper(scores(), {}, {"P": "knee/PD-Aera", "Q": ""})
    assert (
        set(others["P, paper"]) == {""}
        and not others["P, here"].str.contains("*", regex=False).any()
    )


def check(table, **options):
    return claims.check("weights-differ", table, **options)


def test_without_training_no_seeds_are_asked_for():
    verdict = check(scores(), of_p="λ = 0.01", of_q="λ = 0.001")
    assert (verdict.verdict, verdict.seeds, verdict.subjects) == ("holds", 0, 9)
    assert verdict.text.endswith("no training, 9 subjects")
    assert claims.check("printed-weights-differ", scores()).verdict == "holds"
    assert claims.check("regularised-beats-zero-filled", scores()).verdict == "holds"


def test_subjects_still_count():
    verdict = check(scores(subjects=5))
    assert verdict.verdict == "underpowered"
    assert "needs 8 test subjects" in verdict.text


def test_one_weight_for_both_does_not_hold():
    verdict = check(scores(), of_p="λ = 0.01", of_q="λ = 0.01")
    assert (verdict.verdict, verdict.estimate) == ("does not hold", 0)


def test_the_wrong_way_round_does_not_hold():
    assert check(scores(), of_p="λ = 0.001", of_q="λ = 0.01").verdict == "does not hold"


def test_trained_rows_are_no_untrained_methods():
    with pytest.raises(MrinbError, match="seeds where the claim is about untrained methods"):
        check(scores(seed=0))


def test_the_figure_shows_both_targets_and_both_choices():
    table, chosen = scores(), {"P": 0.01, "Q": 0.001}
    fig = figures.weights(table, scores(split="val"), chosen, words={"P": "knees"})
    top, bottom = np.array(fig.axes).reshape(2, 2)
    assert [ax.get_title(loc="left") for ax in top] == ["P: knees", "Q"]
    heights = {round(float(np.ptp(ax.get_ylim())), 6) for ax in top}
    assert len(heights) == 1  # slopes of both can be compared
    rings = [line for line in bottom[0].lines if line.get_markersize() == 11]
    assert [(float(r.get_xdata()[0]), float(r.get_ydata()[0])) for r in rings] == [(0.01, 0.0)]
    assert note_text(fig.note).startswith("simulated data | quick profile | key")


def test_the_figures_data():
    chosen = {"P": 0.01, "Q": 0.001}
    table = figures.weights_table(scores(), chosen).set_index(["target", "weight"])
    assert len(table) == 6 and table.loc[("P", 0.01), "difference"] == 0
    row = table.loc[("P", 0.1)]
    assert row["difference"] == pytest.approx(-0.05, abs=0.002)
    assert row["difference_low"] <= row["difference"] <= row["difference_high"] < 0
    assert row["low"] < row["mean"] < row["high"]


def test_a_table_without_the_chosen_weight():
    with pytest.raises(MrinbError, match=r"no rows of weight 0.5, the one of P"):
        figures.weights(scores(), scores(), {"P": 0.5, "Q": 0.01})
    with pytest.raises(MrinbError, match="lacks column 'weight'"):
        figures.weights(scores().drop(columns="weight"), scores(), {})
