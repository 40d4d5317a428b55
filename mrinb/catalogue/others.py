"""Counterparts of the datasets of Table 1 beside fastMRI's knees and brains.

Matrices, coils and geometry are those that the datasets' papers and files state. Where a dataset
is a mixture (protocols of NYU, body parts of Stanford 2D, echoes of the 7 T database), it is one
distribution whose simulated volumes are its ``variants`` in turn.
"""

from __future__ import annotations

from mrinb.catalogue.base import Axis, Distribution, Geometry, Scanner
from mrinb.catalogue.fastmri import SKYRA

VIDA = Scanner("Vida", "MAGNETOM Vida", 3.0, 2.89362)
XGY = Scanner("XGY", "XGY Oper", 0.3, 0.3, "XGY")
MR750 = Scanner("MR750", "DISCOVERY MR750", 3.0, 3.0, "GE MEDICAL SYSTEMS")
ACHIEVA = Scanner("Achieva", "Achieva 7T", 7.0, 7.0, "Philips")
SCANNERS = {s.name: s for s in (VIDA, XGY, MR750, ACHIEVA)}

PROSTATE = (
    Distribution(
        "prostate/T2", "fastMRI prostate", "pelvis", "axial", "T2", VIDA, "AXT2", 20,
        (640, 452), (320, 320), 26, share=2.75,
        geometry=Geometry(180.0, 3.0, (0.0, 1.0), averages=(2, 1)),
    ),
)  # fmt: skip


def _low_field(contrast: str, snr: float, dataset: str = "M4Raw") -> Distribution:
    """One repetition: each is a volume of its own in the dataset, with noise of its own."""
    family = "m4raw_gre" if contrast == "GRE" else "m4raw"
    # Of 256 lines, 195 around the middle are measured.
    geometry = Geometry(240.0, 5.0, (30 / 256, 225 / 256))
    return Distribution(
        f"{family}/{contrast}", dataset, "brain", "axial", contrast, XGY, contrast, 4,
        (256, 256), (256, 256), snr, subjects="m4raw", geometry=geometry,
    )  # fmt: skip


M4RAW = (_low_field("T1", 13), _low_field("T2", 11), _low_field("FLAIR", 10))
M4RAW_GRE = (_low_field("GRE", 12, "M4Raw GRE"),)


def _view(
    base: Distribution, name: str, dataset: str, view: str, rows: str, columns: str
) -> Distribution:
    """A view of a 3-D scan, whose matrix has these axes."""
    size = {axis.name: axis.size for axis in base.axes}
    matrix = (size[rows], size[columns])
    return base._replace(name=name, dataset=dataset, view=view, encode=matrix, recon=matrix)


_KNEE_3D = (
    Axis("x", "inferior", 320, 0.5), Axis("y", "posterior", 320, 0.5), Axis("z", "left", 256, 0.5),
)  # fmt: skip
_STANFORD = Distribution(
    "stanford_3d", "Stanford 3D", "knee", "", "PDFS", MR750, "PDFS", 8, (0, 0), (0, 0), 22,
    subjects="stanford_3d", share=2.75, axes=_KNEE_3D,
)  # fmt: skip
STANFORD_3D = tuple(
    _view(_STANFORD, f"stanford_3d/{view}", f"Stanford 3D, {view}", view, *lie)
    for view, lie in (("axial", "yz"), ("coronal", "xz"), ("sagittal", "xy"))
)

_ACQUIRED = (48 / 512, 464 / 512)
_QDESS = (
    Axis("x", "inferior", 512, 0.3125, _ACQUIRED),
    Axis("y", "posterior", 512, 0.3125, _ACQUIRED),
    Axis("z", "left", 160, 0.65),
)
SKM_TEA = tuple(
    Distribution(
        f"skm-tea/E{echo}", "SKM-TEA, 3D", "knee", "sagittal", f"qDESS-E{echo}", MR750,
        f"QDESS_E{echo}", 16, (512, 512), (512, 512), snr, subjects="skm-tea", share=1.625,
        axes=_QDESS,
    )
    for echo, snr in ((1, 26), (2, 12))
)  # fmt: skip

_AHEAD_AXES = (
    Axis("z", "superior", 292, 0.7), Axis("y", "anterior", 290, 0.7), Axis("x", "left", 234, 0.7),
)  # fmt: skip
_AHEAD = Distribution(
    "7T", "7T database, 3D", "brain", "", "MP2RAGE-ME", ACHIEVA, "MP2RAGEME", 32, (0, 0), (0, 0),
    30, subjects="7T", share=4.875, axes=_AHEAD_AXES,
)  # fmt: skip
_IMAGES = (("inv1_te1", 16), ("inv2_te1", 30), ("inv2_te2", 28), ("inv2_te3", 24), ("inv2_te4", 20))


def _ahead(view: str, rows: str, columns: str) -> Distribution:
    name, dataset = f"7T/{view}", f"7T database, 3D, {view}"
    made = _view(_AHEAD, name, dataset, view, rows, columns)
    variants = tuple(made._replace(contrast=f"MP2RAGE-{image}", snr=snr) for image, snr in _IMAGES)
    return made._replace(variants=variants)


AHEAD = (_ahead("axial", "y", "x"), _ahead("coronal", "z", "x"), _ahead("sagittal", "z", "y"))

_CC359 = Distribution(
    "cc-359", "CC-359", "brain", "", "T1GRE", MR750, "GRE", 12, (0, 0), (0, 0), 22,
    subjects="cc-359", share=2.75,
    axes=(
        Axis("x", "inferior", 256, 1.0), Axis("y", "posterior", 218, 1.0),
        Axis("z", "left", 170, 1.0, (0.0, 0.85)),
    ),
)  # fmt: skip
CC359 = tuple(
    _view(_CC359, f"cc-359/{view}", f"CC-359, 3D, {view}", view, *lie)
    for view, lie in (("axial", "yz"), ("coronal", "xz"), ("sagittal", "xy"))
)


def _mixed(name: str, dataset: str, scanner: Scanner, *variants: Distribution) -> Distribution:
    """A mixture: its own view, contrast and anatomy are only those of most."""
    first = variants[0]._replace(name=name, dataset=dataset, scanner=scanner)
    named = tuple(v._replace(name=name, dataset=dataset, scanner=scanner) for v in variants)
    return first._replace(view="various", contrast="various", variants=named)


def _knee(
    view: str, contrast: str, coils: int, snr: float, encode: tuple[int, int], fov: float = 160.0
) -> Distribution:
    geometry = Geometry(fov, 3.0, None)
    return Distribution(
        "", "", "knee", view, contrast, SKYRA, contrast, coils, encode, (320, 320), snr,
        geometry=geometry,
    )  # fmt: skip


_NYU = (640, 368)
NYU = (
    _mixed(
        "nyu/knee", "NYU data", SKYRA,
        _knee("coronal", "PD", 15, 48, _NYU), _knee("sagittal", "T2FS", 15, 20, _NYU),
        _knee("coronal", "PDFS", 15, 24, _NYU), _knee("axial", "T2FS", 15, 20, _NYU),
        _knee("sagittal", "PD", 15, 44, _NYU),
    ),
)  # fmt: skip


def _square(anatomy: str, contrast: str, coils: int, snr: float, fov: float) -> Distribution:
    return Distribution(
        "", "", anatomy, "axial", contrast, MR750, contrast, coils, (320, 320), (320, 320), snr,
        geometry=Geometry(fov, 4.0),
    )  # fmt: skip


_PLAIN = (320, 320)
STANFORD_2D = (
    _mixed(
        "stanford_2d/various", "Stanford 2D", MR750,
        _knee("sagittal", "PD", 8, 40, _PLAIN, 170.0), _square("brain", "T2", 32, 40, 240.0),
        _knee("coronal", "PDFS", 8, 22, _PLAIN, 170.0), _square("pelvis", "T2", 32, 24, 300.0),
        _knee("axial", "T2FS", 8, 20, _PLAIN, 170.0), _square("brain", "T1", 8, 34, 240.0),
    ),
)  # fmt: skip
