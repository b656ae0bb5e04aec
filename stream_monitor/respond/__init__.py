"""Step 10, what is done: functions that are called about alerts, once each, with what became of it on record.

Read `result` (what is said of an action), `call` (what an action is told beside its alert), `action` (`on`, and what it makes); the pure
core: `record` (what is on record), `decide`, `breaker`, `retry`; `progress` and `workflow` are actions of several steps; what carries
it: `journal` (the actions topic), `letters`, `ends` (of alerts), `attempt` (one call), `lane` (an action's calls), `responder` (all of
them); the shell on Kafka: `load` (which actions there are), `credentials`, `committed` and `app` (Faust). `ready` and `actions` are the
ready ones.
"""

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.action import Action, on
from stream_monitor.respond.call import AlertEnd, Call, Continue, Refused, Retriable
from stream_monitor.respond.ready import ReadyAction
from stream_monitor.respond.result import ActionReason, ActionResult, ActionStatus
from stream_monitor.respond.workflow import Later, Run, Workflow, resolved

__all__ = [
    "Action",
    "ActionReason",
    "ActionResult",
    "ActionStatus",
    "Alert",
    "AlertEnd",
    "Call",
    "Continue",
    "Later",
    "ReadyAction",
    "Refused",
    "Retriable",
    "Run",
    "Workflow",
    "on",
    "resolved",
]
