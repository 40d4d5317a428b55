"""The catalogue: Figure 2's distributions, Table 1's rows, Section 3's shifts."""

import csv
from collections import Counter

import pytest
from places import SHARED

from mrinb.catalogue import DATASETS, DISTRIBUTIONS, EVERY, EXTRA, distribution
from mrinb.errors import MrinbError
from mrinb.shifts import section3

LISTS = SHARED / "paper-splits"


def paper_list(name):
    """Rows of one of the paper's public split lists, where they lie beside the checkout."""
    path = LISTS / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the checkout")
    with path.open() as file:
        return list(csv.DictReader(file))


def name_of(row):
    """Distribution that a row of the lists belongs to."""
    for d in DISTRIBUTIONS.values():
        same_field = round(2 * float(row["field_T"])) / 2 == d.scanner.field_t
        if row["protocol"] == d.acquisition and row["scanner"] == d.scanner.model and same_field:
            return d.name
    return None


def test_sixteen_distributions_six_of_knees():
    assert len(DISTRIBUTIONS) == 16
    assert Counter(d.anatomy for d in DISTRIBUTIONS.values()) == {"knee": 6, "brain": 10}
    assert Counter(d.contrast for d in DISTRIBUTIONS.values()) == {
        "PD": 3, "PDFS": 3, "FLAIR": 1, "T1": 1, "T1POST": 3, "T2": 5,
    }  # fmt: skip
    assert Counter(d.scanner.field_t for d in DISTRIBUTIONS.values()) == {3.0: 9, 1.5: 7}
    for name, d in DISTRIBUTIONS.items():
        assert name == d.name == f"{d.anatomy}/{d.contrast}-{d.scanner.name}"
        assert d.encode[0] >= d.recon[0]
        assert d.encode[1] >= d.recon[1]
        assert d.dataset == f"fastMRI {d.anatomy}"


def test_acquisition_and_scanner_tell_distributions_apart():
    pairs = {(d.acquisition, d.scanner.model) for d in DISTRIBUTIONS.values()}
    assert len(pairs) == 16


def test_labels():
    assert distribution("knee/PDFS-Aera").label == "knee PDFS, Aera 1.5 T"
    assert distribution("brain/T2-Biograph").label == "brain T2, Biograph 3 T"


def test_table_1_has_13_training_rows_and_four_unseen():
    assert Counter(d.role for d in DATASETS) == {"train": 13, "unseen": 4}
    assert len({d.name for d in DATASETS}) == 17


def test_a_row_of_table_1_owns_its_distributions():
    for row in DATASETS:
        assert {d.dataset for d in row.distributions} == {row.name}
    owned = [d.name for row in DATASETS for d in row.distributions]
    assert len(owned) == len(set(owned))
    assert list(EVERY) == [*owned, *EXTRA]
    assert [d.name for row in DATASETS[:2] for d in row.distributions] == list(DISTRIBUTIONS)


def test_every_row_states_the_noise_of_its_simulated_volumes():
    assert all(d.snr > 0 for d in EVERY.values())
    assert distribution("head/T2-Prisma").snr == distribution("brain/T2-Prisma").snr


def test_section_3_shifts():
    assert [len(s.P.distributions) for s in section3] == [6, 3, 9]
    assert [len(s.Q.distributions) for s in section3] == [10, 3, 7]
    for shift in section3:
        assert not set(shift.P.distributions) & set(shift.Q.distributions)
    assert section3.anatomy.P + section3.anatomy.Q == section3.field.P + section3.field.Q
    assert set((section3.contrast.P + section3.contrast.Q).distributions) == set(
        section3.anatomy.P.distributions
    )
    assert section3.select("contrast") == (section3.contrast,)
    assert len(section3.select("all")) == 3


def test_unknown_names_give_the_nearest():
    with pytest.raises(
        MrinbError, match=r"unknown distribution 'knee/PDFS-Area': did you mean knee/PDFS-Aera"
    ):
        distribution("knee/PDFS-Area")
    with pytest.raises(MrinbError, match=r"unknown shift 'contrats': did you mean contrast"):
        section3.select("contrats")


def test_the_papers_training_lists_hold_just_these_16():
    """About 2,048 slices of each for each of five seeds; all 1,856 there are of one."""
    rows = [r for r in paper_list("fastmri_train_subsets.csv") if r["family"] == "trainset"]
    counts = Counter()
    for row in rows:
        name = name_of(row)
        assert name, row
        counts[row["seed"], name] += int(row["stop"]) - int(row["start"])
    assert len(counts) == 5 * 16
    for (_, name), slices in counts.items():
        expected = 1856 if name == "knee/PD-Biograph" else 2048
        assert slices == pytest.approx(expected, rel=0.035), name


def test_the_papers_test_list_holds_all_16_at_about_128_slices():
    counts = Counter()
    for row in paper_list("fastmri_test.csv"):
        if name := name_of(row):  # the others are of Sections 4 to 6
            counts[name] += int(row["stop"]) - int(row["start"])
    assert set(counts) == set(DISTRIBUTIONS)
    assert all(120 <= slices <= 170 for slices in counts.values())


def test_shifts_have_the_papers_number_of_training_slices():
    """Figure 3: six times 2,048 slices of knees, and so on for every P and Q."""
    rows = [
        r
        for r in paper_list("fastmri_train_subsets.csv")
        if r["family"] == "trainset" and r["seed"] == "0"
    ]
    for shift in section3:
        for pool in (shift.P, shift.Q):
            mine = [r for r in rows if name_of(r) in pool.distributions]
            slices = sum(int(r["stop"]) - int(r["start"]) for r in mine)
            assert slices == pytest.approx(2048 * len(pool.distributions), rel=0.035)


def test_matrices_and_coils_are_the_commonest_of_the_papers_lists():
    rows = [r for r in paper_list("section7_volumes.csv") if r["dataset"].startswith("fastmri")]
    found = {}
    for row in rows:
        if row["field_T"] and row["encode_y"] and (name := name_of(row)):
            found.setdefault(name, []).append(row)
    assert set(found) == set(DISTRIBUTIONS)
    for name, mine in found.items():
        d = DISTRIBUTIONS[name]
        (size, _), *_ = Counter(
            tuple(int(r[k]) for k in ("encode_x", "encode_y", "recon_x", "recon_y")) for r in mine
        ).most_common(1)
        assert size == (*d.encode, *d.recon), name
        (coils, _), *_ = Counter(int(r["coils"]) for r in mine).most_common(1)
        assert coils == d.coils, name
