import itertools
import json
import zlib

import h5py
import numpy as np
import places
import pytest
from phantom import to_image
from scipy import fft
from synthetic import write

from mrinb import catalogue
from mrinb.compute.context import Context
from mrinb.data import checks, index
from mrinb.data.slices import Slices
from mrinb.data.volumes import data_spec, volumes
from mrinb.errors import MrinbError
from mrinb.profiles import profile
from mrinb.simulate import acquire, single_coil
from mrinb.specs import DataSpec, SimulatorSpec

GOLDEN = places.GOLDEN / "single-coil.json"
KNEE = catalogue.distribution("knee/PD-Skyra")
SIZES = profile("quick")._replace(size=32, coils=3, subjects=(1, 1, 1), slices=2)


def coil_images(coils=4, seed=0, noise=0.02):
    """Coils that see different corners of a square, (slices, coils, height, width)."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[-1:1:24j, -1:1:20j]
    angles = np.arange(coils) * 2 * np.pi / coils
    maps = [np.exp(-((x - np.cos(a)) ** 2 + (y - np.sin(a)) ** 2) / 4 + 3j * a) for a in angles]
    gains = np.linspace(1, 0.5, coils)[:, None, None]  # No two coils are alike.
    slices = gains * np.stack(maps) * (np.maximum(abs(x), abs(y)) < 0.8) * [[[[1.0]]], [[[0.6]]]]
    return (slices + noise * (random.standard_normal((2, *slices.shape)).T @ (1, 1j)).T).astype(
        np.complex64
    )


def distance(images, iterations):
    weights = single_coil.coefficients(images, iterations)
    combined = np.abs(np.einsum("c,schw->shw", weights, images))
    return float(np.linalg.norm(combined - np.linalg.norm(images, axis=1)))


def test_each_fit_brings_the_magnitude_nearer_to_the_rss():
    images = coil_images()
    distances = [distance(images, n) for n in (0, 1, 5, 25, 100)]
    assert all(b <= a * (1 + 1e-5) for a, b in itertools.pairwise(distances))
    assert distances[-1] < 0.9 * distances[0]


def test_one_coil_stays_as_it_is():
    images = coil_images(coils=1)
    np.testing.assert_allclose(single_coil.coefficients(images), [1], atol=1e-5)


def test_phases_and_order_of_coils_do_not_matter():
    images = coil_images(noise=0)
    turned = images[:, ::-1] * np.exp(1j * np.arange(4))[:, None, None].astype(np.complex64)
    assert distance(turned, 50) == pytest.approx(distance(images, 50), rel=1e-2)


def digest():
    found = single_coil.coefficients(coil_images())
    parts = np.stack([np.abs(found), np.angle(found)])
    return {"version": single_coil.VERSION, "coefficients": parts.round(3).tolist()}


def test_coefficients_change_only_with_the_version():
    stored, now = json.loads(GOLDEN.read_text()), digest()
    assert stored["version"] == now["version"], "the version was raised: store digest() anew"
    np.testing.assert_allclose(now["coefficients"], stored["coefficients"], atol=0.01)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    context = Context(cache=tmp_path_factory.mktemp("cache"), workers=1)
    specs = [
        data_spec("knee/PD-Skyra", "test", SIZES, context, coil=c) for c in ("multi", "single")
    ]
    return context, specs, [volumes(spec, context) for spec in specs]


def test_simulated_files_have_the_layout_of_the_single_coil_track(made):
    _, _, ((multi,), (single,)) = made
    assert multi.name == single.name and multi.path != single.path
    with h5py.File(multi.path) as many, h5py.File(single.path) as one:
        assert one["kspace"].shape == (2, *many["kspace"].shape[2:])
        np.testing.assert_array_equal(one["reconstruction_rss"], many["reconstruction_rss"])
        target = one["reconstruction_esc"][()]
        assert one.attrs["max"] == pytest.approx(target.max())
        assert one.attrs["norm"] == pytest.approx(np.linalg.norm(target), rel=1e-5)
        assert one.attrs["patient_id"] == many.attrs["patient_id"]
        axes = (1, 2)
        image = fft.ifft2(fft.ifftshift(one["kspace"], axes), norm="ortho")
        image = np.abs(fft.fftshift(image, axes))
        top, left = ((a - b) // 2 for a, b in zip(image.shape[1:], target.shape[1:], strict=True))
        cropped = image[:, top : top + target.shape[1], left : left + target.shape[2]]
        np.testing.assert_allclose(cropped, target, rtol=1e-4, atol=1e-8)
        rss = one["reconstruction_rss"][()]
        assert np.linalg.norm(target - rss) < 0.5 * np.linalg.norm(rss)
    assert checks.check(single.path)[0].coil == "single"


def test_after_the_loader_it_is_a_volume_of_one_coil(made):
    context, _, (_, (single,)) = made
    data = Slices([(single, 0)], context)[0]
    with h5py.File(single.path) as file:
        np.testing.assert_array_equal(data.target, file["reconstruction_esc"][0])
    assert data.hybrid.shape[0] == 1 and single.max_value == data.max_value


def test_keys_of_multi_coil_data_are_what_they_were(made):
    _, (multi, single), _ = made
    assert "coil" not in multi.model_dump() and single.model_dump()["coil"] == "single"
    assert multi.key != single.key
    assert ("single_coil", single_coil.VERSION) in single.simulator.versions
    assert set(single.simulator.versions) - set(multi.simulator.versions) == {
        ("single_coil", single_coil.VERSION)
    }


def test_so_many_slices_are_simulated_as_are_asked_for(tmp_path):
    context = Context(cache=tmp_path, workers=1)
    spec = data_spec("knee/PD-Skyra", "val", SIZES, context, coil="single", slices=3)
    assert (spec.limit, spec.simulator.subjects) == (3, 2)
    assert sum(v.slices for v in volumes(spec, context)) == 3


def single(arrays):
    arrays["kspace"] = arrays["kspace"][:, 0]
    height, width = arrays["reconstruction_rss"].shape[1:]
    image = np.abs(to_image(arrays["kspace"])).astype(np.float32)
    top, left = (image.shape[1] - height) // 2, (image.shape[2] - width) // 2
    arrays["reconstruction_esc"] = image[:, top : top + height, left : left + width]


@pytest.fixture
def root(tmp_path):
    for folder in ("train", "val"):
        for n in range(3):
            name = f"file_{folder}{n}.h5"
            seed = zlib.crc32(name.encode())
            write(tmp_path / "root" / f"multicoil_{folder}" / name, seed=seed)
            write(
                tmp_path / "root" / f"singlecoil_{folder}" / name,
                seed=seed,
                change=single,
                drop=["max"],
            )
    return tmp_path / "root"


def test_the_tracks_are_never_mixed(root, tmp_path):
    context = Context(cache=tmp_path / "cache", data_root=root)
    sizes = profile("paper")
    for coil in ("multi", "single", "multi"):
        spec = data_spec("knee/PD-Skyra", "test", sizes, context, coil=coil)
        found = volumes(spec, context)
        assert [v.path.parent.name for v in found] == [f"{coil}coil_val"] * 3
        assert {v.kspace_shape[1] for v in found} == {1 if coil == "single" else 2}
    (root / "singlecoil_val" / "file_val1.h5").write_bytes(b"broken")
    assert len(index.scan(root, context)) == 6
    with pytest.raises(MrinbError, match="not an HDF5 file"):
        data_spec("knee/PD-Skyra", "test", sizes, context, coil="single")


def test_files_are_told_apart_without_folders_too(tmp_path):
    context = Context(cache=tmp_path / "cache")
    write(tmp_path / "root" / "a.h5", change=single)
    write(tmp_path / "root" / "b.h5")
    assert [e.name for e in index.scan(tmp_path / "root", context)] == ["b"]
    assert [e.name for e in index.scan(tmp_path / "root", context, coil="single")] == ["a"]


def test_a_root_of_the_other_track_is_one_clear_line(tmp_path):
    context = Context(cache=tmp_path / "cache")
    write(tmp_path / "root" / "singlecoil_val" / "a.h5", change=single)
    with pytest.raises(MrinbError, match="only single-coil files in it and below"):
        index.scan(tmp_path / "root", context)


def test_a_single_coil_file_needs_its_own_target(tmp_path):
    def rss_alone(arrays):
        arrays["kspace"] = arrays["kspace"][:, 0]

    path = write(tmp_path / "a.h5", change=rss_alone)
    with pytest.raises(MrinbError, match="no 'reconstruction_esc'"):
        checks.check(path)


def test_another_version_is_refused(tmp_path):
    context = Context(cache=tmp_path)
    spec = data_spec("knee/PD-Skyra", "test", SIZES, context, coil="single")
    old = SimulatorSpec(**{**dict(spec.simulator), "versions": acquire.versions(KNEE)})
    with pytest.raises(MrinbError, match="another version of the simulator"):
        volumes(DataSpec(**{**dict(spec), "simulator": old}), context)
