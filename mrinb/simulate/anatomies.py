"""The registry of anatomies: each is one module, whose record says how it is scanned.

A distribution of the anatomy ``knee`` is made by ``mrinb.simulate.knee``, which registers its
record when it is imported; a new anatomy is a new module and rows of the catalogue.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import NamedTuple

import mrinb.simulate
from mrinb.errors import unknown
from mrinb.simulate.scanner import Former
from mrinb.simulate.tissues import Subject


class Body(NamedTuple):
    """How a part of the body lies in the scanner.

    Attributes:
        recon_fov_mm: field of view of the target, in millimetres.
        thickness_mm: slice thickness.
        reference: the tissue whose signal-to-noise ratio the catalogue states.
        partial_share: share of volumes whose phase encoding stops short of the matrix and is
            zero-filled.
        position: ``patientPosition`` of the ISMRMRD header.
        former: what its receiver coils sit on.
        tapered: whether it reaches beyond the excited region, whose edges then show.
        view: orientation of the slices that its subjects render.
    """

    recon_fov_mm: float
    thickness_mm: float
    reference: str
    partial_share: float
    position: str
    former: Former
    tapered: bool = False
    view: str = "axial"


class Anatomy(NamedTuple):
    """One anatomy of the simulator.

    Attributes:
        name: as in the catalogue; its module has this name too.
        subject: makes a subject from its number and the seed.
        version: version of its pixels; it enters the data key.
        body: how it is scanned.
        shares: anatomies whose modules it uses, so that their versions enter the key as well.
    """

    name: str
    subject: Callable[[int, int], Subject]
    version: int
    body: Body
    shares: tuple[str, ...] = ()

    def versions(self) -> list[tuple[str, int]]:
        """(anatomy, version) of every anatomy whose code makes this one's pixels."""
        return [*((name, find(name).version) for name in self.shares), (self.name, self.version)]


_ANATOMIES: dict[str, Anatomy] = {}


def register(anatomy: Anatomy) -> Anatomy:
    """Make an anatomy known by its name."""
    _ANATOMIES[anatomy.name] = anatomy
    return anatomy


def find(name: str) -> Anatomy:
    """Look an anatomy up; its module is imported when it is first needed.

    Raises:
        MrinbError: no anatomy has this name.
    """
    if name not in _ANATOMIES:
        modules = [module.name for module in pkgutil.iter_modules(mrinb.simulate.__path__)]
        if name in modules:
            importlib.import_module(f"{mrinb.simulate.__name__}.{name}")
        if name not in _ANATOMIES:
            raise unknown("anatomy", name, _ANATOMIES)
    return _ANATOMIES[name]
