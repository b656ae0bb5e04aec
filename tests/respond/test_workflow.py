"""Workflows: the order of steps, conditions, waiting, compensation; and that a crash anywhere changes nothing but the number of calls."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.alert.alert import AlertStatus
from stream_monitor.errors import ConfigError
from stream_monitor.respond import ActionReason, ActionResult, ActionStatus, Alert, Later, Refused, Run, Workflow, on, resolved
from stream_monitor.respond.action import collecting
from stream_monitor.respond.decide import decide
from stream_monitor.respond.progress import StepStatus
from stream_monitor.respond.record import Record
from stream_monitor.runtime.broker import Record as Letter
from tests.integration.waiting import wait_until
from tests.respond.lab import ALERTS, LETTERS, Lab, alert, memory_broker

DONE, SKIPPED, FAILED, UNDONE = StepStatus.DONE, StepStatus.SKIPPED, StepStatus.FAILED, StepStatus.UNDONE


def steps_of(lab: Lab, key: str) -> dict[str, str]:
    """How each step ended, as it is on record."""
    return {name: step["status"] for name, step in (lab.last()[key].progress or {})["steps"].items()}


def run(workflow: Workflow, *alerts: Alert, **options: Any) -> Lab:
    lab = Lab([on(backoff="1ms", **options)(workflow)], memory_broker())
    lab.tell(*(alerts or (alert("a"),)))
    lab.settle()
    return lab


def test_steps_are_done_in_order_and_see_what_was_done_before() -> None:
    loop, seen = Workflow("loop"), list[Any]()

    @loop.step()
    def retrain(run: Run) -> dict[str, Any]:
        seen.append((run.call.idempotency_key, run.alert.alert_id))
        return {"version": "2"}

    @loop.step()
    async def validate(run: Run) -> dict[str, Any]:
        seen.append(run["retrain"]["version"])
        return {"accuracy": 0.9}

    @loop.step(when=lambda run: run["validate"]["accuracy"] > 0.8)
    def deploy(run: Run) -> None:
        seen.append(sorted(run.results))

    lab = run(loop)
    assert seen == [("a/retrain", "a"), "2", ["retrain", "validate"]]
    last = lab.last()["loop/a"]
    assert (last.status, last.result) == (ActionStatus.SUCCEEDED, {"steps": {"retrain": "done", "validate": "done", "deploy": "done"}})
    assert last.progress is not None
    assert last.progress["steps"]["validate"]["result"] == {"accuracy": 0.9}


def test_what_a_condition_skips_skips_what_comes_after_it_and_nothing_else() -> None:
    loop = Workflow("loop")
    loop.step(name="measure")(lambda run: {"share": 0.1})
    loop.step(name="retrain", when=lambda run: run["measure"]["share"] > 0.5)(lambda run: None)
    loop.step(name="deploy")(lambda run: None)
    loop.step(name="tell", after="measure")(lambda run: None)
    lab = run(loop)
    assert steps_of(lab, "loop/a") == {"measure": DONE, "retrain": SKIPPED, "deploy": SKIPPED, "tell": DONE}
    assert lab.last()["loop/a"].status is ActionStatus.SUCCEEDED


def test_a_condition_may_be_async() -> None:
    async def never(run: Run) -> bool:
        return False

    loop = Workflow("loop")
    loop.step(name="retrain", when=never)(lambda run: None)
    assert steps_of(run(loop), "loop/a") == {"retrain": SKIPPED}


def test_a_step_has_retries_of_its_own_and_the_next_begins_afresh() -> None:
    loop, calls = Workflow("loop"), list[tuple[str, int]]()

    @loop.step(retries=2)
    def flaky(run: Run) -> None:
        calls.append((run.call.idempotency_key, run.call.attempt))
        if run.call.attempt < 3:
            raise OSError("not yet")

    @loop.step()
    def sound(run: Run) -> None:
        calls.append((run.call.idempotency_key, run.call.attempt))

    run(loop, retries=0)
    assert calls == [("a/flaky", 1), ("a/flaky", 2), ("a/flaky", 3), ("a/sound", 1)]


def test_a_step_that_is_given_up_has_what_was_done_undone_the_last_first() -> None:
    loop, undone = Workflow("loop"), list[str]()

    def undo(run: Run) -> None:
        undone.append(f"{run.call.idempotency_key}: {dict(run[run.call.idempotency_key.split('/')[1]])}")

    loop.step(name="retrain", undo=undo)(lambda run: {"version": "2"})
    loop.step(name="note")(lambda run: None)  # nothing to undo
    loop.step(name="deploy", undo=undo)(lambda run: {"share": 1.0})

    @loop.step(retries=1)
    def verify(run: Run) -> None:
        raise ValueError("accuracy is 0.4")

    lab = run(loop)
    assert undone == ["a/deploy: {'share': 1.0}", "a/retrain: {'version': '2'}"]
    last = lab.last()["loop/a"]
    assert (last.status, last.reason) == (ActionStatus.FAILED, ActionReason.REFUSED)
    assert steps_of(lab, "loop/a") == {"retrain": UNDONE, "note": DONE, "deploy": UNDONE, "verify": FAILED}
    assert last.error == "Refused: step verify failed: ValueError: accuracy is 0.4; undone: retrain, deploy"
    (letter,) = lab.messages(LETTERS)
    assert b"step verify failed" in dict(letter.headers() or ())["detail"]


def test_what_cannot_be_undone_is_said_and_the_others_are() -> None:
    loop = Workflow("loop")

    def broken(run: Run) -> None:
        raise OSError("no way back")

    loop.step(name="first", undo=lambda run: None)(lambda run: None)
    loop.step(name="second", undo=broken)(lambda run: None)

    @loop.step()
    def third(run: Run) -> None:
        raise Refused("no")

    lab = run(loop, retries=1)
    assert steps_of(lab, "loop/a") == {"first": UNDONE, "second": StepStatus.NOT_UNDONE, "third": FAILED}
    assert (lab.last()["loop/a"].error or "").endswith("undone: first; not undone: second")


def test_a_step_may_answer_later_for_so_long() -> None:
    now_ms = [0]
    loop, calls = Workflow("loop", lambda: now_ms[0]), list[int]()

    @loop.step(within="10s")
    def poll(run: Run) -> dict[str, Any] | Later:
        calls.append(run.call.attempt)
        now_ms[0] += 4_000
        return {"polls": len(calls)} if len(calls) == 3 else Later(0.0)

    @loop.step(within="10s")
    def never(run: Run) -> Later:
        now_ms[0] += 6_000
        return Later(0.0)

    lab = run(loop)
    assert calls == [1, 1, 1]
    assert steps_of(lab, "loop/a") == {"poll": DONE, "never": FAILED}
    assert "not done within 10 s" in (lab.last()["loop/a"].error or "")


def test_a_step_that_waits_makes_room_for_other_alerts() -> None:
    """Also where one call at a time is allowed; the responder's end waits for none of them."""
    loop, calls = Workflow("loop"), Counter[str]()

    @loop.step()
    def verify(run: Run) -> Later | None:
        calls[run.alert.alert_id] += 1
        return {"waits": Later(1e6), "again": Later(0.01) if calls["again"] < 3 else None}.get(run.alert.alert_id)

    lab = Lab([on(concurrency=1)(loop)], memory_broker())
    lab.tell(alert("waits"), alert("again"), alert("other"))
    wait_until(lambda: lab.responder.pending == 1, "the end of the others")
    assert calls == {"waits": 1, "again": 3, "other": 1}
    assert [lab.last()[f"loop/{name}"].status for name in ("again", "other")] == [ActionStatus.SUCCEEDED] * 2
    assert lab.last()["loop/waits"].status is ActionStatus.STARTED
    assert lab.responder.close(10.0)


def test_did_it_help_is_seen_from_the_alerts_own_end() -> None:
    loop = Workflow("loop")
    loop.step(name="act")(lambda run: None)
    loop.step(name="verify", within="1h")(resolved)
    lab = Lab([on()(loop)], memory_broker())
    ended = alert("a", status=AlertStatus.RESOLVED, resolved_at="2026-01-05T08:40:00.000Z", reason="recovered")
    lab.tell(alert("a"), ended)
    lab.settle()
    progress = lab.last()["loop/a"].progress or {}
    assert progress["steps"]["verify"]["result"] == {"resolved_at": "2026-01-05T08:40:00.000Z", "reason": "recovered"}


def test_the_page_about_workflows_is_true() -> None:
    """Its code runs, and ends as the page shows; on a clock that goes on by 3 s with every look."""
    page = (Path(__file__).parents[2] / "docs/workflows.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    with collecting() as actions:
        exec(compile(code, "workflows.md", "exec"), names)
    names["loop"]._clock_ms = itertools.count(0, 3_000).__next__
    lab = Lab(actions, memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    last = lab.last()["loop/a"]
    shown = re.findall(r"^│ (\w+) +│ (\w+) +│ … │ (.*?) +│$", page, re.MULTILINE)
    assert [(name, status) for name, status, _ in shown] == list(steps_of(lab, "loop/a").items())
    assert (last.status, last.reason) == (ActionStatus.FAILED, ActionReason.REFUSED)
    assert (last.error or "").endswith("not done within 5 s; undone: deploy")
    results = {name: step.get("result") for name, step in (last.progress or {})["steps"].items()}
    assert {name: json.loads(returned.replace("…", "a")) for name, _, returned in shown[:3]} == {
        name: results[name] for name, _, _ in shown[:3]
    }


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda loop: (loop.step(name="a")(print), loop.step(name="a")(print)), "declared twice"),
        (lambda loop: loop.step(name="a", after="b")(print), "after 'b', which is not declared"),
        (lambda loop: loop.step(timeout="soon")(print), "timeout"),
        (lambda loop: loop.step(within="soon")(print), "within"),
        (lambda loop: loop.step(patience=3)(print), "patience: unknown"),
    ],
)
def test_mistakes_are_named(declare: Callable[[Workflow], Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        declare(Workflow("loop"))


class Death(BaseException):
    """The process dies here."""


@st.composite
def graphs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Steps: the ones before, whether a condition skips it, how often it fails, whether it can be undone."""
    found: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 6))):
        before = draw(st.lists(st.integers(0, max(number - 1, 0)), unique=True, max_size=2)) if number else []
        found.append(
            {
                "after": [f"s{each}" for each in before],
                "skip": draw(st.booleans()) and draw(st.booleans()),
                "fails": draw(st.sampled_from((0, 0, 0, 1, 2, 9))),
                "undo": draw(st.booleans()),
            }
        )
    return found


def play(graph: list[dict[str, Any]], deaths: frozenset[int]) -> tuple[dict[str, str], ActionStatus, Counter[str], Counter[str]]:
    """From the alert to the end, the process dying at the given records; lives go on from what is on record.

    How every step ended, how all did; what was done, and what was called, by key.
    """
    done, called, failures = Counter[str](), Counter[str](), Counter[str]()

    def work(spec: dict[str, Any], run: Run) -> dict[str, Any]:
        key = run.call.idempotency_key
        called[key] += 1
        if failures[key] < spec["fails"]:
            failures[key] += 1
            raise OSError("down")
        done[key] += 1
        return {"key": key}

    loop = Workflow("loop", lambda: 0)

    def undo(run: Run) -> None:
        done[f"undo {run.call.idempotency_key}"] += 1

    for number, spec in enumerate(graph):
        when = (lambda run: False) if spec["skip"] else None
        declare = loop.step(name=f"s{number}", after=spec["after"], when=when, undo=undo if spec["undo"] else None)
        declare(lambda run, spec=spec: work(spec, run))  # type: ignore[misc]
    action, broker, writes = on(retries=2, backoff="1ms", breaker=None)(loop), memory_broker(), 0
    for _ in range(len(deaths) + 1):
        lab = Lab([action], broker)
        record = lab.responder._put_on_record

        def dying(result: Any, record: Callable[[Any], None] = record) -> None:
            nonlocal writes
            writes += 1
            if writes in deaths:
                raise Death
            record(result)

        for lane in lab.responder._lanes.values():
            lane.record = dying
        lab.tell(alert("a"))
        _quiet_settle(lab)
        if (last := lab.last()["loop/a"]).status.is_final:
            break
    return steps_of(lab, "loop/a"), last.status, done, called


def _quiet_settle(lab: Lab) -> None:
    wait_until(lambda: lab.responder.pending == 0, "the end of all calls")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@given(graphs(), st.frozensets(st.integers(1, 20), max_size=4))
def test_deaths_anywhere_change_nothing_but_the_number_of_calls(graph: list[dict[str, Any]], deaths: frozenset[int]) -> None:
    """A failure on the way is forgotten by a death, so only steps that never fail, or always, are compared in how they end."""
    sound = [{**spec, "fails": 0 if spec["fails"] < 3 else 99} for spec in graph]
    steps, status, done, _ = play(sound, frozenset())
    again, same, done_again, called = play(sound, deaths)
    assert (again, same) == (steps, status)
    assert done_again.keys() == done.keys()
    assert all(count == 1 for count in done.values())
    assert all(count <= 1 + len(deaths) for count in done_again.values())
    assert sum(called.values()) <= sum(3 * (1 + len(deaths)) for _ in sound)


def begun(**fields: Any) -> ActionResult:
    """A run of `loop` about alert `a`, as it is on record; by default taken in and not begun."""
    act = on()(Workflow("loop"))
    found = decide(Record([act]), act, alert("a"), 0, offset=0)
    assert found is not None
    return msgspec.structs.replace(found, **fields)


def test_a_module_with_other_steps_goes_on_with_those_it_has() -> None:
    """A step with a new name is a new step; what others did stays on record, and nothing can undo it."""
    broker, waits, deployed = memory_broker(), Workflow("loop"), list[Any]()
    waits.step(name="retrain", undo=lambda run: None)(lambda run: {"version": "2"})
    waits.step(name="validate", when=lambda run: True)(lambda run: Later(1e6))
    lab = Lab([on()(waits)], broker)
    lab.tell(alert("a"))
    wait_until(lambda: "retrain" in (lab.last()["loop/a"].progress or {}).get("steps", {}), "the first step")
    assert lab.responder.close(10)

    other = Workflow("loop")
    other.step(name="train")(lambda run: {"version": "3"})
    other.step(name="deploy")(lambda run: deployed.append((run["retrain"]["version"], run["train"]["version"])))
    lab = Lab([on()(other)], broker)
    lab.settle()
    assert (lab.last()["loop/a"].status, deployed) == (ActionStatus.SUCCEEDED, [("2", "3")])
    assert steps_of(lab, "loop/a") == {"retrain": DONE, "train": DONE, "deploy": DONE}


@pytest.mark.parametrize("content", [{"steps": {"retrain": {"status": "paused", "at": ""}}}, {"steps": 3}, {"waiting_since_ms": "long"}])
def test_a_run_whose_record_cannot_be_read_has_failed_and_stops_nothing_else(content: dict[str, Any]) -> None:
    broker, loop = memory_broker(), Workflow("loop")
    loop.step(name="retrain")(lambda run: None)
    Lab([], broker).journal.write([begun(status=ActionStatus.STARTED, attempt=1, progress=content)])
    lab = Lab([on()(loop)], broker)
    lab.tell(alert("b"))
    lab.settle()
    last = lab.last()
    assert (last["loop/a"].status, last["loop/a"].reason) == (ActionStatus.FAILED, ActionReason.REFUSED)
    assert "the run's steps on record cannot be read" in (last["loop/a"].error or "")
    assert len(lab.messages(LETTERS)) == 1
    assert last["loop/b"].status is ActionStatus.SUCCEEDED


def test_who_was_frozen_and_knows_fewer_steps_sets_no_run_back() -> None:
    """The last message of the key, which compaction keeps, must hold all that was done."""
    broker, calls, loop = memory_broker(), Counter[str](), Workflow("loop")
    loop.step(name="retrain")(lambda run: calls.update(["retrain"]))
    loop.step(name="validate")(lambda run: Later(1e6) if calls["close"] == 0 else None)
    lab = Lab([on()(loop)], broker)
    lab.tell(alert("a"))
    wait_until(lambda: "retrain" in (lab.last()["loop/a"].progress or {}).get("steps", {}), "the first step")
    frozen = next(result for result in lab.said() if result.status is ActionStatus.STARTED)
    Lab([], broker).journal.write([frozen])
    lab.responder.follow()
    assert "retrain" in (lab.last()["loop/a"].progress or {})["steps"]
    assert lab.responder.close(10)
    calls["close"] += 1
    Lab([on()(loop)], broker).settle()
    assert (calls["retrain"], lab.last()["loop/a"].status) == (1, ActionStatus.SUCCEEDED)


def test_the_end_of_an_alert_that_came_before_its_run_began_is_known_after_a_restart() -> None:
    broker, loop = memory_broker(), Workflow("loop")
    loop.step(name="verify")(resolved)
    ended = alert("a", status=AlertStatus.RESOLVED, resolved_at="2026-01-05T08:40:00.000Z", reason="recovered")
    broker.publish([Letter(ALERTS, each.to_json(), b"k") for each in (alert("a"), ended)])
    Lab([], broker).journal.write([begun()])
    lab = Lab([on()(loop)], broker)
    lab.settle()
    assert lab.last()["loop/a"].status is ActionStatus.SUCCEEDED
    Lab([], broker).journal.write([begun(idempotency_key="later", status=ActionStatus.APPROVED)])
    lab.responder.follow()
    lab.settle()
    assert lab.last()["loop/later"].status is ActionStatus.SUCCEEDED, "approved only now, and ended long ago"


def test_steps_stand_on_record_in_the_order_in_which_they_ended() -> None:
    """Sorted by name, a responder that goes on after a crash would undo them in a wrong order."""
    loop = Workflow("loop")
    loop.step(name="train", undo=lambda run: None)(lambda run: None)
    loop.step(name="deploy", undo=lambda run: None)(lambda run: None)
    loop.step(name="check", retries=0)(lambda run: {"accuracy": run["tran"]})
    lab = run(loop)
    assert list(steps_of(lab, "loop/a").items()) == [("train", UNDONE), ("deploy", UNDONE), ("check", FAILED)]
    assert "there is no result of 'tran'; did you mean train?" in (lab.last()["loop/a"].error or "")
