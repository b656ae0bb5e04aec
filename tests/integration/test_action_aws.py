"""Ready actions for AWS on moto's server, which keeps what it is told; failures are in tests/conformance."""

import io
import json
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from stream_monitor.respond import Alert, ReadyAction, Refused
from stream_monitor.respond.actions import READY
from tests.integration.waiting import answers, wait_until
from tests.kafka.server import free_ports
from tests.respond.alerts import ALERT, KEY, RESOLVED, UPDATED, act, at, call

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the whole of AWS, as moto knows it; functions and machines are kept there and not run."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    folder = tmp_path_factory.mktemp("moto")
    with (
        (folder / "moto.log").open("wb") as log,
        subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: answers(f"{url}/moto-api/data.json"), "moto's server")
            ask = urllib.request.Request(f"{url}/moto-api/config", json.dumps({"lambda": {"use_docker": False}}).encode(), method="POST")
            urllib.request.urlopen(ask, timeout=10).close()
            yield url
        finally:
            process.terminate()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def client(aws: str, service: str) -> Any:
    return boto3.client(service, region_name=REGION, endpoint_url=aws)


def made(aws: str, use: str, **settings: object) -> ReadyAction:
    return READY[use].model_validate({"region": REGION, "endpoint_url": aws, **settings})


def queue(aws: str, name: str, **attributes: str) -> tuple[str, str]:
    """A queue's URL and ARN."""
    sqs = client(aws, "sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(aws: str, url: str) -> list[dict[str, Any]]:
    found = client(aws, "sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0)
    return [json.loads(message["Body"]) for message in found.get("Messages", ())]


def test_sns_tells_programs_json_and_filters(aws: str) -> None:
    sns = client(aws, "sns")
    topic = sns.create_topic(Name="drift")["TopicArn"]
    url, arn = queue(aws, "drift")
    only = json.dumps({"severity": ["critical"], "model": ["loan"]})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": only})
    told = act(made(aws, "sns", topic=topic))
    act(made(aws, "sns", topic=topic), UPDATED)
    (message,) = received(aws, url)
    assert told is not None
    assert told["message_id"] == message["MessageId"]
    body = json.loads(message["Message"])
    assert body["idempotency_key"] == KEY
    assert Alert.from_json(json.dumps(body["alert"]).encode()) == ALERT
    assert message["Subject"] == "[CRITICAL] loan (region = north): income, data drift"
    assert message["MessageAttributes"]["idempotency_key"]["Value"] == KEY


def test_sns_drops_a_repetition_on_a_fifo_topic(aws: str) -> None:
    sns = client(aws, "sns")
    topic = sns.create_topic(Name="drift.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
    url, arn = queue(aws, "drift.fifo", FifoQueue="true")
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    action = made(aws, "sns", topic=topic)
    act(action)
    act(action)
    act(action, told=call(f"{ALERT.alert_id}/2"))
    keys = [json.loads(message["Message"])["idempotency_key"] for message in received(aws, url)]
    assert sorted(set(keys)) == [KEY, f"{ALERT.alert_id}/2"]


def test_sns_takes_any_title(aws: str) -> None:
    topic = client(aws, "sns").create_topic(Name="strange")["TopicArn"]
    assert act(made(aws, "sns", topic=topic), at(ALERT, model="Kredit-Übersicht\n" + "x" * 300, feature="", version=None)) is not None


def test_what_is_not_there_is_refused(aws: str) -> None:
    with pytest.raises(Refused, match="404 NotFound"):
        act(made(aws, "sns", topic="arn:aws:sns:eu-west-1:123456789012:no-such"))
    with pytest.raises(Refused, match="StateMachineDoesNotExist"):
        act(made(aws, "step_functions", state_machine="arn:aws:states:eu-west-1:123456789012:stateMachine:no-such"))


def test_lambda_is_invoked(aws: str) -> None:
    role = client(aws, "iam").create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.writestr("f.py", "def handle(event, context): return event")
    code = {"ZipFile": archive.getvalue()}
    client(aws, "lambda").create_function(FunctionName="retrain", Runtime="python3.13", Role=role, Handler="f.handle", Code=code)
    queued = act(made(aws, "lambda", function="retrain"))
    assert queued is not None
    assert queued["status"] == 202
    waited = act(made(aws, "lambda", function="retrain", wait=True))
    assert waited is not None
    assert waited["status"] == 200


def test_a_step_function_is_started_once_for_a_key(aws: str) -> None:
    machines = client(aws, "stepfunctions")
    definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
    machine = machines.create_state_machine(name="retrain", definition=definition, roleArn="arn:aws:iam::123456789012:role/r")[
        "stateMachineArn"
    ]
    action = made(aws, "step_functions", state_machine=machine)
    first = act(action)
    assert first is not None
    again = act(action)
    assert again is not None
    assert again["already"] or again["execution"] == first["execution"]
    assert act(action, UPDATED) == {"already": True}, "another input under a name that is taken"
    act(action, UPDATED, call(f"{ALERT.alert_id}/2"))
    executions = machines.list_executions(stateMachineArn=machine)["executions"]
    assert len(executions) == 2
    started = json.loads(machines.describe_execution(executionArn=first["execution"])["input"])
    assert (started["idempotency_key"], started["alert"]["alert_id"]) == (KEY, ALERT.alert_id)


def test_eventbridge_brings_the_event_to_its_rules(aws: str) -> None:
    events = client(aws, "events")
    events.create_event_bus(Name="ml")
    url, arn = queue(aws, "events")
    pattern = {"source": ["stream-monitor"], "detail-type": ["alert firing"], "detail": {"alert": {"severity": ["critical"]}}}
    events.put_rule(Name="critical", EventPattern=json.dumps(pattern), EventBusName="ml")
    events.put_targets(Rule="critical", EventBusName="ml", Targets=[{"Id": "queue", "Arn": arn}])
    told = act(made(aws, "eventbridge", bus="ml"))
    act(made(aws, "eventbridge", bus="ml"), RESOLVED)
    (event,) = received(aws, url)
    assert told is not None
    assert told["event_id"]
    assert event["detail"]["idempotency_key"] == KEY
    assert event["detail"]["alert"]["fingerprint"] == ALERT.fingerprint


def test_cloudwatch_holds_the_score_and_the_end(aws: str) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    end = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    window = type(ALERT.window)(ALERT.window.start, end, 300)
    action = made(aws, "cloudwatch", namespace="Models")
    act(action, at(ALERT, window=window))
    act(action, at(ALERT, window=window))
    act(action, at(RESOLVED, window=window, score=None, feature="other"))
    metrics = client(aws, "cloudwatch")

    def values(metric: str, feature: str) -> list[float]:
        about = {"Model": "loan", "Kind": "data_drift", "Feature": feature, "Detector": "psi"}
        dimensions = [{"Name": name, "Value": value} for name, value in about.items()]
        span = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(hours=1), "Period": 60, "Statistics": ["Maximum"]}
        found = metrics.get_metric_statistics(Namespace="Models", MetricName=metric, Dimensions=dimensions, **span)
        return [point["Maximum"] for point in found["Datapoints"]]

    assert values("Score", "income") == [ALERT.score]
    assert values("Threshold", "income") == [ALERT.threshold]
    assert values("Firing", "income") == [1.0]
    assert values("Firing", "other") == [0.0]
    assert values("Score", "other") == []


def test_a_dry_run_tells_no_one(aws: str) -> None:
    told = act(made(aws, "sns", topic="arn:aws:sns:eu-west-1:123456789012:no-such"), told=call(dry_run=True))
    assert told is not None
    assert "income" in told["would_send"][0]


@pytest.mark.parametrize("settings", [{"endpoint_url": "no url"}, {"region": None, "endpoint_url": None}])
def test_what_cannot_be_a_client_is_refused(settings: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(Refused, match="events"):
        act(READY["eventbridge"].model_validate({"region": REGION} | settings))
