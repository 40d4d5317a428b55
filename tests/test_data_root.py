"""A researcher with real files: chapters on a folder laid out as fastMRI's archives unpack."""

import hashlib

import h5py
import nbformat
import numpy as np
import pytest
from places import NOTEBOOKS
from synthetic import write
from typer.testing import CliRunner

from mrinb import cli, figures
from mrinb.chapters import setup
from mrinb.compute.context import Context
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.profiles import PROFILES, Network
from mrinb.stats import claims

PD, PDFS, T2 = "knee/PD-Skyra", "knee/PDFS-Aera", "brain/T2-Skyra"
KINDS = {
    PD: {"acquisition": "CORPD_FBK", "model": "Skyra", "field": 2.89362},
    PDFS: {"acquisition": "CORPDFS_FBK", "model": "Aera", "field": 1.494},
    T2: {"acquisition": "AXT2", "model": "Skyra", "field": 2.89362},
}
TINY = PROFILES["quick"]._replace(
    name="tiny",
    train_slices=5,
    test_slices=5,
    networks={"unet": Network((("channels", 2), ("pools", 2)), 1, 1)},
)
FILES = [
    # folder, name, kind, slices, width, image
    ("knee/multicoil_train", "file1000001", PD, 3, 52, 48),
    ("knee/multicoil_train", "file1000002", PD, 2, 54, 48),  # another width, two slices
    ("knee/multicoil_train", "file1000003", PD, 3, 52, 36),  # another image size
    ("knee/multicoil_train", "file1000004", PDFS, 3, 52, 48),
    ("knee/multicoil_train", "file1000005", PDFS, 3, 52, 48),
    ("knee/multicoil_val", "file1000006", PD, 3, 52, 36),
    ("knee/multicoil_val", "file1000007", PD, 2, 54, 48),
    ("knee/multicoil_val", "file1000008", PD, 3, 52, 48),
    ("knee/multicoil_val", "file1000009", PDFS, 3, 52, 48),
    ("knee/multicoil_test", "file1000010", PDFS, 3, 52, 48),
    ("brain/multicoil_train", "file_brain_AXT2_200_6001234", T2, 2, 48, 48),
    ("brain/multicoil_train", "file_brain_AXT2_201_6001235", T2, 2, 48, 48),
    ("brain/multicoil_val", "file_brain_AXT2_202_6001236", T2, 2, 40, 48),  # narrow
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fastmri")
    for seed, (place, name, kind, slices, width, image) in enumerate(FILES):
        masked = place.endswith("test")
        write(
            folder / place / f"{name}.h5", (slices, 3, 2 * image, width), (image, image),
            seed=seed, patient=f"p{seed}", mask=masked,
            drop=["reconstruction_rss", "max"] if masked else [], **KINDS[kind],
        )  # fmt: skip
    single = folder / "knee" / "singlecoil_val" / "file1000006.h5"
    single.parent.mkdir()
    with h5py.File(single, "w") as file:
        file["kspace"] = np.ones((3, 64, 36), np.complex64)
    before = contents(folder)
    yield folder
    assert contents(folder) == before, "the data root was written to"


def contents(folder):
    return {p: hashlib.sha256(p.read_bytes()).digest() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    return {"store": folder / "store", "cache": folder / "cache", "workers": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def lab(root, places):
    return Lab("03", TINY, Context(**places, data_root=root))


@pytest.fixture(scope="module")
def runs(lab):
    P, Q = Pool.of(PD), Pool.of(PDFS)
    return lab.train("unet", {"P": P, "Q": Q, "P+Q": P + Q})


def test_scores_and_claims_of_real_files(lab, runs):
    assert runs.slices == {"P": 5, "Q": 3, "P+Q": 8}  # no more than the profile's train_slices
    scores = lab.evaluate(runs, on={"P": Pool.of(PD), "Q": Pool.of(PDFS)})
    assert scores.note["data"].startswith("measured data")
    counts = scores[scores["pool"] == "P"].groupby("target").size()
    assert counts.to_dict() == {"P": 5, "Q": 3}  # no more than the profile's test_slices
    for claim in ("shift-is-there", "beats-zero-filled"):  # one seed, one subject of Q
        assert claims.check(claim, scores).verdict in ("underpowered", "does not hold")


def test_pictures_are_of_the_commonest_size(lab, runs):
    data = lab.reconstructions(runs, Pool.of(PD, PDFS, T2), slices=3)
    data.check()
    assert [v.target.shape for v in data.views] == [(3, 48, 48), (3, 48, 48), (3, 40, 40)]
    assert all("measured data" in v.notes[0] for v in data.views)
    panel = lab.panel(runs, PD)
    assert "measured data" in figures.note_text(panel.note)


def test_the_gallery_shows_what_there_is_and_names_the_rest(lab):
    gallery = setup.gallery(lab)
    assert set(gallery.arrays) == {PD, PDFS, T2}
    shown = figures.show(setup.figures.gallery(gallery.arrays, gallery.note), "alt", gallery.note)
    assert "not in data_root: knee/PD-Aera, " in shown.words
    assert "not in data_root: 13 distributions" in figures.note_text(gallery.note)
    statistics = setup.image_statistics(lab, [PD, "brain/T1-Aera"])
    assert len(statistics.arrays) == 2  # and the head
    assert statistics.note["missing"] == ["brain/T1-Aera"]
    assert set(setup.image_statistics(lab, ["brain/T1-Aera"]).arrays) != {"real head, T1, sagittal"}


def test_noise_ceilings_are_of_simulated_data_only(lab):
    table = figures.table(setup.noise_ceilings(lab), "ceilings", empty="of simulated data only")
    assert table.words == "ceilings: of simulated data only"


CHAPTERS = {
    "01": {"narrow": PD, "diverse": f"{PD} + {PDFS}", "unseen": T2},
    "02": {},
    "03": {"P": PD, "Q": PDFS},
    # These images are smaller than Figure 6's patches.
    "04": {"P": f"{PD} + {PDFS}", "Q": T2, "capacity": False, "similarity": False},
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapters_run_on_real_files(chapter, root, places, monkeypatch):
    monkeypatch.setenv("MRINB_CACHE", str(places["cache"]))
    monkeypatch.setenv("MRINB_WORKERS", "0")
    monkeypatch.setenv("MRINB_PUBLISHED", str(root))
    monkeypatch.setenv("HOME", str(root.parent))
    shown = []
    given = {
        "profile": "quick", "data_root": f"~/{root.name}", "store": str(places["store"]),
        "device": "cpu", "epochs": 1,
    }  # fmt: skip
    namespace = {"display": lambda *made: shown.extend(made)}
    (path,) = NOTEBOOKS.glob(f"{chapter}_*.ipynb")
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code":
            exec(cell.source, namespace)  # as a plain script: no kernel to start
            if "parameters" in cell.metadata.get("tags", []):
                namespace |= given | CHAPTERS[chapter]
    assert namespace["lab"].context.data_root == root.resolve()
    assert not namespace["lab"].simulated


def test_other_files_are_other_data(root, places, tmp_path):
    copy = tmp_path / "copy"
    for path in (root / "knee").rglob("multicoil_*/*.h5"):
        place = copy / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    here, there = (Lab("03", TINY, Context(**places, data_root=r)) for r in (root, copy))
    assert here.data(PD, "test") == there.data(PD, "test")
    runs = there.train("unet", {"P": Pool.of(PD)}, seeds=2)
    (copy / "knee" / "multicoil_train" / "file1000002.h5").unlink()
    with pytest.raises(MrinbError, match="added, removed or changed"):
        there.histories(runs)
    assert Lab("03", TINY, there.context).data(PD, "train") != there.data(PD, "train")


def test_listing_and_checking_a_data_root(root, tmp_path, monkeypatch):
    monkeypatch.setenv("MRINB_CACHE", str(tmp_path))
    monkeypatch.chdir(root.parent)
    listed = CliRunner().invoke(cli.app, ["data", "ls", root.name])
    rows = [line.split() for line in listed.stdout.splitlines()]
    assert [PD, "test", "3", "volumes", "8", "slices"] in rows
    assert [PDFS, "unused", "1", "volumes", "3", "slices"] in rows
    checked = CliRunner().invoke(cli.app, ["data", "check", root.name])
    assert checked.exit_code == 2
    assert "singlecoil_val/file1000006.h5: no 'ismrmrd_header'" in checked.stderr
    assert checked.stdout.splitlines() == [
        "13 of 14 files are sound",
        "1 of them are masked or have no target: not used",
    ]
