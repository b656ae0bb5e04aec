"""The ready action `slack`: a message by an incoming webhook of Slack, or of what speaks like it (Mattermost, Rocket.Chat)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import is_over, thread_severity
from stream_monitor.respond.actions.base import Secret, addressed
from stream_monitor.respond.actions.http import Answer, HttpAction, Request, encoded
from stream_monitor.respond.actions.text import facts, title
from stream_monitor.respond.call import Call, Retriable

_TEXT_MAX: Final = 2900
"""Slack takes 3000 characters in a block."""
_COLOURS: Final = {"info": "#439fe0", "warning": "#daa038", "critical": "#a30200", "resolved": "#2eb886"}
_QUIET: Final = frozenset({"summary", "link", "runbook", "alert_id"})
"""Facts that the message shows in another way than as lines."""


class Slack(HttpAction):
    """Slack knows no idempotency key: a message that is repeated after a crash appears twice."""

    url: Secret
    """The incoming webhook, which is a secret: `https://hooks.slack.com/services/…`."""
    recipients: Mapping[str, Secret] = Field(default={})
    """Recipient that rules name -> the incoming webhook of its channel; alerts that name none of them go to `url`."""

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One for each channel."""
        told = encoded(message(alert, self.linked(alert)))
        return [Request(url.read(), told) for url in addressed(alert, self.recipients, self.url)]

    def told(self, answer: Answer) -> Mapping[str, Any]:
        """Slack says `ok`; a page of something between says something else."""
        if answer.body.strip().lower() != b"ok":
            raise Retriable(f"the answer of status {answer.status} is not Slack's ok")
        return {"status": answer.status}


def message(alert: Alert, link: str | None) -> Mapping[str, Any]:
    """Title, summary, facts and links; `text` is what a notification shows."""
    known = facts(alert, link)
    lines = "\n".join(f"*{name.replace('_', ' ')}*: {_escaped(value)}" for name, value in known.items() if name not in _QUIET)
    links = " · ".join(f"<{_escaped(known[name])}|{name}>" for name in ("link", "runbook") if name in known)
    texts = [f"*{_escaped(title(alert))}*\n{_escaped(known['summary'])}", lines, links, f"alert {alert.alert_id}"]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text[:_TEXT_MAX]}} for text in texts if text]
    colour = _COLOURS["resolved" if is_over(alert) else str(thread_severity(alert))]
    return {"text": _escaped(title(alert))[:_TEXT_MAX], "attachments": [{"color": colour, "blocks": blocks}]}


def _escaped(text: str) -> str:
    """So that no name of a feature calls a channel: https://api.slack.com/reference/surfaces/formatting#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
