"""Tiny files in the fastMRI layout, of odd sizes, for tests."""

import h5py
import numpy as np
from scipy import fft

HEADER = """<?xml version="1.0" encoding="utf-8"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <acquisitionSystemInformation><systemModel>{model}</systemModel>
  <systemFieldStrength_T>{field}</systemFieldStrength_T></acquisitionSystemInformation>
 <encoding>
  <encodedSpace><matrixSize><x>{x}</x><y>{y}</y><z>1</z></matrixSize></encodedSpace>
  <reconSpace><matrixSize><x>{rx}</x><y>{ry}</y><z>1</z></matrixSize></reconSpace>
  {limits}
 </encoding>
</ismrmrdHeader>"""

LIMITS = """<encodingLimits><kspace_encoding_step_1><minimum>0</minimum>
 <maximum>{last}</maximum><center>{center}</center></kspace_encoding_step_1></encodingLimits>"""


def header(shape, recon, model="Skyra", field=2.89362, padding=(0, None), limits=True):
    height, width = shape
    left = padding[0]
    right = width if padding[1] is None else padding[1]
    text = LIMITS.format(last=right - left - 1, center=width // 2 - left) if limits else ""
    return HEADER.format(
        model=model, field=field, x=height, y=width, rx=recon[0], ry=recon[1], limits=text
    ).encode()


def write(
    path,
    shape=(3, 2, 20, 15),
    recon=(10, 11),
    acquisition="CORPD_FBK",
    seed=0,
    drop=(),
    mask=False,
    patient="",
    attributes=None,
    change=None,
    xml=None,
    **header_options,
):
    """Write a volume whose target is the RSS of its cropped inverse transform."""
    random = np.random.RandomState(seed)
    kspace = (random.standard_normal(shape) + 1j * random.standard_normal(shape)) * 1e-5
    kspace = kspace.astype(np.complex64)
    left, right = header_options.get("padding", (0, None))
    kspace[..., : max(left, 0)] = 0
    kspace[..., shape[-1] if right is None else right :] = 0
    axes = (-2, -1)
    image = fft.fftshift(fft.ifft2(fft.ifftshift(kspace, axes), norm="ortho"), axes)
    rss = np.sqrt((np.abs(image) ** 2).sum(1)).astype(np.float32)
    target = np.zeros((shape[0], *recon), np.float32)
    for source, to in zip(rss, target, strict=True):
        to[:] = _center(source, recon)
    arrays = {"kspace": kspace, "reconstruction_rss": target}
    arrays["ismrmrd_header"] = np.bytes_(xml or header(shape[2:], recon, **header_options))
    if mask:
        arrays["mask"] = np.ones(shape[-1], bool)
    if change:
        change(arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, value in arrays.items():
            if key not in drop:
                file[key] = value
        found = {"max": float(target.max()), "norm": 1.0, "acquisition": acquisition}
        found["patient_id"] = patient or path.stem
        for key, value in {**found, **(attributes or {})}.items():
            if key not in drop:
                file.attrs[key] = value
    return path


def _center(image, shape):
    """Centre crop; where the target is larger, pad with zeros (brains wider than encoded)."""
    for axis, size in enumerate(shape):
        lack = size - image.shape[axis]
        if lack > 0:
            widths = [(0, 0), (0, 0)]
            widths[axis] = (lack // 2, lack - lack // 2)
            image = np.pad(image, widths)
        start = (image.shape[axis] - size) // 2
        image = np.take(image, range(start, start + size), axis)
    return image
