"""An anatomy is one module with one record: a ball registered here is scanned like any other."""

import numpy as np
import pytest
from places import ROOT

from mrinb import catalogue
from mrinb.errors import MrinbError
from mrinb.simulate import acquire, anatomies, files
from mrinb.simulate.anatomies import Anatomy, Body
from mrinb.simulate.scanner import Former
from mrinb.simulate.tissues import TissueMaps
from mrinb.specs import SimulatorSpec

SPEC = SimulatorSpec(size=48, coils=4, subjects=1, slices=2)


class Ball:
    """Muscle within 40 mm of the origin, more of it in other subjects."""

    def __init__(self, subject, seed):
        self.radius = 40 + subject % 7

    def positions(self, slices):
        return [float(z) for z in np.linspace(-20, 20, slices)]

    def render(self, position_mm, grid):
        down, across = (
            (0.5 - (np.arange(n) + 0.5) / n) * fov
            for n, fov in zip((grid.height, grid.width), grid.fov_mm, strict=True)
        )
        square = down[:, None] ** 2 + across**2 + position_mm**2
        inside = (square < self.radius**2).astype(np.float32)
        flat = np.ones_like(inside)
        return TissueMaps(("muscle",), inside[None], flat, flat, flat)


@pytest.fixture
def ball(monkeypatch):
    monkeypatch.setattr(anatomies, "_ANATOMIES", dict(anatomies._ANATOMIES))
    body = Body(160.0, 4.0, "muscle", 0.0, "FFS", Former((90.0, 90.0), 120.0, 0.0, (6,)))
    anatomies.register(Anatomy("ball", Ball, 3, body, shares=("knee",)))
    knee = catalogue.distribution("knee/PD-Skyra")
    return knee._replace(name="ball/PD-Skyra", anatomy="ball", view="axial")


def test_a_registered_anatomy_reaches_the_files(ball, tmp_path):
    versions = dict(acquire.versions(ball))
    assert versions["ball"] == 3
    assert versions["knee"] == anatomies.find("knee").version
    (path,) = files.generate(ball, "train", SPEC, tmp_path)
    assert path.name.startswith("file_ball_")
    import h5py

    with h5py.File(path) as file:
        image = file["reconstruction_rss"][0]
        assert b"<patientPosition>FFS" in file["ismrmrd_header"][()]
    middle = image[20:28, 20:28].mean()
    assert middle > 5 * image[:6, :6].mean()
    # A field of view of 160 mm over 48 pixels: the ball is some 24 to 28 pixels wide.
    wide = (image[24] > middle / 2).sum()
    assert 20 <= wide <= 30


def test_every_anatomy_of_the_catalogue_has_a_module():
    for name in {d.anatomy for d in catalogue.EVERY.values()}:
        assert anatomies.find(name).name == name
        assert (ROOT / "mrinb" / "simulate" / f"{name}.py").exists()


@pytest.mark.parametrize("name", ["nee", "scanner", "shapes"])
def test_what_is_no_anatomy_is_named(name):
    with pytest.raises(MrinbError, match=f"unknown anatomy '{name}'"):
        anatomies.find(name)
