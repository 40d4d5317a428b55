"""The scoreboard says what verdicts say, to eyes, ears and keyboards."""

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
    assert links[0]["aria-label"].startswith("undecided: S. (the paper's claim, Fig. 1)")
    assert "(our control, Fig. 1)" in links[2]["aria-label"]
    assert "The paper prints +0.006." in links[3]["aria-label"]
    assert [item["data-verdict"] for item in page.all("li")] == [
        "undecided", "holds", "holds", "holds",
    ]  # fmt: skip


def test_the_paper_s_claims_stand_by_finding_before_our_controls():
    text = Page(scoreboard.board(FOUND)).text
    places = [text.index(FINDINGS["one network"]), text.index("Our controls"),
              text.index(FINDINGS["own weights"])]  # fmt: skip
    assert places == sorted(places)
    assert FINDINGS["similar data"] not in text


def test_the_picture_has_effect_interval_margin_and_the_paper_s_difference():
    found = {"A_x": [words("holds", printed=0.006)]}
    page = Page(scoreboard.board(found))
    # From -0.05 to 0.2: 0 stands at a fifth of 292 px.
    assert [c["cx"] for c in page.all("circle")] == ["74.1", "74.1"]
    assert [c["fill"] for c in page.all("circle")] == ["var(--mb)", "none"]
    assert [(r["x"], r["width"]) for r in page.all("rect")] == [("56.6", "11.6")] * 2
    paths = [p["d"] for p in page.all("path")]
    assert paths == ["M62.4 0V34", "M62.4 10H296.0", "M62.4 24H296.0", "M69.4 4l-4 -4h8z"]
    plain = Page(scoreboard.board({"A_x": [words("holds")]}))
    assert len(plain.all("path")) == 3


def test_what_lies_beyond_the_axis_stays_in_the_picture():
    wild = words("undecided")
    ranks = words("undecided", kind="ranks")
    for p in ranks["pooled"]:
        p.update(low=-0.8, high=0.8, estimate=0.7, margin=0.0)
    page = Page(scoreboard.board({"A_x": [wild, ranks]}))
    numbers = re.findall(r"M([\d.]+) \d+H([\d.]+)", str(page.all("path")))
    assert all(0 <= float(x) <= 300 for pair in numbers for x in pair)
    assert page.all("circle")[2]["cx"] == "252.2"  # 0.7 on an axis from -1 to 1
    assert not [r for r in page.all("rect")[2:]]


def test_every_verdict_has_a_mark_and_a_colour():
    assert set(scoreboard.MARKS) == set(WORST_FIRST)
    assert len(set(scoreboard.MARKS.values())) == len(WORST_FIRST)
    for word in WORST_FIRST:
        board = scoreboard.board({"A_x": [words(word)]})
        assert f'[data-verdict="{word}"]' in board
        assert f'<b aria-hidden="true">{scoreboard.MARKS[word]}</b>' in board


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
    assert 'a "quoted" <script>b</script>' in Page(text).all("a")[0]["aria-label"]
    assert make({}) == ""
