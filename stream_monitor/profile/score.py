"""How a score, the probability of the positive class, is kept: its logit as a 16-bit number, coded once, where an event enters.

Equal steps of the logit tell 0.001 from 0.002 as well as 0.4 from 0.6: where positives are rare, all scores are small.
A code is the same on every machine: comparing with a table decides, and that is made by additions, products and quotients alone.
"""

from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

SCORE_CODES: Final = 2**16
"""Code 0: there is no score, or it is no probability. Code c, from 1: the logit (c - 2^15) / 3,000, from -10.92 to 10.92.

So a score s is known to within 1.7e-4 s (1 - s), and to 1.8e-5 at either end: what is below, as 0, has code 1, what is above the last.
1 - s has the code SCORE_CODES - c.
"""
SCORE_BINS: Final = 512
"""Bins of 128 codes: 0.0107 wide at 0.5, 4.3 % of the score where it is small."""
SUMS_SCALE: Final = 2**20
"""Of `SCORE_SUMS`."""


def _tables() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By code, its score, NaN for 0; and float64[SCORE_CODES], where it ends and the next begins."""
    half_step = float((Decimal(1) / 6_000).exp())
    odds = np.cumprod(np.concatenate([[1.0], np.full(SCORE_CODES - 2, half_step)]))  # one product after the other
    high, low = odds / (1 + odds), 1 / (1 + odds)
    scores = np.concatenate([[np.nan], low[2::2][::-1], high[::2]])
    return scores, np.concatenate([[-np.inf], low[1::2][::-1], high[1::2], [np.inf]])


SCORES, _ENDS = _tables()
"""float64[SCORE_CODES]: what each code stands for, rising; NaN for 0."""
SCORE_SUMS: Final[NDArray[np.int64]] = np.rint(
    np.nan_to_num(np.stack([(1 - SCORES) ** 2, -np.log(SCORES)])) * SUMS_SCALE,
).astype(np.int64)
"""int64[2, SCORE_CODES]: (s - y)^2 and the log loss of a label whose class has that score, in 2^-20; 0 for code 0.

By code they are off by at most 5e-5 and 1.7e-4 each, either way; the log loss is at most 10.92.
"""


def score_codes(scores: NDArray[np.float64]) -> NDArray[np.uint16]:
    """uint16[n] of float64[n]; 0 for what is not in [0, 1]."""
    fits = (scores >= 0) & (scores <= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.log(scores / (1 - scores))
    near = np.where(fits, np.rint(np.clip(logits * 3_000, -32_767, 32_767)) + 2**15, 1).astype(np.int64)  # to within one
    codes = near + (scores >= _ENDS[near]) - (scores < _ENDS[near - 1])
    return np.where(fits, codes, 0).astype(np.uint16)


def score_bins(codes: NDArray[np.uint16]) -> NDArray[np.int64]:
    """int64[n]: the bins of codes from 1 on."""
    return codes.astype(np.int64) >> 7
