"""The search for nearest neighbours: a million features within 2 GB, at the speed of its products.

The million is searched in a process of its own, whose largest memory is then known.
"""

from __future__ import annotations

import multiprocessing
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness import Row, bench, race
from mrinb.similarity import search as similarity

FEATURES, WIDTH, QUERIES = 1_000_000, 512, 5_000
LARGEST_BYTES = 2 * 10**9
FEW, FEW_QUERIES = 50_000, 1_000


@bench("similarity")
def search() -> Iterator[Row]:
    """Time the search against the matrix products that it cannot do without.

    Raises:
        MemoryError: the search of a million features used more than 2 GB.
    """
    with tempfile.TemporaryDirectory() as folder:
        few = _write(Path(folder) / "few.npy", FEW)
        queries = torch.from_numpy(_random(FEW_QUERIES, seed=1))
        everything = torch.from_numpy(np.load(few).astype(np.float32))
        _compare(few, queries, everything)
        times = race(
            lambda: similarity.nearest(queries, similarity.read_features(few)),
            lambda: (queries @ everything.T).max(dim=1),
            rounds=5,
        )
        yield Row(f"{FEW:,} features, {FEW_QUERIES:,} queries, from disk", *times, 0.5)
        many = _write(Path(folder) / "many.npy", FEATURES)
        seconds, peak = measure(many, QUERIES)
        if peak > LARGEST_BYTES:
            raise MemoryError(f"searching {FEATURES:,} features took {peak / 1e9:.2f} GB")
        what = f"{FEATURES:,} features, {QUERIES:,} queries, {peak / 1e9:.2f} GB at most"
        yield Row(what, seconds, times[1] * FEATURES / FEW * QUERIES / FEW_QUERIES, 0.5)


def measure(path: Path, queries: int) -> tuple[float, int]:
    """Search a file of features in a process of its own.

    Args:
        path: the features.
        queries: number of queries.

    Returns:
        Seconds, and the process's largest resident memory in bytes, torch included.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measured, path, queries).result()


def _measured(path: Path, queries: int) -> tuple[float, int]:
    torch.set_num_threads(1)
    wanted = torch.from_numpy(_random(queries, seed=1))
    start = time.perf_counter()
    similarity.nearest(wanted, similarity.read_features(path))
    seconds = time.perf_counter() - start
    # Not getrusage, whose largest size a new process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    if peak is None:
        raise RuntimeError("this system does not tell the largest memory of a process")
    return seconds, 1024 * int(peak.group(1))


def _compare(path: Path, queries: torch.Tensor, everything: torch.Tensor) -> None:
    """The search finds what one matrix product finds, or the comparison is void."""
    found = similarity.nearest(queries, similarity.read_features(path))
    norm = torch.nn.functional.normalize
    wanted = (norm(queries, dim=-1) @ norm(everything, dim=-1).T).max(dim=1).values
    torch.testing.assert_close(found.similarity, wanted, atol=1e-5, rtol=0)


def _random(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, WIDTH), dtype=np.float32)


def _write(path: Path, count: int) -> Path:
    """Random features of float16, written a block at a time."""
    array = np.lib.format.open_memmap(path, "w+", np.float16, (count, WIDTH))
    for start in range(0, count, similarity.ROWS):
        array[start : start + similarity.ROWS] = _random(
            min(similarity.ROWS, count - start), seed=start
        )
    array.flush()
    return path
