"""What workers tell the log of messages that they refused."""

from structlog.testing import capture_logs

from stream_monitor.capture.reject import Reason, Reject
from stream_monitor.runtime.observe import REFUSALS_EVERY_MS, Refusals


def test_refusals_are_said_at_once_and_then_once_a_minute() -> None:
    reject, refusals = Reject(0, Reason.UNKNOWN_MODEL, "model: 'laon'"), Refusals()
    with capture_logs() as logs:
        refusals.committed([], 0)
        refusals.committed([reject], 0)
        refusals.committed([reject] * 3, REFUSALS_EVERY_MS - 1)
        refusals.committed([], REFUSALS_EVERY_MS)
        refusals.committed([reject], REFUSALS_EVERY_MS)
    assert [(log["event"], log["messages"], log["reason"], log["detail"]) for log in logs] == [
        ("dead_letters", 1, "unknown_model", "model: 'laon'"),
        ("dead_letters", 4, "unknown_model", "model: 'laon'"),
    ]
