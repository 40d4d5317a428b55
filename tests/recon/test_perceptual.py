"""Further metrics against the library that they come from, and as a group of their own."""

import builtins
import json

import piq
import pytest
from metric_images import golden_images, images
from places import GOLDEN

from mrinb.errors import MrinbError
from mrinb.recon import metrics, perceptual

DEFAULT, FURTHER = metrics.GROUPS["default"], metrics.GROUPS["perceptual"]


def scored(*given):
    return metrics.score(*given, measure=FURTHER.measure)


@pytest.mark.parametrize("scale", [1e-5, 1.0, 300.0])
def test_they_are_piqs(scale):
    output, target, largest = images(2, 170, 165, scale)
    found = scored(output, target, largest)
    for i in range(2):
        x, y = ((im[i] / largest[i]).clamp(0, 1)[None, None] for im in (output, target))
        assert found["haarpsi"][i] == pytest.approx(piq.haarpsi(x, y).item(), abs=1e-5)
        assert found["vif"][i] == pytest.approx(piq.vif_p(x, y).item(), abs=1e-4)
        assert found["ms_ssim"][i] == pytest.approx(piq.multi_scale_ssim(x, y).item(), abs=1e-4)
    assert set(found) == {n + s for n in perceptual.VERSIONS for s in ("", "_matched")}


def test_matched_scores_are_of_matched_images():
    output, target, largest = images(2, 64, 64)
    found = scored(3 * output + 1e-5, target, largest)
    again = scored(metrics.matched(output, target), target, largest)
    assert found["haarpsi_matched"] == pytest.approx(again["haarpsi"], abs=1e-4)
    assert (found["haarpsi"] < found["haarpsi_matched"]).all()


def test_equal_images_have_the_best_scores_and_noise_lowers_them():
    output, target, largest = images(1, 96, 96)
    best, less, least = (
        scored(target + share * (output - target), target, largest) for share in (0, 0.3, 1)
    )
    for name in perceptual.VERSIONS:
        assert best[name][0] == pytest.approx(1, abs=1e-4)
        assert best[name][0] > less[name][0] > least[name][0]


@pytest.mark.parametrize("side, count", [(41, 3), (80, 3), (81, 4), (160, 4), (161, 5), (640, 5)])
def test_multi_scale_ssim_has_the_scales_there_is_room_for(side, count):
    assert perceptual.scales(side) == count
    if side < 200:
        output, target, largest = images(1, side, side)
        assert 0 < scored(output, target, largest)["ms_ssim"][0] < 1


def test_small_images_and_a_missing_library_are_one_line(monkeypatch):
    with pytest.raises(MrinbError, match="at least 41 x 41 pixels, not 40 x 96"):
        scored(*images(1, 40, 96))

    def without(name, *args, **options):
        if name == "piq":
            raise ImportError(name)
        return real(name, *args, **options)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MrinbError, match=r"need the package piq: pip install 'mrinb\[metrics\]'"):
        scored(*images(1, 64, 64))


def test_a_spec_names_the_metrics_of_one_group():
    assert metrics.group(()) is metrics.group(DEFAULT.pairs()) is DEFAULT
    assert metrics.group(FURTHER.pairs()) is FURTHER
    assert metrics.group((("vif", 1),)) is FURTHER
    for pairs, words in (
        ((*DEFAULT.pairs(), *FURTHER.pairs()), "groups default, perceptual: evaluate each"),
        ((("vif", 7),), "metric vif is version 1 here, not 7"),
        ((("viff", 1),), "unknown metric 'viff': did you mean vif"),
    ):
        with pytest.raises(MrinbError, match=words):
            metrics.group(pairs)
    names = [name for group in metrics.GROUPS.values() for name in group.versions]
    assert len(names) == len(set(names))


def test_scores_change_only_with_their_versions():
    """The golden score; where it changes, raise the metric's version and write both here."""
    golden = json.loads((GOLDEN / "perceptual.json").read_text())
    scores = scored(*golden_images())
    assert golden["versions"] == perceptual.VERSIONS
    for name, value in golden["score"].items():
        assert scores[name][0] == pytest.approx(value, abs=2e-4)
    assert set(golden["score"]) == set(scores)
