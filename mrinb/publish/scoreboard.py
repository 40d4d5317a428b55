"""The scoreboard: every claim's mean effect beside its margin, as a picture that needs no kernel.

It is HTML with small SVG pictures, so that it can be read aloud, tabbed through and set in a narrow
column; what a row says on hover or focus stands in its label, too.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from math import copysign, sqrt
from typing import Any, NamedTuple

from mrinb.paper import FINDINGS

MARKS = {
    "holds": "\N{CHECK MARK}",
    "does not hold": "\N{BALLOT X}",
    "undecided": "?",
    "underpowered": "\N{HORIZONTAL ELLIPSIS}",
    "depends on background": "\N{PLUS-MINUS SIGN}",
}
"""A mark for each verdict, so that colour is not alone."""

_WIDTH, _HEIGHT = 300, 34
_LINES = (10, 24)
"""Where the two scores stand, from the top."""

_STYLE = """<style>
.mrinb-board{--mb-holds:#1a7f5a;--mb-not:#b3261e;--mb-open:#806500;--mb-few:#5a6472;margin:1rem 0}
html[data-theme="dark"] .mrinb-board{--mb-holds:#5fd0a0;--mb-not:#ff8f85;--mb-open:#e5c158;
--mb-few:#aab4c0}
.mrinb-board h3{font-size:1rem;margin:1.1rem 0 .2rem}
.mrinb-board ul{list-style:none;margin:0;padding:0}
.mrinb-board li{margin:0;position:relative}
.mrinb-board a{align-items:center;border-top:1px solid var(--mrinb-rule,#d8dedd);color:inherit;
display:grid;gap:.1rem .6rem;grid-template-columns:1.4rem minmax(0,1fr) minmax(0,19rem);
padding:.2rem .1rem;text-decoration:none}
.mrinb-board a:is(:hover,:focus-visible){background:var(--mrinb-soft,#f3f6f5)}
.mrinb-board a:focus-visible{outline:2px solid currentColor;outline-offset:-2px}
.mrinb-board b{color:var(--mb);font-size:1.1rem;text-align:center}
.mrinb-board small{color:var(--mrinb-muted,#51605f);display:block}
.mrinb-board svg{height:auto;width:100%}
.mrinb-board .tip{background:var(--pst-color-surface,#fff);border:1px solid var(--mb);display:none;
font-size:.88rem;left:0;max-width:36rem;padding:.4rem .6rem;pointer-events:none;position:absolute;
right:0;text-align:left;top:100%;z-index:5}
.mrinb-board a:is(:hover,:focus-visible) .tip{display:block}
.mrinb-board [data-verdict="holds"]{--mb:var(--mb-holds)}
.mrinb-board [data-verdict="does not hold"]{--mb:var(--mb-not)}
.mrinb-board [data-verdict="undecided"]{--mb:var(--mb-open)}
.mrinb-board [data-verdict="depends on background"]{--mb:var(--mb-open)}
.mrinb-board [data-verdict="underpowered"]{--mb:var(--mb-few)}
.mrinb-board .ruler{margin-left:auto;max-width:19rem}
.mrinb-board .mrinb-tiles{display:flex;flex-wrap:wrap;gap:.3rem}
.mrinb-board .mrinb-tiles a{border:1px solid var(--mb);display:block;min-width:2.2rem;
padding:.1rem .4rem;text-align:center}
.mrinb-tiles .tip{top:auto}
.mrinb-tiles li{position:static}
@media (max-width:34rem){.mrinb-board a{grid-template-columns:1.4rem minmax(0,1fr)}
.mrinb-board a svg{grid-column:1/-1}.mrinb-board .ruler{max-width:none}}
@media print{.mrinb-board .tip{display:none!important}}
</style>"""


class _Axis(NamedTuple):
    """An axis that everything on it fits; square roots spread what lies close to zero."""

    low: float
    high: float
    rooted: bool = True

    def x(self, value: float) -> float:
        """Where a value stands, kept within the picture."""
        low, high, at = (self._scaled(v) for v in (self.low, self.high, value))
        share = (at - low) / (high - low)
        return round(4 + (_WIDTH - 8) * min(max(share, 0.0), 1.0), 1)

    def _scaled(self, value: float) -> float:
        return copysign(sqrt(abs(value)), value) if self.rooted else value

    @property
    def ticks(self) -> list[float]:
        """Round numbers on it."""
        numbers = (-0.1, -0.01, 0.0, 0.01, 0.1)
        return [n for n in numbers if self.low <= n <= self.high]


_RANKS = _Axis(-1.0, 1.0, rooted=False)


def board(verdicts: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One row a verdict, the paper's claims by finding and then our controls.

    Args:
        verdicts: by chapter's name, ``claims.Verdict.words`` of each verdict.

    Returns:
        HTML without blank lines, as Markdown needs it.
    """
    rows = [(chapter, words) for chapter, found in verdicts.items() for words in found]
    if not rows:
        return ""
    axis = _axis([words for _, words in rows])
    parts = [_legend(axis)]
    for finding, sentence in FINDINGS.items():
        for control, heading in ((False, sentence), (True, "Our controls")):
            found = [r for r in rows if (r[1]["finding"], r[1]["control"]) == (finding, control)]
            if found:
                lines = "".join(_row(chapter, words, axis) for chapter, words in found)
                parts.append(f"<h3>{html.escape(heading)}</h3><ul>{lines}</ul>")
    return f'{_STYLE}<div class="mrinb-board">{"".join(parts)}</div>'.replace("\n", "")


def small(verdicts: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The verdicts on the paper's claims as one mark each, by finding.

    Args:
        verdicts: as for ``board``.
    """
    rows = [(c, w) for c, found in verdicts.items() for w in found if not w["control"]]
    if not rows:
        return ""
    parts = [f"<p><small>{_marks()}.</small></p>"]
    for finding, sentence in FINDINGS.items():
        found = [row for row in rows if row[1]["finding"] == finding]
        if found:
            tiles = "".join(_tile(chapter, words) for chapter, words in found)
            parts.append(f'<h3>{html.escape(sentence)}</h3><ul class="mrinb-tiles">{tiles}</ul>')
    return f'{_STYLE}<div class="mrinb-board">{"".join(parts)}</div>'.replace("\n", "")


def _axis(rows: Sequence[Mapping[str, Any]]) -> _Axis:
    """From the lowest to the highest bound of a difference, in steps of 0.05."""
    values = [
        value
        for words in rows if words["kind"] != "ranks"
        for p in words["pooled"]
        for value in (p["low"], p["high"], -p["margin"], p["margin"])
    ]  # fmt: skip
    step = 0.05
    low, high = min([*values, -step]), max([*values, step])
    return _Axis(-step * -(low // step), -step * (-high // step))


def _marks() -> str:
    reasons = {"underpowered": "too few seeds or subjects"}
    return ", ".join(f"{mark} {reasons.get(word, word)}" for word, mark in MARKS.items())


def _legend(axis: _Axis) -> str:
    return (
        f"<p><small>{_marks()}. Dots are mean differences over a claim's parts with "
        "90 % intervals: above on SSIM, below (hollow) on foreground SSIM. An interval right of "
        "the strong line speaks for the claim, left of it against it. Shaded: differences within "
        "the margin. "
        "A triangle is what the paper prints. Distances from zero are drawn as square roots; rank "
        "correlations (dotted: 90 % of shuffles) lie between \N{MINUS SIGN}1 and 1. The mark "
        f"follows the worst part, not the mean.</small></p>{_ruler(axis)}"
    )


def _ruler(axis: _Axis) -> str:
    """Numbers above the column of pictures."""
    words = "".join(
        f'<text x="{axis.x(n)}" y="12" text-anchor="middle" font-size="11" fill="currentColor">'
        f"{_number(n)}</text>"
        for n in axis.ticks
    )
    return (
        f'<div class="ruler" aria-hidden="true"><svg viewBox="0 0 {_WIDTH} 16">{words}</svg></div>'
    )


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _link(chapter: str, words: Mapping[str, Any], inner: str, *, named: bool) -> str:
    """A row or tile that leads to the verdict in its chapter and says its sentence.

    Args:
        chapter: the chapter's name.
        words: what the verdict says.
        inner: what is seen of it.
        named: whether that is words, which the sentence then describes; else it is the link's name.
    """
    from mrinb.stats.claims import mean_in_words  # pandas and scipy: only where there are verdicts

    role = "our control" if words["control"] else "the paper's claim"
    said = html.escape(
        f"{words['verdict']}: {words['statement']} ({role}, {words['paper']}) "
        f"{mean_in_words(words)} {words['needed']}".strip()
    )
    anchor = html.escape(words["anchor"])
    tip = f"said-{chapter}-{anchor}"
    label = f'aria-describedby="{tip}"' if named else f'aria-label="{said}"'
    place = f' id="{tip}"' if named else ""
    return (
        f'<li data-verdict="{html.escape(words["verdict"])}">'
        f'<a href="../notebooks/{chapter}.html#{anchor}" {label}>{inner}'
        f'<span class="tip" aria-hidden="true"{place}>{said}</span>'
        "</a></li>"
    )


def called(chapter: str) -> str:
    """What a chapter is called: ``03_...`` is Chapter 3, ``D_...`` Appendix D, ``S4_...`` S4."""
    number = chapter.partition("_")[0].lstrip("0")
    kind = "Supplement" if number.startswith("S") else "Appendix"
    return f"{'Chapter' if number.isdigit() else kind} {number}"


def _row(chapter: str, words: Mapping[str, Any], axis: _Axis) -> str:
    name = html.escape(words["title"])
    networks = html.escape(", ".join(words["networks"]))
    inner = (
        f'<b aria-hidden="true">{MARKS[words["verdict"]]}</b>'
        f"<span>{name}<small>{html.escape(words['verdict'])}; {called(chapter)}, {networks}"
        "</small></span>"
        f"{_picture(words, axis)}"
    )
    return _link(chapter, words, inner, named=True)


def _tile(chapter: str, words: Mapping[str, Any]) -> str:
    inner = f'<b aria-hidden="true">{MARKS[words["verdict"]]}</b>'
    return _link(chapter, words, inner, named=False)


def _picture(words: Mapping[str, Any], axis: _Axis) -> str:
    """Effect and interval on both scores, the margin and the paper's own difference."""
    ranked = words["kind"] == "ranks"
    scale = _RANKS if ranked else axis
    rows = zip(_LINES, words["pooled"], ("var(--mb)", "none"), strict=True)
    shapes = [_score(words["kind"], scale, *row) for row in rows]
    if words["printed"] is not None:
        x = scale.x(words["printed"])
        shapes.append(f'<path d="M{x} 4l-4 -4h8z" fill="currentColor"/>')
    zero = scale.x(0)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<path d="M{zero} 0V{_HEIGHT}" stroke="currentColor" opacity="0.3"/>{"".join(shapes)}'
        "</svg>"
    )


def _score(kind: str, scale: _Axis, y: int, pooled: Mapping[str, Any], fill: str) -> str:
    """Margin, what the interval must lie right of, the interval, and the effect."""
    shapes = []
    margin = pooled["margin"]
    left, right = scale.x(-margin), scale.x(margin)
    if margin:
        shapes.append(
            f'<rect x="{left}" y="{y - 7}" width="{right - left:.1f}" height="14" '
            'fill="currentColor" opacity="0.13"/>'
        )
    bound = left if kind == "at least as good" else scale.x(0)
    shapes.append(f'<path d="M{bound} {y - 7}v14" stroke="currentColor" stroke-width="1.5"/>')
    low, high, middle = (scale.x(pooled[name]) for name in ("low", "high", "estimate"))
    dashes = ' stroke-dasharray="2 3"' if kind == "ranks" else ""
    shapes.append(f'<path d="M{low} {y}H{high}" stroke="var(--mb)" stroke-width="2"{dashes}/>')
    shapes.append(
        f'<circle cx="{middle}" cy="{y}" r="4" fill="{fill}" stroke="var(--mb)" stroke-width="2"/>'
    )
    return "".join(shapes)
