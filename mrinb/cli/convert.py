"""``mrinb data convert`` and ``fetch``: other datasets brought into the fastMRI layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrinb.errors import MrinbError

if TYPE_CHECKING:
    from mrinb.data.convert.base import Converter

NameArgument = Annotated[
    str, typer.Argument(help="dataset, such as cc-359 (all views) or cc-359_sag; see mrinb data ls")
]


def convert(
    name: NameArgument,
    source: Annotated[Path, typer.Argument(help="file or folder as the dataset's own home has it")],
    destination: Annotated[
        Path | None, typer.Argument(help="folder that gets a folder for each dataset")
    ] = None,
    as_paper: Annotated[
        bool, typer.Option("--as-paper", help="as the paper's code, where that matters to compare")
    ] = False,
    workers: Annotated[
        int, typer.Option(help="processes; each holds one volume in memory", min=1)
    ] = 1,
) -> None:
    """Convert a dataset of Table 1 to files in the fastMRI layout; a stopped one goes on."""
    from mrinb.data.convert import named
    from mrinb.data.convert.run import convert as run

    converters = named(name)
    if not converters[0].module:
        _check(converters[0], source)
        return
    if destination is None:
        raise MrinbError("a destination is needed: mrinb data convert NAME SOURCE DESTINATION")
    if as_paper:
        _say_as_paper(converters)
    done = run(converters, source, destination, as_paper, workers)
    for problem in done.problems:
        typer.echo(f"mrinb: {problem}", err=True)
    typer.echo(f"{done.written} volumes written, {done.kept} were there: {destination}")
    if done.problems:
        typer.echo(f"{len(done.problems)} sources skipped: see above")
        raise typer.Exit(2)


def _say_as_paper(converters: Sequence[Converter]) -> None:
    words = dict.fromkeys(c.as_paper for c in converters)
    typer.echo("as the paper's code: " + "; ".join(w or "nothing differs" for w in words))


def _check(converter: Converter, source: Path) -> None:
    """Read fastMRI's own files in full: they need no conversion."""
    from tqdm.auto import tqdm

    from mrinb.data.checks import check
    from mrinb.data.index import files_below

    place = source.expanduser()
    found = files_below(place) if place.is_dir() else [place]
    if not found:
        raise MrinbError(f"{source}: no .h5 file in it or below")
    typer.echo(f"{converter.dataset} needs no conversion; its files are checked where they are")
    bad = 0
    for path in tqdm(found, desc="checking", unit="file"):
        try:
            check(path, target=False)
        except MrinbError as error:
            bad += 1
            typer.echo(f"mrinb: {error}", err=True)
    typer.echo(f"{len(found) - bad} of {len(found)} files are sound: use {source} as data_root")
    if bad:
        raise typer.Exit(2)


def fetch(
    name: Annotated[str, typer.Argument(help="dataset, or fastmri-plus for the annotations")],
    destination: Annotated[Path, typer.Argument(help="folder that gets the files")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="go on without asking")] = False,
    match: Annotated[
        str, typer.Option(help="only files whose names match, such as 'mp2rageme_00*'")
    ] = "*",
) -> None:
    """Download a dataset that is open; of the others, say where to ask."""
    from mrinb.data.convert.fetch import describe, download, listing
    from mrinb.data.convert.places import offer

    place = offer(name)
    files = listing(place, match)
    typer.echo(describe(place, files))
    if not yes and not typer.confirm("Download?"):
        raise typer.Exit(1)
    done = download(files, destination)
    for problem in done.problems:
        typer.echo(f"mrinb: {problem}", err=True)
    typer.echo(f"{done.fetched} files fetched, {done.kept} were there: {destination}")
    if done.problems:
        typer.echo(f"{len(done.problems)} failed: run the same command again to go on")
        raise typer.Exit(2)


def table() -> str:
    """Table 1 with what is available here: access, converter, simulated counterparts."""
    from mrinb.catalogue import DATASETS, EVERY
    from mrinb.data.convert import CONVERTERS
    from mrinb.data.convert.places import PLACES

    simulated: dict[str, int] = {}
    for distribution in EVERY.values():
        simulated[distribution.dataset] = simulated.get(distribution.dataset, 0) + 1
    rows = [("dataset", "name", "volumes", "slices", "role", "access", "simulated")]
    for row in DATASETS:
        converter = CONVERTERS[row.name]
        count = simulated.get(row.name, 0)
        counterpart = f"{count} distribution{'s' * (count != 1)}" if count else "-"
        where = PLACES[converter.family].access
        slug = converter.slug
        rows.append((row.name, slug, row.volumes, row.slices, row.role, where, counterpart))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, "", "mrinb data convert NAME SOURCE DESTINATION; mrinb data ls DIR"])


def mount(data: typer.Typer) -> None:
    """Add the commands to ``mrinb data``."""
    data.command()(convert)
    data.command()(fetch)
