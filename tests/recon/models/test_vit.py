import pytest
import torch
from five_steps import check, network

from mrinb.errors import MrinbError
from mrinb.recon import models
from mrinb.recon.models.vit import VisionTransformer


@pytest.mark.parametrize(
    "options, count",
    [({}, 8_029_000), ({"patch": 10, "width": 1024, "heads": 16, "depth": 10}, 127_188_068)],
)
def test_the_papers_sizes_have_its_parameter_counts(options, count):
    with torch.device("meta"):
        model = models.build(network("vit", **options))
    assert models.parameters(model) == count


def small(size=24):
    torch.manual_seed(0)
    return VisionTransformer(patch=6, width=16, heads=2, depth=2, size=size, mlp=4)


def test_fused_attention_equals_plain_softmax():
    model, image = small(), torch.randn(2, 1, 24, 30)
    fused = model(image)
    for block in model.blocks:
        assert block.attn.fused_attn and block.attn.qkv.bias is None
        block.attn.fused_attn = False
    assert torch.allclose(fused, model(image), atol=1e-5)


def test_patches_come_back_where_they_were():
    model, image = small(), torch.randn(2, 1, 12, 18)
    patches = model._patches(image, 2, 3)
    assert torch.equal(patches[1, 4].view(6, 6), image[1, 0, 6:12, 6:12])
    assert torch.equal(model._image(patches, 2, 3), image)


def test_positions_are_those_learned_or_interpolated_between_them():
    model = small()
    learned = model.position.detach()
    assert torch.equal(model._positions(4, 4)[0, 5], learned[0, :, 1, 1])
    wider = model._positions(4, 8).detach().view(4, 8, 16)
    # The centre of the third of eight columns lies a quarter beyond that of the second of four.
    between = 0.75 * learned[0, :, 2, 1] + 0.25 * learned[0, :, 2, 0]
    assert torch.allclose(wider[2, 2], between, atol=1e-6)


@pytest.mark.parametrize("shape, recon_width", [((24, 28), 24), ((25, 33), 31), ((5, 7), 7)])
def test_any_size_is_padded_on_all_sides_before_it_is_normalised(shape, recon_width):
    model = models.build(network("vit", patch=6, width=16, heads=2, depth=1, size=24))
    hybrid = torch.randn(2, 3, *shape, dtype=torch.complex64)
    measured = models.Measured(hybrid, torch.ones(shape[1], dtype=torch.bool), recon_width)
    seen = []
    model.network.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    assert model(measured).shape == (2, shape[0], recon_width)
    (image,) = seen
    assert image.shape[-2] % 6 == 0 and image.shape[-1] % 6 == 0
    assert torch.allclose(image.mean((-2, -1)), torch.zeros(2, 1), atol=1e-5)
    assert torch.allclose(image.std((-2, -1)), torch.ones(2, 1), atol=1e-5)


def test_a_network_that_copies_patches_gives_the_zero_filled_image():
    model = models.build(network("vit", patch=4, width=16, heads=2, depth=1, size=16))
    model.network.forward = lambda image: image
    hybrid = torch.randn(1, 2, 13, 17, dtype=torch.complex64)
    lines = torch.arange(17) % 2 == 0
    expected = models.base.zero_filled(hybrid, lines, 14)
    assert torch.allclose(model(models.Measured(hybrid, lines, 14)), expected, atol=1e-5)


def test_five_steps_change_only_with_the_trainers_version(tmp_path):
    check(network("vit", patch=6, width=32, heads=4, depth=2, size=24), tmp_path)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"width": 30, "heads": 4}, "width 30 is not a multiple of heads 4"),
        ({"depth": 0}, "depth is 0; give a whole number above 0"),
        ({"patches": 4}, "unknown option of model vit 'patches': did you mean patch"),
    ],
)
def test_what_makes_no_network_is_one_clear_line(options, words):
    with pytest.raises(MrinbError, match=words):
        models.build(network("vit", **options))
