"""Training and evaluation: against the bare step, and against fastMRI's pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import fastmri
import fastmri.data.transforms as transforms
import fastmri.evaluate
import h5py
import torch
from fastmri.models import Unet
from torch import Tensor

from benchmarks.harness import Row, bench, race
from mrinb.compute.devices import keep_memory
from mrinb.data.slices import SliceData
from mrinb.data.volumes import Item, Volume
from mrinb.recon import masks, metrics
from mrinb.recon.models import Measured, build
from mrinb.recon.models.unet import ChannelsLastUnet
from mrinb.recon.training import train
from mrinb.specs import ModelSpec, TrainSpec

CHANNELS, POOLS = 8, 4
SHAPE, COILS, STEPS = (96, 110), 8, 25
_SPEC = TrainSpec(
    pool="knee/PD-Skyra",
    data=(),
    model=ModelSpec(name="unet", options=(("channels", CHANNELS), ("pools", POOLS))),
    epochs=1,
)


class _Kept:
    """Random slices in memory, so that only the step is timed."""

    def __init__(self, count: int) -> None:
        height, width = SHAPE
        random = torch.Generator().manual_seed(0)
        self.items: list[Item] = []
        self.data: list[SliceData] = []
        for index in range(count):
            hybrid = (
                torch.randn(COILS, height, width, dtype=torch.complex64, generator=random)
                * torch.linspace(-3, 3, width).square().neg().exp()
            )
            target = torch.rand(height, height, generator=random)
            padding = (0, width)
            volume = Volume(
                Path("bench.h5"), "bench", "bench", _SPEC.pool, count,
                (count, COILS, height, width), (height, height), 1.0, padding,
            )  # fmt: skip
            self.items.append((volume, index))
            self.data.append(
                SliceData(hybrid, target, 1.0, padding, "bench", "bench", _SPEC.pool, index)
            )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> SliceData:
        return self.data[position]


def _adam(network: torch.nn.Module, fused: bool | None) -> Callable[[Tensor], None]:
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused)

    def step(loss: Tensor) -> None:
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        adam.zero_grad()

    return step


def _bare(network: torch.nn.Module) -> Callable[[], None]:
    """Forward, backward and optimiser steps on one ready image."""
    image, target = torch.randn(1, 1, SHAPE[0], SHAPE[0]), torch.rand(1, SHAPE[0], SHAPE[0])
    largest, step = torch.ones(1), _adam(network, True)

    def steps() -> None:
        for _ in range(STEPS):
            step((1 - metrics.ssim(network(image)[:, 0], target, largest)).sum())

    return steps


def _plain(slices: _Kept) -> Callable[[], None]:
    """The loop one writes on fastMRI's pieces, its data kept in memory as ours are."""
    network, loss = Unet(1, 1, CHANNELS, POOLS), fastmri.SSIMLoss()
    step = _adam(network, None)

    def steps() -> None:
        for position, data in enumerate(slices.data):
            lines = masks.for_step(_SPEC.sampling, 0, 0, position, SHAPE[1]).lines
            masked = torch.view_as_real(fastmri_kspace[position] * lines)
            image = transforms.complex_center_crop(fastmri.ifft2c(masked), data.target.shape)
            image = fastmri.rss(fastmri.complex_abs(image))
            image, mean, std = transforms.normalize_instance(image, eps=1e-11)
            output = network(image[None, None]) * std + mean
            step(loss(output, data.target[None, None], torch.ones(1)))

    fastmri_kspace = [
        torch.fft.fftshift(torch.fft.fft(torch.fft.ifftshift(d.hybrid, dim=-2), dim=-2), dim=-2)
        for d in slices.data
    ]
    return steps


@bench("training")
def training() -> Iterator[Row]:
    """A step of ``train``, set-up included, and what it is made of; a row is one step."""
    keep_memory()
    slices = _Kept(STEPS)
    network = ChannelsLastUnet(1, 1, CHANNELS, POOLS)
    network.place(torch.device("cpu"))
    fastmris = Unet(1, 1, CHANNELS, POOLS)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(_SPEC, slices, Path(folder), device="cpu")  # type: ignore[arg-type]

    pairs: tuple[tuple[str, Callable[[], object], Callable[[], object], float | None], ...] = (
        ("step against the same bare step", ours, _bare(network), 1 / 1.1),
        ("step against a bare step of fastMRI's U-net", ours, _bare(fastmris), 1 / 1.1),
        ("step against a loop on fastMRI's pieces", ours, _plain(slices), None),
        ("U-net in channels-last memory", _bare(network), _bare(fastmris), None),
    )
    for what, one, other, promise in pairs:
        times = race(one, other)
        yield Row(what, times[0] / STEPS, times[1] / STEPS, promise)
    yield _loss()


def _loss() -> Row:
    output = torch.rand(1, 96, 96, requires_grad=True)
    target, largest, theirs = torch.rand(1, 96, 96), torch.ones(1), fastmri.SSIMLoss()

    def repeat(loss: Callable[[], Tensor]) -> Callable[[], None]:
        def steps() -> None:
            for _ in range(STEPS):
                loss().backward()

        return steps

    times = race(
        repeat(lambda: (1 - metrics.ssim(output, target, largest)).sum()),
        repeat(lambda: theirs(output[None], target[None], largest)),
    )
    return Row("SSIM loss, forward and backward", times[0] / STEPS, times[1] / STEPS)


@bench("evaluation")
def evaluation() -> Iterator[Row]:
    """Scores of a volume; a row is one volume. Equal numbers, or it is void."""
    keep_memory()
    for name, shape in (("96 x 96, 8 slices", (8, 96, 96)), ("320 x 320, 16", (16, 320, 320))):
        with tempfile.TemporaryDirectory() as folder:
            yield from _evaluation(name, shape, Path(folder))


def _evaluation(name: str, shape: tuple[int, int, int], folder: Path) -> Iterator[Row]:
    random = torch.Generator().manual_seed(0)
    target = torch.nn.functional.avg_pool2d(torch.rand(shape, generator=random), 5, 1, 2)
    output = target + 0.05 * torch.randn(shape, generator=random)
    largest = target.max().expand(len(target))
    peak, pair = float(target.max()), (target.numpy(), output.numpy())
    files = SimpleNamespace(
        target_path=folder / "target", predictions_path=folder / "output",
        acquisition=None, acceleration=None,
    )  # fmt: skip
    for path, key, image in (
        (files.target_path, "reconstruction_rss", pair[0]),
        (files.predictions_path, "reconstruction", pair[1]),
    ):
        path.mkdir()
        with h5py.File(path / "volume.h5", "w") as file:
            file[key] = image

    @torch.inference_mode()
    def ours() -> float:
        metrics.psnr(output, target, largest)
        metrics.nmse(output, target)
        return float(metrics.ssim_map(output, target, largest).mean((-2, -1)).mean())

    def functions() -> float:
        fastmri.evaluate.psnr(*pair, peak)
        fastmri.evaluate.nmse(*pair)
        return float(fastmri.evaluate.ssim(*pair, peak).item())

    def program() -> float:
        return float(fastmri.evaluate.evaluate(files, "reconstruction_rss").means()["SSIM"].item())

    if max(abs(ours() - functions()), abs(ours() - program())) > 1e-5:
        raise AssertionError(f"{name}: SSIM is not fastMRI's")
    yield Row(f"{name}: fastmri.evaluate.evaluate", *race(ours, program), promise=5.0)
    yield Row(f"{name}: its functions, in memory", *race(ours, functions))
    times = race(lambda: metrics.score(output, target, largest), program)
    yield Row(f"{name}: all metrics, matched too", *times)


def _reconstruct_volume() -> Row:
    """A volume through the network: in one call, against fastMRI's network slice by slice."""
    slices = _Kept(8)
    model = build(_SPEC.model)
    model.place(torch.device("cpu"))
    theirs = Unet(1, 1, CHANNELS, POOLS)
    lines = masks.for_volume(_SPEC.sampling, "bench", SHAPE[1]).lines
    hybrid = torch.stack([d.hybrid for d in slices.data])

    @torch.inference_mode()
    def ours() -> None:
        model.eval()(Measured(hybrid, lines, SHAPE[0]))

    @torch.inference_mode()
    def plain() -> None:
        for data in slices.data:
            image = fastmri.ifft2c(torch.view_as_real(data.hybrid * lines))
            image = fastmri.rss(fastmri.complex_abs(image))[:, : SHAPE[0]]
            theirs.eval()(transforms.normalize_instance(image, eps=1e-11)[0][None, None])

    return Row("volume to images, 96 x 96, 8 slices", *race(ours, plain))


@bench("reconstruction")
def reconstruction() -> Iterator[Row]:
    """Measurements to images; a row is one volume."""
    yield _reconstruct_volume()
