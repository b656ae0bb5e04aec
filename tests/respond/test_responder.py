"""What a responder does about alerts, and what it puts on record, on the memory broker with real threads."""

import asyncio
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
import structlog
from pydantic import SecretStr

from stream_monitor.respond import ActionReason, ActionResult, ActionStatus, Alert, Call, Continue, ReadyAction, Refused, on
from tests.integration.waiting import wait_until
from tests.respond.lab import LETTERS, Lab, alert, memory_broker

ACCEPTED, STARTED, SUCCEEDED, FAILED = ActionStatus.ACCEPTED, ActionStatus.STARTED, ActionStatus.SUCCEEDED, ActionStatus.FAILED


def test_a_function_is_called_once_and_its_result_kept() -> None:
    calls = []

    @on(severity="critical")
    def note(alert: Alert, call: Call) -> Mapping[str, Any]:
        calls.append((alert.alert_id, call.idempotency_key, call.attempt, call.remaining_s() > 20))
        return {"n": 1}

    lab = Lab([note], memory_broker())
    assert lab.tell(alert("a"), alert("a"))
    lab.settle()
    lab.tell(alert("a"))
    lab.settle()
    assert calls == [("a", "a", 1, True)]
    assert lab.statuses("note/a") == [ACCEPTED, STARTED, SUCCEEDED]
    last = lab.last()["note/a"]
    assert (last.result, last.alert, last.attempt, last.offset) == ({"n": 1}, None, 1, 0)
    assert lab.store.value("actions_total", {"action": "note", "status": "succeeded"}) == 1


def test_async_functions_are_awaited() -> None:
    @on()
    async def note(alert: Alert) -> Mapping[str, Any]:
        return {"model": alert.model}

    lab = Lab([note], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    assert lab.last()["note/a"].result == {"model": "loan"}


def test_what_fails_is_tried_again_with_the_same_key() -> None:
    keys = []

    @on(retries=2, backoff="1ms")
    def flaky(alert: Alert, call: Call) -> None:
        keys.append((call.idempotency_key, call.attempt))
        if call.attempt < 3:
            raise OSError("not yet")

    lab = Lab([flaky], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    assert keys == [("a", 1), ("a", 2), ("a", 3)]
    assert lab.statuses("flaky/a") == [ACCEPTED, STARTED, STARTED, STARTED, SUCCEEDED]
    assert [result.error for result in lab.said()] == [None, None, "OSError: not yet", "OSError: not yet", None]


@pytest.mark.parametrize(
    ("error", "reason", "attempts"),
    [
        (OSError("down"), ActionReason.RAISED, 3),
        (Refused("no such model"), ActionReason.REFUSED, 1),
        (SystemExit(3), ActionReason.RAISED, 3),
        (TimeoutError("its own"), ActionReason.RAISED, 3),
    ],
)
def test_what_is_given_up_goes_to_the_dead_letters(error: BaseException, reason: ActionReason, attempts: int) -> None:
    @on(retries=2, backoff="1ms")
    def broken(alert: Alert) -> None:
        raise error

    lab = Lab([broken], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    last = lab.last()["broken/a"]
    assert (last.status, last.reason, last.attempt, last.alert) == (FAILED, reason, attempts, alert("a"))
    (letter,) = lab.messages(LETTERS)
    headers = dict(letter.headers() or ())
    assert headers["reason"] == b"action_failed"
    assert headers["idempotency_key"] == b"a"
    assert str(error).encode() in headers["detail"]
    assert Alert.from_json(letter.value() or b"") == alert("a")


def test_an_action_that_hangs_fails_and_holds_nothing_else_up() -> None:
    hanging = threading.Event()

    @on(timeout="50ms", retries=1, backoff="1ms", concurrency=1)
    def hang(alert: Alert) -> None:
        hanging.wait(60)

    @on()
    def note(alert: Alert) -> None:
        return None

    lab = Lab([hang, note], memory_broker())
    lab.tell(alert("a"), alert("b"))
    lab.settle()
    assert {key: (result.status, result.reason) for key, result in lab.last().items() if result.action == "hang"} == {
        "hang/a": (FAILED, ActionReason.TIMED_OUT),
        "hang/b": (FAILED, ActionReason.TIMED_OUT),
    }
    assert {lab.last()["note/a"].status, lab.last()["note/b"].status} == {SUCCEEDED}
    assert sum(thread.name == "action-hang" for thread in threading.enumerate()) == 1, "the slot that hangs is not taken again"
    hanging.set()


def test_an_async_action_that_hangs_is_cancelled() -> None:
    @on(timeout="50ms", retries=0)
    async def hang(alert: Alert) -> None:
        await asyncio.Event().wait()

    lab = Lab([hang], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    assert lab.last()["hang/a"].reason is ActionReason.TIMED_OUT
    wait_until(lambda: not any(thread.name == "action-hang" for thread in threading.enumerate()), "the end of its thread")


def test_a_poison_message_is_a_dead_letter_and_stops_nothing() -> None:
    @on()
    def note(alert: Alert) -> None:
        return None

    lab = Lab([note], memory_broker())
    assert lab.tell(b"{", None, alert("a"), b"\xff", b"[]", b'{"alert_id": 3}')
    lab.settle()
    assert lab.last()["note/a"].status is SUCCEEDED
    letters = lab.messages(LETTERS)
    assert [letter.value() for letter in letters] == [b"{", None, b"\xff", b"[]", b'{"alert_id": 3}']
    assert {dict(letter.headers() or ())["reason"] for letter in letters} == {b"not_a_record"}


def test_a_crash_after_the_record_skips_and_before_it_repeats() -> None:
    """The effect of the first life is not on record: the second repeats it with the same key, and only it."""
    broker, calls, free = memory_broker(), list[tuple[str, int]](), threading.Event()

    @on(retries=0)
    def act(alert: Alert, call: Call) -> None:
        calls.append((call.idempotency_key, call.attempt))
        if alert.alert_id == "b" and call.attempt == 1:
            free.wait(60)

    first = Lab([act], broker)
    first.tell(alert("a"))
    first.settle()
    first.tell(alert("b"))
    wait_until(lambda: ("b", 1) in calls, "the call")
    second = Lab([act], broker)  # the first is dead, as far as it knows
    second.tell(alert("a"), alert("b"))
    second.settle()
    assert calls == [("a", 1), ("b", 1), ("b", 2)]
    assert second.last()["act/b"].status is SUCCEEDED
    first.responder.lose()
    free.set()
    first.settle()
    assert Lab([act], broker).last()["act/b"].status is SUCCEEDED


def test_an_end_is_said_again_after_a_straggler() -> None:
    """Who was frozen begins what another has ended: the last message of the key, which compaction keeps, must be the end."""
    broker, calls = memory_broker(), list[int]()

    @on()
    def act(alert: Alert, call: Call) -> None:
        calls.append(call.attempt)

    lab = Lab([act], broker)
    lab.tell(alert("a"))
    lab.settle()
    (_, started, _) = lab.said()
    Lab([], broker).journal.write([started])
    lab.responder.follow()
    assert lab.statuses("act/a") == [ACCEPTED, STARTED, SUCCEEDED, STARTED, SUCCEEDED]
    Lab([], broker).journal.write([started])
    for _ in range(2):
        Lab([act], broker).settle()
    assert lab.statuses("act/a")[-3:] == [SUCCEEDED, STARTED, SUCCEEDED], "said once, and not at every start"
    assert calls == [1]


def test_what_ends_while_its_responder_reads_the_record_anew_is_not_run_again() -> None:
    """A call outlives its tenure, and its success lies beyond what was read."""
    broker, calls, may_end = memory_broker(), list[int](), threading.Event()

    @on()
    def act(alert: Alert, call: Call) -> None:
        calls.append(call.attempt)
        may_end.wait(10)

    lab = Lab([act], broker)
    lab.tell(alert("a"))
    wait_until(lambda: calls == [1], "the call")
    lab.responder.lose()
    read_all = lab.journal.read_all

    def slow() -> Iterator[ActionResult]:
        yield from read_all()
        may_end.set()
        wait_until(lambda: lab.last()["act/a"].status is SUCCEEDED, "its end")

    lab.journal.read_all = slow  # type: ignore[method-assign]
    lab.responder.own()
    lab.settle()
    assert calls == [1]


def test_an_action_that_is_no_workflow_is_called_again_with_what_it_said_of_itself() -> None:
    @on()
    def act(alert: Alert, call: Call) -> Any:
        count = call.progress.get("count", 0)
        return {"count": count} if count == 3 else Continue({"count": count + 1})

    lab = Lab([act], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    assert lab.last()["act/a"].result == {"count": 3}


def test_an_action_that_kills_its_responder_is_given_up_in_the_end() -> None:
    broker, calls = memory_broker(), list[int]()

    @on(retries=0)
    def deadly(alert: Alert, call: Call) -> None:
        calls.append(call.attempt)

    lab = Lab([], broker)
    accepted = Lab([deadly], memory_broker())
    accepted.tell(alert("a"))
    accepted.settle()
    (_, started, _) = accepted.said()
    lab.journal.write([msgspec.structs.replace(started, attempt=11)])
    second = Lab([deadly], broker)
    second.settle()
    assert second.last()["deadly/a"].reason is ActionReason.INTERRUPTED
    assert calls == [1]


def test_approval_is_waited_for_over_a_restart() -> None:
    broker, calls = memory_broker(), list[str]()

    @on(approval=True)
    def retrain(alert: Alert) -> None:
        calls.append(alert.alert_id)

    first = Lab([retrain], broker)
    first.tell(alert("a"), alert("b"))
    first.settle()
    assert not calls
    waiting = first.last()["retrain/a"]
    assert waiting.status is ActionStatus.AWAITING_APPROVAL
    second = Lab([retrain], broker)
    Lab([], broker).journal.write([msgspec.structs.replace(waiting, status=ActionStatus.APPROVED)])
    second.responder.follow()
    second.settle()
    assert calls == ["a"]
    assert second.last()["retrain/b"].status is ActionStatus.AWAITING_APPROVAL


def test_a_dry_run_calls_nothing_but_who_wants_it() -> None:
    calls = []

    class Polite:
        takes_dry_run = True

        def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
            calls.append(call.dry_run)
            return {"would": "page"}

    @on(dry_run=True)
    def note(alert: Alert) -> None:
        calls.append(True)

    lab = Lab([note, on(dry_run=True)(Polite())], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    assert calls == [True]
    assert lab.statuses("note/a") == [ActionStatus.DRY_RUN]
    last = lab.last()["polite/a"]
    assert (last.status, last.result) == (ActionStatus.DRY_RUN, {"would": "page"})


def test_the_rate_holds_over_restarts() -> None:
    broker, now = memory_broker(), [1_767_600_000_000]

    @on(rate="1/6h")
    def retrain(alert: Alert) -> None:
        return None

    def life(name: str) -> ActionStatus:
        lab = Lab([retrain], broker, lambda: now[0])
        lab.tell(alert(name))
        lab.settle()
        return lab.last()[f"retrain/{name}"].status

    statuses = []
    for hour in range(8):
        statuses.append(life(f"a{hour}"))
        now[0] += 3_600_000
    assert [status is SUCCEEDED for status in statuses] == [True, False, False, False, False, False, True, False]


def test_the_breaker_spares_what_is_down() -> None:
    calls = []

    @on(retries=0, breaker="3/1h", concurrency=1)
    def down(alert: Alert) -> None:
        calls.append(alert.alert_id)
        raise OSError("down")

    lab = Lab([down], memory_broker())
    lab.tell(*(alert(f"a{i}") for i in range(5)))
    lab.settle()
    assert len(calls) == 3
    assert [result.reason for result in lab.last().values()] == [ActionReason.RAISED] * 3 + [ActionReason.BREAKER_OPEN] * 2
    assert lab.store.value("action_breaker_open", {"action": "down"}) == 1
    assert len(lab.messages(LETTERS)) == 5


def test_what_is_pending_is_bounded() -> None:
    free, most = threading.Event(), 0

    @on(concurrency=2)
    def slow(alert: Alert) -> None:
        free.wait(60)

    lab = Lab([slow], memory_broker(), pending_max=10)
    told: list[bool] = []
    teller = threading.Thread(target=lambda: told.extend(lab.tell(alert(f"a{i}")) for i in range(30)))
    teller.start()
    wait_until(lambda: lab.responder.pending == 10, "ten pending")
    assert len(told) == 10
    assert len(lab.last()) == 10, "what was not taken in is not on record"
    most = lab.responder.pending
    free.set()
    teller.join()
    lab.settle()
    assert (len(told), most) == (30, 10)
    assert all(result.status is SUCCEEDED for result in lab.last().values())


def test_who_has_lost_the_alerts_takes_in_nothing() -> None:
    @on()
    def note(alert: Alert) -> None:
        raise AssertionError

    lab = Lab([note], memory_broker())
    lab.responder.lose()
    assert not lab.tell(alert("a"))
    assert not lab.said()


def test_a_late_failure_of_who_has_lost_them_is_not_put_on_record() -> None:
    """The next responder runs it again; its outcome is the one that counts."""
    free = threading.Event()

    @on(retries=0)
    def act(alert: Alert) -> None:
        free.wait(60)
        raise OSError

    lab = Lab([act], memory_broker())
    lab.tell(alert("a"))
    wait_until(lambda: len(lab.said()) == 2, "the call")
    lab.responder.lose()
    free.set()
    lab.settle()
    assert lab.statuses("act/a") == [ACCEPTED, STARTED]


@pytest.mark.parametrize("result", [{"x": object()}, 3, {"x": "y" * 70_000}, {1: {2: (3,)}}])
def test_a_result_that_cannot_be_kept_is_no_failure(result: Any) -> None:
    @on()
    def act(alert: Alert) -> Any:
        return result

    lab = Lab([act], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    last = lab.last()["act/a"]
    assert last.status is SUCCEEDED
    assert last.result == {"1": {"2": [3]}} or "not_recorded" in (last.result or {})


class Careless(ReadyAction):
    """Tells its secret to everybody."""

    token: SecretStr

    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        if call.attempt == 1:
            raise OSError(f"GET https://x/?token={self.token.get_secret_value()}")
        return {"url": [f"https://x/?token={self.token.get_secret_value()}"]}


def test_secrets_of_ready_actions_are_not_put_on_record() -> None:
    lab = Lab([on(backoff="1ms")(Careless(token=SecretStr("hunter2hunter2")))], memory_broker())
    lab.tell(alert("a"))
    lab.settle()
    assert lab.last()["careless/a"].result == {"url": ["https://x/?token=[secret]"]}
    assert not any(b"hunter2" in result.to_json() for result in lab.said())


def test_the_log_says_what_each_step_was_about_and_where_an_action_failed() -> None:
    def act(alert: Alert) -> None:
        raise KeyError("versoin")

    lab = Lab([on(retries=0)(act)], memory_broker())
    with structlog.testing.capture_logs() as logs:
        lab.tell(alert("a"))
        lab.settle()
    failed = next(line for line in logs if line["event"] == "attempt_failed")
    assert re.fullmatch(r".*test_responder\.py:\d+", failed["at"])
    steps = [line for line in logs if line["event"] == "action"]
    assert [(line["status"], line["log_level"]) for line in steps] == [("accepted", "info"), ("started", "info"), ("failed", "warning")]
    assert {(line["key"], line["about"]) for line in steps} == {("act/a", lab.last()["act/a"].summary)}
    assert (steps[-1]["reason"], steps[-1]["error"]) == ("raised", "KeyError: 'versoin'")
