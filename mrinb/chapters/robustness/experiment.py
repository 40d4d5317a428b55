"""Experiments of several steps: which trainings and tests belong together, as tidy tables.

A study asks the lab for results and adds nothing to them that is not in the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from mrinb.catalogue import homes
from mrinb.errors import MrinbError
from mrinb.exhibits import Pictures
from mrinb.figures import note_text
from mrinb.lab import Lab
from mrinb.labels import (
    BASELINE,
    BOTH,
    DIVERSE,
    L1_WAVELET,
    SAME_SIZE,
    SCORES,
    TRAININGS,
    ZERO_FILLED,
)
from mrinb.pools import Pool
from mrinb.profiles import NETWORKS, network_name
from mrinb.runs import Best, Runs
from mrinb.setting import ALL_MODELS
from mrinb.shifts import Shift
from mrinb.specs import DataSpec, ExhibitSpec, TrainSpec
from mrinb.stats import lines
from mrinb.stats.effects import signed
from mrinb.stats.lines import FULL, QUARTER
from mrinb.tables import Table, joined_note, note_of, noted
from mrinb.widgets import Line, Point, ScatterData

Rule = Literal["validation", "test"]

OTHERS = "other P_i"
"""Mean over the networks of P's distributions other than P_best."""
SELECTOR = "unet"
"""The network that P_best is chosen with, as in the paper."""


@dataclass(frozen=True)
class Study:
    """Section 4's experiment on one shift: everything behind Figure 5.

    Attributes:
        shift: P and Q.
        best: which of P's distributions is best on Q, by both rules.
        rule: the rule that chose the one taken here.
        name: the distribution taken as P_best.
        runs: training runs by model; labels are training sets, followed by ``, quarter`` for those
            of a quarter of the slices.
        scores: one row a test slice, run and checkpoint: the columns of ``lab.evaluate``, with
            ``target`` P_best or Q, ``training`` and ``size``. The pool ``other P_i`` holds the mean
            of the networks of P's other distributions.
    """

    shift: Shift
    best: Best
    rule: Rule
    name: str
    runs: Mapping[str, Runs]
    scores: pd.DataFrame


class Labelled(NamedTuple):
    """A pool of the experiment: its label among the runs, its training set and size."""

    label: str
    training: str
    size: str
    pool: Pool


def networks_on(lab: Lab, shift: Shift, every: bool = False) -> tuple[str, ...]:
    """The networks of a lab that are run on a shift of Section 4 or Appendix C.2.

    Args:
        lab: the chapter's lab.
        shift: P and Q.
        every: whether also those that the profile has no time for.
    """
    if every or lab.model != ALL_MODELS:
        return lab.models
    return tuple(m for m in lab.models if lab.profile.networks[m].shift in ("", shift.name))


def study(
    lab: Lab,
    shift: Shift,
    rule: Rule = "validation",
    every: bool = False,
    metric: str = "ssim",
) -> Study:
    """Train on P_best, P, P cut to the size of P_best, and P+Q; test on P_best and Q (Section 4).

    Every network of ``networks_on`` is trained on the four sets and on a quarter of each; early
    checkpoints are tested as well.

    Args:
        lab: the chapter's lab.
        shift: P and Q.
        rule: whether P_best is chosen by validation data of Q or, as in the paper, by its test
            data.
        every: as of ``networks_on``.
        metric: the score that P_best is chosen by.

    Raises:
        MrinbError: P has one distribution only, or shares one with Q.
    """
    if len(shift.P.distributions) < 2:
        raise MrinbError(f"P = {shift.P} is one distribution: Section 4 needs at least two")
    lab.check_unseen(shift.Q, shift.P)
    best = lab.best_single(shift.P, shift.Q, SELECTOR, metric=metric)
    name = best.by_validation if rule == "validation" else best.by_test
    sets = labelled(lab, shift, name)
    models = networks_on(lab, shift, every)
    runs = {m: lab.train(m, {s.label: s.pool for s in sets}) for m in models}
    on = {BASELINE: Pool.of(name), "Q": shift.Q}
    lab.compute(runs.values(), on, early=True)
    tables = [lab.evaluate(r, on, epochs=r.early) for r in runs.values()]
    rest = [t[t["pool"] != ZERO_FILLED] for t in tables[1:]]  # zero-filled scores are the same
    others = [_others(best, name)] if SELECTOR in runs else []
    scores = lab.join([tables[0], *rest, *others])
    by_label = {s.label: s for s in sets}
    scores = scores.assign(
        shift=shift.name,
        training=[by_label[p].training if p in by_label else "" for p in scores["pool"]],
        size=[by_label[p].size if p in by_label else "" for p in scores["pool"]],
    )
    return Study(shift, best, rule, name, runs, scores)


def labelled(lab: Lab, shift: Shift, best: str) -> list[Labelled]:
    """The training sets of Section 4 and the quarter of each.

    Args:
        lab: the chapter's lab.
        shift: P and Q.
        best: the distribution taken as P_best.
    """
    single = Pool.of(best)
    full = {
        BASELINE: single,
        DIVERSE: shift.P,
        SAME_SIZE: shift.P.take(lab.slices(single)),
        BOTH: shift.P + shift.Q,
    }
    return [
        *(Labelled(name, name, FULL, pool) for name, pool in full.items()),
        *(Labelled(f"{n}, {QUARTER}", n, QUARTER, p.quarter()) for n, p in full.items()),
    ]


def _others(best: Best, name: str) -> pd.DataFrame:
    """Scores on Q, averaged over the networks of P's distributions but the one taken."""
    table = best.scores["test"]
    rows = table[~table["pool"].isin([name, ZERO_FILLED])]
    numbers = rows.select_dtypes("number").columns.difference(["seed", "slice", "epoch"])
    keys = [c for c in rows.columns if c not in (*numbers, "pool", "pool_string")]
    means = rows.groupby(keys, sort=False, dropna=False)[list(numbers)].mean().reset_index()
    return noted(means.assign(pool=OTHERS, pool_string=""), note_of(table))


def singles(lab: Lab, study: Study) -> pd.DataFrame:
    """How the networks of each distribution of P, and of P, do on Q: who is P_best, by both rules.

    Args:
        lab: the chapter's lab.
        study: the experiment.

    Returns:
        One row a distribution and seed, and for P: ``distribution``, ``seed``, mean ``ssim``,
        ``ssim_foreground`` and the score that P_best was chosen by on Q's test data, the same on
        its validation data as ``val_ssim`` and so on, ``zero_filled_ssim`` and so on of the test
        data, and whether it is best ``by_test`` and ``by_validation``.
    """
    diverse = lab.train(SELECTOR, {DIVERSE: study.shift.P})
    found = {
        split: lab.join(
            [study.best.scores[split], lab.evaluate(diverse, {"Q": study.shift.Q}, split)]
        )
        for split in ("test", "val")
    }
    metrics = list(dict.fromkeys((*lines.METRICS, study.best.metric)))
    means = {
        split: t[t["pool"] != ZERO_FILLED].groupby(["pool", "seed"], sort=False)[metrics]
        for split, t in found.items()
    }
    zero = found["test"].loc[found["test"]["pool"] == ZERO_FILLED, metrics].mean()
    table = means["test"].mean().join(means["val"].mean().add_prefix("val_")).reset_index()
    table = table.rename(columns={"pool": "distribution"})
    table = table.assign(
        shift=study.shift.name,
        by_test=table["distribution"] == study.best.by_test,
        by_validation=table["distribution"] == study.best.by_validation,
        **zero.add_prefix("zero_filled_"),
    )
    return noted(table, joined_note(found.values()))


def beside_parallel(scores: pd.DataFrame, parallel: pd.DataFrame) -> pd.DataFrame:
    """Mean SSIM on Q of the full training sets, of zero-filled images and of parallel imaging.

    Args:
        scores: tables of ``study``, joined; rows of ``SELECTOR`` and the last epoch are taken.
        parallel: tables of ``regularisation.parallel_imaging`` on the same shifts, joined.

    Returns:
        Text, one row a shift and one column a method.
    """
    full = scores["size"] == FULL
    rows = scores[(scores["target"] == "Q") & (scores["model"] == SELECTOR) & full]
    last = rows.groupby("shift")["epoch"].transform("max")
    zero = scores[(scores["target"] == "Q") & (scores["pool"] == ZERO_FILLED)]
    known = parallel[parallel["target"] == "Q"]
    every = pd.concat([zero, rows[rows["epoch"] == last], known])
    means = every.groupby(["shift", "pool"], sort=False)["ssim"].mean().unstack("pool")
    shown = means[[p for p in (ZERO_FILLED, *TRAININGS, L1_WAVELET) if p in means]]
    return shown.map("{:.3f}".format).reset_index()


class Rival(NamedTuple):
    """A comparison with another distribution as P_best.

    Attributes:
        name: the distribution.
        scores: the score table at full size and the last epoch, with that distribution's networks
            under the label P_best.
    """

    name: str
    scores: Table


def rival(study: Study, metric: str) -> Rival:
    """The comparison on Q with the distribution that is best by another score as P_best.

    Args:
        study: the experiment, in which P's distributions have networks of one kind (``SELECTOR``).
        metric: the score that chooses, on Q's validation data.
    """
    val = study.best.scores["val"]
    name = str(val[val["pool"] != ZERO_FILLED].groupby("pool")[metric].mean().idxmax())
    scores = study.scores
    others = scores[
        (scores["target"] == "Q") & (scores["model"] == SELECTOR) & (scores["size"] == FULL)
        & (scores["training"] != BASELINE)
    ]  # fmt: skip
    own = study.best.scores["test"]
    own = own[own["pool"] == name].assign(
        pool=BASELINE, training=BASELINE, size=FULL, shift=study.shift.name
    )
    table = pd.concat([others[others["epoch"] == own["epoch"].iloc[0]], own], ignore_index=True)
    return Rival(name, noted(table, joined_note([scores, val])))


def disagree(study: Study) -> bool:
    """Whether the paper's rule chooses another P_best than validation data do."""
    return study.best.by_test != study.best.by_validation


def capacity(lab: Lab, study: Study, channels: Sequence[int]) -> pd.DataFrame:
    """U-nets of several widths on P_best, P, and P cut to the size of P_best.

    U-nets up to the profile's own width have the profile's seeds, wider ones a single seed.

    Args:
        lab: the chapter's lab.
        study: the experiment on the shift that is taken.
        channels: channels of the first layer.

    Returns:
        The table of ``lab.evaluate`` with ``channels``, ``training`` and ``shift``.
    """
    sets = [
        s for s in labelled(lab, study.shift, study.name) if s.size == FULL and s.training != BOTH
    ]
    own = lab.model_spec("unet").option("channels")
    pools = {s.label: s.pool for s in sets}
    on = {BASELINE: Pool.of(study.name), "Q": study.shift.Q}
    runs = {
        width: lab.train(
            "unet", pools, None if width <= own else 1, options={"channels": width}
        )
        for width in channels
    }  # fmt: skip
    lab.compute(runs.values(), on)
    scores = lab.join([lab.evaluate(r, on).assign(channels=w) for w, r in runs.items()])
    return scores.assign(training=scores["pool"], shift=study.shift.name)


def second_target(lab: Lab, study: Study, target: Pool, name: str = "Q2") -> pd.DataFrame:
    """The first network on a second test pool, beside one trained on that pool.

    Q is cut to the distributions with a counterpart in the second pool, of the same contrast and
    scanner, if there are any, so that the two differ in anatomy alone. Heads of the simulator are
    variations of the images of two people: their subjects are these.

    Args:
        lab: the chapter's lab.
        study: the experiment, whose runs of full size are tested.
        target: the second pool.
        name: what it is called as a target; the reference is trained on ``P+`` this.

    Returns:
        The table of ``lab.evaluate`` with targets Q and ``name``, ``training`` and ``size``.

    Raises:
        MrinbError: P or Q share a distribution with it.
    """
    lab.check_unseen(target, study.shift.P, study.shift.Q)
    both = f"P+{name}"
    pools = {s.label: s.pool for s in labelled(lab, study.shift, study.name) if s.size == FULL}
    runs = lab.train(lab.models[0], {**pools, both: study.shift.P + target})
    on = {"Q": _twins(study.shift.Q, target), name: target}
    scores = _people(lab.evaluate(runs, on))
    trained = scores["pool"] != ZERO_FILLED
    return scores.assign(
        shift=study.shift.name,
        training=scores["pool"].where(trained, ""),
        size=np.where(trained, FULL, ""),
    )


def _twins(pool: Pool, other: Pool) -> Pool:
    """The distributions of a pool that another has in another anatomy, or all."""
    scans = {name.partition("/")[2] for name in other.distributions}
    twins = [name for name in pool.distributions if name.partition("/")[2] in scans]
    return Pool.of(*twins) if twins else pool


def _people(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with the people behind simulated heads as subjects."""
    from mrinb.simulate import head  # its atlas loads when it is needed

    heads = scores["distribution"].str.startswith("head/")
    people = {s: head.person(int(s)) for s in scores.loc[heads, "subject"].unique()}
    subject = scores["subject"].mask(heads, scores["subject"].map(people))
    return scores.assign(subject=subject)


def shares(scores: pd.DataFrame, targets: Mapping[str, str]) -> pd.DataFrame:
    """How much of the severity diverse data make up for, on each target.

    Args:
        scores: table of ``second_target``.
        targets: for each target the training set that contains it.

    Returns:
        One row a model, target, diverse set and metric: the fields of ``robustness.Share``.
    """
    rows = []
    for model in scores.loc[scores["size"] == FULL, "model"].unique():
        part = scores[scores["model"] == model]
        for target, both in targets.items():
            for diverse in (DIVERSE, SAME_SIZE):
                for metric in lines.METRICS:
                    found = lines.share(part, target, both, diverse, metric)
                    rows.append({"model": model, "target": target, "diverse": diverse,
                                 "metric": metric, **found._asdict()})  # fmt: skip
    return noted(pd.DataFrame(rows), note_of(scores))


def shares_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of ``shares`` as text for a page."""
    words = {"model": "network", "target": "on", "diverse": "trained on", "metric": "score"}
    shown = table.rename(columns=words)
    shown["network"] = shown["network"].map(network_name)
    shown["score"] = shown["score"].map(SCORES)
    for column in ("effect", "severity", "share"):
        shown[column] = [signed(value, 3) for value in shown[column]]
    bounds = zip(shown.pop("low"), shown.pop("high"), strict=True)
    shown["90 % interval"] = [f"{signed(low, 3)} to {signed(high, 3)}" for low, high in bounds]
    return shown


# --- the reconstructions behind the points ---------------------------------------------------


class _Checkpoint(NamedTuple):
    """A checkpoint and where it belongs."""

    model: str
    training: str
    size: str
    train: TrainSpec
    epoch: int | None

    @property
    def ident(self) -> tuple[str, str, str, int, int]:
        """What tells the rows of ``robustness.points`` apart within a shift."""
        epoch = self.epoch or self.train.epochs
        return self.model, self.training, self.size, self.train.seed, epoch


def scatter(lab: Lab, study: Study) -> ScatterData:
    """Every checkpoint as a point, with its reconstructions of two test slices.

    The slices are the first that the book's rule shows of P_best's test set and of the first
    distribution of Q.

    Args:
        lab: the chapter's lab.
        study: the experiment.
    """
    tests = {
        BASELINE: lab.data(study.name, "test"),
        "Q": lab.data(study.shift.Q.distributions[0], "test"),
    }
    references = [lab.exhibit("reference", data, slices=1) for data in tests.values()]
    found = list(_checkpoints(lab, study))
    pictures = [_pictures(lab, point, list(tests.values())) for point in found]
    specs = [*references, *(spec for group in pictures for spec in group)]
    arrays = dict(zip(specs, lab.show(specs), strict=True))
    table = lines.points(study.scores)
    places = table.set_index(["model", "training", "size", "seed", "epoch"])
    x, y = (places[f"{axis}_ssim"].to_dict() for axis in "xy")
    points = [
        Point(
            x[point.ident], y[point.ident],
            point.training, NETWORKS[point.model], point.size,
            point.ident[-1], point.train.epochs, point.train.seed,
            [_first(arrays[spec], "image") for spec in group],
            [float(arrays[spec]["ssim"][0]) for spec in group],
        )
        for point, group in zip(found, pictures, strict=True)
    ]  # fmt: skip
    labels = [
        f"{target}: {homes.label(data.distribution)}, slice {arrays[spec]['slice'][0]}"
        for (target, data), spec in zip(tests.items(), references, strict=True)
    ]
    return ScatterData(
        points,
        [_first(arrays[spec], "target") for spec in references],
        labels,
        [Line(*line[:5]) for line in lines.lines(table)],
        [float(arrays[spec]["white"][0]) for spec in references],
        notes=[f"{study.shift.name} shift: {study.shift.p_label} to {study.shift.q_label}",
               note_text(lab.note(specs))],
    )  # fmt: skip


def _checkpoints(lab: Lab, study: Study) -> Iterator[_Checkpoint]:
    for model, runs in study.runs.items():
        for s in labelled(lab, study.shift, study.name):
            for train in runs.specs[s.label]:
                for epoch in (*runs.early, None):
                    yield _Checkpoint(model, s.training, s.size, train, epoch)


def _pictures(lab: Lab, point: _Checkpoint, tests: Sequence[DataSpec]) -> list[ExhibitSpec]:
    return [
        lab.exhibit("reconstruction", data, point.train, epoch=point.epoch, slices=1)
        for data in tests
    ]


def _first(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The first image of an exhibit as floats, (height, width)."""
    return Pictures(arrays[name], arrays["white"]).floats()[0]
