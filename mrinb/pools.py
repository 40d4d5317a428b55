"""Training pools: unions, differences and seeded subsamples of data distributions.

A pool is a value. Its string form reads back, so that any pool can be a notebook parameter::

    Pool.parse("knee/* - knee/PDFS-Aera")
    Pool.parse("(knee/* + brain/T2-*).half()")

Grammar: ``expr := term (('+'|'-') term)*``, ``term := atom ('.half()' | '.quarter()' |
'.take(N)')*``, ``atom := '(' expr ')' | GLOB``, where GLOB matches names of ``catalogue``
(``catalogue.matching``), or those of a home: ``sim:brain/*``, ``own:NAME`` (``catalogue.homes``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from mrinb.catalogue import EVERY, homes, matching
from mrinb.errors import MrinbError


class _Named(Protocol):
    @property
    def distribution(self) -> str: ...


Data = TypeVar("Data", bound=_Named)


class Step(NamedTuple):
    """One subsampling step: keep ``1/value`` (``part``) or ``value`` slices (``take``)."""

    kind: str
    value: int

    def __str__(self) -> str:
        return {("part", 2): ".half()", ("part", 4): ".quarter()"}.get(
            self, f".{self.kind}({self.value})"
        )

    def count(self, available: int) -> int:
        """Number of slices kept of ``available``; a part is rounded up."""
        return -(-available // self.value) if self.kind == "part" else min(self.value, available)


class Part(NamedTuple):
    """Distributions drawn from together, with the steps that subsample their union."""

    distributions: tuple[str, ...]
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Pool:
    """A training pool (Sections 3 and 4 of the paper: the sets D_P, D_Q and their unions).

    Attributes:
        parts: subsampled or whole groups of distributions; whole ones are merged into one part.
    """

    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        whole = {d for p in self.parts if not p.steps for d in p.distributions}
        rest = {p for p in self.parts if p.steps and p.distributions}
        merged = (Part(_ordered(whole)),) if whole else ()
        object.__setattr__(self, "parts", (*merged, *sorted(rest)))
        if not self.parts:
            raise MrinbError("a training pool is empty: give it at least one distribution")
        names = [d for p in self.parts for d in p.distributions]
        twice = sorted({d for d in names if names.count(d) > 1})
        if twice:
            raise MrinbError(f"pool {self} holds {twice[0]} twice: subsample the union instead")

    @classmethod
    def of(cls, *patterns: str) -> Pool:
        """The union of whole distributions whose names match any of the glob patterns.

        Raises:
            MrinbError: a pattern matches nothing.
        """
        return cls((Part(_ordered({d for p in patterns for d in _match(p)})),))

    @classmethod
    def parse(cls, text: str) -> Pool:
        """Read a pool from its string form.

        Raises:
            MrinbError: the text is not a pool, or a pattern matches no distribution.
        """
        return _Parser(text).pool()

    @property
    def distributions(self) -> tuple[str, ...]:
        """Names of all distributions drawn from, in catalogue order."""
        return _ordered({d for p in self.parts for d in p.distributions})

    def __add__(self, other: Pool) -> Pool:
        return Pool(self.parts + other.parts)

    def __sub__(self, other: Pool) -> Pool:
        gone = set(other.distributions)
        if any(p.steps and gone & set(p.distributions) for p in self.parts):
            raise MrinbError(f"cannot take {other} out of the subsampled pool {self}")
        return Pool(
            tuple(
                Part(tuple(d for d in p.distributions if d not in gone), p.steps)
                for p in self.parts
                if set(p.distributions) - gone
            )
        )

    def half(self) -> Pool:
        """A random half of the slices, volume-wise, seeded by the run's seed."""
        return self._step(Step("part", 2))

    def quarter(self) -> Pool:
        """A random quarter of the slices, nested in the half."""
        return self._step(Step("part", 4))

    def take(self, slices: int) -> Pool:
        """``slices`` random slices in whole volumes (the last one cut), seeded by the run's seed.

        Raises:
            MrinbError: ``slices`` is not positive.
        """
        if slices < 1:
            raise MrinbError(f"take({slices}): a pool keeps at least one slice")
        return self._step(Step("take", slices))

    def _step(self, step: Step) -> Pool:
        if len(self.parts) > 1:
            raise MrinbError(f"pool {self} is subsampled already: subsample the whole union once")
        part = self.parts[0]
        return Pool((Part(part.distributions, (*part.steps, step)),))

    def __str__(self) -> str:
        texts = []
        for part in self.parts:
            text = " + ".join(_globs(part.distributions))
            steps = "".join(map(str, part.steps))
            texts.append(f"({text}){steps}" if steps else text)
        return " + ".join(texts)

    def expanded(self) -> str:
        """String form without globs: what enters keys, so that a grown catalogue changes none.

        Where simulated files stand alone, ``sim:`` is left out: the data's own specs say what they
        are, and a network trained on them is the same one wherever else it is tested.
        """
        every = set(self.distributions)

        def name(d: str) -> str:
            return d if homes.bare(d) in every else homes.bare(d)

        return " + ".join(
            f"({' + '.join(map(name, p.distributions))}){''.join(map(str, p.steps))}"
            for p in self.parts
        )


def paired(pool: Pool, data: Sequence[Data]) -> dict[str, Data]:
    """What is given for a pool's distributions, by their names in the pool.

    Args:
        pool: the pool.
        data: one for each of its distributions, in their order, or in any order where no
            distribution of the catalogue stands twice in it, measured and simulated.
    """
    by_name = {d.distribution: d for d in data}
    if len(by_name) < len(data):
        return dict(zip(pool.distributions, data, strict=True))
    return {name: by_name[homes.bare(name)] for name in pool.distributions}


def _ordered(names: set[str]) -> tuple[str, ...]:
    return homes.ordered(names)


def _match(pattern: str) -> list[str]:
    return homes.find(pattern)


def _globs(names: tuple[str, ...]) -> list[str]:
    """Write a set of names with the widest globs that match nothing else."""
    plain = [d for d in names if not homes.home(d)]
    simulated = [homes.bare(d) for d in names if homes.home(d) == homes.SIMULATED]
    own = [d for d in names if homes.home(d) == homes.OWN]
    return [*_widest(plain), *(f"{homes.SIMULATED}:{g}" for g in _widest(simulated)), *own]


def _widest(names: list[str]) -> list[str]:
    left, out = set(names), []
    anatomies = list(dict.fromkeys(d.split("/")[0] for d in EVERY))
    contrasts = dict.fromkeys(d.rsplit("-", 1)[0] + "-*" for d in EVERY)
    for pattern in ["*", *(f"{a}/*" for a in anatomies), *contrasts]:
        matched = matching(pattern)
        if len(matched) > 1 and left.issuperset(matched):
            out.append(pattern)
            left.difference_update(matched)
    return out + [d for d in names if d in left]


class _Parser:
    """Recursive descent over the grammar in the module's docstring."""

    _token = re.compile(r"\s*(\.(?:half|quarter)\(\)|\.take\(\s*\d+\s*\)|[+()]|-(?=\s)|[^\s+().]+)")

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = self._token.match(text, at)
            if not found:
                raise self._error()
            self.tokens.append(found.group(1))
            at = found.end()

    def _error(self) -> MrinbError:
        return MrinbError(
            f"cannot read pool {self.text!r}: write for example 'knee/* - knee/PDFS-Aera' "
            "or '(knee/* + brain/T2-*).half()'"
        )

    def pool(self) -> Pool:
        pool = self._expr()
        if self.tokens:
            raise self._error()
        return pool

    def _expr(self) -> Pool:
        pool = self._term()
        while self.tokens and self.tokens[0] in "+-":
            pool = pool + self._term() if self.tokens.pop(0) == "+" else pool - self._term()
        return pool

    def _term(self) -> Pool:
        if not self.tokens:
            raise self._error()
        token = self.tokens.pop(0)
        if token == "(":
            pool = self._expr()
            if not self.tokens or self.tokens.pop(0) != ")":
                raise self._error()
        elif token[0] in "+-).":
            raise self._error()
        else:
            pool = Pool.of(token)
        while self.tokens and self.tokens[0].startswith("."):
            name, _, value = self.tokens.pop(0)[1:-1].partition("(")
            pool = pool.take(int(value)) if name == "take" else getattr(pool, name)()
        return pool
