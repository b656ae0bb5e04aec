"""Figures that are told beside those that are judged: by when labels come is known to nobody but those who label, and a shift of inputs
alone moves labels and predictions together. Those of labels are judged when `label_lateness` ends, where the config has a limit. The docs
are made from this.
"""

from collections.abc import Mapping
from math import inf
from typing import Final, NamedTuple


class Told(NamedTuple):
    """One row; low, high: all values that there may be."""

    title: str
    low: float
    high: float
    formula: str
    source: str


TOLD: Final[Mapping[str, Told]] = {
    "joint_js": Told(
        "distance of labels and predictions together from the baseline's",
        0,
        1,
        "Jensen-Shannon distance, base 2, of the counts of label and prediction",
        "Endres & Schindelin 2003, A New Metric for Probability Distributions",
    ),
    "joint_kl": Told(
        "divergence of labels and predictions together from the baseline's",
        0,
        inf,
        "sum of p ln(p / q) over cells of label and prediction, half an event more in each that either side has",
        "Kullback & Leibler 1951, On Information and Sufficiency",
    ),
    "label_coverage": Told("share of events with a label", 0, 1, "events with a label / events", "by definition"),
    "label_delay_p50_s": Told(
        "median delay of labels in seconds", 0, inf, "of first labels, on bins of a quarter doubling", "by definition"
    ),
}
"""By name."""
