"""The ready action `eventbridge`: an event on a bus of AWS EventBridge, whose rules say who gets it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.aws import AwsAction, message
from stream_monitor.respond.call import Call, Refused, Retriable

_AGAIN: Final = frozenset({"InternalFailure", "InternalException", "ThrottlingException"})


class EventBridge(AwsAction):
    """`source` is `stream-monitor`, `detail-type` is `alert firing`, `alert updated` or `alert resolved`.

    EventBridge knows no key: targets know a repetition by `detail.idempotency_key`.
    """

    service: ClassVar[str] = "events"
    operation: ClassVar[str] = "put_events"

    bus: str = "default"
    """Its name or ARN."""

    def parameters(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """One event; its detail is `{"idempotency_key": …, "alert": {…}}`."""
        entry = {
            "Source": "stream-monitor",
            "DetailType": f"alert {alert.status}",
            "Detail": message(alert, call),
            "Time": datetime.fromisoformat(alert.detected_at),
            "EventBusName": self.bus,
        }
        return {"Entries": [entry]}

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The event's id; a call that succeeds may still have refused the event. Errors: Refused, Retriable."""
        (entry,) = answer["Entries"]
        if code := entry.get("ErrorCode"):
            raise (Retriable if code in _AGAIN else Refused)(f"events refused the event: {code}: {entry.get('ErrorMessage')}")
        return {"event_id": entry["EventId"]}
