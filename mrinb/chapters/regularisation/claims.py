"""The claims of Appendix A."""

from mrinb.labels import ZERO_FILLED
from mrinb.paper import by_cell
from mrinb.stats.register import Claim, Compare, register

OF_P, OF_Q = "λ = 0.01", "λ = 0.001"
"""Labels of the two weights that the paper compares."""


def _printed(test: str, better: str, worse: str) -> float:
    """Difference that the paper prints, with its decimals."""
    cells = by_cell("Appendix A")
    return round(cells[better, test] - cells[worse, test], 3)


register(
    Claim(
        "weights-differ", "A", "better",
        (Compare(OF_P, OF_Q, on="P"), Compare(OF_Q, OF_P, on="Q")),
        title="Each distribution has its own weight",
        statement="Each distribution has a regularisation weight of its own: that chosen on P's "
        "validation data does better on P than that chosen on Q's, and on Q it is the other way "
        "around.",
        paper="Appendix A",
        finding="own weights", trained=False,
        labels={"of_p": OF_P, "of_q": OF_Q},
    ),
    Claim(
        "printed-weights-differ", "A", "better",
        (
            Compare(OF_P, OF_Q, on="P", printed=_printed("knee/PD-Skyra", "0.01", "0.001")),
            Compare(OF_Q, OF_P, on="Q", printed=_printed("knee/PDFS-Aera", "0.001", "0.01")),
        ),
        title="The paper's two weights differ",
        statement="Of the two weights that the paper compares, 0.01 does better on P and 0.001 on "
        "Q.",
        paper="Appendix A: 0.792 against 0.788 on P, 0.602 against 0.609 on Q",
        finding="own weights", trained=False,
    ),
    Claim(
        "regularised-beats-zero-filled", "A", "better",
        (Compare(OF_P, ZERO_FILLED, on="P"), Compare(OF_Q, ZERO_FILLED, on="Q")),
        title="Regularised beats the zero-filled image",
        statement="With the weight chosen on its validation data, l1-regularised least squares "
        "beats the zero-filled image on each distribution.",
        paper="our control: a method that does not gains nothing from any weight",
        finding="own weights", control=True, trained=False,
        labels={"of_p": OF_P, "of_q": OF_Q},
    ),
)  # fmt: skip
