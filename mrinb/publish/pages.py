"""The parts of the book's prose that are written from the code, so that they cannot drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mrinb.catalogue import DISTRIBUTIONS
from mrinb.pools import Pool
from mrinb.profiles import NETWORKS, PROFILES, Network, Profile
from mrinb.publish import scoreboard
from mrinb.shifts import coils, section3, section4

POOL_EXAMPLES = (
    ("knee/*", "all knees"),
    ("knee/PD-* + knee/PDFS-Aera", "a union"),
    ("* - knee/*", "a difference"),
    ("(knee/* + brain/T2-*).half()", "a random half of the slices, in whole volumes"),
    ("(brain/*).take(64)", "64 slices"),
    ("knee/* + sim:brain/*", "knees, and simulated brains also where there is a data root"),
)

_SIZES = (
    ("data", lambda p: "simulated" if p.simulated else "real files"),
    ("target matrix (full size 320)", lambda p: p.size),
    ("coils, at most", lambda p: p.coils),
    ("subjects to train / validate / test", lambda p: " / ".join(map(str, p.subjects))),
    ("slices of a volume", lambda p: p.slices),
    ("shifts of Sections 3 and 4, if none is asked for", lambda p: p.shift),
    *((label, lambda p, name=name: _network(p.networks[name])) for name, label in NETWORKS.items()),
)


def _network(network: Network) -> str:
    """Options, epochs and seeds in words."""
    options = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in network.options)
    size = f"{options}; {network.epochs} epochs, {network.seeds} seed{'s' * (network.seeds > 1)}"
    return f"{size}; {network.shift} shift only, if none is asked for" if network.shift else size


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; bars within cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def profiles_table(profiles: Mapping[str, Profile] = PROFILES) -> str:
    """What each profile's sizes are."""
    rows = [[label, *(size(p) for p in profiles.values())] for label, size in _SIZES]
    return table(["size", *(f"`{name}`" for name in profiles)], rows)


def parameters_tables(declared: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str:
    """The parameters that all chapters share, then every chapter's own, folded.

    Args:
        declared: by chapter's name and parameter's name, papermill's view of the parameter.
    """
    sets = [set(d) for d in declared.values()]
    shared = set.intersection(*sets) if len(sets) > 1 else set()
    parts: list[str] = []
    for chapter, own in declared.items():
        if not parts and shared:
            parts.append(_parameters(own[name] for name in own if name in shared))
        rows = [own[name] for name in own if name not in shared]
        parts.append(f"````{{dropdown}} {scoreboard.called(chapter)}\n\n{_parameters(rows)}````\n")
    return "\n".join(parts)


def _parameters(rows: Iterable[Mapping[str, str]]) -> str:
    cells = [[f"`{p['name']}`", f"`{p['inferred_type_name']}`", f"`{p['default']}`", p["help"]]
             for p in rows]  # fmt: skip
    return table(["parameter", "type", "default", "meaning"], cells)


def pools_table() -> str:
    """Examples of pool strings, with what they come to."""
    rows = []
    for text, meaning in POOL_EXAMPLES:
        count = len(Pool.parse(text).distributions)
        rows.append([f"`{text}`", meaning, count])
    return table(["pool", "meaning", "distributions drawn from"], rows)


def distributions_table() -> str:
    """The names that pools are made of."""
    rows = [
        [
            f"`{d.name}`",
            d.label,
            d.coils,
            " x ".join(map(str, d.encode)),
            " x ".join(map(str, d.recon)),
        ]
        for d in DISTRIBUTIONS.values()
    ]
    return table(["name", "what", "coils", "k-space matrix", "target matrix"], rows)


def shifts_table() -> str:
    """P and Q of every shift."""
    named = [("3", s) for s in section3] + [("4", s) for s in section4] + [("C.2", coils)]
    rows = [[where, f"`{s.name}`", f"`{s.P}`", f"`{s.Q}`"] for where, s in named]
    return table(["section", "shift", "P", "Q"], rows)


def weights_table() -> str:
    """The published networks, with training data, scores and licence."""
    from mrinb import weights  # torch: a command that builds nothing needs none

    rows = []
    for network in weights.NETWORKS.values():
        if not weights.path(network.name).is_file():
            continue
        about = weights.about(network.name)
        scores = "; ".join(
            f"{target} {found['network']:.3f} ({found['zero-filled']:.3f})"
            for target, found in about.scores.items()
        )
        size = f"{weights.path(network.name).stat().st_size / 1e6:.1f} MB"
        trained = f"`{network.distributions}`, {about.slices} slices, {about.train.epochs} epochs"
        rows.append([f"`{network.name}`", trained, scores, size, weights.LICENCE])
    head = ["name", "trained on", "SSIM on simulated test data (zero-filled)", "size", "licence"]
    return table(head, rows) if rows else "None are here: `mrinb weights train` makes them.\n"


def generated(declared: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, str]:
    """Every generated part, by file name.

    Args:
        declared: by chapter's name and parameter's name, papermill's view of the parameter.
    """
    return {
        "profiles.md": profiles_table(),
        "parameters.md": parameters_tables(declared),
        "pools.md": pools_table(),
        "distributions.md": distributions_table(),
        "shifts.md": shifts_table(),
        "weights.md": weights_table(),
    }


def claims(verdicts: Mapping[str, Sequence[Mapping[str, Any]]], profile: str) -> dict[str, str]:
    """What came of every claim, by file name: in a sentence, as a picture, and one by one.

    Args:
        verdicts: by chapter's name, ``claims.Verdict.words`` of each verdict, in order.
        profile: the profile of the book.
    """
    ran = {chapter: rows for chapter, rows in verdicts.items() if rows}
    every = [row for rows in ran.values() for row in rows]
    said = [
        f"{sum(row['control'] == control for row in every)} verdicts on {whose}: "
        f"{_tally([row for row in every if row['control'] == control])}.\n"
        for control, whose in ((False, "the paper's claims"), (True, "our controls"))
    ]
    tally = f"In the `{profile}` profile:\n\n- {said[0]}- {said[1]}"
    parts = [_chapter_claims(chapter, rows) for chapter, rows in ran.items()]
    return {
        "tally.md": tally if ran else "No chapter of this build has checked a claim.\n",
        "scoreboard.md": scoreboard.board(ran) + "\n",
        "scoreboard_small.md": scoreboard.small(ran) + "\n",
        "claims.md": "\n".join(parts),
    }


def _tally(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many came to each verdict, the commonest first."""
    count = Counter(row["verdict"] for row in rows)
    said = [f"**{word}** {number}" for word, number in count.most_common()]
    return ", ".join(said) or "none"


def _chapter_claims(chapter: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The claims of one chapter, the paper's and then our controls, without comparisons."""
    from mrinb.stats.claims import (
        stated,  # pandas and scipy: a command that builds nothing needs neither
    )

    blocks = [f"## {scoreboard.called(chapter)}", f"\n{{doc}}`../notebooks/{chapter}`\n"]
    for control, name in ((False, "The paper's claims"), (True, "Our controls")):
        found = [words for words in rows if words["control"] == control]
        if found:
            blocks.append(f"### {name}\n")
        blocks += [f'<div class="mrinb-verdict">{stated(words)}</div>\n' for words in found]
    return "\n".join(blocks)
