"""Small slices in memory that stand in for ``mrinb.data.slices.Slices``."""

from pathlib import Path

import torch

from mrinb.data.slices import SliceData
from mrinb.data.volumes import Volume
from mrinb.specs import DataSpec, ModelSpec, SimulatorSpec, TrainSpec


class ToySlices:
    """Smooth random images seen by three coils, with a sequence's interface."""

    def __init__(self, volumes=3, slices=4, shape=(32, 36), recon_width=32, coils=3, seed=0):
        random = torch.Generator().manual_seed(seed)
        height, width = shape
        self.items, self.data = [], []
        for v in range(volumes):
            images = torch.rand(slices, 1, height // 4, width // 4, generator=random)
            images = torch.nn.functional.interpolate(images, shape, mode="bicubic").abs()
            maps = torch.randn(coils, 2, 3, 3, generator=random)
            maps = torch.nn.functional.interpolate(maps, shape, mode="bicubic")
            maps = torch.complex(maps[:, 0], maps[:, 1])
            coil_images = images * maps
            left = (width - recon_width) // 2
            target = coil_images.abs().square().sum(1).sqrt()[..., left : left + recon_width]
            hybrid = torch.fft.fftshift(
                torch.fft.fft(torch.fft.ifftshift(coil_images, dim=-1), norm="ortho"), dim=-1
            )
            name, largest = f"toy{v}", float(target.max())
            volume = Volume(
                Path(f"{name}.h5"),
                name,
                f"subject{v}",
                "knee/PD-Skyra",
                slices,
                (slices, coils, height, width),
                (height, recon_width),
                largest,
                (0, width),
            )
            for i in range(slices):
                self.items.append((volume, i))
                self.data.append(
                    SliceData(
                        hybrid[i].contiguous(),
                        target[i].contiguous(),
                        largest,
                        (0, width),
                        name,
                        volume.subject,
                        volume.distribution,
                        i,
                    )
                )

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.data[index]


def spec(**changes):
    simulator = SimulatorSpec(size=32, coils=3, subjects=3, slices=4)
    base = TrainSpec(
        pool="knee/PD-Skyra",
        data=(DataSpec(distribution="knee/PD-Skyra", split="train", simulator=simulator),),
        model=ModelSpec(name="unet", options=(("channels", 4), ("pools", 2))),
        epochs=3,
    )
    return base.model_copy(update=changes)
