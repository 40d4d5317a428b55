"""Files spoiled at random: each is read right, or refused with one clear line.

``make fuzz`` runs it longer: ``MRINB_FUZZ`` is the number of spoiled files. HDF5 may crash on
bytes that make no sense: the files are read in one process of their own, which would be started
again behind the file that ended it. Such ends are counted; of 8,000 files none was.
"""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from phantom import write_phantom

from mrinb.data import checks, files, slices, volumes
from mrinb.errors import MrinbError

COUNT = int(os.environ.get("MRINB_FUZZ") or 1000)
SECONDS_EACH = 2.0
KEYS = ("kspace", "reconstruction_rss", "ismrmrd_header")


def truncate(data, random):
    return data[: random.integers(0, len(data))]


def flip(data, random):
    """Bytes anywhere, a few at a time, more often where HDF5 keeps its own."""
    data = bytearray(data)
    end = len(data) if random.random() < 0.3 else 4096
    for at in random.integers(0, end, random.integers(1, 6)):
        data[at] ^= 1 << random.integers(0, 8)
    return bytes(data)


def overwrite(data, random):
    start = random.integers(0, 4096)
    return data[:start] + random.bytes(random.integers(1, 200)) + data[start:][200:]


def edit(change):
    """A mutation by h5py's own means."""

    def mutation(data, random):
        memory = io.BytesIO(data)
        with h5py.File(memory, "a") as file:
            change(file, random)
        return memory.getvalue()

    mutation.__name__ = change.__name__
    return mutation


def _put(file, key, value):
    del file[key]
    file[key] = value


@edit
def drop_key(file, random):
    del file[random.choice(KEYS)]


@edit
def retype_key(file, random):
    key = random.choice(KEYS)
    kinds = [
        np.int32(3), "text", np.bytes_(b"\xff\x00"), np.zeros(0), np.arange(5.0), h5py.Empty("f"),
        np.zeros((2, 2), bool), np.array([b"<a/>"], "S4"), np.dtype("f8"),
    ]  # fmt: skip
    choice = kinds[random.integers(len(kinds) + 1) - 1]
    del file[key]
    if isinstance(choice, np.int32):
        file.create_group(key)
    else:
        file[key] = choice


@edit
def retype_array(file, random):
    key = random.choice(KEYS[:2])
    kind = random.choice(["c16", "f2", "f8", "i2", "c8"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _put(file, key, file[key][()].astype(kind))


@edit
def spoil_attribute(file, random):
    name = random.choice(["max", "norm", "acquisition", "patient_id", "simulated"])
    values = [
        "large", np.nan, np.inf, -1.0, 0, np.arange(3), b"\xff\xfe", h5py.Empty("f"), 1e300, 5.0,
        np.array(["AXT2"], "S4"), None,
    ]  # fmt: skip
    value = values[random.integers(len(values))]
    file.attrs.pop(name, None)
    if value is not None:
        file.attrs[name] = value


@edit
def not_a_number(file, random):
    array = file[random.choice(KEYS[:2])]
    at = tuple(int(random.integers(n)) for n in array.shape)
    array[at] = random.choice([np.nan, np.inf, -np.inf, 1e30])


@edit
def change_shape(file, random):
    key = random.choice(KEYS[:2])
    array = file[key][()]
    axis = random.integers(array.ndim)
    kind = random.integers(5)
    if kind == 0:
        array = array.take(range(random.integers(0, array.shape[axis] + 1)), axis)
    elif kind == 1:
        array = array[0]
    elif kind == 2:
        array = array[None]
    elif kind == 3:
        array = array.swapaxes(-1, -2)
    else:
        array = np.concatenate([array, array], axis)
    _put(file, key, array)


@edit
def shuffle(file, random):
    array = file[random.choice(KEYS[:2])]
    array[...] = array[()][random.permutation(len(array))]


@edit
def spoil_header(file, random):
    xml = bytearray(file["ismrmrd_header"][()])
    for at in random.integers(0, len(xml), random.integers(1, 8)):
        xml[at] = random.integers(1, 256)
    _put(file, "ismrmrd_header", np.bytes_(bytes(xml)))


@edit
def mask_key(file, random):
    file["mask"] = random.choice([True, False], 48)


MUTATIONS = [
    truncate, flip, flip, flip, overwrite, drop_key, retype_key, retype_array, spoil_attribute,
    not_a_number, change_shape, shuffle, spoil_header, mask_key,
]  # fmt: skip


def spoiled(whole, number):
    """The bytes of spoiled file ``number``, and how they came about."""
    random = np.random.default_rng([2026, number])
    data, names = whole, []
    for _ in range(1 if random.random() < 0.8 else 2):
        mutation = MUTATIONS[random.integers(len(MUTATIONS))]
        names.append(mutation.__name__)
        try:
            data = mutation(data, random)
        except Exception:  # h5py cannot edit what an earlier mutation left
            names[-1] += " (not possible)"
    return data, names


def read(path):
    """Everything a run reads of a file, or the line that refuses it.

    Returns:
        The line, or None and (targets, k-space after the loader, range, slices left out).
    """
    try:
        info, found = checks.check(path)
        volume = volumes.Volume(
            path, path.stem, info.patient or path.stem, "knee/PD-Skyra", info.kspace_shape[0],
            info.kspace_shape, files.crop_shape(info.kspace_shape, info.target_shape),
            info.max_value, (info.header.padding_left, info.header.padding_right),
        )  # fmt: skip
        with files.open_volume(path) as file:
            arrays = [slices.prepare(file, volume, i) for i in range(volume.slices)]
        checks.fingerprint(path)
    except MrinbError as error:
        return str(error), None
    return None, (info, found, arrays)


def judge(path, data, names, number):
    """Raise where a spoiled file was neither refused in one line nor read right."""
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        line, content = read(path)
    about = f"file {number} ({', '.join(names)})"
    if line is not None:
        assert str(path) in line, f"{about}: {line!r} does not name the file"
        assert "\n" not in line, f"{about}: {line!r} is more than a line"
        assert len(line) < len(str(path)) + 300, f"{about}: {line!r} is long"
        return "refused"
    info, _, arrays = content
    for hybrid, target in arrays:
        assert np.isfinite(hybrid.numpy()).all(), f"{about}: k-space is not finite"
        assert np.isfinite(target.numpy()).all(), f"{about}: a target is not finite"
        assert tuple(target.shape) == files.crop_shape(info.kspace_shape, info.target_shape), about
        # What was let through shows the target: nobody trains on something else.
        image = np.abs(np.fft.ifft(np.fft.ifftshift(hybrid.numpy(), -1), norm="ortho"))
        image = np.fft.fftshift(np.sqrt((image**2).sum(0)), -1)
        fit = checks.correlation(image, target.numpy())
        assert fit is None or fit >= checks.UNLIKE, f"{about}: correlation {fit}"
    largest = max(float(t.max()) for _, t in arrays)
    assert largest <= 1.011 * info.max_value, f"{about}: max is {info.max_value}, not {largest}"
    return "read"


def main(folder, first, last):
    """Judge files one after the other; what was begun and how it ended goes to stdout."""
    whole = (folder / "whole.h5").read_bytes()
    for number in range(first, last):
        print(number, end=" ", flush=True)
        print(judge(folder / "spoiled.h5", *spoiled(whole, number), number), flush=True)


def run(folder, first, last):
    """Run ``main`` in a process of its own; return the lines it wrote and how it ended."""
    done = subprocess.run(
        [sys.executable, __file__, str(folder), str(first), str(last)],
        capture_output=True, text=True, timeout=60 + SECONDS_EACH * (last - first), check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    return done.stdout.splitlines(), done


@pytest.mark.timeout(120 + SECONDS_EACH * COUNT)
def test_spoiled_files_are_read_right_or_refused_in_one_line(tmp_path):
    write_phantom(tmp_path / "whole.h5")
    assert read(tmp_path / "whole.h5")[0] is None
    outcomes, crashes, first = [], [], 0
    while first < COUNT:
        lines, done = run(tmp_path, first, COUNT)
        outcomes += [line.split()[1] for line in lines if " " in line.strip()]
        if done.returncode == 0:
            break
        begun = int(lines[-1].split()[0])
        assert done.returncode < 0, done.stderr[-2000:]
        crashes.append(begun)
        first = begun + 1
    assert len(outcomes) + len(crashes) == COUNT
    assert outcomes.count("refused") > COUNT / 4
    assert outcomes.count("read") > COUNT / 20
    assert len(crashes) <= COUNT / 500, f"HDF5 crashed on files {crashes}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
