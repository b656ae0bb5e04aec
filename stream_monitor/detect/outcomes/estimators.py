"""What a baseline's labels teach about quality before labels come: one function of a window's outcome for each task."""

from collections.abc import Callable

from stream_monitor.detect.outcomes.confidence import expected, fit_confidence
from stream_monitor.detect.outcomes.estimated import estimated, fit_calibration
from stream_monitor.detect.outcomes.expected_error import expected_errors, fit_errors
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.profile.outcome import OutcomeLayout, Vector

Estimator = Callable[[Vector, float, float], list[Measure]]
"""(a window's outcome, level, inflation) -> figures named `estimated_…`, always the same names in the same order."""


def fit_estimator(layout: OutcomeLayout, truth: Vector) -> Estimator | None:
    """truth: the training data's outcome. None: it teaches nothing, for no event has a label and a score (a number: a prediction)."""
    if "by_value" in layout.shapes and layout.part(truth, "by_value")[:, 1].any():
        errors = fit_errors(layout, truth)
        return lambda vector, level, inflation: expected_errors(layout, vector, errors, level, inflation)
    if "confidence" in layout.shapes and layout.part(truth, "confidence")[1:].any():
        confidence = fit_confidence(layout, truth)
        return lambda vector, level, inflation: expected(layout, vector, confidence, level, inflation)
    if "scores" in layout.shapes and layout.part(truth, "scores")[1:].any():
        calibration, known = fit_calibration(layout, truth), float(layout.part(truth, "scores")[1:].sum())
        return lambda vector, level, inflation: estimated(layout, vector, calibration, level, known, inflation)
    return None
