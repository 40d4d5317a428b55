"""Which processor computes, and how its memory is kept."""

from __future__ import annotations

import contextlib
import ctypes
import re

import torch

from mrinb.errors import MrinbError


def torch_device(name: str) -> torch.device:
    """Resolve ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; ``auto`` takes a GPU where there is one.

    Raises:
        MrinbError: the name is none of these, or there is no such GPU here.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise MrinbError(f"unknown device {name!r}: valid: auto, cpu, cuda, cuda:N")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= found:
        raise MrinbError(f"device {name}: this machine has {found} usable GPUs; use cpu")
    return device


def keep_memory() -> None:
    """Have glibc keep freed memory: faulting pages in anew costs 5 to 10 % of a small step."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        allocator = ctypes.CDLL(None)
        allocator.mallopt(-1, 2**30)  # M_TRIM_THRESHOLD
        allocator.mallopt(-3, 2**25)  # M_MMAP_THRESHOLD, at its largest
