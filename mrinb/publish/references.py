"""The list of references, made from ``references.bib``, and the links that lead to it.

A citation is a plain Markdown link, ``[Lin and Heckel, 2024](../book/references.md#KEY)``, which
reads well in Jupyter and on the code's site, too. ``make refresh`` writes the list anew.
"""

from __future__ import annotations

import re
from pathlib import Path

from pybtex.backends.markdown import Backend
from pybtex.database import Entry, parse_file
from pybtex.style.formatting.unsrt import Style

from mrinb.publish.book import repository

BEGIN, END = "<!-- made from references.bib -->\n", "<!-- end -->\n"


def label(entry: Entry) -> str:
    """Authors and year as texts cite them, such as ``Knoll et al., 2019``."""
    names = [" ".join([*p.prelast_names, *p.last_names]) for p in entry.persons["author"]]
    names = [re.sub(r"[{}]", "", name) for name in names]
    who = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
    return f"{who}, {entry.fields['year']}"


def listed(bibliography: Path) -> str:
    """Every entry as a paragraph of Markdown with an anchor, by author and year.

    Args:
        bibliography: BibTeX file; each entry has a DOI, a number of arXiv or an address.
    """
    entries = parse_file(str(bibliography), "bibtex").entries
    labels = {key: label(entry) for key, entry in entries.items()}
    backend = Backend()
    lines = {
        # The backend escapes what needs no escape within a line.
        formatted.key: re.sub(r"\\([.()!-])", r"\1", formatted.text.render(backend))
        for formatted in Style().format_entries(entries.values())
    }
    order = sorted(labels, key=lambda key: labels[key].casefold())
    return "\n".join(f'<a id="{key}"></a>**{labels[key]}.** {lines[key]}\n' for key in order)


def written(page: str, made: str) -> str:
    """A page with the list in its place.

    Args:
        page: Markdown with both marks.
        made: the list.
    """
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the list into ``book/references.md``."""
    folder = repository() / "book"
    page = folder / "references.md"
    made = written(page.read_text(encoding="utf-8"), listed(folder / "references.bib"))
    page.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
