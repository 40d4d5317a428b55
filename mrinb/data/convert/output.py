"""Converted volumes: what a reader hands over, and the file in the fastMRI layout it becomes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from tqdm.auto import tqdm

from mrinb.data import files
from mrinb.errors import MrinbError
from mrinb.simulate.header import Space, cartesian, resonance
from mrinb.slicing import kspace as transforms

VERSION = 2
"""Goes up when converted files change; those of an older version are converted again."""


class CannotWrite(MrinbError):
    """The destination takes no files: no source can be converted, so nothing is skipped."""


class Scan(NamedTuple):
    """What is known of a scan; empty or zero where it is not.

    Attributes:
        vendor, model: of the scanner.
        field_t: field strength in tesla.
        protocol: name of the sequence.
        position: how the patient lay, such as ``FFS``.
        field_of_view_mm: (height, width, slice thickness) of the encoded space.
    """

    vendor: str = ""
    model: str = ""
    field_t: float = 0.0
    protocol: str = ""
    position: str = ""
    field_of_view_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


class Volume(NamedTuple):
    """One volume on its way into a file.

    Attributes:
        shape: (slices, coils, height, width).
        blocks: k-space in order, complex64 (some slices, coils, height, width).
        padding: first acquired column, and the column after the last.
        recon: target matrix (height, width).
        scan: what the header says.
        acquisition: fastMRI's name for contrast and sequence.
        patient: the subject, by which splits are made.
        attributes: further facts, kept with the file.
        stated_max: where not None, written as ``max`` in place of the target's largest value.
        mask: of undersampled k-space, the measured columns, boolean (width,); such a file has no
            target.
    """

    shape: tuple[int, int, int, int]
    blocks: Iterator[np.ndarray]
    padding: tuple[int, int]
    recon: tuple[int, int]
    scan: Scan
    acquisition: str
    patient: str
    attributes: Mapping[str, Any] = {}
    stated_max: float | None = None
    mask: np.ndarray | None = None


def signature(source: Path, name: str, as_paper: bool) -> str:
    """What a converted file depends on, as JSON: source, dataset, options, converter version."""
    status = source.stat()
    facts = {
        "version": VERSION,
        "dataset": name,
        "source": source.name,
        "bytes": status.st_size,
        "as_paper": as_paper,
    }
    return json.dumps(facts, sort_keys=True)


def is_done(path: Path, mark: str) -> bool:
    """Whether a file is there and of this source, dataset and options."""
    if not path.is_file():
        return False
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("converted") == mark
    except OSError:
        return False


def write(volume: Volume, path: Path, mark: str, progress: bool = False) -> None:
    """Write a volume slice by slice; the file appears whole or not at all.

    Args:
        volume: the volume; its blocks are used up.
        path: the file; an older one is replaced.
        mark: its ``signature``.
        progress: show a progress bar of slices where it takes more than five seconds.

    Raises:
        CannotWrite: the folder cannot be written to, or the disk is full.
        MrinbError: whatever reading the blocks raises.
    """
    temporary = path.with_name(f".{path.name}.part")
    file = None
    try:
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = h5py.File(temporary, "w", libver=("v110", "v110"))
        _fill(file, volume, path, progress)
        with _writing(path):
            _describe(file, volume, mark)
            file.close()
            temporary.replace(path)
    finally:
        if file is not None:
            with contextlib.suppress(OSError, RuntimeError):
                file.close()
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        words = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise CannotWrite(f"{path}: cannot be written ({words})") from None


def _fill(file: h5py.File, volume: Volume, path: Path, progress: bool) -> None:
    slices, _, height, width = volume.shape
    recon = (min(volume.recon[0], height), min(volume.recon[1], width))
    with _writing(path):
        kspace = file.create_dataset(files.KSPACE, volume.shape, np.complex64)
        target = None
        if volume.mask is None:
            target = file.create_dataset(files.TARGET, (slices, *recon), np.float32)
        else:
            file.create_dataset("mask", data=volume.mask)
    done = 0
    bar = tqdm(
        total=slices, desc=path.name, unit="slice", delay=5, leave=False, disable=not progress
    )
    for block in volume.blocks:
        images = transforms.target(block, recon)
        if not np.isfinite(images).all():
            raise MrinbError(f"NaN or infinite values in slices {done} to {done + len(block) - 1}")
        with _writing(path):
            kspace[done : done + len(block)] = block
            if target is not None:
                target[done : done + len(block)] = images
        done += len(block)
        bar.update(len(block))
    bar.close()
    if done != slices:
        raise MrinbError(f"{done} slices where {slices} were announced")


def _describe(file: h5py.File, volume: Volume, mark: str) -> None:
    height, width = volume.shape[2:]
    recon = (min(volume.recon[0], height), min(volume.recon[1], width))
    file.create_dataset(files.HEADER, data=np.bytes_(header(volume, recon)))
    found = {
        **(_range(file[files.TARGET], volume) if volume.mask is None else {}),
        "acquisition": volume.acquisition,
        "patient_id": volume.patient,
        "padding_left": volume.padding[0],
        "padding_right": volume.padding[1],
        "converted": mark,
    }
    for key, value in {**found, **volume.attributes}.items():
        file.attrs[key] = value


def _range(target: h5py.Dataset, volume: Volume) -> dict[str, float]:
    """The largest value and the norm of a target, read image by image."""
    largest, square = 0.0, 0.0
    for image in target:
        largest = max(largest, float(image.max()))
        square += float(np.square(image, dtype=np.float64).sum())
    if largest == 0:
        raise MrinbError("all of its signal is zero")
    stated = volume.stated_max
    return {"max": largest if stated is None else stated, "norm": square**0.5}


def header(volume: Volume, recon: tuple[int, int]) -> bytes:
    """The ISMRMRD header of a converted volume.

    Lines are counted from the first acquired one, as fastMRI counts them.

    Args:
        volume: the volume.
        recon: target matrix (height, width).

    Returns:
        XML.
    """
    from ismrmrd import xsd

    _, coils, height, width = volume.shape
    left, right = volume.padding
    scan = volume.scan
    # One millimetre a pixel where the source states no size: the element may not be left out.
    sizes = zip(scan.field_of_view_mm, (height, width, 1), strict=True)
    fov = [size or float(pixels) for size, pixels in sizes]

    def space(shape: tuple[int, int]) -> Space:
        return Space(shape, (fov[0] * shape[0] / height, fov[1] * shape[1] / width, fov[2]))

    encoding = cartesian(space((height, width)), space(recon), (left, right - 1))
    system = xsd.acquisitionSystemInformationType(
        systemVendor=scan.vendor or None,
        systemModel=scan.model or None,
        systemFieldStrength_T=scan.field_t or None,
        receiverChannels=coils,
    )
    measurement = None  # not valid without a position
    if scan.position:
        measurement = xsd.measurementInformationType(
            patientPosition=xsd.patientPositionType(scan.position),
            protocolName=scan.protocol or None,
        )
    document = xsd.ismrmrdHeader(
        acquisitionSystemInformation=system,
        experimentalConditions=resonance(scan.field_t),
        measurementInformation=measurement,
        encoding=[encoding],
    )
    return xsd.ToXML(document).encode()
