"""Which distributions are P and which are Q in each experiment of the paper.

``section3.anatomy.P`` reads like the paper. Figure 3's panel for anatomies swaps the labels (it
calls the brain P); here, as in the text of Section 3, P are the knees.
"""

from __future__ import annotations

from typing import NamedTuple

from mrinb.catalogue import DISTRIBUTIONS
from mrinb.errors import MrinbError, unknown
from mrinb.pools import Pool


class Shift(NamedTuple):
    """Two pools that differ in one attribute of the data.

    Attributes:
        name: ``anatomy``, ``contrast`` or ``field``.
        P, Q: the two pools, named as in the paper's text.
        p_label, q_label: words for figures.
    """

    name: str
    P: Pool
    Q: Pool
    p_label: str
    q_label: str


class Section(NamedTuple):
    """The shifts of one section of the paper."""

    anatomy: Shift
    contrast: Shift
    field: Shift

    def select(self, name: str) -> tuple[Shift, ...]:
        """The shifts that a parameter asks for: one by name, or ``all``.

        Raises:
            MrinbError: no shift has this name.
        """
        if name == "all":
            return tuple(self)
        if name not in self._fields:
            raise unknown("shift", name, [*self._fields, "all"])
        return (getattr(self, name),)


def _field(tesla: float) -> Pool:
    return Pool.of(*(d.name for d in DISTRIBUTIONS.values() if d.scanner.field_t == tesla))


section3 = Section(
    anatomy=Shift("anatomy", Pool.of("knee/*"), Pool.of("brain/*"), "knee", "brain"),
    contrast=Shift(
        "contrast", Pool.of("knee/PD-*"), Pool.of("knee/PDFS-*"), "knee PD", "knee PDFS"
    ),
    field=Shift("field", _field(3.0), _field(1.5), "3 T", "1.5 T"),
)
"""Section 3: 6 knee against 10 brain distributions, PD against PDFS knees, 3 T against 1.5 T."""


section4 = Section(
    anatomy=Shift(
        "anatomy", Pool.of("knee/*"), Pool.of("brain/*") - Pool.of("brain/*-Avanto"),
        "knee", "brain",
    ),
    contrast=Shift(
        "contrast", Pool.of("brain/*") - Pool.of("brain/T2-*"), Pool.of("brain/T2-*"),
        "brain, not T2", "brain T2",
    ),
    field=Shift("field", _field(1.5), _field(3.0), "1.5 T", "3 T"),
)  # fmt: skip
"""Section 4: 6 knee distributions to 8 of brains, FLAIR, T1 and T1POST brains to T2 (5 to 5),
1.5 T to 3 T (7 to 9)."""

coils = Shift("coils", Pool.of("knee/*"), Pool.of("brain/*-Avanto"), "15 coils", "4 coils")
"""Appendix C.2: knees measured with 15 coils, brains of the Avanto with 4."""


other_heads = Pool.of("head/*")
"""Brains that owe nothing to the ICBM template: a second Q of Section 4's shift of anatomy."""


def custom(P: str, Q: str) -> Shift:
    """A shift between any two pools given as strings.

    Raises:
        MrinbError: a pool cannot be read, only one of the two is given, or they are the same.
    """
    for name, text in (("P", P), ("Q", Q)):
        if not text:
            raise MrinbError(f"parameter {name} is empty: give both P and Q, or neither")
    one, other = Pool.parse(P), Pool.parse(Q)
    if set(one.distributions) == set(other.distributions):
        raise MrinbError(f"P and Q are the same distributions ({P}): a shift needs two pools")
    return Shift("custom", one, other, P, Q)


def choose(section: Section, shift: str, P: str = "", Q: str = "") -> tuple[Shift, ...]:
    """The shifts a chapter runs: those of its section by name, or one of the reader's own pools."""
    return (custom(P, Q),) if P or Q else section.select(shift)
