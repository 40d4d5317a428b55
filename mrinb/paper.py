"""The paper's own printed numbers, for tables beside ours.

Only what the paper prints as a number stands here: Tables 2, 3, 4 and the text of Appendix A.
Its figures are compared by sign and rank, never read off.
Source: Lin and Heckel, Robustness of Deep Learning for Accelerated MRI (2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from mrinb.errors import unknown

if TYPE_CHECKING:
    import pandas as pd


FINDINGS: dict[str, str] = {
    "one network": "One network trained on several distributions is as good on each of them as a "
    "network of its own.",
    "diverse data": "Diverse training data make a network better on a distribution that it has "
    "not seen, and no worse on those it has seen.",
    "similar data": "The more similar training data are to test data, the better.",
    "own weights": "Without a network, each distribution has a regularisation weight of its own.",
}
"""What the paper finds, for the claims to be grouped by; in its order."""


class Printed(NamedTuple):
    """One number of the paper.

    Attributes:
        table: ``Table 2``, ``Table 3``, ``Table 4`` or ``Appendix A``.
        model: ``U-net``, ``ViT``, ``VarNet`` or ``l1-wavelet``.
        train: training set as printed, or the regularisation weight in Appendix A.
        test: test set as printed.
        metric: ``SSIM``, ``LPIPS``, ``DISTS`` or ``variance of Laplacian``.
        value: the number, with the decimals the paper gives.
    """

    table: str
    model: str
    train: str
    test: str
    metric: str
    value: float


_TRAIN = ("fastMRI knee", "fastMRI brain", "D_P", "test distribution")
_TEST = (
    "fastMRI knee", "fastMRI brain", "CC-359 sagittal", "NYU", "Stanford 2D", "M4Raw GRE", "mean",
)  # fmt: skip

_TABLE_3 = {
    "U-net": (
        "0.230/0.132 0.249/0.146 0.294/0.185 0.226/0.128 0.260/0.163 0.276/0.183 0.256/0.156",
        "0.299/0.163 0.224/0.130 0.281/0.168 0.270/0.150 0.283/0.168 0.253/0.160 0.268/0.157",
        "0.230/0.132 0.224/0.132 0.247/0.149 0.221/0.128 0.257/0.154 0.249/0.160 0.238/0.142",
        "0.230/0.132 0.224/0.130 0.215/0.136 0.214/0.123 0.246/0.143 0.239/0.153 0.228/0.136",
    ),
    "ViT": (
        "0.225/0.132 0.246/0.146 0.295/0.185 0.219/0.128 0.258/0.163 0.265/0.183 0.251/0.156",
        "0.280/0.163 0.220/0.130 0.264/0.168 0.254/0.150 0.258/0.168 0.253/0.160 0.255/0.157",
        "0.223/0.132 0.221/0.132 0.228/0.149 0.219/0.128 0.243/0.154 0.252/0.160 0.231/0.142",
        "0.225/0.132 0.220/0.130 0.206/0.136 0.207/0.123 0.236/0.143 0.237/0.153 0.222/0.136",
    ),
    "VarNet": (
        "0.209/0.122 0.226/0.132 0.306/0.189 0.201/0.106 0.244/0.143 0.344/0.226 0.255/0.153",
        "0.246/0.139 0.206/0.120 0.251/0.152 0.223/0.118 0.241/0.141 0.273/0.174 0.240/0.140",
        "0.210/0.122 0.206/0.119 0.173/0.117 0.198/0.095 0.228/0.131 0.269/0.179 0.214/0.127",
        "0.209/0.122 0.206/0.120 0.161/0.105 0.193/0.114 0.226/0.131 0.219/0.147 0.202/0.123",
    ),
}
_TABLE_4 = {
    "U-net": (
        "257 184 389 153 357 246 264",
        "294 157 348 167 334 197 245",
        "267 169 309 165 346 194 242",
        "257 157 239 147 267 156 204",
    ),
    "ViT": (
        "255 189 409 158 348 239 266",
        "293 154 329 173 303 202 242",
        "255 157 288 158 265 194 220",
        "255 154 227 148 249 156 198",
    ),
    "VarNet": (
        "245 174 434 183 318 331 281",
        "271 149 292 214 323 247 249",
        "245 148 151 136 271 199 192",
        "245 149 117 138 211 139 166",
    ),
}


def _table_2() -> list[Printed]:
    """SSIM on the fastMRI knee PDFS subset, by training and test acceleration."""
    own = {"2-fold": 0.945, "4-fold": 0.903, "8-fold": 0.867, "16-fold": 0.828, "3-fold": 0.921}
    unseen = {"2-fold": 0.906, "4-fold": 0.899, "8-fold": 0.834, "16-fold": 0.758}
    joint = {"2-fold": 0.944, "4-fold": 0.902, "8-fold": 0.866, "16-fold": 0.829, "3-fold": 0.912}
    cells = [(fold, fold, value) for fold, value in own.items()]
    cells += [(fold, "3-fold", value) for fold, value in unseen.items()]
    cells += [("all of above", fold, value) for fold, value in joint.items()]
    return [Printed("Table 2", "U-net", a, b, "SSIM", value) for a, b, value in cells]


def _rows(
    table: str, cells: Mapping[str, tuple[str, ...]], metrics: tuple[str, ...]
) -> list[Printed]:
    return [
        Printed(table, model, train, test, metric, float(value))
        for model, lines in cells.items()
        for train, line in zip(_TRAIN, lines, strict=True)
        for test, cell in zip(_TEST, line.split(), strict=True)
        for metric, value in zip(metrics, cell.split("/"), strict=True)
    ]


def _appendix_a() -> list[Printed]:
    """SSIM of l1-wavelet least squares by regularisation weight, 100 single-coil knee images each.

    P is PD Skyra 3 T, Q is PDFS Aera 1.5 T.
    """
    cells = {
        ("0.01", "knee/PD-Skyra"): 0.792,
        ("0.001", "knee/PD-Skyra"): 0.788,
        ("0.01", "knee/PDFS-Aera"): 0.602,
        ("0.001", "knee/PDFS-Aera"): 0.609,
    }
    return [
        Printed("Appendix A", "l1-wavelet", weight, test, "SSIM", value)
        for (weight, test), value in cells.items()
    ]


PRINTED: tuple[Printed, ...] = (
    *_table_2(),
    *_rows("Table 3", _TABLE_3, ("LPIPS", "DISTS")),
    *_rows("Table 4", _TABLE_4, ("variance of Laplacian",)),
    *_appendix_a(),
)
"""Every printed number, slips included: in Table 3 all 28 DISTS values of the ViT are the U-net's;
in Table 4 the mean of the U-net trained on fastMRI brain is 245 where its row gives 249.5."""


def by_cell(table: str) -> dict[tuple[str, str], float]:
    """The numbers of a table with one score, by what was trained or chosen and what was tested."""
    return {(p.train, p.test): p.value for p in PRINTED if p.table == table}


def printed(table: str) -> pd.DataFrame:
    """The numbers of one of the paper's tables, one row each.

    Args:
        table: ``Table 2``, ``Table 3``, ``Table 4`` or ``Appendix A``.

    Returns:
        Columns as the attributes of ``Printed``.

    Raises:
        MrinbError: no numbers of this table are kept.
    """
    import pandas as pd  # here, so that the numbers alone cost nothing to import

    names = dict.fromkeys(p.table for p in PRINTED)
    if table not in names:
        raise unknown("table of the paper", table, names)
    rows = [p for p in PRINTED if p.table == table]
    return pd.DataFrame(rows, columns=pd.Index(Printed._fields))
