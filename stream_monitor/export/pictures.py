"""Pictures as SVG text: a score over time beside its threshold, shares before and after, and all alerts on one line of time.

Colours and fonts come from the page's style sheet by class, so that dark, light and paper need no second picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 720
POINTS_MAX: Final = 360
"""Points of a line: two pixels each. Of more, the highest of each stretch is drawn."""
SPARK_POINTS_MAX: Final = 120
_LEFT, _RIGHT, _TOP = 44, 10, 10
_LANE: Final = 22
_LANE_LABEL: Final = 256


@dataclass(frozen=True, slots=True)
class Axis:
    """Time from start to end over the pixels from left to right."""

    start_ms: int
    end_ms: int
    left: float
    right: float

    def x(self, time_ms: int) -> float:
        """Where a time is, kept inside."""
        part = (time_ms - self.start_ms) / max(self.end_ms - self.start_ms, 1)
        return round(self.left + (self.right - self.left) * min(max(part, 0.0), 1.0), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Five times that are round for people, with their texts."""
        span_ms = max(self.end_ms - self.start_ms, 1)
        steps = (1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000)
        step_ms = next((step * 1_000 for step in steps if span_ms / (step * 1_000) <= 6), 2_592_000_000)
        pattern = "%H:%M:%S" if step_ms < 60_000 else "%H:%M" if step_ms < 86_400_000 else "%b %d"
        first = -(-self.start_ms // step_ms) * step_ms
        times = list(range(first, self.end_ms + 1, step_ms))[:8]
        return [(self.x(time), datetime.fromtimestamp(time / 1_000, UTC).strftime(pattern)) for time in times]


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `bottom` to `top` over the pixels from low to high."""

    top: float
    high: float
    low: float
    bottom: float = 0.0

    def __call__(self, value: float) -> float:
        """Where a value is, kept inside."""
        part = (value - self.bottom) / (self.top - self.bottom)
        return round(self.low - (self.low - self.high) * min(max(part, 0.0), 1.0), 1)


class Point(NamedTuple):
    """A detector's score of one window. end_ms: of the window; None: it could not be judged."""

    end_ms: int
    score: float | None
    threshold: float | None


class Share(NamedTuple):
    """What part of the events lies in a bin or category, before and now; None: there is no such part."""

    label: str
    baseline: float | None
    window: float | None


class Lane(NamedTuple):
    """One alert on the line of time. kind: its severity; link: where a click leads."""

    label: str
    kind: str
    began_ms: int
    ended_ms: int
    summary: str
    link: str


def score_over_time(
    points: Sequence[Point], axis_ms: tuple[int, int], label: str, firing_ms: tuple[int, int] | None = None, change_ms: int | None = None
) -> str:
    """A detector's score by window and its threshold; the time in which an alert fired, and since when the change is."""
    height, floor = 150, 125
    axis, points = Axis(*axis_ms, _LEFT, WIDTH - _RIGHT), thinned(points)
    values = [value for point in points for value in (point.score, point.threshold) if value is not None]
    top = max([*values, 1e-9]) * 1.1
    y = Scale(top, _TOP, floor)
    parts = []
    if firing_ms is not None:
        began, ended = axis.x(firing_ms[0]), axis.x(firing_ms[1])
        size = f'width="{max(ended - began, 1.5):.1f}" height="{floor - _TOP}"'
        parts.append(f'<rect class="firing" x="{began}" y="{_TOP}" {size}/>')
    xs = [axis.x(point.end_ms) for point in points]
    parts += [
        *_time_axis(axis, floor),
        *_value_axis(y),
        _line("threshold", xs, [point.threshold for point in points], y),
        _line("score", xs, [point.score for point in points], y),
    ]
    if change_ms is not None:
        x = axis.x(change_ms)
        parts.append(f'<line class="change" x1="{x}" x2="{x}" y1="{_TOP}" y2="{floor}"/>')
    return _svg(height, label, parts)


def truth_and_estimate(truth: Sequence[Point], estimate: Sequence[Point], label: str) -> str:
    """What labels told of each window with its threshold, and what scores had told before; at least one point, and all with a score."""
    height, floor = 150, 125
    truth, estimate = thinned(truth), thinned(estimate)
    points = [*truth, *estimate]
    start_ms, end_ms = min(point.end_ms for point in points), max(point.end_ms for point in points)
    axis = Axis(start_ms, max(end_ms, start_ms + 1), _LEFT, WIDTH - _RIGHT)
    values = [value for point in points for value in (point.score, point.threshold) if value is not None]
    low, high = min(values), max(values)
    margin = 0.1 * max(high - low, 0.05 * abs(high), 1e-9)
    y = Scale(high + margin, _TOP, floor, low - margin)
    lines = [
        _line("threshold", [axis.x(point.end_ms) for point in truth], [point.threshold for point in truth], y),
        _line("estimate", [axis.x(point.end_ms) for point in estimate], [point.score for point in estimate], y),
        _line("score", [axis.x(point.end_ms) for point in truth], [point.score for point in truth], y),
    ]
    return _svg(height, label, [*_time_axis(axis, floor), *_value_axis(y), *lines])


def spark(points: Sequence[Point], label: str) -> str:
    """A score and its threshold by window, without axes, for a row of a table; at least one point."""
    width, height, points = 240, 36, thinned(points, SPARK_POINTS_MAX)
    axis = Axis(points[0].end_ms, max(points[-1].end_ms, points[0].end_ms + 1), 3, width - 3)
    values = [value for point in points for value in (point.score, point.threshold) if value is not None]
    y, xs = Scale(max([*values, 1e-9]) * 1.05, 3, height - 3), [axis.x(point.end_ms) for point in points]
    lines = [_line("threshold", xs, [point.threshold for point in points], y), _line("score", xs, [point.score for point in points], y)]
    return _svg(height, label, lines, width)


def shares(bins: Sequence[Share]) -> str:
    """Shares of bins or categories in the baseline and in the window, as pairs of bars."""
    lane, label = 30, 210
    most = max([value or 0.0 for each in bins for value in (each.baseline, each.window)] + [1e-9])
    width = WIDTH - label - 70
    parts = []
    for row, each in enumerate(bins):
        top = row * lane + 4
        parts.append(f'<text class="label" x="{label - 8}" y="{top + 15}" text-anchor="end">{escape(_short(each.label, 30))}</text>')
        for kind, value, place in (("baseline", each.baseline, 0), ("window", each.window, 11)):
            if value is not None:
                length = max(value / most * width, 1)
                parts.append(f'<rect class="{kind}" x="{label}" y="{top + place}" width="{length:.1f}" height="10"/>')
                parts.append(f'<text class="tick" x="{label + length + 5:.1f}" y="{top + place + 9}">{value:.1%}</text>')
    return _svg(len(bins) * lane + 6, "shares before and now", parts)


def lanes(found: Sequence[Lane], axis_ms: tuple[int, int]) -> str:
    """Every alert as a bar over time, one lane for each."""
    axis, floor = Axis(*axis_ms, _LANE_LABEL, WIDTH - _RIGHT), len(found) * _LANE + 6
    parts = _time_axis(axis, floor)
    for row, each in enumerate(found):
        top = row * _LANE + 4
        began, ended = axis.x(each.began_ms), axis.x(each.ended_ms)
        text = escape(_short(each.label, 40))
        parts.append(f'<text class="label" x="{_LANE_LABEL - 8}" y="{top + 12}" text-anchor="end">{text}</text>')
        bar = f'class="{escape(each.kind, quote=True)}" x="{began}" y="{top}" width="{max(ended - began, 3):.1f}" height="14" rx="3"'
        link = escape(each.link, quote=True)
        parts.append(f'<a href="{link}"><rect {bar}><title>{escape(each.summary)}</title></rect></a>')
    return _svg(floor + 22, "alerts over time", parts)


def thinned(points: Sequence[Point], most: int = POINTS_MAX) -> list[Point]:
    """At most so many: of each stretch the highest."""
    step = -(-len(points) // most)
    if step <= 1:
        return list(points)
    stretches = (points[start : start + step] for start in range(0, len(points), step))
    return [max(stretch, key=lambda point: -1.0 if point.score is None else point.score) for stretch in stretches]


def _line(kind: str, xs: Sequence[float], values: Sequence[float | None], y: Scale) -> str:
    """A line with a gap where there is no value; a lone value is a dot. Of a level stretch the ends are drawn: thresholds seldom move."""
    pieces: list[list[str]] = [[]]
    last = len(values) - 1
    for place, (x, value) in enumerate(zip(xs, values, strict=True)):
        if value is None:
            pieces.append([])
        elif not (0 < place < last and values[place - 1] == value == values[place + 1]):
            pieces[-1].append(f"{x},{y(value)}")
    drawn = []
    for piece in pieces:
        if len(piece) > 1:
            drawn.append(f'<polyline class="{kind}" points="{" ".join(piece)}"/>')
        elif piece:
            left, height = piece[0].split(",")
            drawn.append(f'<circle class="{kind} dot" cx="{left}" cy="{height}" r="2.5"/>')
    return "".join(drawn)


def _time_axis(axis: Axis, floor: float) -> list[str]:
    parts = [f'<line class="axis" x1="{axis.left}" x2="{axis.right}" y1="{floor}" y2="{floor}"/>']
    for x, text in axis.ticks():
        anchor = "end" if x > axis.right - 20 else "middle"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="0" y2="{floor}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{floor + 14}" text-anchor="{anchor}">{text}</text>')
    return parts


def _value_axis(y: Scale) -> list[str]:
    marks = [y.bottom + (y.top - y.bottom) * part for part in (0.0, 1 / 2.2, 1 / 1.1)]
    return [f'<text class="tick" x="{_LEFT - 6}" y="{y(mark) + 4}" text-anchor="end">{mark:.2g}</text>' for mark in marks]


def _svg(height: float, label: str, parts: Sequence[str], width: int = WIDTH) -> str:
    head = f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(label, quote=True)}">'
    return head + "".join(parts) + "</svg>"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
