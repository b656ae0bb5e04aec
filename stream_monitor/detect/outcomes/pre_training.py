"""Whether training data hold bias already: how many of each group there are, and whether their labels differ.

Definitions as in SageMaker Clarify's "Pre-training Bias Metrics", for a binary label, so that the distances between the two groups' labels
follow from the two shares of positives q_a and q_d.
"""

from collections.abc import Callable, Mapping
from math import inf, log, sqrt
from types import MappingProxyType
from typing import Final, NamedTuple

from stream_monitor.detect.outcomes.bias import EVENTS_MIN
from stream_monitor.detect.outcomes.conditional import Strata, disparity, stratified
from stream_monitor.detect.outcomes.groups import pairings
from stream_monitor.detect.outcomes.intervals import difference, quantile, share
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, measured
from stream_monitor.profile.outcome import OutcomeLayout, Vector

_CLARIFY: Final = "https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-"


class LabelDistance(NamedTuple):
    """One row of `DISTANCES`: a figure of the two shares of positive labels (q_a, q_d), None: infinite; from 0 to high."""

    title: str
    high: float
    measure: Callable[[float, float], float | None]
    formula: str
    source: str


def kl(first: float, second: float) -> float | None:
    """Kullback-Leibler divergence of two coins, in nats; None where it is infinite."""
    terms = [(p, q) for p, q in ((first, second), (1 - first, 1 - second)) if p > 0]
    return None if any(q <= 0 for _, q in terms) else max(sum(p * log(p / q) for p, q in terms), 0.0)


def js(first: float, second: float) -> float:
    """Jensen-Shannon divergence of two coins, in nats, at most ln 2 (the drift detector `js` is the root, base 2)."""
    middle = (first + second) / 2
    return ((kl(first, middle) or 0.0) + (kl(second, middle) or 0.0)) / 2


DISTANCES: Final[Mapping[str, LabelDistance]] = {
    "label_kl": LabelDistance(
        "KL divergence of labels", inf, kl, "sum of P_a ln(P_a / P_d)", _CLARIFY + "data-bias-metric-kl-divergence.html"
    ),
    "label_js": LabelDistance(
        "JS divergence of labels",
        log(2),
        js,
        "(KL(P_a, P) + KL(P_d, P)) / 2, P = (P_a + P_d) / 2",
        _CLARIFY + "data-bias-metric-jensen-shannon-divergence.html",
    ),
    "label_lp": LabelDistance(
        "L2 norm of labels",
        sqrt(2),
        lambda a, d: sqrt(2) * abs(a - d),
        "sqrt(sum of (P_a - P_d)^2)",
        _CLARIFY + "data-bias-metric-lp-norm.html",
    ),
    "label_tvd": LabelDistance(
        "total variation distance of labels",
        1,
        lambda a, d: abs(a - d),
        "half the sum of |P_a - P_d|",
        _CLARIFY + "data-bias-metric-total-variation-distance.html",
    ),
    "label_ks": LabelDistance(
        "Kolmogorov-Smirnov of labels", 1, lambda a, d: abs(a - d), "max |P_a - P_d|", _CLARIFY + "data-bias-metric-kolmogorov-smirnov.html"
    ),
}
"""For a binary label tvd, ks and |label_parity_difference| are one number; all are given, for those who look for one by name."""

SHARES: Final[Mapping[str, tuple[str, str]]] = {
    "class_imbalance": ("(n_a - n_d) / (n_a + n_d), n labelled rows", _CLARIFY + "bias-metric-class-imbalance.html"),
    "label_parity_difference": ("q_a - q_d, q the share of positive labels", _CLARIFY + "data-bias-metric-true-label-imbalance.html"),
}
"""The two of all facets with an interval: name -> formula, source."""
CONDITIONAL_LABELS: Final = "label_conditional_disparity"
CONDITIONAL_LABELS_ROW: Final = (
    "mean over the strata of facets.NAME.within, weighted by rows, of P(d | y = 0) - P(d | y = 1)",
    _CLARIFY + "data-bias-metric-cddl.html",
)
"""CDDL: formula, source."""


def pre_training_bias(
    layout: OutcomeLayout,
    vector: Vector,
    privileged: Mapping[str, str],
    level: float = 0.99,
    events_min: int = EVENTS_MIN,
    strata: Strata = MappingProxyType({}),
) -> list[Measure]:
    """class_imbalance (CI), label_parity_difference (DPL), `DISTANCES` and, for facets with strata, label_conditional_disparity (CDDL) of a
    baseline's labelled events, group by group, as in `bias.bias`.

    class_imbalance: (n_a - n_d) / (n_a + n_d) in [-1, 1], interval by Wilson; label_parity_difference: q_a - q_d, by Newcombe. Over 0: the
    group d is rarer, or has fewer positive labels. The distances have no interval: at 0 their sampling error is all on one side.
    """
    z = quantile(level)
    found = []
    for group, a, d in pairings(layout, vector, privileged):
        segment, events = ((group.facet, group.value),), min(a.labelled, d.labelled)
        part = share(a.labelled, a.labelled + d.labelled, z)
        imbalance = part.rising(lambda value: 2 * value - 1)
        parity = difference(share(a.positive, a.labelled, z), share(d.positive, d.labelled, z))
        figures = {"class_imbalance": imbalance, "label_parity_difference": parity}
        for name, row in DISTANCES.items():
            figures[name] = NOTHING if events <= 0 else Estimate(row.measure(a.positive / a.labelled, d.positive / d.labelled))
        found += [measured(name, each if events >= events_min else Estimate(each.value), events, segment) for name, each in figures.items()]
    for cells in stratified(layout, vector, strata, privileged, axis=0):
        each = disparity(cells, z)
        enough = each if cells.smaller >= events_min else Estimate(each.value)
        found.append(measured(CONDITIONAL_LABELS, enough, cells.smaller, ((cells.group.facet, cells.group.value),)))
    return found
