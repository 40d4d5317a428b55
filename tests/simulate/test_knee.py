import json
import subprocess
import sys

import numpy as np
import places
import pytest

from mrinb.errors import MrinbError
from mrinb.simulate import knee
from mrinb.simulate.knee import Knee
from mrinb.simulate.tissues import KNEE_TISSUES, Grid

GRID = Grid(160, 176, (160.0, 160.0), 3.0)
GOLDEN = places.GOLDEN / "knee.json"
SUBJECTS = range(8)


def share(maps, *names):
    """Summed fraction map of the tissues."""
    return sum(maps.fractions[KNEE_TISSUES.index(name)] for name in names)


def area(maps, *names):
    """Area in square millimetres."""
    pixel = GRID.fov_mm[0] / GRID.height * GRID.fov_mm[1] / GRID.width
    return float(share(maps, *names).sum()) * pixel


def bone(maps):
    return share(maps, "cortical_bone", "fatty_marrow", "red_marrow")


def centre(weight):
    """Weighted mean (row, column)."""
    rows, columns = np.indices(weight.shape)
    return (rows * weight).sum() / weight.sum(), (columns * weight).sum() / weight.sum()


@pytest.fixture(scope="module")
def volumes():
    """Seven slices of each subject, anterior to posterior."""
    return {s: [Knee(s).render(p, GRID) for p in Knee(s).positions(7)] for s in SUBJECTS}


def test_fractions_are_shares_and_textures_average_one(volumes):
    for maps in (m for volume in volumes.values() for m in volume):
        assert maps.names == KNEE_TISSUES
        assert maps.fractions.shape == (len(KNEE_TISSUES), GRID.height, GRID.width)
        assert maps.fractions.dtype == np.float32
        assert maps.fractions.min() >= 0
        assert maps.fractions.max() <= 1
        assert maps.fractions.sum(axis=0).max() <= 1 + 1e-5
        for texture in (maps.pd, maps.t1, maps.t2):
            assert texture.shape == (GRID.height, GRID.width)
            assert texture.dtype == np.float32
            assert abs(texture.mean() - 1) < 0.05
            assert texture.std() > 1e-3


def test_leg_is_solid_and_air_is_at_the_sides(volumes):
    for volume in volumes.values():
        for maps in volume[1:]:
            body = maps.fractions.sum(axis=0)
            middle = body[:, GRID.width * 2 // 5 : GRID.width * 3 // 5]
            assert middle.min() > 0.99
            assert 0.5 < body.mean() < 0.97


def test_the_same_subject_in_another_process_is_the_same_bytes():
    code = (
        "import hashlib, numpy as np\n"
        "from mrinb.simulate.knee import Knee\n"
        "from mrinb.simulate.tissues import Grid\n"
        "maps = Knee(3, 1).render(2.5, Grid(64, 80, (160.0, 160.0), 3.0))\n"
        "print(hashlib.sha256(b''.join(np.asarray(a).tobytes() for a in maps[1:])).hexdigest())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].strip()) == 64


def test_a_rendering_does_not_depend_on_what_was_rendered_before():
    subject = Knee(5)
    subject.render(-20.0, GRID)
    again = subject.render(3.0, GRID)
    fresh = Knee(5).render(3.0, GRID)
    for one, other in zip(again[1:], fresh[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_subjects_and_populations_differ():
    renders = [Knee(s, seed).render(3.0, GRID) for s, seed in [(0, 0), (1, 0), (2, 0), (0, 1)]]
    for i, one in enumerate(renders):
        for other in renders[:i]:
            assert np.abs(one.fractions - other.fractions).sum(axis=0).mean() > 0.15


def test_subjects_vary_in_side_size_and_fat(volumes):
    fat = [area(v[3], "fat") / float(v[3].fractions.sum()) for v in volumes.values()]
    assert max(fat) > 1.25 * min(fat)
    width = [bone(v[3])[:, :].max(axis=0).sum() for v in volumes.values()]
    assert max(width) > 1.05 * min(width)
    sides = {fibula_side(v) for v in volumes.values()}
    assert sides == {"left", "right"}


def fibula_side(volume):
    """Side of the image where the fibula is, from the lower leg of a posterior slice."""
    low = bone(volume[5])[GRID.height * 2 // 3 :]
    return "left" if centre(low)[1] < GRID.width / 2 else "right"


def test_expected_tissues_per_slice(volumes):
    for volume in volumes.values():
        front, middle, back = volume[0], volume[3], volume[6]
        assert area(front, "fatty_marrow", "red_marrow", "cortical_bone") > 50  # patella
        assert area(middle, "fatty_marrow", "red_marrow") > 3000  # femur and tibia
        assert area(middle, "cortical_bone") > 200
        assert 100 < area(middle, "cartilage") < 900
        assert area(middle, "meniscus") > 15
        assert area(middle, "ligament") > 50
        assert area(middle, "synovial_fluid") > 5
        assert area(middle, "skin") > 200
        assert area(back, "muscle") > 3000
        assert area(back, "muscle") > 2 * area(middle, "muscle")
        assert area(back, "fatty_marrow") < 0.3 * area(middle, "fatty_marrow")
        assert max(area(m, "blood") for m in volume[5:]) > 50  # popliteal vessels
        assert max(area(m, "tendon") for m in volume[:2]) > 60  # patellar and quadriceps tendon
    assert max(area(m, "red_marrow") for v in volumes.values() for m in v) > 100


def test_menisci_and_cartilage_lie_between_femur_and_tibia(volumes):
    for volume in volumes.values():
        maps = volume[3]
        solid = bone(maps) > 0.5
        joint_row, _ = centre(share(maps, "cartilage"))
        meniscus_row, _ = centre(share(maps, "meniscus"))
        assert abs(joint_row - meniscus_row) * GRID.fov_mm[0] / GRID.height < 8
        rows, columns = np.nonzero(share(maps, "meniscus") > 0.6)
        under_bone = [
            solid[:row, column].any() and solid[row + 1 :, column].any()
            for row, column in zip(rows, columns, strict=True)
        ]
        assert len(under_bone) > 5
        assert np.mean(under_bone) > 0.5
        half = share(maps, "meniscus")
        middle = int(centre(bone(maps))[1])
        assert min(half[:, :middle].sum(), half[:, middle:].sum()) > 0.2 * half.sum()


def test_bone_is_rimmed_by_cortex(volumes):
    maps = volumes[0][3]
    marrow = share(maps, "fatty_marrow", "red_marrow") > 0.9
    soft = share(maps, "muscle", "fat", "cartilage") > 0.9
    beside = marrow[:, :-1] & soft[:, 1:] | soft[:, :-1] & marrow[:, 1:]
    assert marrow.sum() > 1000
    assert beside.sum() == 0


def block_average(image, factor):
    *lead, height, width = image.shape
    return image.reshape(*lead, height // factor, factor, width // factor, factor).mean((-1, -3))


@pytest.mark.parametrize("position", [-25.0, 3.0, 24.0])
def test_coarse_rendering_is_the_average_of_a_fine_one(position):
    subject = Knee(1)
    coarse = subject.render(position, Grid(96, 112, (160.0, 160.0), 3.0))
    fine = subject.render(position, Grid(384, 448, (160.0, 160.0), 3.0))
    averaged = block_average(fine.fractions, 4)
    assert np.abs(coarse.fractions - averaged).sum(axis=0).mean() < 0.04
    amounts = coarse.fractions.sum(axis=(1, 2)), averaged.sum(axis=(1, 2))
    np.testing.assert_allclose(*amounts, rtol=0.15, atol=15)  # no tissue grows with the pixel
    for one, other in zip(coarse[2:], fine[2:], strict=True):
        assert np.abs(one - block_average(other, 4)).mean() < 0.01


def test_slices_change_smoothly_along_the_volume():
    subject = Knee(2)

    def change(step):
        one, other = subject.render(5.0, GRID), subject.render(5.0 + step, GRID)
        return float(np.abs(one.fractions - other.fractions).sum(axis=0).mean())

    near, far = change(0.3), change(3.0)
    assert 0 < near < 0.03
    assert near < 0.3 * far


def test_thicker_slices_blur_more():
    subject = Knee(0)
    thin, thick = (
        subject.render(3.0, Grid(160, 176, (160.0, 160.0), t, 5)).fractions for t in (0.5, 8.0)
    )
    mixed = [float(((f > 0.1) & (f < 0.9)).any(axis=0).mean()) for f in (thin, thick)]
    assert mixed[1] > 1.2 * mixed[0]


def test_one_plane_and_odd_sizes_render():
    maps = Knee(0).render(0.0, Grid(61, 83, (150.0, 140.0), 3.0, 1))
    assert maps.fractions.shape == (len(KNEE_TISSUES), 61, 83)
    assert np.isfinite(maps.fractions).all()


def test_positions_are_evenly_spaced_front_to_back():
    subject = Knee(0)
    positions = subject.positions(9)
    steps = np.diff(positions)
    assert len(positions) == 9
    assert steps.min() > 0
    np.testing.assert_allclose(steps, steps[0])
    assert subject.positions(1) == [0.0]
    with pytest.raises(MrinbError, match="slices"):
        subject.positions(0)
    with pytest.raises(MrinbError, match="negative"):
        Knee(-1)


def digest():
    """A slice of 12 by 12 blocks, rounded: equal across processors, not across versions."""
    maps = Knee(0).render(3.0, Grid(96, 96, (160.0, 160.0), 3.0))
    rounded = {
        name: np.round(block_average(fraction, 8), 2).tolist()
        for name, fraction in zip(maps.names, maps.fractions, strict=True)
    }
    for name in ("pd", "t1", "t2"):
        rounded[name] = np.round(block_average(getattr(maps, name), 8), 3).tolist()
    return {"version": knee.VERSION, "maps": rounded}


def test_pixels_change_only_with_the_version():
    stored, now = json.loads(GOLDEN.read_text()), digest()
    assert stored["version"] == now["version"], "VERSION was raised: store digest() in knee.json"
    for name, values in now["maps"].items():
        np.testing.assert_allclose(
            values, stored["maps"][name], atol=0.011, err_msg=f"{name} changed: raise VERSION"
        )
