"""The ready action `kubernetes_job` on a small API server, which takes only what the schema of Kubernetes does and each name once."""

import json
from typing import Any

import kubernetes_validate
import pytest

from stream_monitor.respond import ReadyAction, Refused, Retriable
from tests.respond.alerts import ALERT, act, call
from tests.respond.counterpart import Asked, Reply, counterpart
from tests.respond.http_actions import JOB, made

TOKEN = "hush-hush"


class Cluster:
    """The Jobs of the namespace `ml`."""

    def __init__(self) -> None:
        self.jobs: dict[str, Any] = {}

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers["authorization"] != f"Bearer {TOKEN}":
            return self._status(401, "Unauthorized")
        if asked.path != "/apis/batch/v1/namespaces/ml/jobs":
            return self._status(404, "NotFound")
        job = asked.json()
        try:
            kubernetes_validate.validate(job, "1.34", strict=True)
        except kubernetes_validate.ValidationError:
            return self._status(422, "Invalid")
        name = job["metadata"]["name"]
        if name in self.jobs:
            return self._status(409, "AlreadyExists", {"name": name, "group": "batch", "kind": "jobs"})
        self.jobs[name] = job
        return Reply(201, json.dumps(job | {"metadata": {**job["metadata"], "uid": "1"}}).encode())

    def _status(self, code: int, reason: str, details: dict[str, str] | None = None) -> Reply:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "details": details}
        return Reply(code, json.dumps(status | {"message": f"{reason}, said the cluster"}).encode())


def job(url: str, **settings: object) -> ReadyAction:
    return made("kubernetes_job", **{"api": url, "name": "retrain", "namespace": "ml", "token": TOKEN, "ca": None, "spec": JOB} | settings)


def test_a_key_is_one_job_however_often_it_is_asked_for() -> None:
    cluster = Cluster()
    with counterpart(cluster) as there:
        told = [act(job(there.url), told=call(key)) for key in ("a/1", "a/1", "a/2")]
    names = [each["job"] for each in told if each]
    assert names[0] == names[1] != names[2]
    assert [each["already"] for each in told if each] == [False, True, False]
    assert [*cluster.jobs] == [names[0], names[2]]
    assert cluster.jobs[names[0]]["metadata"]["annotations"]["stream-monitor/alert-id"] == ALERT.alert_id


def test_what_the_schema_does_not_know_is_refused() -> None:
    with counterpart(Cluster()) as there:
        for wrong in ({"token": "other"}, {"namespace": "no-such"}, {"spec": {**JOB, "backofLimit": 1}}):
            with pytest.raises(Refused, match="said the cluster"):
                act(job(there.url, **wrong))


def test_another_conflict_is_tried_again() -> None:
    body = json.dumps({"kind": "Status", "reason": "Conflict", "message": "the quota has changed"}).encode()
    with counterpart(Reply(409, body)) as there, pytest.raises(Retriable, match="the quota has changed"):
        act(job(there.url))
