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
        vendor: ``systemVendor`` of the header.
    """

    name: str
    model: str
    field_t: float
    header_field_t: float
    vendor: str = "SIEMENS"


class Geometry(NamedTuple):
    """How simulated slices lie where they lie otherwise than the anatomy's ``Body`` says.

    Attributes:
        recon_fov_mm: height of the target's field of view.
        thickness_mm: slice thickness.
        acquired: first and last share of the phase encoding that is measured; the rest is zero.
            None draws it as the anatomy's ``Body`` says.
        averages: how often odd and even lines are measured and averaged.
    """

    recon_fov_mm: float
    thickness_mm: float
    acquired: tuple[float, float] | None = (0.0, 1.0)
    averages: tuple[int, int] = (1, 1)


class Axis(NamedTuple):
    """One axis of a 3-D scan as its source has it.

    Attributes:
        name: letter by which ``View`` names it.
        towards: where it runs to: ``left``, ``anterior``, ``posterior``, ``superior`` or
            ``inferior``.
        size: samples at full size.
        spacing_mm: of the samples.
        acquired: first and last share of its k-space that is measured; the rest is zero.
    """

    name: str
    towards: str
    size: int
    spacing_mm: float
    acquired: tuple[float, float] = (0.0, 1.0)


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
        subjects: name under which subjects are drawn, the distribution's own if empty: those of
            one name are scanned several times, and are in the same split everywhere.
        share: slices of a simulated volume as a multiple of the profile's, where a dataset needs
            more for its share of a pool (``weights``).
        geometry: of simulated slices, or None for the anatomy's.
        axes: of a 3-D scan, which is simulated whole and cut into the row's view.
        variants: what its simulated volumes are in turn, where a dataset is a mixture.
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
    subjects: str = ""
    share: float = 1.0
    geometry: Geometry | None = None
    axes: tuple[Axis, ...] = ()
    variants: tuple[Distribution, ...] = ()

    @property
    def label(self) -> str:
        """Name for figures, such as ``knee PDFS, Aera 1.5 T``."""
        scanner = f"{self.scanner.name} {self.scanner.field_t:g} T"
        if self.dataset in (f"fastMRI {self.anatomy}", "simulated heads"):
            return f"{self.anatomy} {self.contrast}, {scanner}"
        return f"{self.dataset.replace(', 3D', '').replace(',', '')} {self.contrast}, {scanner}"

    def variant(self, number: int) -> Distribution:
        """What a subject's simulated volume is: the distribution itself, or one of its variants."""
        return self.variants[number % len(self.variants)] if self.variants else self


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
