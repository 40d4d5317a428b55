"""Published networks: half floats beside the code, a card each, for scans of one's own.

They are trained on simulated data alone (``training``), so that anyone may have them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from mrinb.errors import MrinbError, unknown
from mrinb.pools import Pool
from mrinb.recon.models import Reconstructor, build
from mrinb.specs import TrainSpec

FOLDER = Path(__file__).parent / "published"
LICENCE = "MIT"
"""Of the weights: no patient's data are in them but the head templates named in the cards."""


class Network(NamedTuple):
    """A network that is published.

    Attributes:
        name: of its files.
        pool: name of its training pool in ``--pools``.
        model: name of its model.
        distributions: the pool, in a pool's words.
        epochs: of its training; U-nets have about equally many steps, so that pools differ in
            what is in them alone.
    """

    name: str
    pool: str
    model: str
    distributions: str
    epochs: int

    @property
    def label(self) -> str:
        """Name for readers."""
        from mrinb.models import label

        return f"{label(self.model)}, trained on {self.pool}"


NETWORKS: dict[str, Network] = {
    n.name: n
    for n in (
        Network("unet-knees", "knees", "unet", "knee/*", 30),
        Network("unet-brains", "brains", "unet", "brain/*", 18),
        Network("unet-all", "all", "unet", "*", 11),
        Network("varnet-all", "all", "varnet", "*", 11),
    )
}
"""P, Q and P+Q of Section 3's shift of anatomy, and a VarNet for several coils."""

POOLS = tuple(dict.fromkeys(n.pool for n in NETWORKS.values()))


class Weights(NamedTuple):
    """What lies beside a network's weights.

    Attributes:
        train: how it was trained.
        scores: mean SSIM by what it was tested on: of the network and of zero-filled images.
        made: code version and date.
    """

    train: TrainSpec
    scores: dict[str, dict[str, float]]
    made: str

    @property
    def size(self) -> int:
        """Target matrix that the network was trained at, where full size is 320."""
        return max((d.simulator.size for d in self.train.data if d.simulator), default=320)

    @property
    def simulator(self) -> str:
        """Versions of the simulator's modules, in words."""
        found = {pair for d in self.train.data if d.simulator for pair in d.simulator.versions}
        return ", ".join(f"{module} {version}" for module, version in sorted(found))

    @property
    def slices(self) -> int:
        """Number of slices of the training splits."""
        made = [d.simulator for d in self.train.data if d.simulator]
        return sum(s.subjects * s.slices for s in made)


def path(name: str, folder: Path = FOLDER) -> Path:
    """The weights of a published network."""
    return folder / f"{name}.safetensors"


def find(name: str) -> Network:
    """Look a network up.

    Raises:
        MrinbError: none has this name.
    """
    if name not in NETWORKS:
        raise unknown("published network", name, NETWORKS)
    return NETWORKS[name]


def of_pools(text: str) -> list[Network]:
    """The networks of some pools that are here.

    Args:
        text: names of pools with commas between; empty stands for all.

    Raises:
        MrinbError: an unknown pool, or one whose networks are not here.
    """
    wanted = [word.strip() for word in text.split(",") if word.strip()] or list(POOLS)
    for word in wanted:
        if word not in POOLS:
            raise unknown("pool of published networks", word, POOLS)
    found = [n for n in NETWORKS.values() if n.pool in wanted and path(n.name).is_file()]
    if not found:
        raise MrinbError(
            f"no weights of {', '.join(wanted)} here: make them by mrinb weights train"
        )
    return found


def about(name: str, folder: Path = FOLDER) -> Weights:
    """What a network's weights say of themselves.

    Raises:
        MrinbError: they are missing or damaged.
    """
    file = path(find(name).name, folder)
    try:
        with safe_open(file, "pt") as found:
            note = json.loads((found.metadata() or {}).get("mrinb", "{}"))
        return Weights(TrainSpec.model_validate(note["train"]), note["scores"], note["made"])
    except (OSError, SafetensorError, ValueError, KeyError, ValidationError) as error:
        raise MrinbError(f"cannot read the weights {file}: {error}") from None


def load(name: str, folder: Path = FOLDER) -> Reconstructor:
    """A published network, ready to reconstruct on the CPU in single precision.

    Raises:
        MrinbError: its weights are missing, damaged or of another network.
    """
    spec, file = about(name, folder).train.model, path(name, folder)
    network = build(spec)
    try:
        with safe_open(file, "pt") as found:
            tensors = {key: found.get_tensor(key).float() for key in found.keys()}  # noqa: SIM118
        network.load_state_dict(tensors)
    except (OSError, SafetensorError) as error:
        raise MrinbError(f"cannot read the weights {file}: {error}") from None
    except RuntimeError:
        raise MrinbError(f"the weights {file} are of another network than this one") from None
    network.place(torch.device("cpu"))
    return network.eval()


def pool(network: Network) -> Pool:
    """The training pool of a published network."""
    return Pool.parse(network.distributions)
