"""The registry of models: one record each, which can be read without loading torch.

A model is a module of ``mrinb.recon.models`` with a function ``build`` and a record here; rows of
``profiles`` give its sizes. Names, marks, costs and versions are read from the record everywhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mrinb.errors import MrinbError, unknown

Options = Mapping[str, Any]
StepCost = Callable[[Options, int, int], float]

MARKS = "os^Dv"
"""matplotlib's marks that a model may have; widgets draw the same."""


class Model(NamedTuple):
    """A reconstruction model.

    Attributes:
        name: name in specs and parameters.
        label: name for readers.
        module: module with its ``build``, which takes the options as keywords. A method without
            training also has its ``VERSION`` there, which specs carry as option ``version``.
        step_s: seconds that one slice takes on one core, from options, matrix size and coils: of
            a training step, or of one iteration where nothing is trained.
        mark: its mark in figures, one of ``MARKS``.
        trained: whether it is trained.
        switches: options that are 0 or 1; the others are whole numbers above 0 in a network.
    """

    name: str
    label: str
    module: str
    step_s: StepCost
    mark: str = "D"
    trained: bool = True
    switches: frozenset[str] = frozenset()

    @property
    def build(self) -> Callable[..., Any]:
        """The builder; loads torch."""
        builder: Callable[..., Any] = importlib.import_module(self.module).build
        return builder

    @property
    def version(self) -> int | None:
        """Version of an untrained method's numbers, None of a network; loads torch."""
        return None if self.trained else int(importlib.import_module(self.module).VERSION)


MODELS: dict[str, Model] = {}
"""Every model, by name."""

NETWORKS: dict[str, str] = {}
"""Models that are trained, and their names for readers."""


def register(model: Model) -> Model:
    """Make a model known by its name.

    Raises:
        MrinbError: figures have no such mark.
    """
    if model.mark not in tuple(MARKS):
        raise MrinbError(f"model {model.name}: mark is {model.mark!r}; give one of {MARKS}")
    MODELS[model.name] = model
    if model.trained:
        NETWORKS[model.name] = model.label
    return model


def find(name: str) -> Model:
    """Look a model up.

    Raises:
        MrinbError: no model has this name.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def label(name: str) -> str:
    """A model's name for readers; what is no model keeps its own."""
    return MODELS[name].label if name in MODELS else name


def mark(name: str) -> str:
    """A model's mark in figures; what is no model has a diamond."""
    return MODELS[name].mark if name in MODELS else "D"


def _unet_step_s(options: Options, size: int, coils: int) -> float:
    width = options.get("channels", 8) / 8
    return float((0.012 + 0.0065 * width**2) * (size / 96) ** 2)


def _vit_step_s(options: Options, size: int, coils: int) -> float:
    """Multiplications of the blocks at 65 GFLOP/s, and what is done once a step."""
    width, depth = options.get("width", 396), options.get("depth", 4)
    tokens = (size / options.get("patch", 10)) ** 2
    linear, attention = 24 * tokens * width**2, 4 * tokens**2 * width
    return float(0.005 + 3 * depth * (linear + attention) / 6.5e10)


def _varnet_step_s(options: Options, size: int, coils: int) -> float:
    cascades, channels = options.get("cascades", 8), options.get("channels", 12)
    sensitivities = 0.0014 * coils * options.get("sens_channels", 9)
    pixels = (size / 96) ** 2 * (2 if options.get("oversampling", 1) else 1)
    return float(0.005 * (cascades + 1) + pixels * (0.0033 * cascades * channels + sensitivities))


def _wavelet_step_s(options: Options, size: int, coils: int) -> float:
    return 4e-4 * (1 + coils / 2) * (size / 96) ** 2


register(Model("unet", "U-net", "mrinb.recon.models.unet", _unet_step_s, "o"))
register(Model("vit", "ViT", "mrinb.recon.models.vit", _vit_step_s, "s"))
register(
    Model(
        "varnet", "VarNet", "mrinb.recon.models.varnet", _varnet_step_s, "^",
        switches=frozenset({"oversampling"}),
    )
)  # fmt: skip
register(
    Model(
        "l1-wavelet", "l1-wavelet", "mrinb.recon.models.l1_wavelet", _wavelet_step_s,
        trained=False,
    )
)  # fmt: skip
