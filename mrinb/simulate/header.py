"""The ISMRMRD header of a simulated volume."""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape


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


_HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <studyInformation>
    <studyTime>00:00:00</studyTime>
  </studyInformation>
  <measurementInformation>
    <measurementID>{patient}_1</measurementID>
    <patientPosition>{position}</patientPosition>
    <protocolName>{protocol}</protocolName>
  </measurementInformation>
  <acquisitionSystemInformation>
    <systemVendor>SIEMENS</systemVendor>
    <systemModel>{model}</systemModel>
    <systemFieldStrength_T>{field}</systemFieldStrength_T>
    <receiverChannels>{coils}</receiverChannels>
    <institutionName>simulated</institutionName>
  </acquisitionSystemInformation>
  <experimentalConditions>
    <H1resonanceFrequency_Hz>{frequency}</H1resonanceFrequency_Hz>
  </experimentalConditions>
  <encoding>
    <encodedSpace>
      <matrixSize><x>{height}</x><y>{width}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>{fov_h:.4f}</x><y>{fov_w:.4f}</y><z>{thick}</z></fieldOfView_mm>
    </encodedSpace>
    <reconSpace>
      <matrixSize><x>{recon_h}</x><y>{recon_w}</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>{rfov_h:.4f}</x><y>{rfov_w:.4f}</y><z>{thick}</z></fieldOfView_mm>
    </reconSpace>
    <encodingLimits>
      <kspace_encoding_step_1><minimum>0</minimum><maximum>{last}</maximum>\
<center>{centre}</center></kspace_encoding_step_1>
    </encodingLimits>
    <trajectory>cartesian</trajectory>
  </encoding>
</ismrmrdHeader>
"""


def header(scan: Scan) -> bytes:
    """The header as XML.

    Lines are counted from the first acquired one, as fastMRI counts them.
    """
    text = _HEADER.format(
        patient=scan.patient,
        position=scan.position,
        protocol=escape(scan.protocol),
        model=escape(scan.model),
        field=scan.field_t,
        coils=scan.coils,
        frequency=round(42.577478e6 * scan.field_t),
        height=scan.encoded[0],
        width=scan.encoded[1],
        fov_h=scan.encoded[0] * scan.pixel_mm,
        fov_w=scan.encoded[1] * scan.pixel_mm,
        thick=scan.thickness_mm,
        recon_h=scan.recon[0],
        recon_w=scan.recon[1],
        rfov_h=scan.recon[0] * scan.pixel_mm,
        rfov_w=scan.recon[1] * scan.pixel_mm,
        last=scan.last - scan.first,
        centre=scan.encoded[1] // 2 - scan.first,
    )
    return text.encode()
