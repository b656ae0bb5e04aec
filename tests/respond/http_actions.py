"""Each ready action that speaks HTTP: how it is made for a counterpart, and what the real one answers."""

from collections.abc import Callable
from typing import NamedTuple

from stream_monitor.respond import ReadyAction
from stream_monitor.respond.actions import READY
from tests.respond.alerts import LINK
from tests.respond.counterpart import Reply

SECRET = "s3cr3t-of-this-house"


class Case(NamedTuple):
    """Makes the action for a URL, whose secrets all are SECRET; success: what it takes for done. garbled: an answer that it cannot take."""

    make: Callable[[str], ReadyAction]
    success: Reply
    garbled: Reply | None = Reply(200, b"<html>please log in</html>")


def made(use: str, /, **settings: object) -> ReadyAction:
    return READY[use].model_validate({"link": LINK, **settings})


JOB = {"template": {"spec": {"containers": [{"name": "retrain", "image": "retrain:1", "env": [{"name": "A", "value": "b"}]}]}}}

HTTP = {
    "webhook": Case(lambda url: made("webhook", url=f"{url}/{SECRET}", secret=SECRET, authorization=f"Bearer {SECRET}"), Reply(204), None),
    "webhook as Alertmanager": Case(lambda url: made("webhook", url=f"{url}/{SECRET}", shape="alertmanager"), Reply(), None),
    "alertmanager": Case(lambda url: made("alertmanager", urls=[url], authorization=f"Bearer {SECRET}"), Reply(), None),
    "slack": Case(lambda url: made("slack", url=f"{url}/services/{SECRET}"), Reply(200, b"ok")),
    "pagerduty": Case(
        lambda url: made("pagerduty", url=url, routing_key=SECRET),
        Reply(202, b'{"status": "success", "message": "Event processed", "dedup_key": "k"}'),
        Reply(202, b'{"status": "maybe"}'),
    ),
    "opsgenie": Case(
        lambda url: made("opsgenie", url=url, api_key=SECRET), Reply(202, b'{"result": "Request will be processed", "requestId": "r1"}')
    ),
    "kubernetes_job": Case(
        lambda url: made("kubernetes_job", api=url, name="retrain", token=SECRET, ca=None, spec=JOB),
        Reply(201, b'{"kind": "Job", "metadata": {"name": "retrain-1"}}'),
        Reply(200, b'{"kind": "Status"}'),
    ),
}
