"""Experiments of Section 3 and Appendix B: their training pools, sizes, and the part of chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy import stats

from mrinb.catalogue import DISTRIBUTIONS
from mrinb.data.volumes import available
from mrinb.errors import MrinbError
from mrinb.lab import Lab
from mrinb.pools import Pool
from mrinb.profiles import NETWORKS, PROFILES, Profile
from mrinb.recipes import split_slices
from mrinb.recon import metrics
from mrinb.recon.models import build, parameters
from mrinb.recon.training import LEARNING_RATES, learning_rate_grid
from mrinb.shifts import Shift, section3
from mrinb.specs import ModelSpec
from mrinb.stats import claims, correlation
from mrinb.tables import note_of, noted
from mrinb.widgets import CompareData

PAPER_CHANNELS, PAPER_SMALL = 32, 10
"""Channels of the paper's U-net and of its small one (Figure 13)."""
NO_VARIATION = 3000
"""Slices beyond which the paper sees "next to no variation" between seeds (Figures 4 and 13)."""
FLAT_RATES = (1.3e-3, 1e-3, 7e-4)
"""Learning rates between which the paper found negligible differences (Appendix B.2)."""
RATE = 1e-3
"""The learning rate that the paper and this book train with."""


def shifts_of(lab: Lab, model: str, shift: str = "") -> tuple[Shift, ...]:
    """The shifts that Figure 12 has of a network.

    Args:
        lab: the chapter's lab.
        model: the network.
        shift: what the reader asks for; empty takes what the profile has time for.
    """
    return section3.select(shift or lab.profile.networks[model].shift or lab.profile.shift)


def four_pools(shift: Shift) -> dict[str, Pool]:
    """Training pools of Figures 3 and 12: P, Q, both, and a random half of both."""
    both = shift.P + shift.Q
    return {"P": shift.P, "Q": shift.Q, "P+Q": both, "half of P+Q": both.half()}


def small_pools(shift: Shift) -> dict[str, Pool]:
    """Training pools of Figure 13, top: a random quarter of each of ``four_pools``."""
    both = (shift.P + shift.Q).quarter()
    return {
        "P": shift.P.quarter(), "Q": shift.Q.quarter(), "P+Q": both, "half of P+Q": both.half(),
    }  # fmt: skip


def skewed_pools(lab: Lab, shift: Shift, factor: int = 10) -> dict[str, Pool]:
    """Training pools of Figure 4: P has fewer slices than Q by a factor.

    Args:
        lab: the chapter's lab.
        shift: P and Q.
        factor: how many times fewer.
    """
    few = shift.P.take(max(1, round(lab.slices(shift.Q) / factor)))
    return {"P": few, "Q": shift.Q, "P+Q": few + shift.Q}


def small_channels(lab: Lab) -> int:
    """Channels of Figure 13's small U-net: as the paper's 10 are to 32, rounded up."""
    own = int(lab.model_spec("unet").option("channels"))
    return math.ceil(own * PAPER_SMALL / PAPER_CHANNELS)


def sizes(lab: Lab) -> pd.DataFrame:
    """Slices of every distribution that are trained, validated and tested on (Appendix B.1).

    Args:
        lab: the chapter's lab.

    Returns:
        One row a distribution, as text: slices, and subjects where they are simulated.
    """
    splits = ("train", "val", "test")
    there = {split: set(available(split, lab.context)) for split in splits}
    rows = []
    for name, row in DISTRIBUTIONS.items():
        counts = {}
        for split in splits:
            if name in there[split]:
                data = lab.data(name, split)
                count = split_slices(data, lab.context)
                of = f" of {data.simulator.subjects} subjects" if data.simulator else ""
                counts[split] = f"{count:,}{of}"
        rows.append({"distribution": row.label, **{s: counts.get(s, "none") for s in splits}})
    table = pd.DataFrame(rows)
    paper = {"train": "about 2,048", "val": "not stated", "test": "about 128"}
    return pd.concat([table, pd.DataFrame([{"distribution": "the paper, each", **paper}])])


def networks(lab: Lab, profiles: Mapping[str, Profile] = PROFILES) -> pd.DataFrame:
    """Options and numbers of parameters of all networks, counted on the networks themselves.

    Args:
        lab: the chapter's lab, whose profile's row is marked.
        profiles: profiles by name; ``paper`` has the paper's own networks.
    """
    rows = []
    for name in NETWORKS:
        for profile in profiles.values():
            network = profile.networks[name]
            options = [dict(network.options)]
            if name == "unet":
                few = math.ceil(options[0]["channels"] * PAPER_SMALL / PAPER_CHANNELS)
                options.append({**options[0], "channels": few})
            for chosen, small in zip(options, ("", ", small"), strict=False):
                here = " (here)" if profile.name == lab.profile.name else ""
                rows.append(
                    {
                        "network": f"{NETWORKS[name]}{small}",
                        "profile": f"{profile.name}{here}",
                        "options": _words(chosen),
                        "parameters": f"{count_parameters(name, chosen):,}",
                        "epochs": network.epochs,
                        "seeds": network.seeds,
                    }
                )
    return pd.DataFrame(rows)


def count_parameters(name: str, options: Mapping[str, int]) -> int:
    """Number of parameters of a network, which is described but not filled with numbers."""
    with torch.device("meta"):
        return parameters(build(ModelSpec(name=name, options=tuple(sorted(options.items())))))


def _words(options: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in options.items())


def join_models(exhibits: Sequence[CompareData]) -> CompareData:
    """Pictures of several networks on the same pools and slices in one comparer.

    Args:
        exhibits: results of ``lab.reconstructions``, one a network.

    Raises:
        MrinbError: they differ in pools or test slices.
    """
    first, *rest = exhibits
    views = list(first.views)
    for data in rest:
        names = [view.name for view in data.views]
        if [*data.pools] != [*first.pools] or names != [view.name for view in views]:
            raise MrinbError("networks in one comparer need the same pools and test slices")
        views = [
            replace(
                view,
                images={**view.images, **other.images},
                scores={**view.scores, **other.scores},
                notes=[*view.notes, *(n for n in other.notes if n not in view.notes)],
            )
            for view, other in zip(views, data.views, strict=True)
        ]
    models = [model for data in exhibits for model in data.models]
    return CompareData(pools=first.pools, models=models, views=views)


def seed_scatter(scores: pd.DataFrame) -> pd.DataFrame:
    """How far seeds scatter, for every training set, on what it was trained for.

    Args:
        scores: table of ``lab.evaluate`` with a column ``series``, which names networks of one
            size. Test slices of distributions that a training set does not contain are passed
            over; so is a run that stands in the table for several shifts.

    Returns:
        One row a series and training set: ``series``, ``pool_string``, ``train_slices``, ``seeds``
        and, for each of SSIM and foreground SSIM, the standard deviation over seeds of the mean
        over one distribution's test slices, in root mean square over distributions (NaN of one
        seed). A mean over more distributions would scatter less for that reason alone.
    """
    rows = scores[(scores["seed"] >= 0) & (scores["split"] == "test")]
    pools = {text: set(Pool.parse(text).distributions) for text in rows["pool_string"].unique()}
    own = [
        d in pools[text] for d, text in zip(rows["distribution"], rows["pool_string"], strict=True)
    ]
    trained = ["series", "pool_string", "train_slices"]
    on = [*trained, "seed", "distribution"]
    rows = rows[own].drop_duplicates([*on, "volume", "slice"])
    means = rows.groupby(on, sort=False)[[*claims.METRICS]].mean().reset_index()
    each = means.groupby([*trained, "distribution"], sort=False)[[*claims.METRICS]].var()
    table = np.sqrt(each.groupby(trained, sort=False).mean())
    seeds = means.groupby(trained, sort=False)["seed"].nunique()
    return noted(table.assign(seeds=seeds).reset_index(), note_of(scores))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


@claims.answers(lambda claim, found, verdict: claims.Outcome(claim, verdict, found))
def scatter_verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """Whether the scatter of seeds falls with the number of slices, and whether it is next to none.

    Rules, on SSIM and on foreground SSIM, which must agree (the second was made stricter after
    first results, see the changelog):

    * it *falls with size* if Spearman's rank correlation of slices and standard deviation is below
      zero in a permutation test at 5 %, over the series with most training sets: between networks
      the scatter differs whatever the size (training sets overlap, which the test passes over);
    * it is *next to none beyond 3,000 slices* if two standard deviations of every larger training
      set are within ``claims.MARGIN``, for the upper 95 % bound that a chi-squared distribution
      gives for so few seeds; it is not if their estimates are beyond. Where no training set is
      larger, that is beyond the profile.

    Args:
        table: result of ``seed_scatter``.

    Returns:
        Two rows of text: ``claim``, ``found`` and ``verdict``.
    """
    largest = int(table["train_slices"].max())
    smallest = int(table["train_slices"].min())
    metrics = list(claims.METRICS)
    series = table[table["series"] == table["series"].value_counts().idxmax()]
    if table["seeds"].min() < claims.MIN_SEEDS or len(series) < 3:
        falls, flat, numbers, at_largest = "underpowered", "underpowered", "too few seeds", ""
    else:
        found = [
            correlation.correlation(
                series["train_slices"].to_numpy(float), series[m].to_numpy(float)
            )
            for m in metrics
        ]
        falls = claims.agreed([_falls(c) for c in found])
        numbers = f"{series['series'].iloc[0]}: " + "; ".join(
            f"rank correlation {claims.signed(c.rho, 2)}, {_p(c.p_below)}" for c in found
        )
        above = table[table["train_slices"] > NO_VARIATION]
        flat = claims.agreed([_flat(2 * above[m], above["seeds"]) for m in metrics])
        top = table[table["train_slices"] == largest]
        at_largest = "; two standard deviations there " + ", ".join(
            f"{2 * top[m].max():.4f}" for m in metrics
        )
    range_ = f"{len(table)} training sets of {smallest:,} to {largest:,} slices"
    rows = [
        ("the scatter of seeds falls with the number of slices", f"{range_}; {numbers}", falls),
        (
            f"beyond {NO_VARIATION:,} slices it is next to none",
            f"the largest has {largest:,} slices{at_largest}",
            "beyond this profile" if largest <= NO_VARIATION else flat,
        ),
    ]
    return pd.DataFrame(rows, columns=["claim", "found", "verdict"])


def _falls(found: correlation.Correlation) -> claims.Word:
    if found.p_below <= claims.LEVEL:
        return "holds"
    return "does not hold" if found.p <= claims.LEVEL else "undecided"


def _flat(twice: pd.Series, seeds: pd.Series) -> claims.Word:
    freedom = seeds - 1
    upper = twice * np.sqrt(freedom / stats.chi2.ppf(claims.LEVEL, freedom))
    if (upper <= claims.MARGIN).all():
        return "holds"
    return "undecided" if (twice <= claims.MARGIN).all() else "does not hold"


def learning_rates(
    lab: Lab,
    model: str,
    pool: Pool,
    rates: Sequence[float] = LEARNING_RATES,
    seeds: int = 1,
) -> pd.DataFrame:
    """Appendix B.2's grid: train at each learning rate, score on the validation split.

    Args:
        lab: the chapter's lab.
        model: the model's name.
        pool: pool that is trained and validated on.
        rates: largest learning rates of the schedule.
        seeds: number of seeds.

    Returns:
        One row a rate and seed: ``learning_rate``, ``seed`` and the mean of every score over
        the validation slices.
    """
    bases = lab.train(model, {"pool": pool}, seeds).specs["pool"]
    runs = [spec for base in bases for spec in learning_rate_grid(base, rates)]
    tests = [lab.data(d, "val") for d in pool.distributions]
    specs = {run: [lab.eval_spec(run, test) for test in tests] for run in runs}
    entries = lab.fetch([spec for group in specs.values() for spec in group])
    rows = []
    for run, group in specs.items():
        scores = pd.concat([entries[spec].table("scores") for spec in group])
        means = scores[[*metrics.VERSIONS]].mean()
        rows.append({"learning_rate": run.learning_rate, "seed": run.seed, **means})
    return noted(pd.DataFrame(rows), lab.note(list(specs)))


def flat_rates(grid: pd.DataFrame) -> pd.DataFrame:
    """How much the learning rate matters where the paper found that it hardly does.

    It is shown and not judged: a single seed of each rate tells no difference from chance.

    Args:
        grid: tables of ``lab.learning_rates`` with a column ``series``.

    Returns:
        One row a series, as text: the best rate, its SSIM, what the book's rate lies below it, and
        the range among ``FLAT_RATES`` on SSIM and on foreground SSIM.
    """
    rows = []
    for series, part in grid.groupby("series", sort=False):
        both = part.groupby("learning_rate")[[*claims.METRICS]].mean()
        flat = both[[any(np.isclose(rate, f) for f in FLAT_RATES) for rate in both.index]]
        means = both["ssim"]
        own = means[np.isclose(means.index, RATE)]
        reach, inside = np.ptp(flat.to_numpy(), axis=0)
        rows.append(
            {
                "trained": series,
                "best rate": f"{means.idxmax():g}",
                "SSIM": f"{means.max():.4f}",
                f"{RATE:g} below it by": f"{means.max() - own.iloc[0]:.4f}" if len(own) else "",
                "range of 0.0007 to 0.0013": f"{reach:.4f}",
                "on the foreground": f"{inside:.4f}",
            }
        )
    return pd.DataFrame(rows)
