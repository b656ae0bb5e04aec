"""The page: a template, filled."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from stream_monitor.alert.alert import Affected, Alert
from stream_monitor.errors import InputError
from stream_monitor.export.report import svg
from stream_monitor.export.report.story import Case, Story, segment_text

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


def render(story: Story, title: str) -> str:
    """The page as text; the same bytes for the same story."""
    return _template().render(story=story, title=title, start=when(story.start_ms), end=when(story.end_ms))


@cache
def _template() -> Template:
    environment = Environment(loader=PackageLoader("stream_monitor.export.report", "."), autoescape=True, undefined=StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {"when": when, "sure": sure, "number": number, "lasting": lasting, "affected": affected, "subject": subject}
    environment.globals |= {
        "lanes": lambda story: Markup(svg.lanes(story.cases, story.start_ms, story.end_ms)),
        "score_over_time": lambda story, case: Markup(svg.score_over_time(case, story.start_ms, story.end_ms)),
        "shares": lambda alert: Markup(svg.shares(alert.evidence.moved)),
        "detector_names": _NAMES,
        "segment_text": segment_text,
    }
    return environment.get_template("report.html.j2")


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


def number(value: float | None) -> str:
    """Three significant digits, whole from a thousand on; a dash for none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if 1_000 <= abs(value) < 1e12 else f"{value:.3g}"


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
    """`loan: income, region=south`."""
    version = f"@{case.first.version}" if case.first.version else ""
    segment = f", {segment_text(case.first.segment)}" if case.first.segment else ""
    return f"{case.first.model}{version}: {case.subject}{segment}"
