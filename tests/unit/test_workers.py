"""All workers of a deployment on every worker's page: who they are, what they own, how far behind; and when Kafka does not tell."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import pytest

from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.errors import Fatal, Retriable
from stream_monitor.export.board import Board, Crew, Site
from stream_monitor.export.metrics import MetricStore
from stream_monitor.runtime import roster as rosters
from stream_monitor.runtime.broker import Record, partition_for
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.detect_worker import DetectWorker
from stream_monitor.runtime.memory import MemoryBroker
from stream_monitor.runtime.roster import Roster

LOAN_AT = partition_for(b"loan", 2)


class Deployment:
    """The demonstration's workers after some traffic, and the pages of one more detect worker, `other`."""

    def __init__(self) -> None:
        self.stage = Stage(Traffic.seeded(3, 1_000))
        for _ in islice(self.stage.play(), 30):
            pass
        self.broker: MemoryBroker = self.stage.broker
        self.board = Board(self.stage.config, self.stage.clock)
        self.roster = Roster(self.broker, self.stage.config.topics.prefix, self.stage.clock)
        self.site = Site(self.board, crew=Crew(self.roster, "other"))

    def join(self, *, alone: bool = False) -> DetectWorker:
        """`other`, once the partitions are shared; or after the demonstration's own has left."""
        if alone:
            self.stage._detect.close()
        config = self.stage.config.model_copy(update={"instance": "other"})
        log = ConfigLog.of(self.broker, config)
        log.refresh()
        worker = DetectWorker(self.broker, config, log, self.stage.clock, MetricStore(), self.board)
        for _ in range(3):
            worker.run_once()
            if not alone:
                self.stage._detect.run_once()
        return worker

    def get(self, target: str) -> str:
        answer = self.site.answer(target, None)
        assert answer is not None
        assert answer.status == 200
        return answer.body.decode()

    def workers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/api/v1/workers"))
        return found


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setattr(rosters, "FRESH_S", 0.0)
    made = Deployment()
    yield made
    made.stage.close()


def test_a_lone_worker_owns_everything(deployment: Deployment) -> None:
    found = deployment.workers()
    assert (found["problem"], found["is_settled"], found["unowned"], found["unowned_models"]) == (None, True, [], [])
    (worker,) = found["workers"]
    assert (worker["instance"], worker["is_this"], worker["is_here"], worker["roles"]) == ("demo", False, True, ["profile", "detect"])
    assert {(each["role"], each["topic"], tuple(each["partitions"])) for each in worker["shares"]} == {
        ("profile", "captures", (0, 1, 2)),
        ("profile", "labels", (0, 1, 2)),
        ("detect", "stream-monitor.profiles", (0, 1)),
    }
    assert [each["model"] for each in worker["models"]] == ["loan"]


def test_lag_is_what_is_not_committed_by_topic_and_role(deployment: Deployment) -> None:
    deployment.broker.publish([Record("captures", b"{}", partition=2)] * 7)
    found = deployment.workers()
    assert {each["topic"]: (each["role"], each["lag"]) for each in found["topics"]}["captures"] == ("profile", 7)
    assert {each["topic"]: each["lag"] for each in found["workers"][0]["shares"]}["captures"] == 7
    assert ">7<" in deployment.get("/workers")


def test_whoever_joins_is_shown_with_what_it_took_over(deployment: Deployment) -> None:
    worker = deployment.join()
    demo, other = deployment.workers()["workers"]
    assert [(each["instance"], each["is_this"], each["roles"]) for each in (demo, other)] == [
        ("demo", False, ["profile", "detect"]),
        ("other", True, ["detect"]),
    ]
    owned = {each["instance"]: each["shares"][-1]["partitions"] for each in (demo, other)}
    assert sorted(number for numbers in owned.values() for number in numbers) == [0, 1]
    watching = [each for each in (demo, other) if each["models"]]
    assert [owned[each["instance"]] for each in watching] == [[LOAN_AT]]
    (model,) = watching[0]["models"]
    assert model["watermark_delay_s"] == pytest.approx(0.0, abs=60.0), "every detect worker knows what the sources have reached"
    page = deployment.get("/workers")
    assert "(this one)" in page
    assert "stream-monitor.profiles" in page
    worker.close()


def test_a_model_of_another_worker_is_named_so_that_an_empty_page_reads_as_nothing(deployment: Deployment) -> None:
    page = deployment.get("/")
    assert "owns no model" in page
    assert "does not own it: loan" in page
    assert json.loads(deployment.get("/api/v1/models"))["others"] == [{"model": "loan", "version": None}]
    worker = deployment.join(alone=True)
    assert json.loads(deployment.get("/api/v1/models"))["others"] == []
    (model,) = json.loads(deployment.get("/api/v1/models"))["models"]
    assert model["watermark_delay_s"] is not None
    worker.close()
    assert json.loads(deployment.get("/api/v1/models"))["others"] == [{"model": "loan", "version": None}]


def test_who_has_left_is_remembered_and_what_nobody_owns_is_said(deployment: Deployment) -> None:
    before = deployment.workers()["workers"][0]["last_heard"]
    deployment.stage.close()
    deployment.stage.clock.now_ms += 60_000
    found = deployment.workers()
    (worker,) = found["workers"]
    assert (worker["is_here"], worker["last_heard"], worker["shares"]) == (False, before, [])
    assert {each["role"] for each in found["unowned"]} == {"profile", "detect"}
    assert [each["model"] for each in found["unowned_models"]] == ["loan"]
    page = deployment.get("/workers")
    assert "gone" in page
    assert "nobody watches loan" in page
    deployment.stage.clock.now_ms += rosters.GONE_KEPT_MS
    assert deployment.workers()["workers"] == []


@pytest.mark.parametrize("error", [Retriable("No Kafka answered."), Fatal("Not allowed: Describe group 'x'.")])
def test_a_broker_that_does_not_tell_is_said_and_what_was_known_stays(deployment: Deployment, error: Exception) -> None:
    known = deployment.workers()

    def fails(operation: str, transactional_id: str) -> None:
        if operation == "group":
            raise error

    deployment.broker.faults = fails
    assert deployment.workers() == {**known, "problem": str(error)}
    page = deployment.get("/workers")
    assert "Kafka did not tell who is at work." in page
    assert "demo" in page


def test_before_the_first_answer_there_is_the_reason_alone(deployment: Deployment) -> None:
    def fails(operation: str, transactional_id: str) -> None:
        raise Retriable("No Kafka answered.")

    deployment.broker.faults, faults = fails, deployment.broker.faults
    page = deployment.get("/workers")
    assert "No Kafka answered." in page
    assert "<table>" not in page
    deployment.broker.faults = faults


def test_however_many_look_the_broker_is_asked_once(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rosters, "FRESH_S", 60.0)
    asked: list[str] = []
    deployment.broker.faults = lambda operation, _: asked.append(operation)
    for _ in range(10):
        deployment.get("/workers")
        deployment.get("/api/v1/workers")
    assert asked == ["group", "group"], "once for each role"


def test_those_who_left_are_bounded(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rosters, "GONE_MAX", 3)
    for number in range(8):
        member = deployment.broker.member("stream-monitor.detect", ["stream-monitor.profiles"], f"stream-monitor.detect.w{number}")
        deployment.workers()
        deployment.stage.clock.now_ms += 1_000
        member.close()
    assert [each["instance"] for each in deployment.workers()["workers"]] == ["demo", "w5", "w6", "w7"]


def test_one_whose_user_set_a_client_id_is_known_by_it_and_its_host(deployment: Deployment) -> None:
    deployment.broker.member("stream-monitor.detect", ["stream-monitor.profiles"], "<team>")
    assert "<team> on memory" in {each["instance"] for each in deployment.workers()["workers"]}
    assert "&lt;team&gt; on memory" in deployment.get("/workers")


def test_while_partitions_are_shared_out_nobody_is_missed(deployment: Deployment) -> None:
    deployment.broker.member("stream-monitor.detect", ["stream-monitor.profiles"], "stream-monitor.detect.new")
    assert not deployment.workers()["is_settled"]
    page = deployment.get("/workers")
    assert "sharing out" in page
    assert "Nobody reads" not in page


def test_a_process_without_a_crew_has_no_such_page() -> None:
    answer = Site(Board()).answer("/workers", None)
    assert answer is not None
    assert answer.status == 404


def test_a_version_has_a_row_of_its_own(deployment: Deployment) -> None:
    loan = deployment.stage.config.models["loan"]
    versioned = loan.model_copy(update={"versions": {"2": msgspec.UNSET}})
    deployment.board.told(deployment.stage.config.model_copy(update={"models": {"loan": versioned}}))
    assert json.loads(deployment.get("/api/v1/models"))["others"] == [{"model": "loan", "version": None}, {"model": "loan", "version": "2"}]
