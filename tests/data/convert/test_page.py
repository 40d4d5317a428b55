"""The page on other datasets names what there is."""

from places import ROOT

from mrinb.data.convert import CONVERTERS, named
from mrinb.data.convert.places import PLACES


def test_the_page_has_every_dataset_and_what_as_paper_changes():
    page = (ROOT / "book" / "datasets.md").read_text(encoding="utf-8")
    for converter in CONVERTERS.values():
        assert f"`{converter.slug}`" in page
    changed = page.partition("with `--as-paper` |")[2]
    for converter in CONVERTERS.values():
        names = {f"`{converter.slug}`", f"`{converter.family}`"}
        assert any(name in changed for name in names) == bool(converter.as_paper), converter.slug


def test_scales_are_those_of_the_page():
    page = (ROOT / "book" / "datasets.md").read_text(encoding="utf-8")
    for converter in CONVERTERS.values():
        if converter.scale != 1:
            assert f"{converter.scale:.0e}".replace("e-0", "e-") in page


def test_a_family_shares_a_reader_and_a_scale():
    for name in PLACES:
        if name != "fastmri-plus":
            found = named(name)
            assert len({(c.module, c.files, c.scale) for c in found}) == 1
