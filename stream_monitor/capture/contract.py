"""What producers may write: every field of a capture and of a label, for people. The rules that hold them are in `envelope`.

`docs/reference/events.md` is made from these tables, and `tests/unit/test_reference.py` holds the rules to them.
"""

from typing import Final, NamedTuple

from stream_monitor.capture.envelope import EVENT_ID_BYTES_MAX
from stream_monitor.capture.parse import DEPTH_MAX


class Field(NamedTuple):
    """One field. name: with its path; types: JSON's; required: `yes`, `no`, or when; null is as good as absent where it is not required."""

    name: str
    types: tuple[str, ...]
    required: str
    meaning: str


_SCALAR: Final = ("string", "number", "boolean")
CAPTURE: Final = (
    Field(
        "event_id", ("string",), "yes", f"Names the event, 1 to {EVENT_ID_BYTES_MAX} bytes; a label refers to it. Or the header `ce_id`."
    ),
    Field(
        "model",
        ("string",),
        "yes",
        "A model of the config. May be left out on a topic that `models.NAME.topics` binds. Or the header `ce_source`.",
    ),
    Field("version", ("string",), "no", "Version of the model; judged apart where the config gives it a baseline."),
    Field(
        "time",
        ("string", "number"),
        "no",
        "Event time: RFC 3339 with a zone, or whole ms since the epoch. Or `ce_time`, else the Kafka timestamp.",
    ),
    Field(
        "features", ("object",), "yes", "Name -> number, string, boolean or null (missing). A value of a wrong type costs that value alone."
    ),
    Field(
        "prediction",
        (*_SCALAR, "object"),
        "unless `status` is `error`",
        "The label or value; or an object with at least one of the next four.",
    ),
    Field("prediction.label", _SCALAR, "no", "The class that was answered."),
    Field("prediction.score", ("number",), "no", "Probability of the positive class; of several classes, of the predicted one."),
    Field(
        "prediction.scores",
        ("object",),
        "no",
        "Class -> number. That of the positive class, of several the predicted one, stands in for `score`, the highest for `label`.",
    ),
    Field("prediction.value", ("number",), "no", "What a regression answered."),
    Field("label", _SCALAR, "no", "The truth, where it is known already."),
    Field("latency_ms", ("number",), "no", "How long the prediction took; 0 or more."),
    Field("status", ("string",), "no", "`ok` (default) or `error`: calls that failed count too."),
    Field("error", ("string",), "no", "Which error."),
    Field(
        "resources",
        ("object",),
        "no",
        "`cpu_ratio`, `memory_bytes`, `gpu_ratio`, `gpu_memory_bytes`, `network_bytes` of the serving process.",
    ),
    Field("attributions", ("object",), "no", "Feature -> number, SHAP or similar: which features this answer rests on."),
    Field(
        "metadata",
        ("object",),
        "no",
        "Name -> string: segments and facets that are not features; `producer`: who sent it, or else the header `ce_source`.",
    ),
)
LABEL: Final = (
    Field("event_id", ("string",), "yes", "Of the capture that this is the truth of."),
    Field("model", ("string",), "yes", "Of the capture."),
    Field("time", ("string", "number"), "no", "When the truth was known; as in a capture."),
    Field("label", (*_SCALAR, "null"), "yes", "The truth. A later one corrects it, null withdraws it."),
)
LIMITS: Final = (
    "The value is UTF-8 and exactly one JSON object, of at most `engine.message_bytes_max` bytes (1 MiB by default) "
    f"and {DEPTH_MAX} levels.",
    "Event times lie between the year 2000 and the worker's clock plus `engine.future_max` (1 minute by default).",
    "Of a field given twice the last counts. Unknown fields are ignored, and counted in `stream_monitor_unknown_fields_total`.",
)
