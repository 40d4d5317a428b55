"""What stops reading a file is named; only what is wrong with its content is remembered."""

import errno
import os
import subprocess
import sys

import h5py
import pytest
from synthetic import write

from mrinb.compute.context import Context
from mrinb.data import access, checks, files, index
from mrinb.errors import MrinbError

SHAPE, RECON = (2, 1, 8, 6), (4, 4)

CAUSES = {
    errno.ENOLCK: "no locks",
    errno.EAGAIN: "another program holds the file",
    errno.EIO: "input/output error",
    errno.ESTALE: "stale file handle",
    errno.EMFILE: "too many files are open",
    errno.ENOMEM: "out of memory",
    errno.EACCES: "you may not read this",
    errno.ENOTCONN: "does not answer",
}


@pytest.fixture
def context(tmp_path):
    return Context(store=tmp_path / "store", cache=tmp_path / "cache")


def hdf5_text(number, doing="open"):
    """The error as h5py words it: with the number in its text, and none in ``errno``."""
    words = os.strerror(number)
    return OSError(
        f"[Errno {number}] Unable to synchronously {doing} file (name = 'x', errno = {number}, "
        f"error message = '{words}', flags = 0, o_flags = 0)"
    )


@pytest.mark.parametrize("number", CAUSES)
def test_failures_around_a_file_are_worded_and_forgotten(tmp_path, context, monkeypatch, number):
    path = write(tmp_path / "root" / "train" / "a.h5", SHAPE, RECON)

    def fail(*_, **__):
        raise hdf5_text(number)

    with monkeypatch.context() as patch:
        patch.setattr(h5py, "File", fail)
        (entry,) = index.scan(tmp_path / "root", context)
    assert CAUSES[number] in entry.problem
    assert entry.problem.startswith(f"{path}: ")
    assert "damaged" not in entry.problem
    assert "download" not in entry.problem
    (entry,) = index.scan(tmp_path / "root", context)
    assert entry.problem == ""


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_failures_while_reading(tmp_path, monkeypatch, number):
    path = write(tmp_path / "a.h5", SHAPE, RECON)

    def fail(*_, **__):
        raise hdf5_text(number, "read")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", fail)
    for call in (checks.check, checks.fingerprint):
        with pytest.raises(access.UnreachableError, match=CAUSES[number]):
            call(path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EAGAIN])
def test_a_drive_without_locks_is_read_without(tmp_path, monkeypatch, number):
    path = write(tmp_path / "a.h5", SHAPE, RECON)
    original = h5py.File

    def file(path, mode, locking):
        if locking is not False:
            raise OSError(number, f"unable to lock file, errno = {number}, error message = 'x'")
        return original(path, mode, locking=locking)

    monkeypatch.setattr(h5py, "File", file)
    assert checks.check(path)[0].kspace_shape == SHAPE


def test_a_file_that_another_program_has_open_for_writing_is_read(tmp_path):
    path = write(tmp_path / "a.h5", SHAPE, RECON)
    hold = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert other.stdout.readline() == "open\n"
        assert checks.check(path)[0].kspace_shape == SHAPE
    finally:
        other.communicate("\n")


def test_a_missing_filter_is_named(tmp_path, context):
    path = write(tmp_path / "root" / "a.h5", SHAPE, RECON)
    with h5py.File(path, "a") as file:
        values = file["kspace"][()]
        del file["kspace"]
        space = h5py.h5s.create_simple(SHAPE)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(SHAPE)
        plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # zstd, of hdf5plugin
        kind = h5py.h5t.py_create(values.dtype)
        made = h5py.h5d.create(file.id, b"kspace", kind, space, plist)
        made.write_direct_chunk((0, 0, 0, 0), b"\x28\xb5\x2f\xfd" + bytes(60))
    with pytest.raises(
        access.UnreachableError, match=r"HDF5 filter that is not installed.*hdf5plugin"
    ):
        checks.check(path)
    (entry,) = index.scan(tmp_path / "root", context)
    assert "hdf5plugin" in entry.problem


def test_damage_is_remembered_until_the_file_changes(tmp_path, context, monkeypatch):
    path = write(tmp_path / "root" / "a.h5", SHAPE, RECON)
    whole = path.read_bytes()
    path.write_bytes(whole[:900])
    (entry,) = index.scan(tmp_path / "root", context)
    assert entry.problem == f"{path}: the file is truncated: download or generate it again"
    with monkeypatch.context() as patch:
        patch.setattr(files, "read_info", None)
        assert index.scan(tmp_path / "root", context) == [entry]
    path.write_bytes(whole)
    (entry,) = index.scan(tmp_path / "root", context)
    assert entry.problem == ""


def test_a_header_as_ismrmrd_stores_it(tmp_path):
    """ISMRMRD's own files hold the header as an array of one string of any length."""
    path = write(tmp_path / "a.h5", SHAPE, RECON, model="Aera")
    with h5py.File(path) as file:
        xml = bytes(file["ismrmrd_header"][()])
    for kind in (h5py.string_dtype(), h5py.string_dtype("ascii"), "S5000"):
        with h5py.File(path, "a") as file:
            del file["ismrmrd_header"]
            file.create_dataset("ismrmrd_header", data=[xml], dtype=kind)
        assert files.read_header(path).system_model == "Aera"


def test_errors_of_the_user_can_be_written_anywhere():
    assert str(MrinbError(os.fsdecode(b"a\xff.h5: gone"))) == "a\\udcff.h5: gone"
