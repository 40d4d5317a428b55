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
        pixel_mm: size of a pixel.
        thickness_mm: of a slice.
        first, last: first and last acquired phase-encoding line.
    """

    patient: str
    position: str
    protocol: str
    model: str
    field_t: float
    coils: int
    encoded: tuple[int, int]
    recon: tuple[int, int]
    pixel_mm: float
    thickness_mm: float
    first: int
    last: int


def header(scan: Scan) -> bytes:
    """The header as XML.

    Lines are counted from the first acquired one, as fastMRI counts them.
    """
    from ismrmrd import xsd  # a second: only where files are written
    from xsdata.models.datatype import XmlTime

    lines = xsd.limitType(
        minimum=0, maximum=scan.last - scan.first, center=scan.encoded[1] // 2 - scan.first
    )
    encoding = xsd.encodingType(
        encodedSpace=_space(scan.encoded, scan),
        reconSpace=_space(scan.recon, scan),
        encodingLimits=xsd.encodingLimitsType(kspace_encoding_step_1=lines),
        trajectory=xsd.trajectoryType.CARTESIAN,
    )
    made = xsd.ismrmrdHeader(
        studyInformation=xsd.studyInformationType(studyTime=XmlTime(0, 0, 0)),
        measurementInformation=xsd.measurementInformationType(
            measurementID=f"{scan.patient}_1",
            patientPosition=xsd.patientPositionType(scan.position),
            protocolName=scan.protocol,
        ),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor="SIEMENS",
            systemModel=scan.model,
            systemFieldStrength_T=scan.field_t,
            receiverChannels=scan.coils,
            institutionName="simulated",
        ),
        experimentalConditions=xsd.experimentalConditionsType(
            H1resonanceFrequency_Hz=round(42.577478e6 * scan.field_t)
        ),
        encoding=[encoding],
    )
    return str(xsd.ToXML(made, "utf-8")).encode()


def _space(matrix: tuple[int, int], scan: Scan) -> Any:
    from ismrmrd import xsd

    height, width = (round(n * scan.pixel_mm, 4) for n in matrix)
    return xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=matrix[0], y=matrix[1], z=1),
        fieldOfView_mm=xsd.fieldOfViewMm(x=height, y=width, z=scan.thickness_mm),
    )
