"""Pool algebra: values that read back from their strings."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mrinb.catalogue import DISTRIBUTIONS, EVERY, EXTRA
from mrinb.errors import MrinbError
from mrinb.pools import Part, Pool, Step

NAMES = list(EVERY)

sets = st.sets(st.sampled_from(NAMES), min_size=1)
steps = st.lists(
    st.one_of(
        st.sampled_from([Step("part", 2), Step("part", 4)]),
        st.integers(1, 5000).map(lambda n: Step("take", n)),
    ),
    max_size=3,
)


@st.composite
def pools(draw):
    """Any pool: disjoint groups of distributions, each with its steps."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    parts, at = [], 0
    while at < len(names):
        size = draw(st.integers(1, len(names) - at))
        chosen = set(names[at : at + size])
        ordered = tuple(d for d in NAMES if d in chosen)
        parts.append(Part(ordered, tuple(draw(steps))))
        at += size
    return Pool(tuple(parts))


@given(pools())
def test_both_string_forms_read_back(pool):
    assert Pool.parse(str(pool)) == pool
    assert Pool.parse(pool.expanded()) == pool
    assert hash(Pool.parse(str(pool))) == hash(pool)
    assert "*" not in pool.expanded()


@given(pools(), st.text(" \n\t", min_size=1), st.text(" \n\t"))
def test_spaces_do_not_matter_between_words(pool, some, any_or_none):
    loose = str(pool).replace(" + ", f"{some}+{any_or_none}")
    assert Pool.parse(f"{any_or_none}({some}{loose}{any_or_none}){some}") == pool


@given(pools(), pools())
def test_union_is_commutative_or_refused_both_ways(a, b):
    try:
        both = a + b
    except MrinbError:
        with pytest.raises(MrinbError):
            b + a
        return
    assert both == b + a
    assert set(both.distributions) == set(a.distributions) | set(b.distributions)


@given(sets, sets, sets)
def test_whole_pools_form_a_set_algebra(a, b, c):
    p, q, r = Pool.of(*a), Pool.of(*b), Pool.of(*c)
    assert (p + q) + r == p + (q + r)
    assert p + p == p
    assert set((p + q).distributions) == a | b
    if a - b:
        assert set((p - q).distributions) == a - b
        assert (p - q) + q == p + q
    else:
        with pytest.raises(MrinbError, match="pool is empty"):
            p - q


@given(sets, sets)
def test_difference_of_strings_is_the_difference_of_sets(a, b):
    assume(a - b)
    text = f"({' + '.join(a)}) - ({' + '.join(b)})"
    assert set(Pool.parse(text).distributions) == a - b


def test_distributions_come_in_catalogue_order_whatever_was_written():
    pool = Pool.parse("brain/T2-Skyra + knee/PD-Skyra + brain/FLAIR-Skyra")
    assert list(pool.distributions) == [d for d in NAMES if d in set(pool.distributions)]
    assert pool == Pool.parse("brain/FLAIR-Skyra + brain/T2-Skyra + knee/PD-Skyra")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("*", "*"),
        ("knee/* + brain/*", "*"),
        ("knee/PD-* + knee/PDFS-*", "knee/*"),
        ("knee/* - knee/PDFS-Aera", None),
        ("(knee/* + brain/T2-*).half()", "(knee/* + brain/T2-*).half()"),
        ("((knee/*)).take( 64 )", "(knee/*).take(64)"),
        ("knee/PD-Aera.half().half()", "(knee/PD-Aera).half().half()"),
        ("knee/*.quarter()", "(knee/*).quarter()"),
        ("brain/T2-*.take(5) + knee/PD-Aera", "knee/PD-Aera + (brain/T2-*).take(5)"),
        ("* - brain/* - knee/PD-*", "knee/PDFS-*"),
        ("knee/PD-Aera+knee/PD-Skyra", None),
    ],
)
def test_strings_people_write(text, short):
    pool = Pool.parse(text)
    assert Pool.parse(str(pool)) == pool
    if short:
        assert str(pool) == short


def test_minus_binds_from_left_to_right():
    assert set(Pool.parse("* - knee/* + knee/PD-Aera").distributions) == {
        "knee/PD-Aera",
        *(d for d in NAMES if d.startswith("brain/")),
    }
    assert Pool.parse("* - (knee/* + brain/T2-*)") == Pool.parse("* - knee/* - brain/T2-*")


def test_globs_match_nothing_else():
    assert set(Pool.of("knee/PD-*").distributions) == {f"knee/PD-{s}" for s in
                                                       ("Skyra", "Aera", "Biograph")}  # fmt: skip
    assert len(Pool.of("brain/T1*").distributions) == 4
    assert len(Pool.of("brain/T1-*").distributions) == 1


@pytest.mark.parametrize(
    "text",
    ["", "  ", "+", "knee/* +", "+ knee/*", "(knee/*", "knee/*)", "knee/* knee/*", "knee/*..half()",
     "()", "knee/*.third()", "knee/*.take()", "knee/*.take(-1)", ".half()", "knee/* - ", "(",
     "knee/*.half", "knee/*.take(1.5)"],
)  # fmt: skip
def test_what_is_no_pool_is_one_clear_line(text):
    with pytest.raises(MrinbError) as error:
        Pool.parse(text)
    assert "\n" not in str(error.value)
    assert "cannot read pool" in str(error.value) or "unknown distribution" in str(error.value)


@given(st.text(alphabet="knebrai/*PDFST2-Skyra+-(). half()take0123 \n", max_size=40))
def test_any_text_is_a_pool_or_one_clear_line(text):
    try:
        pool = Pool.parse(text)
    except MrinbError as error:
        assert "\n" not in str(error)
    else:
        assert Pool.parse(str(pool)) == pool


def test_an_unknown_distribution_names_the_nearest():
    with pytest.raises(
        MrinbError, match=r"unknown distribution or pattern 'knee/PD-Skira'.*knee/PD-Skyra"
    ):
        Pool.parse("brain/* + knee/PD-Skira")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("knee/* - knee/*", "a training pool is empty"),
        ("knee/*.take(0)", "at least one slice"),
        ("knee/* + knee/PD-Aera.half()", "holds knee/PD-Aera twice"),
        ("knee/PD-*.half() + knee/PD-Aera.take(5)", "holds knee/PD-Aera twice"),
        ("(knee/*).half() - knee/PD-Aera", "out of the subsampled pool"),
        ("(knee/*.half() + brain/*).half()", "is subsampled already"),
    ],
)
def test_pools_that_make_no_sense(text, words):
    with pytest.raises(MrinbError, match=words):
        Pool.parse(text)


def test_a_difference_may_leave_a_subsampled_part_alone():
    pool = Pool.parse("knee/*.half() + brain/*") - Pool.of("brain/T2-*")
    assert str(pool) == str(Pool.parse("brain/* - brain/T2-* + knee/*.half()"))


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_counts_of_steps(available, n):
    assert Step("take", n).count(available) == min(n, available)
    for value in (2, 4):
        assert Step("part", value).count(available) == (available + value - 1) // value


def test_methods_equal_strings():
    knees = Pool.of("knee/*")
    assert knees.half() == Pool.parse("knee/*.half()")
    assert knees.quarter() == Pool.parse("knee/*.quarter()")
    assert knees.take(7) == Pool.parse("knee/*.take(7)")
    assert len({knees, Pool.parse("knee/*"), Pool.of("knee/PD-*", "knee/PDFS-*")}) == 1


def test_a_star_means_the_papers_distributions_and_the_others_are_named():
    assert Pool.of("*").distributions == tuple(DISTRIBUTIONS)
    assert Pool.parse("*/T2-*") == Pool.parse("brain/T2-*")
    assert Pool.parse("head/*").distributions == tuple(EXTRA)
    assert str(Pool.of("*", "head/*")) == "* + head/*"
    assert Pool.parse("head/* - head/T2-*").distributions == tuple(EXTRA)[:-1]
