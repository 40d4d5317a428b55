"""A chapter's answer follows from its verdict."""

import pandas as pd
import pytest

from mrinb.stats import claims

WORDS = {"holds": "Yes.", "fails": "No.", "otherwise": "Perhaps."}


def scores(difference, seeds=3, subjects=8):
    rows = [
        {
            "pool": pool, "model": "unet", "seed": seed, "epoch": 6, "distribution": "d",
            "split": "test", "target": "Q", "shift": "", "volume": f"v{subject}",
            "subject": f"s{subject}", "slice": i, "acceleration": 4, "ssim": value,
            "ssim_foreground": value,
        }
        for pool, offset in (("narrow", 0.0), ("diverse", difference))
        for seed in range(seeds)
        for subject in range(subjects)
        for i in range(4)
        for value in [0.8 + offset + 0.001 * ((seed * 7 + subject * 3 + i) % 5)]
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (scores(0.05), "Yes."),
        (scores(-0.05), "No."),
        (scores(0.05, seeds=1), "Perhaps."),
    ],
)
def test_the_sentence_is_that_of_the_verdict(table, sentence):
    verdict = claims.check("diverse-beats-narrow", table)
    found = claims.headline(verdict, **WORDS)
    html = found._repr_html_()
    assert found.sentence == sentence and str(found).startswith(sentence)
    assert f'data-verdict="{verdict.verdict}"' in html
    assert f'href="#{verdict.anchor}"' in html
    assert "90 % interval" in found.numbers


@pytest.mark.parametrize(
    ("table", "ending"),
    [
        (scores(0.05), ")."),
        (scores(0.05, seeds=1), "; underpowered: one seed."),
        (scores(0.05, seeds=2, subjects=4), "; underpowered: 2 seeds and 4 test subjects."),
    ],
)
def test_numbers_of_a_single_part_say_why_it_is_not_decided(table, ending):
    verdict = claims.check("diverse-beats-narrow", table)
    assert claims.headline(verdict, **WORDS).numbers.endswith(ending)
