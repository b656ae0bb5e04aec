"""The ready action `cloudwatch`: the alert as metrics of AWS CloudWatch, for its dashboards and alarms."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic import Field

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.respond.actions.aws import AwsAction
from stream_monitor.respond.call import Call

_VALUE_MAX: Final = 1024
"""Characters of a dimension's value."""


class CloudWatch(AwsAction):
    """`Firing` (1, or 0 at the end), `Score` and `Threshold`, at the end of the window, by model, kind, feature and detector.

    A repetition adds an equal sample at an equal time: maximum, minimum and average stay, only counts and sums do not.
    """

    service: ClassVar[str] = "cloudwatch"
    operation: ClassVar[str] = "put_metric_data"

    namespace: str = Field(default="StreamMonitor", pattern=r"^[A-Za-z0-9._/#:-]{1,255}$")
    """Where the metrics are."""

    def parameters(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """What has a value."""
        about = {"Model": alert.model, "Kind": str(alert.kind), "Feature": alert.feature, "Detector": alert.detector}
        dimensions = [{"Name": name, "Value": _plain(value)} for name, value in about.items() if value]
        values = {"Firing": float(alert.status is not AlertStatus.RESOLVED), "Score": alert.score, "Threshold": alert.threshold}
        time = datetime.fromisoformat(alert.window.end)
        data = [
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": time, "Value": value}
            for name, value in values.items()
            if value is not None
        ]
        return {"Namespace": self.namespace, "MetricData": data}

    def told(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """That they were taken."""
        return {"status": answer["ResponseMetadata"]["HTTPStatusCode"]}


def _plain(text: str) -> str:
    """CloudWatch takes printable ASCII, and no colon at the beginning."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
    return plain.lstrip(":").strip()[:_VALUE_MAX] or "?"
