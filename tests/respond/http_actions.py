"""Each ready action that speaks HTTP: how it is made for a counterpart, and what the real one answers."""

from collections.abc import Callable
from typing import NamedTuple

from stream_monitor.respond import ReadyAction
from stream_monitor.respond.actions import READY
from tests.respond.alerts import LINK
from tests.respond.counterpart import Reply

SECRET = "s3cr3t-of-this-house"


class Case(NamedTuple):
    """Makes the action for a URL, whose secrets all are SECRET; success: what it takes for done. garbled: an answer that it cannot take.

    refusal: what the counterpart's errors look like, with a place for what it says; None: any text.
    """

    make: Callable[[str], ReadyAction]
    success: Reply
    garbled: Reply | None = Reply(200, b"<html>please log in</html>")
    refusal: str | None = None


def made(use: str, /, **settings: object) -> ReadyAction:
    return READY[use].model_validate({"link": LINK, **settings})


JOB = {"template": {"spec": {"containers": [{"name": "retrain", "image": "retrain:1", "env": [{"name": "A", "value": "b"}]}]}}}

ACTIVE = b'[{"labels": {"severity": "info"}, "startsAt": "2026-01-05T16:00:00.000Z"}]'
"""What an Alertmanager shows: of the same thread, at another severity."""

HTTP = {
    "webhook": Case(lambda url: made("webhook", url=f"{url}/{SECRET}", secret=SECRET, authorization=f"Bearer {SECRET}"), Reply(204), None),
    "webhook as Alertmanager": Case(lambda url: made("webhook", url=f"{url}/{SECRET}", shape="alertmanager"), Reply(), None),
    "alertmanager": Case(lambda url: made("alertmanager", urls=[url], authorization=f"Bearer {SECRET}"), Reply(200, ACTIVE), None),
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


def aws(use: str, refusal: str = '{{"__type": "NoLuck", "message": {said}}}', **settings: object) -> Case:
    """Their successes are in tests/integration/test_action_aws.py; credentials are of the environment."""
    return Case(lambda url: made(use, endpoint_url=url, region="eu-west-1", **settings), Reply(), refusal=refusal)


XML = "<ErrorResponse><Error><Type>Sender</Type><Code>NoLuck</Code><Message>{said}</Message></Error></ErrorResponse>"
AWS = {
    "sns": aws("sns", XML, topic="arn:aws:sns:eu-west-1:123456789012:drift"),
    "lambda": aws("lambda", function="retrain"),
    "step_functions": aws("step_functions", state_machine="arn:aws:states:eu-west-1:123456789012:stateMachine:retrain"),
    "eventbridge": aws("eventbridge"),
    "cloudwatch": aws("cloudwatch"),
}
EVERY = HTTP | AWS
