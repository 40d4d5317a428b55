"""The ISMRMRD header of a simulated volume, written by the format's own library."""

from __future__ import annotations

from typing import Any, NamedTuple


class Scan(NamedTuple):
    """What a header says.

    Attributes:
        patient: identifier of the subject.
        position: ``HFS`` or ``FFS``, head or feet first.
        protocol: name of the sequence.
        model: scanner model.
        field_t: field strength in tesla.
        coils: number of receiver coils.
        encoded: encoded matrix (height, width).
        recon: reconstructed matrix (height, width).
        pixel_mm: size of a pixel (height, width).
        thickness_mm: of a slice.
        first, last: first and last acquired phase-encoding line.
        vendor: of the scanner.
    """

    patient: str
    position: str
    protocol: str
    model: str
    field_t: float
    coils: int
    encoded: tuple[int, int]
    recon: tuple[int, int]
    pixel_mm: tuple[float, float]
    thickness_mm: float
    first: int
    last: int
    vendor: str = "SIEMENS"


def header(scan: Scan) -> bytes:
    """The header as XML.

    Lines are counted from the first acquired one, as fastMRI counts them.
    """
    from ismrmrd import xsd  # a second: only where files are written
    from xsdata.models.datatype import XmlTime

    encoding = cartesian(
        Space(scan.encoded, _extent(scan.encoded, scan)),
        Space(scan.recon, _extent(scan.recon, scan)),
        (scan.first, scan.last),
    )
    made = xsd.ismrmrdHeader(
        studyInformation=xsd.studyInformationType(studyTime=XmlTime(0, 0, 0)),
        measurementInformation=xsd.measurementInformationType(
            measurementID=f"{scan.patient}_1",
            patientPosition=xsd.patientPositionType(scan.position),
            protocolName=scan.protocol,
        ),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor=scan.vendor,
            systemModel=scan.model,
            systemFieldStrength_T=scan.field_t,
            receiverChannels=scan.coils,
            institutionName="simulated",
        ),
        experimentalConditions=resonance(scan.field_t),
        encoding=[encoding],
    )
    return str(xsd.ToXML(made, "utf-8")).encode()


def _extent(matrix: tuple[int, int], scan: Scan) -> tuple[float, float, float]:
    """Field of view in mm."""
    height, width = (round(n * mm, 4) for n, mm in zip(matrix, scan.pixel_mm, strict=True))
    return height, width, scan.thickness_mm


class Space(NamedTuple):
    """A matrix and what it covers.

    Attributes:
        matrix: (height, width).
        extent_mm: field of view (height, width, slice).
    """

    matrix: tuple[int, int]
    extent_mm: tuple[float, float, float]


def cartesian(encoded: Space, recon: Space, acquired: tuple[int, int]) -> Any:
    """The encoding of Cartesian lines, counted from the first acquired one.

    Args:
        encoded: what was measured.
        recon: what is shown.
        acquired: first and last acquired phase-encoding line.

    Returns:
        An ``encodingType`` of ISMRMRD's schema.
    """
    from ismrmrd import xsd

    first, last = acquired
    lines = xsd.limitType(minimum=0, maximum=last - first, center=encoded.matrix[1] // 2 - first)
    return xsd.encodingType(
        encodedSpace=_space(encoded),
        reconSpace=_space(recon),
        encodingLimits=xsd.encodingLimitsType(kspace_encoding_step_1=lines),
        trajectory=xsd.trajectoryType.CARTESIAN,
    )


def resonance(field_t: float) -> Any:
    """The resonance frequency of hydrogen, an ``experimentalConditionsType`` of the schema."""
    from ismrmrd import xsd

    return xsd.experimentalConditionsType(H1resonanceFrequency_Hz=round(42.577478e6 * field_t))


def _space(space: Space) -> Any:
    from ismrmrd import xsd

    (x, y), (height, width, thickness) = space
    return xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=x, y=y, z=1),
        fieldOfView_mm=xsd.fieldOfViewMm(x=height, y=width, z=thickness),
    )
