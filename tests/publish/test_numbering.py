"""Figures are numbered by chapter, in the order of the page."""

from mrinb.publish.numbering import number, numbered

CAPTION = '<figcaption class="mrinb-caption">simulated data</figcaption>'


def test_captions_are_numbered_in_order():
    made = numbered(f"<p>1</p>{CAPTION}<p>2</p>{CAPTION}", "3")
    first, second = made.split("<p>2</p>")
    assert "<b>Figure 3.1.</b> simulated data" in first
    assert "<b>Figure 3.2.</b> simulated data" in second


def test_every_chapter_counts_for_itself(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("03_one", "A_two"):
        (tmp_path / "notebooks" / f"{name}.html").write_text(CAPTION)
    number(tmp_path)
    found = [p.read_text() for p in sorted((tmp_path / "notebooks").iterdir())]
    assert ["Figure 3.1." in found[0], "Figure A.1." in found[1]] == [True, True]
