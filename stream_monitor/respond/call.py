"""What an action is told beside its alert, and how it says that it failed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import structlog

from stream_monitor.errors import ActionError


class Retriable(ActionError):
    """Failed, and may succeed if tried again; so does every error that is not `Refused`.

    after_s: try again no sooner than in so many seconds (an HTTP server's `Retry-After`), within `backoff_max`.
    """

    def __init__(self, message: str, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.after_s = after_s


class Refused(ActionError):
    """Failed, and will however often it is tried: it is not tried again."""


class AlertEnd(NamedTuple):
    """When an alert ended, and why: as its last publication says."""

    resolved_at: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Continue:
    """What an action returns that is not done: `progress`, plain JSON, is put on record, then it is called again with it, as a new attempt.

    after_s: no sooner than in so many seconds.
    """

    progress: Mapping[str, Any]
    after_s: float = 0.0


_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt. An action that changes something outside hands on `idempotency_key`, so that the other side can tell a repetition.

    attempt: from 1 on, over crashes too; an attempt after one that was interrupted repeats it with the same key.
    deadline: after it the attempt counts as failed. dry_run: say what would be done, as the result, and do nothing; only actions whose
    `takes_dry_run` is true are called so. progress: what it said of itself last, see `Continue`; {} at first. alert_end: asks whether the
    alert has ended by now.
    """

    idempotency_key: str
    attempt: int = 1
    deadline: datetime = _NEVER
    dry_run: bool = False
    progress: Mapping[str, Any] = field(default_factory=dict)
    alert_end: Callable[[], AlertEnd | None] = lambda: None
    logger: Any = field(default_factory=lambda: structlog.get_logger("stream_monitor.respond.action"))

    def remaining_s(self) -> float:
        """Seconds until the deadline, 0 after it: a time-out for what the action waits for."""
        return max(0.0, (self.deadline - datetime.now(UTC)).total_seconds())
