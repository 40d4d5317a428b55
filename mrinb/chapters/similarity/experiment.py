"""Appendix D's measurements: similarity, nearest patches, which patches are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mrinb.compute.workers import store_of
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.runs import Shown
from mrinb.similarity import embedders, search
from mrinb.specs import EmbedderSpec, FeatureSpec, MatchSpec, SimilaritySpec
from mrinb.tables import noted


def similarities(
    lab: Lab, pools: Mapping[str, Pool], on: Pool, split: str = "test", *, clip_weights: str = ""
) -> pd.DataFrame:
    """Nearest-neighbour similarity of a pool's test patches to training pools (Appendix D).

    Args:
        lab: the chapter's lab.
        pools: training pools by label.
        on: the pool whose test patches are compared.
        split: ``test`` or ``val``.
        clip_weights: file with CLIP's weights; empty takes those that open_clip has kept, else
            EfficientNet-Lite0 (the latter, too, where nothing may be computed and there are no
            results of the former).

    Returns:
        A tidy table, one row a test patch, pool and number of training patches: ``pool``,
        ``pool_string``, ``contains`` (whether the pool has distributions that are tested),
        ``single`` (whether it is one distribution) and the columns of ``search.tidy``.

    Raises:
        MrinbError: there are no weights, or a pool has too few patches.
    """
    specs = _specs(lab, pools, on, split, clip_weights)
    entries = lab.fetch(list(specs.values()))
    arrays = {label: entries[spec].arrays("arrays") for label, spec in specs.items()}
    same = search.same_number(list(specs.values()), [a["compared"] for a in arrays.values()])
    tested = set(on.distributions)
    tables = [
        search.tidy(spec, arrays[label], same).assign(
            pool=label,
            pool_string=str(pools[label]),
            contains=bool(tested & set(pools[label].distributions)),
            single=len(pools[label].distributions) == 1,
        )
        for label, spec in specs.items()
    ]
    return noted(pd.concat(tables, ignore_index=True), _note(lab, list(specs.values())))


def matches(
    lab: Lab, pools: Mapping[str, Pool], on: Pool, shown: int = 6, *, clip_weights: str = ""
) -> Shown:
    """Some test patches of a pool and the nearest patch in each training pool.

    Args:
        lab: the chapter's lab.
        pools: training pools by label.
        on: the pool whose test patches are shown, those of its distributions in turn.
        shown: number of test patches.
        clip_weights: as of ``similarities``.

    Returns:
        The arrays of ``search.matches`` by label of the pool, ``of`` and ``from`` as names
        of distributions.
    """
    searches = _specs(lab, pools, on, "test", clip_weights)
    specs = {
        label: MatchSpec(similarity=found, shown=shown, version=search.VERSION)
        for label, found in searches.items()
    }
    entries = lab.fetch(list(specs.values()))
    arrays = {}
    for label, spec in specs.items():
        found = entries[spec].arrays("arrays")
        for name, features in (("of", spec.similarity.test), ("from", spec.similarity.train)):
            found[name] = np.array([f.data.distribution for f in features])[found[name]]
        arrays[label] = found
    return Shown(arrays, _note(lab, list(searches.values())))


def patches(lab: Lab, distributions: Sequence[str]) -> Shown:
    """Which patches of a test slice are kept, by distribution (see ``exhibits.patches``)."""
    present = lab.present(distributions)
    specs = [lab.exhibit("patches", lab.data(d, "test"), slices=1) for d in present]
    arrays = dict(zip(present, lab.show(specs), strict=True))
    return Shown(arrays, lab.data_note(present, distributions))


def _specs(
    lab: Lab, pools: Mapping[str, Pool], on: Pool, split: str, clip_weights: str
) -> dict[str, SimilaritySpec]:
    size = lab.profile.embedder_size
    specs = _searches(lab, pools, on, split, embedders.choose(clip_weights, size))
    if lab.context.compute == "never" and not clip_weights:
        # Results of CLIP's weights on this machine where there are any, else the published.
        store = store_of(lab.context)
        if any(store.find(spec) is None for spec in specs.values()):
            return _searches(lab, pools, on, split, embedders.choose("", size, cached=False))
    return specs


def _searches(
    lab: Lab, pools: Mapping[str, Pool], on: Pool, split: str, embedder: EmbedderSpec
) -> dict[str, SimilaritySpec]:
    def features(name: str, split: str) -> FeatureSpec:
        return search.feature_spec(lab.data(name, split), embedder, lab.profile.patches)

    tests = tuple(features(d, split) for d in on.distributions)
    return {
        label: SimilaritySpec(
            test=tests,
            pool=pool.expanded(),
            train=tuple(features(d, "train") for d in pool.distributions),
            counts=search.counts(lab.profile.patches),
            subsample=lab.seed if any(part.steps for part in pool.parts) else 0,
            version=search.VERSION,
        )
        for label, pool in pools.items()
    }


def _note(lab: Lab, specs: Sequence[SimilaritySpec]) -> dict[str, Any]:
    return {**lab.note(specs), "embedder": embedders.words(specs[0].test[0].embedder)}
