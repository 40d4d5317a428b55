"""Other datasets of Table 1 as files in the fastMRI layout.

``CONVERTERS`` says for each row of Table 1 how it is read. Rules are those of Appendix G.1: anatomy
upside down, targets as root sum of squares, phase encoding horizontal and readout vertical, and the
noisy first and last slices of 3-D scans left out.
"""

from __future__ import annotations

from mrinb.catalogue.views import VIEWS
from mrinb.data.convert.base import Converter
from mrinb.errors import unknown

_AHEAD = Converter(
    "", "", "7T", "ahead",
    files=r"mp2rageme_.*\.h5",
    scale=1e-14,
    form="ISMRMRD, 234 x 290 x 292, 32 coils, a file an echo",
    quirks="noise scans skipped; head-foot is vertical in sagittal and coronal views",
)  # fmt: skip
_STANFORD_3D = Converter(
    "", "", "stanford_3d", "stanford3d",
    scale=1e-7,
    form="ISMRMRD, 320 x 320, 256 slices in image space, 8 coils",
    quirks="alternating signs of slices undone; target cropped to the stated matrix",
)  # fmt: skip
_CC359 = Converter(
    "", "", "cc-359", "cc359",
    scale=1e-10,
    form="HDF5, x ky kz, real and imaginary parts in turn, 12 coils",
    quirks="half a field of view moved back; slice encoding beyond 85 % stated as padding",
    as_paper="no padding stated",
)  # fmt: skip


def _view(base: Converter, dataset: str, plane: str) -> Converter:
    return base._replace(dataset=dataset, slug=f"{base.family}_{plane}", view=VIEWS[dataset])


_FASTMRI = "HDF5 in the fastMRI layout"
_CUT = "a truncated scan is kept, its missing lines zero"

_ALL = (
    Converter("fastMRI knee", "fastmri_knee", "fastmri_knee", "", form=_FASTMRI),
    Converter("fastMRI brain", "fastmri_brain", "fastmri_brain", "", form=_FASTMRI),
    Converter(
        "fastMRI prostate", "fastmri_prostate_T2", "fastmri_prostate_T2", "prostate",
        files=r"file_prostate_AXT2_.*\.h5",
        form="HDF5 with three averages of every second line",
        quirks="each line is the mean of the averages that have it; placed in the header's matrix",
    ),
    Converter(
        "M4Raw", "m4raw", "m4raw", "m4raw",
        files=r".*_(T1|T2|FLAIR)\d\d\.h5",
        form="HDF5 much like fastMRI's, a file a repetition",
        quirks="turned upside down; a valid header with the acquired columns; target anew",
    ),
    Converter(
        "SKM-TEA, 3D", "skm-tea", "skm-tea", "skmtea",
        files=r"MTR_.*\.h5",
        view=VIEWS["SKM-TEA, 3D"],
        prefixes=("E1_", "E2_"),
        scale=1e-11,
        form="HDF5, x ky kz echo coil",
        quirks="echoes become volumes E1_ and E2_; readout vertical; zero-filled ky is padding",
        as_paper="readout horizontal, where masks undersample it",
    ),
    _view(_STANFORD_3D, "Stanford 3D, axial", "ax"),
    _view(_STANFORD_3D, "Stanford 3D, coronal", "cor"),
    _view(_STANFORD_3D, "Stanford 3D, sagittal", "sag"),
    _view(_AHEAD, "7T database, 3D, axial", "ax"),
    _view(_AHEAD, "7T database, 3D, coronal", "cor"),
    _view(_AHEAD, "7T database, 3D, sagittal", "sag"),
    _view(_CC359, "CC-359, 3D, axial", "ax"),
    _view(_CC359, "CC-359, 3D, coronal", "cor"),
    _view(_CC359, "CC-359, 3D, sagittal", "sag"),
    Converter(
        "Stanford 2D", "stanford_2d", "stanford_2d", "mridata2d",
        scale=1e-8,
        form="ISMRMRD, 3 to 32 coils",
        quirks="phases of the echo train matched, signs of lines undone, coils weighted by noise",
        as_paper=_CUT,
    ),
    Converter(
        "NYU data", "nyu", "nyu", "mridata2d",
        form="ISMRMRD, 15 coils",
        quirks="two of the 100 scans are damaged and skipped",
        as_paper=_CUT,
    ),
    Converter(
        "M4Raw GRE", "m4raw_gre", "m4raw_gre", "m4raw",
        files=r".*_GRE\d\d\.h5",
        form="HDF5 much like fastMRI's, a file a repetition",
        quirks="echo moved to the middle, image turned by a quarter; ``max`` of the new target",
        as_paper="``max`` of the target before it was replaced",
    ),
)  # fmt: skip

CONVERTERS: dict[str, Converter] = {converter.dataset: converter for converter in _ALL}
"""How each row of Table 1 is converted, by its name in ``mrinb.catalogue.DATASETS``."""


def named(name: str) -> list[Converter]:
    """The converters that a name means.

    Args:
        name: a row of Table 1, a short name such as ``cc-359_sag``, or a family such as ``cc-359``
            for all of its views.

    Returns:
        One converter, or all of a family.

    Raises:
        MrinbError: no dataset has this name.
    """
    wanted = name.strip().lower()
    for converter in _ALL:
        if wanted in (converter.dataset.lower(), converter.slug.lower()):
            return [converter]
    family = [c for c in _ALL if c.family.lower() == wanted]
    if not family:
        families = [f for f in dict.fromkeys(c.family for c in _ALL)]
        slugs = [c.slug for c in _ALL]
        raise unknown("dataset", name, dict.fromkeys(families + slugs))
    return family
