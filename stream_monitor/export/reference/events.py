"""`docs/reference/events.md`."""

from collections.abc import Iterable, Iterator
from typing import Final

from stream_monitor.capture.contract import CAPTURE, LABEL, LIMITS, Field
from stream_monitor.capture.reject import HEADERS, Reason
from stream_monitor.export.reference.declared import table, values_table

_CAPTURE: Final = """\
# Events

Made by `make docs` from `stream_monitor/capture`; do not edit.

One JSON object per Kafka message, with any key, on any partition. [What becomes of every kind of message](../capture-outcomes.md)

## Capture
On the topics of `topics.captures` (default `captures`): one per prediction.

```json
{"event_id": "a1", "model": "loan", "time": "2026-11-22T06:00:00Z",
 "features": {"income": 51000, "region": "north", "employed": true}, "prediction": {"label": "repaid", "score": 0.93}}
```

"""
_FILES: Final = """
In Parquet and CSV files (`replay`) the same names are columns: `features.NAME`, `prediction` or `prediction.label`,
`prediction.score`, `metadata.NAME`, `attributions.NAME` ([how to send them](../attributions.md)); `time` is required there. Binary-mode
CloudEvents headers count where the body has no such field.

"""
_LABEL: Final = """
## Label
On the topics of `topics.labels` (default `labels`), as `CaptureClient.label` publishes it; in any order, before or after its capture.

"""
_DEAD_LETTERS: Final = """
## Dead letters
A message that cannot become an event goes to `stream-monitor.dead-letters`, key and value as they came, and is counted in
`stream_monitor_dead_letters_total{topic,reason}`. Reasons (and `not_a_record`, of what somebody else wrote to the monitor's own topics):

"""


def events_page() -> str:
    """The whole page."""
    limits = "".join(f"- {limit}\n" for limit in LIMITS)
    headers = table(("header", "meaning"), ((f"`{name}`", meaning) for name, meaning in HEADERS.items()))
    parts = (_CAPTURE, _fields(CAPTURE), "\n", limits, _FILES.rstrip("\n"), "\n", _LABEL, _fields(LABEL))
    return "".join((*parts, _DEAD_LETTERS, values_table(Reason), "\nHeaders, all UTF-8 text:\n\n", headers))


def _fields(fields: Iterable[Field]) -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for field in fields:
            yield f"`{field.name}`", " or ".join(field.types), field.required, field.meaning

    return table(("field", "type", "required", "meaning"), rows())
