"""One picture a chapter beside its notebook: the first figure of its page.

``make refresh`` builds the book from the store and writes them anew; so does
``python -m mrinb.publish.pictures`` for a book that is there.
"""

from __future__ import annotations

import base64
import io
import re

from PIL import Image

from mrinb.errors import MrinbError
from mrinb.publish.book import chapters, repository

WIDTH, LARGEST = 1000, 60_000
"""Pixels across, and bytes that a picture may have."""
FIGURE = re.compile(r'<img [^>]*?\bclass="dark-light [^>]*?\bsrc="data:image/webp;base64,([^"]+)"')


def first_figure(page: str) -> Image.Image:
    """The first figure of a page.

    Args:
        page: HTML of a chapter.

    Raises:
        MrinbError: it has none.
    """
    found = FIGURE.search(page)
    if found is None:
        raise MrinbError("the page has no figure: build the book with its results")
    return Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB")


def packed(image: Image.Image) -> bytes:
    """A figure as WebP of at most ``LARGEST`` bytes, as sharp as that allows."""
    if image.width > WIDTH:
        image = image.resize(
            (WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.LANCZOS
        )
    for quality in range(90, 0, -10):
        out = io.BytesIO()
        image.save(out, "WEBP", quality=quality, method=6)
        if out.tell() <= LARGEST:
            break
    return out.getvalue()


def main() -> None:
    """Write ``notebooks/pictures/NAME.webp`` for every chapter of the book in ``_build``."""
    root = repository()
    folder = root / "notebooks" / "pictures"
    folder.mkdir(exist_ok=True)
    for chapter in chapters(root):
        page = root / "_build" / "html" / "notebooks" / f"{chapter.name}.html"
        if not page.is_file():
            raise MrinbError(f"{page} is not there: run make book first")
        figure = first_figure(page.read_text(encoding="utf-8"))
        (folder / f"{chapter.name}.webp").write_bytes(packed(figure))


if __name__ == "__main__":
    main()
