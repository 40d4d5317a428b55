"""The ``mrinb`` command. Heavy modules are imported by the commands that use them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mrinb import __version__
from mrinb.errors import MrinbError

app = typer.Typer(
    help="Rerun and build the book 'Benefits of diverse training data for accelerated MRI'.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProfileOption = Annotated[str, typer.Option(help="quick, classroom or paper")]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mrinb {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    chapter: Annotated[str, typer.Argument(help="number, letter or start of the name")],
    parameter: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME VALUE", help="parameter; repeat for several"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="executed notebook; default runs/NAME.ipynb")
    ] = None,
) -> None:
    """Rerun a chapter with other parameters (papermill underneath)."""
    from mrinb.publish.book import run_chapter

    values = dict(item.split("\0", 1) for item in parameter or [])
    typer.echo(run_chapter(chapter, values, out))


@app.command()
def book(
    profile: ProfileOption = "classroom",
    store: Annotated[
        Path | None, typer.Option(help="results store used beside the published one")
    ] = None,
    compute: Annotated[
        str, typer.Option(help="about missing results: never, ask or auto")
    ] = "never",
    out: Annotated[Path, typer.Option(help="folder that gets _build/html")] = Path(),
) -> None:
    """Build the book from the published results."""
    from mrinb.publish.book import build, repository

    if compute not in ("never", "ask", "auto"):
        from mrinb.errors import unknown

        raise unknown("--compute", compute, ["never", "ask", "auto"])
    if store is not None and compute == "never" and not store.expanduser().is_dir():
        raise MrinbError(f"--store {store}: no such folder, and nothing is computed")
    typer.echo(build(repository(), out, profile, store, compute))


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="benchmarks; default all")] = None,
) -> None:
    """Measure the promised speeds: two things in turn, medians, ratios."""
    from mrinb.publish.book import repository

    sys.path.insert(0, str(repository()))  # benchmarks lie beside the package
    from benchmarks.harness import main as measure

    raise typer.Exit(measure(names or []))


def _mount() -> None:
    from mrinb.cli import own
    from mrinb.cli.convert import mount
    from mrinb.cli.data import app as data
    from mrinb.cli.plan import claims, plan
    from mrinb.cli.results import app as results
    from mrinb.cli.weights import app as weights

    app.command()(plan)
    app.command()(claims)
    app.add_typer(data, name="data")
    app.add_typer(results, name="results")
    app.add_typer(weights, name="weights")
    mount(data)
    own.mount(data, app)


_mount()


def _joined(arguments: list[str]) -> list[str]:
    """Let ``-p NAME VALUE`` take two words, as papermill's does, which click cannot.

    ``-pNAME VALUE`` and ``-p NAME=VALUE`` are understood as well.
    """
    joined: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if not word.startswith("-p"):
            joined.append(word)
            continue
        name = word[2:] or next(rest, "")
        name, equals, value = name.partition("=")
        found = value if equals else next(rest, None)
        if not name.isidentifier() or found is None:
            raise MrinbError("-p needs a name and a value: -p shift contrast")
        joined += ["-p", f"{name}\0{found}"]
    return joined


def main() -> None:
    """Run the command line: an error of the user's is one line and exit code 2."""
    try:
        takes_parameters = sys.argv[1:2] in (["run"], ["plan"], ["claims"])
        arguments = _joined(sys.argv[1:]) if takes_parameters else sys.argv[1:]
        app(arguments)
    except MrinbError as error:
        typer.echo(f"mrinb: {error}", err=True)
        sys.exit(2)
