"""Scans as a researcher has them: forms, axes, conventions, and what is asked."""

import itertools

import h5py
import numpy as np
import phantom
import pytest
import source_forms
from places import SHARED
from scipy import io

from mrinb.data import checks, files
from mrinb.data.own import axes, scan
from mrinb.data.own.conventions import Told
from mrinb.data.own.scan import Wanted
from mrinb.errors import MrinbError

NAMES = ("slice", "coil", "readout", "phase")


def images(slices=4, coils=3, height=96, width=80):
    return phantom.images(slices, coils, height, width)


def body(found):
    """What the target should be: root sum of squares, upside down, largest value 1e-3."""
    rss = np.sqrt((np.abs(found) ** 2).sum(1))[:, ::-1]
    return rss / rss.max() * scan.LARGEST


def alike(understood, found):
    seen = phantom.rss(understood.kspace, understood.recon)
    np.testing.assert_allclose(seen, body(found), atol=2e-6)


def saved(tmp_path, array, name="scan.npy"):
    np.save(tmp_path / name, array)
    return tmp_path / name


def write_npz(path, kspace):
    np.savez(path, kspace=kspace, weights=np.ones((3, 3)))


def write_mat(path, kspace):
    io.savemat(path, {"kData": kspace, "mask": np.ones(kspace.shape[-2:]), "note": "words"})


def write_mat73(path, kspace):
    kind = np.dtype([("real", "<f4"), ("imag", "<f4")])
    stored = np.empty(kspace.shape, kind)
    stored["real"], stored["imag"] = kspace.real, kspace.imag
    with h5py.File(path, "w", userblock_size=512) as file:
        file["kData"] = stored.T
        file["other"] = np.zeros((2, 2))


def write_hdf5(path, kspace):
    with h5py.File(path, "w") as file:
        file["group/kspace"] = kspace
        file["maps"] = np.ones((4, 5), np.complex64)


def write_parts(path, kspace):
    np.save(path, np.stack([kspace.real, kspace.imag], -1))


FORMS = {
    "scan.npz": write_npz,
    "five.mat": write_mat,
    "seven.mat": write_mat73,
    "plain.h5": write_hdf5,
    "parts.npy": write_parts,
    "whole.npy": np.save,
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(tmp_path, name):
    found = images()
    FORMS[name](tmp_path / name, phantom.to_kspace(found).astype(np.complex64))
    alike(scan.understand(tmp_path / name), found)


def write_bart(path, array, dimensions):
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{' '.join(map(str, dimensions))}\n")
    array.astype(np.complex64).reshape(dimensions, order="F").ravel("F").tofile(
        path.with_suffix(".cfl")
    )


@pytest.mark.parametrize("place", [(0, 1), (1, 2), (0, 2)])
@pytest.mark.parametrize("given", ["scan.cfl", "scan.hdr", "scan"])
def test_bart_has_its_axes_by_convention(tmp_path, place, given):
    found = images(slices=1)
    kspace = phantom.to_kspace(found)[0].transpose(1, 2, 0)  # height, width, coils
    dimensions = [1, 1, 1, 3, 1]
    dimensions[place[0]], dimensions[place[1]] = kspace.shape[:2]
    write_bart(tmp_path / "scan", kspace, dimensions)
    alike(scan.understand(tmp_path / given), found)


def ismrmrd_2d(path, found, **options):
    """Slices as a scanner's converter writes them: a noise scan first, then lines in any order."""
    slices, coils, height, width = found.shape
    limits = {"slice": (slices - 1, 0), "kspace_encoding_step_1": (width - 1, width // 2)}
    header = source_forms.xml(
        (height, width, 1), (64, width, 1), limits, systemModel="Box", systemFieldStrength_T=0.55,
        receiverChannels=coils,
    )  # fmt: skip
    lines = source_forms.slices_2d(found, **options)
    return source_forms.raw(path, header, [source_forms.noise(coils), *lines])


@pytest.mark.parametrize("chopped", [False, True])
def test_ismrmrd_has_axes_matrix_and_scanner(tmp_path, chopped):
    found = images()
    path = ismrmrd_2d(tmp_path / "scan.h5", found, chopped=chopped)
    understood = scan.understand(path)
    assert understood.recon == (64, 80)
    assert (understood.scan.model, understood.scan.field_t) == ("Box", 0.55)
    inside = body(found)[:, 16:80]
    seen = phantom.rss(understood.kspace, understood.recon)
    np.testing.assert_allclose(seen, inside / inside.max() * 1e-3, atol=2e-6)
    source_forms.cut_short(path, 100)
    with pytest.raises(MrinbError, match="truncated at acquisition 100: download it again"):
        scan.understand(path)


def test_ismrmrd_of_three_dimensions(tmp_path):
    found = np.repeat(images(slices=4, coils=2, height=48, width=40), 3, axis=0)
    path = source_forms.ahead(tmp_path / "scan.h5", found.transpose(1, 2, 3, 0))
    alike(scan.understand(path), found)


def test_bart_that_does_not_fit_its_header(tmp_path):
    write_bart(tmp_path / "scan", np.ones((20, 30)), [20, 30])
    (tmp_path / "scan.hdr").write_text("# Dimensions\n20 31\n")
    with pytest.raises(MrinbError, match=r"4800 bytes, but scan.hdr says 4960"):
        scan.understand(tmp_path / "scan.cfl")


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
@pytest.mark.parametrize("size", [(96, 80), (95, 81)])
def test_axes_as_told_in_any_order(tmp_path, order, size):
    found = images(height=size[0], width=size[1])
    stored = phantom.to_kspace(found).transpose(order)
    told = ",".join(NAMES[i] for i in order)
    alike(scan.understand(saved(tmp_path, stored), Wanted(axes=told)), found)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 3, 1, 0), (1, 2, 3, 0), (2, 3, 0, 1)])
def test_axes_are_found_by_what_is_in_them(tmp_path, order):
    found = images()
    stored = phantom.to_kspace(found).transpose(order)
    alike(scan.understand(saved(tmp_path, stored)), found)


@pytest.mark.parametrize("kept", [0, 1])
def test_slices_and_coils_are_told_apart(kept):
    kspace = phantom.to_kspace(images(slices=6, coils=6))
    stored = kspace[2] if kept else kspace[:, 2]
    assert axes.guess(stored)[0] == ("coil" if kept else "slice")


def test_an_index_can_be_taken(tmp_path):
    found = images()
    stored = np.stack([phantom.to_kspace(found) * 0.5, phantom.to_kspace(found)], -1)
    path = saved(tmp_path, stored.astype(np.complex64))
    alike(scan.understand(path, Wanted(axes="slice,coil,readout,phase,1")), found)
    with pytest.raises(MrinbError, match="which axis of 4 x 3 x 96 x 80 x 2 is which"):
        scan.understand(path)


def test_a_three_dimensional_scan_is_sliced(tmp_path):
    found = np.repeat(images(), 5, axis=0)  # 20 slices
    stored = source_forms.to_kspace(found, (0, 2, 3)).transpose(2, 3, 0, 1)
    path = saved(tmp_path, stored)
    with pytest.raises(MrinbError, match="a 3-D scan has partition in place of slice"):
        scan.understand(path, Wanted(axes="readout,phase,slice,coil"))
    alike(scan.understand(path, Wanted(axes="readout,phase,partition,coil")), found)


def changed(kind):
    """The phantom in another convention."""
    found = images()
    kspace = phantom.to_kspace(found)
    both = (-2, -1)
    return found, {
        "centred": kspace,
        "corner": np.fft.ifftshift(kspace, both),
        "plain transform": np.fft.fft2(found),
        "shifted afterwards": np.fft.fftshift(np.fft.fft2(found), both),
        "coil images": found,
        "images at the corner": np.fft.ifftshift(found, both),
        "hybrid": source_forms.to_kspace(found, (3,)),
        "tiny values": kspace * 1e-20,
    }[kind]


KINDS = [
    "centred", "corner", "plain transform", "shifted afterwards", "coil images",
    "images at the corner", "hybrid", "tiny values",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_conventions_are_found(tmp_path, kind):
    found, stored = changed(kind)
    understood = scan.understand(saved(tmp_path, stored), Wanted(axes=",".join(NAMES)))
    alike(understood, found)
    said = " ".join(understood.words)
    assert ("coil images" in said) == ("images" in kind)
    assert ("half a field of view" in said) == (
        kind in ("plain transform", "shifted afterwards", "images at the corner")
    )


def test_conventions_can_be_told(tmp_path):
    found, stored = changed("centred")
    path = saved(tmp_path, stored)
    told = Told(image_centre="corner")
    moved = scan.understand(path, Wanted(axes=",".join(NAMES), told=told))
    seen = phantom.rss(moved.kspace, moved.recon)
    np.testing.assert_allclose(seen, np.roll(body(found), (48, 40), (1, 2)), atol=2e-6)
    told = Told(space="image", sure=True)
    as_images = scan.understand(path, Wanted(axes=",".join(NAMES), told=told))
    assert any("coil images" in line for line in as_images.words)


def test_upside_down_and_cropped(tmp_path):
    found = images()
    wanted = Wanted(upside_down=True, crop=(64, 60))
    understood = scan.understand(saved(tmp_path, phantom.to_kspace(found)), wanted)
    seen = phantom.rss(understood.kspace, understood.recon)
    assert seen.shape == (4, 64, 60)
    inside = body(found)[:, ::-1][:, 16:80, 10:70]
    np.testing.assert_allclose(seen, inside / inside.max() * 1e-3, atol=2e-6)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("phase,coil,slice,readout", "pixels"),
        ("coil,slice,readout,phase", r"along coil look like slices"),
        ("readout,phase", "2 names, but the array is 4 x 3 x 96 x 80"),
        ("slice,coil,readout,fase", "unknown axis 'fase': did you mean phase"),
        ("slice,coil,readout,readout", "readout stands there twice"),
        ("slice,partition,readout,phase", "slice or partition but not both"),
        ("slice,coil,readout,0", "readout and phase must be there"),
        ("slice,9,readout,phase", "index 9 of an axis of 3"),
    ],
)
def test_wrong_axes_are_asked_about(tmp_path, told, words):
    path = saved(tmp_path, phantom.to_kspace(images()))
    with pytest.raises(MrinbError, match=words) as caught:
        scan.understand(path, Wanted(axes=told))
    assert str(caught.value).startswith(str(path))


def test_what_cannot_be_a_scan(tmp_path):
    cases = {
        "real": (np.abs(images()).astype(np.float32), "magnitudes have no phase"),
        "zero": (np.zeros((20, 20), complex), "zero everywhere"),
        "nan": (np.full((20, 20), np.nan + 0j), "NaN or infinite"),
        "line": (np.ones(30, complex), "two axes at least"),
        "alike": (np.ones((40, 41, 42), complex), "similar sizes"),
    }
    for name, (array, words) in cases.items():
        with pytest.raises(MrinbError, match=words):
            scan.understand(saved(tmp_path, array, f"{name}.npy"))
    with pytest.raises(MrinbError, match="no such file"):
        scan.understand(tmp_path / "none.npy")
    (tmp_path / "x.dcm").write_bytes(b"DICM")
    with pytest.raises(MrinbError, match="no form that is known here"):
        scan.understand(tmp_path / "x.dcm")
    for name in ("bad.npy", "bad.npz", "bad.mat"):
        (tmp_path / name).write_bytes(b"not what it says" * 20)
        with pytest.raises(MrinbError, match="cannot be read"):
            scan.understand(tmp_path / name)


def test_several_arrays_are_a_question(tmp_path):
    kspace = phantom.to_kspace(images())
    io.savemat(tmp_path / "two.mat", {"first": kspace, "second": kspace})
    with pytest.raises(MrinbError, match=r"which array is the scan\? There are first"):
        scan.understand(tmp_path / "two.mat")
    alike(scan.understand(tmp_path / "two.mat", Wanted(key="second")), images())
    with pytest.raises(MrinbError, match="unknown array 'third'"):
        scan.understand(tmp_path / "two.mat", Wanted(key="third"))


def lines(width=80, every=3, low=14):
    kept = np.zeros(width, bool)
    kept[::every] = True
    kept[width // 2 - low // 2 : width // 2 + low // 2] = True
    return kept


def test_undersampled_scans_have_a_mask_and_no_target(tmp_path):
    found = images()
    kept = lines()
    path = saved(tmp_path, phantom.to_kspace(found) * kept)
    understood = scan.understand(path)
    assert understood.lines.undersampled
    scan.write_scan(understood, path, "mine", "", tmp_path / "out.h5")
    info = files.read_info(tmp_path / "out.h5")
    assert info.masked and info.target_shape is None
    assert info.header.recon == (96, 80)
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["mask"][()], kept)
    scan.preview(understood, tmp_path / "out.png")


def test_undersampled_along_the_first_axis_is_phase_encoding(tmp_path):
    found = images(slices=1, coils=1)
    kspace = (phantom.to_kspace(found) * lines())[0, 0]
    understood = scan.understand(saved(tmp_path, kspace.T))
    np.testing.assert_array_equal(understood.lines.kept, lines())


def test_patterns_that_networks_cannot_take(tmp_path):
    kspace = phantom.to_kspace(images())
    rows = lines(96)[:, None]
    told = ",".join(NAMES)
    for pattern in (rows, rows * lines(), np.random.RandomState(0).rand(96, 80) < 0.4):
        with pytest.raises(MrinbError, match="missing along readout"):
            scan.understand(saved(tmp_path, kspace * pattern), Wanted(axes=told))
    each = kspace * lines()
    each[1] = (kspace * lines(every=4))[1]
    with pytest.raises(MrinbError, match="slices have different lines"):
        scan.understand(saved(tmp_path, each), Wanted(axes=told))


@pytest.mark.parametrize("size", [(96, 80), (95, 81)])
def test_the_file_is_a_sound_one_in_the_layout(tmp_path, size):
    found = images(height=size[0], width=size[1])
    kspace = phantom.to_kspace(found)
    kspace[..., :5] = kspace[..., 74:] = 0
    path = saved(tmp_path, kspace)
    understood = scan.understand(path)
    out = tmp_path / "files" / "scan.h5"
    scan.write_scan(understood, path, "mine", "anna", out)
    info = files.read_info(out)
    assert (info.patient, info.acquisition, info.origin) == ("anna", "mine", "own")
    assert info.max_value == pytest.approx(1e-3, rel=1e-4)
    assert (info.header.padding_left, info.header.padding_right) == (5, 74)
    assert checks.examine(out, info).problem == ""
    with h5py.File(out) as file:
        assert file["reconstruction_rss"].dtype == np.float32
        assert file.attrs["scale"] == pytest.approx(understood.scale)


def test_the_picture_is_the_right_way_up(tmp_path):
    from PIL import Image

    found = images(slices=5)
    scan.preview(scan.understand(saved(tmp_path, phantom.to_kspace(found))), tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png"), float)
    assert picture.shape == (192, 240)
    shown = body(found)[0, ::-1]
    assert np.corrcoef(picture[:96, :80].ravel(), shown.ravel())[0, 1] > 0.99


def test_real_scans_where_they_are_here():
    folder = SHARED / "real-scans"
    if not folder.is_dir():
        pytest.skip("no real scans beside the checkout")
    shapes = {}
    for name in ("mprage_4coils.mat", "t2_1coil.mat", "brain_8coils.cfl"):
        understood = scan.understand(folder / name)
        shapes[name] = (understood.kspace.shape, understood.recon)
        assert not understood.lines.undersampled
        assert "half a field of view" not in " ".join(understood.words)
    assert shapes == {
        "mprage_4coils.mat": ((1, 4, 256, 256), (256, 256)),
        "t2_1coil.mat": ((1, 1, 256, 340), (256, 340)),
        "brain_8coils.cfl": ((1, 8, 230, 180), (230, 180)),
    }
