"""A conversion goes on where it was, skips what is damaged, and leaves no half of a file."""

import os
import shutil

import h5py
import numpy as np
import pytest
import source_forms as forms

from mrinb.data import checks
from mrinb.data.convert import named, output, run
from mrinb.errors import MrinbError


def brains(folder, count, contrast="T1"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        images = forms.phantom((2, 10, 9), seed=number)[0].swapaxes(0, 1)
        forms.m4raw(folder / f"20220100{number}_{contrast}01.h5", images)
    return folder


def convert(source, destination, name="m4raw", **options):
    return run.convert(named(name), source, destination, progress=False, **options)


def test_a_stopped_conversion_goes_on(tmp_path, monkeypatch):
    source, out = brains(tmp_path / "in", 4), tmp_path / "out"
    real, calls = output.write, []

    def stopped(volume, path, mark, progress):
        if len(calls) == 2:
            next(volume.blocks)
            raise KeyboardInterrupt
        calls.append(path)
        real(volume, path, mark)

    monkeypatch.setattr(run, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        convert(source, out)
    monkeypatch.setattr(run, "write", real)
    times = {p.name: p.stat().st_mtime_ns for p in (out / "m4raw").iterdir()}
    assert len(times) == 2
    assert convert(source, out) == run.Summary(2, 2, [])
    assert all((out / "m4raw" / name).stat().st_mtime_ns == at for name, at in times.items())
    assert convert(source, out) == run.Summary(0, 4, [])


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MrinbError("no"), ValueError("bad")])
def test_an_output_appears_whole_or_not_at_all(tmp_path, stop):
    """Whatever stops the reader in the middle of a volume, its older file stays as it was."""
    source, out = brains(tmp_path / "in", 1), tmp_path / "out"
    convert(source, out)
    [path] = (out / "m4raw").iterdir()
    before = path.read_bytes()

    def blocks():
        yield np.ones((1, 2, 4, 4), np.complex64)
        raise stop

    volume = output.Volume((2, 2, 4, 4), blocks(), (0, 4), (4, 4), output.Scan(), "T1", "a")
    with pytest.raises(type(stop) if isinstance(stop, Exception) else stop):
        output.write(volume, path, "mark")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


def test_a_changed_source_or_option_is_converted_again(tmp_path):
    source, out = brains(tmp_path / "in", 1), tmp_path / "out"
    convert(source, out)
    assert convert(source, out, as_paper=True).written == 1
    [path] = source.iterdir()
    forms.m4raw(path, forms.phantom((3, 10, 9))[0].swapaxes(0, 1))
    assert convert(source, out, as_paper=True).written == 1
    [made] = (out / "m4raw").iterdir()
    assert checks.check(made)[0].kspace_shape[0] == 3


def test_an_interrupted_part_is_replaced(tmp_path):
    source, out = brains(tmp_path / "in", 1), tmp_path / "out"
    (out / "m4raw").mkdir(parents=True)
    [name] = [p.name for p in source.iterdir()]
    (out / "m4raw" / f".{name}.part").write_bytes(b"half of a file")
    assert convert(source, out).written == 1
    assert [p.name for p in (out / "m4raw").iterdir()] == [name]


def test_damaged_sources_are_named_and_the_rest_is_converted(tmp_path):
    source = brains(tmp_path / "in", 3)
    whole = sorted(source.iterdir())
    data = whole[0].read_bytes()
    (source / "cut_T101.h5").write_bytes(data[: len(data) // 2])
    (source / "empty_T101.h5").touch()
    (source / "text_T101.h5").write_text("not HDF5" * 100)
    (source / "damaged_T101.h5").write_bytes(data[:900] + os.urandom(1200) + data[2100:])
    with h5py.File(source / "nan_T101.h5", "w") as file:
        file["kspace"] = np.full((2, 3, 10, 9), np.nan, np.complex64)
    with h5py.File(source / "zero_T101.h5", "w") as file:
        file["kspace"] = np.zeros((2, 3, 10, 9), np.complex64)
    with h5py.File(source / "none_T101.h5", "w") as file:
        file["image"] = np.zeros((2, 3))
    summary = convert(source, tmp_path / "out")
    assert summary.written == 3
    expected = ["cut", "damaged", "empty", "nan", "none", "text", "zero"]
    assert [p.split("/")[-1].split("_")[0] for p in summary.problems] == expected
    assert all("\n" not in problem for problem in summary.problems)
    made = sorted(p.name for p in (tmp_path / "out" / "m4raw").iterdir())
    assert made == [p.name for p in whole]


def ismrmrd_scan(path, images):
    slices, coils, nx, ny = images.shape
    limits = {"kspace_encoding_step_1": (ny - 1, ny // 2), "slice": (slices - 1, 0)}
    header = forms.xml((nx, ny, 1), limits=limits, receiverChannels=coils)
    return forms.raw(path, header, forms.slices_2d(images, interleaved=False))


def test_a_truncated_acquisition_is_skipped_by_name(tmp_path):
    images = forms.phantom((4, 10, 9))[0].swapaxes(0, 1) * 1e8
    (tmp_path / "in").mkdir()
    ismrmrd_scan(tmp_path / "in" / "whole.h5", images)
    cut = ismrmrd_scan(tmp_path / "in" / "cut.h5", images)
    forms.cut_short(cut, 3 * 9 + 4)
    summary = convert(tmp_path / "in", tmp_path / "out", "stanford_2d")
    assert summary.written == 1
    assert summary.problems == [f"{cut}: truncated: readout 31 of 36 cannot be read"]


def test_as_the_paper_a_truncated_acquisition_is_kept(tmp_path):
    images = forms.phantom((4, 10, 9))[0].swapaxes(0, 1) * 1e8
    path = ismrmrd_scan(tmp_path / "cut.h5", images)
    forms.cut_short(path, 3 * 9 + 4)
    summary = convert(path, tmp_path / "out", "stanford_2d", as_paper=True)
    assert summary == run.Summary(1, 0, [])
    with h5py.File(tmp_path / "out" / "stanford_2d" / "cut.h5") as file:
        filled = file["kspace"][()].any((1, 2))
        assert file.attrs["truncated"]
    assert filled[:3].all()
    assert filled[3].tolist() == [True] * 4 + [False] * 5


def test_missing_lines_of_a_slice_are_found(tmp_path):
    images = forms.phantom((3, 10, 9))[0].swapaxes(0, 1) * 1e8
    limits = {"kspace_encoding_step_1": (8, 4), "slice": (2, 0)}
    lines = forms.slices_2d(images, interleaved=False)
    forms.raw(tmp_path / "a.h5", forms.xml((10, 9, 1), limits=limits), lines[:-3])
    summary = convert(tmp_path / "a.h5", tmp_path / "out", "nyu")
    assert summary.problems == [
        f"{tmp_path / 'a.h5'}: truncated: 2 of 3 slices have all of their 9 lines"
    ]


def test_a_truncated_7t_volume_is_skipped(tmp_path):
    images = forms.phantom((8, 9, 10))[0]
    name = tmp_path / "mp2rageme_001_inv1_te1.h5"
    skip = {(y, z) for y in range(9) for z in (8, 9)}
    forms.ahead(name, images, skip=skip)
    summary = convert(name, tmp_path / "out", "7T")
    assert "8 lines of kspace_encoding_step_2, 10 are stated" in summary.problems[0]


def test_corners_of_7t_kspace_may_be_missing(tmp_path):
    images = forms.phantom((8, 9, 10))[0]
    name = tmp_path / "mp2rageme_001_inv1_te1.h5"
    forms.ahead(name, images, skip={(0, 0), (8, 9), (0, 9)})
    converters = [c._replace(view=c.view._replace(trim=(0, 0))) for c in named("7T")]
    assert run.convert(converters, name, tmp_path / "out", progress=False).written == 3


def test_a_scan_that_is_all_trim_is_named(tmp_path):
    forms.cc359(tmp_path / "e1_P1.7.h5", forms.phantom((8, 6, 9))[0])
    summary = convert(tmp_path / "e1_P1.7.h5", tmp_path / "out", "cc-359_ax")
    assert "8 slices, of which the first 50 and the last 0 are left out" in summary.problems[0]


def test_several_workers_do_the_same(tmp_path):
    source = brains(tmp_path / "in", 3)
    (source / "bad_T101.h5").write_text("no")
    one = convert(source, tmp_path / "one")
    two = convert(source, tmp_path / "two", workers=2)
    assert (one.written, len(one.problems)) == (two.written, len(two.problems)) == (3, 1)
    for path in (tmp_path / "one" / "m4raw").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "m4raw" / path.name).read_bytes()


def test_a_destination_that_takes_no_files_stops_it(tmp_path):
    source = brains(tmp_path / "in", 2)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(MrinbError, match="cannot be written"):
        convert(source, tmp_path / "out")


def test_its_own_outputs_are_no_sources(tmp_path):
    source = brains(tmp_path / "data", 2)
    assert convert(source, source).written == 2
    assert convert(source, source) == run.Summary(0, 2, [])


def test_sources_of_the_same_name_are_refused(tmp_path):
    source = brains(tmp_path / "in" / "a", 1)
    shutil.copytree(source, tmp_path / "in" / "b")
    with pytest.raises(MrinbError, match="two files named"):
        convert(tmp_path / "in", tmp_path / "out")


def test_no_source_says_how_they_are_named(tmp_path):
    brains(tmp_path / "in", 1, contrast="GRE")
    with pytest.raises(MrinbError, match="named like"):
        convert(tmp_path / "in", tmp_path / "out")
    with pytest.raises(MrinbError, match="no such file or folder"):
        convert(tmp_path / "gone", tmp_path / "out")


def test_an_unknown_dataset_names_the_nearest():
    with pytest.raises(MrinbError, match="did you mean stanford_3d"):
        named("stanfrd_3d")


def test_an_entity_bomb_in_a_header_is_not_expanded(tmp_path):
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]><ismrmrdHeader>&b;</ismrmrdHeader>'
    line = forms.readout(np.ones((2, 8)))
    forms.raw(tmp_path / "a.h5", bomb, [line])
    summary = convert(tmp_path / "a.h5", tmp_path / "out", "nyu")
    assert "defines XML entities" in summary.problems[0]
