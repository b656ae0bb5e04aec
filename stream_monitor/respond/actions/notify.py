"""The ready action `notify`: a message by any of the hundred services that Apprise knows (Teams, Discord, Telegram, SMS, …)."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import apprise

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import is_over, thread_severity
from stream_monitor.respond.actions.base import DRY_MAX, Ready, Secret
from stream_monitor.respond.actions.text import letter, title
from stream_monitor.respond.call import Call, Refused, Retriable

_TYPES: Final = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING, "critical": apprise.NotifyType.FAILURE}
_WAIT_MAX_S: Final = 60.0
"""For one answer."""


class Notify(Ready):
    """Apprise says whether a message was taken, and not why: every failure but a URL that it does not know is tried again.

    One URL for each action, so that a repetition after a failure repeats no message that was taken.
    """

    url: Secret
    """An Apprise URL, which is a secret: https://github.com/caronc/apprise/wiki."""

    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """Send. Errors: Refused, Retriable."""
        service = self._service(min(call.remaining_s(), _WAIT_MAX_S))
        kind = apprise.NotifyType.SUCCESS if is_over(alert) else _TYPES[str(thread_severity(alert))]
        text = letter(alert, self.linked(alert))
        if call.dry_run:
            return {"would_send": self.hidden(f"{title(alert)}\n{text}", DRY_MAX)}
        sender = apprise.Apprise()
        sender.add(service)
        if not sender.notify(title=title(alert), body=text, notify_type=kind, body_format=apprise.NotifyFormat.TEXT):
            raise Retriable(f"{service.service_name} did not take the message; Apprise does not say why")
        return {"service": str(service.service_name)}

    def _service(self, wait_s: float) -> Any:
        logging.getLogger("apprise").disabled = True  # it logs URLs that it does not know, and what servers answer: secrets
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # below, it logs paths: secrets
        service = apprise.Apprise.instantiate(self.url.read())
        if service is None:
            raise Refused("url: Apprise does not know such a URL; see https://github.com/caronc/apprise/wiki")
        service.socket_connect_timeout = service.socket_read_timeout = wait_s / 2
        return service
