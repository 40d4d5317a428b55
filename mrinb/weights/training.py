"""How the published networks are made: simulated data of 192 pixels, through the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mrinb import __version__
from mrinb.compute.context import Context
from mrinb.compute.store import Store
from mrinb.compute.whole import written
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.labels import ZERO_FILLED
from mrinb.models import label
from mrinb.pools import Pool
from mrinb.profiles import PROFILES, Profile, unet, varnet
from mrinb.recipes import weights_name
from mrinb.specs import TrainSpec
from mrinb.weights import FOLDER, LICENCE, NETWORKS, Network, Weights, path, pool

PROFILE = PROFILES["classroom"]._replace(
    name="weights",
    size=192,
    coils=4,
    subjects=(1, 1, 1),
    slices=6,
    networks={
        "unet": unet(channels=8, epochs=11, seeds=1),
        "varnet": varnet(cascades=4, channels=4, sens_channels=2, oversampling=0, epochs=11),
    },
)
"""Sizes: about 12 minutes on one idle core, simulation included. Epochs are each network's own."""

TESTED_ON = {
    "knees, Skyra": Pool.parse("knee/*-Skyra"),
    "brains, Skyra": Pool.parse("brain/*-Skyra"),
}
"""What the cards' scores are of: one scanner, since each test volume is to be simulated."""


def train(
    names: Iterable[str],
    context: Context,
    folder: Path = FOLDER,
    profile: Profile = PROFILE,
) -> list[Path]:
    """Train networks, score them and write their weights and cards.

    Results that the store has are not computed again, so a stopped training goes on.

    Args:
        names: which of ``NETWORKS``.
        context: where and how results are computed.
        folder: gets the files.
        profile: sizes.

    Returns:
        The files of weights.

    Raises:
        MrinbError: an unknown name, or a folder that cannot be written to.
    """
    chosen = [NETWORKS[name] for name in names]
    labs = {n: Lab("weights", profile.trained(n.epochs), context) for n in chosen}
    runs = {n: lab.train(n.model, {n.name: pool(n)}) for n, lab in labs.items()}
    Lab("weights", profile, context).compute(runs.values(), TESTED_ON)
    written = []
    for network, lab in labs.items():
        scores = lab.evaluate(runs[network], TESTED_ON)
        means = {
            str(target): {
                "network": float(rows[rows["pool"] == network.name]["ssim"].mean()),
                "zero-filled": float(rows[rows["pool"] == ZERO_FILLED]["ssim"].mean()),
            }
            for target, rows in scores.groupby("target", sort=False)
        }
        spec = runs[network].specs[network.name][0]
        written.append(export(network, spec, means, context, folder))
    return written


def export(
    network: Network,
    spec: TrainSpec,
    scores: Mapping[str, Mapping[str, float]],
    context: Context,
    folder: Path,
) -> Path:
    """Write a run's last weights as half floats, and their card.

    Raises:
        MrinbError: the run has no weights here, or the folder cannot be written to.
    """
    name = weights_name(spec)
    entry = Store(context.store, context.published).find(spec, (name,))
    if entry is None:
        raise MrinbError(f"{network.name}: its weights have gone from the store: run again")
    with safe_open(entry.path(name), "pt") as found:
        tensors = {
            key: found.get_tensor(key).to(torch.float16).contiguous()
            for key in found.keys()  # noqa: SIM118
        }
    if any(not torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise MrinbError(f"{network.name}: weights beyond the range of half floats")
    made = f"mrinb {__version__}, {datetime.now(UTC):%Y-%m-%d}"
    note = {"train": spec.model_dump(mode="json"), "scores": scores, "made": made}
    file = path(network.name, folder)
    with written(file) as part:
        save_file(tensors, part, metadata={"mrinb": json.dumps(note, sort_keys=True)})
        part.chmod(0o644)  # safetensors lets nobody else read
    weights = Weights(spec, {k: dict(v) for k, v in scores.items()}, made)
    count = sum(tensor.numel() for tensor in tensors.values())
    with written(file.with_suffix(".md")) as part:
        part.write_text(card(network, weights, count), encoding="utf-8")
    return file


def card(network: Network, weights: Weights, parameters: int) -> str:
    """The card that lies beside a network's weights."""
    spec = weights.train
    options = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in spec.model.options)
    accelerations = " or ".join(map(str, spec.sampling.accelerations))
    masks = f"{spec.sampling.mask} masks of {accelerations}-fold acceleration"
    epochs = f"{spec.epochs} epoch{'s' * (spec.epochs > 1)}"
    rows = [
        f"| {target} | {s['network']:.3f} | {s['zero-filled']:.3f} |"
        for target, s in weights.scores.items()
    ]
    distributions = ", ".join(d.distribution for d in spec.data)
    return f"""# {network.name}

{label(network.model)} ({options}), {parameters:,} parameters, half floats.

- **For**: looking at what a training pool makes of a scan (`mrinb reconstruct`). Not for diagnosis.
- **Training data**: simulated, {weights.size} pixels, {weights.slices} slices of {network.pool}: \
{distributions}. Simulator: {weights.simulator}. Brains rest on the ICBM152 template of nilearn.
- **Training**: {epochs}, Adam, learning rate {spec.learning_rate:g}, loss 1 - SSIM, {masks}, \
seed {spec.seed}; key {spec.key}.
- **Made by**: `mrinb weights train {network.name}`, {weights.made}.
- **Licence**: {LICENCE}.

Mean SSIM on simulated test subjects of the same size, {accelerations}-fold:

| tested on | network | zero-filled |
|---|---|---|
{chr(10).join(rows)}
"""
