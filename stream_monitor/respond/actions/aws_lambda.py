"""The ready action `lambda`: a function of AWS Lambda, called with the alert."""

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.aws import AwsAction, message
from stream_monitor.respond.actions.base import SAID_MAX
from stream_monitor.respond.call import Call, Retriable


class Lambda(AwsAction):
    """The event is `{"idempotency_key": …, "alert": {…}}`; Lambda itself knows no key, so that the function must look at it."""

    service: ClassVar[str] = "lambda"
    operation: ClassVar[str] = "invoke"

    function: str = Field(min_length=1)
    """Its name or ARN."""
    qualifier: str | None = None
    """A version or an alias; default: the newest."""
    wait: bool = False
    """Whether to wait for its answer, which then is in the result; default: Lambda queues the event, and tries it by its own rules."""

    def parameters(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """Whoever waits hands the key to the client context, too, which Lambda passes on in such calls alone."""
        given: dict[str, Any] = {"FunctionName": self.function, "Payload": message(alert, call).encode()}
        given["InvocationType"] = "RequestResponse" if self.wait else "Event"
        if self.wait:
            custom = {"custom": {"idempotency_key": call.idempotency_key}}
            given["ClientContext"] = base64.b64encode(json.dumps(custom).encode()).decode()
        return given if self.qualifier is None else given | {"Qualifier": self.qualifier}

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The function's answer, its beginning. Errors: Retriable, where the function failed."""
        said = self.hidden(answer["Payload"].read(65_536).decode(errors="replace"))
        if answer.get("FunctionError"):
            raise Retriable(f"{self.function} failed: {said}"[:SAID_MAX])
        return {"status": answer["StatusCode"]} | ({"answer": said} if self.wait else {})
