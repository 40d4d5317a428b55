"""What does not fit together is refused, by the whole check and before anything is scored."""

import h5py
import numpy as np
import pytest
from phantom import images, rss, to_image, to_kspace, write_phantom
from synthetic import write

from mrinb.compute.context import Context
from mrinb.data import checks, files, index, volumes
from mrinb.errors import MrinbError
from mrinb.profiles import PROFILES
from mrinb.specs import ModelSpec, TrainSpec

RECON = (32, 32)


def both(path, words):
    """Both the whole check and the quick look say it, in one line that names the file."""
    with pytest.raises(MrinbError, match=words) as error:
        checks.check(path)
    quick = checks.examine(path, files.read_info(path)).problem
    for text in (str(error.value), quick):
        assert text.startswith(f"{path}: ")
        assert "\n" not in text
    with pytest.raises(MrinbError, match=words):
        raise MrinbError(quick)


def undersampled(kspace):
    kept = np.zeros(kspace.shape[-1], bool)
    kept[::4] = kept[22:26] = True
    return np.where(kept, kspace, 0)


def rows_left_out(kspace):
    kept = np.arange(kspace.shape[-2]) % 3 == 2
    return np.where(kept[:, None], kspace, 0)


def signs(kspace):
    """A missing shift of the image: every second line and row is negative."""
    sign = (-1.0) ** np.add.outer(range(kspace.shape[-2]), range(kspace.shape[-1]))
    return kspace * sign


MISTAKES = {
    "shifted": (lambda k: np.fft.fftshift(k, (-2, -1)), None, "k-space is not centred"),
    "shifted along the width": (lambda k: np.roll(k, 9, -1), None, "line is 33 of 48, not 24"),
    "image not shifted": (signs, None, "a shift is missing"),
    "transposed": (lambda k: k.swapaxes(-1, -2), None, "axes are swapped"),
    "upside down": (lambda k: to_kspace(to_image(k)[..., ::-1, :]), None, "upside down"),
    "mirrored": (None, lambda t: t[..., ::-1], "mirrored"),
    "turned": (None, lambda t: t[..., ::-1, ::-1], "turned by 180 degrees"),
    "reversed order": (None, lambda t: t[::-1], "another order"),
    "rolled order": (lambda k: np.roll(k, 1, 0), None, "another order"),
    "undersampled": (undersampled, None, "already undersampled"),
    "readout left out": (rows_left_out, None, "readout lines are empty"),
    "other scale": (None, lambda t: t * 1000, "1e[+]03 times the image"),
    "another transform": (lambda k: k * np.sqrt(64 * 48), None, "times the image of its k-space"),
    "another subject": (None, lambda t: np.random.RandomState(1).rand(*t.shape).astype("f4"),
                        "is not the image of its k-space"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_does_not_go_together(tmp_path, mistake):
    kspace, target, words = MISTAKES[mistake]
    xml = b"<ismrmrdHeader/>" if mistake == "transposed" else None
    both(write_phantom(tmp_path / "a.h5", kspace, target, xml=xml), words)


def test_axes_swapped_in_both_are_told_by_the_header(tmp_path):
    def swap(a):
        return a.swapaxes(-1, -2)

    both(write_phantom(tmp_path / "a.h5", swap, swap), "the header says 64 x 48")


@pytest.mark.parametrize("value", [1.0, 1e-8])
def test_a_max_that_is_not_the_targets(tmp_path, value):
    both(write_phantom(tmp_path / "a.h5", attributes={"max": value}), "attribute 'max' is")


def test_a_sound_file_and_one_whose_target_was_processed(tmp_path):
    assert checks.check(write_phantom(tmp_path / "a.h5"))[1] == ("", ())
    grown = checks.check(write_phantom(tmp_path / "b.h5", target=lambda t: t * 1.1))
    assert grown[1].problem == ""
    # Fat of a strong signal beside a body, half-acquired lines, a first line off the middle.
    half = checks.check(write_phantom(
        tmp_path / "c.h5", lambda k: np.where(np.arange(48) < 9, 0, k),
        lambda t: rss(np.where(np.arange(48) < 9, 0, plain()), RECON), padding=(9, None),
    ))  # fmt: skip
    assert half[1].problem == ""


def plain():
    return to_kspace(images())


def test_noise_is_no_reason_to_refuse(tmp_path):
    for seed in range(20):
        checks.check(write(tmp_path / "a.h5", (3, 2, 20, 15), seed=seed))


def test_the_single_coil_track(tmp_path):
    def write_single(change=lambda t: t):
        path = tmp_path / "a.h5"
        kspace = plain()[:, 0]
        target = change(np.abs(to_image(kspace))[:, 16:48, 8:40].astype(np.float32))
        return write(
            path, (4, 3, 64, 48), RECON, attributes={"max": float(target.max())},
            drop=["reconstruction_rss"],
            change=lambda arrays: arrays.update(kspace=kspace, reconstruction_esc=target),
        )  # fmt: skip

    assert checks.check(write_single())[0].coil == "single"
    both(write_single(lambda t: t[::-1]), "another order")
    both(write_single(lambda t: t * 7), "7 times the image")


def zero_first_and_last(target):
    target = target.copy()
    target[[0, -1]] = 0
    return target


@pytest.fixture
def real(tmp_path):
    root = tmp_path / "root"
    for size, split in enumerate(("train", "val", "test"), 1):

        def change(array, size=size):
            return zero_first_and_last(array) * size

        write_phantom(root / split / f"{split}.h5", change, change)
    return Context(store=tmp_path / "store", cache=tmp_path / "cache", data_root=root)


def test_zero_slices_are_left_out_with_a_word(real):
    spec = volumes.data_spec("knee/PD-Skyra", "train", PROFILES["quick"], real)
    with pytest.warns(UserWarning, match="2 slices of 1 train files of knee/PD-Skyra are zero"):
        (volume,) = volumes.volumes(spec, real)
    assert (volume.slices, volume.used, volume.empty) == (2, (1, 2), (0, 3))
    run = TrainSpec(
        pool="knee/PD-Skyra.take(2)", data=(spec,), model=ModelSpec(name="unet"), epochs=1
    )
    items = volumes.select(run, {"knee/PD-Skyra": [volume]})
    assert sorted(i for _, i in items) == [1, 2]
    with pytest.warns(UserWarning, match="left out"):
        cut = volumes.volumes(spec.model_copy(update={"limit": 1}), real)
    assert cut[0].used == (1,)


@pytest.mark.filterwarnings("ignore:2 slices of 1 test files")
def test_scores_are_refused_before_they_are_computed_and_once_mended_given(real):
    path = real.data_root / "test" / "test.h5"
    with h5py.File(path, "a") as file:
        good = file["kspace"][()]
        file["kspace"][...] = np.fft.fftshift(good, (-2, -1))
    broken = volumes.data_spec("knee/PD-Skyra", "test", PROFILES["quick"], real)
    for _ in range(2):
        with pytest.raises(MrinbError, match="k-space is not centred"):
            volumes.volumes(broken, real)
    size = path.stat().st_size
    with h5py.File(path, "a") as file:
        file["kspace"][...] = good
    assert path.stat().st_size == size
    mended = volumes.data_spec("knee/PD-Skyra", "test", PROFILES["quick"], real)
    assert mended.digest != broken.digest
    assert len(volumes.volumes(mended, real)) == 1


def test_looking_into_files_is_remembered(real, monkeypatch):
    root = real.data_root
    found = index.find(index.scan(root, real), "knee/PD-Skyra", "train", root)
    first = index.vet(found, real, root)
    assert first[0].findings == ("", (0, 3))
    monkeypatch.setattr(checks, "examine", None)
    assert index.vet(found, real, root) == first
    again = index.find(index.scan(root, real), "knee/PD-Skyra", "train", root)
    assert again == first


@pytest.mark.parametrize("slice_index", range(4))
@pytest.mark.parametrize("key", ["kspace", "reconstruction_rss"])
def test_the_fingerprint_sees_each_slice(tmp_path, key, slice_index):
    path = write_phantom(tmp_path / "a.h5")
    before = checks.fingerprint(path)
    assert checks.fingerprint(path) == before
    with h5py.File(path, "a") as file:
        file[key][slice_index] = file[key][slice_index] * 1.0001
    assert checks.fingerprint(path) != before


def test_values_that_no_scanner_measures(tmp_path):
    path = write_phantom(tmp_path / "a.h5", lambda k: k * 1e25)
    with pytest.raises(MrinbError, match="no measurement has them"):
        checks.check(path)
