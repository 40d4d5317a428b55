"""Specs: canonical strings, stable keys, chains."""

import json

import places
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mrinb.compute.specs import Spec
from mrinb.specs import (
    DataSpec,
    EvalSpec,
    ExhibitSpec,
    ModelSpec,
    SamplingSpec,
    SimulatorSpec,
    TrainSpec,
)

GOLDEN = places.GOLDEN / "specs.json"

SIMULATOR = SimulatorSpec(size=96, coils=8, subjects=8, slices=8, versions=(("brain", 1),))
DATA = DataSpec(distribution="brain/T2-Skyra", split="train", simulator=SIMULATOR)
FOUND = DataSpec(distribution="brain/T2-Skyra", split="test", digest="0123456789", limit=128)
MODEL = ModelSpec(name="unet", options=(("channels", 8), ("pools", 4)))
TRAIN = TrainSpec(pool="(brain/T2-Skyra).half()", data=(DATA,), model=MODEL, epochs=8)
EVAL = EvalSpec(train=TRAIN, data=FOUND, metrics=(("ssim", 1),))
EXHIBIT = ExhibitSpec(name="reconstruction", train=TRAIN, data=FOUND, options=(("slices", 3),))
ALL = {"simulator": SIMULATOR, "data": DATA, "found": FOUND, "sampling": SamplingSpec(),
       "model": MODEL, "train": TRAIN, "eval": EVAL, "exhibit": EXHIBIT}  # fmt: skip


def test_keys_and_canonical_strings_are_those_written_down():
    """Published results are found by these keys: a change of form loses them all."""
    golden = json.loads(GOLDEN.read_text())
    assert {n: {"key": s.key, "canonical": s.canonical()} for n, s in ALL.items()} == golden


def test_keys_differ_between_kinds_and_are_twenty_hexadecimal_digits():
    keys = {s.key for s in ALL.values()}
    assert len(keys) == len(ALL)
    for key in keys:
        assert len(key) == 20
        int(key, 16)


@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_canonical_string_reads_back(spec):
    again = type(spec).model_validate_json(spec.canonical())
    assert again == spec
    assert again.key == spec.key
    assert hash(again) == hash(spec)


def changes(spec: Spec):
    """The spec with each of its fields changed in turn."""
    other = {
        "distribution": "knee/PD-Aera", "split": "val", "simulator": None, "digest": "f" * 20,
        "limit": 7, "mask": "random", "accelerations": (8,), "center_fractions": (0.04,),
        "name": "another", "options": (("channels", 16),), "pool": "(brain/T2-Skyra)",
        "data": FOUND if not isinstance(spec, TrainSpec) else (), "checkpoints": (1,),
        "model": ModelSpec(name="vit"), "sampling": SamplingSpec(mask="random"),
        "coil": "single", "train": None, "epoch": 3, "method": ModelSpec(name="l1-wavelet"),
        "metrics": (("psnr", 1),), "versions": (("brain", 2),),
    }  # fmt: skip
    for field in type(spec).model_fields:
        if field in spec.unkeyed:
            continue
        value = getattr(spec, field)
        new = other[field] if field in other else value + 1
        if new == value:
            new = DATA
        yield field, spec.model_copy(update={field: new})


@pytest.mark.parametrize("spec", ALL.values(), ids=ALL)
def test_every_field_enters_the_key(spec):
    keys = {field: changed.key for field, changed in changes(spec)}
    assert spec.key not in keys.values()
    assert len(set(keys.values())) == len(keys) == len(type(spec).model_fields) - len(spec.unkeyed)


def test_checkpoints_change_no_number_and_no_key():
    more = TRAIN.model_copy(update={"checkpoints": (4,)})
    assert more.key == TRAIN.key
    assert EVAL.model_copy(update={"train": more}).key == EVAL.key


def test_fields_added_later_are_left_out_where_they_have_their_default():
    assert "method" not in EVAL.canonical()
    assert '"epoch":2' in EXHIBIT.model_copy(update={"epoch": 2}).canonical()
    assert "epoch" not in json.loads(EXHIBIT.canonical())


def test_a_change_below_changes_every_key_above():
    simulator = SIMULATOR.model_copy(update={"versions": (("brain", 2),)})
    data = DATA.model_copy(update={"simulator": simulator})
    train = TRAIN.model_copy(update={"data": (data,)})
    evaluation = EVAL.model_copy(update={"train": train})
    exhibit = EXHIBIT.model_copy(update={"train": train})
    for old, new in ((DATA, data), (TRAIN, train), (EVAL, evaluation), (EXHIBIT, exhibit)):
        assert old.key != new.key
    # A metric's new version evaluates anew and does not train anew.
    assert EVAL.model_copy(update={"metrics": (("ssim", 2),)}).train.key == TRAIN.key


def test_specs_are_frozen_hashable_and_closed():
    with pytest.raises(ValidationError):
        TRAIN.epochs = 9
    with pytest.raises(ValidationError):
        ModelSpec(name="unet", colour="red")
    with pytest.raises(ValidationError):
        DataSpec(distribution="x", split="validation")
    assert len({TRAIN, TRAIN.model_copy()}) == 1


@given(
    st.dictionaries(
        st.text("ab_é", min_size=1, max_size=4),
        st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        max_size=3,
    )
)
def test_options_read_back(options):
    spec = ModelSpec(name="unet", options=tuple(sorted(options.items())))
    assert all(spec.option(name) == value for name, value in options.items())
    assert ModelSpec.model_validate_json(spec.canonical()).canonical() == spec.canonical()


def test_whether_data_are_simulated():
    assert DATA.simulated
    assert not FOUND.simulated
