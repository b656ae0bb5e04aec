"""`docs/reference/alerts.md`."""

from typing import Final

import msgspec

from stream_monitor.alert.alert import (
    Agreeing,
    Alert,
    AlertStatus,
    Annotations,
    Evidence,
    Held,
    Mean,
    Moved,
    SampleEvent,
)
from stream_monitor.alert.publication import Reason
from stream_monitor.detect.finding import FindingKind, ScoreStatus, Severity
from stream_monitor.detect.registry import NAMES, meaning_of
from stream_monitor.detect.report import Span, WindowScore
from stream_monitor.export.reference.declared import fields_table, table, values_table

_MOVED: Final = (Moved("[8602.97, 22562.8)", 0.05, 0.243333), Moved("[71418.9, 212021]", 0.05, 0.0))
_SUMMARY: Final = (
    "loan: income drifted in the 5 minutes from 2026-01-05 16:00 UTC, since 2026-01-05 16:00:00 UTC "
    "(PSI 1.07 over 0.20, p < 1e-12): [8602.97, 22562.8) rose from 5 % to 24 %, of 300 events"
)
EXAMPLE: Final = Alert(
    alert_id="4ddcd3dccecd7eafb026cef4daa7ba6e",
    fingerprint="5056b3e883fb274d98eaa3cb1a521769",
    revision=1,
    status=AlertStatus.FIRING,
    severity=Severity.CRITICAL,
    kind=FindingKind.DATA_DRIFT,
    model="loan",
    version=None,
    segment={},
    feature="income",
    detector="psi",
    score=1.06964,
    threshold=0.2,
    p_value=6.15566e-57,
    window=Span("2026-01-05T16:00:00.000Z", "2026-01-05T16:05:00.000Z", 300),
    started_at="2026-01-05T16:00:00.000Z",
    detected_at="2026-01-05T16:05:05.000Z",
    resolved_at=None,
    reason=None,
    change_point="2026-01-05T16:00:00.000Z",
    baseline_id="b-b480176d9eda9fed",
    config_id="c-652906291555f28c",
    labels={},
    annotations=Annotations(_SUMMARY, None),
    evidence=Evidence(
        _MOVED,
        (SampleEvent("captures", 0, 28_800),),
        Mean(42_646.3, 29_243.1),
        (Agreeing("psi", 1.06964, 0.2, 6.15566e-57), Agreeing("ks", 0.423333, 0.15, 5.8127e-47)),
    ),
)
"""An alert as the sample's traffic raises it, its evidence shortened."""

_ALERT: Final = """\
# Alerts and window scores

Made by `make docs` from `stream_monitor/alert` and `stream_monitor/detect`; do not edit.

## Alert
The value of a message on `stream-monitor.alerts`, and a line of `alerts.jsonl` from `replay`. Take it idempotently by `alert_id` and
`revision`: a reader of committed messages sees each once, in order. [How alerts begin and end](../architecture.md#deciding)

"""
_HEADERS: Final = """
The key is the fingerprint. Headers, CloudEvents 1.0 in binary mode, of the example below:

"""
_WINDOWS: Final = """
## Window score
The value of a message on `stream-monitor.windows`, keyed by the model, and a line of `windows.jsonl`: one per closed window, feature and
detector. Of a window that is revised the highest `revision` counts.

"""
_DETECTORS: Final = """
## `detector`
What alerts of one kind and feature that point to the same share. [How each is computed](../detectors.md). Any other name is one of
`river.drift` that the config adds.

"""


def alerts_page() -> str:
    """The whole page."""
    headers = table(("header", "value"), ((f"`{name}`", f"`{value.decode()}`") for name, value in EXAMPLE.headers()))
    enumerations = (("status", AlertStatus), ("severity", Severity), ("kind", FindingKind), ("reason", Reason), ("held", Held))
    values = "".join(f"\n## `{name}`\n\n{values_table(kind)}" for name, kind in enumerations)
    statuses = f"\n`status` is one of\n\n{values_table(ScoreStatus)}"
    example = f"\n```json\n{msgspec.json.format(EXAMPLE.to_json(), indent=1).decode()}\n```\n"
    return "".join(
        (
            _ALERT,
            fields_table(Alert),
            _HEADERS,
            headers,
            example,
            values,
            _DETECTORS,
            _detectors(),
            _WINDOWS,
            fields_table(WindowScore),
            statuses,
        )
    )


def _detectors() -> str:
    rows = (
        (f"`{name}`", meaning.title, meaning.cause, f"{meaning.default_threshold:g}") for name in NAMES for meaning in (meaning_of(name),)
    )
    return table(("name", "called", "points to", "default threshold"), rows)
