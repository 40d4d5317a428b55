"""From tissue maps to the signal of a pulse sequence, by the equations of Bloch's steady states."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from mrinb.errors import MrinbError, unknown
from mrinb.simulate.tissues import TissueMaps

VERSIONS: dict[str, int] = {"PD": 1, "PDFS": 1, "FLAIR": 1, "T1": 1, "T1POST": 1, "T2": 1}

VERSIONS |= {"GRE": 1, "T1GRE": 1, "T2FS": 1, "qDESS-E1": 1, "qDESS-E2": 1}
VERSIONS |= {"MP2RAGE-inv1_te1": 1, **{f"MP2RAGE-inv2_te{echo}": 1 for echo in (1, 2, 3, 4)}}
"""One number per contrast; it enters the data key and grows with every change of its pixels."""

FIELDS_T = (0.3, 1.5, 3.0, 7.0)
"""Field strengths of the relaxation table; between them times are interpolated over log(field)."""


class Relaxation(NamedTuple):
    """Proton density and relaxation times of a tissue.

    Attributes:
        pd: proton density relative to water.
        t1_ms: T1 in milliseconds at each of ``FIELDS_T``.
        t2_ms: T2 in milliseconds at each of ``FIELDS_T``.
        fat: share of the signal that sits on the fat resonance.
    """

    pd: float
    t1_ms: tuple[float, float, float, float]
    t2_ms: tuple[float, float, float, float]
    fat: float = 0.0


TISSUES: dict[str, Relaxation] = {
    "white_matter": Relaxation(0.70, (400, 656, 860, 1220), (88, 74, 69, 46)),
    "grey_matter": Relaxation(0.82, (690, 1188, 1450, 2132), (108, 97, 94, 60)),
    "deep_grey": Relaxation(0.79, (600, 960, 1250, 1700), (98, 84, 74, 46)),
    "csf": Relaxation(1.00, (4200, 4300, 4300, 4300), (2300, 2100, 1900, 1000)),
    "blood": Relaxation(0.88, (950, 1440, 1930, 2290), (300, 220, 110, 45)),
    "enhancing": Relaxation(0.80, (700, 1050, 1300, 1800), (80, 70, 62, 45)),
    "cortical_bone": Relaxation(0.18, (150, 220, 240, 280), (0.5, 0.5, 0.4, 0.4)),
    "fatty_marrow": Relaxation(0.90, (240, 288, 371, 500), (150, 145, 125, 75), 0.93),
    "red_marrow": Relaxation(0.80, (320, 450, 560, 700), (80, 68, 58, 40), 0.55),
    "cartilage": Relaxation(0.75, (700, 1060, 1240, 1600), (48, 42, 37, 28)),
    "meniscus": Relaxation(0.62, (500, 800, 960, 1200), (13, 12, 11, 9)),
    "ligament": Relaxation(0.60, (400, 650, 780, 1000), (9, 8, 7, 6)),
    "tendon": Relaxation(0.60, (350, 600, 720, 950), (6, 5, 4.5, 4)),
    "muscle": Relaxation(0.80, (680, 1130, 1420, 1900), (40, 35, 32, 23)),
    "fat": Relaxation(0.88, (240, 288, 371, 500), (165, 160, 133, 75), 0.97),
    "skin": Relaxation(0.72, (600, 900, 1100, 1500), (40, 35, 32, 25), 0.1),
    "mucosa": Relaxation(0.85, (800, 1200, 1450, 1900), (130, 120, 110, 70)),
    "vitreous": Relaxation(0.99, (3900, 4000, 4000, 4000), (1500, 1300, 1000, 500)),
    "synovial_fluid": Relaxation(0.98, (2400, 2850, 3620, 4000), (1400, 1210, 767, 400)),
    "synovium": Relaxation(0.82, (800, 1200, 1450, 1900), (95, 85, 75, 55)),
    "peripheral_zone": Relaxation(0.92, (950, 1350, 1700, 2200), (185, 170, 155, 95)),
    "transition_zone": Relaxation(0.84, (850, 1200, 1480, 1950), (115, 100, 88, 60)),
    "urine": Relaxation(1.00, (3800, 4000, 4000, 4000), (1900, 1700, 1400, 700)),
    "stool": Relaxation(0.45, (350, 500, 600, 800), (60, 50, 42, 30)),
}
"""Relaxation of every tissue.

Brain T1 follows Rooney et al., Magn Reson Med 2007;57:308; white and grey matter T2 and blood
Stanisz et al., Magn Reson Med 2005;54:507; muscle, fat, marrow, cartilage and synovial fluid
Gold et al., Am J Roentgenol 2004;183:343. Short T2 tissues carry the T2 that a sequence of 10 to
30 ms echo time sees. Where the literature has no value at a field, it is interpolated by the
trend of tissues of like water content. Prostate follows de Bazelaire et al., Radiology
2004;230:652, and Bojorquez et al., Magn Reson Imaging 2017;35:69.
"""

# Gadolinium chelate relaxivity per mM and second (Rohrer et al., Invest Radiol 2005;40:715).
_R1_RELAXIVITY = (5.2, 4.5, 3.9, 3.6)
_R2_RELAXIVITY = (5.8, 5.4, 5.2, 5.2)
_UPTAKE_MM = {"blood": 0.9, "enhancing": 0.55, "mucosa": 0.5, "skin": 0.1, "muscle": 0.05}
"""Concentration of contrast agent in mM some five minutes after a single dose."""


class Sequence(NamedTuple):
    """The timing of one volume's pulse sequence.

    Attributes:
        tr_ms: repetition time.
        te_ms: (effective) echo time.
        ti_ms: inversion time, 0 without an inversion pulse.
        train_ms: length of the echo train, 0 for a single echo.
        flip_deg: excitation angle; 90 is a spin echo, less a spoiled gradient echo.
        fat_residual: share of the fat signal that survives, 1 without fat saturation.
        flow_void: share of the signal of flowing blood that survives.
        uptake: contrast agent as a multiple of the usual concentration, 0 without.
        dephasing: decay of a gradient echo by an uneven field, per second.
        steady_echo: 1 or 2, the echoes of a double-echo steady state; 0 otherwise.
    """

    tr_ms: float
    te_ms: float
    ti_ms: float = 0.0
    train_ms: float = 0.0
    flip_deg: float = 90.0
    fat_residual: float = 1.0
    flow_void: float = 0.08
    uptake: float = 0.0
    dephasing: float = 0.0
    steady_echo: int = 0


def relaxation(tissue: str, field_t: float) -> tuple[float, float, float]:
    """Proton density and relaxation times of a tissue at a field strength.

    Args:
        tissue: a name from ``TISSUES``.
        field_t: field strength in tesla.

    Returns:
        Proton density (relative to water), T1 and T2 in milliseconds.

    Raises:
        MrinbError: for an unknown tissue or a field outside 0.1 to 10 T.
    """
    if tissue not in TISSUES:
        raise unknown("tissue", tissue, TISSUES)
    if not 0.1 <= field_t <= 10:
        raise MrinbError(f"field strength {field_t} T: give one between 0.1 and 10")
    row = TISSUES[tissue]
    return row.pd, _at_field(row.t1_ms, field_t), _at_field(row.t2_ms, field_t)


def _at_field(values: tuple[float, ...], field_t: float) -> float:
    return float(np.interp(np.log(field_t), np.log(FIELDS_T), values))


def sequence(contrast: str, field_t: float, rng: np.random.Generator) -> Sequence:
    """Draw the timing of one volume: a protocol's centre with the spread seen between sites.

    Args:
        contrast: one of ``VERSIONS``.
        field_t: field strength in tesla.
        rng: source of the variation; the same number of draws for every contrast.

    Returns:
        The timing.

    Raises:
        MrinbError: for an unknown contrast.
    """
    if contrast not in _PROTOCOLS:
        raise unknown("contrast", contrast, _PROTOCOLS)
    return _PROTOCOLS[contrast](field_t, rng.uniform(-1, 1, size=4))


def _proton_density(field_t: float, u: np.ndarray) -> Sequence:
    return Sequence(2600 + 300 * u[0], 30 + 3 * u[1], train_ms=40, flow_void=0.25)


def _proton_density_fat_saturated(field_t: float, u: np.ndarray) -> Sequence:
    # Chemical-shift selective pulses separate fat worse at low field.
    residual = (0.06 if field_t > 2 else 0.09) * (1 + 0.4 * u[2])
    return Sequence(2900 + 300 * u[0], 34 + 4 * u[1], 0, 45, 90, residual, 0.3)


def _t2(field_t: float, u: np.ndarray) -> Sequence:
    return Sequence(5600 + 700 * u[0], 100 + 8 * u[1], train_ms=180, flow_void=0.03)


def _flair(field_t: float, u: np.ndarray) -> Sequence:
    tr, csf_t1 = 9000 + 300 * u[0], relaxation("csf", field_t)[1]
    # The inversion time that nulls CSF, missed by up to 1.5 % as on real scanners.
    null = csf_t1 * np.log(2 / (1 + np.exp(-(tr - 150) / csf_t1)))
    # Fat is suppressed by the custom of the site that gave the data.
    residual = 0.22 * (1 + 0.4 * u[3])
    return Sequence(
        tr, 90 + 6 * u[1], float(null) * (1 + 0.015 * u[2]), 150, 90, residual, flow_void=0.05
    )


def _t1(field_t: float, u: np.ndarray) -> Sequence:
    if field_t < 2:
        return Sequence(550 + 50 * u[0], 10 + 1.5 * u[1], flow_void=0.15)
    # At 3 T spin echoes lose contrast: spoiled gradient echoes are the custom.
    return Sequence(260 + 25 * u[0], 2.6 + 0.2 * u[1], flip_deg=70 + 5 * u[2], flow_void=0.55)


def _t1_post(field_t: float, u: np.ndarray) -> Sequence:
    base = _t1(field_t, u)
    return base._replace(flow_void=0.45 if field_t < 2 else 0.8, uptake=1 + 0.25 * u[3])


def _t2_fat_saturated(field_t: float, u: np.ndarray) -> Sequence:
    residual = (0.06 if field_t > 2 else 0.09) * (1 + 0.4 * u[2])
    return Sequence(4200 + 400 * u[0], 62 + 6 * u[1], 0, 90, 90, residual, 0.1)


def _low_field_gradient_echo(field_t: float, u: np.ndarray) -> Sequence:
    return Sequence(
        450 + 40 * u[0], 14 + u[1], flip_deg=40 + 4 * u[2], flow_void=0.7,
        dephasing=_DEPHASING * field_t,
    )  # fmt: skip


def _t1_gradient_echo(field_t: float, u: np.ndarray) -> Sequence:
    # Inverted and rapidly read, by effective times between inversions. Fat, quick to recover, is
    # held down by the many pulses of the readout.
    return Sequence(
        1900 + 100 * u[0], 2.8 + 0.2 * u[1], 850 + 40 * u[2], fat_residual=0.6, flow_void=0.5,
        dephasing=_DEPHASING * field_t,
    )  # fmt: skip


def _mp2rage(ti_ms: float, te_ms: float) -> Callable[[float, np.ndarray], Sequence]:
    def protocol(field_t: float, u: np.ndarray) -> Sequence:
        return Sequence(
            6778, te_ms, ti_ms * (1 + 0.01 * u[0]), flow_void=0.8,
            dephasing=_DEPHASING * field_t * (1 + 0.1 * u[1]),
        )  # fmt: skip

    return protocol


def _qdess(echo: int) -> Callable[[float, np.ndarray], Sequence]:
    def protocol(field_t: float, u: np.ndarray) -> Sequence:
        return Sequence(
            18 + 0.3 * u[0], 5.7 if echo == 1 else 30.3, flip_deg=20 + u[1],
            fat_residual=0.12 * (1 + 0.4 * u[2]), flow_void=0.3, steady_echo=echo,
        )  # fmt: skip

    return protocol


_DEPHASING = 2.0
"""Decay of gradient echoes beyond T2, per second and tesla: brain at 3 and 7 T (Peters et al., Magn
Reson Imaging 2007;25:748)."""


_PROTOCOLS: dict[str, Callable[[float, np.ndarray], Sequence]] = {
    "PD": _proton_density,
    "PDFS": _proton_density_fat_saturated,
    "FLAIR": _flair,
    "T1": _t1,
    "T1POST": _t1_post,
    "T2": _t2,
    "T2FS": _t2_fat_saturated,
    "GRE": _low_field_gradient_echo,
    "T1GRE": _t1_gradient_echo,
    "MP2RAGE-inv1_te1": _mp2rage(670, 3.0),
    "MP2RAGE-inv2_te1": _mp2rage(3675, 3.0),
    "MP2RAGE-inv2_te2": _mp2rage(3675, 11.5),
    "MP2RAGE-inv2_te3": _mp2rage(3675, 19.0),
    "MP2RAGE-inv2_te4": _mp2rage(3675, 28.5),
    "qDESS-E1": _qdess(1),
    "qDESS-E2": _qdess(2),
}


def tissue_signal(
    tissue: str,
    timing: Sequence,
    field_t: float,
    pd: np.ndarray | float = 1.0,
    t1: np.ndarray | float = 1.0,
    t2: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Signed signal of a pure tissue.

    Args:
        tissue: a name from ``TISSUES``.
        timing: the sequence.
        field_t: field strength in tesla.
        pd: multiplies the proton density.
        t1: multiplies T1.
        t2: multiplies T2.

    Returns:
        The transverse magnetisation at the echo relative to fully relaxed water, the shape of
        the multipliers; negative where an inverted tissue has not passed zero.

    source: Bernstein, King, Zhou, Handbook of MRI Pulse Sequences, chapters 14 and 16.
    """
    density, t1_ms, t2_ms = relaxation(tissue, field_t)
    fat = TISSUES[tissue].fat
    if timing.train_ms:
        # Refocusing trains undo the J coupling that shortens the T2 of fat in single echoes.
        t2_ms *= 1 + 0.25 * fat
    r1 = 1e-3 * timing.uptake * _at_field(_R1_RELAXIVITY, field_t) * _UPTAKE_MM.get(tissue, 0.0)
    r2 = 1e-3 * timing.uptake * _at_field(_R2_RELAXIVITY, field_t) * _UPTAKE_MM.get(tissue, 0.0)
    rate1 = 1 / (t1_ms * np.asarray(t1, dtype=np.float32)) + np.float32(r1)
    rate2 = 1 / (t2_ms * np.asarray(t2, dtype=np.float32)) + np.float32(r2)
    if timing.steady_echo:
        signal = density * pd * _steady(rate1, rate2, timing)
    else:
        signal = density * pd * _longitudinal(rate1, timing) * np.exp(-timing.te_ms * rate2)
    if timing.dephasing:
        signal = signal * np.float32(np.exp(-1e-3 * timing.dephasing * timing.te_ms))
    if tissue == "blood":
        signal = signal * timing.flow_void
    return np.asarray(signal * (1 - fat + fat * timing.fat_residual), dtype=np.float32)


def _longitudinal(rate1: np.ndarray, timing: Sequence) -> np.ndarray:
    recovery = np.exp(-(timing.tr_ms - timing.train_ms) * rate1)
    if timing.ti_ms:
        return 1 - 2 * np.exp(-timing.ti_ms * rate1) + recovery
    if timing.flip_deg == 90:
        return 1 - recovery
    flip = np.deg2rad(timing.flip_deg)
    return np.sin(flip) * (1 - recovery) / (1 - np.cos(flip) * recovery)


def _steady(rate1: np.ndarray, rate2: np.ndarray, timing: Sequence) -> np.ndarray:
    """The two echoes of a double-echo steady state, T2 decay included.

    source: Hänicke, Vogel, Magn Reson Med 2003;49:771; Bruder et al., ibid. 1988;7:35.
    """
    flip = np.deg2rad(timing.flip_deg)
    # Of tissues that decay at once, differences are left that single precision does not hold.
    slow, fast = (np.asarray(rate, np.float64) for rate in (rate1, rate2))
    e1, e2 = np.exp(-timing.tr_ms * slow), np.exp(-timing.tr_ms * fast)
    p, q = 1 - e1 * np.cos(flip), e1 - np.cos(flip)
    ratio = np.sqrt((1 - e2**2) / (p**2 - e2**2 * q**2))
    if timing.steady_echo == 1:
        return np.tan(flip / 2) * (1 - q * ratio) * np.exp(-timing.te_ms * fast)
    # The second echo forms before the next pulse: it has decayed less than just before it.
    return np.tan(flip / 2) * (1 - p * ratio) * np.exp((2 * timing.tr_ms - timing.te_ms) * fast)


def signal(
    maps: TissueMaps,
    contrast: str,
    field_t: float,
    rng: np.random.Generator,
    timing: Sequence | None = None,
) -> np.ndarray:
    """The magnitude signal of one slice.

    Args:
        maps: the tissue maps, (tissues, height, width).
        contrast: one of ``VERSIONS``.
        field_t: field strength in tesla.
        rng: source of the sequence's variation and of the field's unevenness.
        timing: the volume's timing; drawn from ``rng`` where left out.

    Returns:
        float32 (height, width), relative to fully relaxed water.

    Raises:
        MrinbError: for an unknown contrast.
    """
    drawn = sequence(contrast, field_t, rng)
    timing = drawn if timing is None else timing
    uneven = _unevenness(maps.pd.shape, rng)
    out = np.zeros(maps.pd.shape, np.float32)
    for name, fraction in zip(maps.names, maps.fractions, strict=True):
        here = fraction > 0
        if not here.any():
            continue
        pure = tissue_signal(name, timing, field_t, maps.pd[here], maps.t1[here], maps.t2[here])
        if TISSUES[name].fat and timing.fat_residual < 1:
            # Saturation fails a little where the field is off: fat comes back at the rim.
            pure *= 1 + TISSUES[name].fat * uneven[here]
        out[here] += fraction[here] * pure
    return np.abs(out)


def _unevenness(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    coarse = rng.standard_normal((4, 4)).astype(np.float32)
    zoomed = ndimage.zoom(coarse, (shape[0] / 4, shape[1] / 4), order=3, mode="nearest")
    fine = zoomed[: shape[0], : shape[1]]
    return np.clip(0.35 * fine, -0.6, 1.5).astype(np.float32)
