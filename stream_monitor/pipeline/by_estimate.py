"""How severe drift of inputs is, where the config asks: as bad as the quality that the model probably lost by it, in the same window."""

from collections.abc import Sequence
from dataclasses import replace

from stream_monitor.detect.decide import title_of
from stream_monitor.detect.finding import Finding, FindingKind, ScoreStatus, Severity
from stream_monitor.detect.outcomes.judge import OutcomeScore
from stream_monitor.detect.outcomes.metrics import METRICS


def by_estimate(finding: Finding, estimates: Sequence[OutcomeScore]) -> Finding:
    """A finding of data drift with the severity of the worst of these estimates, and a note that says so; any other, and one without
    estimates that are judged, as it is.

    Critical: an estimate is beyond its threshold; info: in none does the interval leave what training had, or it leaves it to the good
    side; warning: between.
    """
    if finding.key.kind is not FindingKind.DATA_DRIFT or finding.severity is Severity.INFO:
        return finding
    found = [(*_loss(each), each) for each in estimates if _is_judged(each)]
    if not found:
        return finding
    severity, _, worst = max(found, key=lambda item: (_ORDER.index(item[0]), item[1]))
    return replace(finding, severity=severity, note=_note(worst))


_ORDER = (Severity.INFO, Severity.WARNING, Severity.CRITICAL)


def _is_judged(estimate: OutcomeScore) -> bool:
    score, measure = estimate.score, estimate.measure
    return score.status is ScoreStatus.JUDGED and score.allowance < float("inf") and measure is not None and measure.low is not None


def _loss(estimate: OutcomeScore) -> tuple[Severity, float]:
    """With the part of what may be lost that is."""
    score, measure = estimate.score, estimate.measure
    assert measure is not None
    assert measure.low is not None
    assert measure.high is not None
    part = score.excess / score.allowance if score.allowance > 0 else score.excess
    if score.excess > score.allowance:
        return Severity.CRITICAL, part
    is_lost = measure.high < score.base if METRICS[measure.name].higher_is_better else measure.low > score.base
    return (Severity.WARNING if is_lost else Severity.INFO), part


def _note(worst: OutcomeScore) -> str:
    score, before = worst.score, worst.before
    training = "" if before is None else f", in training {before:.2f}"
    return f"severity follows the loss: {title_of(score.key.detector)} {score.score:.2f} (limit {score.threshold:.2f}{training})"
