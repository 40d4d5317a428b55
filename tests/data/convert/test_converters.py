"""A known phantom in each dataset's own form comes out in fastMRI's layout, the right way round."""

import h5py
import ismrmrd
import numpy as np
import pytest
import source_forms as forms
from fastmri.data import SliceDataset
from ismrmrd import xsd

from mrinb.data import checks, files
from mrinb.data.convert import CONVERTERS, named
from mrinb.data.convert.run import convert

SIZES = [(12, 10, 8), (11, 9, 7), (10, 11, 8)]


def shortened(name, trim):
    """Converters with a trim that fits a small phantom."""
    return [c._replace(view=c.view._replace(trim=trim)) if c.view else c for c in named(name)]


def converted(converters, source, folder, **options):
    """Convert one source: the files written, by the dataset's folder and the file's name."""
    summary = convert(converters, source, folder, progress=False, **options)
    assert summary.problems == []
    found = {f"{p.parent.name}/{p.stem}": p for p in sorted(folder.rglob("*.h5"))}
    assert summary.written == len(found)
    return found


def check(path, expected, padding=None, tolerance=2e-5):
    """The file is sound, and its target, its k-space and its range are the expected image's."""
    info = checks.check(path)[0]
    with h5py.File(path) as file:
        target, kspace = file["reconstruction_rss"][()], file["kspace"][()]
        largest = file.attrs["max"]
    assert target.shape == expected.shape
    np.testing.assert_allclose(target, expected, atol=tolerance * expected.max())
    assert largest == target.max()
    width = kspace.shape[-1]
    left, right = padding or (0, width)
    assert (info.header.padding_left, info.header.padding_right) == (left, right)
    assert not kspace[..., :left].any()
    assert not kspace[..., right:].any()
    dataset = SliceDataset(path.parent, "multicoil")  # fastMRI's own reader agrees
    attributes = dataset[0][3]
    assert (attributes["padding_left"], attributes["padding_right"]) == (left, right)
    return info


def rss(images, axis=0):
    return np.sqrt((np.abs(images) ** 2).sum(axis))


def from_kspace(kspace, axes):
    return np.conj(forms.to_kspace(np.conj(kspace), axes))


@pytest.mark.parametrize("shape", SIZES)
def test_ahead_in_three_views(tmp_path, shape):
    images, body = forms.phantom(shape)
    source = forms.ahead(tmp_path / "mp2rageme_005_inv2_te3.h5", images * 1e14)
    found = converted(shortened("7T", (1, 2)), source, tmp_path / "out")
    x, y, z = 0, 1, 2
    stem = "mp2rageme_005_inv2_te3"
    info = check(found[f"7T_ax/{stem}"], body.transpose(z, y, x)[1:-2])
    check(found[f"7T_cor/{stem}"], body.transpose(y, z, x)[1:-2])
    check(found[f"7T_sag/{stem}"], body.transpose(x, z, y)[1:-2])
    assert (info.patient, info.acquisition, info.header.field_t) == (
        "mp2rageme_005", "MP2RAGEME", 7.0,
    )  # fmt: skip
    with h5py.File(found[f"7T_sag/{stem}"]) as file:
        kept = [file.attrs[k] for k in ("slice_start", "slice_stop", "slices_in_source")]
    assert kept == [1, shape[0] - 2, shape[0]]


def test_ahead_lines_around_a_stated_centre(tmp_path):
    images, _ = forms.phantom((8, 12, 10))
    kspace = forms.zero_fill(forms.to_kspace(images, (1, 2, 3)), 2, 3, 11)
    limits = {"kspace_encoding_step_1": (7, 3), "kspace_encoding_step_2": (9, 5)}
    lines = [
        forms.readout(kspace[:, :, 3 + y, z], kspace_encode_step_1=y, kspace_encode_step_2=z)
        for y in range(8)
        for z in range(10)
    ]
    source = tmp_path / "mp2rageme_001_inv1_te1.h5"
    forms.raw(source, forms.xml((8, 12, 10), limits=limits), [forms.noise(3), *lines])
    found = converted(shortened("7T", (0, 0)), source, tmp_path / "out")
    body = rss(from_kspace(kspace, (1, 2, 3))) * 1e-14
    check(found["7T_sag/mp2rageme_001_inv1_te1"], body.transpose(0, 2, 1), padding=(3, 11))
    check(found["7T_ax/mp2rageme_001_inv1_te1"], body.transpose(2, 1, 0))


@pytest.mark.parametrize("shape", SIZES)
def test_stanford_3d_in_three_views(tmp_path, shape):
    images, body = forms.phantom(shape)
    source = forms.stanford_3d(tmp_path / "knee.h5", images * 1e7)
    found = converted(shortened("stanford_3d", (2, 1)), source, tmp_path / "out")
    x, y, z = 0, 1, 2
    check(found["stanford_3d_ax/knee"], body.transpose(x, y, z)[2:-1, ::-1])
    check(found["stanford_3d_cor/knee"], body.transpose(y, x, z)[2:-1, ::-1])
    check(found["stanford_3d_sag/knee"], body.transpose(z, x, y)[2:-1, ::-1])


def test_the_third_axis_of_stanford_3d_is_centred(tmp_path):
    """Without undoing alternating signs, low frequencies lie at the edges of the other views."""
    images, _ = forms.phantom((12, 10, 16))
    source = forms.stanford_3d(tmp_path / "knee.h5", images * 1e7)
    found = converted(shortened("stanford_3d_ax", (0, 0)), source, tmp_path / "out")
    with h5py.File(found["stanford_3d_ax/knee"]) as file:
        power = (np.abs(file["kspace"][()]) ** 2).sum((0, 1, 2))
    assert 7 <= power.argmax() <= 9
    assert power[[0, -1]].max() < power.max() / 20


@pytest.mark.parametrize("shape", SIZES)
def test_cc359_in_three_views(tmp_path, shape):
    images, _ = forms.phantom(shape)
    source = forms.cc359(tmp_path / "e14110s3_P59904.7.h5", images * 1e10)
    last = int(np.ceil(0.85 * shape[2]))
    kspace = forms.zero_fill(forms.to_kspace(images, (1, 2, 3)), 3, 0, last)
    body = rss(from_kspace(kspace, (1, 2, 3)))
    found = converted(shortened("cc-359", (1, 0)), source, tmp_path / "out")
    stem, x, y, z = "e14110s3_P59904.7", 0, 1, 2
    scale = np.sqrt(shape[1] * shape[2])  # the source is not orthonormal
    padding = (0, last)
    info = check(found[f"cc-359_ax/{stem}"], scale * body.transpose(x, y, z)[1:, ::-1], padding)
    check(found[f"cc-359_cor/{stem}"], scale * body.transpose(y, x, z)[1:, ::-1], padding)
    check(found[f"cc-359_sag/{stem}"], scale * body.transpose(z, x, y)[1:, ::-1])
    assert info.patient == "e14110s3"


def test_cc359_as_the_paper_states_no_padding(tmp_path):
    images, _ = forms.phantom((6, 8, 20))
    source = forms.cc359(tmp_path / "e1_P1.7.h5", images)
    found = converted(shortened("cc-359_ax", (0, 0)), source, tmp_path / "out", as_paper=True)
    header = files.read_header(found["cc-359_ax/e1_P1.7"])
    assert (header.padding_left, header.padding_right) == (0, 20)


def test_an_undersampled_cc359_file_is_refused(tmp_path):
    images, _ = forms.phantom((6, 8, 20))
    source = forms.cc359(tmp_path / "e1_P1.7.h5", images)
    with h5py.File(source, "r+") as file:
        file["kspace"][:, 1::2] = 0
    summary = convert(shortened("cc-359_ax", (0, 0)), source, tmp_path / "out", progress=False)
    assert summary.written == 0
    assert "undersampled" in summary.problems[0]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("as_paper", [False, True])
def test_skm_tea_echoes_become_volumes(tmp_path, shape, as_paper):
    echoes = [forms.phantom(shape, seed=echo)[0] for echo in (0, 1)]
    source = forms.skm_tea(tmp_path / "MTR_005.h5", [e * 1e11 for e in echoes], (1, 8))
    found = converted(named("skm-tea"), source, tmp_path / "out", as_paper=as_paper)
    assert sorted(found) == ["skm-tea/E1_MTR_005", "skm-tea/E2_MTR_005"]
    for number, images in enumerate(echoes, 1):
        kspace = forms.zero_fill(forms.to_kspace(images, (2,)), 2, 1, 8)
        body = rss(from_kspace(kspace, (2,))).transpose(2, 0, 1)
        path = found[f"skm-tea/E{number}_MTR_005"]
        if as_paper:
            with h5py.File(path) as file:
                target = file["reconstruction_rss"][()]
            expected = body.swapaxes(1, 2)[:, ::-1]
            np.testing.assert_allclose(target, expected, atol=2e-5 * body.max())
        else:
            info = check(path, body[:, ::-1], padding=(1, 8))
            assert info.patient == "MTR_005"


@pytest.mark.parametrize(
    ("shape", "contrast"), [((3, 12, 10), "FLAIR"), ((2, 11, 9), "T2"), ((1, 10, 11), "T1")]
)
def test_m4raw_is_turned_upside_down(tmp_path, shape, contrast):
    images = forms.phantom(shape)[0].swapaxes(0, 1)
    source = forms.m4raw(tmp_path / f"2022101101_{contrast}02.h5", images, acquired=(1, 8))
    kspace = forms.zero_fill(forms.to_kspace(images, (3,)), 3, 1, 8)
    body = rss(from_kspace(kspace, (3,)), 1)
    [path] = converted(named("m4raw"), source, tmp_path / "out").values()
    info = check(path, body[:, ::-1], padding=(1, 8))
    assert (info.patient, info.acquisition, info.header.field_t) == ("2022101101", contrast, 0.3)


@pytest.mark.parametrize("shape", [(3, 12, 16), (2, 11, 9), (2, 10, 13)])
@pytest.mark.parametrize("acquired", [None, (2, 9)])
def test_m4raw_gradient_echoes_are_turned_by_a_quarter(tmp_path, shape, acquired):
    images = forms.phantom(shape)[0].swapaxes(0, 1)
    name = tmp_path / "2022061203_GRE01.h5"
    source = forms.m4raw(name, images, acquired=acquired, gradient_echo=True)
    kspace = forms.to_kspace(images, (2,))
    rows, padding = shape[1], None
    if acquired:
        kspace = forms.zero_fill(kspace, 2, *acquired)
        padding = (2 * (rows // 2) - 9 + 1, 2 * (rows // 2) - 2 + 1)
    body = rss(from_kspace(kspace, (2,)), 1)
    [path] = converted(named("m4raw_gre"), source, tmp_path / "out").values()
    check(path, body.swapaxes(1, 2)[..., ::-1], padding=padding)
    with h5py.File(path) as file:
        power = (np.abs(file["kspace"][()]) ** 2).sum((0, 1, 3))
    assert abs(int(power.argmax()) - len(power) // 2) <= 1


def test_m4raw_gradient_echo_as_the_paper_keeps_its_max(tmp_path):
    images = forms.phantom((2, 10, 12))[0].swapaxes(0, 1)
    source = forms.m4raw(tmp_path / "a_GRE01.h5", images, gradient_echo=True, stale_max=77.0)
    [path] = converted(named("m4raw_gre"), source, tmp_path / "out", as_paper=True).values()
    assert files.read_info(path).max_value == 77.0


@pytest.mark.parametrize("leak", [0.0, 1e-6])
@pytest.mark.parametrize("shape", [(2, 12, 9), (3, 11, 10)])
def test_prostate_averages_are_combined(tmp_path, shape, leak):
    images = forms.phantom(shape)[0].swapaxes(0, 1)
    rows, lines = shape[1:]
    limits = {"kspace_encoding_step_1": (lines - 1, 5)}
    header = forms.xml((rows, 14, 1), limits=limits, systemModel="Vida")
    source = tmp_path / "file_prostate_AXT2_0004.h5"
    forms.prostate(source, images, header, noise=0.3, leak=leak)
    kspace = np.zeros((*images.shape[:3], 14), complex)
    kspace[..., 2 : 2 + lines] = forms.to_kspace(images, (2, 3))  # the errors cancel
    body = rss(from_kspace(kspace, (2, 3)), 1)
    [path] = converted(named("fastMRI prostate"), source, tmp_path / "out").values()
    info = check(path, body, padding=(2, 2 + lines))
    assert (info.patient, info.header.system_model) == ("abc", "Vida")


def test_a_prostate_header_that_does_not_fit_is_named(tmp_path):
    images = forms.phantom((2, 12, 9))[0].swapaxes(0, 1)
    source = tmp_path / "file_prostate_AXT2_0004.h5"
    forms.prostate(source, images, forms.xml((12, 8, 1)))
    summary = convert(named("fastMRI prostate"), source, tmp_path / "out", progress=False)
    assert "does not fit the matrix 12 x 8" in summary.problems[0]


def flat(path, images, recon=None, left=0, lines=None, parameters=None, deviations=None, **more):
    """A 2-D ISMRMRD scan of ``images`` (slices, coils, x, y)."""
    slices, coils, nx, ny = images.shape
    lines = lines or ny - left
    limits = {
        "kspace_encoding_step_1": (lines - 1, ny // 2 - left),
        "slice": (slices - 1, 0),
        "segment": (len(more.get("train") or [0]) - 1, 0),
    }
    header = forms.xml(
        (nx, ny, 1), recon, limits, parameters, receiverChannels=coils, systemModel="DISCOVERY"
    )
    readouts = forms.slices_2d(images, left=left, lines=lines, **more)
    return forms.raw(path, header, [forms.noise(coils), *readouts], deviations)


@pytest.mark.parametrize("shape", [(5, 12, 10), (4, 11, 9), (2, 10, 11)])
@pytest.mark.parametrize("averages", [1, 2])
def test_interleaved_slices_and_averages(tmp_path, shape, averages):
    images, body = forms.phantom(shape)
    images = images.swapaxes(0, 1)
    flat(tmp_path / "scan.h5", images * 1e8, averages=averages)
    [path] = converted(named("stanford_2d"), tmp_path / "scan.h5", tmp_path / "out").values()
    info = check(path, body[:, ::-1])
    assert (info.header.system_model, info.patient) == ("DISCOVERY", "scan")


def test_lines_and_target_lie_where_the_header_says(tmp_path):
    images = forms.phantom((3, 12, 14))[0].swapaxes(0, 1)
    flat(tmp_path / "scan.h5", images, recon=(8, 9, 1), left=2, lines=9)
    kspace = forms.zero_fill(forms.to_kspace(images, (3,)), 3, 2, 11)
    body = rss(from_kspace(kspace, (3,)), 1)[:, ::-1]
    [path] = converted(named("nyu"), tmp_path / "scan.h5", tmp_path / "out").values()
    check(path, body[:, 2:10, 2:11], padding=(2, 11))


def test_echo_trains_are_matched(tmp_path):
    images, body = forms.phantom((3, 24, 12))
    images = images.swapaxes(0, 1) * 1e8
    train = [(0.0, 0.0), (1.9, 0.11), (-2.5, -0.07)]
    flat(tmp_path / "scan.h5", images, train=train)
    [path] = converted(named("stanford_2d"), tmp_path / "scan.h5", tmp_path / "out").values()
    check(path, body[:, ::-1], tolerance=1e-3)


@pytest.mark.parametrize("size", [10, 12])
def test_signs_of_lines_are_undone(tmp_path, size):
    images, body = forms.phantom((2, 12, size))
    images = images.swapaxes(0, 1) * 1e8
    flat(tmp_path / "scan.h5", images, chopped=True, parameters={"ChopY": 0, "ChopZ": 1})
    [path] = converted(named("stanford_2d"), tmp_path / "scan.h5", tmp_path / "out").values()
    check(path, body[:, ::-1])


def test_coils_are_weighed_by_their_noise(tmp_path):
    images = forms.phantom((2, 10, 8))[0].swapaxes(0, 1)
    deviations = np.array([1.0, 2.0, 4.0])
    flat(tmp_path / "scan.h5", images * 1e8, deviations=deviations)
    weights = np.sqrt(deviations**-2 / (deviations**-2).sum())
    body = rss(images * weights[:, None, None], 1)
    [path] = converted(named("stanford_2d"), tmp_path / "scan.h5", tmp_path / "out").values()
    check(path, body[:, ::-1])


def test_reversed_and_short_readouts(tmp_path):
    images, body = forms.phantom((1, 12, 8))
    images = images.swapaxes(0, 1)
    kspace = forms.zero_fill(forms.to_kspace(images, (2, 3)), 2, 2, 12)
    lines = []
    for y in range(8):
        samples = kspace[0, :, 2:, y]
        flags = [ismrmrd.ACQ_IS_REVERSE] if y % 2 else []
        line = forms.readout(samples[:, ::-1] if y % 2 else samples, flags, kspace_encode_step_1=y)
        line.center_sample = 4
        lines.append(line)
    forms.raw(tmp_path / "scan.h5", forms.xml((12, 8, 1)), lines)
    body = rss(from_kspace(kspace, (2, 3)), 1)
    [path] = converted(named("nyu"), tmp_path / "scan.h5", tmp_path / "out").values()
    check(path, body[:, ::-1])


def test_headers_are_valid_ismrmrd(tmp_path):
    images = forms.phantom((2, 10, 12))[0].swapaxes(0, 1)
    source = forms.m4raw(tmp_path / "a_T101.h5", images, acquired=(2, 9))
    [path] = converted(named("m4raw"), source, tmp_path / "out").values()
    with h5py.File(path) as file:
        header = xsd.CreateFromDocument(file["ismrmrd_header"][()])
    limit = header.encoding[0].encodingLimits.kspace_encoding_step_1
    assert (limit.center, limit.maximum) == (12 // 2 - 2, 9 - 2 - 1)
    assert header.acquisitionSystemInformation.receiverChannels == 3


def test_trims_are_those_of_the_papers_lists():
    from places import SHARED

    lists = SHARED / "paper-splits" / "section7_volumes.csv"
    if not lists.exists():
        pytest.skip("the paper's lists are not here")
    import pandas as pd

    table = pd.read_csv(lists)
    for name, rows in table.groupby("dataset"):
        [converter] = named("m4raw_gre" if name == "m4raw_gre_rot" else name)
        first, last = converter.trim
        assert (rows.start == first).all(), name
        assert (rows.n_slices - rows.stop == last).all(), name


def test_every_row_of_table_1_has_a_converter():
    from mrinb.catalogue import DATASETS

    assert list(CONVERTERS) == [dataset.name for dataset in DATASETS]
