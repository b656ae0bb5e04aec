"""What arrives: raw messages become columns of typed values, and whatever cannot is told apart by reason.

Read in this order: `schema`, `columns` and `calls` (what comes out), `reject` (why something does not), `decode` (the way in), then
`batch`, `shape` (the fast path), `native` and `envelope` (the slow path, which knows every rule), `chunk` (structs to columns).
"""

from stream_monitor.capture.columns import INVALID, Columns, Raw, Values
from stream_monitor.capture.decode import FUTURE_MAX_MS, MESSAGE_BYTES_MAX, Decoder
from stream_monitor.capture.reject import DeadLetter, Reason, Reject, dead_letter
from stream_monitor.capture.schema import PREDICTION, SCORE, Column, Kind, Role, Schema, StreamKey
from stream_monitor.capture.times import YEAR_2000_MS, YEAR_9999_MS

__all__ = [
    "FUTURE_MAX_MS",
    "INVALID",
    "MESSAGE_BYTES_MAX",
    "PREDICTION",
    "SCORE",
    "YEAR_2000_MS",
    "YEAR_9999_MS",
    "Column",
    "Columns",
    "DeadLetter",
    "Decoder",
    "Kind",
    "Raw",
    "Reason",
    "Reject",
    "Role",
    "Schema",
    "StreamKey",
    "Values",
    "dead_letter",
]
