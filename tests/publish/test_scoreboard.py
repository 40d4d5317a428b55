"""The scoreboard says what verdicts say, to eyes, ears and keyboards."""

import html
import re
from html.parser import HTMLParser

import pytest
from verdict_words import FOUND, words

from mrinb.paper import FINDINGS
from mrinb.publish import scoreboard
from mrinb.stats.rules import WORST_FIRST


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def test_a_row_leads_to_its_verdict_and_says_its_sentence():
    page = Page(scoreboard.board(FOUND))
    links = page.all("a")
    assert [link["href"] for link in links] == [
        *["../notebooks/03_one.html#claim-c-d-0"] * 3, "../notebooks/A_three.html#claim-c-d-0",
    ]  # fmt: skip
    assert links[0]["aria-describedby"] == "said-03_one-claim-c-d-0"
    said = re.findall(
        r'class="tip" aria-hidden="true" id="([^"]+)">([^<]+)<', scoreboard.board(FOUND)
    )
    assert [place for place, _ in said] == [link["aria-describedby"] for link in links]
    assert html.unescape(said[0][1]).startswith("undecided: S. (the paper's claim, Fig. 1)")
    assert "(our control, Fig. 1)" in html.unescape(said[2][1])
    assert "The paper prints +0.006." in said[3][1]
    assert [item["data-verdict"] for item in page.all("li")] == [
        "undecided", "holds", "holds", "holds",
    ]  # fmt: skip


def test_the_paper_s_claims_stand_by_finding_before_our_controls():
    text = Page(scoreboard.board(FOUND)).text
    places = [text.index(FINDINGS["one network"]), text.index("Our controls"),
              text.index(FINDINGS["own weights"])]  # fmt: skip
    assert places == sorted(places)
    assert FINDINGS["similar data"] not in text


def _pictures(page):
    """Shapes after the ruler."""
    return [p["d"] for p in page.all("path")]


def test_the_picture_has_effect_interval_margin_and_the_paper_s_difference():
    page = Page(scoreboard.board({"A_x": [words("holds", printed=0.006)]}))
    # From -0.05 to 0.2, in square roots: zero stands at a third of 292 px.
    zero = 4 + 292 / 3
    left, right = zero - 292 / 3 * 0.1**0.5, zero + 292 / 3 * 0.1**0.5
    for rect in page.all("rect"):
        assert float(rect["x"]) == pytest.approx(left, abs=0.1)
        assert float(rect["width"]) == pytest.approx(right - left, abs=0.15)
    effect = zero + 292 / 3 * 0.2**0.5
    assert [float(c["cx"]) for c in page.all("circle")] == pytest.approx([effect] * 2, abs=0.1)
    assert [c["fill"] for c in page.all("circle")] == ["var(--mb)", "none"]
    printed = zero + 292 / 3 * 0.12**0.5
    paths = _pictures(page)
    assert paths[:5] == [
        "M101.3 0V34", "M101.3 3v14", "M101.3 10H296.0", "M101.3 17v14", "M101.3 24H296.0",
    ]  # fmt: skip
    assert paths[5] == f"M{printed:.1f} 4l-4 -4h8z"
    plain = Page(scoreboard.board({"A_x": [words("holds")]}))
    assert len(_pictures(plain)) == 5


def test_the_strong_line_is_what_the_interval_must_lie_right_of():
    page = Page(scoreboard.board({"A_x": [words("holds", kind="at least as good")]}))
    paths = _pictures(page)
    assert paths[0].startswith("M101.3 ")
    assert paths[1].startswith(f"M{page.all('rect')[0]['x']} ")


def test_what_lies_beyond_the_axis_stays_in_the_picture():
    wild = words("undecided")
    ranks = words("undecided", kind="ranks")
    ranks["pooled"] = [
        {**p, "low": -0.8, "high": 0.8, "estimate": 0.7, "margin": 0.0} for p in ranks["pooled"]
    ]
    page = Page(scoreboard.board({"A_x": [wild, ranks]}))
    numbers = re.findall(r"M([\d.]+) \d+H([\d.]+)", str(page.all("path")))
    assert len(numbers) == 4
    assert all(0 <= float(x) <= 300 for pair in numbers for x in pair)
    assert page.all("circle")[2]["cx"] == "252.2"  # 0.7 on a plain axis from -1 to 1
    assert len(page.all("rect")) == 2  # ranks have no margin


def test_every_verdict_has_a_mark_and_a_colour():
    assert set(scoreboard.MARKS) == set(WORST_FIRST)
    assert len(set(scoreboard.MARKS.values())) == len(WORST_FIRST)
    for word in WORST_FIRST:
        board = scoreboard.board({"A_x": [words(word)]})
        assert f'[data-verdict="{word}"]' in board
        assert f'<b aria-hidden="true">{scoreboard.MARKS[word]}</b>' in board


def test_rows_name_their_chapter_and_networks():
    found = {name: [words("holds")] for name in ("03_one", "A_three", "S4_more")}
    text = Page(scoreboard.board(found)).text
    for chapter in ("Chapter 3", "Appendix A", "Supplement S4"):
        assert f"holds; {chapter}, U-net" in text


def test_the_small_one_has_the_paper_s_claims_only():
    page = Page(scoreboard.small(FOUND))
    assert len(page.all("a")) == 3
    assert all("the paper's claim" in link["aria-label"] for link in page.all("a"))
    assert scoreboard.small({"A_x": [words("holds", control=True)]}) == ""


@pytest.mark.parametrize("make", [scoreboard.board, scoreboard.small])
def test_words_cannot_break_the_page_or_markdown(make):
    found = {"A_x": [words("holds", statement='a "quoted" <script>b</script>\n\nc')]}
    text = make(found)
    assert "<script" not in text and "\n" not in text
    assert 'a "quoted" <script>b</script>' in html.unescape(text)
    assert make({}) == ""
