"""Three-dimensional scans sliced into views: a transform along one axis gives 2-D k-spaces.

A volume stays in memory once. It is transformed in place along the axis that a view slices, a part
at a time, and back again for the next view, so that lines which were never acquired stay zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mrinb.catalogue.views import View
from mrinb.slicing import kspace as transforms

_BLOCK_BYTES = 128 * 2**20


class Grid:
    """One volume of several coils.

    Attributes:
        data: complex64, overwritten by transforms.
        axes: a letter for each axis of ``data``; ``c`` is the coils.
        image: axes that are in image space; the others are k-space.
        acquired: first acquired line and the line after the last, of axes where that is known.
    """

    def __init__(
        self,
        data: np.ndarray,
        axes: str,
        image: str = "",
        acquired: dict[str, tuple[int, int]] | None = None,
    ) -> None:
        self.data, self.axes = data, axes
        self.image = set(image)
        self.acquired = acquired or {}

    def size(self, axis: str) -> int:
        """Number of points along an axis."""
        return int(self.data.shape[self.axes.index(axis)])

    def shape(self, view: View) -> tuple[int, int, int, int]:
        """(slices, coils, height, width) of a view after its trim."""
        kept = self.size(view.slices) - sum(view.trim)
        return kept, self.size("c"), self.size(view.rows), self.size(view.columns)

    def padding(self, view: View) -> tuple[int, int]:
        """First acquired column of a view, and the column after the last."""
        return self.acquired.get(view.columns, (0, self.size(view.columns)))

    def blocks(self, view: View) -> Iterator[np.ndarray]:
        """The slices of a view in order.

        Args:
            view: the view.

        Yields:
            k-space, complex64 (some slices, coils, height, width).
        """
        self._to(view.slices, inverse=True)
        for axis in (view.rows, view.columns):
            self._to(axis, inverse=False)
        order = [self.axes.index(axis) for axis in (view.slices, "c", view.rows, view.columns)]
        ordered = self.data.transpose(order)
        stop = self.size(view.slices) - view.trim[1]
        step = max(1, _BLOCK_BYTES // (8 * int(np.prod(self.shape(view)[1:]))))
        left, right = self.padding(view)
        for at in range(view.trim[0], stop, step):
            block = np.ascontiguousarray(ordered[at : min(at + step, stop)])
            # The way there and back leaves rounding errors where nothing was acquired.
            block[..., :left] = 0
            block[..., right:] = 0
            yield transforms.reverse(block, -2) if view.flip else block

    def _to(self, axis: str, inverse: bool) -> None:
        if (axis in self.image) == inverse:
            return
        at = self.axes.index(axis)
        over = 0 if at else 1
        for part in np.moveaxis(self.data, over, 0):
            part[...] = transforms.centred(part, (at - (at > over),), inverse)
        self.image ^= {axis}
