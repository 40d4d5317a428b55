import pytest

from mrinb import shifts
from mrinb.errors import MrinbError


def test_section3_follows_the_text():
    s = shifts.section3
    assert [len(x.P.distributions) for x in s] == [6, 3, 9]
    assert [len(x.Q.distributions) for x in s] == [10, 3, 7]
    for x in s:
        assert not set(x.P.distributions) & set(x.Q.distributions)


def test_choose_by_name_or_by_pools():
    assert [s.name for s in shifts.choose(shifts.section3, "all")] == [
        "anatomy",
        "contrast",
        "field",
    ]
    assert shifts.choose(shifts.section3, "field") == (shifts.section3.field,)
    (own,) = shifts.choose(shifts.section3, "all", "knee/*", "brain/T2-*")
    assert own.name == "custom"
    assert len(own.Q.distributions) == 5


def test_bad_choices_are_one_line():
    with pytest.raises(MrinbError, match="unknown shift 'contrst': did you mean contrast"):
        shifts.choose(shifts.section3, "contrst")
    with pytest.raises(MrinbError, match="P and Q are the same distributions"):
        shifts.choose(shifts.section3, "all", "knee/*", "knee/PD-* + knee/PDFS-*")
    with pytest.raises(MrinbError, match="parameter Q is empty"):
        shifts.choose(shifts.section3, "all", "knee/*")
