"""Which results a chapter used: a list beside the store, for publishing, and a short digest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path


def digest(keys: Iterable[str]) -> str:
    """Ten hexadecimal digits for a set of keys, to stand below a figure."""
    return hashlib.sha256(",".join(sorted(keys)).encode()).hexdigest()[:10]


def record(store: Path, name: str, used: Iterable[tuple[str, str]]) -> None:
    """Write down which results a chapter used, for ``mrinb results publish``.

    A store that cannot be written to holds no such list: nothing computed there is published.

    Args:
        store: the results store.
        name: chapter and profile, such as ``03-classroom``.
        used: kind and key of every result.
    """
    path = store / "chapters" / f"{name}.json"
    text = json.dumps([{"kind": kind, "key": key} for kind, key in sorted(used)])
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        partial.write_text(text)
        partial.replace(path)
