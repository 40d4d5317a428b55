"""Scans of one's own: ``mrinb data import`` and ``register``, ``mrinb reconstruct``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrinb.errors import MrinbError, unknown

if TYPE_CHECKING:
    from mrinb.data.own.scan import Wanted
    from mrinb.scan.methods import Outcome

KeyOption = Annotated[str, typer.Option(help="array in the file, such as kData")]
AxesOption = Annotated[
    str,
    typer.Option(
        help="name of each axis, such as coil,readout,phase; of slice, partition (slices in "
        "k-space), coil, readout, phase, or a number: the index to take; default found out"
    ),
]
CropOption = Annotated[
    tuple[int, int] | None,
    typer.Option(metavar="H W", help="matrix of the image, cut out of the middle"),
]
SpaceOption = Annotated[str, typer.Option(help="kspace or image (of each coil); default found out")]
KCentreOption = Annotated[
    str, typer.Option("--kspace-centre", help="frequency zero: middle or corner; default found out")
]
ICentreOption = Annotated[
    str, typer.Option("--image-centre", help="middle of the image: middle or corner; found out")
]
UpsideDownOption = Annotated[
    bool, typer.Option("--upside-down", help="the array shows anatomy upside down already")
]
SureOption = Annotated[bool, typer.Option("--sure", help="take unlikely axes as they are told")]


def _wanted(
    key: str, axes: str, crop: tuple[int, int] | None, space: str, kspace_centre: str,
    image_centre: str, upside_down: bool, sure: bool, subject: str = "",
) -> Wanted:  # fmt: skip
    from mrinb.data.own.conventions import Told
    from mrinb.data.own.scan import Wanted

    if crop is not None and min(crop) < 16:
        raise MrinbError(f"--crop {crop[0]} {crop[1]}: give at least 16 pixels a side")
    for option, value, valid in (
        ("--space", space, ["auto", "kspace", "image"]),
        ("--kspace-centre", kspace_centre, ["auto", "middle", "corner"]),
        ("--image-centre", image_centre, ["auto", "middle", "corner"]),
    ):
        if value not in valid:
            raise unknown(option, value, valid)
    told = Told(space, kspace_centre, image_centre, sure)  # type: ignore[arg-type]
    return Wanted(key, axes, crop, upside_down, subject, told)


def import_scans(
    scans: Annotated[
        list[Path], typer.Argument(help=".mat, .npy, .npz, BART's .cfl, ISMRMRD or HDF5 files")
    ],
    name: Annotated[str, typer.Option("--as", help="name, used in pools as own:NAME")],
    axes: AxesOption = "",
    key: KeyOption = "",
    crop: CropOption = None,
    space: SpaceOption = "auto",
    kspace_centre: KCentreOption = "auto",
    image_centre: ICentreOption = "auto",
    upside_down: UpsideDownOption = False,
    subject: Annotated[
        str, typer.Option(help="person on the scans, of whom one split is made; default each file")
    ] = "",
    sure: SureOption = False,
    to: Annotated[
        Path | None, typer.Option(help="folder that gets the files; default in the cache folder")
    ] = None,
) -> None:
    """Bring scans of your own into the fastMRI layout; look at the picture beside each.

    What is not told is found out and said: axes, k-space or images, where their middles are. What
    cannot be told is asked for, and nothing is written.
    """
    from mrinb.catalogue import homes
    from mrinb.compute.context import cache_dir
    from mrinb.data.own import scan

    homes.check_name(name)
    wanted = _wanted(
        key, axes, crop, space, kspace_centre, image_centre, upside_down, sure, subject
    )
    folder = (to or cache_dir() / "own" / name).expanduser().resolve()
    _refuse_other(homes.Own(name, folder))
    stems = [path.stem for path in scans]
    for path in scans:
        if stems.count(path.stem) > 1:
            raise MrinbError(f"{path}: two scans are called {path.stem}: rename one")
    bad = 0
    for path in scans:
        try:
            found = scan.understand(path, wanted)
        except MrinbError as error:
            bad += 1
            typer.echo(f"mrinb: {error}", err=True)
            continue
        file = folder / f"{path.stem}.h5"
        scan.write_scan(found, path, name, subject, file)
        scan.preview(found, file.with_suffix(".png"))
        typer.echo("\n  ".join([f"{path}", *found.words]))
        typer.echo(f"  {file}\n  look at {file.with_suffix('.png')}: is it what you scanned?")
    if bad < len(scans):
        homes.register(homes.Own(name, folder))
        typer.echo(f"{len(scans) - bad} of {len(scans)} scans are own:{name} in pools")
    if bad:
        raise typer.Exit(2)


def _refuse_other(own: object) -> None:
    """A name that stands for another folder is not taken over by an import."""
    from mrinb.catalogue import homes

    assert isinstance(own, homes.Own)
    known = homes.registered().get(own.name)
    if known and known != own:
        raise MrinbError(
            f"own:{own.name} is {known.folder} already: choose another name, or give "
            f"--to {known.folder}"
        )


def register(
    name: Annotated[str, typer.Argument(help="name, used in pools as own:NAME")],
    folder: Annotated[Path, typer.Argument(help="folder with files in the fastMRI layout")],
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="only files of which key=value holds: acquisition, scanner, field, coils, "
            "patient or name; values may have *; repeat for several"
        ),
    ] = None,
) -> None:
    """Give files of your own in the fastMRI layout a name for pools: own:NAME."""
    from mrinb.catalogue import homes
    from mrinb.compute.context import Context
    from mrinb.data import index

    homes.check_name(name)
    place = folder.expanduser().resolve()
    own = homes.Own(name, place, index.check_where(where or []))
    found = [
        entry
        for entry in index.scan(place, Context(), own=own)
        if entry.distribution == own.distribution
    ]
    if not found:
        told = " ".join(f"{key}={value}" for key, value in own.where)
        raise MrinbError(f"{place}: no file of it fits {told or 'the fastMRI layout'}")
    replaced = name in homes.registered()
    homes.register(own)
    for split in ("train", "val", "test", ""):
        files = [e for e in found if e.split == split]
        slices = sum(e.info.kspace_shape[0] for e in files if e.info)
        if files:
            word = split or "unused: masked or without target"
            typer.echo(f"{own.distribution:24} {word:6} {len(files):6} volumes {slices:7} slices")
    typer.echo(f"{'registered anew' if replaced else 'registered'}: own:{name} in pools")


def reconstruct(
    scans: Annotated[
        list[str],
        typer.Argument(help="files of any form that mrinb data import takes, or own:NAME"),
    ],
    pools: Annotated[
        str, typer.Option(help="pools of published networks, such as knees,brains; default all")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="the page; default NAME.html in this folder")
    ] = None,
    acceleration: Annotated[
        int, typer.Option(help="of fully sampled scans: 2, 3, 4, 8 or 16; networks know 4")
    ] = 4,
    slices: Annotated[int, typer.Option(help="at most so many slices of a scan", min=1)] = 3,
    axes: AxesOption = "",
    key: KeyOption = "",
    crop: CropOption = None,
    space: SpaceOption = "auto",
    kspace_centre: KCentreOption = "auto",
    image_centre: ICentreOption = "auto",
    upside_down: UpsideDownOption = False,
    sure: SureOption = False,
) -> None:
    """Reconstruct a scan by networks of several training pools, as one page to look at offline.

    A fully sampled scan is undersampled, and methods are scored against it; one that was measured
    undersampled is reconstructed as it is, without scores. l1-wavelet, and VarNet where there are
    several coils, stand beside the U-nets.
    """
    from mrinb import weights
    from mrinb.compute.context import Context
    from mrinb.recon.masks import sampling
    from mrinb.scan import methods, page, source

    networks = weights.of_pools(pools)
    sampling(acceleration)
    wanted = _wanted(key, axes, crop, space, kspace_centre, image_centre, upside_down, sure)
    context = Context()
    paths = [path for word in scans for path in source.files_of(word, context)]
    outcomes = []
    for path in paths:
        scan = source.read(path, wanted, slices)
        typer.echo("\n  ".join([str(path), *scan.words]))
        outcome = methods.reconstruct(scan, networks, acceleration, _tell)
        typer.echo("\n".join(f"  {line}" for line in _lines(outcome)))
        outcomes.append(outcome)
    place = out or Path(f"{outcomes[0].scan.name}.html")
    page.write(outcomes, networks, place)
    typer.echo(place)


def _tell(words: str) -> None:
    typer.echo(f"  {words} ...", err=True)


def _lines(outcome: Outcome) -> list[str]:
    """An outcome for the terminal."""
    from mrinb.labels import SCORES
    from mrinb.scan import methods

    said = [methods.words(outcome), *outcome.failed]
    if not len(outcome.scores):
        return [*said, "no fully sampled image to compare with: no scores"]
    table = methods.summary(outcome).rename(index=outcome.labels, columns=SCORES).round(4)
    return [*said, *table.rename_axis("").to_string().splitlines()]


def mount(data: typer.Typer, app: typer.Typer) -> None:
    """Add the commands to ``mrinb data`` and ``mrinb``."""
    data.command("import")(import_scans)
    data.command()(register)
    app.command()(reconstruct)
