"""``mrinb weights``: the published networks, and how they are made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Published networks for scans of your own.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("ls")
def list_weights() -> None:
    """List the published networks: training data, scores, size, licence."""
    from mrinb import weights

    for name in weights.NETWORKS:
        file = weights.path(name)
        if not file.is_file():
            typer.echo(f"{name}: not here, make it by mrinb weights train {name}")
            continue
        about = weights.about(name)
        scores = "; ".join(
            f"SSIM on {target} {found['network']:.3f} (zero-filled {found['zero-filled']:.3f})"
            for target, found in about.scores.items()
        )
        typer.echo(
            f"{name}: {weights.find(name).label}, {about.slices} simulated slices of "
            f"{about.size} pixels\n  {scores}\n  {file.stat().st_size / 1e6:.1f} MB, "
            f"{weights.LICENCE}, {about.made}; card: {file.with_suffix('.md')}"
        )


@app.command()
def train(
    names: Annotated[list[str] | None, typer.Argument(help="networks; default all")] = None,
    to: Annotated[
        Path | None, typer.Option(help="folder that gets weights and cards; default the package")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="worker processes; default one a core", min=0)
    ] = None,
) -> None:
    """Train the published networks anew on simulated data, about 12 minutes on one idle core.

    Everything goes through your results store: a training that was stopped goes on.
    """
    from mrinb import weights
    from mrinb.compute.context import Context
    from mrinb.compute.workers import default_workers
    from mrinb.weights import training

    chosen = [weights.find(name).name for name in names or weights.NETWORKS]
    context = Context(workers=default_workers() if workers is None else workers)
    for file in training.train(chosen, context, (to or weights.FOLDER).expanduser()):
        typer.echo(f"{file} {file.stat().st_size / 1e6:.1f} MB")
