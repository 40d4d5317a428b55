"""The claims of Appendix C."""

from mrinb.paper import by_cell
from mrinb.stats.register import Above, Claim, Compare, register
from mrinb.stats.rules import MATCHED

_FOLDS = ("2-fold", "4-fold", "8-fold", "16-fold")
_POOLS = {"narrow": "P_best", "diverse": "P", "unseen": "Q"}


def _printed(test: str, single: str) -> float:
    """How much better the paper's joint network is at an acceleration, with its decimals."""
    cells = by_cell("Table 2")
    return round(cells["all of above", test] - cells[single, test], 3)


register(
    Claim(
        "all-accelerations-equal-separate", "C", "at least as good",
        # Nothing here is shifted, so there is no severity that could widen the margin.
        tuple(Compare("all four", f, on=f, printed=_printed(f, f)) for f in _FOLDS),
        title="One for four accelerations, as good as four",
        statement="One model trained on four accelerations reconstructs each of them at least as "
        "well as the model trained on it alone.",
        paper="Appendix C.1, Table 2: differences within 0.001",
        finding="one network",
        labels={"joint": "all four"},
    ),
    Claim(
        "all-accelerations-help-unseen", "C", "better",
        Compare("all four", "2-fold", on="3-fold", printed=_printed("3-fold", "2-fold")),
        title="Four accelerations help at 3-fold",
        statement="At an acceleration that neither has seen, the model trained on four "
        "accelerations beats the best of the models trained on one of them.",
        paper="Appendix C.1, Table 2: +0.006 at 3-fold",
        finding="diverse data",
        labels={"joint": "all four", "best": "2-fold", "unseen": "3-fold"},
    ),
    Claim(
        "diverse-helps-over-coils", "C", "better", Compare("P", "P_best", on="Q"),
        title="Diverse knees better on 4-coil brains",
        statement="Tested on brains measured with 4 coils, the model trained on all 15-coil knees "
        "beats the one trained on the single best of their distributions, once mean and variance "
        "are matched.",
        paper="Appendix C.2, Figure 14",
        finding="diverse data", metrics=MATCHED, networks="most seeds", labels=_POOLS,
    ),
    Claim(
        "effective-robustness-over-coils", "C", "better", Above("P"),
        title="Diverse knees above the line, over coils",
        statement="Models trained on all 15-coil knees lie above the line of those trained on the "
        "single best distribution: at equal matched SSIM on it they have higher matched SSIM on "
        "the brains.",
        paper="Appendix C.2, Figure 14",
        finding="diverse data", metrics=MATCHED, networks="most seeds", labels={"diverse": "P"},
    ),
    Claim(
        "diverse-helps-over-coils-unmatched", "C", "better", Compare("P", "P_best", on="Q"),
        title="Diverse knees better, nothing matched",
        statement="With nothing matched to the ground truth, too, the model trained on all "
        "15-coil knees beats the one trained on the single best of their distributions.",
        paper="our control: the paper matches mean and variance before it scores",
        finding="diverse data", control=True, networks="most seeds", labels=_POOLS,
    ),
    Claim(
        "diverse-helps-over-coils-same-size", "C", "better",
        Compare("P, size of P_best", "P_best", on="Q"),
        title="Diverse knees better at equal size",
        statement="Cut to the size of the single distribution, the diverse pool still beats it: "
        "the advantage is due to diversity.",
        paper="our control: the diverse pool is also the larger one",
        finding="diverse data", control=True, metrics=MATCHED, networks="most seeds",
        labels={**_POOLS, "diverse": "P, size of P_best"},
    ),
    Claim(
        "coils-alone-matter", "C", "better", Compare("P, 4 coils", "P", on="Q"),
        title="The number of coils alone matters",
        statement="The number of coils is a shift of its own: trained on the same knees measured "
        "with 4 coils in place of 15, the model does better on 4-coil brains.",
        paper="our control: Figure 14 changes the anatomy along with the coils",
        finding="diverse data", control=True, metrics=MATCHED, networks="most seeds",
    ),
    Claim(
        "coils-alone-matter-unmatched", "C", "better", Compare("P, 4 coils", "P", on="Q"),
        title="The coils alone matter, nothing matched",
        statement="With nothing matched to the ground truth, too, the model trained on the same "
        "knees measured with 4 coils does better on 4-coil brains than the one trained on 15 "
        "coils.",
        paper="our control: matching takes away part of what the coils change",
        finding="diverse data", control=True, networks="most seeds",
    ),
)  # fmt: skip
