"""What the catalogue's rows say: scanners, distributions, datasets."""

from __future__ import annotations

from typing import Literal, NamedTuple

Role = Literal["train", "unseen"]


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
        anatomy: ``knee``, ``brain``, or ``head`` for simulated brains of another source
            (``simulate.anatomies``).
        view: slice orientation.
        contrast: ``PD``, ``PDFS``, ``FLAIR``, ``T1``, ``T1POST`` or ``T2``.
        scanner: the scanner.
        acquisition: fastMRI's ``acquisition`` attribute.
        coils: commonest number of receiver coils.
        encode: full-size k-space matrix (height, width), readout oversampling included.
        recon: full-size target matrix (height, width).
        snr: of simulated volumes: signal-to-noise ratio of the anatomy's reference tissue in the
            middle of the root-sum-of-squares image. It is the pure tissue's signal over the
            standard deviation of the noise's real part in one coil, where the coils' root sum of
            squares is 1, and holds at every matrix size.
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
    snr: float

    @property
    def label(self) -> str:
        """Name for figures, such as ``knee PDFS, Aera 1.5 T``."""
        return f"{self.anatomy} {self.contrast}, {self.scanner.name} {self.scanner.field_t:g} T"


class Dataset(NamedTuple):
    """A row of Table 1, as the paper prints it, and what stands for it here.

    Attributes:
        name: dataset (and view, where one is used in several).
        anatomy, view, contrast, vendor, magnet, coils: as printed.
        volumes, slices: numbers as printed (``Vol./Subj.`` and ``Slices``).
        role: ``train`` for the first 13, ``unseen`` for the last four (Section 7).
        distributions: the distributions that it is divided into here.
        converter: module that makes fastMRI files of its raw ones, or None where they are in that
            layout already or nothing converts them yet.
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
    role: Role
    distributions: tuple[Distribution, ...] = ()
    converter: str | None = None
