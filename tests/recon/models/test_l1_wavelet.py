import json
import shutil
import subprocess

import numpy as np
import places
import pytest
import torch

from mrinb import catalogue
from mrinb.data import slices
from mrinb.errors import MrinbError
from mrinb.recon import masks, metrics
from mrinb.recon.models import METHOD_VERSIONS, Measured, build, l1_wavelet
from mrinb.recon.models.l1_wavelet import L1Wavelet, central
from mrinb.simulate import acquire
from mrinb.specs import ModelSpec, SimulatorSpec

GOLDEN = places.GOLDEN / "l1-wavelet.json"


def image(height=64, width=54, seed=0):
    """Ellipses with a smooth phase and a little noise, complex (height, width)."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    found = (x**2 + (y / 0.9) ** 2 < 0.7) * 1.0
    for at_x, at_y, radius, value in ((0.2, 0.3, 0.2, 0.5), (-0.3, -0.2, 0.3, -0.4)):
        found += value * (((x - at_x) ** 2 + (y - at_y) ** 2) < radius**2)
    noise = random.standard_normal((2, height, width)) * 0.02
    return found * np.exp(0.5j * (x + y)) + noise[0] + 1j * noise[1]


def transform(images, axis, inverse=False):
    call = np.fft.ifft if inverse else np.fft.fft
    shifted = np.fft.ifftshift(images, axes=axis)
    return np.fft.fftshift(call(shifted, axis=axis, norm="ortho"), axes=axis)


def measured(coils, lines, recon_width=None):
    """Hybrid data of coil images (slices, coils, height, width)."""
    hybrid = torch.from_numpy(transform(coils, -1).astype(np.complex64))
    return Measured(hybrid, torch.from_numpy(lines), recon_width or coils.shape[-1])


def some_lines(width=54, stride=3, centre=9):
    lines = np.zeros(width, bool)
    lines[1::stride] = True
    lines[width // 2 - centre // 2 :][:centre] = True
    return lines


def error(images, truth):
    return float(np.linalg.norm(images - truth) / np.linalg.norm(truth))


def write_cfl(path, array):
    shape = " ".join(map(str, array.shape))
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{shape}\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))


def bart(folder, kspace, weight, iterations, *more, maps=None):
    """Solution of BART's pics, scaled as it is given; without maps of one coil of sensitivity 1."""
    maps = np.ones(kspace.shape) if maps is None else maps
    for name, array in (("k", kspace), ("s", maps)):
        coils = array.reshape(-1, *array.shape[-2:])
        write_cfl(folder / name, coils.transpose(1, 2, 0)[:, :, None])
    call = ["bart", "pics", "-w", "1", "-s", "1", *more, "--wavelet", "dau2", "-i", iterations]
    call += ["-R", f"W:3:0:{weight}", "k", "s", "o"]
    subprocess.run(list(map(str, call)), cwd=folder, check=True, capture_output=True)
    flat = np.fromfile(folder / "o.cfl", np.complex64)
    shape = kspace.shape[-2:]
    return np.abs(flat[: shape[0] * shape[1]].reshape(shape, order="F"))


def ssim(a, b):
    a, b = (torch.from_numpy(np.asarray(i, np.float32))[None] for i in (a, b))
    return float(metrics.score(a, b, b.amax((-2, -1)))["ssim"][0])


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
@pytest.mark.parametrize("weight", [0.003, 0.03, 0.1])
def test_bart_computes_the_same(tmp_path, weight):
    truth, lines = image(), some_lines()
    data = measured(truth[None, None], lines)
    kspace = transform(data.hybrid[0, 0].numpy() * lines, 0)
    for iterations in (1, 40):
        ours = L1Wavelet(weight, iterations, spin=False, rescale=False)(data)[0].numpy()
        theirs = bart(tmp_path, kspace, weight, iterations, "-n")
        assert error(ours, theirs) < 1e-4
        assert ssim(ours, theirs) > 0.999


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
def test_barts_own_shifts_do_as_well(tmp_path):
    """The shifts are drawn by other generators: only what they are for is the same."""
    lines, scores = some_lines(), []
    for seed in range(4):
        truth = image(seed=seed)
        data = measured(truth[None, None], lines)
        kspace = transform(data.hybrid[0, 0].numpy() * lines, 0)
        ours = L1Wavelet(0.01, 30, rescale=False)(data)[0].numpy()
        theirs = bart(tmp_path, kspace, 0.01, 30)
        plain = L1Wavelet(0.01, 30, spin=False, rescale=False)(data)[0].numpy()
        scores.append([ssim(i, np.abs(truth)) for i in (ours, theirs, plain)])
    spun, theirs, plain = np.mean(scores, axis=0)
    assert spun == pytest.approx(theirs, abs=0.01)
    assert spun > plain + 0.02


def test_what_was_measured_stays():
    truth, lines = image()[None, None], some_lines()
    kept = (transform(truth, -1) * lines).astype(np.complex64)
    found = L1Wavelet(0.05, 10)._solve(kept.copy(), lines, None)
    np.testing.assert_allclose(transform(found, -1)[:, None] * lines, kept, atol=1e-5)
    everything = L1Wavelet(0.05, 10)(measured(truth, np.ones(54, bool)))
    np.testing.assert_allclose(everything.numpy(), np.abs(truth[:, 0]), atol=1e-5)


def test_it_beats_filling_with_zeros_where_lines_are_random():
    truth, lines = image()[None, None], some_lines(stride=54)
    lines[np.random.RandomState(1).choice(54, 18, replace=False)] = True
    zero = np.abs(transform(transform(truth, -1) * lines, -1, inverse=True))[0, 0]
    found = L1Wavelet(0.02, 100)(measured(truth, lines))[0].numpy()
    truth = np.abs(truth[0, 0])
    assert error(found, truth) < 0.8 * error(zero, truth)


def test_units_and_company_change_nothing():
    truth, lines = np.stack([image(seed=s) for s in (0, 1)])[:, None], some_lines()
    method = L1Wavelet(0.02, 8)
    together = method(measured(truth, lines))
    alone = method(measured(truth[1:], lines))
    torch.testing.assert_close(together[1:], alone)
    torch.testing.assert_close(method(measured(truth * 2e-4, lines)), together * 2e-4)


def test_odd_sizes_are_cropped_to_the_target():
    truth = image(33, 27)[None, None]
    found = L1Wavelet(1e-9, 3)(measured(truth, np.ones(27, bool), 21))
    np.testing.assert_allclose(found.numpy(), np.abs(truth[:, 0, :, 3:24]), atol=1e-4)


def coil_maps(height=64, width=54):
    """Smooth sensitivities of four coils at the corners, of unit root sum of squares."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    corners = ((-1, -1), (-1, 1), (1, -1), (1, 1))
    maps = np.stack([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 3 + 1j * a * y) for a, b in corners])
    return (maps / np.sqrt((np.abs(maps) ** 2).sum(0))).astype(np.complex64)


def zero_filled(data):
    return slices.zero_filled(data.hybrid, data.lines, data.recon_width)


def test_several_coils_are_calibrated_from_the_centre(capfd):
    truth, lines = image(), some_lines(centre=16)
    data = measured((coil_maps() * truth)[None], lines)
    zero, found = zero_filled(data)[0].numpy(), L1Wavelet(0.003, 40)(data)[0].numpy()
    inside = np.abs(truth) > 0.4
    assert error(found[inside], np.abs(truth)[inside]) < 0.5 * error(
        zero[inside], np.abs(truth)[inside]
    )
    assert capfd.readouterr() == ("", "")  # no progress bars


def test_each_coils_kept_lines_are_those_measured():
    """With them all, the root sum of squares is that of the measurements, whatever the maps."""
    truth, maps = image()[None], coil_maps()[None]
    kept = transform(maps * truth, -1).astype(np.complex64)
    wrong = np.zeros_like(truth, np.complex64)
    found = l1_wavelet.consistent(wrong, kept, np.ones(54, bool), maps)
    np.testing.assert_allclose(found, np.abs(truth), atol=1e-5)
    lines = some_lines()
    found = l1_wavelet.consistent(wrong, kept * lines, lines, maps)
    data = measured(maps * truth, lines)
    np.testing.assert_allclose(found, zero_filled(data).numpy(), atol=1e-5)
    right = truth.astype(np.complex64)
    np.testing.assert_allclose(
        l1_wavelet.consistent(right, kept * lines, lines, maps), np.abs(truth), atol=1e-5
    )


@pytest.mark.parametrize("width", [54, 55])
def test_the_gradient_is_that_of_the_centred_model(width):
    """Against the matrix of M F S, for even and odd numbers of lines."""
    random = np.random.RandomState(0)
    x, y = (random.standard_normal((2, 2, n, 8, width)).astype(np.float32) for n in (1, 3))
    images, kept = (x[0] + 1j * x[1])[:, 0], y[0] + 1j * y[1]
    lines = some_lines(width)
    maps = np.stack([random.standard_normal((3, 8, width)).astype(np.complex64)] * 2) * (1 + 0.5j)
    found = l1_wavelet.data_gradient(kept * lines, lines, maps)(images)
    residual = (transform(maps * images[:, None], -1) - kept) * lines
    expected = (maps.conj() * transform(residual, -1, inverse=True)).sum(1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


SCANS = [
    ("knee/PD-Skyra", 64, 4), ("knee/PD-Skyra", 96, 15), ("knee/PDFS-Aera", 96, 8),
    ("brain/T1-Aera", 64, 15), ("brain/T1-Aera", 96, 8), ("brain/T2-Avanto", 64, 4),
]  # fmt: skip


@pytest.fixture(scope="module", params=SCANS, ids=lambda p: f"{p[0]}-{p[1]}-{p[2]}")
def scan(request):
    """One slice of a simulated volume: hybrid data and target, (1, ...) each."""
    name, size, coils = request.param
    spec = SimulatorSpec(size=size, coils=coils, subjects=1, slices=1, versions=())
    volume = acquire.simulate_volume(catalogue.distribution(name), 3, spec)
    target = torch.from_numpy(volume.reconstruction_rss)
    kspace = torch.from_numpy(volume.kspace)
    return slices.readout(kspace, target.shape[-2]), target


@pytest.mark.parametrize("acceleration", [4, 8, 16])
def test_maps_cover_the_body_and_more_is_gained_than_by_filling_with_zeros(scan, acceleration):
    hybrid, target = scan
    sampling, width = masks.sampling(acceleration), target.shape[-1]
    lines = masks.for_volume(sampling, "a", hybrid.shape[-1], (0, hybrid.shape[-1])).lines
    data = Measured(hybrid, lines, width)
    body = metrics.foreground(target)[0].numpy()
    kept = (hybrid[0] * lines).numpy()
    seen = np.abs(l1_wavelet.sensitivities(kept, lines.numpy())).sum(0) > 0
    left = (seen.shape[-1] - width) // 2
    assert seen[:, left : left + width][body].mean() > 0.98
    found = [score(L1Wavelet(weight, 30)(data), target) for weight in (0.003, 0.03)]
    zero = score(zero_filled(data), target)
    assert max(f["ssim_foreground"][0] for f in found) > zero["ssim_foreground"][0]
    if acceleration == 4:
        assert max(f["ssim"][0] for f in found) > zero["ssim"][0] + 0.05


def score(found, target):
    return metrics.score(found, target, target.amax((-2, -1)), metrics.foreground(target))


def test_sensitivities_from_few_lines_are_smooth_and_of_all_coils():
    kept = (transform(coil_maps() * image(), -1) * some_lines(centre=3, stride=54)).astype("c8")
    maps = l1_wavelet.sensitivities(kept, some_lines(centre=3, stride=54))
    np.testing.assert_allclose((np.abs(maps) ** 2).sum(0), 1, atol=1e-3)


def test_a_centre_without_lines_is_named():
    lines = some_lines()
    lines[27] = False
    with pytest.raises(MrinbError, match="no central line to calibrate coils from"):
        L1Wavelet(0.01, 2)(measured(np.stack([image(), image()])[None], lines))


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed")
def test_barts_sensitivities_and_images_of_several_coils_are_the_same(tmp_path):
    truth, lines = image(), some_lines(centre=24)
    data = measured((coil_maps() * truth)[None], lines)
    kept = (data.hybrid[0].numpy() * lines).astype(np.complex64)
    kspace = transform(kept, 1)
    theirs = bart_maps(tmp_path, kspace)
    ours = l1_wavelet.sensitivities(kept, lines)
    inside = np.abs(truth) > 0.4
    alike = np.abs((ours * theirs.conj()).sum(0))  # the phase of a pixel is free
    assert alike[inside].min() > 0.99
    method = L1Wavelet(0.003, 40, spin=False, rescale=False)
    same = np.abs(method._solve(kept[None], lines, theirs[None].astype(np.complex64))[0])
    images = bart(tmp_path, kspace, 0.003, 40, "-n", maps=theirs)
    assert error(same, images) < 1e-3 and ssim(same, images) > 0.999
    own = np.abs(method._solve(kept[None], lines, ours[None])[0])
    assert error(own[inside], images[inside]) < 0.03


def bart_maps(folder, kspace):
    """Sensitivities of BART's ecalib, (coils, height, width)."""
    write_cfl(folder / "c", kspace.transpose(1, 2, 0)[:, :, None])
    call = ["bart", "ecalib", "-m", "1", "-c", "0.8", "-r", "24", "c", "m"]
    subprocess.run(call, cwd=folder, check=True, capture_output=True)
    flat = np.fromfile(folder / "m.cfl", np.complex64)
    shape = (*kspace.shape[1:], len(kspace))
    return flat[: kspace.size].reshape(shape, order="F").transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ("0011100", (2, 5)), ("0111100", (1, 5)), ("1111111", (0, 7)), ("000100", (3, 4)),
        ("001100", (2, 4)), ("000000", (3, 3)), ("001000", (3, 3)),
    ],
)  # fmt: skip
def test_the_centre_is_the_widest_centred_block(kept, expected):
    found = central(np.array([c == "1" for c in kept]))
    assert (found.start, found.stop) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": 0.0}, "give a number above 0"),
        ({"iterations": 0}, "give a whole number above 0"),
        ({"iterations": 1.5}, "give a whole number above 0"),
        ({"version": 99}, "not 99"),
        ({"crop": 1.0}, "give a number from 0 to below 1"),
        ({"wieght": 0.1}, "unknown option of model l1-wavelet 'wieght'"),
    ],
)
def test_options_that_make_no_sense(options, words):
    with pytest.raises(MrinbError, match=words):
        build(ModelSpec(name="l1-wavelet", options=tuple(options.items())))


def test_the_crop_is_of_several_coils_alone():
    """Published results of one coil keep their keys."""
    single, multi = l1_wavelet.spec(0.01, 100, "single"), l1_wavelet.spec(0.01, 100)
    assert single.options == (("iterations", 100), ("version", 1), ("weight", 0.01))
    assert multi.option("crop") == l1_wavelet.CROP and build(multi).crop == l1_wavelet.CROP


def digest():
    data = measured(np.stack([image(48, 36), image(48, 36, 1)])[:, None], some_lines(36))
    found = L1Wavelet(0.02, 12)(data).numpy()
    blocks = found.reshape(2, 8, 6, 6, 6).mean((2, 4))
    return {"version": METHOD_VERSIONS["l1-wavelet"], "blocks": blocks.round(4).tolist()}


def test_numbers_change_only_with_the_version():
    stored, now = json.loads(GOLDEN.read_text()), digest()
    assert stored["version"] == now["version"], "the version was raised: store digest() anew"
    np.testing.assert_allclose(
        now["blocks"], stored["blocks"], atol=5e-4, err_msg="numbers changed: raise the version"
    )


def test_the_scale_is_barts_rule():
    lines = np.ones(40, bool)
    spot = np.ones((1, 1, 40, 40))
    spot[0, 0, 20:22] = 9  # far above the 90th percentile: the largest value
    kept = transform(spot, -1).astype(np.complex64)
    assert l1_wavelet._scale(kept, lines)[0] == pytest.approx(9)
    ramp = np.linspace(0, 1, 1600).reshape(1, 1, 40, 40)
    kept = transform(ramp, -1).astype(np.complex64)
    assert l1_wavelet._scale(kept, lines)[0] == pytest.approx(0.9, abs=0.01)
