"""Reconstruction networks: ``build(spec)`` makes one from its description."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch

from mrinb.errors import MrinbError, unknown
from mrinb.recon.models import l1_wavelet, unet, varnet, vit
from mrinb.recon.models.base import Measured, Reconstructor
from mrinb.specs import ModelSpec

__all__ = [
    "METHODS", "METHOD_VERSIONS", "MODELS", "Measured", "Reconstructor", "build", "full_readout",
    "parameters",
]  # fmt: skip

MODELS: dict[str, Callable[..., Reconstructor]] = {
    "unet": unet.build,
    "vit": vit.build,
    "varnet": varnet.build,
}
"""Builder of each network: it takes the options as keywords."""

METHODS: dict[str, Callable[..., Reconstructor]] = {l1_wavelet.NAME: l1_wavelet.build}
"""Builder of each method that needs no training; it checks the values of its options itself."""

METHOD_VERSIONS = {l1_wavelet.NAME: l1_wavelet.VERSION}
"""Version of each untrained method's numbers, which its spec has as option ``version``."""


def build(spec: ModelSpec) -> Reconstructor:
    """Build the network that a spec describes, freshly initialised from torch's generator.

    Methods that need no training (``METHODS``) are built in the same way.

    Args:
        spec: name and options.

    Returns:
        A module that maps ``Measured`` to images (slices, height, width).

    Raises:
        MrinbError: the name or an option is unknown, or an option's value makes no network.
    """
    builders = MODELS | METHODS
    if spec.name not in builders:
        raise unknown("model", spec.name, builders)
    builder = builders[spec.name]
    valid = list(inspect.signature(builder).parameters)
    for name, value in spec.options:
        if name not in valid:
            raise unknown(f"option of model {spec.name}", name, valid)
        if spec.name in METHODS:
            continue
        switch = name == "oversampling"
        if not isinstance(value, int) or value < (0 if switch else 1):
            wanted = "0 or 1" if switch else "a whole number above 0"
            raise MrinbError(f"model {spec.name}: {name} is {value}; give {wanted}")
    return builder(**dict(spec.options))


def full_readout(spec: ModelSpec) -> bool:
    """Whether the network takes the readout with its oversampling (``Slices``)."""
    with torch.device("meta"):
        return build(spec).full_readout


def parameters(model: Reconstructor) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
