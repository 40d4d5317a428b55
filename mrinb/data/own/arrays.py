"""One complex array out of a file of some form: MATLAB, numpy, BART, ISMRMRD, plain HDF5."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from mrinb.data.access import DAMAGE, open_volume
from mrinb.data.convert import ismrmrd_file
from mrinb.data.convert.output import Scan
from mrinb.errors import MrinbError, reason, unknown

FORMS = (".mat", ".npy", ".npz", ".cfl", ".hdr", ".h5", ".hdf5", ".mrd")
_LIKELY = ("kspace", "kdata", "ksp", "k_space", "data", "raw", "k")
"""Names that k-space usually has, the likeliest first."""
_BART = {0: "readout", 1: "phase", 2: "partition", 3: "coil", 13: "slice"}
"""What BART's dimensions stand for; the others have no place in a volume."""


class Loaded(NamedTuple):
    """An array and what its file says about it.

    Attributes:
        array: complex, any shape.
        axes: name of each axis where the form fixes it, else empty.
        name: what it is called in the file.
        scan: of the header, where there is one.
        recon: matrix of the image (height, width) that a header states, or None.
    """

    array: np.ndarray
    axes: tuple[str, ...] = ()
    name: str = ""
    scan: Scan = Scan()
    recon: tuple[int, int] | None = None


def load(path: Path, key: str = "") -> Loaded:
    """Read a scan.

    Args:
        path: the file; of BART's pair either file, or their name without an ending.
        key: name of the array, where the file holds several.

    Raises:
        MrinbError: no such file or form, damaged, no complex array, or several to choose from.
    """
    path = path.expanduser()
    if path.suffix in (".cfl", ".hdr") or (not path.exists() and _beside(path, ".cfl").exists()):
        return _bart(path)
    if not path.is_file():
        raise MrinbError(f"{path}: no such file")
    try:
        if h5py.is_hdf5(path):
            return _hdf5(path, key)
        if path.suffix == ".mat":
            return _matlab(path, key)
        if path.suffix in (".npy", ".npz"):
            return _numpy(path, key)
    except MrinbError:
        raise
    except (*DAMAGE, zipfile.BadZipFile, EOFError, IndexError, NotImplementedError) as error:
        raise MrinbError(f"{path}: cannot be read ({reason(error)})") from None
    raise MrinbError(f"{path}: no form that is known here: give one of {', '.join(FORMS)}")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_suffix(suffix) if path.suffix in (".cfl", ".hdr") else Path(f"{path}{suffix}")


def _bart(path: Path) -> Loaded:
    header, data = _beside(path, ".hdr"), _beside(path, ".cfl")
    for file in (header, data):
        if not file.is_file():
            raise MrinbError(f"{file}: no such file; BART's scans are a .hdr and a .cfl")
    lines = header.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [row for row in lines if row.strip() and not row.startswith("#")]
    try:
        shape = tuple(int(word) for word in rows[0].split())
    except (IndexError, ValueError):
        raise MrinbError(f"{header}: no line of dimensions in it") from None
    wanted = 8 * int(np.prod(shape, dtype=np.int64))
    if min(shape, default=0) < 1 or data.stat().st_size != wanted:
        raise MrinbError(f"{data}: {data.stat().st_size} bytes, but {header.name} says {wanted}")
    array = np.fromfile(data, np.complex64).reshape(shape, order="F")
    kept = [i for i, size in enumerate(shape) if size > 1]
    names = [_BART.get(i, "") for i in kept]
    encoded = [i for i in kept if i < 3]
    if len(encoded) == 2:  # whichever two of the three are there
        names[:2] = ["readout", "phase"]
    axes = tuple(names) if all(names) and len(set(names)) == len(names) else ()
    return Loaded(array.squeeze(), axes, path.stem)


def _matlab(path: Path, key: str) -> Loaded:
    from scipy import io

    found = {name: (shape, kind) for name, shape, kind in io.whosmat(path)}
    kinds = ("double", "single")
    arrays = {n: shape for n, (shape, kind) in found.items() if kind in kinds and len(shape) > 1}
    values: dict[str, Any] = {}

    def value(name: str) -> np.ndarray:
        if name not in values:
            values[name] = io.loadmat(path, variable_names=[name])[name]
        return np.asarray(values[name])

    name = _choose(path, arrays, key, lambda name: np.iscomplexobj(value(name)))
    return Loaded(_complex(value(name), path, name), name=name)


def _numpy(path: Path, key: str) -> Loaded:
    if path.suffix == ".npy":
        return Loaded(_complex(np.load(path, allow_pickle=False), path, path.stem), name=path.stem)
    with np.load(path, allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    shapes = {n: a.shape for n, a in arrays.items() if a.ndim > 1 and a.dtype.kind in "fc"}
    name = _choose(path, shapes, key, lambda name: bool(np.iscomplexobj(arrays[name])))
    return Loaded(_complex(arrays[name], path, name), name=name)


def _hdf5(path: Path, key: str) -> Loaded:
    with open_volume(path) as file:
        dataset = file.get("dataset")
        if isinstance(dataset, h5py.Group) and {"xml", "data"} <= set(dataset):
            return _ismrmrd(path)
        arrays: dict[str, h5py.Dataset] = {}

        def note(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset) and item.ndim > 1 and item.dtype.kind in "fcV":
                arrays[name] = item

        file.visititems(note)
        shapes = {name: a.shape for name, a in arrays.items() if _parts(a.dtype) != ()}
        name = _choose(path, shapes, key, lambda name: arrays[name].dtype.kind in "cV")
        values = arrays[name][()]
        parts = _parts(values.dtype)
        if parts:
            values = values[parts[0]] + 1j * values[parts[1]]
        if path.suffix == ".mat":  # MATLAB counts axes from the other end
            values = values.T
        return Loaded(_complex(values, path, name), name=name)


def _parts(kind: np.dtype) -> tuple[str, ...] | None:
    """Names of real and imaginary part of a compound type; none where it is another compound."""
    if kind.names is None:
        return None
    found = {name.lower()[0]: name for name in kind.names}
    return (found["r"], found["i"]) if len(kind.names) == 2 and set(found) == {"r", "i"} else ()


def _choose(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    key: str,
    is_complex: Callable[[str], bool],
) -> str:
    """The array that is meant: the one named, or the one that can be k-space."""
    if key:
        if key not in shapes:
            raise unknown("array", key, shapes)
        return key
    if not shapes:
        raise MrinbError(f"{path}: no array of numbers in it")
    found = [name for name in shapes if is_complex(name)] or list(shapes)
    largest = max(np.prod(shapes[name]) for name in found)
    found = [name for name in found if np.prod(shapes[name]) == largest]
    if len(found) > 1:
        likely = [n for word in _LIKELY for n in found if n.rpartition("/")[2].lower() == word]
        if not likely:
            there = ", ".join(f"{name} {shapes[name]}" for name in found)
            raise MrinbError(
                f"{path}: which array is the scan? There are {there}: name it by --key"
            )
        found = likely
    return found[0]


def _complex(values: np.ndarray, path: Path, name: str) -> np.ndarray:
    """The array as complex numbers; a last axis of two real numbers holds their parts.

    Raises:
        MrinbError: it is empty, or magnitudes without phase.
    """
    if not values.size or values.dtype.kind not in "fciu":
        raise MrinbError(f"{path}: {name} is {values.dtype} of shape {values.shape}: no numbers")
    if not np.iscomplexobj(values):
        if values.shape[-1] != 2:
            raise MrinbError(
                f"{path}: {name} {values.shape} is real: magnitudes have no phase, from which "
                "undersampled k-space could be made; give k-space or complex coil images"
            )
        values = values[..., 0] + 1j * values[..., 1]
    if not np.isfinite(values).all():
        raise MrinbError(f"{path}: NaN or infinite values in {name}")
    if not values.any():
        raise MrinbError(f"{path}: {name} is zero everywhere")
    return values


def _ismrmrd(path: Path) -> Loaded:
    with ismrmrd_file.opened(path) as raw:
        header = raw.header
        deep = header.encoded[2] > 1
        lines = raw.lines("kspace_encode_step_2" if deep else "slice")
    if lines.cut is not None:
        raise MrinbError(f"{path}: truncated at acquisition {lines.cut}: download it again")
    axes = ("partition" if deep else "slice", "phase", "coil", "readout")
    recon = (min(header.recon[0], header.encoded[0]), min(header.recon[1], header.encoded[1]))
    return Loaded(lines.data, axes, "dataset", header.scan, recon)
