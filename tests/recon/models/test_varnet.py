import fastmri
import pytest
import torch
from fastmri.models import VarNet
from five_steps import check, network

from mrinb.data.slices import readout
from mrinb.errors import MrinbError
from mrinb.recon import masks, models
from mrinb.recon.models.varnet import HybridVarNet

CPU = torch.device("cpu")


@pytest.mark.parametrize("options, count", [({}, 9_340_868), ({"sens_channels": 8}, 9_212_090)])
def test_the_papers_sizes_have_their_parameter_counts(options, count):
    with torch.device("meta"):
        model = models.build(network("varnet", **options))
    assert models.parameters(model) == count


def kspace(slices, coils, height, width):
    """k-space of smooth images seen by smooth coils, with noise."""
    random = torch.Generator().manual_seed(0)
    images = torch.rand(slices, 1, 8, 8, generator=random)
    maps = torch.randn(coils, 2, 3, 3, generator=random)
    images, maps = (
        torch.nn.functional.interpolate(x, (height, width), mode="bicubic") for x in (images, maps)
    )
    images = images * torch.complex(maps[:, 0], maps[:, 1])
    noise = torch.randn(images.shape, dtype=torch.complex64, generator=random)
    return torch.view_as_complex(fastmri.fft2c(torch.view_as_real(images + 0.01 * noise)))


def measured(data, acceleration=4, recon=None):
    """Full readout in hybrid space, as the loader gives it."""
    height, width = data.shape[-2:]
    mask = masks.draw(masks.sampling(acceleration), width, 1)
    recon_height, recon_width = recon or (height, width)
    return models.Measured(
        readout(data, height), mask.lines, recon_width, mask.low, recon_height
    )  # fmt: skip


def fastmris(model, data, given):
    masked = torch.view_as_real(torch.where(given.lines, data, 0))
    lines = given.lines[None, None, None, :, None].expand(len(data), -1, -1, -1, -1)
    return model(masked, lines, given.center)


def pair(cascades=2, channels=4):
    torch.manual_seed(0)
    theirs = VarNet(cascades, 3, 2, channels, 2)
    ours = models.build(
        network(
            "varnet", cascades=cascades, channels=channels, pools=2, sens_channels=3, sens_pools=2
        )
    )
    ours.network.load_state_dict(theirs.state_dict())
    ours.place(CPU)
    return theirs, ours


def apart(expected, output):
    """Relative difference."""
    return ((expected - output).norm() / expected.norm()).item()


@pytest.mark.parametrize("shape", [(1, 4, 48, 54), (2, 3, 45, 51), (1, 1, 33, 64), (1, 6, 64, 49)])
def test_outputs_and_gradients_equal_fastmris(shape):
    theirs, ours = pair()
    data = kspace(*shape)
    with torch.no_grad():
        given = measured(data)
        assert apart(fastmris(theirs, data, given), ours(given)) < 1e-4
    # In double precision, where rounding flips no slope of a leaky ReLU near zero.
    theirs, ours, data = theirs.double(), ours.double(), data.to(torch.complex128)
    given = measured(data)
    weights = torch.randn(len(data), *shape[2:], dtype=torch.float64)
    for expected, gradient in zip(
        torch.autograd.grad(fastmris(theirs, data, given), list(theirs.parameters()), weights),
        torch.autograd.grad(ours(given), list(ours.parameters()), weights),
        strict=True,
    ):
        assert torch.allclose(expected, gradient, rtol=1e-4, atol=1e-6 * float(expected.norm()))


@pytest.mark.parametrize("acceleration", masks.CENTER_FRACTIONS)
def test_calibration_is_the_masks_own_centre_at_any_acceleration(acceleration):
    theirs, ours = pair(cascades=1)
    data = kspace(1, 3, 32, 96)
    given = measured(data, acceleration)
    assert given.center == round(96 * masks.CENTER_FRACTIONS[acceleration])
    with torch.no_grad():
        expected, output = fastmris(theirs, data, given), ours(given)
        assert torch.allclose(expected, output, rtol=1e-3, atol=1e-4 * float(expected.max()))
        narrower = ours(given._replace(center=given.center - 1))
    assert not torch.allclose(output, narrower, rtol=0, atol=1e-5 * float(expected.max()))


def test_the_output_is_the_middle_of_fastmris():
    theirs, ours = pair()
    data = kspace(2, 3, 64, 40)
    given = measured(data, recon=(30, 34))
    with torch.no_grad():
        expected = fastmris(theirs, data, given)[:, 17:47, 3:37]
        assert torch.allclose(ours(given), expected, rtol=1e-3, atol=1e-4 * float(expected.max()))
    cropped = given._replace(hybrid=given.hybrid[..., 17:47, :], recon_height=None)
    assert ours(cropped).shape == (2, 30, 34)


def test_slices_and_pixels_of_zeros_have_finite_outputs_and_gradients():
    _, ours = pair()
    data = kspace(2, 3, 48, 54)
    data[1] = 0
    output = ours(measured(data))
    assert torch.isfinite(output).all() and output[1].max().item() < 1e-20
    output.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in ours.parameters())


def test_outputs_scale_with_the_data():
    _, ours = pair()
    given = measured(kspace(1, 3, 48, 54))
    with torch.no_grad():
        once, more = ours(given), ours(given._replace(hybrid=1e-6 * given.hybrid))
    assert torch.allclose(1e-6 * once, more, rtol=1e-3, atol=1e-8 * float(once.max()))


def test_whether_it_takes_the_whole_readout_is_an_option():
    assert models.full_readout(network("varnet"))
    assert not models.full_readout(network("varnet", oversampling=0))
    assert not models.full_readout(network("unet"))
    assert not models.full_readout(network("vit"))


def test_parameters_have_fastmris_names():
    theirs = VarNet(num_cascades=2, sens_chans=3, sens_pools=2, chans=4, pools=2)
    assert list(HybridVarNet(2, 3, 2, 4, 2).state_dict()) == list(theirs.state_dict())


def test_five_steps_change_only_with_the_trainers_version(tmp_path):
    options = {"cascades": 2, "channels": 4, "pools": 2, "sens_channels": 2, "sens_pools": 2}
    check(network("varnet", **options, oversampling=0), tmp_path)


def test_without_central_lines_there_is_one_clear_line():
    _, ours = pair()
    with pytest.raises(MrinbError, match="VarNet needs central lines"):
        ours(measured(kspace(1, 2, 32, 32))._replace(center=0))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"oversampling": 2}, "oversampling is 2; give 0 or 1"),
        ({"oversampling": -1}, "oversampling is -1; give 0 or 1"),
        ({"cascades": 0}, "cascades is 0; give a whole number above 0"),
    ],
)
def test_what_makes_no_network_is_one_clear_line(options, words):
    with pytest.raises(MrinbError, match=words):
        models.build(network("varnet", **options))
