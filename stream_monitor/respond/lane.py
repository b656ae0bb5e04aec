"""An action's own lane: what is to be run, the threads that run it, its breaker. Lanes do not wait for each other."""

import random
import threading
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

import structlog
from msgspec.structs import replace

from stream_monitor.alert.times import utc
from stream_monitor.config.actions import ActionOptions
from stream_monitor.errors import ActionError
from stream_monitor.respond.action import Action
from stream_monitor.respond.attempt import TimedOut, attempt
from stream_monitor.respond.breaker import Breaker
from stream_monitor.respond.call import AlertEnd, Call, Continue, Refused
from stream_monitor.respond.result import ActionReason, ActionResult, ActionStatus
from stream_monitor.respond.retry import is_worn_out, wait_s
from stream_monitor.respond.secrets import secrets_of, without, without_in
from stream_monitor.respond.workflow import Workflow
from stream_monitor.runtime.observe import Meter

_log = structlog.get_logger(__name__)

BREAKER_POLL_S = 1.0
ERROR_CHARS_MAX = 1_000
"""Of an error's text: what goes into a message and a header."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to run, with what is on record of it. tenure: ends when it is another responder's affair, or this one stops."""

    result: ActionResult
    tenure: threading.Event
    """Set at its end."""
    due_s: float = field(default_factory=monotonic)
    """On the monotonic clock: not before."""


@dataclass(slots=True)
class Lane:
    """Runs an action's jobs in order, `concurrency` at a time; where it opens something, those of one thread one after the other.
    One that asks to be called again later makes room for others meanwhile.

    record: puts a step on record; waits until it is, and may raise.
    """

    action: Action
    record: Callable[[ActionResult], None]
    meter: Meter
    clock_ms: Callable[[], int]
    failed: Callable[[BaseException], None]
    """Told of what stops the whole responder: that nothing can be put on record."""
    left: Callable[[Job], None]
    """Told of every job that is not in the lane any more."""
    alert_end: Callable[[str], AlertEnd | None] = lambda _: None
    """Asked how an alert ended."""
    _waiting: deque[Job] = field(default_factory=deque)
    _busy: set[str] = field(default_factory=set)
    """Threads of which a job runs."""
    _runners: int = 0
    _lock: threading.Condition = field(default_factory=threading.Condition)
    """Notified of jobs that come, and of tenures that end."""
    _breaker: Breaker = field(init=False)
    _slots: threading.BoundedSemaphore = field(init=False)
    _secrets: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._breaker = Breaker(self.action.options.breaker)
        self._slots = threading.BoundedSemaphore(self.action.options.concurrency)
        self._secrets = secrets_of(self.action.target)

    def put(self, job: Job) -> None:
        """Run it when its turn comes."""
        with self._lock:
            self._waiting.append(job)
            self._show()
            self._lock.notify_all()
            if self._runners < self.action.options.concurrency:
                self._runners += 1
                threading.Thread(target=self._run, name=f"respond-{self.action.name}", daemon=True).start()

    def wake(self) -> None:
        """A tenure has ended: nobody waits for its jobs' time any more."""
        with self._lock:
            self._lock.notify_all()

    def _run(self) -> None:
        """One of the lane's threads, until nothing waits."""
        while (job := self._next()) is not None:
            later: Job | None = None
            try:
                later = self._do(job)
            except Exception as error:  # noqa: BLE001 - the top of this thread: the responder leaves, and its supervisor decides
                self.failed(error)
            finally:
                with self._lock:
                    self._busy.discard(self._thread(job) or "")
                if later is None:
                    self.left(job)
                else:
                    self.put(later)

    def _next(self) -> Job | None:
        """The first that is due and whose thread is not at work; the runner of that one comes back for the others of its thread."""
        with self._lock:
            while jobs := [job for job in self._waiting if self._thread(job) not in self._busy]:
                job = min(jobs, key=lambda job: 0.0 if job.tenure.is_set() else job.due_s)
                early_s = job.due_s - monotonic()
                if early_s <= 0.0 or job.tenure.is_set():
                    self._waiting.remove(job)
                    self._busy.update(filter(None, [self._thread(job)]))
                    self._show()
                    return job
                self._lock.wait(early_s)
            self._runners -= 1
            return None

    def _thread(self, job: Job) -> str | None:
        return job.result.thread if self.action.has_end else None

    def _do(self, job: Job) -> Job | None:
        """Attempts until one succeeds or none is left; what to do later, where that is asked for.

        A tenure that ends leaves the record as it is: open, for the next responder.
        """
        last, failures = job.result, 0
        while not job.tenure.is_set():
            try:
                options = self._options(last)
            except Refused as error:  # of a record that this module cannot read
                self._end(job, replace(last, error=self._text(error)), ActionReason.REFUSED)
                return None
            if is_worn_out(options, last.attempt):
                last = replace(last, error=last.error or "its responder died during every attempt")
                if (on := self._given_up(last)) is None:
                    self._end(job, last, ActionReason.INTERRUPTED)
                    return None
                last, failures = on, 0
            with self._lock:
                admitted = self._breaker.admit(monotonic())
            if not admitted and last.progress:
                job.tenure.wait(BREAKER_POLL_S)  # a workflow that has begun is not left half done
                continue
            if not admitted:
                last = replace(last, error=last.error or "the breaker is open after other alerts' failures")
                self._end(job, last, ActionReason.BREAKER_OPEN)
                return None
            last = self._started(last)
            self.record(last)
            began = monotonic()
            try:
                result = self._call(last, options)
            except BaseException as error:  # noqa: BLE001 - whatever the action raises; KeyboardInterrupt never reaches a thread
                failures += 1
                self._after(began, failed=True)
                last = replace(last, error=self._text(error))
                pause_s = wait_s(options, failures, error, random.random())
                told = {"action": self.action.name, "key": last.key, "attempt": last.attempt, "error": last.error}
                _log.warning("attempt_failed", **told, at=_place(error), again_in_s=pause_s)
                if pause_s is None:
                    if (on := self._given_up(last)) is None:
                        self._end(job, self._ended(last, monotonic() - began), _reason(error))
                        return None
                    last, failures = on, 0
                job.tenure.wait(pause_s or 0.0)
            else:
                self._after(began, failed=False)
                if not isinstance(result, Continue):
                    self._succeeded(last, result, monotonic() - began)
                    return None
                last, failures = replace(last, progress=self._shown(result.progress), attempt=0, error=None), 0
                if result.after_s > 0.0 and self._thread(job) is None:
                    return Job(last, job.tenure, monotonic() + result.after_s)
                job.tenure.wait(result.after_s)
        return None

    def _started(self, last: ActionResult) -> ActionResult:
        now = utc(self.clock_ms())
        progress = last.progress or ({} if isinstance(self.action.target, Workflow) else None)
        return replace(last, status=ActionStatus.STARTED, attempt=last.attempt + 1, started_at=now, reason=None, progress=progress)

    def _options(self, last: ActionResult) -> ActionOptions:
        """Those of the step that comes next, for a workflow."""
        target, base = self.action.target, self.action.options
        return target.options(last.progress or {}, base) if isinstance(target, Workflow) else base

    def _given_up(self, last: ActionResult) -> ActionResult | None:
        """How a workflow goes on once its step has failed for good; None: it has failed, as other actions have."""
        target = self.action.target
        found = target.given_up(last.progress or {}, last.error or "") if isinstance(target, Workflow) else None
        return None if found is None else replace(last, progress=self._shown(found), attempt=0)

    def _shown(self, content: Mapping[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = without_in(self._secrets, dict(content))
        return shown

    def _call(self, started: ActionResult, options: ActionOptions) -> dict[str, Any] | Continue | None:
        assert started.alert is not None
        call = Call(
            started.idempotency_key,
            started.attempt,
            datetime.now(UTC) + timedelta(milliseconds=options.timeout),
            options.dry_run,
            started.progress or {},
            partial(self.alert_end, started.alert_id),
            structlog.get_logger("stream_monitor.respond.action").bind(action=self.action.name, key=started.key, attempt=started.attempt),
        )
        self._running(+1)
        try:
            return attempt(self.action, started.alert, call, self._slots, options.timeout)
        finally:
            self._running(-1)

    def _succeeded(self, last: ActionResult, result: Mapping[str, Any] | None, took_s: float) -> None:
        status = ActionStatus.DRY_RUN if self.action.options.dry_run else ActionStatus.SUCCEEDED
        shown = without_in(self._secrets, result)
        self.record(replace(self._ended(last, took_s), status=status, result=shown, error=None, alert=None))

    def _end(self, job: Job, last: ActionResult, reason: ActionReason) -> None:
        """Given up; said only as long as this responder is the one to say it."""
        if not job.tenure.is_set():
            self.record(replace(last, status=ActionStatus.FAILED, reason=reason))

    def _ended(self, last: ActionResult, took_s: float) -> ActionResult:
        return replace(last, ended_at=utc(self.clock_ms()), duration_ms=round(took_s * 1000))

    def _after(self, began: float, *, failed: bool) -> None:
        now, name = monotonic(), {"action": self.action.name}
        with self._lock:
            if failed:
                self._breaker.failed(now)
            else:
                self._breaker.succeeded()
            self.meter.set("action_breaker_open", name, self._breaker.is_open(now))
        self.meter.observe("action_duration_seconds", name, now - began)

    def _text(self, error: BaseException) -> str:
        return without(self._secrets, f"{type(error).__name__}: {error}")[:ERROR_CHARS_MAX]

    def _running(self, change: int) -> None:
        with self._lock:
            self._in_call += change
            self.meter.set("actions_running", {"action": self.action.name}, self._in_call)

    def _show(self) -> None:
        self.meter.set("actions_pending", {"action": self.action.name}, len(self._waiting))

    _in_call: int = 0


def _place(error: BaseException) -> str | None:
    """Where in the action's code it was raised; None where that is what the action says, or where we did."""
    frames = traceback.extract_tb(error.__traceback__)
    return None if isinstance(error, ActionError | TimedOut) or not frames else f"{frames[-1].filename}:{frames[-1].lineno}"


def _reason(error: BaseException) -> ActionReason:
    if isinstance(error, Refused):
        return ActionReason.REFUSED
    return ActionReason.TIMED_OUT if isinstance(error, TimedOut) else ActionReason.RAISED
