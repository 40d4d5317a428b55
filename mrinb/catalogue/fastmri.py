"""The 16 distributions of fastMRI (Figure 2), and their twins of another source of heads.

Matrix sizes and coil counts are the commonest of the paper's public split lists
(MLI-lab/mri_data_diversity, Apache-2.0).
"""

from __future__ import annotations

from mrinb.catalogue.base import Distribution, Scanner

SKYRA = Scanner("Skyra", "Skyra", 3.0, 2.89362)
AERA = Scanner("Aera", "Aera", 1.5, 1.494)
BIOGRAPH = Scanner("Biograph", "Biograph_mMR", 3.0, 2.89362)
PRISMA = Scanner("Prisma", "Prisma_fit", 3.0, 2.89362)
AVANTO = Scanner("Avanto", "Avanto", 1.5, 1.494)
SCANNERS = {s.name: s for s in (SKYRA, AERA, BIOGRAPH, PRISMA, AVANTO)}


def _knee(contrast: str, scanner: Scanner, snr: float) -> Distribution:
    width = 372 if scanner is AERA else 368
    return Distribution(
        f"knee/{contrast}-{scanner.name}", "fastMRI knee", "knee", "coronal", contrast, scanner,
        f"COR{contrast}_FBK", 15, (640, width), (320, 320), snr,
    )  # fmt: skip


def _brain(contrast: str, scanner: Scanner, coils: int, snr: float) -> Distribution:
    large = contrast == "T2" and scanner in (SKYRA, PRISMA, BIOGRAPH)
    encode = (768, 396) if large else (640, 322 if scanner is AVANTO and contrast != "T2" else 320)
    return Distribution(
        f"brain/{contrast}-{scanner.name}", "fastMRI brain", "brain", "axial", contrast, scanner,
        f"AX{contrast}", coils, encode, (384, 384) if large else (320, 320), snr,
    )  # fmt: skip


KNEES = (
    _knee("PD", SKYRA, 48),
    _knee("PD", AERA, 28),
    _knee("PD", BIOGRAPH, 42),
    _knee("PDFS", SKYRA, 24),
    _knee("PDFS", AERA, 15),
    _knee("PDFS", BIOGRAPH, 21),
)

BRAINS = (
    _brain("FLAIR", SKYRA, 20, 42),
    _brain("T1", AERA, 20, 38),
    _brain("T1POST", AERA, 16, 36),
    _brain("T1POST", AVANTO, 4, 24),
    _brain("T1POST", SKYRA, 16, 60),
    _brain("T2", AERA, 16, 36),
    _brain("T2", AVANTO, 4, 24),
    _brain("T2", BIOGRAPH, 14, 48),
    _brain("T2", PRISMA, 16, 56),
    _brain("T2", SKYRA, 16, 52),
)


def _head(twin: Distribution) -> Distribution:
    name = f"head/{twin.contrast}-{twin.scanner.name}"
    return twin._replace(name=name, dataset="simulated heads", anatomy="head")


_TWINS = ("brain/FLAIR-Skyra", "brain/T1-Aera", "brain/T1POST-Skyra", "brain/T2-Prisma")

HEADS = tuple(_head(brain) for brain in BRAINS if brain.name in _TWINS)
"""Distributions that exist only as simulated: brains that owe nothing to the ICBM template, each
scanned as the brain distribution of the same contrast and scanner is."""
