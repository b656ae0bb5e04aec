"""The ready action `sns`: a message on a topic of AWS SNS, as JSON for programs and as text for mail and phones."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.aws import AwsAction, message
from stream_monitor.respond.actions.text import letter, title
from stream_monitor.respond.call import Call

_SUBJECT_MAX: Final = 100
_FILTERED: Final = ("status", "severity", "kind", "model", "version", "feature", "detector")


class Sns(AwsAction):
    """The message's attributes are what subscriptions filter by, and `idempotency_key`.

    On a FIFO topic alerts about one thing are a group, and SNS drops a repetition within five minutes.
    """

    service: ClassVar[str] = "sns"
    operation: ClassVar[str] = "publish"

    topic: str = Field(pattern=r"^arn:")
    """The topic's ARN."""

    def parameters(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """A text for each protocol that people read."""
        texts = {"default": message(alert, call), "email": letter(alert, self.linked(alert)), "sms": title(alert)}
        found = {name: getattr(alert, name) for name in _FILTERED} | {"idempotency_key": call.idempotency_key}
        given = {
            "TopicArn": self.topic,
            "Subject": title(alert).encode("ascii", "replace").decode()[:_SUBJECT_MAX],
            "MessageStructure": "json",
            "Message": json.dumps(texts),
            "MessageAttributes": {name: {"DataType": "String", "StringValue": str(value)} for name, value in found.items() if value},
        }
        if self.topic.endswith(".fifo"):
            once = hashlib.sha256(call.idempotency_key.encode()).hexdigest()
            given |= {"MessageGroupId": alert.fingerprint, "MessageDeduplicationId": once}
        return given

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The message's id."""
        return {"message_id": answer["MessageId"]}
