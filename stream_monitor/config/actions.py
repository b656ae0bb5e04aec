"""Which alerts an action takes, and how it is run: the options of `respond.on`, and of `actions:` in the config."""

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer

from stream_monitor.config.duration import format_duration, parse_duration
from stream_monitor.config.section import Duration, Section


class Quota(NamedTuple):
    """`1/6h`: so many in so long."""

    most: int
    per_ms: int


def parse_quota(text: object) -> Quota:
    """`1/6h`, `20/1m`: a count from 1 to 10,000 and a duration over 0. Errors: ValueError."""
    if isinstance(text, Quota):
        return text
    match = re.fullmatch(r"([0-9]{1,5})/(.+)", text) if isinstance(text, str) else None
    if match is None or not 1 <= int(match[1]) <= 10_000:
        raise ValueError(f"{text!r} is not so many in so long; write for example 1/6h or 20/1m, at most 10000/…")
    per_ms = parse_duration(match[2])
    if per_ms == 0:
        raise ValueError(f"{text}: the duration must be longer than 0")
    return Quota(int(match[1]), per_ms)


def _format_quota(quota: Quota) -> str:
    return f"{quota.most}/{format_duration(quota.per_ms)}"


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


InSoLong = Annotated[Quota, BeforeValidator(parse_quota), PlainSerializer(_format_quota)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Kinds = Annotated[
    tuple[
        Literal[
            "data_drift",
            "prediction_drift",
            "label_drift",
            "concept_drift",
            "model_quality",
            "estimated_quality",
            "bias",
            "data_quality",
            "attribution_drift",
            "operational",
            "anomaly",
            "capture_health",
        ],
        ...,
    ],
    BeforeValidator(_as_tuple),
    Field(min_length=1),
]
Severities = Annotated[tuple[Literal["info", "warning", "critical"], ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Statuses = Annotated[tuple[Literal["firing", "updated", "resolved"], ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class AlertFilter(Section):
    """Which alerts an action takes: those that have one of the values of each field that is given."""

    kind: Kinds | None = None
    """Kinds of trouble, one or a list; default: any."""
    severity: Severities | None = None
    """`info`, `warning`, `critical`, one or a list; default: any."""
    model: Names | None = None
    """Models, one or a list; default: any."""
    feature: Names | None = None
    """Features, one or a list; default: any, and alerts about the traffic as a whole."""
    segment: dict[str, str] | None = None
    """Name -> value that the alert's segment must have; `{}`: only alerts about the whole; default: any."""
    labels: dict[str, str] = {}
    """Name -> value that the alert's labels must have."""
    recipient: Names | None = None
    """Recipients that an alert's rules must name, one or a list, of which one suffices; default: any, and alerts without."""
    status: Statuses | None = None
    """`firing`, `updated`, `resolved`, one or a list: once for each such publication. Default: once per alert, at its first publication
    that has the other fields' values and is not its end (an alert that begins as a warning may become critical later);
    all of them for actions that open something which must be closed."""


class ActionOptions(Section):
    """How an action is run."""

    timeout: Duration = "30s"  # type: ignore[assignment]
    """How long one attempt may take; after it the attempt has failed, whatever it still does."""
    retries: int = Field(default=3, ge=0, le=100)
    """Further attempts after one that failed; an action that raises `Refused` is not tried again."""
    backoff: Duration = "1s"  # type: ignore[assignment]
    """Wait before the first retry; each further wait is twice as long, all by a random factor from 0.5 to 1."""
    backoff_max: Duration = "1m"  # type: ignore[assignment]
    """The longest wait."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Calls of this action at the same time."""
    breaker: InSoLong | None = "10/1m"  # type: ignore[assignment]
    """`10/1m`: after 10 failed attempts in a row none is made for a minute, and what falls due fails at once; then one is tried.
    null: no breaker."""
    rate: InSoLong | None = None
    """`1/6h`: at most one alert is acted on in any six hours, others are skipped; default: no limit."""
    rate_per: Literal["action", "model", "fingerprint"] = "action"
    """What has that rate: the action as a whole, each model, or each thing that alerts are about."""
    age_max: Duration | None = None
    """Skip alerts that were said longer ago: a new responder begins with all that the topic holds. Default: none is too old."""
    dry_run: bool = False
    """Say what would be done, and do nothing."""
    approval: bool = False
    """Wait until a person says so: `stream-monitor actions approve`."""


class ReadyAction(ActionOptions):
    """A ready action, with what it is told."""

    use: str
    """Which: a name of `stream_monitor.respond.actions`."""
    on: AlertFilter = AlertFilter()
    settings: dict[str, Any] = Field(default={}, alias="with")
    """Its own settings. `${ENV_VAR}` is replaced here by `respond` alone, so that no other process needs its secrets."""


class Respond(Section):
    """How `stream-monitor respond` runs."""

    port: int = Field(default=9109, ge=0, le=65535)
    """Where it serves `/metrics`, `/healthz` and `/readyz`, on `metrics.host`; 0: any free port."""
    pending_max: int = Field(default=1_000, ge=1, le=100_000)
    """Alerts' actions that may wait or run at the same time in one process; beyond, no further alert is read."""
    stop_timeout: Duration = "20s"  # type: ignore[assignment]
    """How long running actions may go on after SIGTERM; what is left is run again by the next responder, with the same key."""
