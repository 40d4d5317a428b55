"""The distributions of Figure 2 and the datasets of Table 1, as data.

Everything that tells one distribution from another (scanner, field, coils, matrix, contrast) is
stated here once; the simulator, the file index, the figures and the pools read it.
Sources: paper, Table 1 and Figure 2; matrix sizes and coil counts are the commonest of the paper's
public split lists (MLI-lab/mri_data_diversity, Apache-2.0).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

from mrinb.errors import unknown


class Scanner(NamedTuple):
    """A scanner model of the fastMRI data.

    Attributes:
        name: short name used in distribution names.
        model: ``systemModel`` of the ISMRMRD header.
        field_t: nominal field strength in tesla.
        header_field_t: ``systemFieldStrength_T`` of the header.
    """

    name: str
    model: str
    field_t: float
    header_field_t: float


class Distribution(NamedTuple):
    """One data distribution: an anatomy and contrast on one scanner (Figure 2).

    Attributes:
        name: ``anatomy/CONTRAST-Scanner``, such as ``knee/PDFS-Aera``.
        dataset: row of Table 1 it belongs to.
        anatomy: ``knee``, ``brain``, or ``head`` for simulated brains of another source.
        view: slice orientation.
        contrast: ``PD``, ``PDFS``, ``FLAIR``, ``T1``, ``T1POST`` or ``T2``.
        scanner: the scanner.
        acquisition: fastMRI's ``acquisition`` attribute.
        coils: commonest number of receiver coils.
        encode: full-size k-space matrix (height, width), readout oversampling included.
        recon: full-size target matrix (height, width).
    """

    name: str
    dataset: str
    anatomy: str
    view: str
    contrast: str
    scanner: Scanner
    acquisition: str
    coils: int
    encode: tuple[int, int]
    recon: tuple[int, int]

    @property
    def label(self) -> str:
        """Name for figures, such as ``knee PDFS, Aera 1.5 T``."""
        return f"{self.anatomy} {self.contrast}, {self.scanner.name} {self.scanner.field_t:g} T"


class Dataset(NamedTuple):
    """A row of Table 1, as the paper prints it.

    Attributes:
        name: dataset (and view, where one is used in several).
        anatomy, view, contrast, vendor, magnet, coils: as printed.
        volumes, slices: numbers as printed (``Vol./Subj.`` and ``Slices``).
        role: ``train`` for the first 13, ``unseen`` for the last four (Section 7).
    """

    name: str
    anatomy: str
    view: str
    contrast: str
    vendor: str
    magnet: str
    coils: str
    volumes: str
    slices: str
    role: str


SKYRA = Scanner("Skyra", "Skyra", 3.0, 2.89362)
AERA = Scanner("Aera", "Aera", 1.5, 1.494)
BIOGRAPH = Scanner("Biograph", "Biograph_mMR", 3.0, 2.89362)
PRISMA = Scanner("Prisma", "Prisma_fit", 3.0, 2.89362)
AVANTO = Scanner("Avanto", "Avanto", 1.5, 1.494)
SCANNERS = {s.name: s for s in (SKYRA, AERA, BIOGRAPH, PRISMA, AVANTO)}


def _knee(contrast: str, scanner: Scanner) -> Distribution:
    width = 372 if scanner is AERA else 368
    return Distribution(
        f"knee/{contrast}-{scanner.name}", "fastMRI knee", "knee", "coronal", contrast, scanner,
        f"COR{contrast}_FBK", 15, (640, width), (320, 320),
    )  # fmt: skip


def _brain(contrast: str, scanner: Scanner, coils: int) -> Distribution:
    large = contrast == "T2" and scanner in (SKYRA, PRISMA, BIOGRAPH)
    encode = (768, 396) if large else (640, 322 if scanner is AVANTO and contrast != "T2" else 320)
    return Distribution(
        f"brain/{contrast}-{scanner.name}", "fastMRI brain", "brain", "axial", contrast, scanner,
        f"AX{contrast}", coils, encode, (384, 384) if large else (320, 320),
    )  # fmt: skip


_ALL = (
    *(_knee(c, s) for c in ("PD", "PDFS") for s in (SKYRA, AERA, BIOGRAPH)),
    _brain("FLAIR", SKYRA, 20),
    _brain("T1", AERA, 20),
    _brain("T1POST", AERA, 16),
    _brain("T1POST", AVANTO, 4),
    _brain("T1POST", SKYRA, 16),
    _brain("T2", AERA, 16),
    _brain("T2", AVANTO, 4),
    _brain("T2", BIOGRAPH, 14),
    _brain("T2", PRISMA, 16),
    _brain("T2", SKYRA, 16),
)

DISTRIBUTIONS: dict[str, Distribution] = {d.name: d for d in _ALL}
"""The 16 fastMRI distributions of Figure 2, by name."""


def _head(twin: Distribution) -> Distribution:
    name = f"head/{twin.contrast}-{twin.scanner.name}"
    return twin._replace(name=name, dataset="simulated heads", anatomy="head")


_TWINS = ("FLAIR-Skyra", "T1-Aera", "T1POST-Skyra", "T2-Prisma")

EXTRA: dict[str, Distribution] = {
    d.name: d for d in (_head(DISTRIBUTIONS[f"brain/{twin}"]) for twin in _TWINS)
}
"""Distributions that exist only as simulated: brains that owe nothing to the ICBM template, each
scanned as the brain distribution of the same contrast and scanner is."""

EVERY: dict[str, Distribution] = {**DISTRIBUTIONS, **EXTRA}
"""Every distribution, those of Figure 2 first."""

DATASETS: tuple[Dataset, ...] = (
    Dataset(
        "fastMRI knee",
        "knee",
        "coronal",
        "PD (50%), PDFS (50%)",
        "Siemens",
        "1.5T (45%), 3T (55%)",
        "15",
        "1.2k/1.2k",
        "42k",
        "train",
    ),
    Dataset(
        "fastMRI brain",
        "brain",
        "axial",
        "T1 (11%), T1POST (21%), T2 (60%), FLAIR (8%)",
        "Siemens",
        "1.5T (43%), 3T (67%)",
        "4-20",
        "6.4k/6.4k",
        "100k",
        "train",
    ),
    Dataset(
        "fastMRI prostate",
        "prostate",
        "axial",
        "T2",
        "Siemens",
        "3T",
        "10-30",
        "312/312",
        "9.5k",
        "train",
    ),
    Dataset(
        "M4Raw",
        "brain",
        "axial",
        "T1 (37%), T2 (37%), FLAIR (26%)",
        "XGY",
        "0.3T",
        "4",
        "1.4k/183",
        "25k",
        "train",
    ),
    Dataset(
        "SKM-TEA, 3D", "knee", "sagittal", "qDESS", "GE", "3T", "8, 16", "310/155", "50k", "train"
    ),
    Dataset("Stanford 3D, axial", "knee", "axial", "PDFS", "GE", "3T", "8", "19/19", "6k", "train"),
    Dataset(
        "Stanford 3D, coronal", "knee", "coronal", "PDFS", "GE", "3T", "8", "19/19", "6k", "train"
    ),
    Dataset(
        "Stanford 3D, sagittal",
        "knee",
        "sagittal",
        "PDFS",
        "GE",
        "3T",
        "8",
        "19/19",
        "4.8k",
        "train",
    ),
    Dataset(
        "7T database, 3D, axial",
        "brain",
        "axial",
        "MP2RAGE-ME",
        "Philips",
        "7T",
        "32",
        "385/77",
        "112k",
        "train",
    ),
    Dataset(
        "7T database, 3D, coronal",
        "brain",
        "coronal",
        "MP2RAGE-ME",
        "Philips",
        "7T",
        "32",
        "385/77",
        "112k",
        "train",
    ),
    Dataset(
        "7T database, 3D, sagittal",
        "brain",
        "sagittal",
        "MP2RAGE-ME",
        "Philips",
        "7T",
        "32",
        "385/77",
        "91k",
        "train",
    ),
    Dataset(
        "CC-359, 3D, axial", "brain", "axial", "GRE", "GE", "3T", "12", "67/67", "17k", "train"
    ),
    Dataset(
        "CC-359, 3D, coronal", "brain", "coronal", "GRE", "GE", "3T", "12", "67/67", "14k", "train"
    ),
    Dataset(
        "CC-359, 3D, sagittal",
        "brain",
        "sagittal",
        "GRE",
        "GE",
        "3T",
        "12",
        "67/67",
        "11k",
        "unseen",
    ),
    Dataset(
        "Stanford 2D", "various", "various", "various", "GE", "3T", "3-32", "89/89", "2k", "unseen"
    ),
    Dataset(
        "NYU data",
        "knee",
        "various",
        "PD (40%), PDFS (20%), T2FS (40%)",
        "Siemens",
        "3T",
        "15",
        "100/20",
        "3.5k",
        "unseen",
    ),
    Dataset("M4Raw GRE", "brain", "axial", "GRE", "XGY", "0.3T", "4", "366/183", "6.6k", "unseen"),
)
"""Table 1 as printed. The brain's field strengths add up to 110 % there; its public split lists
give 43 % at 1.5 T and 57 % at 3 T, and 2 to 28 coils."""


def distribution(name: str) -> Distribution:
    """Look a distribution up by name.

    Raises:
        MrinbError: no distribution has this name; the nearest names are given.
    """
    if name not in EVERY:
        raise unknown("distribution", name, EVERY)
    return EVERY[name]


def matching(pattern: str) -> list[str]:
    """Names that a glob pattern matches, in catalogue order.

    A pattern that matches any of Figure 2's distributions means these alone, so that ``*`` is the
    16 of the paper; the others are found by patterns of their own, such as ``head/*``.
    """
    for names in (DISTRIBUTIONS, EXTRA):
        found = [name for name in names if fnmatchcase(name, pattern)]
        if found:
            return found
    return []
