import numpy as np
import pytest

from mrinb.errors import MrinbError
from mrinb.recon.toy import best_alpha, joint_alpha, linear_risk, nonlinear_risk

N, D = 40, 5


def observations(sigma: float, draws: int, seed: int):
    """Draw signals from the sphere of a random subspace, and their noisy observations."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((N, D)))[0]
    within = rng.standard_normal((draws, D))
    x = within / np.linalg.norm(within, axis=1, keepdims=True) @ basis.T
    return basis, x, x + sigma * rng.standard_normal((draws, N))


def within_errors(losses: np.ndarray, expected: float) -> bool:
    return abs(losses.mean() - expected) < 4 * losses.std() / np.sqrt(len(losses))


@pytest.mark.parametrize("sigma", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("alpha", [0.2, 0.7, 1.0])
def test_linear_risk_is_the_mean_squared_error(sigma, alpha):
    basis, x, y = observations(sigma, 20_000, seed=1)
    losses = ((alpha * y @ basis @ basis.T - x) ** 2).sum(axis=1)
    assert within_errors(losses, linear_risk(alpha, sigma, D))
    assert not within_errors(losses, 1.1 * linear_risk(alpha, sigma, D))


@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.9])
def test_best_alpha_is_the_lowest_point(sigma):
    alphas = np.linspace(0, 1, 100_001)
    assert alphas[linear_risk(alphas, sigma, D).argmin()] == pytest.approx(
        best_alpha(sigma, D), abs=1e-5
    )


def test_joint_alpha_minimises_the_mean_risk_and_serves_neither():
    p, q = 0.1, 0.8
    alphas = np.linspace(0, 1, 100_001)
    mean = (linear_risk(alphas, p, D) + linear_risk(alphas, q, D)) / 2
    joint = joint_alpha(p, q, D)
    assert alphas[mean.argmin()] == pytest.approx(joint, abs=1e-5)
    for sigma in (p, q):
        assert linear_risk(joint, sigma, D) > linear_risk(best_alpha(sigma, D), sigma, D)
    assert joint_alpha(p, p, D) == pytest.approx(best_alpha(p, D))


def test_nonlinear_risk_is_that_of_the_estimator_run_on_observations():
    for sigma in (0.1, 0.5):
        basis, x, y = observations(sigma, 40_000, seed=2)
        inside = y @ basis @ basis.T
        variance = ((y - inside) ** 2).sum(axis=1) / (N - D)
        estimate = inside / (1 + D * variance)[:, None]
        losses = ((estimate - x) ** 2).sum(axis=1)
        (risk,), (error,) = nonlinear_risk([sigma], N, D)
        assert within_errors(losses, risk)
        best = linear_risk(best_alpha(sigma, D), sigma, D)
        assert best < risk < 1.05 * best
        assert 0 < error < 0.01 * risk


def test_standard_error_covers_other_seeds_and_seeds_repeat():
    sigmas = [0.2, 0.6]
    runs = np.array([nonlinear_risk(sigmas, N, D, draws=500, seed=s) for s in range(40)])
    spread = runs[:, 0].std(axis=0, ddof=1)
    assert spread == pytest.approx(runs[:, 1].mean(axis=0), rel=0.4)
    again = nonlinear_risk(sigmas, N, D, draws=500, seed=3)
    assert np.array_equal(again, runs[3])


@pytest.mark.parametrize(("n", "d"), [(5, 5), (5, 0), (3, 8)])
def test_impossible_dimensions_are_refused(n, d):
    with pytest.raises(MrinbError, match=f"d = {d}"):
        nonlinear_risk([0.1], n, d)


def test_one_draw_has_no_standard_error():
    with pytest.raises(MrinbError, match="draws = 1"):
        nonlinear_risk([0.1], N, D, draws=1)
