"""``mrinb data``: simulated and real files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrinb.errors import MrinbError

if TYPE_CHECKING:
    from mrinb.data.index import FileInfo

app = typer.Typer(help="Simulated and real data.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def simulate(
    distribution: Annotated[
        str, typer.Argument(help="pool of distributions, such as 'knee/*'")
    ] = "*",
    profile: Annotated[str, typer.Option(help="quick, classroom or paper")] = "classroom",
    workers: Annotated[
        int | None, typer.Option(help="worker processes; default one a core", min=0)
    ] = None,
) -> None:
    """Simulate the files of a profile ahead of time; a chapter does it on first use."""
    from mrinb.compute.context import Context
    from mrinb.compute.runner import ensure
    from mrinb.compute.workers import default_workers
    from mrinb.data.volumes import SPLITS, data_spec, files_of
    from mrinb.pools import Pool
    from mrinb.profiles import profile as sizes
    from mrinb.recipes import RECIPES

    context = Context(workers=default_workers() if workers is None else workers)
    pool = Pool.parse(distribution)
    specs = [
        data_spec(name, split, sizes(profile), context)
        for name in pool.distributions
        for split in SPLITS
    ]
    ensure(specs, context, RECIPES)
    count = sum(len(files_of(spec, context)) for spec in specs)
    typer.echo(f"{count} volumes in {context.cache / 'data'}")


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="HDF5 files or folders of them")],
) -> None:
    """Read files whole: layout, k-space against target, slices; one line for each fault.

    Of folders it also says what could not be looked at, and which scans and subjects stand in two
    splits.
    """
    from tqdm.auto import tqdm

    from mrinb.data import checks
    from mrinb.data.folders import hdf5_files

    files, faults, notes = [], [], []
    folders = [place for place in (p.expanduser() for p in paths) if place.is_dir()]
    for place in (p.expanduser() for p in paths):
        listing = hdf5_files(place) if place.is_dir() else None
        files += listing.files if listing else [place]
        faults += [f"{path}: {words}" for path, words in (listing.blocked if listing else [])]
    if not files and not faults:
        raise MrinbError(f"no .h5 files in {', '.join(map(str, paths))}")
    bad = idle = 0
    with tqdm(files, desc="checking files", unit="file", delay=2, leave=False) as bar:
        for file in bar:
            try:
                info, found = checks.check(file, target=False)
            except MrinbError as error:
                bad += 1
                bar.write(f"mrinb: {error}", file=typer.get_text_stream("stderr"))
            else:
                idle += info.masked or info.target_shape is None
                if found.empty:
                    words = checks.empty_words(found.empty, info.kspace_shape[0])
                    notes.append(f"{file}: {words}")
    for folder in folders:
        wrong, remarks = _across(folder)
        faults, notes = faults + wrong, notes + remarks
    for line in faults:
        typer.echo(f"mrinb: {line}", err=True)
    for line in notes:
        typer.echo(f"note: {line}")
    typer.echo(f"{len(files) - bad} of {len(files)} files are sound")
    if idle:
        typer.echo(f"{idle} of them are masked or have no target: not used")
    if bad or faults:
        raise typer.Exit(2)


def _across(folder: Path) -> tuple[list[str], list[str]]:
    """What is wrong between the files of a folder, and what is to be known of them."""
    from mrinb.compute.context import Context
    from mrinb.data.index import same_scans, scan, shared_subjects
    from mrinb.data.listing import shared_words

    faults, notes = [], []
    for coil in ("multi", "single"):
        try:
            found = scan(folder, Context(data_root=folder), coil=coil)
        except MrinbError:  # no file of this track
            continue
        faults += [
            f"{one.path}: the same scan as {other.path}, one to learn from and one to test on"
            for one, other in same_scans(found)
        ]
        for name in sorted({e.distribution for e in found if e.distribution}):
            shared = shared_subjects(e for e in found if e.distribution == name)
            if shared:
                notes.append(f"{folder}, {name}: {shared_words(shared)}")
    return faults, notes


@app.command("ls")
def list_files(
    data_root: Annotated[
        Path | None, typer.Argument(help="folder with fastMRI files; without one, Table 1")
    ] = None,
    split: Annotated[
        str, typer.Option(help="divide by paper, section7 or seeded; default by folders")
    ] = "",
) -> None:
    """List which distributions and splits a folder of fastMRI files holds, or Table 1."""
    from collections import Counter

    from mrinb.cli.convert import table

    if data_root is None:
        typer.echo(table())
        return

    from mrinb.compute.context import Context
    from mrinb.data.index import scan
    from mrinb.data.splits import apply

    apply.rule(split)
    found = scan(data_root, Context(data_root=data_root))
    divided = apply.reports(found, split)
    found = apply.assigned(found, split)
    counts: Counter[tuple[str, str]] = Counter()
    slices: Counter[tuple[str, str]] = Counter()
    for file in found:
        if file.info:
            row = (file.distribution or "of no distribution", file.split or "unused")
            counts[row] += 1
            slices[row] += file.info.kspace_shape[0]
    for (name, split), count in sorted(counts.items()):
        typer.echo(f"{name:24} {split:6} {count:6} volumes {slices[name, split]:7} slices")
    for report in divided:
        typer.echo(report.words())
        for name in report.split.missing:
            typer.echo(f"  missing: {name}.h5")
    _list_unreadable(found, data_root)


def _list_unreadable(found: list[FileInfo], root: Path) -> None:
    files = [f for f in found if f.problem and f.path.suffix == ".h5"]
    for other in found:
        if other.problem and other.path.suffix != ".h5":
            typer.echo(other.problem)
    if files:
        typer.echo(f"{len(files)} unreadable: see mrinb data check {root}")
