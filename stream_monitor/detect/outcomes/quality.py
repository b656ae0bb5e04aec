"""How good a model was on the events that have a label."""

from stream_monitor.detect.outcomes.classes import classes
from stream_monitor.detect.outcomes.confusion import confusion, rates
from stream_monitor.detect.outcomes.intervals import quantile
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.detect.outcomes.regression import regression
from stream_monitor.detect.outcomes.relation import conditional_entropy
from stream_monitor.detect.outcomes.scores import scores
from stream_monitor.profile.outcome import OutcomeLayout, Vector


def quality(layout: OutcomeLayout, vector: Vector, level: float = 0.99, inflation: float = 1.0) -> list[Measure]:
    """Every metric of the layout's task, always the same names in the same order; value None where it cannot be computed (n = 0, one
    class).

    level: of the two-sided intervals, in (0, 1); inflation >= 1: that many events that come together are worth one.
    Labelled events without a prediction are left out: nothing was said of them.
    """
    z = quantile(level, inflation)
    if layout.task == "regression":
        return regression(layout, vector, z)
    relation = conditional_entropy(layout, vector, z, inflation)
    if layout.task == "multiclass":
        return [*classes(layout, vector, z), relation]
    return [*rates(confusion(layout, vector), z), relation, *(scores(layout, vector, z) if layout.scored else [])]
