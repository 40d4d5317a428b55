import pytest
import torch
from fastmri.models import Unet

from mrinb.errors import MrinbError
from mrinb.recon import models
from mrinb.recon.models.unet import ChannelsLastUnet
from mrinb.specs import ModelSpec


@pytest.mark.parametrize("channels, count", [(10, 757_501), (32, 7_756_097), (128, 124_093_697)])
def test_the_papers_sizes_have_its_parameter_counts(channels, count):
    with torch.device("meta"):
        model = models.build(ModelSpec(name="unet", options=(("channels", channels),)))
    assert models.parameters(model) == count


@pytest.mark.parametrize("shape", [(1, 1, 48, 54), (3, 1, 45, 51)])
def test_outputs_and_gradients_equal_fastmris(shape):
    torch.manual_seed(0)
    theirs, ours = Unet(1, 1, 8, 3), ChannelsLastUnet(1, 1, 8, 3)
    ours.load_state_dict(theirs.state_dict())
    ours.place(torch.device("cpu"))
    image = torch.randn(shape)
    outputs = theirs(image), ours(image)
    assert torch.allclose(*outputs, atol=1e-5)
    weights = torch.randn(shape)
    for one, other in zip(
        torch.autograd.grad(outputs[0], list(theirs.parameters()), weights),
        torch.autograd.grad(outputs[1], list(ours.parameters()), weights),
        strict=True,
    ):
        # Rounding may flip the slope of a leaky ReLU near zero, in fastMRI's as in ours.
        assert float((one - other).norm() / one.norm()) < 1e-3


def test_the_output_is_in_the_datas_units():
    model = models.build(ModelSpec(name="unet", options=(("channels", 4), ("pools", 2))))
    hybrid = torch.randn(2, 3, 16, 20, dtype=torch.complex64)
    lines = torch.ones(20, dtype=torch.bool)
    small = model(models.Measured(hybrid, lines, 16))
    large = model(models.Measured(1000 * hybrid, lines, 16))
    assert small.shape == (2, 16, 16)
    assert torch.allclose(1000 * small, large, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    "name, options, words",
    [
        ("une", (), "unknown model 'une': did you mean unet"),
        ("unet", (("chanels", 8),), "unknown option of model unet 'chanels': did you mean channel"),
        ("unet", (("channels", 0),), "channels is 0; give a whole number above 0"),
        ("unet", (("channels", 8.5),), "channels is 8.5"),
    ],
)
def test_what_makes_no_network_is_one_clear_line(name, options, words):
    with pytest.raises(MrinbError, match=words):
        models.build(ModelSpec(name=name, options=options))
