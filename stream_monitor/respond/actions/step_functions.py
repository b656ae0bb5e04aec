"""The ready action `step_functions`: an execution of a state machine of AWS Step Functions."""

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.aws import AwsAction, message
from stream_monitor.respond.call import Call


class StepFunctions(AwsAction):
    """The execution's name follows from the key, and a standard machine starts one of a name once in 90 days: a repetition is a success.

    Express machines do not look at names; there the input's `idempotency_key` says what is a repetition.
    """

    service: ClassVar[str] = "stepfunctions"
    operation: ClassVar[str] = "start_execution"

    state_machine: str = Field(pattern=r"^arn:")
    """Its ARN."""

    def parameters(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """The input is `{"idempotency_key": …, "alert": {…}}`."""
        name = f"{alert.alert_id}-{hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:16]}"
        return {"stateMachineArn": self.state_machine, "name": name, "input": message(alert, call)}

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Which execution."""
        return {"execution": answer["executionArn"], "already": False}

    def known(self, code: str) -> Mapping[str, Any] | None:
        """An earlier attempt has started it."""
        return {"already": True} if code == "ExecutionAlreadyExists" else None
