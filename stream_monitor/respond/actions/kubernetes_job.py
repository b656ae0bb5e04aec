"""The ready action `kubernetes_job`: a Job in the cluster, for what takes long: retraining, a rollback, an analysis."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import Field, model_validator

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.base import Secret
from stream_monitor.respond.actions.http import Answer, HttpAction, Request, encoded
from stream_monitor.respond.call import Call, Retriable

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds who it is."""
_CONFLICT: Final = 409


class KubernetesJob(HttpAction):
    """Creates a Job whose name follows from the idempotency key: one that is there already is a success, however often we ask.

    Each container has the alert as JSON in `STREAM_MONITOR_ALERT`, and `STREAM_MONITOR_IDEMPOTENCY_KEY`. The responder's service account
    must be allowed to `create` `jobs` (group `batch`) in the namespace.
    """

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")
    """Beginning of the Jobs' names."""
    spec: Mapping[str, Any]
    """A Job's `spec`; the pods' `restartPolicy` is `Never` unless it says otherwise."""
    namespace: str = "default"
    """Where the Jobs run."""
    api: str = "https://kubernetes.default.svc"
    """The cluster's API."""
    token: Secret = Secret(file=_ACCOUNT / "token")
    """What we show it."""
    ca: Path | None = _ACCOUNT / "ca.crt"
    """Whose certificate it shows; null: one that the system trusts."""

    @model_validator(mode="after")
    def _has_containers(self) -> "KubernetesJob":
        try:
            containers = self.spec["template"]["spec"]["containers"]
            assert containers
            assert all(isinstance(container, Mapping) for container in containers)
        except (KeyError, TypeError, AssertionError):
            raise ValueError("spec needs template.spec.containers, a list of at least one container") from None
        return self

    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """One."""
        url = f"{self.api.rstrip('/')}/apis/batch/v1/namespaces/{self.namespace}/jobs"
        return (Request(url, encoded(self._job(alert, call)), {"Authorization": f"Bearer {self.token.read()}"}),)

    def expects(self, status: int) -> bool:
        """A name that is taken is looked at."""
        return super().expects(status) or status == _CONFLICT

    def told(self, answer: Answer) -> Mapping[str, Any]:
        """The Job's name, where the API says one."""
        said = answer.json()
        if answer.status == _CONFLICT and said.get("reason") != "AlreadyExists":
            raise Retriable(self.hidden(f"the cluster's API says {said.get('reason')}: {said.get('message')}"))
        about = said.get("details" if answer.status == _CONFLICT else "metadata")
        if not isinstance(about, Mapping):
            raise Retriable(f"the answer of status {answer.status} is not of the cluster's API")
        return {"status": answer.status, "job": about.get("name"), "already": answer.status == _CONFLICT}

    def _job(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        told = {"STREAM_MONITOR_ALERT": alert.to_json().decode(), "STREAM_MONITOR_IDEMPOTENCY_KEY": call.idempotency_key}
        more = [{"name": name, "value": value.replace("$", "$$")} for name, value in told.items()]  # $(NAME) would be expanded
        template = self.spec["template"]
        pod = template["spec"]
        containers = [{**each, "env": [*each.get("env", ()), *more]} for each in pod["containers"]]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": f"{self.name}-{hashlib.sha256(call.idempotency_key.encode()).hexdigest()[:16]}",
                "labels": {"app.kubernetes.io/managed-by": "stream-monitor"},
                "annotations": {"stream-monitor/alert-id": alert.alert_id, "stream-monitor/idempotency-key": call.idempotency_key},
            },
            "spec": {**self.spec, "template": {**template, "spec": {"restartPolicy": "Never", **pod, "containers": containers}}},
        }
