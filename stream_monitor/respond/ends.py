"""How alerts ended that actions are still about: for a workflow that waits to see whether it helped."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.respond.call import AlertEnd
from stream_monitor.respond.journal import Journal
from stream_monitor.respond.result import ActionResult

ENDS_MAX: Final = 10_000
"""The latest that are remembered, some 200 bytes each."""


class Ends:
    """The alerts topic is the record: it is read again from the first alert on that an open action is about. Threads may share it."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, AlertEnd] = OrderedDict()
        self._from: int | None = None
        """Of the alerts from this offset on none was missed; None: who knows."""
        self._lock = threading.Lock()

    def of(self, alert_id: str) -> AlertEnd | None:
        """How an alert ended; None: it fires, as far as is known."""
        return self._ends.get(alert_id)

    def take(self, alerts: Iterable[Alert]) -> None:
        """What was read, in the topic's order."""
        for alert in alerts:
            if alert.status is AlertStatus.RESOLVED:
                with self._lock:
                    self._ends[alert.alert_id] = AlertEnd(alert.resolved_at, alert.reason)
                    self._ends.move_to_end(alert.alert_id)
                    if len(self._ends) > ENDS_MAX:
                        self._ends.popitem(last=False)

    def missed_some(self) -> None:
        """Another responder may have read alerts in the meantime."""
        self._from = None

    def catch_up(self, journal: Journal, topic: str, results: Iterable[ActionResult]) -> None:
        """See what was said before of the alerts of these open actions. Errors: RunError."""
        first = min((result.offset for result in results if result.offset is not None), default=None)
        if first is not None and (self._from is None or first < self._from):
            self.take(journal.alerts(topic, first))
            self._from = first
