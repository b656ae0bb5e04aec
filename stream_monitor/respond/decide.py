"""What is to be done about an alert, given what is on record: a pure function; the clock is an argument."""

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import is_over, notifies, thread_of
from stream_monitor.alert.times import ms_of, utc
from stream_monitor.respond.action import Action
from stream_monitor.respond.record import Record, scope_of
from stream_monitor.respond.result import ActionReason, ActionResult, ActionStatus


def decide(record: Record, action: Action, alert: Alert, now_ms: int, offset: int | None = None) -> ActionResult | None:
    """What is to be put on record first, None where there is nothing to do.

    Nothing: the action does not take the alert, or has an entry for its key. What it has opened it closes, whatever filter, rate and age
    say of the end. One that was skipped because a rule held the alert
    back is decided anew when it is published again. ACCEPTED: run it. AWAITING_APPROVAL, DRY_RUN, SKIPPED: do not, now.
    """
    closes = notifies(alert) and action.closes(alert) and record.has_opened(action.name, thread_of(alert))
    if not closes and not action.takes(alert):
        return None
    standing = record.standing(f"{action.name}/{action.key(alert)}")
    if standing is not None and (standing.reason is not ActionReason.HELD or not notifies(alert)):
        return None
    status, reason = _status(record, action, alert, now_ms, closes=closes)
    keeps_alert = not status.is_final
    return ActionResult(
        action=action.name,
        alert_id=alert.alert_id,
        fingerprint=alert.fingerprint,
        idempotency_key=action.key(alert),
        status=status,
        decided_at=utc(now_ms),
        model=alert.model,
        summary=alert.annotations.summary,
        thread=thread_of(alert),
        is_over=is_over(alert),
        offset=offset,
        reason=reason,
        alert=alert if keeps_alert else None,
    )


def _status(record: Record, action: Action, alert: Alert, now_ms: int, *, closes: bool) -> tuple[ActionStatus, ActionReason | None]:
    if not notifies(alert):
        return ActionStatus.SKIPPED, ActionReason.HELD
    if not closes and action.options.age_max is not None and now_ms - ms_of(alert.detected_at) > action.options.age_max:
        return ActionStatus.SKIPPED, ActionReason.TOO_OLD
    if not closes and record.is_at_rate(action, scope_of(action, alert.model, alert.fingerprint), now_ms):
        return ActionStatus.SKIPPED, ActionReason.RATE_LIMITED
    if action.options.dry_run and not getattr(action.target, "takes_dry_run", False):
        return ActionStatus.DRY_RUN, None
    if action.options.approval and not action.options.dry_run:
        return ActionStatus.AWAITING_APPROVAL, None
    return ActionStatus.ACCEPTED, None
