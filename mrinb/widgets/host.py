"""What all widgets share: one HTML output that works wherever it is shown.

A widget is one Python class and one ES module with ``export default { render }``. Its output is
HTML alone: a still picture, the state as JSON, and the module inline with a stand-in model, which
takes the picture's place. So it needs no kernel, survives saving and converting, and where scripts
are blocked the picture stays. On request (`live`) anywidget drives the same module, and Python and
browser share the state.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import numpy as np
import traitlets
from PIL import Image

from mrinb.errors import MrinbError, unknown

HERE = Path(__file__).parent
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
WEBP_LIMIT = 16383  # pixels along one side, by the format


def module_source(name: str) -> str:
    """Return a widget's ES module: the shared part and its own, as one text.

    Args:
        name: the file's name without ``.js``.
    """
    parts = [(HERE / f"{part}.js").read_text(encoding="utf-8") for part in ("host", name)]
    return "\n".join(parts)


def style_source() -> str:
    """Return the style sheet of all widgets."""
    return (HERE / "widgets.css").read_text(encoding="utf-8")


def shared(trait: traitlets.TraitType) -> Any:
    """Mark a trait as state that the browser sees, live and in a stored page."""
    return trait.tag(sync=True, page=True)


class StoredWidget(anywidget.AnyWidget):
    """A widget whose output is self-contained HTML; `live` shows it with the kernel behind it.

    A subclass sets ``_esm``, ``_css``, the ``module`` name, its shared traits, and ``still()``.
    """

    module: ClassVar[str]
    name = shared(traitlets.Unicode("widget"))
    title = shared(traitlets.Unicode())
    _opened = False

    def still(self) -> str:
        """Return the HTML shown where no script runs: a picture with alternative text."""
        raise NotImplementedError

    def page_state(self) -> dict[str, Any]:
        """Return the state that a stored page carries."""
        return {name: getattr(self, name) for name in sorted(self.traits(page=True))}

    def to_html(self) -> str:
        """Return the self-contained HTML of the widget: still picture, state, style, module."""
        state = json_for_script(self.page_state())
        digest = hashlib.sha256(f"{self.module}{state}".encode()).hexdigest()[:16]
        module = re.sub(
            r"^export default ", "const widget = ", module_source(self.module), flags=re.MULTILINE
        )
        title = f'<p class="mrinb-title">{html.escape(self.title)}</p>' if self.title else ""
        return without_blank_lines(
            f'<div class="mrinb-output" data-mrinb="{digest}" dir="ltr" lang="en">\n'
            f"<style>\n{style_source()}</style>\n"
            f'<div class="mrinb-still">{title}{self.still()}</div>\n'
            f'<script type="application/json">{state}</script>\n'
            f'<script type="module">\n{module}\nmount(widget, "{digest}");\n</script>\n</div>'
        )

    def open(self) -> None:
        """Tell the browser of the widget, only once it is to be live: its HTML needs no kernel."""
        if self._opened:
            super().open()

    def live_view(self) -> dict[str, Any]:
        """Return the output of the view that the kernel drives, by MIME type."""
        if not self._opened:
            self._opened = True
            self.open()
        bundle: Any = super()._repr_mimebundle_() or {}
        return dict(bundle[0] if isinstance(bundle, tuple) else bundle)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return {"text/plain": repr(self), "text/html": self.to_html()}


@dataclass(frozen=True)
class Live:
    """A widget's view that the kernel drives.

    Attributes:
        widget: the widget.
    """

    widget: StoredWidget

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        view = self.widget.live_view()
        kept = {WIDGET_MIME: view[WIDGET_MIME]} if WIDGET_MIME in view else {}
        return {**self.widget._repr_mimebundle_(), **kept}


def live(widget: StoredWidget) -> Live:
    """Show a widget with the kernel behind it, so that Python sees what the reader chooses.

    Such an output is for the running notebook: saved without widget state and opened without a
    kernel, JupyterLab says that the model is not found. The widget itself, as a cell's last line,
    shows what works everywhere.

    Args:
        widget: the widget.
    """
    return Live(widget)


def without_blank_lines(text: str) -> str:
    """Return HTML in one block: in Markdown, a blank line would end it.

    Args:
        text: the HTML.
    """
    return re.sub(r"\n\s*\n+", "\n", text)


def json_for_script(value: Any) -> str:
    """Return JSON that cannot end the script element it stands in.

    Args:
        value: what to write; NaN and infinity are refused.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def figure_html(uri: str, alt: str, width: int, caption: str) -> str:
    """Return a still picture with its words.

    Args:
        uri: the image as a data URI.
        alt: the alternative text.
        width: the width to show it at, pixels.
        caption: what stands under it.
    """
    return (
        f'<figure><img src="{uri}" alt="{html.escape(alt)}" width="{width}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def to_uint8(images: np.ndarray, white: np.ndarray | float) -> np.ndarray:
    """Window images to 8 bits.

    Args:
        images: shape ``(slices, height, width)``.
        white: the value shown white, one for all or one a slice.

    Returns:
        The same shape, uint8; values beyond the window are clipped.
    """
    white = np.reshape(np.broadcast_to(white, images.shape[:1]), (-1, 1, 1))
    return np.round(np.clip(images / white, 0, 1) * 255).astype(np.uint8)


def upright(images: np.ndarray) -> np.ndarray:
    """Flip images stored as fastMRI stores them, upside down, for display.

    Args:
        images: shape ``(..., height, width)``.
    """
    return images[..., ::-1, :]


def webp_uri(image: np.ndarray) -> str:
    """Return a lossless WebP as a data URI.

    Args:
        image: uint8 of shape ``(height, width)``.

    Raises:
        MrinbError: where a side is longer than the format allows.
    """
    if max(image.shape) > WEBP_LIMIT:
        raise MrinbError(
            f"an image sheet of {image.shape[0]} x {image.shape[1]} pixels is too long for WebP "
            f"(at most {WEBP_LIMIT}): show fewer slices"
        )
    file = io.BytesIO()
    # a fortieth of the time of the slowest setting, for 6 % more bytes
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=75, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def sheet(images: np.ndarray, white: np.ndarray) -> str:
    """Return slices as one lossless image, stacked from top to bottom, as a data URI.

    Args:
        images: shape ``(slices, height, width)``.
        white: the value shown white, shape ``(slices,)``.
    """
    stack = upright(to_uint8(images, white))
    return webp_uri(stack.reshape(-1, stack.shape[-1]))


def preview_png(image: np.ndarray) -> str:
    """Return a PNG of one grey image as a data URI.

    Args:
        image: uint8 of shape ``(height, width)``.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def one_of(kind: str, value: str, valid: Mapping[str, Any] | list[str]) -> str:
    """Return the value if it is among the valid ones, else say which are.

    Args:
        kind: what the value names, for the error's words.
        value: the value given.
        valid: the names that are accepted.
    """
    if value not in valid:
        raise unknown(kind, value, list(valid))
    return value


@dataclass(frozen=True)
class Sidecars:
    """Where larger exhibits go: one classic script a piece, loaded when the reader asks.

    Attributes:
        directory: the folder the scripts are written to.
        url: that folder's address relative to the page, such as ``../_static/exhibits/``.
    """

    directory: Path
    url: str

    @classmethod
    def from_environment(cls) -> Sidecars | None:
        """Return what the book's builder asks for, or None: then everything stays in the page.

        Raises:
            MrinbError: where only one of the two variables is set.
        """
        directory = os.environ.get("MRINB_SIDECAR_DIR", "")
        url = os.environ.get("MRINB_SIDECAR_URL", "")
        if not directory and not url:
            return None
        if not directory or not url:
            raise MrinbError("set both MRINB_SIDECAR_DIR and MRINB_SIDECAR_URL, or neither")
        return cls(Path(directory), url if url.endswith("/") else url + "/")

    def write(self, content: dict[str, Any]) -> dict[str, str]:
        """Write one sidecar, named by its content, and return its key and address.

        Args:
            content: what the widget finds under the key.
        """
        text = json_for_script(content)
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / f"{key}.js"
        if not path.exists():  # whole or not at all: several chapters may be built at once
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(f'window.__mrinb_sidecar("{key}", {text});\n', encoding="utf-8")
            part.replace(path)
        return {"key": key, "src": f"{self.url}{key}.js"}
