"""Simulated volumes as fastMRI files: subject, contrast and scanner put together."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import fft

from mrinb import catalogue
from mrinb.catalogue import Distribution
from mrinb.errors import MrinbError, reason, unknown
from mrinb.simulate import brain, contrast, scanner, single_coil
from mrinb.simulate.header import Scan, header
from mrinb.simulate.tissues import Anatomy, Grid
from mrinb.specs import Coil, SimulatorSpec

if TYPE_CHECKING:
    import pandas as pd

VERSION = 2
"""Version of what is done here; it enters the data key with those of the other modules."""

SPLITS = ("train", "val", "test")

RECON_FOV_MM = {"brain": 220.0, "knee": 160.0}
"""Field of view of the target, in millimetres."""

THICKNESS_MM = {"brain": 5.0, "knee": 3.0}

REFERENCE_TISSUE = {"brain": "white_matter", "knee": "muscle"}
"""The tissue whose signal-to-noise ratio is stated in ``SNR``."""

SNR: dict[str, float] = {
    "knee/PD-Skyra": 48, "knee/PD-Aera": 28, "knee/PD-Biograph": 42,
    "knee/PDFS-Skyra": 24, "knee/PDFS-Aera": 15, "knee/PDFS-Biograph": 21,
    "brain/FLAIR-Skyra": 42, "brain/T1-Aera": 38, "brain/T1POST-Aera": 36,
    "brain/T1POST-Avanto": 24, "brain/T1POST-Skyra": 60, "brain/T2-Aera": 36,
    "brain/T2-Avanto": 24, "brain/T2-Biograph": 48, "brain/T2-Prisma": 56, "brain/T2-Skyra": 52,
    "head/FLAIR-Skyra": 42, "head/T1-Aera": 38, "head/T1POST-Skyra": 60, "head/T2-Prisma": 56,
}  # fmt: skip
"""Signal-to-noise ratio of the reference tissue in the middle of the root-sum-of-squares image.

It is the pure tissue's signal over the standard deviation of the noise's real part in one coil,
where the coils' root sum of squares is 1. It holds at every matrix size.
"""

_PARTIAL_SHARE = {"knee": 0.3, "brain": 0.15}
"""Share of volumes whose phase encoding stops short of the matrix and is zero-filled."""

_SUBJECTS_PER_DISTRIBUTION = 10_000


class VolumeArrays(NamedTuple):
    """One simulated volume as it goes to disk.

    Attributes:
        kspace: complex64 (slices, coils, height, width), of an emulated single coil (slices,
            height, width).
        reconstruction_rss: float32 (slices, height, width), centre-cropped.
        header: the ISMRMRD header, XML.
        attributes: the file's attributes.
        reconstruction_esc: float32 (slices, height, width), the target of an emulated single coil.
    """

    kspace: np.ndarray
    reconstruction_rss: np.ndarray
    header: bytes
    attributes: dict[str, str | float | bool]
    reconstruction_esc: np.ndarray | None = None


def body(distribution: Distribution) -> str:
    """What coils, field of view and noise go by: ``head`` is scanned as ``brain`` is."""
    return "brain" if distribution.anatomy == "head" else distribution.anatomy


def versions(distribution: Distribution, coil: Coil = "multi") -> tuple[tuple[str, int], ...]:
    """Versions of the modules behind a distribution, for ``SimulatorSpec.versions``."""
    return tuple(sorted([
        *([("single_coil", single_coil.VERSION)] if coil == "single" else []),
        ("acquire", VERSION),
        *_anatomy_versions(distribution.anatomy),
        (distribution.contrast, contrast.VERSIONS[distribution.contrast]),
        (distribution.scanner.name, scanner.VERSIONS[distribution.scanner.name]),
    ]))  # fmt: skip


def _anatomy_versions(kind: str) -> list[tuple[str, int]]:
    if kind == "brain":
        return [("brain", brain.VERSION)]
    if kind == "head":
        from mrinb.simulate import head

        # What it shares with the template's heads changes it too.
        return [("brain", brain.VERSION), ("head", head.VERSION)]
    from mrinb.simulate import knee

    return [("knee", knee.VERSION)]


def subject_id(distribution: Distribution, split: str, index: int) -> int:
    """Number of a subject: distributions have different subjects, splits disjoint ones.

    The number is ``3 (10000 code + index) + split`` with a 20 bit digest of the distribution's
    name as code, so that a subject's split is its number modulo 3 (``split_of``) wherever and in
    however many datasets it appears.

    Args:
        distribution: whose patient.
        split: ``train``, ``val`` or ``test``.
        index: position in the split, from 0.

    Returns:
        The number.

    Raises:
        MrinbError: for an unknown split or an index outside 0 to 9999.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    if not 0 <= index < _SUBJECTS_PER_DISTRIBUTION:
        raise MrinbError(f"subject index {index}: give one between 0 and 9999")
    code = int.from_bytes(blake2b(distribution.name.encode(), digest_size=4).digest()) >> 12
    return 3 * (_SUBJECTS_PER_DISTRIBUTION * code + index) + SPLITS.index(split)


def split_of(subject: int) -> str:
    """The one split that a subject belongs to, in every dataset."""
    return SPLITS[subject % 3]


def scaled(size: int, full: int) -> int:
    """A matrix dimension at a profile's size: even, ``full`` where the size is 320."""
    return 2 * round(size / 320 * full / 2)


def file_name(distribution: Distribution, subject: int) -> str:
    """Name of a volume's file."""
    kind = f"{distribution.anatomy}_{distribution.acquisition}_{distribution.scanner.name}"
    return f"file_{kind}_{subject:011d}.h5"


def _anatomy(kind: str, subject: int, seed: int) -> Anatomy:
    if kind == "brain":
        return brain.Brain(subject, seed)
    if kind == "head":
        from mrinb.simulate import head

        return head.Head(subject, seed)
    from mrinb.simulate import knee

    return knee.Knee(subject, seed)


def _rng(spec: SimulatorSpec, distribution: Distribution, subject: int) -> np.random.Generator:
    words = [spec.seed, subject, zlib.crc32(distribution.name.encode())]
    return np.random.default_rng(np.random.SeedSequence(words))


def _matrix(
    distribution: Distribution, spec: SimulatorSpec, rng: np.random.Generator
) -> scanner.Matrix:
    height, width = (scaled(spec.size, n) for n in distribution.encode)
    pixel = RECON_FOV_MM[body(distribution)] / scaled(spec.size, distribution.recon[0])
    partial, share = rng.uniform(), rng.uniform(0.80, 0.94)
    missing = 0
    if partial < _PARTIAL_SHARE[body(distribution)]:
        missing = round(width * (1 - share) / 2)
    # Small matrices still have their object sampled at 0.8 mm or finer.
    oversample = max(2, int(np.ceil(pixel / 0.8)))
    return scanner.Matrix(height, width, missing, width - 1 - missing, pixel, oversample)


def simulate_volume(
    distribution: Distribution, subject: int, spec: SimulatorSpec, noise: bool = True
) -> VolumeArrays:
    """Scan one subject.

    Args:
        distribution: contrast and scanner.
        subject: the subject's number (``subject_id``).
        spec: sizes and seed; ``spec.subjects`` and ``spec.versions`` do not matter here.
        noise: False gives the same volume without noise (for the noise ceiling).

    Returns:
        The volume. Equal arguments give equal bytes in any process on one machine.
    """
    from threadpoolctl import threadpool_limits

    # One thread: sums in another order would round otherwise, and volumes run side by side.
    with threadpool_limits(1):
        return _simulate(distribution, subject, spec, noise)


def _simulate(
    distribution: Distribution, subject: int, spec: SimulatorSpec, noise: bool
) -> VolumeArrays:
    rng = _rng(spec, distribution, subject)
    field_t = distribution.scanner.field_t
    anatomy = _anatomy(distribution.anatomy, subject, spec.seed)
    timing = contrast.sequence(distribution.contrast, field_t, rng)
    matrix = _matrix(distribution, spec, rng)
    coils = min(spec.coils, distribution.coils)
    loops = scanner.coil_array(body(distribution), coils, rng)
    reference = _reference(distribution, timing)
    sigma = reference / SNR[distribution.name]
    # Receivers deliver arbitrary units; fastMRI's targets peak around 1e-4 to 1e-3.
    gain = np.float32(2e-4 / reference * np.exp(0.25 * rng.standard_normal()))
    slices = []
    for position, child in zip(anatomy.positions(spec.slices), rng.spawn(spec.slices), strict=True):
        image, maps = _slice(anatomy, distribution, position, matrix, loops, timing, rng, child)
        draws = np.random.default_rng(child.integers(2**63))
        slices.append(scanner.acquire(image, maps, matrix, sigma if noise else 0.0, draws) * gain)
    kspace = np.stack(slices)
    recon = tuple(scaled(spec.size, n) for n in distribution.recon)
    target = reconstruct(kspace, (recon[0], recon[1]))
    return VolumeArrays(
        kspace,
        target,
        _header(distribution, matrix, (recon[0], recon[1]), coils, subject),
        _attributes(distribution, target, subject, spec),
    )


def emulate_single_coil(volume: VolumeArrays) -> VolumeArrays:
    """The volume as one emulated coil would have measured it (``single_coil``).

    ``max`` and ``norm`` become those of ``reconstruction_esc``, as in fastMRI's files.
    """
    recon = (volume.reconstruction_rss.shape[1], volume.reconstruction_rss.shape[2])
    kspace = single_coil.combine(volume.kspace, recon)
    target = reconstruct(kspace, recon)
    attributes = {**volume.attributes, **_range(target)}
    return VolumeArrays(kspace[:, 0], volume.reconstruction_rss, volume.header, attributes, target)


def _slice(
    anatomy: Anatomy, distribution: Distribution, position: float, matrix: scanner.Matrix,
    loops: list[scanner.Loop], timing: contrast.Sequence, volume_rng: np.random.Generator,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The finely sampled object of one slice with its phase, and the coils' sensitivities."""
    kind, field_t = body(distribution), distribution.scanner.field_t
    rows = min(matrix.height, 2 * round(0.575 * matrix.height / 2))
    shape = (rows * matrix.oversample, matrix.width * matrix.oversample)
    fov = (rows * matrix.pixel_mm, matrix.width * matrix.pixel_mm)
    # Planes through the slice lie no farther apart than about a pixel.
    planes = 3 if matrix.pixel_mm > 1.2 else 5
    grid = Grid(*shape, fov, THICKNESS_MM[kind], planes)
    maps = anatomy.render(position, grid)
    signal = contrast.signal(maps, distribution.contrast, field_t, rng, timing)
    if kind == "knee":
        signal *= _excited(shape[0])[:, None]
    # Channel phases and the field's shape belong to the volume, not to the slice.
    seed = np.random.SeedSequence(volume_rng.bit_generator.seed_seq.entropy)  # type: ignore[attr-defined]
    fixed = np.random.default_rng(seed.spawn(1)[0])
    sensitivities = scanner.coil_maps(loops, kind, position, shape, fov, fixed)
    smooth = scanner.background(shape, field_t, timing.flip_deg != 90, fixed)
    # Stored upside down, as fastMRI stores it.
    return (signal * smooth)[::-1], sensitivities[:, ::-1]


def _excited(rows: int) -> np.ndarray:
    """Fall-off of excitation along the leg, beyond the target's field of view."""
    edge = np.abs(np.linspace(-1, 1, rows, dtype=np.float32))
    return np.cos(np.clip((edge - 0.86) / 0.14, 0, 1) * np.pi / 2) ** 2


def _reference(distribution: Distribution, timing: contrast.Sequence) -> float:
    tissue = REFERENCE_TISSUE[body(distribution)]
    field_t = distribution.scanner.field_t
    return float(abs(contrast.tissue_signal(tissue, timing, field_t)))


def reconstruct(kspace: np.ndarray, recon: tuple[int, int]) -> np.ndarray:
    """Root sum of squares over coils of the centre-cropped inverse transform.

    Args:
        kspace: complex64 (slices, coils, height, width).
        recon: target matrix (height, width).

    Returns:
        float32 (slices, recon height, recon width).
    """
    target = np.empty((len(kspace), *recon), np.float32)
    top, left = ((n - m) // 2 for n, m in zip(kspace.shape[2:], recon, strict=True))
    for i, k in enumerate(kspace):
        image = fft.ifftshift(k, axes=(1, 2))
        image = fft.fftshift(fft.ifft2(image, norm="ortho", overwrite_x=True), axes=(1, 2))
        image = image[:, top : top + recon[0], left : left + recon[1]]
        target[i] = np.sqrt((image.real**2 + image.imag**2).sum(0))
    return target


def _attributes(
    distribution: Distribution, target: np.ndarray, subject: int, spec: SimulatorSpec
) -> dict[str, str | float | bool]:
    return {
        "acquisition": distribution.acquisition,
        **_range(target),
        "patient_id": f"{subject:011d}",
        "simulated": True,
        "simulator_spec": _signature(distribution, spec),
    }


def _range(target: np.ndarray) -> dict[str, float]:
    norm = float(np.linalg.norm(target.astype(np.float64)))
    return {"max": float(target.max()), "norm": norm}


def _signature(distribution: Distribution, spec: SimulatorSpec, coil: Coil = "multi") -> str:
    """What the bytes of a file depend on, apart from its subject, as JSON."""
    made = spec.model_dump(mode="json", exclude={"subjects", "versions"})
    made["distribution"] = distribution.name
    made["versions"] = [list(pair) for pair in versions(distribution, coil)]
    return json.dumps(made, sort_keys=True, separators=(",", ":"))


def _header(
    distribution: Distribution, matrix: scanner.Matrix, recon: tuple[int, int], coils: int,
    subject: int,
) -> bytes:  # fmt: skip
    scan = Scan(
        patient=f"{subject:011d}",
        position="HFS" if body(distribution) == "brain" else "FFS",
        protocol=distribution.acquisition,
        model=distribution.scanner.model,
        field_t=distribution.scanner.header_field_t,
        coils=coils,
        encoded=(matrix.height, matrix.width),
        recon=recon,
        pixel_mm=matrix.pixel_mm,
        thickness_mm=THICKNESS_MM[body(distribution)],
        first=matrix.first,
        last=matrix.last,
    )
    return header(scan)


def write(volume: VolumeArrays, path: Path) -> None:
    """Write a volume in the fastMRI layout; the file appears whole or not at all.

    Args:
        volume: what to write.
        path: the file; an older one is replaced.

    Raises:
        MrinbError: the folder cannot be written to.
    """
    import h5py

    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(temporary, "w", libver=("v110", "v110"), track_order=False) as file:
            options = {"track_times": False}
            file.create_dataset("ismrmrd_header", data=np.bytes_(volume.header), **options)
            file.create_dataset("kspace", data=volume.kspace, **options)
            file.create_dataset("reconstruction_rss", data=volume.reconstruction_rss, **options)
            if volume.reconstruction_esc is not None:
                esc = volume.reconstruction_esc
                file.create_dataset("reconstruction_esc", data=esc, **options)
            for name, value in sorted(volume.attributes.items()):
                file.attrs[name] = value
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # the latter where HDF5 closes a file
        raise _cannot_write(path.parent, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _require_writable(folder: Path) -> None:
    """Find out before minutes of simulation, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    if not os.access(folder, os.W_OK):
        raise _cannot_write(folder, PermissionError(13, "Permission denied"))


def _cannot_write(folder: Path, error: OSError | RuntimeError) -> MrinbError:
    return MrinbError(
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


def _make(name: str, subject: int, spec: SimulatorSpec, path: Path, coil: Coil) -> Path:
    distribution = catalogue.distribution(name)
    signature = _signature(distribution, spec, coil)
    if not _is_current(path, signature):
        volume = simulate_volume(distribution, subject, spec)
        if coil == "single":
            volume = emulate_single_coil(volume)
            volume.attributes["simulator_spec"] = signature
        write(volume, path)
    return path


def paths(
    distribution: Distribution, split: str, spec: SimulatorSpec, folder: Path
) -> list[tuple[int, Path]]:
    """The subjects of a split and where their files go."""
    subjects = [subject_id(distribution, split, i) for i in range(spec.subjects)]
    return [(s, folder / file_name(distribution, s)) for s in subjects]


def generate(
    distribution: Distribution | str,
    split: str,
    spec: SimulatorSpec,
    folder: Path,
    workers: int = 2,
    progress: bool = True,
    coil: Coil = "multi",
) -> list[Path]:
    """Write the volumes of one split that are missing.

    Args:
        distribution: the distribution, or its name.
        split: ``train``, ``val`` or ``test``.
        spec: sizes and seed; ``spec.subjects`` volumes are written.
        folder: where the files go; created if need be.
        workers: processes of one thread each; 1 or fewer works in this process.
        progress: show a progress bar.
        coil: ``single`` writes emulated single-coil files.

    Returns:
        Every file of the split, in subject order. Files that are there already and were made
        with the same specification are kept; two processes may generate the same at once.

    Raises:
        MrinbError: unknown distribution or split, or a folder that cannot be written to.
    """
    return generate_many([(distribution, split, spec, folder, coil)], workers, progress)[0]


def generate_many(
    requests: list[tuple[Distribution | str, str, SimulatorSpec, Path, Coil]],
    workers: int = 2,
    progress: bool = True,
) -> list[list[Path]]:
    """``generate`` for many splits with one pool of processes and one progress bar.

    Args:
        requests: (distribution, split, spec, folder, coil) of each split.
        workers: processes of one thread each; 1 or fewer works in this process.
        progress: show a progress bar.

    Returns:
        The files of each request.
    """
    jobs, files = [], []
    for distribution, split, spec, folder, coil in requests:
        if isinstance(distribution, str):
            distribution = catalogue.distribution(distribution)
        found = paths(distribution, split, spec, Path(folder))
        _require_writable(Path(folder))
        signature = _signature(distribution, spec, coil)
        jobs += [
            (distribution.name, subject, spec, path, coil)
            for subject, path in found
            if not _is_current(path, signature)
        ]
        files.append([path for _, path in found])
    _work(jobs, workers, progress)
    return files


def _work(
    jobs: list[tuple[str, int, SimulatorSpec, Path, Coil]], workers: int, progress: bool
) -> None:
    if not jobs:
        return
    from tqdm.auto import tqdm

    with tqdm(total=len(jobs), desc="simulating", unit="volume", disable=not progress) as bar:
        if min(workers, len(jobs)) <= 1:
            for job in jobs:
                _make(*job)
                bar.update()
            return
        # loky starts fresh interpreters and needs no guard around the caller's main module.
        from joblib import Parallel, delayed

        pool = Parallel(n_jobs=min(workers, len(jobs)), return_as="generator_unordered")
        for _ in pool(delayed(_make)(*job) for job in jobs):
            bar.update()


class NoiseCeiling(NamedTuple):
    """How far noise alone keeps an image from the target, as SSIM averaged over slices.

    Attributes:
        noise_free: of the noise-free image.
        with_floor: of the noise-free image raised by the noise's expected power, as a root sum of
            squares of noisy coils is; a network learns this floor, so that its scores may exceed
            ``noise_free`` and can hardly exceed ``with_floor``.
    """

    noise_free: float
    with_floor: float


def noise_ceiling(
    distribution: Distribution, spec: SimulatorSpec, subject: int = 0
) -> NoiseCeiling:
    """SSIM of noise-free images against the target of one volume.

    Args:
        distribution: the distribution.
        spec: sizes and seed.
        subject: position of the subject in the test split.

    Returns:
        The two ceilings (fastMRI's SSIM: uniform 7 x 7 window, range of the volume).
    """
    from skimage.metrics import structural_similarity

    number = subject_id(distribution, "test", subject)
    noisy = simulate_volume(distribution, number, spec)
    silent = simulate_volume(distribution, number, spec, noise=False)
    # Noise power of an image sample, summed over coils; lines not acquired carry none.
    power = (np.abs(noisy.kspace - silent.kspace) ** 2).mean((2, 3)).sum(1)
    target, clean = noisy.reconstruction_rss, silent.reconstruction_rss
    raised = np.sqrt(clean**2 + power[:, None, None])

    def score(images: np.ndarray) -> float:
        pairs = zip(target, images, strict=True)
        span = float(target.max())
        values = [structural_similarity(t, c, win_size=7, data_range=span) for t, c in pairs]
        return float(np.mean(values))

    return NoiseCeiling(score(clean), score(raised))


def noise_ceilings(spec: SimulatorSpec) -> pd.DataFrame:
    """Noise ceilings of every distribution of the catalogue.

    Args:
        spec: sizes and seed; the means are over ``spec.subjects`` test subjects.

    Returns:
        Columns ``distribution``, ``snr``, ``noise_free``, ``with_floor`` (``NoiseCeiling``).
    """
    import pandas as pd

    rows = []
    for name, distribution in catalogue.DISTRIBUTIONS.items():
        each = [noise_ceiling(distribution, spec, i) for i in range(spec.subjects)]
        means = np.mean(each, axis=0)
        rows.append({"distribution": name, "snr": SNR[name], "noise_free": float(means[0]),
                     "with_floor": float(means[1])})  # fmt: skip
    return pd.DataFrame(rows)
