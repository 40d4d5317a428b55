"""The claims of Chapter 1."""

from mrinb.stats.register import Claim, Compare, register

register(
    Claim(
        "diverse-beats-narrow", "01", "better", Compare("diverse", "narrow", on="Q"),
        title="Diverse beats narrow on an unseen kind",
        statement="On a distribution that neither has seen, a model trained on the diverse pool "
        "reconstructs better than one trained on the narrow pool.",
        paper="Section 1, Figure 1; Section 4, Figure 5",
        finding="diverse data",
        labels={"narrow": "narrow", "diverse": "diverse", "unseen": "Q"},
    ),
    Claim(
        "diverse-beats-narrow-same-size", "01", "better",
        Compare("diverse, same size", "narrow", on="Q"),
        title="Diverse beats narrow at equal size",
        statement="The advantage on the unseen distribution is due to diversity: it remains when "
        "the diverse pool is cut to the size of the narrow one.",
        paper="our control: in Section 4 the diverse pool is also the larger one",
        finding="diverse data", control=True,
        labels={"narrow": "narrow", "diverse": "diverse, same size", "unseen": "Q"},
    ),
    Claim(
        "diverse-keeps-in-distribution", "01", "at least as good",
        Compare("diverse", "narrow", on="P"),
        title="Diverse no worse on the narrow kind",
        statement="On the narrow pool's own distributions the model trained on the diverse pool is "
        "no worse.",
        paper="Abstract; Section 7, Figure 10",
        finding="diverse data",
        labels={"narrow": "narrow", "diverse": "diverse", "own": "P"},
    ),
)  # fmt: skip
