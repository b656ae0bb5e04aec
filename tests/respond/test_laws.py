"""Laws of the pure core: what is decided, what a fold of the record says, breakers, waits."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.alert.alert import AlertStatus, Held, Notification
from stream_monitor.alert.times import ms_of, utc
from stream_monitor.config.actions import ActionOptions, Quota
from stream_monitor.respond import Action, ActionReason, ActionResult, ActionStatus, Alert, Refused, Retriable, on
from stream_monitor.respond.breaker import Breaker
from stream_monitor.respond.decide import decide
from stream_monitor.respond.record import Record
from stream_monitor.respond.retry import is_worn_out, wait_s
from tests.respond.lab import alert

START_MS = 1_767_600_000_000
HOUR_MS = 3_600_000
steps = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["loan", "card"]), st.integers(0, 3 * HOUR_MS)), max_size=40)


def action(**settings: Any) -> Action:
    def act(_: Alert) -> None:
        return None

    return on(**settings)(act)


def run(record: Record, wanted: Action, told: Sequence[tuple[str, str, int]]) -> list[ActionResult]:
    """What is decided, as time goes on and each decision is put on record."""
    decided, now_ms = [], START_MS
    for name, model, pause_ms in told:
        now_ms += pause_ms
        result = decide(record, wanted, alert(name, model=model), now_ms)
        if result is not None:
            record.apply(result)
            decided.append(result)
    return decided


@given(steps, st.integers(1, 3), st.integers(1, 12), st.sampled_from(["action", "model"]))
def test_no_more_are_run_in_any_while_than_the_rate_allows(told: list[tuple[str, str, int]], most: int, hours: int, per: str) -> None:
    wanted = action(rate=f"{most}/{hours}h", rate_per=per)
    decided = run(Record([wanted]), wanted, told)
    for model in ("loan", "card") if per == "model" else (None,):
        times = [ms_of(each.decided_at) for each in decided if each.status is ActionStatus.ACCEPTED and model in (None, each.model)]
        assert all(later - first >= hours * HOUR_MS for first, later in zip(times, times[most:], strict=False))


@given(steps)
def test_a_key_is_decided_once_and_only_the_rate_skips(told: list[tuple[str, str, int]]) -> None:
    wanted = action()
    decided = run(Record([wanted]), wanted, told)
    assert [each.idempotency_key for each in decided] == list(dict.fromkeys(name for name, _, _ in told))
    assert {each.status for each in decided} <= {ActionStatus.ACCEPTED}


@given(steps)
def test_what_is_at_rate_is_skipped_and_nothing_else(told: list[tuple[str, str, int]]) -> None:
    """As the plain rule says it."""
    wanted = action(rate="2/4h")
    begun: list[int] = []
    for each in run(Record([wanted]), wanted, told):
        now = ms_of(each.decided_at)
        is_full = sum(time > now - 4 * HOUR_MS for time in begun) >= 2
        assert (each.status, each.reason) == (
            (ActionStatus.SKIPPED, ActionReason.RATE_LIMITED) if is_full else (ActionStatus.ACCEPTED, None)
        )
        begun += [] if is_full else [now]


lives = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.lists(st.sampled_from(["started", "again"]), max_size=3), st.sampled_from(["", "succeeded", "failed"])
    ),
    max_size=6,
    unique_by=lambda life: life[0],
)


def messages(told: list[tuple[str, list[str], str]]) -> list[ActionResult]:
    """What the lanes put on record about some alerts, one after the other."""
    wanted, said = action(), list[ActionResult]()
    record = Record([wanted])
    for name, attempts, end in told:
        result = decide(record, wanted, alert(name), START_MS)
        assert result is not None
        said.append(result)
        for number, _ in enumerate(attempts, 1):
            said.append(msgspec.structs.replace(result, status=ActionStatus.STARTED, attempt=number))
        if end:
            said.append(msgspec.structs.replace(said[-1], status=ActionStatus(end), alert=None))
    return said


def state(said: Sequence[ActionResult]) -> tuple[object, ...]:
    record = folded(said)
    return dict(record.open), {key: record.standing(key) for key in ("act/a", "act/b", "act/c")}


@given(lives, st.data())
def test_a_record_is_the_same_read_twice_or_compacted(told: list[tuple[str, list[str], str]], data: st.DataObject) -> None:
    said = messages(told)
    whole = state(said)
    assert state([*said, *said]) == state(said), "a message that is read again changes nothing that has ended"
    last = {result.key: result for result in said}
    compacted = [each for each in said if each is last[each.key] or data.draw(st.booleans())]
    assert state(compacted) == whole


@given(lives)
def test_what_has_ended_is_not_open_and_what_has_not_is(told: list[tuple[str, list[str], str]]) -> None:
    opened, _ = state(messages(told))
    assert isinstance(opened, dict)
    assert set(opened) == {f"act/{name}" for name, _, end in told if not end}
    assert all(result.alert is not None for result in opened.values()), "whoever runs it has the alert"


@pytest.mark.parametrize("end", [ActionStatus.SUCCEEDED, ActionStatus.FAILED])
def test_a_straggler_opens_nothing_and_a_person_does(end: ActionStatus) -> None:
    """A responder that was thought dead says `started` after the end."""
    (accepted, started) = messages([("a", ["started"], "")])
    ended = msgspec.structs.replace(started, status=end)
    approved = msgspec.structs.replace(started, status=ActionStatus.APPROVED)
    assert not folded([accepted, started, ended, started]).open
    assert folded([accepted, started, ended, approved]).open


def folded(said: Sequence[ActionResult]) -> Record:
    record = Record([action()])
    for result in said:
        record.apply(result)
    return record


def test_an_alert_that_is_too_old_is_skipped() -> None:
    wanted = action(age_max="1h")
    said_ms = ms_of(alert("a").detected_at)
    reasons = [
        getattr(decide(Record([wanted]), wanted, alert("a"), said_ms + late_ms), "reason", None) for late_ms in (-1, HOUR_MS, HOUR_MS + 1)
    ]
    assert reasons == [None, None, ActionReason.TOO_OLD]


def test_an_alert_that_a_rule_held_back_is_decided_anew_when_it_is_published_again() -> None:
    wanted, record = action(rate="1/6h"), Record([action(rate="1/6h")])
    silence = alert("a", notification=Notification(notify=False, held=Held.SILENCED))
    held = decide(record, wanted, silence, START_MS)
    assert held is not None
    assert (held.status, held.reason) == (ActionStatus.SKIPPED, ActionReason.HELD)
    record.apply(held)
    assert decide(record, wanted, silence, START_MS) is None
    again = decide(record, wanted, alert("a", status=AlertStatus.UPDATED), START_MS)
    assert again is not None
    assert again.status is ActionStatus.ACCEPTED
    record.apply(again)
    other = decide(record, wanted, alert("b"), START_MS)
    assert other is not None
    assert other.reason is ActionReason.RATE_LIMITED, "what was held back does not count, what came of it does"


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=60), st.integers(1, 5))
def test_a_breaker_admits_nothing_while_it_is_open_and_one_after(turns: list[tuple[float, bool]], most: int) -> None:
    breaker, now, failures, opened_at = Breaker(Quota(most, 60_000)), 0.0, 0, None
    for pause, succeeds in turns:
        now += pause
        admitted = breaker.admit(now)
        assert admitted == (opened_at is None or now >= opened_at + 60)
        if not admitted:
            continue
        if opened_at is not None:
            assert not breaker.admit(now), "one trial at a time"
        if succeeds:
            breaker.succeeded()
            failures, opened_at = 0, None
        else:
            breaker.failed(now)
            failures += 1
            opened_at = now if failures >= most else None


def test_without_a_quota_a_breaker_never_opens() -> None:
    breaker = Breaker(None)
    for _ in range(1_000):
        assert breaker.admit(0.0)
        breaker.failed(0.0)


@given(st.integers(0, 100), st.integers(1, 200), st.floats(0, 1, exclude_max=True), st.floats(0, 1e6))
def test_waits_grow_to_their_bound_and_end(retries: int, failed: int, chance: float, asked_s: float) -> None:
    options = ActionOptions(retries=retries)
    wait = wait_s(options, failed, OSError(), chance)
    assert (wait is None) == (failed > retries)
    if wait is not None:
        step_s = min(2.0 ** (failed - 1), 60.0)
        assert step_s / 2 <= wait <= step_s
        assert wait_s(options, failed, Retriable("", asked_s), chance) == max(wait, min(asked_s, 60.0))
    assert wait_s(options, failed, Refused(), chance) is None


def test_attempts_that_ended_nowhere_wear_out() -> None:
    assert next(attempts for attempts in range(20) if is_worn_out(ActionOptions(retries=2), attempts)) == 13


@given(st.integers(0, 4_102_444_800_000))
def test_times_are_read_as_they_are_written(time_ms: int) -> None:
    assert ms_of(utc(time_ms)) == time_ms
