"""The ``mrinb`` command. Heavy modules are imported by the commands that use them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

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
data = typer.Typer(help="Simulated and real data.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")

ProfileOption = Annotated[str, typer.Option(help="quick, classroom or paper")]
WorkersOption = Annotated[int, typer.Option(help="worker processes of one thread each", min=0)]


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


@data.command()
def simulate(
    distribution: Annotated[
        str, typer.Argument(help="pool of distributions, such as 'knee/*'")
    ] = "*",
    profile: ProfileOption = "classroom",
    workers: WorkersOption = 2,
) -> None:
    """Simulate the files of a profile ahead of time; a chapter does it on first use."""
    from mrinb.compute.context import Context
    from mrinb.data.volumes import SPLITS, data_spec, folder, prepare
    from mrinb.pools import Pool
    from mrinb.profiles import profile as sizes

    context = Context(workers=workers)
    pool = Pool.parse(distribution)
    specs = [
        data_spec(name, split, sizes(profile), context)
        for name in pool.distributions
        for split in SPLITS
    ]
    prepare(specs, context)
    count = sum(len(list(folder(spec, context).glob("*.h5"))) for spec in specs)
    typer.echo(f"{count} volumes in {context.cache / 'data'}")


@data.command("check")
def check_files(
    paths: Annotated[list[Path], typer.Argument(help="HDF5 files or folders of them")],
) -> None:
    """Check that files have the fastMRI layout; one line for each that has not."""
    from mrinb.data.files import check
    from mrinb.data.index import files_below

    places = [p.expanduser() for p in paths]
    files = [f for p in places for f in (files_below(p) if p.is_dir() else [p])]
    if not files:
        raise MrinbError(f"no .h5 files in {', '.join(map(str, paths))}")
    bad = idle = 0
    for file in files:
        try:
            info = check(file, target=False)
        except MrinbError as error:
            bad += 1
            typer.echo(f"mrinb: {error}", err=True)
        else:
            idle += info.masked or info.target_shape is None
    typer.echo(f"{len(files) - bad} of {len(files)} files are sound")
    if idle:
        typer.echo(f"{idle} of them are masked or have no target: not used")
    if bad:
        raise typer.Exit(2)


@data.command("ls")
def list_files(
    data_root: Annotated[
        Path | None, typer.Argument(help="folder with fastMRI files; without one, Table 1")
    ] = None,
) -> None:
    """List which distributions and splits a folder of fastMRI files holds, or Table 1."""
    from collections import Counter

    from mrinb.cli.convert import table

    if data_root is None:
        typer.echo(table())
        return

    from mrinb.compute.context import Context
    from mrinb.data.index import scan

    found = scan(data_root, Context(data_root=data_root))
    counts: Counter[tuple[str, str]] = Counter()
    slices: Counter[tuple[str, str]] = Counter()
    for file in found:
        row = (file.distribution or "of no distribution", file.split or "unused")
        if file.info:
            counts[row] += 1
            slices[row] += file.info.kspace_shape[0]
    for (name, split), count in sorted(counts.items()):
        typer.echo(f"{name:24} {split:6} {count:6} volumes {slices[name, split]:7} slices")
    bad = sum(1 for file in found if file.problem)
    if bad:
        typer.echo(f"{bad} unreadable: see mrinb data check {data_root}")


def _mount() -> None:
    from mrinb.cli.convert import mount
    from mrinb.cli.plan import claims, plan
    from mrinb.cli.results import app as results

    app.command()(plan)
    app.command()(claims)
    app.add_typer(results, name="results")
    mount(data)


_mount()


def _joined(arguments: list[str]) -> list[str]:
    """Let ``-p NAME VALUE`` take two words, as papermill's does, which click cannot."""
    joined: list[str] = []
    rest = iter(arguments)
    for word in rest:
        joined.append(word)
        if word == "-p":
            pair: list[Any] = [next(rest, None), next(rest, None)]
            if None in pair:
                raise MrinbError("-p needs a name and a value: -p shift contrast")
            joined.append("\0".join(pair))
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
