"""The pages: overview, model, feature, alerts, workers; HTML without a script, readable by eye, by ear and by keyboard."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment
from markupsafe import Markup

from stream_monitor.detect.report import ms_of
from stream_monitor.export.board.views import Tree
from stream_monitor.export.pictures import Point, Share, score_over_time, shares, spark, truth_and_estimate
from stream_monitor.export.report.story import segment_text
from stream_monitor.export.templating import moment, number, templates

_SUFFIXES: Final = (("_ms", "ms"), ("_bytes", "bytes"), ("_per_s", "a second"), ("idle_capacity", "hours"))
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def overview(tree: Tree, **more: Any) -> str:
    """Every model at a glance, and the newest alerts."""
    return _environment().get_template("overview.html.j2").render(**tree, **more, here=link(search=more["search"]))


def model(tree: Tree, **more: Any) -> str:
    """One model: its columns by what moved, its alerts."""
    page = tree["page"] if tree["page"] > 1 else None
    here = link("models", tree["model"], version=tree["version"], segment=tree["segment"], search=more["search"], page=page)
    return _environment().get_template("model.html.j2").render(**tree, **more, here=here)


def feature(tree: Tree, **more: Any) -> str:
    """One column: distributions, scores over time, alerts."""
    here = link("models", tree["model"], "features", tree["feature"], version=tree["version"])
    return _environment().get_template("feature.html.j2").render(**tree, **more, here=here, tree=tree)


def alerts(tree: Tree, **more: Any) -> str:
    """All alerts that are known, of one model or of all."""
    return _environment().get_template("all_alerts.html.j2").render(**tree, **more, here=link("alerts", model=tree["model"]))


def workers(tree: Tree, **more: Any) -> str:
    """Everybody who works on this deployment."""
    return _environment().get_template("workers.html.j2").render(**tree, **more, here=link("workers"))


def link(*steps: str, **query: object) -> str:
    """A path of this site; names may hold anything."""
    given = {name: value for name, value in query.items() if value}
    return "/" + "/".join(quote(step, safe="") for step in steps) + (f"?{urlencode(given)}" if given else "")


@cache
def _environment() -> Environment:
    environment = templates()
    environment.filters |= {"number": number, "moment": moment, "duration": _duration, "runs": _runs, "unit": _unit}
    environment.globals |= {"link": link, "segment_text": segment_text, "score_over_time": _score_over_time, "shares": _shares}
    environment.globals |= {"spark": _spark, "truth_and_estimate": _truth_and_estimate}
    return environment


def _duration(seconds: float | None) -> str:
    """In the largest unit that it fills twice; a dash for none."""
    if seconds is None:
        return "-"
    count, unit = next((seconds / size, unit) for unit, size in _UNITS if seconds >= 2 * size or size == 1)
    return f"{count:.1f} {unit}" if count < 10 else f"{count:,.0f} {unit}"


def _unit(detector: str) -> str:
    """What a level is counted in; empty for a ratio or a distance."""
    return next((unit for suffix, unit in _SUFFIXES if detector.endswith(suffix)), "")


def _runs(numbers: Sequence[int]) -> str:
    """Rising numbers, those in a row as `first-last`, with a hyphen that no line breaks at."""
    known = set(numbers)
    starts, ends = ([number for number in numbers if number + step not in known] for step in (-1, 1))
    return ", ".join(f"{start}" if start == end else f"{start}\u2011{end}" for start, end in zip(starts, ends, strict=True))


def _score_over_time(feature_tree: Tree, detector: str) -> Markup:
    points: list[Point] = feature_tree["detectors"][detector]
    axis = points[0].end_ms, max(points[-1].end_ms, points[0].end_ms + 1)
    mine = [alert for alert in feature_tree["alerts"] if alert["detector"] == detector]
    firing = (ms_of(mine[0]["started_at"]), ms_of(mine[0]["resolved_at"]) if mine[0]["resolved_at"] else axis[1]) if mine else None
    change = ms_of(mine[0]["change_point"]) if mine and mine[0]["change_point"] else None
    return Markup(score_over_time(points, axis, f"{detector} of {feature_tree['feature']} over time, with its threshold", firing, change))


def _spark(level: Tree) -> Markup:
    return Markup(spark(level["history"], f"{level['title']} over the last windows")) if level["history"] else Markup()


def _truth_and_estimate(quality: Tree) -> Markup:
    truth, estimate = quality["history"], quality["estimated_history"]
    label = f"{quality['metric']} by labels and as estimated, over time"
    return Markup(truth_and_estimate(truth, estimate, label)) if truth or estimate else Markup()


def _shares(bins: list[Tree]) -> Markup:
    return Markup(shares([Share(each["bin"], float(each["baseline"]), float(each["window"])) for each in bins]))
