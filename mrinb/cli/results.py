"""``mrinb results``: looking after the results store. Heavy modules load when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrinb.errors import MrinbError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    help="The results store: list, verify, compare, publish, exchange, clear up.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _there(folder: Path | None) -> Path | None:
    """Refuse a store that is not there: it would look like an empty one."""
    if folder is not None and not folder.is_dir():
        raise MrinbError(f"results store {folder}: no such folder")
    return folder


StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="results store; default the user's own", callback=_there),
]
GrowingOption = Annotated[
    Path | None, typer.Option("--store", help="results store, made if need be; default your own")
]
FolderArgument = Annotated[
    Path | None,
    typer.Argument(help="a results store; default the published one", callback=_there),
]


@app.command()
def ls(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="a results store; default yours and the published one", callback=_there
        ),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="train, eval or exhibit; repeat for several")
    ] = None,
) -> None:
    """List results with their keys, sizes and what made them."""
    from mrinb.compute import curation as results
    from mrinb.compute.context import PUBLISHED
    from mrinb.recipes import RECIPES

    roots = [folder] if folder else [results.default_store().root, PUBLISHED]
    table = results.ls(roots, kind or [], recipes=RECIPES)
    _print(table.drop(columns="store") if folder else table)
    typer.echo(f"{len(table)} results, {table['kB'].sum() / 1000:.1f} MB")


@app.command()
def verify(
    folder: FolderArgument = None,
    sample: Annotated[int, typer.Option(help="recompute so many results", min=0)] = 0,
    seed: Annotated[int, typer.Option(help="which results are drawn")] = 0,
    data_root: Annotated[
        Path | None, typer.Option(help="fastMRI files, where results are of real data")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    workers: Annotated[int, typer.Option(help="worker processes of one thread each", min=0)] = 0,
) -> None:
    """Check checksums, keys, versions; recompute a sample from an empty store.

    Of the published store, its size, its weights and that chapters use its entries are checked too.
    """
    from mrinb.compute import curation as results
    from mrinb.compute import publication
    from mrinb.compute.context import PUBLISHED, Context
    from mrinb.recipes import RECIPES

    problems = (
        results.verify(folder, RECIPES)
        if folder and folder.resolve() != PUBLISHED
        else publication.check_published(PUBLISHED, RECIPES)
    )
    folder = folder or PUBLISHED
    for line in problems:
        typer.echo(line)
    typer.echo(f"{folder}: {len(problems)} problems")
    wrong = 0
    if sample:
        context = Context(data_root=data_root, device=device, workers=workers)
        for check in results.recompute(folder, sample, context, seed, recipes=RECIPES):
            wrong += not check.agrees
            typer.echo(
                f"{'agrees' if check.agrees else 'DIFFERS'}: {check.what} ({check.entry.key}): "
                f"{check.worst:.2g} in {check.where}, {check.tolerance.relative:g} allowed"
                f"{' of means' if check.tolerance.mean else ''}"
            )
    if problems or wrong:
        raise typer.Exit(1)


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(help="a results store", callback=_there)],
    b: Annotated[Path, typer.Argument(help="another", callback=_there)],
) -> None:
    """Say which results are in one store only, and where numbers of the same result differ."""
    from mrinb.compute import curation as results
    from mrinb.recipes import RECIPES

    table = results.diff(a, b, RECIPES)
    if len(table):
        _print(table)
        raise typer.Exit(1)
    typer.echo("no differences")


@app.command()
def publish(
    chapter: Annotated[str, typer.Argument(help="number, letter or start of the name")],
    profile: Annotated[str, typer.Option(help="quick, classroom or paper")] = "classroom",
    store: StoreOption = None,
    to: Annotated[Path | None, typer.Option(help="published store; default book/results")] = None,
) -> None:
    """Copy the scores, histories and exhibits that a chapter used into the published store."""
    from mrinb.compute import publication
    from mrinb.compute.context import PUBLISHED
    from mrinb.compute.curation import default_store
    from mrinb.recipes import RECIPES

    source = default_store(store)
    done = publication.publish(chapter, profile, source, to or PUBLISHED, RECIPES)
    typer.echo(
        f"{done.copied} results copied, {done.kept} were there, {done.removed} removed that no "
        f"chapter uses, {done.outdated} outdated ones left out; {done.bytes / 1e6:.1f} MB in all"
    )


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="file to write, such as results.zip")],
    split: Annotated[str, typer.Option(help="largest size of a file, such as 15MB")] = "",
    chapter: Annotated[
        str | None, typer.Option(help="only what this chapter used; default all")
    ] = None,
    profile: Annotated[str, typer.Option(help="profile of the chapter")] = "classroom",
    weights: Annotated[
        bool, typer.Option("--weights", help="weights too, so that computing can go on elsewhere")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Write finished results into a file or several, to be imported on another machine."""
    from mrinb.compute import exchange
    from mrinb.compute.curation import default_store
    from mrinb.recipes import RECIPES

    size = exchange.read_size(split) if split else None
    done = exchange.export(
        default_store(store),
        file,
        RECIPES,
        split=size,
        chapter=chapter,
        profile=profile,
        weights=weights,
    )
    for path in done.paths:
        typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    typer.echo(f"{done.results} results exported, {done.outdated} outdated ones left out")


@app.command("import")
def import_results(
    files: Annotated[list[Path], typer.Argument(help="files that export wrote")],
    store: GrowingOption = None,
    keep_own: Annotated[
        bool, typer.Option("--keep-own", help="keep your results where a file has other values")
    ] = False,
) -> None:
    """Check exported files and merge them into a results store."""
    from mrinb.compute import exchange
    from mrinb.compute.curation import default_store

    done = exchange.import_files(default_store(store), files, keep_own=keep_own)
    typer.echo(
        f"{done.added} results added, {done.completed} completed, {done.kept} were there already"
    )


@app.command()
def gc(
    store: StoreOption = None,
    days: Annotated[float, typer.Option(help="age at which half-done work goes", min=0)] = 7,
    yes: Annotated[bool, typer.Option("--yes", help="remove; without it, only list")] = False,
) -> None:
    """Find half-written, damaged and outdated results, and remove them with --yes."""
    from mrinb.compute import curation as results
    from mrinb.recipes import RECIPES

    found = results.gc(results.default_store(store), days, yes, recipes=RECIPES)
    for item in found:
        typer.echo(f"{item.path}: {item.why}, {item.bytes / 1e6:.2f} MB")
    total = sum(item.bytes for item in found) / 1e6
    typer.echo(f"{len(found)} {'removed' if yes else 'to remove with --yes'}, {total:.1f} MB")


def _print(table: pd.DataFrame) -> None:
    if len(table):
        typer.echo(table.to_string(index=False, na_rep=""))
