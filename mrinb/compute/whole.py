"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mrinb.errors import MrinbError, reason


@contextlib.contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a file beside to write, which takes the place of ``path`` where all went well.

    Raises:
        MrinbError: the folder or the file cannot be written; an older file is left as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise MrinbError(f"{path}: cannot be written ({reason(error)})") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
