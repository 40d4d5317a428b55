"""Interactive figures that work live in Jupyter and, without a kernel, in the built book."""

from mrinb.comparison import CompareData, View
from mrinb.widgets.compare import Comparer
from mrinb.widgets.host import live
from mrinb.widgets.mask_explorer import MaskExplorer
from mrinb.widgets.scatter import Scatter
from mrinb.widgets.scatter_points import Line, Point, ScatterData
from mrinb.widgets.toy import Toy, ToyData

__all__ = [
    "CompareData",
    "Comparer",
    "Line",
    "MaskExplorer",
    "Point",
    "Scatter",
    "ScatterData",
    "Toy",
    "ToyData",
    "View",
    "live",
]
