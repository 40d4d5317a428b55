"""``mrinb plan`` and ``mrinb claims``: what chapters take, and what comes of them, without work.

Both run the chapters' notebooks dry (see ``publish.dry_run``): nothing is computed or written.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    import pandas as pd

    from mrinb.compute.context import Context, Policy
    from mrinb.compute.specs import Spec
    from mrinb.publish.dry_run import DryRun

ChaptersArgument = Annotated[
    list[str] | None, typer.Argument(help="numbers, letters or starts of names; default all")
]
ProfileOption = Annotated[str, typer.Option(help="quick, classroom or paper")]
ParameterOption = Annotated[
    list[str] | None,
    typer.Option("-p", metavar="NAME VALUE", help="parameter; repeat for several"),
]
StoreOption = Annotated[
    Path | None, typer.Option("--store", help="results store; default the user's own")
]
CsvOption = Annotated[bool, typer.Option("--csv", help="print the table as CSV")]


class Plan(NamedTuple):
    """What results take.

    Attributes:
        table: a row for each kind and description, as of ``runner.plan``.
        wall: seconds that the missing ones take with the workers there are.
    """

    table: pd.DataFrame
    wall: float

    @property
    def core(self) -> float:
        """Seconds that the missing results take on one core."""
        return float(self.table["missing_seconds"].sum())


def plan(
    chapters: ChaptersArgument = None,
    profile: ProfileOption = "classroom",
    parameter: ParameterOption = None,
    store: StoreOption = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="as if stores and simulated data were empty")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="worker processes; default one a core", min=0)
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="every row, not the trainings only")] = False,
    csv: CsvOption = False,
) -> None:
    """Say what chapters would compute and how long it takes, and compute nothing.

    Results that several chapters share are counted once. Seconds are those measured for results of
    the same kind in the stores, else estimates; data are simulated ones that are not in the cache.
    """
    found = _dry_runs(chapters, _values(parameter, profile, store), fresh=fresh)
    contexts = [_with_workers(r.context, workers) for r in found if r.context is not None]
    whole = _plan([s for r in found for s in r.wanted], contexts[0], fresh)
    if csv:
        typer.echo(whole.table.to_csv(index=False).rstrip())
        return
    typer.echo(_table(whole.table if full else _shortened(whole.table)))
    if len(found) > 1:
        typer.echo("\neach chapter by itself:")
        for dry, context in zip(found, contexts, strict=True):
            typer.echo(f"  {dry.name:40} {_line(_plan([*dry.wanted], context, fresh))}")
    typer.echo(f"\n{'all of them' if len(found) > 1 else found[0].name}: {_line(whole)}")
    if whole.table["missing"].any():
        typer.echo(f"about {_duration(whole.wall)} with {max(contexts[0].workers, 1)} at once")


def claims(
    chapters: ChaptersArgument = None,
    profile: ProfileOption = "classroom",
    parameter: ParameterOption = None,
    store: StoreOption = None,
    csv: CsvOption = False,
) -> None:
    """Print the verdict on every claim that chapters check, from stored results alone.

    Nguyen's cases (Section 4) and what the scatter of seeds says (Section 3) follow their chapters'
    claims. CSV has the claims only.
    """
    from mrinb.stats.claims import CLAIMS, mean_in_words, summary

    found = _dry_runs(
        chapters, _values(parameter, profile, store), compute="never", judge=True
    )  # fmt: skip
    if csv:
        verdicts = [v for r in found for v in r.verdicts.values() if v is not None]
        typer.echo(summary(verdicts).to_csv(index=False).rstrip())
        return
    for dry in found:
        for (name, _), verdict in dry.verdicts.items():
            claim = CLAIMS[name]
            word = "not computed" if verdict is None else verdict.verdict
            role = "our control" if claim.control else "the paper's claim"
            typer.echo(f"{word:22} {name}")
            typer.echo(f"    Chapter {claim.chapter.lstrip('0')}, {role}: {claim.statement}")
            if verdict is not None:
                typer.echo(f"    {mean_in_words(verdict.words())}")
                typer.echo(f"    {verdict.text}")
                if verdict.needed:
                    typer.echo(f"    {verdict.needed}")
        for question, answer, text in dry.outcomes:
            typer.echo(f"{answer:22} {question}")
            typer.echo(f"    {text}")
    for control, whose in ((False, "the paper's claims"), (True, "our controls")):
        words = Counter(
            "not computed" if verdict is None else verdict.verdict
            for dry in found
            for (name, _), verdict in dry.verdicts.items()
            if CLAIMS[name].control == control
        )
        total = ", ".join(f"{count} {word}" for word, count in words.items())
        typer.echo(f"{whose} in the {profile} profile: {total or 'none'}")


def _values(parameter: list[str] | None, profile: str, store: Path | None) -> dict[str, str]:
    """Parameters by name; those given with ``-p`` go before options."""
    values = {"profile": profile}
    if store is not None:
        values["store"] = str(store)
    return values | dict(item.split("\0", 1) for item in parameter or [])


def _dry_runs(
    chapters: Sequence[str] | None,
    values: Mapping[str, str],
    *,
    compute: Policy = "auto",
    fresh: bool = False,
    judge: bool = False,
) -> list[DryRun]:
    """Rehearse chapters, each in its turn."""
    from mrinb.publish import book

    root = book.repository()
    todo = [book.find_chapter(root, c) for c in chapters] if chapters else book.chapters(root)
    checked = [book.check_parameters(chapter, values) for chapter in todo]
    from mrinb.publish.dry_run import (
        dry_run,  # loads torch: not before names are known to be right
    )

    return [
        dry_run(chapter.path, given, compute=compute, fresh=fresh, judge=judge)
        for chapter, given in zip(todo, checked, strict=True)
    ]


def _with_workers(context: Context, workers: int | None) -> Context:
    return context if workers is None else replace(context, workers=workers)


def _plan(specs: Sequence[Spec], context: Context, fresh: bool) -> Plan:
    """The plan of some results, as things are or as if nothing was there yet."""
    from mrinb.catalogue import homes
    from mrinb.compute import runner
    from mrinb.compute.workers import store_of
    from mrinb.recipes import RECIPES

    speeds = runner.rates(store_of(context))
    with tempfile.TemporaryDirectory() if fresh else nullcontext() as folder:
        if folder is not None:
            nowhere = Path(folder)
            cache = nowhere if context.data_root is None else context.cache
            if cache is nowhere:
                for own in homes.registered(context.cache).values():
                    homes.register(own, nowhere)
            context = replace(context, store=nowhere, published=(), cache=cache)
        table = runner.plan(specs, context, RECIPES, speeds)
        wall = runner.wall_seconds(runner.graph(specs, context, RECIPES, speeds), context)
    return Plan(table, wall)


def _shortened(table: pd.DataFrame) -> pd.DataFrame:
    """The plan with one row for all that is not training, and long names cut."""
    trained = table["kind"] == "train"
    rows = table.assign(what=table["what"].where(trained, "all"))
    rows = rows.groupby(["kind", "what"], sort=False, as_index=False).sum()
    cut = [f"{what[:57]}..." if len(what) > 60 else what for what in rows["what"]]
    return rows.assign(what=cut)


def _table(table: pd.DataFrame) -> str:
    """A plan's rows as text, seconds rounded, names on the left."""
    import pandas as pd

    numbers = {c: table[c].round().astype(int) for c in ("seconds", "missing_seconds")}
    rows = table.assign(**numbers)
    words = [(c, max(map(len, [c, *rows[c]]), default=0)) for c in ("kind", "what")]
    for column, width in words:
        rows[column] = rows[column].str.ljust(width)
    with pd.option_context("display.width", None, "display.max_colwidth", None):
        return rows.to_string(index=False, justify="right")


def _line(plan: Plan) -> str:
    missing, runs = int(plan.table["missing"].sum()), int(plan.table["runs"].sum())
    if not missing:
        return f"{runs} results, all there"
    return f"{missing} of {runs} results are missing, {_duration(plan.core)} on one core"


def _duration(seconds: float) -> str:
    from mrinb.compute.runner import duration

    return duration(seconds)
