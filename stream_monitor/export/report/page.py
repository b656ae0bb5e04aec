"""The page: a template, filled."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Template
from markupsafe import Markup

from stream_monitor.alert.alert import Affected, Agreeing, Alert
from stream_monitor.detect.registry import title_of
from stream_monitor.errors import InputError
from stream_monitor.export.pictures import Lane, Share, lanes, score_over_time, shares, spark, truth_and_estimate
from stream_monitor.export.report.figures import ModelFigures, Told
from stream_monitor.export.report.story import Case, Story, segment_text
from stream_monitor.export.templating import moment, number, templates

_NAMES: Final = {
    "psi": "population stability index",
    "js": "Jensen-Shannon distance",
    "kl": "Kullback-Leibler divergence",
    "hellinger": "Hellinger distance",
    "tvd": "total variation distance",
    "linf": "L-infinity distance",
    "ks": "Kolmogorov-Smirnov distance",
    "chi2": "chi-square",
    "wasserstein": "normalised Wasserstein distance",
    "adwin": "ADWIN",
    "page_hinkley": "Page-Hinkley",
}


def write_report(story: Story, path: Path, title: str) -> None:
    """One self-contained HTML file. Errors: InputError where it cannot be written."""
    try:
        path.write_text(render(story, title), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--report {path}: cannot be written: {error.strerror}") from None


def claim(path: Path) -> None:
    """Before the work: that the page can be written there. Errors: InputError."""
    try:
        path.open("ab").close()
    except OSError as error:
        raise InputError(f"--report {path}: cannot be written: {error.strerror}") from None


def render(story: Story, title: str) -> str:
    """The page as text; the same bytes for the same story."""
    return _template().render(story=story, title=title, start=when(story.start_ms), end=when(story.end_ms))


@cache
def _template() -> Template:
    environment = templates()
    environment.filters |= {
        "when": when,
        "sure": sure,
        "number": number,
        "moment": moment,
        "lasting": lasting,
        "affected": affected,
        "subject": subject,
        "beyond": beyond,
    }
    environment.globals |= {"lanes": _lanes, "score_over_time": _score_over_time, "shares": _shares, "detector_name": _name}
    environment.globals |= {"spark": _spark, "truth_and_estimate": _truth_and_estimate}
    return environment.get_template("report.html.j2")


def _lanes(story: Story) -> Markup:
    found = [
        Lane(
            subject(case) if len(story.models) > 1 else about(case),
            case.peak.severity,
            case.began_ms,
            case.ended_ms or story.end_ms,
            case.peak.annotations.summary,
            f"#case-{case.first.alert_id}",
        )
        for case in story.cases
    ]
    return Markup(lanes(found, (story.start_ms, story.end_ms)))


def _score_over_time(story: Story, case: Case) -> Markup:
    label = f"{case.peak.detector} of {case.subject} over time, with its threshold"
    change_ms = None if case.last.change_point is None else case.began_ms
    firing = (case.began_ms, case.ended_ms or story.end_ms)
    return Markup(score_over_time(case.series, (story.start_ms, story.end_ms), label, firing, change_ms))


def _shares(alert: Alert) -> Markup:
    """A figure of all events is called what it is called elsewhere on the page."""
    is_figure = alert.feature is None
    named = [title_of(moved.bin) if is_figure and moved.bin == alert.detector else moved.bin for moved in alert.evidence.moved]
    return Markup(shares([Share(name, moved.baseline, moved.window) for name, moved in zip(named, alert.evidence.moved, strict=True)]))


def _spark(told: Told) -> Markup:
    return Markup(spark(told.series, f"{told.title} over the whole run"))


def _truth_and_estimate(figures: ModelFigures) -> Markup:
    return Markup(truth_and_estimate(figures.truth, figures.estimate, "quality by labels and as estimated, over time"))


def _name(detector: str) -> str:
    return _NAMES.get(detector) or title_of(detector)


def when(time_ms: int) -> str:
    """`2026-01-05 08:08:20 UTC`."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def sure(alert: Alert) -> str:
    """How often chance alone would show as much in one test of its kind."""
    if alert.p_value is None:
        return "this detector gives no probability"
    if alert.p_value < 1e-12:
        return "chance alone: less than once in 10^12"
    return f"chance alone: p = {alert.p_value:.1g}"


def lasting(case: Case) -> str:
    """`for 12 minutes`, or `still firing`."""
    if case.ended_ms is None:
        return "still firing at the end"
    seconds = max((case.ended_ms - case.began_ms) // 1_000, 0)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size, 1)
            return f"for {count:g} {unit}{'' if count == 1 else 's'}"
    return f"for {seconds} seconds"


def affected(each: Affected) -> str:
    """`region=south: 0.61 (1,200 events)`."""
    name = segment_text(each.segment) or (f"version {each.version}" if each.version else "all versions")
    return f"{name}: {number(each.score)} ({each.events:,} events)"


def subject(case: Case) -> str:
    """`loan@2: income, region=south`."""
    version = f"@{case.first.version}" if case.first.version else ""
    return f"{case.first.model}{version}: {about(case)}"


def about(case: Case) -> str:
    """Its feature, or which figure of all traffic, and the segment."""
    segment = f", {segment_text(case.first.segment)}" if case.first.segment else ""
    return (case.first.feature or title_of(case.first.detector)) + segment


def beyond(alert: Alert | Agreeing) -> str:
    """Where a score is that is bad: `under` or `over` its threshold."""
    return "under" if alert.score is not None and alert.threshold is not None and alert.score < alert.threshold else "over"
