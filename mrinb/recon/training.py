"""Training as in Appendix B.2: Adam, a linear one-cycle schedule, clipping, and 1 - SSIM as loss.

Order, masks and initialisation depend on the run's seed and the step alone, so that a run gives
the same weights whether it was interrupted or not, and the same masks on any number of devices.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mrinb.compute.devices import keep_memory, torch_device
from mrinb.data.slices import SliceData, Slices
from mrinb.errors import MrinbError
from mrinb.recon import masks, metrics
from mrinb.recon.models import Measured, Reconstructor, build
from mrinb.specs import TrainSpec

if TYPE_CHECKING:
    from lightning_fabric import Fabric

VERSION = 1
"""Version of the trainer; it enters keys, and is raised when five steps give other losses."""

Progress = Callable[[int, int, float], None]
LEARNING_RATES = (1.3e-3, 1e-3, 7e-4, 4e-4)
"""The grid of Appendix B.2."""
STATE = "state.safetensors"
ROWS_AN_EPOCH = 50


def train(
    spec: TrainSpec,
    slices: Slices,
    folder: Path,
    *,
    device: str = "auto",
    devices: int | None = None,
    progress: Progress | None = None,
    state_seconds: float = 30.0,
) -> pd.DataFrame:
    """Train a network and write its weights, going on from where a killed run was.

    Args:
        spec: the run.
        slices: the pool's training slices, in the order of its data, with the full readout where
            the network takes it.
        folder: where ``epoch-NN.safetensors`` is written for each of ``kept_epochs``, and
            ``state.safetensors`` while the run is unfinished.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``cuda`` takes as many GPUs as there are
            slices in a step.
        devices: number of processors among which the slices of a step are dealt out.
        progress: called with steps done, steps in all and the last loss; with several devices it
            is called in another process and must be picklable.
        state_seconds: time between saved states, longer where saving is slow; 0 saves every step.

    Returns:
        History: epoch (from 1), step (steps done), loss (mean since the last row), lr (of that
        step) and seconds (since the start, interruptions left out).

    Raises:
        MrinbError: there is nothing to train on, the loss is not a number, or the device is wrong.
    """
    if not len(slices):
        raise MrinbError(f"pool {spec.pool} has no training slices")
    folder.mkdir(parents=True, exist_ok=True)
    fabric = _fabric(device, devices, spec.batch_size)
    run: Any = _train
    try:
        return fabric.launch(run, spec, slices, folder, progress, state_seconds)
    except torch.multiprocessing.ProcessRaisedException as error:
        _, marked, words = str(error).rpartition("mrinb.errors.MrinbError: ")
        if not marked:
            raise
        raise MrinbError(words.strip()) from error


def learning_rate_grid(spec: TrainSpec, rates: Sequence[float] = LEARNING_RATES) -> list[TrainSpec]:
    """Runs that differ in the learning rate alone; validation data pick one (Appendix B.2)."""
    return [spec.model_copy(update={"learning_rate": rate}) for rate in rates]


def kept_epochs(spec: TrainSpec) -> list[int]:
    """Epochs (from 1) whose weights are kept: a third, two thirds, the last, and those asked for.

    The early ones stand for early stopping (Section 4).
    """
    epochs = {spec.epochs // 3, 2 * spec.epochs // 3, spec.epochs, *spec.checkpoints}
    return sorted(e for e in epochs if 1 <= e <= spec.epochs)


def weights_file(folder: Path, epoch: int) -> Path:
    """The weights after an epoch (from 1)."""
    return folder / f"epoch-{epoch:02d}.safetensors"


def load_weights(model: Reconstructor, file: Path) -> None:
    """Fill a network with weights of a checkpoint.

    Raises:
        MrinbError: the file is missing or damaged, or is of another network.
    """
    try:
        with safe_open(file, "pt") as tensors:
            model.load_state_dict({name: tensors.get_tensor(name) for name in tensors.keys()})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise MrinbError(f"cannot read the weights {file}: {error}") from error
    except RuntimeError as error:
        raise MrinbError(f"the weights {file} are of another network than this one") from error


def rates(steps: int, largest: float) -> np.ndarray:
    """Learning rate of each step: up from 1/25 in 1 % of the steps, then linearly down to it.

    Equal to ``torch.optim.lr_scheduler.OneCycleLR(anneal_strategy="linear", pct_start=0.01,
    div_factor=25, final_div_factor=1)``, which divides by zero for 100 steps.
    """
    least, step = largest / 25, np.arange(steps)
    top = 0.01 * steps - 1
    down = largest + (least - largest) * (step - top) / (steps - 1 - top)
    if top <= 0:
        return down
    return np.where(step <= top, least + (largest - least) * step / top, down)


def order(volumes: Sequence[str], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Mini-batches of an epoch: every slice once, each batch from one volume (Appendix G.2).

    Args:
        volumes: volume of each slice.
        batch_size: slices of a batch; a volume's last batch may have fewer.
        seed: the run's seed.
        epoch: pass over the slices, from 0.
    """
    random = masks.state(seed, epoch)
    members: dict[str, list[int]] = {}
    for index in random.permutation(len(volumes)).tolist():
        members.setdefault(volumes[index], []).append(index)
    batches = [
        group[start : start + batch_size]
        for group in members.values()
        for start in range(0, len(group), batch_size)
    ]
    return [batches[i] for i in random.permutation(len(batches)).tolist()]


class Batch(NamedTuple):
    """One rank's share of a step's slices.

    Attributes:
        indices: all slices of the step, whosever share they are.
        measured: undersampled measurements of the share.
        target: references (slices, height, width).
        max_value: maximum of each slice's volume (slices,).
        weight: what the sum of the losses is multiplied with before ranks are averaged.
    """

    indices: list[int]
    measured: Measured
    target: Tensor
    max_value: Tensor
    weight: float

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        hybrid, lines = self.measured.hybrid.to(device), self.measured.lines.to(device)
        return self._replace(
            measured=self.measured._replace(hybrid=hybrid, lines=lines),
            target=self.target.to(device),
            max_value=self.max_value.to(device),
        )


@dataclass
class _State:
    """What a killed run goes on from, apart from the tensors."""

    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    history: list[list[float]] = field(default_factory=list)


def _fabric(device: str, devices: int | None, batch_size: int) -> Fabric:
    from lightning_fabric import Fabric  # as long to load as torch; only trainings need it

    chosen = torch_device(device)
    if devices is None:
        many = chosen.type == "cuda" and chosen.index is None and device != "auto"
        devices = min(torch.cuda.device_count(), batch_size) if many else 1
    if devices > batch_size:
        raise MrinbError(
            f"a step of {batch_size} slices cannot be dealt out to {devices} devices: "
            "raise batch_size or lower devices"
        )
    wanted: Any = [chosen.index] if chosen.index is not None else devices
    strategy = "auto"
    if devices > 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        strategy = "ddp_spawn"
    return Fabric(accelerator=chosen.type, devices=wanted, strategy=strategy, precision="32-true")


def _train(
    fabric: Fabric,
    spec: TrainSpec,
    slices: Slices,
    folder: Path,
    progress: Progress | None,
    state_seconds: float,
) -> pd.DataFrame:
    keep_memory()
    with _deterministic(fabric.device):
        return _Run(fabric, spec, slices, folder, state_seconds).finish(progress)


@contextlib.contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """On a GPU, choose algorithms whose results repeat; on a CPU they do."""
    if device.type == "cpu":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill, memory.fill_uninitialized_memory = memory.fill_uninitialized_memory, False
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        memory.fill_uninitialized_memory = fill


class _Run:
    """One training run on one rank."""

    def __init__(
        self, fabric: Fabric, spec: TrainSpec, slices: Slices, folder: Path, state_seconds: float
    ) -> None:
        self.fabric, self.spec, self.slices, self.folder = fabric, spec, slices, folder
        self.state_seconds = state_seconds
        self.volumes = [str(volume.path) for volume, _ in slices.items]
        self.steps = len(order(self.volumes, spec.batch_size, spec.seed, 0))
        self.total = self.steps * spec.epochs
        self.rates = rates(self.total, spec.learning_rate)
        self.every = math.ceil(self.steps / ROWS_AN_EPOCH)
        self.kept = kept_epochs(spec)
        with torch.random.fork_rng():
            torch.manual_seed(spec.seed)
            self.network = build(spec.model)
        self.network.place(fabric.device)
        self.adam = torch.optim.Adam(
            self.network.parameters(), lr=0.0, betas=(0.9, 0.999), fused=True
        )
        self.state = self._resume()
        self.model, self.optimizer = fabric.setup(self.network, self.adam)

    def finish(self, progress: Progress | None) -> pd.DataFrame:
        """Take all steps that are left and return the history."""
        state, lead = self.state, self.fabric.global_rank == 0
        started = time.perf_counter() - state.seconds
        saved, pause = time.perf_counter(), self.state_seconds
        pending: list[tuple[Batch, Tensor]] = []
        # Reading a loss waits for a GPU, so there it is done for several steps at once.
        patience = 1 if self.fabric.device.type == "cpu" else 32
        for batch in self._ahead(self._batches(state.step)):
            pending.append((batch, self._step(batch, self.rates[state.step])))
            state.step += 1
            epoch, within = divmod(state.step - 1, self.steps)
            ended = within + 1 == self.steps
            row = ended or (within + 1) % self.every == 0
            due = time.perf_counter() - saved > pause
            if row or due or len(pending) >= patience:
                self._flush(pending)
                state.seconds = time.perf_counter() - started
                if progress and lead:
                    progress(state.step, self.total, state.losses[-1])
            if row:
                self._record(epoch + 1)
            if ended and epoch + 1 in self.kept:
                self._write(weights_file(self.folder, epoch + 1), self.network.state_dict(), {})
            if due:
                begun = time.perf_counter()
                self._save()
                saved = time.perf_counter()
                pause = self.state_seconds and max(self.state_seconds, 50 * (saved - begun))
        if lead:
            (self.folder / STATE).unlink(missing_ok=True)
        self.fabric.barrier()
        history = pd.DataFrame(state.history, columns=["epoch", "step", "loss", "lr", "seconds"])
        return history.astype({"epoch": int, "step": int})

    def _step(self, batch: Batch, rate: float) -> Tensor:
        """Take one optimiser step and return the mean loss of its slices."""
        batch = batch.to(self.fabric.device)
        for group in self.adam.param_groups:
            group["lr"] = rate
        output = self.model(batch.measured)
        losses = 1 - metrics.ssim(output, batch.target, batch.max_value)
        loss = losses.sum() * batch.weight
        self.fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.spec.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        loss = loss.detach()
        return cast(Tensor, self.fabric.all_reduce(loss)) if self.fabric.world_size > 1 else loss

    def _batches(self, start: int) -> Iterator[Batch]:
        """This rank's share of every step from ``start`` on."""
        rank, ranks = self.fabric.global_rank, self.fabric.world_size
        for epoch in range(start // self.steps, self.spec.epochs):
            batches = order(self.volumes, self.spec.batch_size, self.spec.seed, epoch)
            first = start - epoch * self.steps
            for position in range(max(first, 0), self.steps):
                indices = batches[position]
                # A rank without a slice of this batch takes part in the averaging with nothing.
                own = indices[rank::ranks] or indices[:1]
                weight = ranks / len(indices) if rank < len(indices) else 0.0
                yield self._batch(indices, own, weight, epoch, position)

    def _batch(
        self, indices: list[int], own: list[int], weight: float, epoch: int, position: int
    ) -> Batch:
        data = [self.slices[i] for i in own]
        first = data[0]
        mask = masks.for_step(
            self.spec.sampling, self.spec.seed, epoch, position, first.hybrid.shape[-1],
            first.padding,
        )  # fmt: skip
        stack = torch.stack if len(data) > 1 else lambda tensors: tensors[0][None]
        target = stack([d.target for d in data])
        hybrid = stack([d.hybrid for d in data])
        largest = torch.tensor([d.max_value for d in data], dtype=torch.float32)
        height, width = target.shape[-2:]
        measured = Measured(hybrid, mask.lines, width, mask.low, height)
        return Batch(indices, measured, target, largest, weight)

    def _ahead(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """While a GPU computes, a thread prepares the next batches."""
        if self.fabric.device.type == "cpu":
            yield from batches
            return
        with ThreadPoolExecutor(1) as thread:
            queue = [thread.submit(next, batches, None) for _ in range(8)]
            while (batch := queue.pop(0).result()) is not None:
                queue.append(thread.submit(next, batches, None))
                yield batch

    def _flush(self, pending: list[tuple[Batch, Tensor]]) -> None:
        """Read the losses of the last steps; stop at the first that is not a number."""
        for batch, loss in pending:
            value = loss.item()
            if not math.isfinite(value):
                raise _not_finite([self.slices[i] for i in batch.indices], self.spec)
            self.state.losses.append(value)
        pending.clear()

    def _record(self, epoch: int) -> None:
        state = self.state
        loss = sum(state.losses) / len(state.losses)
        state.history.append([epoch, state.step, loss, self.rates[state.step - 1], state.seconds])
        state.losses = []

    def _save(self) -> None:
        """Write the whole state in one file, which is either the old or the new one."""
        tensors = {f"model.{n}": t for n, t in self.network.state_dict().items()}
        for index, values in self.adam.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in values.items()}
        note = {"key": self.spec.key, **vars(self.state)}
        self._write(self.folder / STATE, tensors, {"state": json.dumps(note)})

    def _write(self, file: Path, tensors: dict[str, Tensor], note: dict[str, str]) -> None:
        if self.fabric.global_rank:
            return
        part = file.with_suffix(".part")
        save_file({n: t.contiguous() for n, t in tensors.items()}, part, metadata=note)
        with part.open("rb+") as opened:
            os.fsync(opened.fileno())
        part.replace(file)

    def _resume(self) -> _State:
        """Load the state that a killed run of the same spec left, if there is one."""
        file = self.folder / STATE
        if not file.exists():
            return _State()
        try:
            with safe_open(file, "pt") as found:
                note = json.loads((found.metadata() or {}).get("state", "{}"))
                if note.pop("key", None) != self.spec.key:
                    return _State()
                tensors = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError):
            return _State()
        model = {n[6:]: t for n, t in tensors.items() if n.startswith("model.")}
        self.network.load_state_dict(model)
        parameters = [p.detach() for p in self.network.parameters()]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("adam."):
                _, index, moment = name.split(".")
                # The fused optimiser reads moments in the memory layout of their parameter.
                if tensor.shape == parameters[int(index)].shape:
                    tensor = torch.empty_like(parameters[int(index)]).copy_(tensor)
                moments.setdefault(int(index), {})[moment] = tensor
        self.adam.load_state_dict(self.adam.state_dict() | {"state": moments})
        return _State(**note)


def _not_finite(step: list[SliceData], spec: TrainSpec) -> MrinbError:
    """Say where a loss that is not a number comes from."""
    for data in step:
        for name, values in (("k-space", torch.view_as_real(data.hybrid)), ("target", data.target)):
            if not torch.isfinite(values).all():
                return MrinbError(
                    f"NaN or Inf in the {name} of volume {data.volume}, "
                    f"slice {data.slice_index}: repair or remove the file"
                )
    where = " and ".join(f"volume {d.volume}, slice {d.slice_index}" for d in step)
    return MrinbError(
        f"the loss is not a number at {where}: lower learning_rate ({spec.learning_rate:g})"
    )
