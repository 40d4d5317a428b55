"""Where and how results are computed: everything that is not part of a key."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_dir

PUBLISHED = Path(__file__).resolve().parents[2] / "book" / "results"
"""The published store of the checkout that this package is run from."""

Policy = Literal["never", "ask", "auto"]


def cache_dir() -> Path:
    """The user's cache folder: ``MRINB_CACHE`` if set, else the system's usual place."""
    return Path(os.environ.get("MRINB_CACHE") or user_cache_dir("mrinb"))


@dataclass(frozen=True)
class Context:
    """Surroundings of a computation.

    Attributes:
        store: folder of the writable results store.
        published: folders of read-only stores that are looked into as well.
        cache: folder of simulated and prepared data; it can be deleted at any time.
        data_root: folder with the user's fastMRI files, or None for simulated data.
        split: rule by which real files are divided (``data.splits.apply``); empty: by folders.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: worker processes of one thread each; 0 computes in this process.
        compute: what to do about a missing result.
        limit_s: longest estimated computation started without asking, in seconds.
    """

    store: Path = field(default_factory=lambda: cache_dir() / "results")
    published: tuple[Path, ...] = ()
    cache: Path = field(default_factory=cache_dir)
    data_root: Path | None = None
    split: str = ""
    device: str = "auto"
    workers: int = 0
    compute: Policy = "auto"
    limit_s: float | None = None
