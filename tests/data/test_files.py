"""The fastMRI layout: sizes of all kinds are read, bad files are one clear line each."""

import math

import h5py
import numpy as np
import pytest
from fastmri.data import SliceDataset
from synthetic import header, write

from mrinb.data import checks, files
from mrinb.errors import MrinbError

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">&lol3;</ismrmrdHeader>"""


def refused(path, words, **options):
    """Both ways of reading refuse the file with one line that names it."""
    with pytest.raises(MrinbError, match=words) as error:
        checks.check(path, **options)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_header_of_a_good_file(tmp_path):
    path = write(tmp_path / "a.h5", (2, 3, 20, 15), (10, 11), model="Aera", field=1.494)
    found = files.read_header(path)
    assert found == files.Header("Aera", 1.494, 3, (20, 15), (10, 11), 0, 15)
    info, _ = checks.check(path)
    assert info.kspace_shape == (2, 3, 20, 15)
    assert info.target_shape == (2, 10, 11)
    assert (info.acquisition, info.patient, info.masked) == ("CORPD_FBK", "a", False)
    with h5py.File(path) as file:
        assert info.max_value == file.attrs["max"]


@pytest.mark.parametrize("padding", [(0, None), (2, 15), (0, 12), (3, 11)])
def test_padding_is_fastmris(tmp_path, padding):
    path = write(tmp_path / "files" / "a.h5", padding=padding)
    found = files.read_header(path)
    attributes = SliceDataset(path.parent, "multicoil")[0][3]
    assert found.padding_left == attributes["padding_left"] == padding[0]
    assert found.padding_right == attributes["padding_right"] == (padding[1] or 15)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("<maximum>14</maximum><center>9</center>", (0, 13)),  # left edge at -2
        ("<maximum>99</maximum><center>4</center>", (3, 15)),  # beyond the right edge
        ("<maximum>14</maximum>", (0, 15)),  # no centre
        ("<maximum>x</maximum><center></center>", (0, 15)),
        ("<maximum>0</maximum><center>40</center>", (0, 15)),  # nothing acquired
        ("", (0, 15)),
    ],
)
def test_padding_negative_missing_or_absurd(tmp_path, limits, expected):
    xml = header((20, 15), (10, 11), limits=False).decode()
    step = f"<kspace_encoding_step_1>{limits}</kspace_encoding_step_1>"
    xml = xml.replace("</encoding>", f"<encodingLimits>{step}</encodingLimits></encoding>")
    found = files.read_header(write(tmp_path / "a.h5", xml=xml.encode()))
    assert (found.padding_left, found.padding_right) == expected


def test_padding_of_another_width_says_nothing(tmp_path):
    xml = header((20, 30), (10, 11), padding=(8, 20))
    found = files.read_header(write(tmp_path / "a.h5", xml=xml))
    assert (found.padding_left, found.padding_right) == (0, 15)


def test_a_header_without_anything_leaves_the_arrays_sizes(tmp_path):
    path = write(tmp_path / "a.h5", xml=b"<ismrmrdHeader/>")
    found = files.read_header(path)
    assert (found.system_model, found.encode, found.recon) == ("", (20, 15), (10, 11))
    assert math.isnan(found.field_t)


@pytest.mark.parametrize(
    ("kspace", "target", "expected"),
    [
        ((640, 368), (320, 320), (320, 320)),
        ((512, 213), (512, 213), (512, 213)),
        ((768, 396), (384, 384), (384, 384)),
        ((640, 264), (320, 320), (264, 264)),  # the brain of fastMRI's rule (FLAIR 203)
        ((640, 264), (200, 320), (200, 264)),
    ],
)
def test_crop_follows_fastmris_rule(kspace, target, expected):
    assert files.crop_shape((1, 4, *kspace), (1, *target)) == expected


@pytest.mark.parametrize("shape", [(2, 2, 20, 15), (1, 1, 21, 13), (3, 4, 22, 18)])
def test_two_slices_and_odd_sizes_are_fine(tmp_path, shape):
    assert checks.check(write(tmp_path / "a.h5", shape))[0].kspace_shape == shape


def test_missing_empty_foreign_and_truncated(tmp_path):
    refused(tmp_path / "none.h5", "no such file")
    empty = tmp_path / "empty.h5"
    empty.touch()
    refused(empty, "the file is empty")
    foreign = tmp_path / "foreign.h5"
    foreign.write_text("PK not HDF5 at all" * 100)
    refused(foreign, "not an HDF5 file")
    whole = write(tmp_path / "cut.h5").read_bytes()
    for size in (len(whole) - 1, len(whole) // 2, 600):
        (tmp_path / "cut.h5").write_bytes(whole[:size])
        refused(tmp_path / "cut.h5", "the file is truncated")
    refused(tmp_path, "a folder, not a file")


def test_damage_inside_is_one_clear_line(tmp_path):
    path = write(tmp_path / "a.h5")
    whole = bytearray(path.read_bytes())
    random = np.random.RandomState(0)
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(whole)
        start = random.randint(8, 3000)
        damaged[start : start + 60] = random.bytes(60)
        path.write_bytes(damaged)
        try:
            checks.check(path)
            outcomes.add("read")
        except MrinbError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert "refused" in outcomes


@pytest.mark.parametrize("key", ["kspace", "ismrmrd_header"])
def test_a_missing_key_is_named(tmp_path, key):
    refused(write(tmp_path / "a.h5", drop=[key]), f"no '{key}'")


def test_a_file_without_target_is_refused_where_one_is_needed(tmp_path):
    path = write(tmp_path / "a.h5", drop=["reconstruction_rss", "max"])
    refused(path, "no 'reconstruction_rss'")
    assert checks.check(path, target=False)[0].max_value == 0


def test_a_masked_test_file_is_refused_where_a_target_is_needed(tmp_path):
    path = write(tmp_path / "a.h5", mask=True, drop=["reconstruction_rss", "max"])
    refused(path, "masked test file")
    assert checks.check(path, target=False)[0].masked


def test_a_group_in_place_of_an_array(tmp_path):
    path = write(tmp_path / "a.h5", drop=["kspace"])
    with h5py.File(path, "a") as file:
        file.create_group("kspace")
    refused(path, "'kspace' is a group")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("kspace", np.zeros((3, 20, 15), np.complex64), "no .reconstruction_esc."),
        ("kspace", np.zeros((3, 2, 20, 15), np.float32), "should be complex"),
        ("kspace", np.zeros((0, 2, 20, 15), np.complex64), "should be complex of shape"),
        ("kspace", np.zeros((2, 3, 2, 20, 15), np.complex64), "should be complex of shape"),
        ("reconstruction_rss", np.ones((2, 10, 11), np.float32), "2 slices but kspace has 3"),
        ("reconstruction_rss", np.ones((3, 24, 11), np.float32), "higher than the image"),
        ("reconstruction_rss", np.ones((10, 11), np.float32), "should be real of shape"),
        ("reconstruction_rss", np.ones((3, 10, 11), np.complex64), "should be real of shape"),
    ],
)
def test_shapes_that_do_not_go_together(tmp_path, key, value, words):
    refused(write(tmp_path / "a.h5", change=lambda arrays: arrays.update({key: value})), words)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("key", ["kspace", "reconstruction_rss"])
def test_nan_and_infinity_are_named_with_their_slice(tmp_path, key, value):
    def change(arrays):
        arrays[key][1].flat[7] = value

    path = write(tmp_path / "a.h5", change=change, attributes={"max": 1.0})
    refused(path, f"NaN or infinite values in slice 1 of {key}")


def test_an_entity_bomb_is_not_expanded(tmp_path):
    refused(write(tmp_path / "a.h5", xml=BOMB), "defines XML entities")


@pytest.mark.parametrize("xml", [b"<ismrmrdHeader>", b"not xml", b"\xff\xfe\x00"])
def test_a_header_that_is_not_xml(tmp_path, xml):
    refused(write(tmp_path / "a.h5", xml=xml), "not valid XML")


def test_a_missing_max_is_the_targets(tmp_path):
    path = write(tmp_path / "a.h5", drop=["max", "acquisition", "patient_id"])
    info, _ = checks.check(path)
    with h5py.File(path) as file:
        assert info.max_value == file["reconstruction_rss"][()].max()
    assert (info.acquisition, info.patient) == ("", "")


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "large"])
def test_a_max_that_cannot_be_a_range(tmp_path, value):
    refused(write(tmp_path / "a.h5", attributes={"max": value}), "attribute 'max' is")


def test_a_target_of_zeros_without_max(tmp_path):
    def change(arrays):
        arrays["reconstruction_rss"][...] = 0

    path = write(tmp_path / "a.h5", change=change, drop=["max"])
    refused(path, "largest value of reconstruction_rss is 0")
