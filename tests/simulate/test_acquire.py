import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import fastmri
import h5py
import ismrmrd
import numpy as np
import places
import pytest
import torch
from fastmri.data import SliceDataset, transforms

from mrinb import catalogue
from mrinb.errors import MrinbError
from mrinb.simulate import acquire, anatomies, contrast, files, scanner, subjects
from mrinb.simulate.ceiling import noise_ceiling
from mrinb.simulate.tissues import Grid
from mrinb.specs import SimulatorSpec

GOLDEN = places.GOLDEN / "simulate.json"
SPEC = SimulatorSpec(size=64, coils=4, subjects=2, slices=2)
ONE = SimulatorSpec(size=64, coils=4, subjects=1, slices=1)
KNEE, BRAIN = (catalogue.distribution(n) for n in ("knee/PDFS-Aera", "brain/T2-Skyra"))
BOTH = pytest.mark.parametrize("distribution", [KNEE, BRAIN], ids=["knee", "brain"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("simulated")
    for distribution in (KNEE, BRAIN):
        files.generate(distribution, "train", SPEC, root / distribution.anatomy)
    return root


@pytest.fixture(scope="module")
def clean():
    """Noise-free and noisy volumes of one subject."""
    return {
        d.anatomy: [acquire.simulate_volume(d, 5, ONE, noise=n) for n in (False, True)]
        for d in (KNEE, BRAIN)
    }


@BOTH
def test_files_have_the_fastmri_layout(folder, distribution):
    paths = sorted((folder / distribution.anatomy).iterdir())
    assert len(paths) == SPEC.subjects
    height, width = (acquire.scaled(64, n) for n in distribution.encode)
    recon = tuple(acquire.scaled(64, n) for n in distribution.recon)
    for path in paths:
        with h5py.File(path) as file:
            assert set(file) == {"kspace", "reconstruction_rss", "ismrmrd_header"}
            assert file["kspace"].shape == (2, 4, height, width)
            assert file["kspace"].dtype == np.complex64
            assert file["reconstruction_rss"].shape == (2, *recon)
            assert file["reconstruction_rss"].dtype == np.float32
            target = file["reconstruction_rss"][()]
            assert file.attrs["max"] == target.max()
            assert file.attrs["norm"] == pytest.approx(np.linalg.norm(target), rel=1e-5)
            assert file.attrs["acquisition"] == distribution.acquisition
            assert file.attrs["patient_id"] in path.stem
            assert file.attrs["simulated"]
            assert json.loads(file.attrs["simulator_spec"])["size"] == 64


@BOTH
def test_the_target_is_the_rss_of_fastmris_centre_cropped_inverse_transform(folder, distribution):
    for path in (folder / distribution.anatomy).iterdir():
        with h5py.File(path) as file:
            kspace, target = file["kspace"][()], file["reconstruction_rss"][()]
        image = fastmri.ifft2c(torch.view_as_real(torch.from_numpy(kspace)))
        image = transforms.complex_center_crop(image, target.shape[1:])
        rss = fastmri.rss_complex(image, dim=1).numpy()
        assert np.abs(rss - target).max() <= 1e-5 * target.max()


@BOTH
def test_fastmris_slice_dataset_reads_them_unchanged(folder, distribution):
    data = SliceDataset(root=folder / distribution.anatomy, challenge="multicoil")
    assert len(data) == SPEC.subjects * SPEC.slices
    for kspace, mask, target, attributes, _, number in data:
        assert mask is None
        assert number in (0, 1)
        assert attributes["recon_size"][:2] == target.shape
        assert attributes["encoding_size"][:2] == kspace.shape[1:]
        left, right = attributes["padding_left"], attributes["padding_right"]
        acquired = np.abs(kspace).sum((0, 1)) > 0
        assert acquired[left:right].all()
        assert not acquired[:left].any()
        assert not acquired[right:].any()


@BOTH
def test_the_header_is_valid_ismrmrd(folder, distribution):
    for path in (folder / distribution.anatomy).iterdir():
        with h5py.File(path) as file:
            header = ismrmrd.xsd.CreateFromDocument(file["ismrmrd_header"][()])
            shape, recon = file["kspace"].shape, file["reconstruction_rss"].shape
        system = header.acquisitionSystemInformation
        assert system.systemModel == distribution.scanner.model
        assert system.systemFieldStrength_T == distribution.scanner.header_field_t
        assert system.receiverChannels == shape[1]
        encoding = header.encoding[0]
        assert (encoding.encodedSpace.matrixSize.x, encoding.encodedSpace.matrixSize.y) == shape[2:]
        assert (encoding.reconSpace.matrixSize.x, encoding.reconSpace.matrixSize.y) == recon[1:]
        fov = anatomies.find(distribution.anatomy).body.recon_fov_mm
        assert encoding.reconSpace.fieldOfView_mm.x == pytest.approx(fov, abs=1e-3)
        assert header.measurementInformation.protocolName == distribution.acquisition


@pytest.mark.parametrize("name", sorted(catalogue.DISTRIBUTIONS))
def test_full_size_matrices_are_the_catalogues(name):
    d = catalogue.distribution(name)
    assert tuple(acquire.scaled(320, n) for n in (*d.encode, *d.recon)) == (*d.encode, *d.recon)
    assert acquire.scaled(96, d.encode[0]) >= 2 * acquire.scaled(96, d.recon[0]) - 2
    assert acquire.scaled(96, d.encode[1]) >= acquire.scaled(96, d.recon[1])


@BOTH
def test_noise_is_as_specified(clean, distribution):
    """The difference to the noise-free volume is white, Gaussian, and of the stated level."""
    silent, noisy = clean[distribution.anatomy]
    noise = (noisy.kspace - silent.kspace)[0]
    noise = noise[:, :, np.abs(noise).sum((0, 1)) > 0]
    rng = acquire._rng(ONE, distribution, 5)
    field_t = distribution.scanner.field_t
    timing = contrast.sequence(distribution.contrast, field_t, rng)
    # In units in which the reference tissue's signal is 1; the gain is common to both.
    gain = np.median(np.abs(silent.kspace)) / np.median(np.abs(_scaled_to_reference(distribution)))
    expected = gain / distribution.snr
    assert acquire._reference(distribution, timing) > 0
    for part in (noise.real, noise.imag):
        assert part.std() == pytest.approx(expected, rel=0.03)
        assert abs(part.mean()) < 0.05 * expected
        kurtosis = ((part / part.std()) ** 4).mean()
        assert kurtosis == pytest.approx(3, abs=0.15)
    each = np.array([n.std() for n in noise])
    assert each.max() < 1.1 * each.min()
    near = np.corrcoef(np.stack([n.real.ravel() for n in noise]))[0, 1]
    assert near == pytest.approx(scanner.NOISE_CORRELATION, abs=0.05)
    row = noise[0].real
    assert abs(np.corrcoef(row[:, :-1].ravel(), row[:, 1:].ravel())[0, 1]) < 0.05


def _scaled_to_reference(distribution):
    """The noise-free k-space in units of the reference tissue's signal, without the gain."""
    rng = acquire._rng(ONE, distribution, 5)
    timing = contrast.sequence(distribution.contrast, distribution.scanner.field_t, rng)
    matrix = acquire._matrix(distribution, ONE, rng)
    loops = scanner.coil_array(anatomies.find(distribution.anatomy).body.former, 4, rng)
    rng.standard_normal()
    anatomy = anatomies.find(distribution.anatomy).subject(5, ONE.seed)
    image, maps = acquire._slice(
        anatomy, distribution, anatomy.positions(1)[0], matrix, loops, timing, rng,
        rng.spawn(1)[0],
    )  # fmt: skip
    kspace = scanner.acquire(image, maps, matrix, 0.0, rng)
    return kspace / acquire._reference(distribution, timing)


def test_air_shows_the_noise_floor_of_the_coils(clean):
    silent, noisy = (v.reconstruction_rss[0] for v in clean["brain"])
    corner = np.s_[:5, :5]
    sigma = (clean["brain"][1].kspace - clean["brain"][0].kspace).real.std()
    # The mean of a chi distribution with two degrees of freedom per coil.
    assert noisy[corner].mean() == pytest.approx(sigma * np.sqrt(2 * 4 - 0.5), rel=0.2)
    assert silent[corner].mean() < 0.5 * noisy[corner].mean()


def test_lower_fields_and_fat_saturation_are_noisier():
    snr = {d.name: d.snr for d in catalogue.EVERY.values()}
    for kind in ("PD", "PDFS"):
        assert snr[f"knee/{kind}-Aera"] < snr[f"knee/{kind}-Biograph"] < snr[f"knee/{kind}-Skyra"]
    for name in ("Skyra", "Aera", "Biograph"):
        assert snr[f"knee/PDFS-{name}"] < snr[f"knee/PD-{name}"]
    low = max(snr[f"brain/T2-{n}"] for n in ("Aera", "Avanto"))
    assert low < min(snr[f"brain/T2-{n}"] for n in ("Skyra", "Prisma", "Biograph"))


@pytest.mark.parametrize("spec", [ONE, ONE.model_copy(update={"size": 96, "coils": 8})])
def test_the_noise_ceiling_tells_clean_from_noisy(spec):
    clear, noisy = (noise_ceiling(d, spec) for d in (BRAIN, KNEE))
    assert 0.3 < noisy.noise_free < clear.noise_free < 0.999
    assert 0.5 < noisy.with_floor < clear.with_floor < 0.9999
    for ceiling in (clear, noisy):
        assert ceiling.with_floor > ceiling.noise_free + 0.01


@pytest.mark.parametrize(
    ("anatomy", "view", "coils"),
    [("brain", "axial", 4), ("brain", "axial", 16), ("knee", "coronal", 15)],
)
def test_coil_maps_are_smooth_and_differ(anatomy, view, coils):
    rng = np.random.default_rng(0)
    loops = scanner.coil_array(anatomies.find(anatomy).body.former, coils, rng)
    assert len(loops) == coils
    fov = (180.0, 160.0)
    maps = scanner.coil_maps(loops, view, 0.0, (90, 80), fov, rng)
    rss = np.sqrt((np.abs(maps) ** 2).sum(0))
    assert rss[45, 40] == pytest.approx(1, abs=0.02)
    assert rss.max() < 4
    # Nearly all energy lies in the lowest frequencies (2 cm and longer).
    window = np.hanning(90)[:, None] * np.hanning(80)
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(maps * window), axes=(1, 2))) ** 2
    assert spectrum[:, 36:55, 32:49].sum() > 0.999 * spectrum.sum()
    flat = maps.reshape(coils, -1)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    overlap = np.abs(flat @ flat.conj().T) - np.eye(coils)
    assert overlap.max() < 0.99
    strengths = np.linalg.svd(flat, compute_uv=False)
    assert strengths[3] > 0.1 * strengths[0], "at least four independent views"
    assert np.angle(maps[0]).std() > 0.1


def test_coil_fields_obey_the_formula_on_the_axis():
    """On the axis of a loop Biot and Savart integrate to R^2 / (R^2 + d^2)^(3/2) times 2 pi."""
    loop = scanner.Loop(np.zeros(3), np.array([1.0, 0.0, 0.0]), 40.0)
    far = 300.0
    value = scanner.sensitivity([loop], np.array([[far, 0.0, 0.0]]))[0, 0]
    soft = 40.0**2 + far**2 + 25.0**2
    assert abs(value) == pytest.approx(2 * np.pi * 40.0**2 / soft**1.5, rel=1e-3)
    assert value.imag == pytest.approx(0, abs=1e-9)


@BOTH
def test_truncation_is_real(clean, distribution):
    """The object goes on beyond the edge of k-space: energy there, and ringing in the image."""
    kspace = clean[distribution.anatomy][0].kspace[0]
    columns = np.flatnonzero(np.abs(kspace).sum((0, 1)))
    power = (np.abs(kspace) ** 2).sum(0)
    edge = power[:, columns[:3]].mean() + power[:, columns[-3:]].mean()
    assert edge > 1e-6 * power.max()
    rows = power[:2].mean() + power[-2:].mean()
    assert rows > 1e-7 * power.max()


def test_a_finer_object_gives_the_same_k_space():
    """Sampling at 2 or 6 samples a pixel differs by aliasing at the edge of k-space only."""

    def k(oversample):
        at = (np.arange(32 * oversample) - 16 * oversample) / oversample
        blob = np.exp(-(at[:, None] ** 2 + (at[None] - 3) ** 2) / 20).astype(np.complex64)
        return scanner.encode(blob[None], scanner.Matrix(32, 32, 0, 31, 1.0, oversample))

    assert np.abs(k(2) - k(6)).max() < 1e-5 * np.abs(k(6)).max()


def test_encode_is_fastmris_transform_of_a_band_limited_object():
    rng = np.random.default_rng(0)
    kspace = np.zeros((2, 24, 20), np.complex64)
    kspace[:, 8:16, 6:14] = rng.standard_normal((2, 8, 8))
    fine = np.zeros((2, 48, 40), np.complex64)
    fine[:, 12:36, 10:30] = kspace
    image = fastmri.ifft2c(torch.view_as_real(torch.from_numpy(fine)))
    # The orthonormal transform of four times the samples halves twice.
    image = torch.view_as_complex(image).numpy() * 2
    again = scanner.encode(image, scanner.Matrix(24, 20, 0, 19, 1.0, 2))
    np.testing.assert_allclose(again, kspace, atol=1e-5)


def test_an_object_shorter_than_the_field_of_view_is_centred():
    rng = np.random.default_rng(0)
    small = rng.standard_normal((1, 12, 16)).astype(np.complex64)
    full = np.zeros((1, 32, 16), np.complex64)
    full[:, 10:22] = small
    matrix = scanner.Matrix(16, 8, 0, 7, 1.0, 2)
    np.testing.assert_allclose(
        scanner.encode(small, matrix), scanner.encode(full, matrix), atol=1e-5
    )


def test_images_are_stored_upside_down(clean):
    """Flipped vertically, as in fastMRI, and not horizontally."""
    target = clean["brain"][0].reconstruction_rss[0]
    size = target.shape[0]
    head = anatomies.find("brain").subject(5, ONE.seed)
    grid = Grid(size, size, (220.0, 220.0), 5.0)
    display = contrast.signal(
        head.render(head.positions(1)[0], grid), "T2", 3.0, np.random.default_rng(0)
    )
    match = {
        name: np.corrcoef(image.ravel(), target.ravel())[0, 1]
        for name, image in {
            "upside down": display[::-1],
            "upright": display,
            "mirrored": display[::-1, ::-1],
        }.items()
    }
    assert max(match, key=match.get) == "upside down"
    assert match["upside down"] > 0.8


def test_some_volumes_stop_short_of_the_matrix():
    found = set()
    for index in range(40):
        subject = subjects.subject_id(KNEE, "train", index)
        rng = acquire._rng(ONE, KNEE, subject)
        contrast.sequence(KNEE.contrast, 1.5, rng)
        matrix = acquire._matrix(KNEE, ONE, rng)
        assert 0 <= matrix.first < matrix.width // 8
        found.add(matrix.first > 0)
        volume = acquire.VolumeArrays(np.zeros(0), np.zeros((1, 64, 64)), matrix, 4)
        header = files._header(KNEE, volume, subject)
        limits = ismrmrd.xsd.CreateFromDocument(header).encoding[0].encodingLimits
        step = limits.kspace_encoding_step_1
        assert matrix.width // 2 - step.center == matrix.first
        assert matrix.first + step.maximum == matrix.last
    assert found == {True, False}


def test_subjects_of_splits_are_disjoint_everywhere():
    numbers = {  # views and echoes of the same people count once
        (d.subjects or d.name, split): {subjects.subject_id(d, split, i) for i in range(300)}
        for d in catalogue.EVERY.values()
        for split in subjects.SPLITS
    }
    every = [n for found in numbers.values() for n in found]
    assert len(every) == len(set(every))
    for (_, split), found in numbers.items():
        assert {subjects.SPLITS[n % 3] for n in found} == {split}


def test_bad_subjects_are_one_clear_line():
    with pytest.raises(MrinbError, match="unknown split 'trian': did you mean train"):
        subjects.subject_id(KNEE, "trian", 0)
    with pytest.raises(MrinbError, match="subject index 10000"):
        subjects.subject_id(KNEE, "train", 10_000)
    with pytest.raises(MrinbError, match="unknown split 'trian': did you mean train"):
        files.generate(KNEE, "trian", ONE, Path("unused"))
    assert not Path("unused").exists()


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@BOTH
def test_same_seed_same_bytes_in_another_process(folder, distribution, tmp_path):
    """Another interpreter, with other thread counts and another hash seed."""
    code = (
        "import sys, pathlib\n"
        "from mrinb import catalogue\n"
        "from mrinb.simulate import files\n"
        "from mrinb.specs import SimulatorSpec\n"
        "spec = SimulatorSpec(size=64, coils=4, subjects=2, slices=2)\n"
        "found = catalogue.distribution(sys.argv[1])\n"
        "files.generate(found, 'train', spec, pathlib.Path(sys.argv[2]))\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "77"}
    subprocess.run(
        [sys.executable, "-c", code, distribution.name, str(tmp_path)], check=True, env=environment
    )
    first = {p.name: sha(p) for p in (folder / distribution.anatomy).iterdir()}
    assert {p.name: sha(p) for p in tmp_path.iterdir()} == first


def test_other_specifications_give_other_volumes():
    subject = subjects.subject_id(KNEE, "test", 0)
    spec = ONE.model_copy(update={"slices": 2})
    one = acquire.simulate_volume(KNEE, subject, spec).reconstruction_rss
    for change in ({"seed": 1}, {"coils": 3}, {"slices": 1}):
        changed = spec.model_copy(update=change)
        other = acquire.simulate_volume(KNEE, subject, changed).reconstruction_rss
        assert one.shape != other.shape or not np.allclose(one, other, rtol=0.05), change


def test_generate_writes_only_what_is_missing(tmp_path, monkeypatch):
    paths = files.generate(KNEE, "val", SPEC, tmp_path)
    before = [p.stat().st_mtime_ns for p in paths]
    assert files.generate(KNEE, "val", SPEC, tmp_path) == paths
    assert [p.stat().st_mtime_ns for p in paths] == before
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[: len(whole) // 2])
    files.generate(KNEE, "val", SPEC, tmp_path)
    assert paths[0].read_bytes() == whole
    assert paths[1].stat().st_mtime_ns == before[1]
    # Files of an older version are made anew.
    monkeypatch.setitem(contrast.VERSIONS, "PDFS", 99)
    files.generate(KNEE, "val", SPEC, tmp_path)
    assert all(p.stat().st_mtime_ns > b for p, b in zip(paths, before, strict=True))


def test_a_killed_run_leaves_no_half_file(tmp_path, monkeypatch):
    volume = acquire.simulate_volume(KNEE, 0, ONE)
    path = tmp_path / "file.h5"

    class KilledError(BaseException):
        pass

    def die(self, name, *args, **kwargs):
        if name == "reconstruction_rss":
            raise KilledError
        return create(self, name, *args, **kwargs)

    create = h5py.Group.create_dataset
    monkeypatch.setattr(h5py.Group, "create_dataset", die)
    with pytest.raises(KilledError):
        files.write(volume, b"<x/>", {"max": 1.0}, path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    files.write(volume, b"<x/>", {"max": 1.0}, path)
    assert [p.name for p in tmp_path.iterdir()] == ["file.h5"]


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(MrinbError, match="cannot write simulated data") as error:
        files.generate(KNEE, "train", ONE, blocked / "data")
    assert "\n" not in str(error.value)


def test_versions_name_every_module_behind_a_distribution():
    assert dict(acquire.versions(BRAIN)).keys() == {"acquire", "brain", "T2", "Skyra"}
    assert dict(acquire.versions(KNEE)).keys() == {"acquire", "knee", "PDFS", "Aera"}
    scans = [v for d in catalogue.EVERY.values() for v in d.variants or (d,)]
    assert set(contrast.VERSIONS) == {d.contrast for d in scans}
    assert set(scanner.VERSIONS) == set(catalogue.SCANNERS)


def digest(name):
    """One small target and its versions; eight levels of a hundredth of its maximum."""
    distribution = catalogue.distribution(name)
    spec = SimulatorSpec(size=32, coils=3, subjects=1, slices=1)
    target = acquire.simulate_volume(distribution, 1, spec).reconstruction_rss[0]
    rows, columns = (n // 8 * 8 for n in target.shape)
    blocks = target[:rows, :columns].reshape(8, rows // 8, 8, columns // 8).mean((1, 3))
    return {
        "versions": [list(v) for v in acquire.versions(distribution)],
        "blocks": (blocks / target.max()).round(3).tolist(),
    }


@pytest.mark.parametrize("name", sorted(catalogue.DISTRIBUTIONS))
def test_pixels_change_only_with_a_version(name):
    stored, now = json.loads(GOLDEN.read_text())[name], digest(name)
    assert stored["versions"] == now["versions"], "a version was raised: store digest() anew"
    np.testing.assert_allclose(
        now["blocks"], stored["blocks"], atol=0.004, err_msg="pixels changed: raise a version"
    )


FULL = """
import resource, sys
from pathlib import Path
from mrinb.simulate import acquire, files
from mrinb.simulate.subjects import subject_id
from mrinb.specs import SimulatorSpec
from mrinb import catalogue
found = catalogue.distribution("knee/PD-Skyra")
spec = SimulatorSpec(size=16, coils=2, subjects=1, slices=2, versions=acquire.versions(found))
volume = acquire.simulate_volume(found, subject_id(found, "train", 0), spec)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
files.write(volume, b"", {}, Path(sys.argv[1]) / "a.h5")
"""


def test_a_full_disk_is_told_in_the_systems_words(tmp_path):
    """A limit on the size of files stands for the disk: HDF5 words both alike."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "cache")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    # HDF5 may add lines of its own when it lets the file go.
    assert (
        f"mrinb.compute.leases.StoreError: {tmp_path / 'cache'}: cannot write simulated data "
        "(File too large); choose another cache folder"
    ) in done.stderr.splitlines()
    assert list((tmp_path / "cache").iterdir()) == []
