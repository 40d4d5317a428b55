import numpy as np
import pytest

from mrinb import paper
from mrinb.catalogue import DISTRIBUTIONS
from mrinb.errors import MrinbError


def cell(table, **where):
    frame = paper.printed(table)
    for column, value in where.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame["value"].iloc[0]


@pytest.mark.parametrize(
    ("table", "count"), [("Table 2", 14), ("Table 3", 168), ("Table 4", 84), ("Appendix A", 4)]
)
def test_every_cell_is_there_once(table, count):
    frame = paper.printed(table)
    assert len(frame) == count
    assert not frame.duplicated(["model", "train", "test", "metric"]).any()


@pytest.mark.parametrize(
    ("table", "half_a_digit", "slips"),
    [("Table 3", 5e-4, []), ("Table 4", 0.5, [("U-net", "fastMRI brain")])],
)
def test_means_are_the_means_of_their_rows_but_for_one_slip(table, half_a_digit, slips):
    frame = paper.printed(table)
    wide = frame.pivot(index=["model", "metric", "train"], columns="test", values="value")
    off = (wide.drop(columns="mean").mean(axis=1) - wide["mean"]).abs()
    wrong = off[off > 1.5 * half_a_digit].index
    assert [(model, train) for model, _, train in wrong] == slips


def test_differences_that_the_text_states():
    # Appendix C.1: within 0.001 of the separate models, 0.006 better than the best on 3-fold.
    for fold in ("2-fold", "4-fold", "8-fold", "16-fold"):
        joint = cell("Table 2", train="all of above", test=fold)
        assert abs(joint - cell("Table 2", train=fold, test=fold)) <= 0.001 + 1e-9
    gain = cell("Table 2", train="all of above", test="3-fold") - cell(
        "Table 2", train="2-fold", test="3-fold"
    )
    assert gain == pytest.approx(0.006)


def test_known_slip_of_table_3():
    frame = paper.printed("Table 3").query("metric == 'DISTS'")
    values = {m: frame.loc[frame["model"] == m, "value"].to_numpy() for m in ("U-net", "ViT")}
    assert len(values["ViT"]) == 28 and np.array_equal(values["ViT"], values["U-net"])


def test_appendix_a_needs_another_weight_on_each_distribution():
    best = {}
    for test in ("knee/PD-Skyra", "knee/PDFS-Aera"):
        assert test in DISTRIBUTIONS
        best[test] = max(("0.01", "0.001"), key=lambda w: cell("Appendix A", train=w, test=test))
    assert best == {"knee/PD-Skyra": "0.01", "knee/PDFS-Aera": "0.001"}


def test_unknown_table_is_named():
    with pytest.raises(MrinbError, match="did you mean Table 2"):
        paper.printed("Table 22")
