"""Where each dataset is had, on what terms, and how large it is."""

from __future__ import annotations

from typing import Literal, NamedTuple

from mrinb.errors import unknown


class Place(NamedTuple):
    """The home of a dataset.

    Attributes:
        name: family of converters, or ``fastmri-plus``.
        access: ``open`` to everyone, after a ``form``, or after a ``login``.
        home: page of the dataset.
        terms: licence or conditions.
        size: of everything, in words.
        kind: how an open one lists its files.
        key: what names it there.
        wanted: regular expression for the names of its files that are of use.
        after: what is to be done with the files before they are converted.
    """

    name: str
    access: Literal["open", "form", "login"]
    home: str
    terms: str
    size: str
    kind: Literal["", "zenodo", "dataverse", "mridata", "github"] = ""
    key: str = ""
    wanted: str = r".*"
    after: str = ""


_NYU = "fastmri.med.nyu.edu"
_NYU_TERMS = "research only, no redistribution, by the agreement that the form asks for"
_MRIDATA = "as stated on each scan's page"
_UNPACK = "unpack the archives, then mrinb data convert m4raw or m4raw_gre"

_ALL = (
    Place("fastmri_knee", "form", _NYU, _NYU_TERMS, "train about 490 GB compressed"),
    Place("fastmri_brain", "form", _NYU, _NYU_TERMS, "train about 946 GB compressed"),
    Place("fastmri_prostate_T2", "form", _NYU, _NYU_TERMS, "312 volumes"),
    Place(
        "m4raw", "open", "doi.org/10.5281/zenodo.8056074", "CC BY 4.0", "see the list",
        "zenodo", "8056074", r"(?i:(?!.*(gre|motion)).*\.zip)", _UNPACK,
    ),
    Place(
        "m4raw_gre", "open", "doi.org/10.5281/zenodo.8056074", "CC BY 4.0", "see the list",
        "zenodo", "8056074", r".*(?i:gre).*\.zip", _UNPACK,
    ),
    Place(
        "skm-tea", "login", "stanfordaimi.azurewebsites.net, SKM-TEA",
        "research use, by the agreement shown there", "900 GB compressed, 1.6 TB unpacked",
    ),
    Place(
        "stanford_3d", "open", "mridata.org, Stanford Fullysampled 3D FSE Knees", _MRIDATA,
        "19 scans", "mridata", "stanford_3d_sag",
    ),
    Place(
        "7T", "open", "doi.org/10.34894/IHZGQM", "as stated there", "about 2 TB",
        "dataverse", "doi:10.34894/IHZGQM", r"mp2rageme_.*\.h5",
    ),
    Place(
        "cc-359", "form", "ccdataset.com, MR reconstruction challenge",
        "research use, as stated there", "67 volumes",
    ),
    Place(
        "stanford_2d", "open", "mridata.org, Stanford 2D FSE", _MRIDATA, "89 scans",
        "mridata", "stanford_2d",
    ),
    Place(
        "nyu", "open", "mridata.org, NYU machine learning data", _MRIDATA,
        "98 scans; two more are damaged", "mridata", "nyu",
    ),
    Place(
        "fastmri-plus", "open", "github.com/microsoft/fastmri-plus", "MIT", "2 MB", "github",
    ),
)  # fmt: skip

PLACES: dict[str, Place] = {place.name: place for place in _ALL}


def offer(name: str) -> Place:
    """Where a dataset is had.

    Args:
        name: as for ``mrinb data convert``, or ``fastmri-plus``.

    Raises:
        MrinbError: there is no such dataset.
    """
    from mrinb.data.convert import named

    wanted = name.strip().lower()
    if wanted not in {place.lower() for place in PLACES}:
        if wanted.startswith("fastmri") and "plus" in wanted:
            raise unknown("dataset", name, PLACES)
        wanted = named(name)[0].family
    return next(place for place in _ALL if place.name.lower() == wanted.lower())
