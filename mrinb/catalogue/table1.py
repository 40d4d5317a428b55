"""The datasets of Table 1 as printed, each with the distributions that stand for it here.

The brain's field strengths add up to 110 % in the paper; its public split lists give 43 % at 1.5 T
and 57 % at 3 T, and 2 to 28 coils.
"""

from __future__ import annotations

from mrinb.catalogue import fastmri, others
from mrinb.catalogue.base import Dataset

DATASETS: tuple[Dataset, ...] = (
    Dataset(
        "fastMRI knee", "knee", "coronal", "PD (50%), PDFS (50%)", "Siemens",
        "1.5T (45%), 3T (55%)", "15", "1.2k/1.2k", "42k", "train", fastmri.KNEES,
    ),
    Dataset(
        "fastMRI brain", "brain", "axial", "T1 (11%), T1POST (21%), T2 (60%), FLAIR (8%)",
        "Siemens", "1.5T (43%), 3T (67%)", "4-20", "6.4k/6.4k", "100k", "train", fastmri.BRAINS,
    ),
    Dataset(
        "fastMRI prostate", "prostate", "axial", "T2", "Siemens",
        "3T", "10-30", "312/312", "9.5k", "train",
        others.PROSTATE,
    ),
    Dataset(
        "M4Raw", "brain", "axial", "T1 (37%), T2 (37%), FLAIR (26%)", "XGY",
        "0.3T", "4", "1.4k/183", "25k", "train",
        others.M4RAW,
    ),
    Dataset(
        "SKM-TEA, 3D", "knee", "sagittal", "qDESS", "GE", "3T", "8, 16", "310/155", "50k", "train",
        others.SKM_TEA,
    ),
    Dataset(
        "Stanford 3D, axial", "knee", "axial", "PDFS", "GE", "3T", "8", "19/19", "6k", "train",
        others.STANFORD_3D[0:1],
    ),
    Dataset(
        "Stanford 3D, coronal", "knee", "coronal", "PDFS", "GE", "3T", "8", "19/19", "6k", "train",
        others.STANFORD_3D[1:2],
    ),
    Dataset(
        "Stanford 3D, sagittal", "knee", "sagittal", "PDFS", "GE",
        "3T", "8", "19/19", "4.8k", "train",
        others.STANFORD_3D[2:3],
    ),
    Dataset(
        "7T database, 3D, axial", "brain", "axial", "MP2RAGE-ME", "Philips",
        "7T", "32", "385/77", "112k", "train",
        others.AHEAD[0:1],
    ),
    Dataset(
        "7T database, 3D, coronal", "brain", "coronal", "MP2RAGE-ME", "Philips",
        "7T", "32", "385/77", "112k", "train",
        others.AHEAD[1:2],
    ),
    Dataset(
        "7T database, 3D, sagittal", "brain", "sagittal", "MP2RAGE-ME", "Philips",
        "7T", "32", "385/77", "91k", "train",
        others.AHEAD[2:3],
    ),
    Dataset(
        "CC-359, 3D, axial", "brain", "axial", "GRE", "GE", "3T", "12", "67/67", "17k", "train",
        others.CC359[0:1],
    ),
    Dataset(
        "CC-359, 3D, coronal", "brain", "coronal", "GRE", "GE", "3T", "12", "67/67", "14k", "train",
        others.CC359[1:2],
    ),
    Dataset(
        "CC-359, 3D, sagittal", "brain", "sagittal", "GRE", "GE",
        "3T", "12", "67/67", "11k", "unseen",
        others.CC359[2:3],
    ),
    Dataset(
        "Stanford 2D", "various", "various", "various", "GE", "3T", "3-32", "89/89", "2k", "unseen",
        others.STANFORD_2D,
    ),
    Dataset(
        "NYU data", "knee", "various", "PD (40%), PDFS (20%), T2FS (40%)", "Siemens",
        "3T", "15", "100/20", "3.5k", "unseen",
        others.NYU,
    ),
    Dataset(
        "M4Raw GRE", "brain", "axial", "GRE", "XGY", "0.3T", "4", "366/183", "6.6k", "unseen",
        others.M4RAW_GRE,
    ),
)  # fmt: skip
