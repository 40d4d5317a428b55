"""Where a distribution lives: ``sim:brain/T2-Skyra``, ``own:NAME``, or wherever a run looks.

A plain name of the catalogue means files of the data root where one is given, else simulated ones.
``sim:`` asks for simulated files in either case, ``own:`` for files that were registered under a
name. The register is a small file of the cache folder; results do not depend on it, since they
belong to the content of the files.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from mrinb.catalogue import EVERY, matching
from mrinb.catalogue.base import Distribution, Scanner
from mrinb.compute.context import cache_dir
from mrinb.compute.whole import written
from mrinb.errors import MrinbError, reason, unknown

SIMULATED, OWN = "sim", "own"
REGISTER = "own.json"
_PLACES = {name: place for place, name in enumerate(EVERY)}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class Own(NamedTuple):
    """A distribution of the user's.

    Attributes:
        name: its name, without ``own:``.
        folder: where its files lie.
        where: (fact, value) pairs that tell its files from others in the folder.
    """

    name: str
    folder: Path
    where: tuple[tuple[str, str], ...] = ()

    @property
    def distribution(self) -> str:
        """Its name in pools and tables."""
        return f"{OWN}:{self.name}"


def home(name: str) -> str:
    """Where a name says that it lives: ``sim``, ``own``, or empty for a plain one."""
    found, colon, _ = name.partition(":")
    return found if colon else ""


def bare(name: str) -> str:
    """A name without its home; a distribution of one's own keeps it, having no other."""
    return name.partition(":")[2] if home(name) == SIMULATED else name


def find(pattern: str) -> list[str]:
    """Names that a pattern of a pool matches, with their home where it names one.

    One's own distributions are not looked up unless the pattern has wildcards: a stored result
    can be read where nothing is registered.

    Raises:
        MrinbError: nothing is called so, or there is no such home.
    """
    where = home(pattern)
    if where == OWN:
        return _find_own(pattern)
    if where not in ("", SIMULATED):
        raise unknown("home", f"{where}:", [f"{SIMULATED}:", f"{OWN}:"])
    found = matching(pattern.removeprefix(f"{SIMULATED}:"))
    if not found:
        raise unknown("distribution or pattern", pattern, EVERY)
    return [f"{where}:{name}" if where else name for name in found]


def _find_own(pattern: str) -> list[str]:
    name = pattern.partition(":")[2]
    if _NAME.fullmatch(name):
        return [pattern]
    known = registered()
    found = [own.distribution for own in known.values() if fnmatchcase(own.name, name)]
    if not found:
        raise unknown("distribution of your own", pattern, [o.distribution for o in known.values()])
    return found


def ordered(names: set[str]) -> tuple[str, ...]:
    """Names in the catalogue's order, simulated ones after their plain twins, own ones last."""
    last = len(_PLACES)
    return tuple(sorted(names, key=lambda n: (_PLACES.get(bare(n), last), n != bare(n), n)))


def described(name: str) -> Distribution:
    """What is known of a distribution: the catalogue's row, or little of one's own."""
    if home(name) != OWN:
        if bare(name) not in EVERY:
            raise unknown("distribution", name, EVERY)
        return EVERY[bare(name)]
    return Distribution(
        name, "your own", name, "", "", Scanner("", "", 0.0, 0.0), "", 0, (0, 0), (0, 0), 0.0
    )


def label(name: str) -> str:
    """A distribution's name for readers."""
    if home(name) == OWN:
        return f"your own: {name.partition(':')[2]}"
    words = described(name).label
    return f"{words}, simulated" if home(name) == SIMULATED else words


def check_name(name: str) -> str:
    """A name for a distribution of one's own.

    Raises:
        MrinbError: pools could not be written with it.
    """
    if not _NAME.fullmatch(name):
        raise MrinbError(
            f"name {name!r}: take up to 40 letters, digits, - and _, such as my-brains"
        )
    return name


class _Entry(NamedTuple):
    folder: str
    where: dict[str, str]


_FORM = TypeAdapter(dict[str, _Entry])


def registered(cache: Path | None = None) -> dict[str, Own]:
    """The distributions that were registered, by name.

    Args:
        cache: the cache folder; None is the user's.

    Raises:
        MrinbError: the register cannot be read.
    """
    path = (cache or cache_dir()) / REGISTER
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise MrinbError(f"{path}: cannot be read ({reason(error)})") from None
    try:
        entries = _FORM.validate_json(text)
    except ValidationError:
        raise MrinbError(f"{path}: damaged: remove it and register your data again") from None
    return {
        name: Own(name, Path(e.folder), tuple(sorted(e.where.items())))
        for name, e in entries.items()
    }


def lookup(name: str, cache: Path | None = None) -> Own:
    """A registered distribution.

    Args:
        name: with or without ``own:``.
        cache: the cache folder; None is the user's.

    Raises:
        MrinbError: nothing is registered under this name.
    """
    known = registered(cache)
    short = name.partition(":")[2] or name
    if short not in known:
        if not known:
            raise MrinbError(
                f"{OWN}:{short}: nothing is registered here: use mrinb data import or "
                "mrinb data register"
            )
        raise unknown("distribution of your own", name, [o.distribution for o in known.values()])
    return known[short]


def register(own: Own, cache: Path | None = None) -> None:
    """Write a distribution down; an older one of its name is replaced.

    Raises:
        MrinbError: the name cannot be, or the cache folder cannot be written to.
    """
    check_name(own.name)
    folder = cache or cache_dir()
    known = {**registered(cache), own.name: own}
    entries = {o.name: {"folder": str(o.folder), "where": dict(o.where)} for o in known.values()}
    path = folder / REGISTER
    with written(path) as part:
        part.write_text(json.dumps(entries, indent=1, sort_keys=True), encoding="utf-8")
