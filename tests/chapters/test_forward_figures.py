from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from fold_scores import TESTS, TRAINED, mean, scores

from mrinb.chapters.forward import figures
from mrinb.errors import MrinbError
from mrinb.tables import joined


class Cells(HTMLParser):
    """Text of every cell of a table, by row."""

    def __init__(self, source):
        super().__init__()
        self.rows, self.inside, self.bold = [], False, []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.inside = True
        if tag == "strong":
            self.bold.append((len(self.rows) - 1, len(self.rows[-1]) - 1))

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += f" {data}"


def test_table_2_has_means_spreads_and_the_paper_s_numbers_where_it_prints_them():
    cells = Cells(figures.table2(scores()).source)
    head, *rows = cells.rows
    assert [h.split()[0] for h in head[1:]] == list(TESTS)
    assert "effective 1.72" in head[1]
    assert [r[0].strip() for r in rows] == [*TRAINED, "zero-filled"]
    joint = rows[4]
    assert joint[1].split() == ["0.912", "\N{PLUS-MINUS SIGN}", "0.004", "paper", "0.944"]
    assert rows[0][2].split() == ["0.940", "\N{PLUS-MINUS SIGN}", "0.000"]  # not in the paper
    assert rows[0][5].split()[-2:] == ["paper", "0.906"]
    assert rows[-1][1].split() == ["0.600"]  # nothing was trained: no spread
    assert cells.bold == [(1, 1), (2, 2), (3, 3), (4, 4), (6, 5)]


def test_l1_wavelet_stands_below_the_networks():
    table = scores()
    rows = table[table["pool"] == "zero-filled"].assign(pool="l1-wavelet", model="l1-wavelet")
    both = joined([table, rows.assign(ssim=0.7)])
    names = [r[0].strip() for r in Cells(figures.table2(both).source).rows[1:]]
    assert names == [*TRAINED, "zero-filled", "l1-wavelet"]
    left, right = figures.folds(both).axes
    lines = {c.get_label(): c[0] for c in left.containers}
    assert set(lines["l1-wavelet"].get_ydata()) == {0.7}
    assert "l1-wavelet" not in {c.get_label() for c in right.containers}


def test_a_single_seed_has_no_spread():
    page = figures.table2(scores(seeds=(0,))).source
    assert "\N{PLUS-MINUS SIGN}" not in page


def test_folds_are_drawn_against_acceleration_and_against_the_network_of_each():
    fig = figures.folds(scores())
    left, right = fig.axes
    lines = {c.get_label(): c[0] for c in left.containers}
    assert list(lines["8-fold"].get_xdata()) == sorted(lines["8-fold"].get_xdata())
    order = ["2-fold", "3-fold", "4-fold", "8-fold", "16-fold"]
    assert lines["8-fold"].get_ydata() == pytest.approx([mean("8-fold", t) for t in order])
    apart = {c.get_label(): c[0].get_ydata() for c in right.containers}
    assert set(apart) == set(TRAINED)
    assert apart["8-fold"][3] == 0
    wanted = [mean("2-fold", t) - mean(t, t) for t in order]
    assert apart["2-fold"] == pytest.approx(wanted)
    # The spread is that of differences of equal seed.
    bars = right.containers[4][2][0].get_segments()
    assert bars[0][1][1] - bars[0][0][1] == pytest.approx(2 * 2 * 0.002)


def test_kept_lines_count_the_masks_at_full_size_as_well():
    lines = pd.DataFrame(
        {"volume": ["a", "b"], "acceleration": 4, "acquired": [96, 90], "low": 8,
         "kept": [30, 28], "effective": [3.2, 90 / 28]}
    )  # fmt: skip
    row = figures.kept_lines(lines).iloc[0]
    assert row["nominal"] == "4-fold" and row["kept"] == "28 to 30"
    assert row["kept of 368"] == "113 to 114" and row["effective at 368"] == "3.24"


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (lambda: scores().drop(columns="ssim"), "lacks metric 'ssim'"),
        (lambda: scores().assign(target="P"), "mixes accelerations"),
        (lambda: pd.concat([scores(), scores(model="vit")]), "of one model, this table has unet"),
    ],
)
def test_what_is_not_table_2_is_said_in_one_line(table, says):
    with pytest.raises(MrinbError, match=says):
        figures.table2(table())


def test_zero_filled_is_drawn_without_a_difference():
    table = figures.folds_table(scores())
    zero = table[table["pool"] == "zero-filled"]
    assert len(zero) == 5 and np.isnan(zero["sd"]).all() and np.isnan(zero["paper"]).all()
