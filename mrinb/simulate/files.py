"""Simulated volumes as files in the fastMRI layout."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrinb.catalogue import Distribution
from mrinb.compute.leases import StoreError
from mrinb.errors import reason
from mrinb.simulate import acquire
from mrinb.simulate.acquire import VolumeArrays
from mrinb.simulate.header import Scan, header
from mrinb.simulate.subjects import SPLITS, subject_id
from mrinb.specs import Coil, SimulatorSpec


def file_name(distribution: Distribution, subject: int) -> str:
    """Name of a volume's file."""
    distribution = distribution.variant(subject // len(SPLITS))
    kind = f"{distribution.anatomy}_{distribution.acquisition}_{distribution.scanner.name}"
    return f"file_{kind}_{subject:011d}.h5"


def paths(
    distribution: Distribution, split: str, spec: SimulatorSpec, folder: Path
) -> dict[Path, int]:
    """Where the files of a split go, and the subject of each."""
    subjects = [subject_id(distribution, split, i) for i in range(spec.subjects)]
    return {folder / file_name(distribution, s): s for s in subjects}


def make(
    distribution: Distribution, subject: int, spec: SimulatorSpec, path: Path, coil: Coil = "multi"
) -> None:
    """Simulate one volume and write its file, which appears whole or not at all.

    Args:
        distribution: contrast and scanner.
        subject: the subject's number.
        spec: sizes and seed.
        path: the file; an older one is replaced.
        coil: ``single`` makes an emulated single-coil file.

    Raises:
        StoreError: the folder cannot be written to.
    """
    from threadpoolctl import threadpool_limits

    _require_writable(path.parent)  # known before the work, not after
    signature = _signature(distribution, spec, coil)
    # As of ``simulate_volume``: the norm and the single coil are sums too.
    with threadpool_limits(1):
        volume = acquire.simulate_volume(distribution, subject, spec)
        if coil == "single":
            volume = acquire.emulate_single_coil(volume)
        attributes: dict[str, str | float | bool] = {
            "acquisition": distribution.variant(subject // len(SPLITS)).acquisition,
            **_range(volume.target),
            "patient_id": f"{subject:011d}",
            "simulated": True,
            "simulator_spec": signature,
        }
    write(volume, _header(distribution, volume, subject), attributes, path)


def generate(
    distribution: Distribution,
    split: str,
    spec: SimulatorSpec,
    folder: Path,
    coil: Coil = "multi",
) -> list[Path]:
    """Write the volumes of one split that are missing, in this process.

    Args:
        distribution: contrast and scanner.
        split: ``train``, ``val`` or ``test``.
        spec: sizes and seed; ``spec.subjects`` volumes are written.
        folder: where the files go; created if need be.
        coil: ``single`` writes emulated single-coil files.

    Returns:
        Every file of the split, in subject order. Files that are there already and were made
        with the same specification are kept; two processes may generate the same at once.

    Raises:
        MrinbError: an unknown split, or a folder that cannot be written to.
    """
    found = paths(distribution, split, spec, folder)
    signature = _signature(distribution, spec, coil)
    for path, subject in found.items():
        if not _is_current(path, signature):
            make(distribution, subject, spec, path, coil)
    return list(found)


def _range(target: np.ndarray) -> dict[str, float]:
    norm = float(np.linalg.norm(target.astype(np.float64)))
    return {"max": float(target.max()), "norm": norm}


def _signature(distribution: Distribution, spec: SimulatorSpec, coil: Coil) -> str:
    """What the bytes of a file depend on, apart from its subject, as JSON."""
    made = spec.model_dump(mode="json", exclude={"subjects", "versions"})
    made["distribution"] = distribution.name
    made["versions"] = [list(pair) for pair in acquire.versions(distribution, coil)]
    return json.dumps(made, sort_keys=True, separators=(",", ":"))


def _header(distribution: Distribution, volume: VolumeArrays, subject: int) -> bytes:
    distribution = distribution.variant(subject // len(SPLITS))
    body, matrix = acquire.body_of(distribution), volume.matrix
    height, width, thickness = volume.voxel_mm or (
        matrix.pixel_mm, matrix.pixel_mm, body.thickness_mm,
    )  # fmt: skip
    scan = Scan(
        patient=f"{subject:011d}",
        position=body.position,
        protocol=distribution.acquisition,
        model=distribution.scanner.model,
        field_t=distribution.scanner.header_field_t,
        coils=volume.coils,
        encoded=(matrix.height, matrix.width),
        recon=(int(volume.target.shape[1]), int(volume.target.shape[2])),
        pixel_mm=(height, width),
        thickness_mm=thickness,
        vendor=distribution.scanner.vendor,
        first=matrix.first,
        last=matrix.last,
    )
    return header(scan)


def write(
    volume: VolumeArrays, xml: bytes, attributes: Mapping[str, str | float | bool], path: Path
) -> None:
    """Write a volume in the fastMRI layout; the file appears whole or not at all.

    Args:
        volume: what to write.
        xml: the ISMRMRD header.
        attributes: the file's attributes.
        path: the file; an older one is replaced.

    Raises:
        StoreError: the folder cannot be written to.
    """
    import h5py

    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made in memory: where a disk is full, HDF5 can take the whole process with it.
        made = io.BytesIO()
        with h5py.File(made, "w", libver=("v110", "v110"), track_order=False) as file:
            options = {"track_times": False}
            file.create_dataset("ismrmrd_header", data=np.bytes_(xml), **options)
            file.create_dataset("kspace", data=volume.kspace, **options)
            file.create_dataset("reconstruction_rss", data=volume.reconstruction_rss, **options)
            if volume.reconstruction_esc is not None:
                esc = volume.reconstruction_esc
                file.create_dataset("reconstruction_esc", data=esc, **options)
            for name, value in sorted(attributes.items()):
                file.attrs[name] = value
        temporary.write_bytes(made.getbuffer())
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path.parent, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _require_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    if not os.access(folder, os.W_OK):
        raise _cannot_write(folder, PermissionError(13, "Permission denied"))


def _cannot_write(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{folder}: cannot write simulated data ({reason(error)}); choose another cache folder"
    )


def _is_current(path: Path, signature: str) -> bool:
    """Whether a readable file of this very specification is there."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("simulator_spec") == signature)
    except OSError:
        return False
