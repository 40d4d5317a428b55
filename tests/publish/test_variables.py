"""Every environment variable of the package is in the one table that documents them."""

import re

from places import ROOT


def test_the_table_of_variables_is_complete():
    used = {
        name
        for path in (ROOT / "mrinb").rglob("*.py")
        for name in re.findall(r"MRINB_[A-Z_]+\b", path.read_text())
    }
    page = (ROOT / "book" / "how_to_rerun.md").read_text()
    table = page[page.index("## Environment variables") :].split("\n## ")[0]
    named = {
        name
        for row in table.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"MRINB_[A-Z_]+\b", row.split("|")[1])
    }
    assert named == used
