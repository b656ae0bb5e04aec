"""Alerts for actions, and how an action is called outside a responder."""

import asyncio
import inspect
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from stream_monitor.alert.alert import (
    Affected,
    Alert,
    AlertStatus,
    Annotations,
    Notification,
)
from stream_monitor.alert.grouping import Groups
from stream_monitor.alert.notification import notifies
from stream_monitor.detect.finding import Severity
from stream_monitor.export.reference.alerts import EXAMPLE
from stream_monitor.respond import Call, ReadyAction

ALERT = msgspec.structs.replace(
    EXAMPLE,
    version="7",
    segment={"region": "north"},
    change_point="2026-01-05T16:00:07.000Z",
    labels={"team": "credit"},
    annotations=Annotations(
        "loan: income drifted in the 5 minutes from 2026-01-05 16:00 UTC (PSI 1.07 over 0.20)", "https://runbooks.example/drift"
    ),
    evidence=msgspec.structs.replace(EXAMPLE.evidence, affected=(Affected({"region": "north"}, None, 1.9, 100),)),
)
UPDATED = msgspec.structs.replace(
    ALERT, revision=2, status=AlertStatus.UPDATED, severity=Severity.WARNING, detected_at="2026-01-05T16:10:05.000Z"
)
RESOLVED = msgspec.structs.replace(
    UPDATED,
    revision=3,
    status=AlertStatus.RESOLVED,
    detected_at="2026-01-05T16:30:05.000Z",
    resolved_at="2026-01-05T16:30:00.000Z",
    reason="recovered",
)
KEY = f"{ALERT.alert_id}/1"
LINK = "https://monitor.example/models/{model}"
LINKED = "https://monitor.example/models/loan"
ESSENTIAL = (
    "PSI 1.07 over 0.20",
    "critical",
    "loan",
    "income",
    "2026-01-05T16:00:07.000Z",
    "1.06964",
    "0.2",
    "2026-01-05T16:05:00.000Z",
    "runbooks.example",
)
"""What every counterpart is told: summary, severity, model, feature, since when, score, threshold, window and runbook."""


def at(alert: Alert, **fields: Any) -> Alert:
    """The same with other fields."""
    return msgspec.structs.replace(alert, **fields)


def told_of_a_group(worse: Alert, other: Alert) -> list[Alert]:
    """What rules tell of two alerts of a group `g` that fire together: both, then the end of the worse one, then of the other."""
    groups, marked = Groups(), [at(alert, notification=Notification(True, None, group="g")) for alert in (worse, other)]
    steps = [marked]
    for alert in marked:
        end = alert.detected_at
        steps.append([at(alert, status=AlertStatus.RESOLVED, revision=alert.revision + 1, resolved_at=end, reason="recovered")])
    return [alert for step in steps for alert in groups.gather(step) if notifies(alert)]


def to(alert: Alert, *names: str) -> Alert:
    """The same for these recipients."""
    assert isinstance(alert.notification, Notification)
    return at(alert, notification=msgspec.structs.replace(alert.notification, recipients=names))


def call(key: str = KEY, *, within_s: float = 30.0, dry_run: bool = False) -> Call:
    return Call(key, deadline=datetime.now(UTC) + timedelta(seconds=within_s), dry_run=dry_run)


def act(action: ReadyAction, alert: Alert = ALERT, told: Call | None = None) -> Mapping[str, Any] | None:
    """The result of one attempt."""
    done = action(alert, told or call())
    return asyncio.run(_waited(done)) if inspect.isawaitable(done) else done


async def _waited(done: Any) -> Any:
    return await done
