"""Reconstruction networks: ``build(spec)`` makes one from its description.

Each is a module here with its record in ``mrinb.models``.
"""

from __future__ import annotations

import inspect

import torch

from mrinb import models
from mrinb.errors import MrinbError, unknown
from mrinb.recon.models.base import Measured, Reconstructor
from mrinb.specs import ModelSpec

__all__ = ["METHOD_VERSIONS", "Measured", "Reconstructor", "build", "full_readout", "parameters"]

METHOD_VERSIONS = {m.name: m.version for m in models.MODELS.values() if not m.trained}
"""Version of each untrained method's numbers, which its spec has as option ``version``."""


def build(spec: ModelSpec) -> Reconstructor:
    """Build the network that a spec describes, freshly initialised from torch's generator.

    Methods that need no training are built in the same way, and check their options' values.

    Args:
        spec: name and options.

    Returns:
        A module that maps ``Measured`` to images (slices, height, width).

    Raises:
        MrinbError: the name or an option is unknown, or an option's value makes no network.
    """
    model = models.find(spec.name)
    valid = list(inspect.signature(model.build).parameters)
    for name, value in spec.options:
        if name not in valid:
            raise unknown(f"option of model {spec.name}", name, valid)
        switch = name in model.switches
        if model.trained and (not isinstance(value, int) or value < (0 if switch else 1)):
            wanted = "0 or 1" if switch else "a whole number above 0"
            raise MrinbError(f"model {spec.name}: {name} is {value}; give {wanted}")
    built: Reconstructor = model.build(**dict(spec.options))
    return built


def full_readout(spec: ModelSpec) -> bool:
    """Whether the network takes the readout with its oversampling (``Slices``)."""
    with torch.device("meta"):
        return build(spec).full_readout


def parameters(model: Reconstructor) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
