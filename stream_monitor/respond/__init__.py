"""Step 10, what is done: functions that are called about alerts, once each, with what became of it on record.

Read `result` (what is said of an action), `call` (what an action is told beside its alert), `action` (`on`, and what it makes).
"""

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.action import Action, on
from stream_monitor.respond.call import Call, Refused, Retriable
from stream_monitor.respond.ready import ReadyAction
from stream_monitor.respond.result import ActionReason, ActionResult, ActionStatus

__all__ = ["Action", "ActionReason", "ActionResult", "ActionStatus", "Alert", "Call", "ReadyAction", "Refused", "Retriable", "on"]
