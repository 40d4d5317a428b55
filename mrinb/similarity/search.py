"""How similar two data sets are: nearest neighbours of image patches in feature space (Appendix D).

From the ground truths of a split, square patches are drawn at random; those that show mostly air
are discarded; a network embeds the rest (``embedders``). A test patch's similarity to a training
pool is the largest cosine between its features and those of the pool's patches.

A union of pools holds every patch of its parts, and the largest of more values is never smaller:
over all patches a union cannot be less similar than a part of it, whatever it shows. So every pool
is also searched at the same number of patches, drawn from its distributions in equal shares.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from mrinb.compute.context import Context
from mrinb.compute.devices import torch_device
from mrinb.data import files
from mrinb.data.slices import crop
from mrinb.data.volumes import Volume, select, volumes
from mrinb.errors import MrinbError
from mrinb.pools import Pool, paired
from mrinb.recon import metrics
from mrinb.similarity import embedders
from mrinb.specs import (
    DataSpec,
    EmbedderSpec,
    FeatureSpec,
    MatchSpec,
    ModelSpec,
    SimilaritySpec,
    TrainSpec,
)
from mrinb.stats.correlation import ALL, SAME

Progress = Callable[[int, int], None]
VERSION = 1
"""Version of patches and search; it enters keys."""
PATCH, FULL_SIZE = 80, 320
"""The paper's patches are 80 pixels wide; those of a smaller simulated image shrink with it."""
MIN_FOREGROUND = 0.5
"""A patch is kept if at least this fraction of its pixels lies in the slice's foreground."""
TRIES = 30
"""Draws for each patch wanted of a volume; one whose slices are mostly air gives fewer."""
ROWS, QUERIES = 8192, 1024
"""Features compared at once: 32 MB of cosines."""
FEATURES, PLACES = "features.npy", "places"
"""Files of an entry: float16 (patches, features), and where each patch lies."""


class Patch(NamedTuple):
    """Where a patch lies in its split.

    Attributes:
        volume, subject: names.
        slice: the slice's number in its volume.
        row, column: its first pixel, in the image as it is stored.
    """

    volume: str
    subject: str
    slice: int
    row: int
    column: int


class Nearest(NamedTuple):
    """Nearest neighbours of some queries.

    Attributes:
        similarity: largest cosine (queries,).
        place: which feature has it, counted over all blocks; -1 where there was none (queries,).
        compared: number of features each query was compared with.
    """

    similarity: Tensor
    place: Tensor
    compared: int


# --- patches ------------------------------------------------------------------------------------


def patch_size(data: DataSpec) -> int:
    """Pixels a side of a split's patches: 80 at full size, fewer of smaller simulated images."""
    size = data.simulator.size if data.simulator else FULL_SIZE
    return max(1, round(PATCH * size / FULL_SIZE))


def feature_spec(data: DataSpec, embedder: EmbedderSpec, count: int, draw: int = 0) -> FeatureSpec:
    """Describe the features of a split.

    Args:
        data: the split.
        embedder: the network.
        count: number of patches.
        draw: seed of the draws.
    """
    foreground = metrics.VERSIONS["ssim_foreground"]
    return FeatureSpec(
        data=data, embedder=embedder, patch=patch_size(data), count=count, draw=draw,
        foreground=foreground, version=VERSION,
    )  # fmt: skip


def candidates(volume: Volume, patch: int, count: int, seed: int) -> np.ndarray:
    """Random patches of a volume, seeded by its name: slice, row and column (candidates, 3).

    Raises:
        MrinbError: the images are smaller than a patch.
    """
    height, width = volume.recon_shape
    if patch > min(height, width):
        raise MrinbError(f"{volume.path}: images of {height} x {width} hold no patch of {patch}")
    name = hashlib.sha256(f"patches:{seed}:{volume.name}".encode()).digest()
    ends = (volume.slices, height - patch + 1, width - patch + 1)
    drawn = np.random.default_rng(list(name)).integers(0, ends, (TRIES * count, 3))
    drawn[:, 0] = np.asarray(volume.used)[drawn[:, 0]]
    return drawn


def sample(volume: Volume, patch: int, count: int, seed: int) -> tuple[list[Patch], np.ndarray]:
    """Draw the patches of a volume that show more than air.

    The first ``count`` candidates whose pixels lie in ``metrics.foreground`` for at least
    ``MIN_FOREGROUND`` are kept; in a slice without any foreground there are none.

    Args:
        volume: the volume.
        patch: pixels a side.
        count: number wanted.
        seed: seed of the draws.

    Returns:
        Where they lie, fewer than wanted where most is air, and images (patches, patch, patch) in
        units of the volume's largest value.
    """
    found: list[Patch] = []
    images = [np.empty((0, patch, patch), np.float32)]
    with files.open_volume(volume.path) as file:

        @lru_cache(maxsize=16)  # bounds memory where a volume has many slices
        def load(index: int) -> tuple[np.ndarray, np.ndarray]:
            image = _read(file, volume, index)
            inside = metrics.foreground(torch.from_numpy(image)[None])[0].numpy()
            return image, inside & ~inside.all()  # all true stands for "nothing found"

        for index, row, column in candidates(volume, patch, count, seed):
            if len(found) == count:
                break
            image, inside = load(index)
            window = np.s_[row : row + patch, column : column + patch]
            if inside[window].mean() >= MIN_FOREGROUND:
                place = (int(index), int(row), int(column))
                found.append(Patch(volume.name, volume.subject, *place))
                images.append(image[window][None])
    return found, np.concatenate(images)


def _read(file: files.h5py.File, volume: Volume, index: int) -> np.ndarray:
    """One ground truth (height, width) in units of its volume's largest value."""
    values = files.read_slice(file, files.TARGET, int(index), volume.path)
    files.require_finite(values, files.TARGET, int(index), volume.path)
    target = crop(torch.from_numpy(values.astype(np.float32)), volume.recon_shape)
    return target.numpy() / volume.max_value


def _in_turn(found: Sequence[Volume], count: int) -> list[tuple[Volume, int]]:
    """Volumes in an order that depends on their names alone, and how many patches each gives."""
    ordered = sorted(found, key=lambda v: hashlib.sha256(v.name.encode()).hexdigest())
    return [
        (v, n) for v, n in zip(ordered, shares(count, [count] * len(ordered)), strict=True) if n
    ]


def shares(count: int, sizes: Sequence[int]) -> list[int]:
    """Divide a number as evenly as sizes allow; what one lacks is divided among the others.

    Args:
        count: what is divided; more than there is gives everything.
        sizes: the most that each can give.

    Returns:
        What each gives; the first ones take what cannot be divided.
    """
    given = [0] * len(sizes)
    left = min(count, sum(sizes))
    while left:
        open_ = [i for i, size in enumerate(sizes) if given[i] < size]
        each = max(left // len(open_), 1)
        for i in open_[:left]:
            step = min(each, sizes[i] - given[i])
            given[i] += step
            left -= step
    return given


# --- features -----------------------------------------------------------------------------------


def features(
    spec: FeatureSpec, context: Context, progress: Progress | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Embed the patches of a split, one volume in memory at a time.

    Args:
        spec: which patches, and the network.
        context: where the data lie, and the device.
        progress: called with volumes done and volumes in all.

    Returns:
        Features float16 (patches, features), and a row for each with the columns of ``Patch``. The
        volumes take turns, so that the first rows of a split are a fair sample of it.

    Raises:
        MrinbError: the split shows nothing but air, or weights are missing.
    """
    embedder = embedders.load(spec.embedder, context.device)
    turns = _in_turn(volumes(spec.data, context), spec.count)
    rows: list[tuple[int, Patch, np.ndarray]] = []
    for done, (volume, count) in enumerate(turns):
        found, images = sample(volume, spec.patch, count, spec.draw)
        rows += zip(range(count), found, embedder.features(images), strict=False)
        if progress:
            progress(done + 1, len(turns))
    if not rows:
        raise MrinbError(
            f"{spec.data.distribution} {spec.data.split}: no patch of {spec.patch} x {spec.patch} "
            "pixels shows more than air"
        )
    rows.sort(key=lambda row: row[0])
    return np.stack([f for _, _, f in rows]), pd.DataFrame([p for _, p, _ in rows])


def read_features(path: Path, rows: np.ndarray | None = None) -> Iterator[Tensor]:
    """Read features from a file, ``ROWS`` at a time.

    Args:
        path: an array (patches, features) as numpy saves it.
        rows: the rows wanted, ascending; None reads all.

    Yields:
        Features float32 (patches, features).
    """
    # Plain reads, as the pages of a memory map would count as used memory.
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        (count, width), _, dtype = np.lib.format.read_array_header_1_0(file)
        for start in range(0, count, ROWS):
            block = np.fromfile(file, dtype, min(ROWS, count - start) * width).reshape(-1, width)
            if rows is not None:
                first, last = np.searchsorted(rows, (start, start + ROWS))
                block = block[rows[first:last] - start]
            if len(block):
                yield torch.from_numpy(block.astype(np.float32))


# --- search -------------------------------------------------------------------------------------


def nearest(queries: Tensor, blocks: Iterable[Tensor], device: str = "cpu") -> Nearest:
    """Find the nearest neighbour of every query among features that come in blocks.

    Neither all features nor all cosines are in memory at once.

    Args:
        queries: features (queries, features).
        blocks: features (some, features), of any norm.
        device: where cosines are computed.

    Returns:
        The largest cosine of each query, the first feature that has it, and how many there were.
    """
    place = torch_device(device)
    left = F.normalize(queries.to(place, torch.float32), dim=-1)
    best = torch.full((len(left),), -torch.inf, device=place)
    index = torch.full((len(left),), -1, dtype=torch.int64, device=place)
    compared = 0
    for block in blocks:
        right = F.normalize(block.to(place, torch.float32), dim=-1).T
        for start in range(0, len(left), QUERIES):
            part = slice(start, start + QUERIES)
            value, where = (left[part] @ right).max(dim=1)
            nearer = value > best[part]
            best[part][nearer] = value[nearer]
            index[part][nearer] = where[nearer] + compared
        compared += len(block)
    return Nearest(best.cpu(), index.cpu(), compared)


def similarity(
    spec: SimilaritySpec, folders: Mapping[FeatureSpec, Path], context: Context
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Similarity of test patches to a training pool, at several numbers of training patches.

    Args:
        spec: the test patches, the pool and its patches, and the numbers compared.
        folders: where the files of every ``FeatureSpec`` lie.
        context: where the data lie, and the device.

    Returns:
        ``similarity`` float16 (numbers + 1, test patches), the last row over all patches;
        ``compared`` (numbers + 1,), how many each row looked at; ``distribution`` (test patches,),
        an index into the test splits, and ``subject`` (test patches,). Second, for each test patch
        the split and the row within it of the nearest of all patches, int32 (test patches, 2).
    """
    kept = _kept(spec, folders, context)
    sizes = [len(rows) for rows in kept]
    queries = torch.cat([block for f in spec.test for block in read_features(_file(folders, f))])
    # Every number's patches are among those of the next one, so each stretch is searched once.
    ends = [[0] * len(sizes), *(shares(n, sizes) for n in spec.counts), sizes]
    best = torch.full((len(queries),), -torch.inf)
    where = np.zeros((len(queries), 2), np.int32)
    found = []
    for low, high in pairwise(ends):
        for split, train in enumerate(spec.train):
            rows = kept[split][low[split] : high[split]]
            if len(rows):
                near = nearest(queries, read_features(_file(folders, train), rows), context.device)
                nearer = near.similarity > best
                best[nearer] = near.similarity[nearer]
                where[nearer.numpy(), 0] = split
                where[nearer.numpy(), 1] = rows[near.place[nearer].numpy()]
        found.append(best.numpy().astype(np.float16))
    places = [_places(folders, f) for f in spec.test]
    return {
        "similarity": np.stack(found),
        "compared": np.array([sum(end) for end in ends[1:]], np.int32),
        "distribution": np.repeat(np.arange(len(places), dtype=np.int8), [len(p) for p in places]),
        "subject": np.concatenate([p["subject"].to_numpy(str) for p in places]),
    }, where


def _file(folders: Mapping[FeatureSpec, Path], spec: FeatureSpec) -> Path:
    return folders[spec] / FEATURES


def _kept(
    spec: SimilaritySpec, folders: Mapping[FeatureSpec, Path], context: Context
) -> list[np.ndarray]:
    """Rows of each training split whose slices belong to the pool."""
    places = [_places(folders, f) for f in spec.train]
    if not subsampled(spec):
        return [np.arange(len(p)) for p in places]
    members = _members(spec, context)
    kept = []
    for train, table in zip(spec.train, places, strict=True):
        name = train.data.distribution
        inside = [
            (name, v, s) in members for v, s in zip(table["volume"], table["slice"], strict=True)
        ]
        kept.append(np.flatnonzero(inside))
    if not sum(map(len, kept)):
        raise MrinbError(f"pool {spec.pool}: none of its slices gave a patch; take more slices")
    return kept


def subsampled(spec: SimilaritySpec) -> bool:
    """Whether a pool keeps only some slices of its distributions."""
    return any(part.steps for part in Pool.parse(spec.pool).parts)


def _members(spec: SimilaritySpec, context: Context) -> set[tuple[str, str, int]]:
    """Distribution, volume and slice of everything that a run on the pool trains on."""
    data = tuple(f.data for f in spec.train)
    run = TrainSpec(
        pool=spec.pool, data=data, model=ModelSpec(name="unet"), epochs=1, seed=spec.subsample
    )
    named = paired(Pool.parse(spec.pool), data)
    found = {name: volumes(d, context) for name, d in named.items()}
    return {(v.distribution, v.name, i) for v, i in select(run, found)}


# --- pictures -----------------------------------------------------------------------------------


def matches(
    spec: MatchSpec,
    folders: Mapping[FeatureSpec, Path],
    similarities: np.ndarray,
    where: np.ndarray,
    context: Context,
) -> dict[str, np.ndarray]:
    """Cut out some test patches and the nearest of all patches of a pool.

    Args:
        spec: which.
        folders: where the files of every ``FeatureSpec`` lie.
        similarities: of every test patch to all patches of the pool (test patches,).
        where: second result of ``similarity``.
        context: where the data lie.

    Returns:
        ``test`` and ``nearest`` uint8 (shown, patch, patch), black 0 and white the volume's largest
        value; ``similarity`` (shown,); ``of`` and ``from``: indices into the test splits and the
        pool's distributions (shown,).
    """
    tests, trains = spec.similarity.test, spec.similarity.train
    sizes = [len(_places(folders, f)) for f in tests]
    shown = [(i, k) for i, n in enumerate(shares(spec.shown, sizes)) for k in range(n)]
    rows = [sum(sizes[:i]) + k for i, k in shown]
    near = [(int(split), int(row)) for split, row in where[rows]]
    return {
        "test": _cut(tests, shown, folders, context),
        "nearest": _cut(trains, near, folders, context),
        "similarity": similarities[rows].astype(np.float32),
        "of": np.array([i for i, _ in shown], np.int8),
        "from": np.array([split for split, _ in near], np.int8),
    }


def tidy(spec: SimilaritySpec, arrays: Mapping[str, np.ndarray], same: int) -> pd.DataFrame:
    """Similarities as a table, one row a test patch and number of training patches.

    Args:
        spec: the search.
        arrays: first result of ``similarity``.
        same: the number at which all pools are compared.

    Returns:
        Columns ``rule`` (``ALL``, ``SAME``, or empty for other numbers), ``compared`` (number of
        training patches), ``distribution`` and ``subject`` of the test patch, ``similarity``.
    """
    names = np.array([f.data.distribution for f in spec.test])
    base = pd.DataFrame(
        {"distribution": names[arrays["distribution"]], "subject": arrays["subject"]}
    )
    counts = [*spec.counts, None]
    return pd.concat(
        [
            base.assign(rule=rule, compared=int(compared), similarity=values.astype(float))
            for count, compared, values in zip(
                counts, arrays["compared"], arrays["similarity"], strict=True
            )
            for rule in [ALL if count is None else SAME if count == same else ""]
        ],
        ignore_index=True,
    )


def counts(patches: int) -> tuple[int, ...]:
    """Numbers of patches at which similarity is measured: an eighth to four times those of a split.

    Args:
        patches: patches of each split.
    """
    return tuple(sorted({max(1, round(patches * 2.0**power)) for power in range(-3, 3)}))


def same_number(specs: Sequence[SimilaritySpec], compared: Sequence[np.ndarray]) -> int:
    """The largest number of patches that every pool has.

    Args:
        specs: searches with the same ``counts``.
        compared: how many patches each looked at, for each of them.

    Raises:
        MrinbError: a pool has fewer than the smallest number.
    """
    reached = [n for i, n in enumerate(specs[0].counts) if all(c[i] == n for c in compared)]
    if not reached:
        fewest = int(np.argmin([c[-1] for c in compared]))
        raise MrinbError(
            f"pool {specs[fewest].pool} gave {compared[fewest][-1]} patches: too few to compare "
            "pools at the same number; take more of its slices"
        )
    return max(reached)


def _places(folders: Mapping[FeatureSpec, Path], spec: FeatureSpec) -> pd.DataFrame:
    return pd.read_parquet(folders[spec] / f"{PLACES}.parquet")


def _cut(
    specs: Sequence[FeatureSpec],
    wanted: Sequence[tuple[int, int]],
    folders: Mapping[FeatureSpec, Path],
    context: Context,
) -> np.ndarray:
    """Patches as uint8 (patches, patch, patch), each given by its split and its row there."""
    pictures = []
    for split, row in wanted:
        spec = specs[split]
        patch = Patch(*_places(folders, spec).loc[row, list(Patch._fields)])
        volume = next(v for v in volumes(spec.data, context) if v.name == patch.volume)
        with files.open_volume(volume.path) as file:
            image = _read(file, volume, patch.slice)
        window = np.s_[patch.row : patch.row + spec.patch, patch.column : patch.column + spec.patch]
        pictures.append(np.round(np.clip(image[window], 0, 1) * 255).astype(np.uint8))
    return np.stack(pictures)


class Choice(NamedTuple):
    """Which patches of a slice are kept.

    Attributes:
        image: uint8 (height, width), white its own 99.5th percentile.
        foreground: what counts as body (height, width).
        kept, discarded: first row and column of candidate patches (patches, 2).
    """

    image: np.ndarray
    foreground: np.ndarray
    kept: np.ndarray
    discarded: np.ndarray


def choice(volume: Volume, index: int, patch: int, seed: int = 0, shown: int = 8) -> Choice:
    """Show the background rule on one slice: the first patches kept and discarded.

    The candidates are those of ``sample``, moved into this slice.

    Args:
        volume: the volume.
        index: the slice.
        patch: pixels a side.
        seed: seed of the draws.
        shown: at most so many of each.
    """
    with files.open_volume(volume.path) as file:
        image = _read(file, volume, index)
    inside = metrics.foreground(torch.from_numpy(image)[None])[0].numpy()
    corners = candidates(volume, patch, shown, seed)[:, 1:]
    covered = [inside[r : r + patch, c : c + patch].mean() >= MIN_FOREGROUND for r, c in corners]
    keep = np.array(covered) & ~inside.all()
    white = np.percentile(image, 99.5)
    picture = np.round(np.clip(image / white, 0, 1) * 255).astype(np.uint8)
    return Choice(picture, inside, corners[keep][:shown], corners[~keep][:shown])
