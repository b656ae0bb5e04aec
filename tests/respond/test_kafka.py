"""Responders on a real Kafka: what they read, what they do twice, and what becomes of them without a broker."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.alert.alert import AlertStatus, Notification
from stream_monitor.alert.grouping import Groups
from stream_monitor.detect.report import Span, WindowScore
from stream_monitor.respond import ActionReason, ActionStatus
from stream_monitor.runtime.broker import Record
from tests.integration.stack import ROOT
from tests.integration.waiting import FIGURES, wait_until
from tests.kafka.fixtures import SASL_PASSWORD
from tests.kafka.server import KafkaServer, free_ports
from tests.respond.alerts import ALERT, at
from tests.respond.lab import alert
from tests.respond.stack import RespondStack, memory_mb

pytestmark = pytest.mark.kafka
WHOLE = at(ALERT, segment={}, version=None)
Make = Callable[..., RespondStack]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    stacks: list[RespondStack] = []

    def made(bootstrap_servers: str, **more: Any) -> RespondStack:
        stacks.append(RespondStack(bootstrap_servers, tmp_path, **more))
        return stacks[-1]

    yield made
    for stack in stacks:
        stack.close()


@pytest.fixture
def stack(make: Make, kafka_bootstrap: str) -> RespondStack:
    return make(kafka_bootstrap)


def command(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stream_monitor", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_aborted_alert_runs_nothing(stack: RespondStack) -> None:
    """Before, between and after committed ones, and one whose transaction is aborted while the responder waits for its end."""
    stack.transact([alert("lost-1")], commit=False)
    stack.transact([alert("a"), alert("b")], commit=True)
    stack.respond("one").wait_ready()
    stack.transact([alert("lost-2"), alert("lost-3")], commit=False)
    stack.transact([alert("c")], commit=True)
    stack.wait_for(["a", "b", "c"])
    assert stack.effects() == {"note/a": 1, "note/b": 1, "note/c": 1}
    assert {result.alert_id for result in stack.said()} == {"a", "b", "c"}


def test_what_is_done_is_not_done_again_after_a_clean_stop(stack: RespondStack) -> None:
    first = stack.respond("one")
    stack.tell(["a", "b"])
    stack.wait_for(["a", "b"])
    assert first.terminate() == 0
    stack.publish([b"no alert", None])
    stack.tell(["b", "c"])  # b once more, as if its offset had not been committed
    stack.respond("two")
    stack.wait_for(["c"])
    assert stack.effects() == {"note/a": 1, "note/b": 1, "note/c": 1}
    assert [letter["reason"] for letter in stack.letters()] == [b"not_a_record"] * 2


def test_another_takes_over_and_nothing_is_done_twice_after_its_record(stack: RespondStack) -> None:
    """One comes, the first is killed, one comes again, the second leaves: alerts all the while."""
    names = [f"a{i}" for i in range(200)]
    first = stack.respond("first")
    first.wait_ready()
    stack.tell(names[:50])
    second = stack.respond("second")
    stack.tell(names[50:100])
    second.wait_ready()
    stack.tell(names[100:150])
    first.kill()
    stack.wait_for(names[:150])
    stack.respond("third").wait_ready()
    stack.tell(names[150:])
    assert second.terminate() == 0
    stack.wait_for(names)
    assert_nothing_after_its_record(stack, names)


def test_a_broker_that_is_away_is_waited_for(make: Make, kafka_server: KafkaServer) -> None:
    stack = make(kafka_server.bootstrap_servers, slow_s=0.3)
    process = stack.respond("one")
    process.wait_ready()
    stack.tell(["a", "b", "c", "d", "e", "f"])
    wait_until(lambda: bool(stack.effect_lines()), "the first effect")
    kafka_server.stop()
    kafka_server.start()
    stack.tell(["g"])
    stack.wait_for(["a", "b", "c", "d", "e", "f", "g"])
    assert_nothing_after_its_record(stack, ["a", "b", "c", "d", "e", "f", "g"])
    assert process.terminate() == 0


def test_a_kafka_that_wants_a_password(make: Make, sasl_server: KafkaServer) -> None:
    """librdkafka's properties serve both clients; nothing tells the password."""
    properties = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "me", "sasl.password": SASL_PASSWORD}
    stack = make(sasl_server.sasl_servers, kafka={"bootstrap_servers": sasl_server.sasl_servers, "properties": properties})
    stack.tell(["a"])
    process = stack.respond("one")
    stack.wait_for(["a"])
    assert process.terminate() == 0
    assert SASL_PASSWORD not in process.log.read_text()
    wrong = make(
        sasl_server.sasl_servers,
        prepare=False,
        kafka={"bootstrap_servers": sasl_server.sasl_servers, "properties": properties | {"sasl.password": "no"}},
    )
    assert wrong.respond("two").wait(60) == 1


def test_it_leaves_in_time_while_the_broker_is_away(make: Make, kafka_server: KafkaServer) -> None:
    stack = make(kafka_server.bootstrap_servers, respond={"stop_timeout": "1s"})
    process = stack.respond("one")
    process.wait_ready()
    kafka_server.kill()
    assert process.terminate(45) == 0


def test_there_are_no_alerts_yet(make: Make, kafka_bootstrap: str) -> None:
    stack = make(kafka_bootstrap, topics={"prefix": "nobody-writes-here"}, prepare=False)
    process = stack.respond("one")
    assert process.wait(30) == 2
    assert "there is no topic 'nobody-writes-here.alerts'" in process.tail()
    assert "`stream-monitor run` creates it" in process.tail()
    assert "Traceback" not in process.tail()


def test_nobody_answers(make: Make) -> None:
    process = make(f"127.0.0.1:{free_ports(1)[0]}", prepare=False).respond("one")
    assert process.wait(60) == 1
    assert "No Kafka answered at 127.0.0.1" in process.tail()
    assert "Traceback" not in process.tail()


APPROVED = """
from stream_monitor.respond import Alert, Refused, on

@on(approval=True)
def retrain(alert: Alert):
    return {"version": "2"}

@on(model="card")
def never(alert: Alert):
    raise Refused("there is no card")
"""


def test_people_approve_reject_and_retry(make: Make, kafka_bootstrap: str) -> None:
    stack = make(kafka_bootstrap, module=APPROVED)
    config = str(stack.config_file("cli"))
    stack.respond("one")
    stack.tell(["a", "b"])
    stack.tell(["c"], model="card")
    stack.wait_for(["a", "b", "c"], ActionStatus.AWAITING_APPROVAL, "retrain")
    stack.wait_for(["c"], ActionStatus.FAILED, "never")
    assert "retrain/a" in command("actions", "list", "--config", config)
    assert command("actions", "approve", "retrain/a", "--config", config) == "retrain/a: approved\n"
    command("actions", "reject", "retrain/b", "--config", config)
    command("actions", "retry", "never/", "--config", config)
    stack.wait_for(["a"], ActionStatus.SUCCEEDED, "retrain")
    wait_until(lambda: len([result for result in stack.said() if result.status is ActionStatus.FAILED]) == 2, "the second failure")
    assert stack.last()["retrain/b"].reason is ActionReason.REJECTED
    listed = command("actions", "list", "--config", config, "--json").splitlines()
    assert len(listed) == 4
    twice = subprocess.run(
        [sys.executable, "-m", "stream_monitor", "actions", "approve", "retrain/a", "--config", config],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert twice.returncode == 2
    assert "retrain/a is succeeded, not awaiting approval: nothing was changed" in twice.stderr


def test_a_change_is_investigated_by_hand(stack: RespondStack) -> None:
    """The topics that `run` writes are read as they are: no responder is needed."""
    stack.publish([each.to_json() for each in (WHOLE, at(WHOLE, alert_id="other"))])
    span = Span(WHOLE.window.start, WHOLE.window.end, 100)
    rows = [
        WindowScore(model, None, {"region": name}, span, 1, "income", "psi", score, 0.2, None, "judged")
        for model, name, score in (("loan", "north", 1.0), ("loan", "south", 3.0), ("card", "west", 9.0))
    ]
    stack.broker.publish([Record(stack.topic("windows"), row.to_json(), row.model.encode(), 0) for row in rows])
    told = json.loads(command("investigate", WHOLE.alert_id[:8], "--config", str(stack.config_file("cli")), "--json"))
    assert [(each["name"], each["share"]) for each in told["segments"]] == [("region = south", 0.75), ("region = north", 0.25)]


BURST = """
from stream_monitor.respond import Alert, on

@on(rate="7/6h")
def retrain(alert: Alert):
    return {}

@on()
def quick(alert: Alert):
    return {}
"""


@pytest.mark.slow
def test_a_burst_of_ten_thousand_keeps_memory_and_rates(make: Make, kafka_bootstrap: str) -> None:
    stack = make(kafka_bootstrap, module=BURST)
    process = stack.respond("one")
    process.wait_ready()
    before_mb = memory_mb(process)
    names = [f"a{i}" for i in range(10_000)]
    stack.tell(names)
    took_s = wait_until(lambda: process.metric("actions_total", action="quick", status="succeeded") == 10_000, process.tail(), 180)
    after_mb = memory_mb(process)
    last = stack.last()
    retrained = [result for result in last.values() if result.action == "retrain"]
    assert sum(result.status is ActionStatus.SUCCEEDED for result in retrained) == 7
    assert sum(result.reason is ActionReason.RATE_LIMITED for result in retrained) == 9_993
    assert all(last[f"quick/{name}"].status is ActionStatus.SUCCEEDED for name in names)
    FIGURES.info(f"10,000 alerts in {took_s:.0f} s, memory {before_mb:.0f} -> {after_mb:.0f} MB")
    assert after_mb - before_mb < 150


GROUPED = """
import pathlib
from stream_monitor.respond import Alert, on
from stream_monitor.alert.notification import is_over, thread_of

class Page:
    has_end = True

    def __call__(self, alert: Alert):
        with open(pathlib.Path(__file__).with_name("effects.txt"), "ab", buffering=0) as file:
            file.write(f"{thread_of(alert)} {'closed' if is_over(alert) else 'opened'} {alert.notification.firing}\\n".encode())

on(name="page", concurrency=8)(Page())
"""


@pytest.mark.slow
def test_a_burst_of_ten_thousand_in_groups_is_a_call_for_each_group(make: Make, kafka_bootstrap: str) -> None:
    """In 100 groups, which all begin, then end: what is not told is on record as held, and no call is made."""
    stack = make(kafka_bootstrap, module=GROUPED)
    process = stack.respond("one")
    process.wait_ready()
    before_mb, groups = memory_mb(process), Groups()
    begun = [
        at(alert(f"g{group}-{number}"), notification=Notification(notify=True, held=None, group=f"g{group}"))
        for group in range(100)
        for number in range(100)
    ]
    ended = [at(each, status=AlertStatus.RESOLVED, revision=2, resolved_at=each.window.end, reason="recovered") for each in begun]
    stack.publish([each.to_json() for alerts in (begun, ended) for each in groups.gather(alerts)])
    held = {"action": "page", "status": "skipped"}
    took_s = wait_until(lambda: process.metric("actions_total", **held) == 19_800, process.tail(), 180)
    wait_until(lambda: process.metric("actions_total", action="page", status="succeeded") == 200, process.tail())
    after_mb = memory_mb(process)
    lines = stack.effect_lines()
    assert sorted(lines) == sorted(line for group in range(100) for line in (f"g{group} opened 100", f"g{group} closed 0"))
    assert all(lines.index(f"g{group} opened 100") < lines.index(f"g{group} closed 0") for group in range(100))
    FIGURES.info(f"10,000 alerts in 100 groups, and their ends, in {took_s:.0f} s, memory {before_mb:.0f} -> {after_mb:.0f} MB")
    assert after_mb - before_mb < 150


def assert_nothing_after_its_record(stack: RespondStack, names: list[str]) -> None:
    """Every alert has its effect; an effect that took place more than once did so before the end of its key was on record."""
    effects, ends = stack.effects(), {result.key: result.attempt for result in stack.said() if result.status is ActionStatus.SUCCEEDED}
    assert set(effects) == {f"note/{name}" for name in names} == set(ends)
    for line in stack.effect_lines():
        key, attempt, _ = line.split()
        assert int(attempt) <= ends[key], line
    ended = [result.key for result in stack.said() if result.status is ActionStatus.SUCCEEDED]
    FIGURES.info(f"{len(names)} alerts, {sum(effects.values())} effects, {len(ended)} ends")
