"""The toy lesson of Section 3: two noise levels, one linear estimator, one non-linear."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import traitlets

from mrinb.errors import MrinbError
from mrinb.recon import toy
from mrinb.widgets.host import StoredWidget, module_source, one_of, shared, style_source


@dataclass(frozen=True)
class ToyData:
    """What the lesson shows.

    Attributes:
        n: dimension of the observations.
        d: dimension of the subspace.
        sigmas: the noise standard deviations the sliders step through, rising.
        nonlinear: risk of the non-linear estimator at each of them, by Monte Carlo.
        nonlinear_error: the standard error of each.
        notes: where the numbers come from: draws, seed.
    """

    n: int
    d: int
    sigmas: Sequence[float]
    nonlinear: Sequence[float]
    nonlinear_error: Sequence[float]
    notes: Sequence[str] = ()

    @classmethod
    def simulate(
        cls,
        n: int = 100,
        d: int = 10,
        sigmas: Sequence[float] | None = None,
        draws: int = 4000,
        seed: int = 0,
    ) -> ToyData:
        """Run the Monte Carlo.

        Args:
            n: dimension of the observations.
            d: dimension of the subspace.
            sigmas: the sliders' steps; 0.05 to 1 in steps of 0.025 where not given.
            draws: observations for each sigma.
            seed: of the random numbers.
        """
        steps = np.round(np.arange(0.05, 1.0001, 0.025), 3) if sigmas is None else sigmas
        risk, error = toy.nonlinear_risk(list(steps), n, d, draws, seed)
        notes = (
            f"n = {n}, d = {d}",
            "linear risks in closed form",
            f"non-linear risk by Monte Carlo, {draws} draws, seed {seed}",
        )
        return cls(n, d, [float(s) for s in steps], list(risk), list(error), notes)

    def check(self) -> None:
        """Refuse tables that do not fit together.

        Raises:
            MrinbError: saying what is wrong.
        """
        toy.check_dimensions(self.n, self.d)
        if not len(self.sigmas) == len(self.nonlinear) == len(self.nonlinear_error) > 1:
            raise MrinbError("sigmas, nonlinear and nonlinear_error must be of one length, over 1")
        if any(b <= a for a, b in zip(self.sigmas, self.sigmas[1:], strict=False)):
            raise MrinbError("sigmas must rise")


class Toy(StoredWidget):
    """Move two noise levels and see what one linear estimator for both of them costs.

    Args:
        data: the dimensions and the non-linear estimator's risk.
        **initial: first values: ``p`` and ``q``, each one of the sigmas, ``title``, and ``name``,
            under which the state stands in the page's address.
    """

    module = "toy"
    _esm = module_source("toy")
    _css = style_source()

    data = shared(traitlets.Dict())
    p = shared(traitlets.Int())
    q = shared(traitlets.Int())

    def __init__(self, data: ToyData, **initial: Any) -> None:
        data.check()
        self._data = data
        for key in initial:
            one_of("toy setting", key, ["name", "title", "p", "q"])
        last = len(data.sigmas) - 1
        state = {
            "name": initial.get("name", "toy"),
            "title": initial.get("title", ""),
            "p": self._step(initial["p"]) if "p" in initial else last // 6,
            "q": self._step(initial["q"]) if "q" in initial else 2 * last // 3,
            "data": {
                "d": data.d,
                "sigmas": [round(float(s), 6) for s in data.sigmas],
                "nonlinear": [round(float(risk), 6) for risk in data.nonlinear],
                "error": [round(float(error), 6) for error in data.nonlinear_error],
                "notes": list(data.notes),
            },
        }
        super().__init__(**state)

    def _step(self, sigma: float) -> int:
        near = int(np.argmin(np.abs(np.asarray(self._data.sigmas) - sigma)))
        if not np.isclose(self._data.sigmas[near], sigma):
            valid = f"{self._data.sigmas[0]:g} to {self._data.sigmas[-1]:g}"
            raise MrinbError(
                f"sigma {sigma:g} is not a step of the slider ({valid}); "
                f"the nearest is {self._data.sigmas[near]:g}"
            )
        return near

    def still(self) -> str:
        """Return the table of risks shown where no script runs."""
        data, d = self._data, self._data.d
        sigmas = [data.sigmas[self.p], data.sigmas[self.q]]
        joint = toy.joint_alpha(sigmas[0], sigmas[1], d)
        rows = [
            ("own linear", [toy.linear_risk(toy.best_alpha(s, d), s, d) for s in sigmas]),
            ("joint linear", [toy.linear_risk(joint, s, d) for s in sigmas]),
            ("non-linear", [data.nonlinear[self.p], data.nonlinear[self.q]]),
        ]
        head = "".join(
            f'<th scope="col">risk on {name} (σ = {sigma:g})</th>'
            for name, sigma in zip("PQ", sigmas, strict=True)
        )
        body = "".join(
            f'<tr><th scope="row">{name}</th><td>{risks[0]:.3f}</td><td>{risks[1]:.3f}</td></tr>'
            for name, risks in rows
        )
        notes = html.escape("; ".join(data.notes))
        return (
            f"<table><caption>{notes}</caption><thead><tr><td>estimator</td>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )
