"""Five training steps of a small network, compared with the losses in tests/golden."""

import json

import places
import pytest
import torch
from toy_slices import ToySlices, spec

from mrinb.recon import training
from mrinb.specs import ModelSpec, TrainSpec

GOLDEN = places.GOLDEN / "trainer-models.json"


def network(name, **options):
    return ModelSpec(name=name, options=tuple(sorted(options.items())))


def check(model, folder):
    golden = json.loads(GOLDEN.read_text())
    assert golden["version"] == TrainSpec.model_fields["version"].default
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    slices = ToySlices(volumes=1, slices=5)
    try:
        history = training.train(spec(model=model, epochs=1), slices, folder, device="cpu")
    finally:
        torch.set_num_threads(threads)
    assert history["loss"].tolist() == pytest.approx(golden[model.name], abs=1e-3)
