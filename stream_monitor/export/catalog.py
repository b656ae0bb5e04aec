"""Every metric, declared once: the store is held to this table, and `docs/metrics.md` is made from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

PREFIX = "stream_monitor_"

MetricType = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric. `name` is without the prefix; `buckets` are a histogram's upper bounds, ascending, without +Inf."""

    name: str
    type: MetricType
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as Prometheus sees it."""
        return PREFIX + self.name


# From a demo's tenth of a second up to a window of an hour.
_ALERT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
# From a message to a chat up to a retraining.
_ACTION_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)

METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("events_total", "counter", ("model",), "Capture events that were counted into profiles."),
    MetricSpec(
        "dead_letters_total", "counter", ("topic", "reason"), "Messages that could not become an event, by source topic and reason."
    ),
    MetricSpec("late_events_total", "counter", ("model",), "Events that came after the allowed lateness and are in no window."),
    MetricSpec("dropped_events_total", "counter", ("model", "reason"), "Events that could not be put into a window for another reason."),
    MetricSpec(
        "capture_duplicates_total",
        "counter",
        ("model",),
        "Events whose `event_id` another event of the same window had; beyond 256 ids a window an estimate from a sample.",
    ),
    MetricSpec(
        "late_slice_values_total",
        "counter",
        ("model",),
        "Values that came after their second was read: windows count them, sequential detectors leave them out.",
    ),
    MetricSpec("unknown_fields_total", "counter", ("model",), "Fields of capture events that the format does not know; they are ignored."),
    MetricSpec(
        "drift_score",
        "gauge",
        ("model", "segment", "feature", "detector"),
        "Score of the last closed window; `segment` (`region=eu,version=2`) and `feature` are empty for the whole. It vanishes where that "
        "window has none, and, but for `volume` and `silence`, once a whole window had no event.",
    ),
    MetricSpec("missing_ratio", "gauge", ("model", "feature"), "Share of missing values in the last closed window, 0 to 1."),
    MetricSpec(
        "quality",
        "gauge",
        ("model", "segment", "metric"),
        "Quality of the window that was told of last, by its labels or (`estimated_…`) before they come; `segment` holds a class, too. "
        "It vanishes as `drift_score` does. `label_coverage` is of the newest window whose labels had time to come.",
    ),
    MetricSpec("bias", "gauge", ("model", "facet", "group", "metric"), "Bias of that window: a facet's group against the privileged one."),
    MetricSpec("labels_total", "counter", ("model",), "Labels that were read, corrections and withdrawals among them."),
    MetricSpec("label_orphans_total", "counter", ("model",), "Labels whose event had not come when `label_lateness` ended."),
    MetricSpec("label_late_events_total", "counter", ("model",), "Events that came too late to be joined with a label."),
    MetricSpec("alerts_total", "counter", ("model", "kind", "severity"), "Alerts that began to fire."),
    MetricSpec("alerts_firing", "gauge", ("model", "kind", "severity"), "Alerts that are firing now and are not held back by a rule."),
    MetricSpec("alerts_held_total", "counter", ("model", "reason"), "Publications of alerts of which rules let nobody be told (`held`)."),
    MetricSpec(
        "window_end_timestamp_seconds", "gauge", ("model",), "End of the last closed window, event time, in seconds since the Unix epoch."
    ),
    MetricSpec(
        "data_end_timestamp_seconds",
        "gauge",
        ("model", "segment"),
        "End of the last window whose newest part held events, event time, in seconds since the Unix epoch; `segment` as in `drift_score`. "
        "It stays where scores vanish, and says since when nothing came.",
    ),
    MetricSpec(
        "quality_end_timestamp_seconds",
        "gauge",
        ("model", "segment"),
        "End of the newest window whose labels were enough to judge by: how old `quality` by labels is. It stays, too.",
    ),
    MetricSpec("consumer_lag_messages", "gauge", ("topic", "partition"), "Messages of an assigned partition that are not yet processed."),
    MetricSpec("watermark_delay_seconds", "gauge", ("model",), "How far the model's watermark is behind the clock."),
    MetricSpec(
        "event_to_alert_seconds",
        "histogram",
        (),
        "From the end of the window, in event time, to the commit of an alert that began to fire on it.",
        _ALERT_SECONDS,
    ),
    MetricSpec("actions_total", "counter", ("action", "status"), "Steps of actions that were put on record, by what they came to."),
    MetricSpec("action_duration_seconds", "histogram", ("action",), "How long one attempt took, whatever it came to.", _ACTION_SECONDS),
    MetricSpec("actions_running", "gauge", ("action",), "Calls of the action that are under way."),
    MetricSpec("actions_pending", "gauge", ("action",), "Alerts that wait for a call of the action, or between two attempts."),
    MetricSpec(
        "action_breaker_open", "gauge", ("action",), "1 from the time the action's breaker opens until an attempt succeeds, else 0."
    ),
    MetricSpec(
        "limit_hits_total",
        "counter",
        ("limit",),
        "Times that a configured bound was hit, by its name; `metric_series` is that of series per metric.",
    ),
)

BY_NAME: dict[str, MetricSpec] = {spec.name: spec for spec in METRICS}

_INTRODUCTION = """\
# Metrics

Made by `make docs` from the tables in `stream_monitor/export/catalog.py` and `stream_monitor/detect/outcomes/`; do not edit.

`GET /metrics` answers in the Prometheus text format, or in OpenMetrics where the client asks for it; `replay` writes the same as
`metrics.prom`. Gauges with a `model` label come only from the worker that owns the model at the time, and vanish when it loses it.
Counters are of the worker that did the work and begin at zero with it: read them with `rate` or `increase`, and sum over instances.
They move after the commit of what they count. The usual `process_…` and `python_…` metrics of the process stand beside these.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def _row(spec: MetricSpec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels) or "none"
    meaning = spec.help
    if spec.buckets:
        meaning += f" Buckets up to {', '.join(f'{bound:g}' for bound in spec.buckets)} s."
    return f"| `{spec.full_name}` | {spec.type} | {labels} | {meaning} |\n"


def metrics_page(specs: Sequence[MetricSpec] = METRICS) -> str:
    """`docs/metrics.md`, whole: the series in the order of the table, then the figures of quality and bias."""
    from stream_monitor.export.figures_page import figures_page  # which needs all that judges: 100 MB that only `make docs` reads

    return _INTRODUCTION + "".join(_row(spec) for spec in specs) + "\n" + figures_page()
