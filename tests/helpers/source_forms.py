"""Writers of other datasets' own source forms, from coil images of a known phantom.

Each takes an image in the orientation in which its scanner stores it and writes a file as the
dataset's own release has it: what the converters must undo is put in here.
"""

import itertools

import h5py
import ismrmrd
import numpy as np
from ismrmrd import xsd
from scipy import fft


def phantom(shape, coils=3, seed=0):
    """Complex coil images (coils, *shape) of an object with no symmetry, and its RSS (*shape)."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(0, 1, n) for n in shape], indexing="ij")
    body = np.ones(shape)
    for scale, axis in zip((0.9, 0.5, 1.7), axes, strict=False):
        body *= 0.4 + scale * axis**2
    corner = tuple(slice(n // 5, n // 5 + max(n // 4, 1)) for n in shape)
    body[corner] *= 3
    images = np.empty((coils, *shape), np.complex64)
    for image in images:
        phase = sum(random.uniform(-2, 2) * axis for axis in axes)
        image[...] = body * random.uniform(0.5, 1.5) * np.exp(1j * phase)
    return images, np.sqrt((np.abs(images) ** 2).sum(0))


def to_kspace(image, axes):
    """Centred orthonormal transform along some axes, by the definition's matrix."""
    data = np.asarray(image, np.complex128)
    for axis in axes:
        n = data.shape[axis]
        at = np.arange(n) - n // 2
        matrix = np.exp(-2j * np.pi * np.outer(at, at) / n) / np.sqrt(n)
        data = np.moveaxis(np.tensordot(matrix, data, (1, axis)), 0, axis)
    return data


def zero_fill(kspace, axis, first, last):
    """Zeros outside of [first, last) along an axis."""
    keep = np.zeros(kspace.shape[axis])
    keep[first:last] = 1
    shape = [1] * kspace.ndim
    shape[axis] = -1
    return kspace * keep.reshape(shape)


def m4raw(path, images, acquired=None, gradient_echo=False, stale_max=123.0):
    """``images`` (slices, coils, rows, columns) as stored; of GRE with the echo off the middle."""
    kspace = to_kspace(images, (2, 3))
    if acquired:
        kspace = zero_fill(kspace, 2 if gradient_echo else 3, *acquired)
    if gradient_echo:
        kspace = np.roll(kspace, round(45 / 256 * kspace.shape[3]), axis=3)
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace.astype(np.complex64)
        file["reconstruction_rss"] = np.sqrt((np.abs(images) ** 2).sum(1)).astype(np.float32)
        file["ismrmrd_header"] = np.bytes_("not an ISMRMRD header at all")
        file.attrs.update({"max": stale_max, "acquisition": "T1", "patient_id": "0"})
    return path


def prostate(path, images, header, noise=0.0, leak=0.0, seed=0):
    """``images`` (slices, coils, rows, lines): averages 0 and 2 of odd lines, 1 of even ones."""
    random = np.random.default_rng(seed)
    kspace = to_kspace(images, (2, 3))
    averages = np.zeros((3, *kspace.shape), np.complex64)
    error = noise * (random.standard_normal(kspace.shape) + 0j)
    averages[0, ..., 1::2] = (kspace + error)[..., 1::2]
    averages[2, ..., 1::2] = (kspace - error)[..., 1::2]
    averages[1, ..., ::2] = kspace[..., ::2]
    averages += np.complex64(leak * np.abs(kspace).max())
    with h5py.File(path, "w") as file:
        file["kspace"] = averages
        file["calibration_data"] = averages[0, ..., :4]
        file["ismrmrd_header"] = np.bytes_(header)
        file.attrs.update({"acquisition": "AXT2", "patient_id": "abc"})
    return path


def skm_tea(path, echoes, acquired):
    """``echoes``: coil images (coils, x, y, z) of each; ky zero-filled outside of ``acquired``."""
    hybrid = [zero_fill(to_kspace(e, (2, 3)), 2, *acquired) for e in echoes]
    stacked = np.stack(hybrid).transpose(2, 3, 4, 0, 1)
    with h5py.File(path, "w") as file:
        file["kspace"] = stacked.astype(np.complex64)
        file["target"] = np.zeros((*stacked.shape[:4], 1), np.complex64)
    return path


def cc359(path, images):
    """``images`` (coils, x, y, z): plain inverse transforms show them; parts interleaved."""
    coils, *shape = images.shape
    # Frequencies in centred order whose plain inverse transform is the image but for its phase.
    kspace = fft.fftshift(fft.fft2(images, axes=(2, 3)), axes=(2, 3))
    stored = np.empty((*shape, 2 * coils), np.float32)
    stored[..., ::2] = kspace.real.transpose(1, 2, 3, 0)
    stored[..., 1::2] = kspace.imag.transpose(1, 2, 3, 0)
    with h5py.File(path, "w") as file:
        file["kspace"] = stored
    return path


def xml(encoded, recon=None, limits=None, parameters=None, **scanner):
    """An ISMRMRD header; ``limits`` maps counters to (maximum, centre)."""
    recon = recon or encoded

    def space(shape):
        return xsd.encodingSpaceType(
            matrixSize=xsd.matrixSizeType(**dict(zip("xyz", shape, strict=True))),
            fieldOfView_mm=xsd.fieldOfViewMm(x=160, y=160, z=4),
        )

    found = {
        name: xsd.limitType(minimum=0, maximum=last, center=centre)
        for name, (last, centre) in (limits or {}).items()
    }
    encoding = xsd.encodingType(
        encodedSpace=space(encoded),
        reconSpace=space(recon),
        encodingLimits=xsd.encodingLimitsType(**found),
        trajectory=xsd.trajectoryType.CARTESIAN,
    )
    long = [xsd.userParameterLongType(name=n, value=v) for n, v in (parameters or {}).items()]
    header = xsd.ismrmrdHeader(
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(**scanner),
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=1),
        encoding=[encoding],
        userParameters=xsd.userParametersType(userParameterLong=long) if long else None,
    )
    return xsd.ToXML(header)


def readout(samples, flags=(), **counters):
    """One acquisition of (coils, readout) samples."""
    acquisition = ismrmrd.Acquisition.from_array(np.ascontiguousarray(samples, np.complex64))
    acquisition.center_sample = samples.shape[1] // 2
    for flag in flags:
        acquisition.set_flag(flag)
    for name, value in counters.items():
        setattr(acquisition.idx, name, value)
    return acquisition


def raw(path, header, acquisitions, deviations=None):
    """An ISMRMRD file, written by the format's own library."""
    with ismrmrd.Dataset(str(path), create_if_needed=True) as file:
        file.write_xml_header(header.encode())
        for acquisition in acquisitions:
            file.append_acquisition(acquisition)
        if deviations is not None:
            file.append_array("rec_std", np.asarray(deviations, np.float32))
    return path


def noise(coils, samples=8):
    """A noise scan as it stands before the image in many files."""
    return readout(np.full((coils, samples), 1e3), [ismrmrd.ACQ_IS_NOISE_MEASUREMENT])


def ahead(path, images, header=None, first=(0, 0), skip=()):
    """``images`` (coils, x, y, z) as 3-D readouts along x after a noise scan."""
    kspace = to_kspace(images, (1, 2, 3))
    _, nx, ny, nz = kspace.shape
    limits = {
        "kspace_encoding_step_1": (ny - 1, ny // 2),
        "kspace_encoding_step_2": (nz - 1, nz // 2),
    }
    header = header or xml((nx, ny, nz), limits=limits, receiverChannels=len(images))
    lines = [
        readout(kspace[:, :, y, z], kspace_encode_step_1=y, kspace_encode_step_2=z)
        for z in range(nz)
        for y in range(ny)
        if (y, z) not in skip
    ]
    return raw(path, header, [noise(len(images)), *lines])


def stanford_3d(path, images):
    """``images`` (coils, x, y, z): z in image space with alternating signs; counts as limits."""
    kspace = to_kspace(images, (1, 2))
    _, nx, ny, nz = kspace.shape
    limits = {
        "kspace_encoding_step_1": (ny, ny // 2),
        "kspace_encoding_step_2": (1, 0),
        "slice": (nz - 1, 0),
    }
    lines = [
        readout((-1) ** z * kspace[:, :, y, z], kspace_encode_step_1=y, slice=z)
        for z in range(nz)
        for y in range(ny)
    ]
    return raw(path, xml((nx, ny, 1), limits=limits, receiverChannels=len(images)), lines)


def slices_2d(
    images, left=0, lines=None, interleaved=True, averages=1, chopped=False, train=None, seed=0
):
    """Readouts of ``images`` (slices, coils, x, y); ``train`` (offset, slope) of each echo."""
    random = np.random.default_rng(seed)
    kspace = to_kspace(images, (2, 3))
    slices, ny = kspace.shape[0], kspace.shape[3]
    order = [*range(0, slices, 2), *range(1, slices, 2)] if interleaved else range(slices)
    lines = lines or ny - left
    errors = random.standard_normal((lines, *kspace.shape[1:3])) if averages > 1 else None
    found = []
    for s in order:
        for average, y in itertools.product(range(averages), range(lines)):
            samples = kspace[s, :, :, left + y]
            if averages > 1:  # errors that cancel in the mean of two
                samples = samples + (-1) ** average * errors[y]
            echo = y % len(train or [0])
            if train:
                samples = mistimed(samples, *train[echo])
            if chopped:
                samples = samples * (-1) ** y
            counters = {"kspace_encode_step_1": y, "slice": s, "average": average, "segment": echo}
            found.append(readout(samples, **counters))
        for echo, error in enumerate(train or []):
            reference = mistimed(kspace[s, :, :, ny // 2], *error)
            found.append(
                readout(reference, kspace_encode_step_1=lines + echo, slice=s, segment=echo)
            )
    return found


def mistimed(samples, offset, slope):
    """A readout (coils, readout) with a constant phase and a linear one along its image."""
    n = samples.shape[1]
    image = fft.fftshift(fft.ifft(fft.ifftshift(samples, axes=1), axis=1), axes=1)
    image = image * np.exp(1j * (offset + slope * (np.arange(n) - n // 2)))
    return fft.fftshift(fft.fft(fft.ifftshift(image, axes=1), axis=1), axes=1)


def cut_short(path, number):
    """Empty the readouts from one on, as where an upload stopped."""
    with h5py.File(path, "r+") as file:
        data = file["dataset/data"]
        for i in range(number, len(data)):
            row = data[i]
            row["data"] = np.zeros(0, np.float32)
            data[i] = row
    return path
