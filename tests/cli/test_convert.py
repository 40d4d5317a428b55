"""The commands that bring other datasets: summaries, exit codes, Table 1."""

import source_forms as forms
from synthetic import write
from typer.testing import CliRunner

from mrinb.catalogue import DATASETS
from mrinb.cli import app
from mrinb.data.checks import check


def run(*words):
    return CliRunner().invoke(app, ["data", *map(str, words)])


def brains(folder, *names):
    folder.mkdir()
    for name in names:
        forms.m4raw(folder / name, forms.phantom((2, 10, 9))[0].swapaxes(0, 1))
    return folder


def test_convert_writes_files_that_check_and_goes_on(tmp_path):
    source = brains(tmp_path / "in", "a_T101.h5", "a_T201.h5", "a_GRE01.h5")
    done = run("convert", "m4raw", source, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "2 volumes written, 0 were there" in done.output
    assert check(tmp_path / "out" / "m4raw" / "a_T201.h5")[0].acquisition == "T2"
    assert (
        "0 volumes written, 2 were there"
        in run("convert", "M4Raw", source, tmp_path / "out").output
    )
    assert run("check", tmp_path / "out").exit_code == 0


def test_a_skipped_source_is_named_and_the_exit_code_says_so(tmp_path):
    source = brains(tmp_path / "in", "a_T101.h5")
    (source / "b_T101.h5").write_text("no")
    done = run("convert", "m4raw", source, tmp_path / "out")
    assert done.exit_code == 2
    assert f"{source / 'b_T101.h5'}: not an HDF5 file" in done.output
    assert "1 volumes written" in done.output
    assert "1 sources skipped" in done.output


def test_as_paper_says_what_differs(tmp_path):
    source = brains(tmp_path / "in", "a_GRE01.h5")
    done = run("convert", "m4raw_gre", source, tmp_path / "out", "--as-paper")
    assert "before it was replaced" in done.output


def test_fastmri_files_are_checked_and_not_converted(tmp_path):
    write(tmp_path / "in" / "a.h5")
    done = run("convert", "fastmri_knee", tmp_path / "in")
    assert done.exit_code == 0, done.output
    assert "1 of 1 files are sound" in done.output
    (tmp_path / "in" / "b.h5").write_text("no")
    done = run("convert", "fastMRI brain", tmp_path / "in", tmp_path / "out")
    assert done.exit_code == 2
    assert "1 of 2 files are sound" in done.output
    assert not (tmp_path / "out").exists()


def test_a_destination_is_asked_for(tmp_path):
    source = brains(tmp_path / "in", "a_T101.h5")
    error = run("convert", "m4raw", source).exception
    assert "a destination is needed" in str(error)


def test_ls_without_a_folder_prints_table_1():
    done = run("ls")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    for row, line in zip(DATASETS, lines[1:], strict=False):
        assert line.startswith(row.name)
        assert row.slices in line
        assert any(word in line for word in ("open", "form", "login"))
    assert "6 distributions" in lines[1]
