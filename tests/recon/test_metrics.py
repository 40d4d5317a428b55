import json

import fastmri
import fastmri.evaluate
import numpy as np
import pytest
import torch
from metric_images import disc, golden_images, images
from places import GOLDEN

from mrinb.errors import MrinbError
from mrinb.recon import metrics


@pytest.mark.parametrize("height, width", [(7, 7), (40, 45), (33, 96)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_ssim_equals_fastmris_loss_and_evaluation(height, width, scale):
    output, target, largest = images(3, height, width, scale)
    ours = metrics.ssim(output, target, largest)
    loss = fastmri.SSIMLoss()
    for i in range(3):
        theirs = 1 - loss(output[i, None, None], target[i, None, None], largest[i, None])
        assert ours[i] == pytest.approx(float(theirs), abs=1e-5)
        of_files = fastmri.evaluate.ssim(
            target[i : i + 1].numpy(), output[i : i + 1].numpy(), float(largest[i])
        )
        assert ours[i] == pytest.approx(of_files.item(), abs=1e-5)
    map_mean = metrics.ssim_map(output, target, largest).mean((-2, -1))
    assert torch.allclose(map_mean, ours, atol=1e-6)


def test_gradient_of_ssim_equals_that_of_fastmris_loss():
    output, target, largest = images()
    output.requires_grad_()
    weights = torch.tensor([1.0, 2.0, -3.0])
    loss = fastmri.SSIMLoss()(output[:, None], target[:, None], largest, reduced=False)
    theirs = torch.autograd.grad((loss.mean((1, 2, 3)) * weights).sum(), output)[0]
    ours = torch.autograd.grad(
        ((1 - metrics.ssim(output, target, largest)) * weights).sum(), output
    )[0]
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < 5e-5


def test_gradient_of_ssim_equals_finite_differences():
    output, target, largest = (t.double() for t in images(2, 9, 11, 1.0))
    output.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: metrics.ssim(x, target, largest), output)


def test_psnr_and_nmse_equal_fastmris():
    output, target, largest = images()
    scores = metrics.score(output, target, largest)
    for i in range(3):
        one = target[i : i + 1].numpy(), output[i : i + 1].numpy()
        assert scores["psnr"][i] == pytest.approx(
            fastmri.evaluate.psnr(*one, float(largest[i])), abs=1e-3
        )
        assert scores["nmse"][i] == pytest.approx(float(fastmri.evaluate.nmse(*one)), rel=1e-4)


def test_matching_takes_brightness_and_contrast_out_of_the_score():
    output, target, largest = images()
    off = 3 * target + target.mean()
    scores = metrics.score(off, target, largest)
    assert (scores["ssim"] < 0.9).all()
    assert scores["ssim_matched"] == pytest.approx(np.ones(3), abs=1e-4)
    assert scores["nmse_matched"].max() < 1e-9 < scores["nmse"].min()
    matched = metrics.matched(output, target)
    assert torch.allclose(matched.mean((1, 2)), target.mean((1, 2)), rtol=1e-4)
    assert torch.allclose(matched.std((1, 2)), target.std((1, 2)), rtol=1e-4)


def test_a_constant_output_is_matched_in_its_mean():
    _, target, _ = images(2)
    matched = metrics.matched(torch.full_like(target, 7e-5), target)
    assert torch.allclose(matched, target.mean((1, 2), keepdim=True).expand_as(target))


def test_foreground_is_the_body_with_its_dark_inside_and_without_air():
    target, radius = disc()
    target[5:8, 5:8] = 1.0  # A speck apart from the body is not the body.
    mask = metrics.foreground(target[None])[0]
    assert mask[radius < 24].all()
    assert not mask[radius > 31].any()


def test_foreground_leaves_out_air_that_is_bright_with_noise():
    target, radius = disc()
    random = torch.Generator().manual_seed(2)
    channels = torch.randn(8, 2, 80, 90, generator=random)
    noisy = (target**2 + (0.1 * channels).square().sum((0, 1))).sqrt()
    air = metrics.foreground(noisy[None])[0][radius > 34]
    assert noisy[radius > 34].mean() > 0.15 * noisy.max()
    assert air.float().mean() < 0.05


def test_foreground_ssim_sees_the_body_only():
    target, radius = disc()
    largest = target.max()[None]
    random = torch.Generator().manual_seed(1)
    noise = 0.05 * torch.randn(80, 90, generator=random)
    outside = metrics.score((target + noise * (radius > 36))[None], target[None], largest)
    inside = metrics.score((target + noise * (radius < 24))[None], target[None], largest)
    assert outside["ssim_foreground"][0] == pytest.approx(1, abs=1e-6)
    assert outside["ssim"][0] < 0.9
    assert inside["ssim_foreground"][0] < inside["ssim"][0] - 0.01


def test_an_empty_target_has_scores_of_the_whole_image():
    empty = torch.zeros(1, 20, 20)
    scores = metrics.score(empty, empty, torch.ones(1))
    assert scores["ssim"][0] == pytest.approx(1, abs=1e-6)
    assert scores["ssim_foreground"][0] == pytest.approx(1, abs=1e-6)


def test_images_that_cannot_be_compared_are_named():
    with pytest.raises(MrinbError, match=r"shapes \(1, 9, 9\) and \(1, 9, 8\)"):
        metrics.ssim(torch.ones(1, 9, 9), torch.ones(1, 9, 8), torch.ones(1))
    with pytest.raises(MrinbError, match="at least 7 x 7"):
        metrics.ssim(torch.ones(1, 6, 9), torch.ones(1, 6, 9), torch.ones(1))


def test_scores_change_only_with_their_versions():
    """The golden score; where it changes, raise the metric's version and write both here."""
    golden = json.loads((GOLDEN / "metrics.json").read_text())
    scores = metrics.score(*golden_images())
    assert golden["versions"] == metrics.VERSIONS
    assert {n: round(float(v[0]), 4) for n, v in scores.items()} == golden["score"]
