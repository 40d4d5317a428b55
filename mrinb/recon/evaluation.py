"""Reconstructions and their scores, a volume at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from mrinb.compute.context import Context
from mrinb.compute.devices import keep_memory, torch_device
from mrinb.data.slices import SliceData, Slices, slice_bytes, zero_filled
from mrinb.data.volumes import Item, Volume, volumes
from mrinb.errors import MrinbError
from mrinb.recon import masks, metrics
from mrinb.recon.models import Measured, Reconstructor, build
from mrinb.recon.training import load_weights
from mrinb.specs import EvalSpec, ModelSpec, SamplingSpec, TrainSpec

Progress = Callable[[int, int], None]
PIXELS = 2**20
"""Image pixels reconstructed at once, to bound memory: ten slices of 320 x 320."""
UNBOUNDED = ("psnr", "nmse")
"""Metrics that are infinite where output and target are equal, or the target is empty."""
KEPT_VOLUMES, KEPT_BYTES = 128, 2**23
"""A process keeps so many volumes, each of at most so many bytes, for its next evaluations."""


class Reconstruction(NamedTuple):
    """Reconstructed slices of one volume and what they are compared with.

    Attributes:
        volume: the volume.
        indices: which of its slices, in file order from 0.
        output: reconstructions (slices, height, width).
        target: references (slices, height, width).
        max_value: data range of each slice (slices,).
        mask: the volume's mask.
        foreground: gives ``metrics.foreground`` of ``target``.
    """

    volume: Volume
    indices: list[int]
    output: Tensor
    target: Tensor
    max_value: Tensor
    mask: masks.Mask
    foreground: Callable[[], Tensor]


def evaluate(
    spec: EvalSpec,
    weights: Path | None,
    context: Context,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Score a network, an untrained method or zero-filling on every slice of a split.

    Args:
        spec: what is evaluated.
        weights: the checkpoint, or None where nothing was trained.
        context: where the data are and the device.
        progress: called with volumes done and volumes in all.

    Returns:
        One row a slice: distribution, split, volume, subject, slice, acceleration (nominal),
        effective_acceleration, and each metric of the spec's group as it is and
        ``*_matched``.

    Raises:
        MrinbError: there is nothing to evaluate, a score is not a number, or a metric's version is
            not this code's.
    """
    _check(spec, weights)
    found = volumes(spec.data, context)
    items = [(volume, index) for volume in found for index in volume.used]
    if not items:
        raise MrinbError(f"no {spec.data.split} slices of {spec.data.distribution} to evaluate")
    tables: list[pd.DataFrame] = []
    done: set[Path] = set()
    by = spec.method or spec.train
    for part in reconstructions(by, weights, items, spec.sampling, context):
        tables.append(_table(part, spec))
        done.add(part.volume.path)
        if progress:
            progress(len(done), len(found))
    return pd.concat(tables, ignore_index=True)


def reconstruct(
    by: TrainSpec | ModelSpec | None,
    weights: Path | None,
    items: Sequence[Item],
    sampling: SamplingSpec,
    context: Context,
) -> list[np.ndarray]:
    """Reconstruct chosen slices, each with its volume's mask.

    Args:
        by: the run that made the network, an untrained method, or None for zero-filling.
        weights: the network's checkpoint, None where nothing was trained.
        items: volumes and slices.
        sampling: the masks, which follow from the volumes' names.
        context: where the data are and the device.

    Returns:
        Images of float32 (height, width) in the target's units, in the order of ``items``.
    """
    images: dict[tuple[Path, int], np.ndarray] = {}
    for part in reconstructions(by, weights, items, sampling, context):
        for index, image in zip(part.indices, part.output.cpu().numpy(), strict=True):
            images[part.volume.path, index] = image
    return [images[volume.path, index] for volume, index in items]


def reconstructions(
    by: TrainSpec | ModelSpec | None,
    weights: Path | None,
    items: Sequence[Item],
    sampling: SamplingSpec,
    context: Context,
) -> Iterator[Reconstruction]:
    """Reconstruct slices in batches, each of one volume; arguments as of ``reconstruct``.

    Yields:
        The slices of one volume that stand together in ``items``, or some of them where they
        are large.
    """
    keep_memory()
    device = torch_device(context.device)
    network = _network(by, weights, device)
    for _, group in groupby(items, key=lambda item: item[0].path):
        members = list(group)
        full = network is not None and network.full_readout
        volume = _volume(tuple(members), context, full)
        slices = volume.slices
        mask: masks.Mask | None = None
        start = 0
        while start < len(members):
            first = slices[start]
            if mask is None:
                width = first.hybrid.shape[-1]
                mask = masks.for_volume(sampling, first.volume, width, first.padding)
            stop = min(start + max(1, PIXELS // first.target.numel()), len(members))
            data = [first, *(slices[i] for i in range(start + 1, stop))]
            foreground = partial(volume.foreground, start, stop)
            yield _reconstruct(network, members[start:stop], data, mask, device, foreground)
            start = stop
        slices.close()


class _Volume:
    """The slices of one volume that are evaluated, with what depends on no network."""

    def __init__(self, members: tuple[Item, ...], context: Context, full_readout: bool) -> None:
        self.slices = Slices(members, context, full_readout=full_readout)
        self._foregrounds: dict[int, Tensor] = {}

    def foreground(self, start: int, stop: int) -> Tensor:
        """Foreground of the slices at some positions."""
        if start not in self._foregrounds:
            target = torch.stack([self.slices[i].target for i in range(start, stop)])
            self._foregrounds[start] = metrics.foreground(target)
        return self._foregrounds[start]


def _volume(members: tuple[Item, ...], context: Context, full_readout: bool) -> _Volume:
    """A volume, kept for the next evaluation where it is small: networks share test data."""
    volume = members[0][0]
    if len(members) * slice_bytes(volume, full_readout) > KEPT_BYTES:
        return _Volume(members, context, full_readout)
    return _kept_volume(members, context, full_readout, volume.path.stat().st_mtime_ns)


@lru_cache(KEPT_VOLUMES)
def _kept_volume(
    members: tuple[Item, ...], context: Context, full_readout: bool, written: int
) -> _Volume:
    return _Volume(members, context, full_readout)


def _network(
    by: TrainSpec | ModelSpec | None, weights: Path | None, device: torch.device
) -> Reconstructor | None:
    if by is None:
        return None
    if isinstance(by, ModelSpec):
        return build(by).eval()
    if weights is None:
        raise MrinbError(f"run {by.key} has no weights here: train it first")
    network = build(by.model)
    load_weights(network, weights)
    network.place(device)
    return network.eval()


@torch.inference_mode()
def _reconstruct(
    network: Reconstructor | None,
    members: Sequence[Item],
    data: Sequence[SliceData],
    mask: masks.Mask,
    device: torch.device,
    foreground: Callable[[], Tensor],
) -> Reconstruction:
    target = torch.stack([d.target for d in data]).to(device)
    hybrid = torch.stack([d.hybrid for d in data]).to(device)
    height, width = target.shape[-2:]
    measured = Measured(hybrid, mask.lines.to(device), width, mask.low, height)
    output = zero_filled(*measured[:3]) if network is None else network(measured)
    largest = torch.tensor([d.max_value for d in data], dtype=torch.float32, device=device)
    indices = [index for _, index in members]
    return Reconstruction(members[0][0], indices, output, target, largest, mask, foreground)


def _check(spec: EvalSpec, weights: Path | None) -> None:
    metrics.group(spec.metrics)
    if spec.train is not None and spec.method is not None:
        raise MrinbError(f"evaluation {spec.key} names a training run and {spec.method.name}")
    if (spec.train is None) != (weights is None):
        raise MrinbError("an evaluation needs weights where it names a training run, else none")


def _table(part: Reconstruction, spec: EvalSpec) -> pd.DataFrame:
    measure = metrics.group(spec.metrics).measure
    scores = metrics.score(part.output, part.target, part.max_value, part.foreground(), measure)
    for name, values in scores.items():
        if not name.startswith(UNBOUNDED) and not np.isfinite(values).all():
            index = part.indices[int(np.flatnonzero(~np.isfinite(values))[0])]
            raise MrinbError(
                f"{name} is not a number for volume {part.volume.name}, slice {index}: "
                "its target or reconstruction holds NaN, or the volume's maximum is 0"
            )
    return pd.DataFrame(
        {
            "distribution": spec.data.distribution,
            "split": spec.data.split,
            "volume": part.volume.name,
            "subject": part.volume.subject,
            "slice": part.indices,
            "acceleration": part.mask.acceleration,
            "effective_acceleration": part.mask.effective,
            **scores,
        }
    )
