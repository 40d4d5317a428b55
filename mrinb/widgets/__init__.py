"""Interactive figures that work live in Jupyter and, without a kernel, in the built book."""

from mrinb.widgets.compare import CompareData, Comparer, View

__all__ = ["CompareData", "Comparer", "View"]
