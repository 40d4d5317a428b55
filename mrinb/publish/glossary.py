"""Terms of the glossary where they are first used on a page: linked, and explained on the spot.

The explanation is in the page, so that it is there offline; a style sheet shows it on hover and
focus, and a touch follows the link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bs4 import BeautifulSoup, NavigableString, Tag

PAGE = "book/glossary.html"
WORDS: Mapping[str, str] = {
    "Effective robustness": r"effective robustness",
    "FLAIR": r"FLAIR",
    "Foreground": r"foreground",
    "Ground truth": r"ground truth",
    "k-space": r"k-space",
    "NMSE": r"NMSE",
    "P best": r"P_best",
    "Parallel imaging": r"parallel imaging",
    "PD": r"PD-weighted|proton[- ]density",
    "PDFS": r"fat-suppressed|fat suppression|PDFS",
    "Pool": r"training pools?",
    "PSNR": r"PSNR",
    "RSS": r"RSS|root[- ]sum[- ]of[- ]squares",
    "Sensitivity map": r"sensitivity maps?",
    "Severity": r"severity",
    "Distribution shift": r"distribution shifts?",
    "SSIM": r"SSIM",
    "T1": r"T1-weighted",
    "T2": r"T2-weighted",
    "Undersampling mask": r"undersampling masks?",
    "U-net": r"U-nets?",
    "VarNet": r"VarNets?",
    "ViT": r"ViTs?",
    "Zero-filled": r"zero-filled",
}
"""By term, a pattern of the words for it that are linked; common words (*coil*, *key*) are not."""
PROSE = ("p", "li")
ELSEWHERE = (
    ".mrinb-widget",
    ".mrinb-board",
    ".mrinb-verdict",
    ".mrinb-references",
    ".citation",
    ".toc-tree",
)
"""What is no running text."""
OPAQUE = {"a", "code", "pre", "button", "figure", "table", "details", "script", "style", "summary"}
"""Elements in whose text nothing is linked."""


class Term(NamedTuple):
    """A term of the glossary.

    Attributes:
        anchor: its anchor on the glossary's page.
        meaning: its explanation as plain text.
    """

    anchor: str
    meaning: str


def terms(page: str) -> dict[str, Term]:
    """Terms of the built glossary page by name."""
    found = {}
    for name in BeautifulSoup(page, "html.parser").select("dt[id^=term-]"):
        meaning = name.find_next_sibling("dd")
        for mark in name.select("a.headerlink"):
            mark.decompose()
        if meaning is not None:
            text = " ".join(meaning.get_text(" ").split())
            text = re.sub(r" ([,.;:)\]])", r"\1", re.sub(r"([(\[]) ", r"\1", text))
            found[name.get_text().strip()] = Term(str(name["id"]), text)
    return found


def explain(html: Path) -> None:
    """Link each term at its first use on every page of the book.

    Args:
        html: folder of the pages.
    """
    if not (html / PAGE).is_file():
        return  # a book without a glossary
    known = terms((html / PAGE).read_text(encoding="utf-8"))
    for path in sorted(html.glob("*/*.html")):
        if path.parent.name in ("book", "notebooks") and path != html / PAGE:
            url = os.path.relpath(html / PAGE, path.parent)
            path.write_text(explained(path.read_text(encoding="utf-8"), known, url), "utf-8")


def explained(page: str, known: Mapping[str, Term], url: str) -> str:
    """A page with its terms linked.

    Args:
        page: HTML of the page.
        known: the terms.
        url: address of the glossary from that page.
    """
    left = {name: re.compile(rf"(?<![\w-])(?:{WORDS[name]})(?![\w-])", re.I) for name in WORDS
            if name in known}  # fmt: skip
    start, end = page.find("<article"), page.rfind("</article>")
    if start < 0 or end < 0:
        return page
    end += len("</article>")
    soup = BeautifulSoup(page[start:end], "html.parser")
    for text in list(_prose(soup)):
        _link(soup, text, left, known, url)
    return page[:start] + str(soup) + page[end:]


def _prose(soup: BeautifulSoup) -> Iterator[NavigableString]:
    """Pieces of running text, in order."""
    other = {id(part) for part in soup.select(",".join(ELSEWHERE))}
    for block in soup.find_all(PROSE):
        if any(p.name in OPAQUE or id(p) in other for p in (block, *block.parents)) or block.find(
            PROSE
        ):
            continue
        for text in block.find_all(string=True):
            inside = [parent.name for parent in text.parents]
            if not OPAQUE.intersection(inside[: inside.index(block.name)]):
                yield text


def _link(
    soup: BeautifulSoup,
    text: NavigableString,
    left: dict[str, re.Pattern[str]],
    known: Mapping[str, Term],
    url: str,
) -> None:
    """Link the first of the terms that a piece of text holds, and go on with what follows it."""
    while True:
        hits = [(m.start(), name, m) for name, p in left.items() if (m := p.search(text))]
        if not hits:
            return
        _, name, match = min(hits, key=lambda hit: hit[0])
        del left[name]
        before, after = str(text)[: match.start()], str(text)[match.end() :]
        rest = NavigableString(after)
        anchor = _anchor(soup, match[0], known[name], url)
        text.replace_with(NavigableString(before), anchor, rest)
        text = rest


def _anchor(soup: BeautifulSoup, words: str, term: Term, url: str) -> Tag:
    anchor = soup.new_tag(
        "a", attrs={"class": "mrinb-term", "href": f"{url}#{term.anchor}",
                    "aria-describedby": f"tip-{term.anchor}"},
    )  # fmt: skip
    anchor.string = words
    tip = soup.new_tag(
        "span", attrs={"class": "mrinb-tip", "role": "tooltip", "id": f"tip-{term.anchor}"}
    )
    tip.string = term.meaning
    anchor.append(tip)
    return anchor
