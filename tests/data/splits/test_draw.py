"""Splits keep subjects together; the paper's lists say which files are missing."""

import pytest

from mrinb.data import splits
from mrinb.data.convert import CONVERTERS
from mrinb.data.splits import draw
from mrinb.errors import MrinbError

SLUGS = [c.slug for c in CONVERTERS.values()]
UNKNOWN = {"stanford_2d", "nyu", "stanford_3d_ax", "stanford_3d_cor", "stanford_3d_sag"}


def listed(slug):
    lists = splits.table(splits.SECTION7)
    names = lists.filename[lists.dataset == draw.PAPER_NAMES.get(slug, slug)]
    return [name.removesuffix(".h5") for name in names]


def test_the_lists_are_whole():
    lists = splits.table(splits.SECTION7)
    assert len(lists) == 11_589
    train = lists[lists.role == "train"]
    assert (train.stop - train.start)[~train.dataset.isin(["cc-359_sag", "stanford_2d", "nyu",
            "m4raw_gre_rot"])].sum() == 413_011  # fmt: skip
    subsets = splits.table(splits.TRAIN_SUBSETS)
    assert len(subsets) == 11_940
    assert set(subsets.seed) == set(range(5))
    assert len(splits.table(splits.TEST)) == 182
    assert len(splits.table(splits.PATHOLOGY)) == 909


@pytest.mark.parametrize("slug", SLUGS)
def test_the_papers_split_of_all_its_files(slug):
    names = listed(slug)
    split = draw.paper(slug, names)
    assert len(split.train) + len(split.test) == len(names)
    assert split.missing == split.unlisted == ()
    assert split.verified == (slug not in UNKNOWN)  # and no subject is in two parts, or it raises


def test_missing_and_unlisted_files_are_named():
    names = listed("cc-359_sag")
    split = draw.paper("cc-359_sag", [*names[1:], "e0s0_P0.7"])
    assert split.missing == (names[0],)
    assert split.unlisted == ("e0s0_P0.7",)
    with pytest.raises(MrinbError, match="did you mean"):
        draw.paper("cc359_sag", names)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_draw_is_whole_disjoint_and_near_its_shares(slug):
    names = listed(slug)
    split = draw.seeded(slug, names, seed=1)
    assert sorted(split.train + split.val + split.test) == sorted(names)
    subjects = len({draw.subject(slug, n) or n for n in names})
    if subjects > 100:
        assert 0.08 < len(split.test) / len(names) < 0.22
        assert 0.05 < len(split.val) / len(names) < 0.2
    assert draw.seeded(slug, names[::-1], seed=1) == split
    assert subjects < 60 or draw.seeded(slug, names, seed=2) != split


@pytest.mark.parametrize(
    "sisters",
    [
        ("7T_ax", "7T_cor", "7T_sag"),
        ("m4raw", "m4raw_gre"),
        ("cc-359_ax", "cc-359_sag"),
        ("stanford_3d_ax", "stanford_3d_cor", "stanford_3d_sag"),
    ],
)
def test_sister_datasets_share_one_draw(sisters):
    parts = {}
    for slug in sisters:
        split = draw.seeded(slug, listed(slug))
        for part in ("train", "val", "test"):
            for name in getattr(split, part):
                assert parts.setdefault(draw.subject(slug, name) or name, part) == part


def test_echoes_and_repetitions_are_of_one_subject():
    assert draw.subject("skm-tea", "E1_MTR_005") == draw.subject("skm-tea", "E2_MTR_005")
    assert draw.subject("m4raw", "2022061203_T103") == draw.subject("m4raw_gre", "2022061203_GRE01")
    assert draw.subject("nyu", "14b0b5bd-25f4-4e6c-aa50-5a0048a495f8") is None


def test_a_subject_in_two_parts_is_refused():
    split = draw.Split(("E1_MTR_005",), (), ("E2_MTR_005",))
    with pytest.raises(MrinbError, match=r"MTR_005 is in train .* and test"):
        draw.verified(split, lambda name: draw.subject("skm-tea", name))
    with pytest.raises(MrinbError, match="no files"):
        draw.seeded("nyu", [])
