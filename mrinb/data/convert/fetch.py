"""Download what is open: listed with sizes and checksums first, and gone on with when it breaks."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pooch
import requests
from tqdm.auto import tqdm

from mrinb.data import splits
from mrinb.data.convert.places import Place
from mrinb.errors import MrinbError

HOMES = {
    "zenodo": "https://zenodo.org/api/records",
    "dataverse": "https://dataverse.nl/api",
    "mridata": "https://mridata.org/download",
    "github": "https://raw.githubusercontent.com/microsoft/fastmri-plus",
}
"""Where each kind of home lists or keeps its files."""

_FASTMRI_PLUS_COMMIT = "67ed9a68ee33d3197f93893e8125688470c4a577"
_FASTMRI_PLUS = {
    "brain.csv": "38c8c9d91d708425f2297293c3a0c4ce1f537c7c272cc9b07429b2339ac1e6bf",
    "knee.csv": "c1f4a083646cec815b67f005f8d7764313d1b82a028b90c272a4d000330d065b",
}

TIMEOUT_S = 60.0
TRIES = 8
"""Times in a row that a connection may break without a byte being gained."""

WAIT_S = 2.0

_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


class Remote(NamedTuple):
    """A file to download.

    Attributes:
        name: its name here.
        url: where it is.
        size: bytes, None where the home does not say.
        checksum: ``md5:`` or ``sha256:`` and digits, None where none is published.
    """

    name: str
    url: str
    size: int | None = None
    checksum: str | None = None


class Fetched(NamedTuple):
    """What a download did: files fetched, files that were there, a line for each that failed."""

    fetched: int
    kept: int
    problems: list[str]


def listing(place: Place, match: str = "*") -> list[Remote]:
    """The files of an open dataset.

    Args:
        place: its home.
        match: glob pattern for their names.

    Raises:
        MrinbError: it is not open (the line says where to ask), its home cannot be reached, or no
            file matches.
    """
    if place.access != "open":
        how = "fill in the form" if place.access == "form" else "log in"
        raise MrinbError(
            f"{place.name} cannot be fetched: {how} at {place.home} ({place.terms}; {place.size}), "
            f"then mrinb data convert {place.name} SOURCE DESTINATION"
        )
    try:
        found = _LISTERS[place.kind](place)
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        words = str(error).split("\n")[0]
        raise MrinbError(f"{place.name}: {place.home} gave no list of files ({words})") from None
    chosen = [f for f in found if re.fullmatch(place.wanted, f.name) and fnmatchcase(f.name, match)]
    if not chosen:
        names = ", ".join(f.name for f in found[:8]) or "none"
        raise MrinbError(f"{place.name}: no file of use matches {match!r}; there are {names}")
    for file in chosen:
        if PurePosixPath(file.name).name != file.name or file.name.startswith("."):
            raise MrinbError(f"{place.name}: its list has a file named {file.name!r}: not fetched")
    return chosen


def describe(place: Place, found: Sequence[Remote]) -> str:
    """What a download would be: files, size, terms."""
    sizes = [file.size for file in found if file.size is not None]
    said = size_in_words(sum(sizes)) if sizes else f"size unknown ({place.size})"
    if sizes and len(sizes) < len(found):
        said = f"at least {said}"
    lines = [
        f"{place.name}: {len(found)} files, {said}",
        f"from {place.home}",
        f"terms: {place.terms}",
    ]
    if not any(file.checksum for file in found):
        lines.append("no checksums are published: sizes alone are checked")
    if place.after:
        lines.append(f"afterwards: {place.after}")
    return "\n".join(lines)


def size_in_words(size: float) -> str:
    """Bytes as people write them."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _json(url: str, **parameters: str) -> Any:
    answer = requests.get(url, params=parameters, timeout=TIMEOUT_S)
    answer.raise_for_status()
    return answer.json()


def _zenodo(place: Place) -> list[Remote]:
    found = _json(f"{HOMES['zenodo']}/{place.key}")["files"]
    return [Remote(f["key"], f["links"]["self"], f["size"], f["checksum"]) for f in found]


def _dataverse(place: Place) -> list[Remote]:
    home = HOMES["dataverse"]
    listed = f"{home}/datasets/:persistentId/versions/:latest-published/files"
    found = []
    for entry in _json(listed, persistentId=place.key)["data"]:
        file = entry["dataFile"]
        checksum = file.get("checksum") or {"type": "MD5", "value": file.get("md5")}
        kind = checksum["type"].lower().replace("-", "")
        digits = checksum["value"]
        found.append(
            Remote(
                entry.get("label") or file["filename"],
                f"{home}/access/datafile/{file['id']}",
                file.get("filesize"),
                f"{kind}:{digits}" if digits else None,
            )
        )
    return found


def _mridata(place: Place) -> list[Remote]:
    """Scans of mridata.org by the identifiers in the paper's lists; each is asked for its size."""
    lists = splits.table(splits.SECTION7)
    names = sorted(lists.filename[lists.dataset == place.key])
    files = [Remote(n, f"{HOMES['mridata']}/{n.removesuffix('.h5')}") for n in names]
    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(_size, [f.url for f in files]))
    return [file._replace(size=size) for file, size in zip(files, sizes, strict=True)]


def _size(url: str) -> int | None:
    try:
        answer = requests.head(url, timeout=TIMEOUT_S, allow_redirects=True)
        length = answer.headers.get("Content-Length")
        return int(length) if answer.ok and length else None
    except requests.RequestException:
        return None


def _github(place: Place) -> list[Remote]:
    folder = f"{HOMES['github']}/{_FASTMRI_PLUS_COMMIT}/Annotations"
    return [
        Remote(name, f"{folder}/{name}", checksum=f"sha256:{digits}")
        for name, digits in _FASTMRI_PLUS.items()
    ]


_LISTERS: dict[str, Callable[[Place], list[Remote]]] = {
    "zenodo": _zenodo,
    "dataverse": _dataverse,
    "mridata": _mridata,
    "github": _github,
}


def download(found: Sequence[Remote], folder: Path, progress: bool = True) -> Fetched:
    """Download files; those that are there whole are kept, broken ones gone on with.

    Args:
        found: the files.
        folder: where they go.
        progress: show a progress bar for each.

    Returns:
        What was done; one file that fails does not stop the others.

    Raises:
        MrinbError: the folder takes no files, or the disk has not the room.
    """
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MrinbError(f"{folder}: cannot be made ({error.strerror})") from None
    missing = [file for file in found if not (folder / file.name).exists()]
    _require_room(missing, folder)
    pooch.get_logger().setLevel("WARNING")
    problems, fetched = [], 0
    for file in found:
        try:
            before = _stamp(folder / file.name)
            pooch.retrieve(
                file.url, file.checksum, file.name, folder, downloader=Resuming(file, progress)
            )
            fetched += before != _stamp(folder / file.name)
        except (requests.RequestException, ValueError) as error:
            problems.append(f"{file.name}: {_reason(error)}")
        except OSError as error:
            raise MrinbError(f"{folder / file.name}: {error.strerror or error}") from None
    return Fetched(fetched, len(found) - fetched - len(problems), problems)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _reason(error: Exception) -> str:
    words = str(error).split("\n")[0]
    if "hash" in words.lower():
        return "its checksum is not the published one: what came was thrown away"
    return f"could not be fetched ({words})"


def _require_room(missing: Sequence[Remote], folder: Path) -> None:
    parts = [_part(folder / file.name) for file in missing]
    there = sum(part.stat().st_size for part in parts if part.exists())
    needed = sum(file.size or 0 for file in missing) - there
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise MrinbError(
            f"{folder}: {size_in_words(needed)} are to be fetched, but {size_in_words(free)} are "
            "free: choose fewer files with --match, or another disk"
        )


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


class Resuming:
    """A downloader for pooch that keeps what has come and asks for the rest.

    The part stays beside the file under a name of its own, with the server's tag of the version it
    is of, so that a later run goes on and a changed file is begun anew.
    """

    def __init__(self, file: Remote, progress: bool = True) -> None:
        self.file, self.progress = file, progress

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Download to ``output_file``, as pooch asks.

        Raises:
            requests.RequestException: the server refuses, or the connection broke ``TRIES`` times
                without a byte gained; the part is kept.
        """
        part = _part(Path(output_file).with_name(self.file.name))
        failures = 0
        while True:
            had = part.stat().st_size if part.exists() else 0
            try:
                self._go_on(url, part, had)
                break
            except _BROKEN:
                gained = part.exists() and part.stat().st_size > had
                failures = 0 if gained else failures + 1
                if failures >= TRIES:
                    raise
                time.sleep(WAIT_S * failures)
        part.replace(output_file)
        _tag(part).unlink(missing_ok=True)

    def _go_on(self, url: str, part: Path, had: int) -> None:
        headers = {}
        tag = _tag(part).read_text() if had and _tag(part).exists() else ""
        if had:
            headers["Range"] = f"bytes={had}-"
            if tag:
                headers["If-Range"] = tag
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code == 416:
                if answer.headers.get("Content-Range", "").endswith(f"/{had}"):
                    return  # all of it is there
                part.unlink()
                raise requests.ConnectionError("the part does not fit the file: begun anew")
            answer.raise_for_status()
            resumed = answer.status_code == 206 and _starts_at(answer, had)
            _tag(part).write_text(answer.headers.get("ETag", ""))
            self._receive(answer, part, had if resumed else 0)

    def _receive(self, answer: requests.Response, part: Path, had: int) -> None:
        length = answer.headers.get("Content-Length")
        encoded = answer.headers.get("Content-Encoding", "identity") != "identity"
        total = had + int(length) if length and not encoded else self.file.size
        bar = tqdm(
            total=total, initial=had, desc=self.file.name, unit="B", unit_scale=True,
            disable=not self.progress,
        )  # fmt: skip
        with bar, part.open("ab" if had else "wb") as to:
            for block in answer.iter_content(2**16):
                to.write(block)
                bar.update(len(block))
        if total is not None and part.stat().st_size < total:
            raise requests.ConnectionError(f"{part.stat().st_size} of {total} bytes came")


def _starts_at(answer: requests.Response, had: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {had}-")


def _tag(part: Path) -> Path:
    return part.with_suffix(".tag")
