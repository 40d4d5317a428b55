"""The toy denoising problem of Section 3: one estimator for two noise levels.

A signal is drawn uniformly from the unit sphere of a d-dimensional subspace of R^n, with
orthonormal basis U, and observed as ``y = x + e`` with Gaussian noise of standard deviation sigma
per coordinate. Linear estimators are ``alpha U U^T y``; risks are ``E ||estimate - x||^2``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import pandas as pd

from mrinb.errors import MrinbError

FloatOrArray = TypeVar("FloatOrArray", float, np.ndarray)


def check_dimensions(n: int, d: int) -> None:
    """Refuse dimensions for which the problem is not defined.

    Args:
        n: dimension of the observations.
        d: dimension of the subspace.

    Raises:
        MrinbError: unless ``1 <= d < n``.
    """
    if not 1 <= d < n:
        raise MrinbError(f"the subspace dimension d = {d} must be at least 1 and below n = {n}")


def linear_risk(alpha: FloatOrArray, sigma: float, d: int) -> FloatOrArray:
    """Risk of ``alpha U U^T y``: ``(1 - alpha)^2 + alpha^2 d sigma^2``.

    Args:
        alpha: the estimator's factor, or many of them.
        sigma: noise standard deviation.
        d: dimension of the subspace.

    Source: the toy problem of Section 3; ``||x|| = 1`` and ``E ||U^T e||^2 = d sigma^2``.
    """
    return (1 - alpha) ** 2 + alpha**2 * d * sigma**2


def best_alpha(sigma: float, d: int) -> float:
    """Return the factor of the best linear estimator, ``(1/d) / (1/d + sigma^2)``.

    Args:
        sigma: noise standard deviation.
        d: dimension of the subspace.
    """
    return (1 / d) / (1 / d + sigma**2)


def joint_alpha(sigma_p: float, sigma_q: float, d: int) -> float:
    """Return the factor of the best linear estimator for an equal mixture of two noise levels.

    The mean of the two risks is the risk at the mean variance.

    Args:
        sigma_p: noise standard deviation of P.
        sigma_q: noise standard deviation of Q.
        d: dimension of the subspace.
    """
    return best_alpha(float(np.sqrt((sigma_p**2 + sigma_q**2) / 2)), d)


def nonlinear_risk(
    sigmas: Sequence[float], n: int, d: int, draws: int = 4000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the risk of the estimator that measures the noise in each observation.

    It takes ``||y - U U^T y||^2 / (n - d)`` for the variance, and applies the best linear
    estimator for it. That estimate is independent of the noise inside the subspace, so only it
    is drawn, and the mean over everything else is exact: `linear_risk` at the drawn factor.

    Args:
        sigmas: noise standard deviations.
        n: dimension of the observations.
        d: dimension of the subspace.
        draws: observations for each sigma; the same draws serve all of them.
        seed: of the random numbers.

    Returns:
        Mean squared error and its standard error, each of shape ``(len(sigmas),)``.

    Raises:
        MrinbError: for dimensions or numbers of draws that make no sense.
    """
    check_dimensions(n, d)
    if draws < 2:
        raise MrinbError(f"draws = {draws}: at least 2 are needed for a standard error")
    rng = np.random.default_rng(seed)
    outside = rng.chisquare(n - d, draws) / (n - d)
    means, errors = [], []
    for sigma in sigmas:
        risk = linear_risk(1 / (1 + d * sigma**2 * outside), sigma, d)
        means.append(risk.mean())
        errors.append(risk.std(ddof=1) / np.sqrt(draws))
    return np.array(means), np.array(errors)


class Risks(Protocol):
    """The table of `nonlinear_risk`, with its dimensions (``widgets.ToyData`` is one)."""

    @property
    def d(self) -> int: ...  # noqa: D102
    @property
    def sigmas(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def nonlinear(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def nonlinear_error(self) -> Sequence[float]: ...  # noqa: D102


TOLERANCE = 0.02
"""The non-linear estimator counts as good as the best linear one up to this part of its risk."""


def verdicts(data: Risks, sigma_p: float, sigma_q: float) -> pd.DataFrame:
    """What Section 3 claims of the toy problem, decided for two noise levels.

    The joint linear estimator is *worse* where its risk is larger by more than ``TOLERANCE``; the
    non-linear one is *as good* where its risk, with two standard errors, is not.

    Args:
        data: risks of the non-linear estimator over noise levels.
        sigma_p: noise standard deviation of P, one of ``data.sigmas``.
        sigma_q: that of Q.

    Returns:
        One row a distribution: risks, and a verdict on each estimator for both.

    Raises:
        MrinbError: a noise level is not in the table.
    """
    joint, rows = joint_alpha(sigma_p, sigma_q, data.d), []
    for name, sigma in (("P", sigma_p), ("Q", sigma_q)):
        near = int(np.argmin(np.abs(np.asarray(data.sigmas) - sigma)))
        if not np.isclose(data.sigmas[near], sigma):
            raise MrinbError(f"sigma {sigma:g}: the nearest in the table is {data.sigmas[near]:g}")
        own = linear_risk(best_alpha(sigma, data.d), sigma, data.d)
        both = linear_risk(joint, sigma, data.d)
        risk, error = data.nonlinear[near], data.nonlinear_error[near]
        rows.append(
            {
                "distribution": f"{name} (σ = {sigma:g})",
                "best linear for it alone": f"{own:.4f}",
                "one linear for both": f"{both:.4f}",
                "non-linear for both": f"{risk:.4f} ± {2 * error:.4f}",
                "the linear one is worse": "yes" if both > (1 + TOLERANCE) * own else "no",
                "the non-linear one is as good": (
                    "yes" if risk + 2 * error <= (1 + TOLERANCE) * own else "no"
                ),
            }
        )
    return pd.DataFrame(rows).set_index("distribution")
