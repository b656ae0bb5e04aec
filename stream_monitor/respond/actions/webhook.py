"""The ready action `webhook`: the alert as JSON to any URL, signed so that the receiver knows who sent it, and when.

The signature is that of Standard Webhooks 1.0 (https://www.standardwebhooks.com), for which there are libraries in most languages.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Literal

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.alertmanager import posted
from stream_monitor.respond.actions.base import Secret
from stream_monitor.respond.actions.http import HttpAction, Request, encoded
from stream_monitor.respond.call import Call, Refused


class Webhook(HttpAction):
    """POSTs the alert; any answer 2xx is a success."""

    url: Secret
    """Where to."""
    secret: Secret | None = None
    """Signs the message: `whsec_` and base64, or any text. Default: it is not signed."""
    authorization: Secret | None = None
    """The value of the header `Authorization`, e.g. `Bearer …`."""
    shape: Literal["alert", "alertmanager"] = "alert"
    """`alert`: as on the alerts topic. `alertmanager`: as Alertmanager's own webhooks (version 4), for receivers that exist."""

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One."""
        body = alert.to_json() if self.shape == "alert" else encoded(posted(alert, self.linked(alert)))
        headers = {"Authorization": self.authorization.read()} if self.authorization else {}
        if self.secret is not None:
            headers |= signature(self.secret.read(), call.idempotency_key, int(time.time()), body)
        return (Request(self.url.read(), body, headers),)


def signature(secret: str, message_id: str, time_s: int, body: bytes) -> Mapping[str, str]:
    """The headers that sign a message: HMAC-SHA256 of `id.time.body`, base64. Errors: Refused, for `whsec_` without base64."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise Refused("secret: what follows whsec_ is not base64") from None
    digest = hmac.new(key, f"{message_id}.{time_s}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(time_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
