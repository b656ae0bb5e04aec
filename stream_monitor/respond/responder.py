"""The responder without Kafka's group: alerts in, actions run, every step on record.

An alert is taken in when what is to be done about it is on record, together with the alert itself; from then on it need not be read
again. What is on record and has not ended is run, by whoever owns the alerts topic: see docs/decisions/0009.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Final, NamedTuple

import structlog

from stream_monitor.alert.alert import Alert
from stream_monitor.errors import CodecError
from stream_monitor.respond.action import Action
from stream_monitor.respond.decide import decide
from stream_monitor.respond.ends import Ends
from stream_monitor.respond.journal import Journal
from stream_monitor.respond.lane import Job, Lane
from stream_monitor.respond.letters import Letters
from stream_monitor.respond.record import Record
from stream_monitor.respond.result import ActionResult, ActionStatus
from stream_monitor.runtime.broker import Record as Letter
from stream_monitor.runtime.observe import Meter

_log = structlog.get_logger(__name__)

ROOM_POLL_S: Final = 0.5
"""Room is told of at once; this is how soon an end of the tenure is noticed while there is none."""


class Incoming(NamedTuple):
    """A message of the alerts topic."""

    offset: int
    key: bytes | None
    value: bytes | None


class Responder:
    """`own` and `lose` as the group says; `take_in` what was read, `follow` now and then; `close` at the end.

    `own` and `take_in` are called by one thread at a time; the others by any. failed: told of what nothing but a new process can mend.
    """

    def __init__(
        self,
        actions: Sequence[Action],
        journal: Journal,
        letters: Letters,
        meter: Meter,
        clock_ms: Callable[[], int],
        failed: Callable[[BaseException], None],
        pending_max: int = 1_000,
    ) -> None:
        self._actions, self._journal, self._letters, self._meter, self._clock_ms = actions, journal, letters, meter, clock_ms
        self._pending_max = pending_max
        self._ends = Ends()
        self._lanes = {
            action.name: Lane(action, self._put_on_record, meter, clock_ms, failed, self._left, self._ends.of) for action in actions
        }
        self._record = Record(actions)
        for name in self._lanes:
            for status in ActionStatus:
                meter.add("actions_total", {"action": name, "status": status}, 0)  # so that the first failure is an increase
        self._tenure: threading.Event | None = None
        self._jobs: set[str] = set()
        """Keys in the lanes."""
        self._meanwhile: list[ActionResult] = []
        """What calls that outlived their tenure put on record since the actions topic was last read: it may lie beyond what was read."""
        self._state = threading.Condition()
        self._reading = threading.Lock()

    @property
    def is_owner(self) -> bool:
        """Whether alerts are this responder's to act on."""
        return self._tenure is not None

    def own(self, is_ours: Callable[[], bool] = lambda: True) -> bool:
        """Alerts are ours now: read the actions topic to its end, and go on with what is open; False: they are not any more.

        is_ours: asked once all is read, which may take a while. Errors: RunError.
        """
        self.lose()
        record = Record(self._actions)
        with self._reading:
            self._meanwhile.clear()
            for result in self._journal.read_all():
                record.apply(result)
            self._ends.missed_some()
            with self._state:
                for result in self._meanwhile:
                    record.apply(result)
                if not is_ours():
                    return False
                self._record, self._tenure = record, threading.Event()
            self._go_on()
        self._journal.write(record.take_stragglers())
        _log.info("responding", open=len(record.open))
        return True

    def lose(self) -> None:
        """Alerts are another's now: begin nothing more. What is running may end, and is put on record if it succeeds."""
        with self._state:
            if self._tenure is not None:
                self._tenure.set()
            self._tenure = None
            self._state.notify_all()
        for lane in self._lanes.values():
            lane.wake()

    def take_in(self, messages: Sequence[Incoming]) -> bool:
        """Put on record what is to be done, and begin it; False: they are not ours (any more), and must not be committed.

        Waits while too much is pending. Errors: RunError, after which none of them may be committed.
        """
        if not self._await_room():
            return False
        alerts, letters = self._read(messages)
        self._ends.take(alert for alert, _ in alerts)
        with self._state:
            results = [result for alert, offset in alerts for action in self._actions if (result := self._decide(action, alert, offset))]
        self._journal.write(results, letters)
        self._count(results, letters)
        if not self.is_owner:
            return False
        self._begin(results)
        return True

    def follow(self) -> None:
        """Take up what people have approved since. Errors: RunError."""
        with self._reading:
            news = self._journal.news() if self.is_owner else []
            with self._state:
                for result in news:
                    self._record.apply(result)
                stragglers = self._record.take_stragglers()
            if news:
                self._go_on()
        self._journal.write(stragglers)

    def close(self, timeout_s: float) -> bool:
        """Begin nothing more, and wait for what is running; whether all of it has ended. What has not is the next responder's."""
        self.lose()
        deadline = monotonic() + timeout_s
        with self._state:
            while self._jobs:
                if monotonic() >= deadline:
                    return False
                self._state.wait(deadline - monotonic())
        return True

    @property
    def pending(self) -> int:
        """Jobs that wait or run."""
        return len(self._jobs)

    def _await_room(self) -> bool:
        with self._state:
            while self.is_owner and len(self._jobs) >= self._pending_max:
                self._state.wait(ROOM_POLL_S)
            return self.is_owner

    def _read(self, messages: Iterable[Incoming]) -> tuple[list[tuple[Alert, int]], list[Letter]]:
        alerts, letters = [], []
        for message in messages:
            try:
                alerts.append((Alert.from_json(message.value or b""), message.offset))
            except CodecError as error:
                _log.warning("unreadable_alert", offset=message.offset, error=str(error))
                letters.append(self._letters.of_poison(message.offset, message.key, message.value, str(error)))
        return alerts, letters

    def _decide(self, action: Action, alert: Alert, offset: int) -> ActionResult | None:
        result = decide(self._record, action, alert, self._clock_ms(), offset=offset)
        if result is not None:
            self._record.apply(result)
        return result

    def _go_on(self) -> None:
        with self._state:
            results = [result for key, result in self._record.open.items() if result.action in self._lanes and key not in self._jobs]
        self._ends.catch_up(self._journal, self._letters.alerts, results)
        self._begin(sorted(results, key=lambda result: result.offset or 0))  # as alerts were said: an end comes after its beginning

    def _begin(self, results: Iterable[ActionResult]) -> None:
        with self._state:
            for result in results:
                if result.status.is_open and result.key not in self._jobs and self._tenure is not None:
                    self._jobs.add(result.key)
                    self._lanes[result.action].put(Job(result, self._tenure))

    def _left(self, job: Job) -> None:
        with self._state:
            self._jobs.discard(job.result.key)
            self._state.notify_all()
            again = self._record.open.get(job.result.key) if job.tenure.is_set() else None  # lost and owned again meanwhile
        if again is not None:
            self._begin([again])

    def _put_on_record(self, result: ActionResult) -> None:
        letters = [self._letters.of_failure(result)] if result.status is ActionStatus.FAILED else []
        self._journal.write([result], letters)
        with self._state:
            self._record.apply(result)
            if self._tenure is None:
                self._meanwhile.append(result)
        self._count([result], letters)

    def _count(self, results: Iterable[ActionResult], letters: Iterable[Letter]) -> None:
        for letter in letters:
            self._meter.add("dead_letters_total", {"topic": self._letters.alerts, "reason": self._letters.reason_of(letter)})
        for result in results:
            self._meter.add("actions_total", {"action": result.action, "status": result.status})
            _tell(result)


def _tell(result: ActionResult) -> None:
    """A line of the log for each step, from which one knows what it was about."""
    is_failed = result.status is ActionStatus.FAILED
    found = {"reason": result.reason, "error": result.error if is_failed else None}
    more = {name: value for name, value in found.items() if value is not None}
    tell = _log.warning if is_failed else _log.info
    tell("action", action=result.action, key=result.key, status=result.status, attempt=result.attempt, about=result.summary, **more)
