"""Masks: equal to fastMRI's line for line, reproducible, honest about acceleration."""

import itertools
import json
import warnings

import numpy as np
import pytest
import torch
from fastmri.data import subsample
from fastmri.data.transforms import apply_mask
from hypothesis import given
from hypothesis import strategies as st
from places import GOLDEN

from mrinb.errors import MrinbError
from mrinb.recon import masks
from mrinb.specs import SamplingSpec

WIDTHS = (64, 96, 107, 213, 320, 322, 368, 372, 396, 640)
FASTMRI = {
    "equispaced": subsample.EquiSpacedMaskFunc,
    "equispaced_fraction": subsample.EquispacedMaskFractionFunc,
    "random": subsample.RandomMaskFunc,
}


@pytest.mark.parametrize("kind", FASTMRI)
def test_equal_to_fastmri_line_for_line(kind):
    compared = 0
    for width, acceleration, seed in itertools.product(WIDTHS, masks.CENTER_FRACTIONS, range(9)):
        sampling = masks.sampling(acceleration, mask=kind)
        theirs = FASTMRI[kind](sampling.center_fractions, sampling.accelerations, seed=seed)
        expected, low = theirs((1, 8, width, 2))
        ours = masks.draw(sampling, width, seed)
        assert torch.equal(ours.lines, expected.flatten().bool())
        assert ours.low == low
        compared += 1
    assert compared == len(WIDTHS) * 5 * 9


def test_several_accelerations_are_drawn_as_fastmri_draws_them():
    sampling = masks.sampling(2, 4, 8)
    ours, theirs = (
        np.random.RandomState(5),
        subsample.EquiSpacedMaskFunc((0.16, 0.08, 0.04), (2, 4, 8), seed=5),
    )
    drawn = set()
    for _ in range(30):
        mask = masks.draw(sampling, 368, ours)
        assert torch.equal(mask.lines, theirs((1, 1, 368, 2))[0].flatten().bool())
        drawn.add(mask.acceleration)
    assert drawn == {2, 4, 8}


@given(
    st.integers(16, 700),
    st.integers(1, 16),
    st.floats(0.0, 1.0),
    st.sampled_from(sorted(FASTMRI)),
    st.integers(0, 2**31),
)
def test_any_width_is_fastmris_mask_or_one_clear_line(width, acceleration, fraction, kind, seed):
    theirs = FASTMRI[kind]((fraction,), (acceleration,), seed=seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = theirs((1, 1, width, 2))[0].flatten().bool()
    except (ValueError, ZeroDivisionError):
        expected = None
    spec = SamplingSpec(mask=kind, accelerations=(acceleration,), center_fractions=(fraction,))
    try:
        ours = masks.draw(spec, width, seed)
    except MrinbError as error:
        assert "\n" not in str(error)
        assert expected is None or not expected.any()
        return
    if expected is None:  # a full centre leaves fastMRI's random mask dividing by zero
        assert kind == "random"
        assert ours.lines.all()
    else:
        assert torch.equal(ours.lines, expected)


def test_fraction_mask_that_cannot_be_met_is_one_clear_line():
    """The input of fastMRI's issue 344: more central lines than the acceleration allows."""
    spec = SamplingSpec(mask="equispaced_fraction", accelerations=(8,), center_fractions=(0.16,))
    with pytest.raises(ValueError):
        subsample.EquispacedMaskFractionFunc((0.16,), (8,))((1, 1, 368, 2))
    with pytest.raises(MrinbError, match=r"59 central lines of 368 .* acceleration 8.* 0.125"):
        masks.draw(spec, 368, 0)


def test_effective_acceleration_of_both_equispaced_masks():
    """FACTS of the paper's code: 3.24 for a nominal 4 at width 368, 4.00 for the fraction."""
    exact = [masks.draw(masks.sampling(4), 368, seed).effective for seed in range(20)]
    fraction = [
        masks.draw(masks.sampling(4, mask="equispaced_fraction"), 368, seed).effective
        for seed in range(20)
    ]
    assert np.mean(exact) == pytest.approx(3.24, abs=0.02)
    assert np.mean(fraction) == pytest.approx(4.0, abs=0.03)
    for acceleration, effective in {2: 1.72, 3: 2.42, 8: 6.22, 16: 12.4}.items():
        drawn = [masks.draw(masks.sampling(acceleration), 368, s).effective for s in range(40)]
        assert np.mean(drawn) == pytest.approx(effective, rel=0.02)


def test_zero_padding_is_never_kept_and_never_counted():
    padding = (25, 340)
    mask = masks.draw(masks.sampling(4), 368, 3, padding)
    theirs = subsample.EquiSpacedMaskFunc((0.08,), (4,), seed=3)
    expected = apply_mask(torch.ones(1, 368, 2), theirs, padding=padding)[1]
    assert torch.equal(mask.lines, expected.flatten().bool())
    assert mask.acquired == 315
    assert mask.effective == pytest.approx(315 / int(mask.lines.sum()))
    assert mask.effective < 4


def test_a_volumes_mask_is_fastmris_for_the_same_file_name():
    sampling = masks.sampling(4)
    theirs = subsample.EquiSpacedMaskFunc((0.08,), (4,), seed=1)
    offsets = set()
    for name in ("file1000000", "file1000007", "file_brain_AXT2_200_2000019", "x", "y", "z"):
        mask = masks.for_volume(sampling, name, 372)
        seed = tuple(map(ord, f"{name}.h5"))
        assert torch.equal(mask.lines, theirs((1, 1, 372, 2), seed=seed)[0].flatten().bool())
        assert torch.equal(mask.lines, masks.for_volume(sampling, name, 372).lines)
        offsets.add(int(mask.lines.nonzero()[0]))
    assert len(offsets) > 1


def test_training_masks_depend_on_seed_epoch_and_position_only():
    def offsets(seed, epoch, positions):
        drawn = [masks.for_step(masks.sampling(4), seed, epoch, p, 96) for p in positions]
        return [int(m.lines.nonzero()[0]) for m in drawn]

    whole = offsets(0, 0, range(64))
    assert offsets(0, 0, range(0, 64, 2)) == whole[::2]  # rank 0 of two
    assert offsets(0, 0, range(1, 64, 2)) == whole[1::2]
    assert set(whole) == {0, 1, 2, 3}
    assert (
        len({tuple(whole), tuple(offsets(0, 1, range(64))), tuple(offsets(1, 0, range(64)))}) == 3
    )


def test_draws_change_only_with_the_version_in_the_spec():
    """The golden masks: one of a training step, one of a volume."""
    golden = json.loads((GOLDEN / "masks.json").read_text())
    sampling = masks.sampling(4)
    step = masks.for_step(sampling, 0, 1, 2, 107).lines.nonzero().flatten().tolist()
    volume = masks.for_volume(sampling, "file1000000", 107).lines.nonzero().flatten().tolist()
    assert golden == {"version": sampling.version, "step": step, "volume": volume}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (SamplingSpec(accelerations=(4, 8)), "2 accelerations and 1 center fractions"),
        (SamplingSpec(accelerations=()), "0 accelerations"),
        (SamplingSpec(accelerations=(0,)), "acceleration 0"),
        (SamplingSpec(center_fractions=(1.5,)), "center fraction 1.5"),
    ],
)
def test_a_description_that_makes_no_sense_is_one_clear_line(spec, words):
    with pytest.raises(MrinbError, match=words):
        masks.draw(spec, 96, 0)


def test_unknown_acceleration_and_kind_are_named():
    with pytest.raises(MrinbError, match="acceleration 5: choose one of 2, 3, 4, 8, 16"):
        masks.sampling(5)
    with pytest.raises(MrinbError, match="mask 'radial': choose one of equispaced"):
        masks.sampling(4, mask="radial")
