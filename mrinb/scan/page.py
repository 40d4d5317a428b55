"""One page for a scan: the comparer and a table of scores in a file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from mrinb import __version__, weights
from mrinb.compute.whole import written
from mrinb.labels import SCORES, ZERO_FILLED
from mrinb.scan.methods import SHOWN, Outcome, comparison, summary, words
from mrinb.weights import Network
from mrinb.widgets.compare import Comparer

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #8885; padding: 0.3rem 0.8rem 0.3rem 0; text-align: left; }
td { font-variant-numeric: tabular-nums; }
small, .note { color: #767676; }
"""


def write(outcomes: Sequence[Outcome], networks: Sequence[Network], path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        MrinbError: it cannot be written.
    """
    text = html(outcomes, networks)
    with written(path) as part:
        part.write_text(text, encoding="utf-8")


def html(outcomes: Sequence[Outcome], networks: Sequence[Network]) -> str:
    """The page's text."""
    names = ", ".join(outcome.scan.name for outcome in outcomes)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(names)}: reconstructions</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(names)}</h1>
<p>What networks of several training pools make of it, beside l1-wavelet and zero-filled images.
For research: not for diagnosis.</p>
{_comparer(outcomes)}
{"".join(map(_section, outcomes))}
<h2>Networks</h2>
{_networks(networks)}
<p class="note">mrinb {__version__}</p>
</main>
</body>
</html>
"""


def _comparer(outcomes: Sequence[Outcome]) -> str:
    groups = {outcome.scan.name: comparison(outcome) for outcome in outcomes}
    first = outcomes[0]
    best = [name for name in first.images if name != ZERO_FILLED]
    if len(first.scores):
        best = [name for name in summary(first).index if name != ZERO_FILLED]
    data = groups if len(groups) > 1 else next(iter(groups.values()))
    return Comparer(data, menu="Scan", left=ZERO_FILLED, right=best[0]).to_html()


def _section(outcome: Outcome) -> str:
    scan = outcome.scan
    lines = [*scan.words, words(outcome), *outcome.failed]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{escape(scan.name)}</h2>\n<ul>{items}</ul>\n{_scores(outcome)}\n"


def _scores(outcome: Outcome) -> str:
    if not len(outcome.scores):
        return "<p>There is no fully sampled image to compare with, so there are no scores.</p>"
    head = "".join(f"<th scope=col>{escape(SCORES[name])}</th>" for name in SHOWN)
    rows = []
    for name, values in summary(outcome).iterrows():
        cells = "".join(f"<td>{_number(score, values[score])}</td>" for score in SHOWN)
        label = escape(outcome.labels[str(name)])
        rows.append(f"<tr><th scope=row>{label}</th>{cells}</tr>")
    count = len(outcome.scan.indices)
    note = f"Means over {count} slices." if count > 1 else "Of one slice."
    return (
        f'<div class="table"><table><thead><tr><th scope=col>method</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n<p class=note>{note}</p>"
    )


def _number(score: str, value: float) -> str:
    digits = {"psnr": 1, "nmse": 4}.get(score, 3)
    return f"{value:.{digits}f}"


def _networks(networks: Sequence[Network]) -> str:
    items = []
    for network in networks:
        about = weights.about(network.name)
        items.append(
            f"<li>{escape(network.label)}: {about.slices} simulated slices of {about.size} pixels, "
            f"{about.train.epochs} epochs, simulator {escape(about.simulator)}; "
            f"{escape(about.made)}; licence {weights.LICENCE}</li>"
        )
    return f"<ul>{''.join(items)}</ul>"
