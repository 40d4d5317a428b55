"""What a claim is, and the register that chapters put theirs into."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

import pandas as pd

from mrinb import registry
from mrinb.errors import MrinbError
from mrinb.stats import pairs
from mrinb.stats.effects import Comparison, LinesApart, Pair
from mrinb.stats.rules import IN_WORDS, METRICS, Kind

_Table = TypeVar("_Table", bound="Callable[..., pd.DataFrame]")


class Compare(NamedTuple):
    """Pool ``a`` minus pool ``b`` on a test pool, in labels of the score table.

    Attributes:
        a, b: training pools.
        on: test pool.
        severity: pools (both, other) whose difference on this target is the shift's severity.
        printed: the difference that the paper prints.
    """

    a: str
    b: str
    on: str
    severity: tuple[str, str] | None = None
    printed: float | None = None


class Above(NamedTuple):
    """The line of a training set above that of P_best."""

    a: str


Make = Callable[..., Iterator[Comparison]]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or a control of ours that could prove us wrong.

    Attributes:
        id: short name.
        chapter: the notebook that checks it.
        kind: the rule.
        compared: what is compared, in every part; or a function that makes the comparisons from a
            score table and the claim's options.
        title: the claim in a few words, for a list of all of them.
        statement: the claim in our words.
        paper: where the paper makes it, or why the control is there.
        finding: the finding of the paper that it belongs to, of ``paper.FINDINGS``.
        control: whether it is ours, not the paper's.
        metrics: the two scores that must agree.
        networks: whose parts count: every network's, or those with most seeds.
        trained: whether what is compared was trained.
        labels: options of ``check``, each with the label that it takes the place of.
    """

    id: str
    chapter: str
    kind: Kind
    compared: Compare | Above | tuple[Compare, ...] | Make
    title: str = field(kw_only=True)
    statement: str = field(kw_only=True)
    paper: str = field(kw_only=True)
    finding: str = field(kw_only=True)
    control: bool = field(default=False, kw_only=True)
    metrics: tuple[str, str] = field(default=METRICS, kw_only=True)
    networks: Literal["every", "most seeds"] = field(default="every", kw_only=True)
    trained: bool = field(default=True, kw_only=True)
    labels: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    @property
    def rule(self) -> str:
        """The rule in words."""
        return IN_WORDS[self.kind]

    @property
    def lines(self) -> bool:
        """Whether lines through all checkpoints are compared, not scores of the last."""
        return isinstance(self.compared, Above)

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that ``check`` takes for this claim."""
        if callable(self.compared):
            return tuple(inspect.signature(self.compared).parameters)[1:]
        return tuple(self.labels)

    def comparisons(self, table: pd.DataFrame, **options: Any) -> Iterator[Comparison]:
        """What the claim asks of a clean score table.

        Args:
            table: result of ``pairs.clean``.
            **options: see ``options``.
        """
        if callable(self.compared):
            yield from self.compared(table, **options)
            return
        given = {self.labels[name]: label for name, label in options.items()}
        single = isinstance(self.compared, Compare | Above)
        asked = (self.compared,) if single else self.compared
        parts = pairs.every_network if self.networks == "every" else pairs.most_seeds
        for part in parts(table):
            yield from (self._comparison(part, one, given) for one in asked)

    def _comparison(
        self, part: pd.DataFrame, one: Any, given: Mapping[str, str]
    ) -> Pair | LinesApart:  # fmt: skip
        def label(name: str) -> str:
            return given.get(name, name)

        if isinstance(one, Above):
            return LinesApart(part, label(one.a))
        severity = one.severity and (label(one.severity[0]), label(one.severity[1]))
        compared = (label(one.on), label(one.a), label(one.b))
        return Pair(part, *compared, severity, self.trained, one.printed)


class _Claims(Mapping[str, Claim]):
    """Every claim by id, in the book's order; those of chapters are loaded at the first look."""

    def __init__(self) -> None:
        self._known: dict[str, Claim] = {}

    def add(self, claim: Claim) -> None:
        if self._known.get(claim.id, claim) != claim:
            raise MrinbError(f"two claims are called {claim.id!r}: rename one of them")
        self._known[claim.id] = claim

    def _all(self) -> dict[str, Claim]:
        registry.load("claims")
        return dict(sorted(self._known.items(), key=lambda item: item[1].chapter))

    def __getitem__(self, claim_id: str) -> Claim:
        return self._all()[claim_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


CLAIMS = _Claims()


def register(*claims: Claim) -> None:
    """Register a chapter's claims, in the order in which it checks them.

    Raises:
        MrinbError: another claim has the same id.
    """
    for claim in claims:
        CLAIMS.add(claim)


class Outcome(NamedTuple):
    """An answer that a chapter gives beside its claims, in a table of its own.

    Attributes:
        question: what is asked, in words.
        word: the answer, a verdict or one of Nguyen's cases.
        text: the numbers behind it.
    """

    question: str
    word: str
    text: str


ANSWERS: dict[Callable[..., pd.DataFrame], Callable[..., Outcome]] = {}
"""Functions whose tables answer something beside the claims, and what a row of theirs says."""


def answers(outcome: Callable[..., Outcome]) -> Callable[[_Table], _Table]:
    """Register a function whose table answers something, for ``mrinb claims``.

    Args:
        outcome: makes an outcome of the cells of a row.
    """

    def add(function: _Table) -> _Table:
        ANSWERS[function] = outcome
        return function

    return add
