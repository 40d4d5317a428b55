"""Training steps of the ViT against plain softmax attention, and of VarNet against fastMRI's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from fastmri.models import VarNet
from torch import Tensor

from benchmarks.harness import Row, bench, race
from mrinb.compute.devices import keep_memory
from mrinb.data.slices import crop, readout
from mrinb.recon import masks, metrics
from mrinb.recon.models import Measured, build
from mrinb.specs import ModelSpec

CPU = torch.device("cpu")


def _step(
    network: torch.nn.Module, output: Callable[[], Tensor], target: Tensor
) -> Callable[[], None]:
    """Forward, backward and optimiser step of the loss in training."""
    adam, largest = torch.optim.Adam(network.parameters(), lr=1e-6, fused=True), torch.ones(1)

    def step() -> None:
        (1 - metrics.ssim(output(), target, largest)).sum().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        adam.zero_grad()

    return step


def _require_equal(what: str, ours: Tensor, theirs: Tensor) -> None:
    apart = ((ours - theirs).norm() / theirs.norm()).item()
    if not apart < 1e-4:
        raise AssertionError(f"{what}: outputs are {apart:.1e} apart")


@bench("vit")
def vit() -> Iterator[Row]:
    """The paper's small ViT at 320 x 320 and the classroom's; equal outputs, or it is void."""
    keep_memory()
    classroom = {"patch": 8, "width": 128, "heads": 4, "size": 96}
    yield _attention("320 x 320, 1024 tokens", {}, 320, 1.25)
    yield _attention("96 x 96, 144 tokens", classroom, 96, None)


def _attention(what: str, options: dict[str, int], size: int, promise: float | None) -> Row:
    torch.manual_seed(0)
    spec = ModelSpec(name="vit", options=tuple(sorted(options.items())))
    fused, plain = build(spec), build(spec)
    plain.load_state_dict(fused.state_dict())
    for block in plain.network.blocks:  # type: ignore[union-attr]
        block.attn.fused_attn = False
    hybrid = torch.randn(1, 2, size, size, dtype=torch.complex64)
    given = Measured(hybrid, torch.arange(size) % 4 == 0, size)
    target = torch.rand(1, size, size)
    with torch.no_grad():
        _require_equal(what, fused(given), plain(given))
    ours = _step(fused, lambda: fused(given), target)
    theirs = _step(plain, lambda: plain(given), target)
    return Row(what, *race(ours, theirs, rounds=5), promise)


# Name; coils, readout, phase encoding; rows and columns of the target; cascades, channels and
# channels of the sensitivity network.
SIZES = (
    ("96 x 96, 8 coils", (8, 192, 110), (96, 96), (4, 4, 3)),
    ("15 x 320 x 184", (15, 320, 184), (160, 160), (2, 12, 9)),
)


@bench("varnet")
def varnet() -> Iterator[Row]:
    """A step on the whole readout, as fastMRI's; then without the readout's oversampling.

    On the same data both give the same outputs, or it is void. Removing the oversampling makes
    another model of the same parameters; its rows are marked as such.
    """
    keep_memory()
    for what, shape, recon, sizes in SIZES:
        yield from _varnet(what, shape, recon, sizes)


def _varnet(
    what: str, shape: tuple[int, int, int], recon: tuple[int, int], sizes: Sequence[int]
) -> Iterator[Row]:
    torch.manual_seed(0)
    kspace = torch.randn(1, *shape, dtype=torch.complex64)
    kspace *= torch.linspace(-3, 3, shape[-1]).square().neg().exp()
    hybrid, target = readout(kspace, shape[1]), torch.rand(1, *recon)
    cropped = crop(hybrid, (recon[0], shape[2])).contiguous()
    yield _compare(f"{what}, whole readout", hybrid, target, sizes, hybrid, 1.2)
    yield _compare(f"{what}, cropped readout in both", cropped, target, sizes, cropped, 1.2)
    yield _compare(
        f"{what}, oversampling removed (another model)", cropped, target, sizes, hybrid, None
    )


def _compare(
    what: str,
    hybrid: Tensor,
    target: Tensor,
    sizes: Sequence[int],
    theirs_hybrid: Tensor,
    promise: float | None,
) -> Row:
    cascades, channels, sens_channels = sizes
    names = ("cascades", "channels", "sens_channels")
    ours = build(ModelSpec(name="varnet", options=tuple(zip(names, sizes, strict=True))))
    theirs = VarNet(cascades, sens_channels, 4, channels, 4)
    theirs.load_state_dict(ours.network.state_dict())  # type: ignore[union-attr]
    ours.place(CPU)
    mask = masks.for_volume(masks.sampling(4), "bench", hybrid.shape[-1])
    height, width = target.shape[-2:]
    given = Measured(hybrid, mask.lines, width, mask.low, height)
    masked = torch.view_as_real(_kspace(theirs_hybrid) * mask.lines)
    lines = mask.lines[None, None, None, :, None]

    def output() -> Tensor:
        return crop(theirs(masked, lines, mask.low), (height, width))

    if theirs_hybrid is hybrid:
        with torch.no_grad():
            _require_equal(what, ours(given), output())
    steps = _step(ours, lambda: ours(given), target), _step(theirs, output, target)
    return Row(what, *race(*steps, rounds=5), promise)


def _kspace(hybrid: Tensor) -> Tensor:
    """k-space along both directions."""
    shifted = torch.fft.fft(torch.fft.ifftshift(hybrid, dim=-2), dim=-2, norm="ortho")
    return torch.fft.fftshift(shifted, dim=-2)
