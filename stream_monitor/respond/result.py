"""What is said of an action on the actions topic: one message per step of it, of which the last one counts."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.errors import CodecError


class ActionStatus(StrEnum):
    """Where an action about one alert stands."""

    ACCEPTED = "accepted"
    """It will be run; from here on the alert need not be read again."""
    AWAITING_APPROVAL = "awaiting_approval"
    """It will be run when a person says so: `stream-monitor actions approve KEY`."""
    APPROVED = "approved"
    """Somebody has; it will be run."""
    STARTED = "started"
    """An attempt is under way, or was when its responder died; then there is another, with the same key."""
    SUCCEEDED = "succeeded"
    """Done; never again for this key."""
    FAILED = "failed"
    """Given up; the alert is in the dead letters, and `stream-monitor actions retry KEY` runs it again."""
    SKIPPED = "skipped"
    """Not to be done, for the `reason`."""
    DRY_RUN = "dry_run"
    """It would have been run."""

    @property
    def is_open(self) -> bool:
        """Whether a responder has still to run it."""
        return self in (ActionStatus.ACCEPTED, ActionStatus.APPROVED, ActionStatus.STARTED)

    @property
    def is_final(self) -> bool:
        """Whether nothing more comes, unless a person asks for it."""
        return not self.is_open and self is not ActionStatus.AWAITING_APPROVAL


class ActionReason(StrEnum):
    """Why an action was skipped, or has failed."""

    RATE_LIMITED = "rate_limited"
    """Skipped: as many were run as `rate` allows."""
    TOO_OLD = "too_old"
    """Skipped: the alert was said longer ago than `age_max`."""
    HELD = "held"
    """Skipped for now: a rule holds the alert back (`notification.held` says why); decided anew when it is published again."""
    REJECTED = "rejected"
    """Skipped: a person said no."""
    REFUSED = "refused"
    """Failed: the action raised `Refused`."""
    TIMED_OUT = "timed_out"
    """Failed: the last attempt took longer than `timeout`."""
    RAISED = "raised"
    """Failed: the last attempt raised an error."""
    BREAKER_OPEN = "breaker_open"
    """Failed: so many attempts in a row had failed that none is made for a while."""
    INTERRUPTED = "interrupted"
    """Failed: too many attempts ended with the death of their responder."""


class ActionResult(msgspec.Struct, frozen=True):
    """A message on the actions topic. Its key is `action`/`idempotency_key`. Times are RFC 3339 in UTC, of the responder's clock."""

    action: str
    """The action's name."""
    alert_id: str
    """The alert it is about."""
    fingerprint: str
    """What that alert is about, the same for every recurrence."""
    idempotency_key: str
    """The same for every attempt: the alert's id, with `/` and the revision where it is called for each publication."""
    status: ActionStatus
    """Where it stands."""
    decided_at: str
    """When it was first decided what to do."""
    model: str
    """The alert's model."""
    summary: str
    """The alert in one sentence."""
    thread: str | None = None
    """What the publication belongs to: its group, else the fingerprint."""
    is_over: bool = False
    """Whether nothing of the thread fires any more."""
    offset: int | None = None
    """Where the alert is on the alerts topic."""
    reason: ActionReason | None = None
    """Why it was skipped or failed; null elsewhere."""
    attempt: int = 0
    """The attempt that this is about, from 1 on; 0 before the first."""
    started_at: str | None = None
    """When that attempt began; null before the first."""
    ended_at: str | None = None
    """When it ended; null until then."""
    duration_ms: int | None = None
    """How long it took; null until its end."""
    result: dict[str, Any] | None = None
    """What the action returned."""
    progress: dict[str, Any] | None = None
    """Of a workflow: `steps`, name -> how it ended (`status`, `at`, `result`, `error`); null for other actions."""
    error: str | None = None
    """Why the last attempt that ended has failed; null where it has not."""
    alert: Alert | None = None
    """The alert, as long as something can still be done about it; null once it has succeeded or was skipped."""

    @property
    def key(self) -> str:
        """What the message is keyed by."""
        return f"{self.action}/{self.idempotency_key}"

    @property
    def message(self) -> tuple[bytes, bytes]:
        """Value and key on the actions topic."""
        return self.to_json(), self.key.encode()

    def to_json(self) -> bytes:
        """The message's value. Errors: TypeError where `result` is not JSON."""
        return _encoder.encode(self)

    @classmethod
    def from_json(cls, value: bytes) -> "ActionResult":
        """What `to_json` wrote. Errors: CodecError."""
        try:
            return _decoder.decode(value)
        except msgspec.DecodeError as error:
            raise CodecError(f"not an action result: {error}") from None


_encoder: Final = msgspec.json.Encoder()  # not sorted: the steps of `progress` stand in the order in which they ended
_decoder: Final = msgspec.json.Decoder(ActionResult)


def recordable(found: object, bytes_max: int) -> dict[str, Any] | None:
    """What an action returned, as it will be read. It has acted by now: what cannot be written down is told of, and is no failure."""
    if found is None:
        return None
    try:
        written = msgspec.json.encode(found) if isinstance(found, Mapping) else b""
    except TypeError as error:
        return {"not_recorded": f"the result is not JSON: {error}"}
    if not written:
        return {"not_recorded": f"the result is a {type(found).__name__}, not a mapping"}
    if len(written) > bytes_max:
        return {"not_recorded": f"the result has {len(written)} bytes, at most {bytes_max} are kept"}
    decoded: dict[str, Any] = msgspec.json.decode(written)
    return decoded
