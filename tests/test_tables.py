"""Tables keep their note where rows and columns change, and never lose it in silence."""

import pickle

import pandas as pd
import pytest

from mrinb import figures
from mrinb.compute.used import digest
from mrinb.errors import MrinbError
from mrinb.tables import Table, joined, note_of, noted

NOTE = {"data": "simulated data", "profile": "quick", "seeds": [0], "key": "a"}
FRAME = pd.DataFrame({"pool": ["P", "Q", "P"], "ssim": [0.9, 0.8, 0.7]})


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[t["pool"] == "P"],
        lambda t: t.loc[:, ["pool", "ssim"]],
        lambda t: t.assign(model="unet"),
        lambda t: t.rename(columns={"ssim": "score"}),
        lambda t: t.sort_values("ssim").reset_index(drop=True),
        lambda t: t.drop_duplicates("pool"),
        lambda t: next(part for _, part in t.groupby("pool")),
        lambda t: t.query("pool == 'P'"),
        lambda t: t.copy(),
        lambda t: pickle.loads(pickle.dumps(t)),
    ],
)
def test_what_comes_from_one_table_keeps_its_note(change):
    assert note_of(change(noted(FRAME, NOTE))) == NOTE


def test_a_note_is_neither_a_column_nor_the_frames_that_it_was_given_to():
    frame = FRAME.assign(note="text")
    assert note_of(frame) is None
    table = noted(frame, NOTE)
    assert note_of(table) == table.note == NOTE
    assert table["note"].tolist() == ["text"] * 3
    assert note_of(Table(FRAME)) is None and note_of(FRAME) is None


def test_joined_tables_have_a_key_made_from_all():
    table = joined(noted(FRAME, {**NOTE, "key": key}) for key in "ab")
    assert table["ssim"].tolist() == [0.9, 0.8, 0.7] * 2
    assert table.note == {**NOTE, "key": digest(["a", "b"])}


@pytest.mark.parametrize("tables", [[], [noted(FRAME, NOTE), FRAME], [noted(FRAME, None)]])
def test_tables_without_a_note_are_not_joined(tables):
    with pytest.raises(MrinbError, match="a table has no note"):
        joined(tables)


@pytest.mark.parametrize(
    "together",
    [
        lambda t: pd.concat([t, t]),
        lambda t: t.join(pd.DataFrame({"seed": [0, 1, 2]})),
        lambda t: t.merge(pd.DataFrame({"pool": ["P"], "seed": [0]}), on="pool"),
    ],
)
def test_what_is_put_together_has_no_note_that_would_be_half_true(together):
    assert note_of(together(noted(FRAME, NOTE))) is None


def test_concatenation_loses_a_note_and_no_figure_is_shown_without():
    history = pd.DataFrame({"pool": "P", "seed": 0, "epoch": [1, 2], "step": [4, 8], "loss": 0.1})
    table = noted(history, NOTE)
    assert "key a" in str(figures.show(figures.history(table), alt="losses"))
    fig = figures.history(pd.concat([table, table]))
    with pytest.raises(MrinbError, match="no note"):
        figures.show(fig, alt="losses")
