"""What Chapter 2 shows: slices, spectra, noise ceilings, the measurement, the toy problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mrinb.catalogue import DISTRIBUTIONS, EVERY, homes
from mrinb.compute.used import digest
from mrinb.data.volumes import available
from mrinb.exhibits import Pictures
from mrinb.lab import Lab
from mrinb.labels import ZERO_FILLED
from mrinb.pools import Pool
from mrinb.runs import Shown
from mrinb.widgets import ToyData


def gallery(lab: Lab) -> Shown:
    """One test slice of each distribution there is, by name, float32 (height, width)."""
    found = lab.references(lab.present([*DISTRIBUTIONS]))
    images = {
        name: Pictures(a["target"], a["white"]).floats()[len(a["target"]) // 2]
        for name, a in found.items()
    }
    return Shown(images, lab.data_note(found, DISTRIBUTIONS))


def image_statistics(lab: Lab, distributions: Sequence[str], slices: int = 8) -> Shown:
    """Power spectra and intensity histograms of distributions, and of a real head.

    Distributions that the data root lacks have no curve; where it lacks them all, the first
    ones that it has stand in for them.
    """
    present = lab.present(distributions)
    specs = [lab.exhibit("spectrum", lab.data(d, "test"), slices=slices) for d in present]
    real = lab.exhibit("real_head", size=lab.profile.size)
    *curves, head = lab.show([*specs, real])
    labels = [homes.label(d) for d in present]
    both = dict(zip(labels, curves, strict=True)) | {"real head, T1, sagittal": head}
    return Shown(both, lab.data_note(present, distributions))


def statistics_table(statistics: Shown) -> pd.DataFrame:
    """Curves of ``image_statistics`` as a long table: what, x-axis values and heights."""
    return pd.concat(
        [
            pd.DataFrame(
                {"label": label, "quantity": y, "x": curve[x][: len(curve[y])], "y": curve[y]}
            )
            for label, curve in statistics.arrays.items()
            for x, y in (("frequency", "power"), ("edges", "density"))
        ],
        ignore_index=True,
    )


def noise_ceilings(lab: Lab) -> pd.DataFrame:
    """SSIM that noise leaves attainable in each simulated distribution; empty for real data."""
    names = list(DISTRIBUTIONS) if lab.simulated else []
    specs = [
        lab.exhibit("noise_ceiling", lab.data(d, "test"), slices=lab.profile.slices) for d in names
    ]
    rows = [
        {
            "distribution": EVERY[name].label,
            "SNR": f"{float(arrays['snr']):g}",
            "noise-free image": f"{float(arrays['noise_free']):.3f}",
            "with noise floor": f"{float(arrays['with_floor']):.3f}",
        }
        for name, arrays in zip(names, lab.show(specs), strict=True)
    ]
    return pd.DataFrame(rows)


def forward_model(lab: Lab, distribution: str, coils: int = 4) -> Shown:
    """Equation 1 step by step for one slice (see ``exhibits.forward_model``)."""
    data = lab.data(distribution, "test")
    spec = lab.exhibit("forward_model", data, coils=coils, slices=1)
    return Shown(lab.show([spec])[0], lab.note([spec]))


def scan(lab: Lab, distribution: str, network: bool = True) -> Shown:
    """``forward_model`` with what a network makes of the measurements, as ``network``, and scores.

    It is the lab's network, trained on all there is of the same anatomy (other subjects).

    Args:
        lab: the chapter's lab.
        distribution: whose slice is taken apart.
        network: whether there is one, which has to be trained.
    """
    steps = forward_model(lab, distribution)
    if not network:
        return steps
    anatomy = distribution.partition("/")[0]
    names = [d for d in available("train", lab.context) if d.startswith(f"{anatomy}/")]
    runs = lab.train(lab.model, {anatomy: Pool.of(*names)})
    panel = lab.panel(runs, distribution, slices=_same_first_slice(lab))
    white = float(np.percentile(steps.arrays["target"], 99.5))
    image = panel.images[anatomy] * (white / float(panel.target.max()))
    note = {**steps.note, "seeds": panel.note["seeds"][:1]}
    scores = {"ssim": panel.ssim[anatomy], "zero_filled_ssim": panel.ssim[ZERO_FILLED]}
    return Shown({**steps.arrays, "network": image, **scores}, note)


def _same_first_slice(lab: Lab) -> int:
    """How many slices to show so that the first is that of ``forward_model``.

    Where every slice is of a volume of its own, other chapters' pictures have it already.
    """
    count = lab.profile.exhibit_slices
    return count if lab.simulated and lab.profile.subjects[2] >= count else 1


def mask_explorer(lab: Lab, distribution: str, coils: int = 4, size: int = 128) -> dict[str, Any]:
    """Arguments of the mask explorer: one slice's k-space and a note."""
    data = lab.data(distribution, "test")
    spec = lab.exhibit("kspace", data, coils=coils, size=size, slices=1)
    arrays = lab.show([spec])[0]
    real, imag = (arrays[part].astype(np.float32) for part in ("real", "imag"))
    words = [
        homes.label(distribution),
        f"{len(real)} virtual coils with {float(arrays['kept']):.1%} of the energy",
        lab.words([spec]),
    ]
    return {"kspace": (real + 1j * imag) * np.float32(arrays["scale"]), "notes": words}


def toy(lab: Lab, n: int, d: int, draws: int = 4000) -> ToyData:
    """Section 3's toy problem in ``n`` dimensions with a ``d``-dimensional signal."""
    spec = lab.exhibit("toy_risk", n=n, d=d, draws=draws)
    arrays = lab.show([spec])[0]
    words = (
        f"n = {n}, d = {d}",
        "linear risks in closed form",
        f"non-linear risk by Monte Carlo, {draws} draws",
        f"key {digest([spec.key])}",
    )
    sigmas, risk, error = (arrays[name].tolist() for name in ("sigmas", "risk", "error"))
    return ToyData(n, d, sigmas, risk, error, words)
