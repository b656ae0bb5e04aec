"""`docs/reference/actions.md`, made from what is declared here."""

from typing import Final

import msgspec

from stream_monitor.export.reference.alerts import EXAMPLE as ALERT
from stream_monitor.export.reference.declared import fields_of, table, values_table
from stream_monitor.respond.result import ActionReason, ActionResult, ActionStatus

EXAMPLE: Final = ActionResult(
    action="retrain",
    alert_id=ALERT.alert_id,
    fingerprint=ALERT.fingerprint,
    idempotency_key=ALERT.alert_id,
    status=ActionStatus.SUCCEEDED,
    decided_at="2026-01-05T16:05:05.120Z",
    model=ALERT.model,
    summary=ALERT.annotations.summary,
    offset=1204,
    attempt=2,
    started_at="2026-01-05T16:05:06.482Z",
    ended_at="2026-01-05T16:05:48.913Z",
    duration_ms=42_431,
    result={"version": "2026-01-05"},
)
_HEAD: Final = """\
# Action results

Made by `make docs` from `stream_monitor/respond`; do not edit.

The value of a message on `stream-monitor.actions`: what a responder says of an action about an alert, one message per step. The topic is
compacted and kept for 90 days; the key is `action`/`idempotency_key`, and of one key the last message counts. Responders read it to its
end before they act, so that what is done is not done again. [Write your first responder](../how-to/first-responder.md)

"""
_DEAD_LETTERS: Final = """
## Dead letters
An alert that an action has given up on goes to `stream-monitor.dead-letters`, with the headers of
[all dead letters](events.md#dead-letters), `action` and `idempotency_key`; its `reason` is `action_failed`, its `detail` the error.
A message on the alerts topic that is no alert goes there as it came, with the reason `not_a_record`.
"""


def actions_page() -> str:
    """The whole page."""
    rows = ((f"`{each.path}`", each.type, each.meaning) for each in fields_of(ActionResult) if not each.path.startswith("alert."))
    example = f"\n```json\n{msgspec.json.format(EXAMPLE.to_json(), indent=1).decode()}\n```\n"
    statuses = f"\n## `status`\n\n{values_table(ActionStatus)}\n## `reason`\n\n{values_table(ActionReason)}"
    return _HEAD + table(("field", "type", "meaning"), rows) + example + statuses + _DEAD_LETTERS
