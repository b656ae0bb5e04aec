"""Scores as 16-bit numbers: what a code stands for, and that no machine can say otherwise."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.profile.score import SCORE_CODES, SCORE_SUMS, SCORES, score_bins, score_codes


def test_a_code_is_a_logit() -> None:
    logit = (np.arange(1, SCORE_CODES) - 2**15) / 3_000
    np.testing.assert_allclose(SCORES[1:], 1 / (1 + np.exp(-logit)), rtol=1e-11)
    np.testing.assert_allclose(SCORES[1:], 1 - SCORES[:0:-1], atol=1e-15)
    assert (score_codes(SCORES[1:]) == np.arange(1, SCORE_CODES)).all()


@pytest.mark.parametrize(
    ("score", "code"),
    [(0.0, 1), (1e-300, 1), (0.5, 2**15), (1.0, 65_535), (-1e-9, 0), (1.0000001, 0), (np.nan, 0), (np.inf, 0), (-np.inf, 0)],
)
def test_ends_and_what_is_no_probability(score: float, code: int) -> None:
    assert score_codes(np.array([score])).tolist() == [code]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=50).map(sorted))
def test_order_and_the_stated_precision(scores: list[float]) -> None:
    given_scores = np.array(scores)
    codes = score_codes(given_scores)
    assert (np.diff(codes.astype(int)) >= 0).all()
    assert (np.diff(score_bins(codes)) >= 0).all()
    assert (np.abs(SCORES[codes] - given_scores) <= 1.7e-4 * given_scores * (1 - given_scores) + 1.81e-5).all()
    inner = (given_scores > 1.81e-5) & (given_scores < 1 - 1.81e-5)
    assert (np.abs(SCORES[codes] - given_scores) <= 1.7e-4 * given_scores * (1 - given_scores))[inner].all()


def test_at_the_end_of_a_code_the_table_decides() -> None:
    """Of two codes the higher one begins there, whatever the logarithm says."""
    begins = np.cumprod(np.full(65_533, float((Decimal(1) / 6_000).exp())))[::2]
    ends = begins / (1 + begins)
    for scores, step in ((ends, 0), (np.nextafter(ends, 0), -1), (np.nextafter(ends, 1), 0)):
        assert (score_codes(scores) == np.arange(2**15 + 1, SCORE_CODES) + step).all()
    plain = 1 / (1 + np.exp(-(np.arange(2, SCORE_CODES) - 0.5 - 2**15) / 3_000))
    scores = np.linspace(0, 1, 100_001)
    assert (score_codes(scores) == 1 + np.searchsorted(plain, scores, side="right")).all()


def test_bins_are_equal_on_the_logit() -> None:
    bins = score_bins(np.arange(1, SCORE_CODES).astype(np.uint16))
    assert np.bincount(bins).tolist() == [127] + [128] * 511
    edges = SCORES[128::128]
    assert np.diff(edges).max() < 0.0107
    assert (np.diff(edges) / edges[:-1]).max() < 0.0436


def test_sums_are_the_same_whichever_way_a_machine_rounds_logarithms() -> None:
    """No log loss in 2^-20 lies so near a half that some units in the last place could move it."""
    losses = -np.log(SCORES[1:]) * 2**20
    assert np.abs(losses % 1 - 0.5).min() > 1e-8
    assert (SCORE_SUMS[1, 1:] == np.rint(losses)).all()
    assert SCORE_SUMS.max() < 2**24
