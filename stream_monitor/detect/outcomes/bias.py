"""Whether a binary model treats groups alike: each group d against the privileged one a.

Definitions and signs as in SageMaker Clarify's "Post-training Data and Model Bias Metrics": a difference over 0 is against the group d, a
ratio under 1 too. An event without a prediction counts as not accepted, as the vector has it.
"""

from collections.abc import Callable, Mapping
from math import inf
from types import MappingProxyType
from typing import Final, NamedTuple

from stream_monitor.detect.outcomes.conditional import Strata, disparity, stratified
from stream_monitor.detect.outcomes.confusion import RATES, Confusion
from stream_monitor.detect.outcomes.groups import Side, pairings
from stream_monitor.detect.outcomes.intervals import difference, paired_ratio, quantile, ratio, share, size
from stream_monitor.detect.outcomes.measure import NOTHING, Estimate, Measure, measured
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.weights import EVENTS, Weights

Allowed = tuple[float, float]
EVENTS_MIN: Final = 30
"""Fewer events than this in a metric's denominator, on either side: its value is told, without an interval."""
FOUR_FIFTHS: Final[Allowed] = (0.8, 1.25)
"""The four-fifths rule of the Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D, and its inverse."""
TENTH: Final[Allowed] = (-0.1, 0.1)
"""Bellamy et al. 2018, AI Fairness 360: fair within 0.1 of 0."""
UNLIMITED: Final[Allowed] = (-inf, inf)

Compare = Callable[[Side, Side, float], Estimate]
"""(a, d, z) -> the metric."""
Denominator = Callable[[Side], float]
"""The events of one side that the metric rests on."""
_CLARIFY: Final = "https://docs.aws.amazon.com/sagemaker/latest/dg/clarify-post-training-bias-metric-"


class BiasMetric(NamedTuple):
    """One row of `BIAS`. range: all values that there may be; allowed: by default; intervals: how many must hold at once."""

    name: str
    title: str
    compare: Compare
    denominator: Denominator
    allowed: Allowed
    range: Allowed
    formula: str
    interval: str
    source: str
    intervals: int = 1


def bias(
    layout: OutcomeLayout,
    vector: Vector,
    privileged: Mapping[str, str],
    level: float = 0.99,
    events_min: int = EVENTS_MIN,
    weights: Weights = EVENTS,
    strata: Strata = MappingProxyType({}),
) -> list[Measure]:
    """Every metric of `PAIRED` for every group but the privileged ones, `segment` ((facet, group),); see `groups.pairings`. The conditional
    one for those of the facets that have strata.

    Value None: a denominator is 0. With fewer than events_min events in a denominator a value has no interval, so that nothing follows from
    it; of a sample its rows are counted for that. level: as in `quality.quality`; weights: of the sample that the vector counts.
    Empty where the layout has no groups.
    """
    found = []
    for group, a, d in pairings(layout, vector, privileged, weights.groups):
        for row in PAIRED.values():
            smaller = min(a, d, key=row.denominator)
            estimate = row.compare(a, d, quantile(1 - (1 - level) / row.intervals))
            enough = estimate if row.denominator(smaller) >= events_min else Estimate(estimate.value)
            found.append(measured(row.name, enough, row.denominator(smaller) * smaller.weight, ((group.facet, group.value),)))
    for cells in stratified(layout, vector, strata, privileged, axis=1):
        estimate = disparity(cells, quantile(level, weights.whole))
        enough = estimate if cells.smaller >= events_min * weights.whole else Estimate(estimate.value)
        found.append(measured(CONDITIONAL, enough, cells.smaller, ((cells.group.facet, cells.group.value),)))
    return found


def outside(measure: Measure, allowed: Allowed) -> bool:
    """Whether the whole interval is below or above the range; False without an interval."""
    return measure.low is not None and measure.high is not None and (measure.high < allowed[0] or measure.low > allowed[1])


def disparate_impact(a: Side, d: Side, z: float) -> Estimate:
    """Acceptance rate of d over that of a; nothing where a has no accepted event."""
    return ratio(d.accepted, d.events, a.accepted, a.events, z)


def statistical_parity(a: Side, d: Side, z: float) -> Estimate:
    """Acceptance rate of a less that of d."""
    return difference(share(a.accepted, a.events, z), share(d.accepted, d.events, z))


def equalised_odds(a: Side, d: Side, z: float) -> Estimate:
    """The larger of |difference of true positive rates| and |difference of false positive rates|, at least 0.

    Interval: the larger of each end; z is of half the error, so that both intervals hold together (Bonferroni).
    """
    found = [_gap("recall", a, d, z), _gap("specificity", a, d, z)]
    sizes = [bounds for each in found if (bounds := size(each).bounds) is not None]
    return Estimate(*map(max, *sizes)) if len(sizes) == 2 else NOTHING


def treatment_equality(a: Side, d: Side, z: float) -> Estimate:
    """Fn / fp of d less that of a; nothing where a side has no false positive."""
    return difference(_odds(d.counts, z), _odds(a.counts, z))


def conditional_acceptance(a: Side, d: Side, z: float) -> Estimate:
    """Positive labels over positive predictions, of a less of d; labelled events only."""
    return difference(*(paired_ratio(c.tp, c.fn, c.fp, z) for c in (a.counts, d.counts)))


def conditional_rejection(a: Side, d: Side, z: float) -> Estimate:
    """Negative labels over negative predictions, of d less of a; labelled events only."""
    return difference(*(paired_ratio(c.tn, c.fp, c.fn, z) for c in (d.counts, a.counts)))


def _gap(rate: str, first: Side, second: Side, z: float) -> Estimate:
    return difference(share(*RATES[rate](first.counts), z), share(*RATES[rate](second.counts), z))


def _odds(counts: Confusion, z: float) -> Estimate:
    """Fn / fp as the odds of fn among errors, with Wilson's interval of that share."""
    found = share(counts.fn, counts.fn + counts.fp, z)
    return found.rising(lambda part: part / (1 - part) if part < 1 else inf) if counts.fp > 0 else NOTHING


def _rate_row(name: str, rate: str, title: str, formula: str, page: str) -> BiasMetric:
    """A difference of proportions: of a less of d, but for the specificity, where the favoured group has the lower one."""

    def compare(a: Side, d: Side, z: float) -> Estimate:
        return _gap(rate, d, a, z) if rate == "specificity" else _gap(rate, a, d, z)

    return BiasMetric(
        name, title, compare, lambda side: RATES[rate](side.counts)[1], TENTH, (-1, 1), formula, "Newcombe 1998", _CLARIFY + page
    )


_ROWS: Final = (
    BiasMetric(
        "disparate_impact",
        "disparate impact",
        disparate_impact,
        lambda side: side.events,
        FOUR_FIFTHS,
        (0, inf),
        "P(accepted | d) / P(accepted | a)",
        "log method of Katz et al. 1978 with halves added",
        _CLARIFY + "di.html",
    ),
    BiasMetric(
        "statistical_parity_difference",
        "difference of acceptance rates",
        statistical_parity,
        lambda side: side.events,
        TENTH,
        (-1, 1),
        "P(accepted | a) - P(accepted | d)",
        "Newcombe 1998",
        _CLARIFY + "dppl.html",
    ),
    _rate_row("equal_opportunity_difference", "recall", "difference of recalls", "TPR(a) - TPR(d), TPR = tp / (tp + fn)", "rd.html"),
    BiasMetric(
        "equalised_odds_difference",
        "larger difference of true or false positive rates",
        equalised_odds,
        lambda side: min(side.positive, side.labelled - side.positive),
        TENTH,
        (0, 1),
        "max(|TPR(a) - TPR(d)|, |FPR(a) - FPR(d)|)",
        "Newcombe 1998 for each, Bonferroni for both",
        "Hardt, Price & Srebro 2016, Equality of Opportunity in Supervised Learning, NeurIPS; as one number: Fairlearn",
        intervals=2,
    ),
    _rate_row("accuracy_difference", "accuracy", "difference of accuracies", "ACC(a) - ACC(d), ACC = (tp + tn) / n", "ad.html"),
    _rate_row("precision_difference", "precision", "difference of precisions", "PPV(a) - PPV(d), PPV = tp / (tp + fp)", "dar.html"),
    _rate_row("specificity_difference", "specificity", "difference of specificities", "TNR(d) - TNR(a), TNR = tn / (tn + fp)", "sd.html"),
    BiasMetric(
        "treatment_equality",
        "difference of misses per false alarm",
        treatment_equality,
        lambda side: side.counts.fn + side.counts.fp,
        UNLIMITED,
        (-inf, inf),
        "fn / fp (d) - fn / fp (a)",
        "Wilson's interval of fn / (fn + fp) as odds, joined as by Zou & Donner 2008",
        _CLARIFY + "te.html",
    ),
    BiasMetric(
        "conditional_acceptance",
        "difference of positive labels per acceptance",
        conditional_acceptance,
        lambda side: side.counts.tp + side.counts.fp,
        TENTH,
        (-inf, inf),
        "(tp + fn) / (tp + fp) (a) - the same (d)",
        "log method of Bonett & Price 2006, joined as by Zou & Donner 2008",
        _CLARIFY + "dcacc.html",
    ),
    BiasMetric(
        "conditional_rejection",
        "difference of negative labels per rejection",
        conditional_rejection,
        lambda side: side.counts.tn + side.counts.fn,
        TENTH,
        (-inf, inf),
        "(tn + fp) / (tn + fn) (d) - the same (a)",
        "log method of Bonett & Price 2006, joined as by Zou & Donner 2008",
        _CLARIFY + "dcr.html",
    ),
)
PAIRED: Final[Mapping[str, BiasMetric]] = {row.name: row for row in _ROWS}
"""Those of two groups alone, by name. `treatment_equality` has no scale of its own: no difference is too large until the config says so."""
CONDITIONAL: Final = "conditional_demographic_disparity"
BIAS: Final[Mapping[str, BiasMetric]] = {
    **PAIRED,
    CONDITIONAL: BiasMetric(
        CONDITIONAL,
        "conditional demographic disparity",
        lambda a, d, z: NOTHING,
        lambda side: side.events,
        TENTH,
        (-1, 1),
        "mean over the strata of facets.NAME.within, weighted by events, of P(d | rejected) - P(d | accepted)",
        "Newcombe 1998 for each stratum, joined as by Zou & Donner 2008",
        _CLARIFY + "cddpl.html",
    ),
}
"""All, by name; the conditional one has more than two sides, see `conditional`."""
ALIASES: Final[Mapping[str, str]] = {
    "recall_difference": "equal_opportunity_difference",
    "predictive_parity_difference": "precision_difference",
    "equalized_odds_difference": "equalised_odds_difference",
}
"""Other names of the same numbers: told and judged once."""
