"""How far a file's event time has come, without a clock: one bad timestamp must not close every window."""

from collections.abc import Iterator

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.cli.sources import Row
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.replay import CONFIRMING_EVENTS, Chunk, Frontier, Replay
from stream_monitor.pipeline.state import Outputs
from tests.property.pipeline_world import START_MS, config_of, plan_of, traffic

MINUTE_MS = 60_000
IN_2070_MS = 3_170_000_000_000


def frontier(time_ms: int | None = None) -> Frontier:
    return Frontier(MINUTE_MS, time_ms)


def saw(front: Frontier, *times_ms: int) -> int | None:
    front.saw(np.array(times_ms, dtype=np.int64))
    return front.time_ms


def test_the_first_time_needs_company() -> None:
    front = frontier()
    assert saw(front, *range(CONFIRMING_EVENTS - 1)) is None
    assert saw(front, 50) == CONFIRMING_EVENTS - 2


def test_steps_of_up_to_a_minute_are_believed_at_once() -> None:
    front = frontier(0)
    assert saw(front, MINUTE_MS) == MINUTE_MS
    assert saw(front, 3 * MINUTE_MS, 2 * MINUTE_MS) == 3 * MINUTE_MS, "in any order"
    assert saw(front, 1, 2) == 3 * MINUTE_MS, "never back"


def test_a_single_event_of_2070_moves_nothing() -> None:
    front = frontier(0)
    assert saw(front, IN_2070_MS) == 0
    assert saw(front, 1_000) == 1_000
    assert front.ahead == [IN_2070_MS]


def test_a_jump_is_believed_when_a_hundred_events_confirm_it() -> None:
    front, day_ms = frontier(0), 86_400_000
    assert saw(front, *(day_ms + n for n in range(CONFIRMING_EVENTS - 1))) == 0
    assert saw(front, day_ms + 5) == day_ms + CONFIRMING_EVENTS - 2
    assert front.ahead == []


def test_a_gap_is_filled_by_what_lies_between() -> None:
    front = frontier(0)
    assert saw(front, 2 * MINUTE_MS) == 0
    assert saw(front, MINUTE_MS) == 2 * MINUTE_MS


@given(st.lists(st.lists(st.integers(0, 10**7), max_size=30), max_size=20))
def test_it_never_goes_back_and_keeps_few(chunks: list[list[int]]) -> None:
    front = frontier()
    for chunk in chunks:
        before = front.time_ms
        after = saw(front, *chunk)
        assert before is None or (after is not None and after >= before)
        assert len(front.ahead) < CONFIRMING_EVENTS
        assert front.ahead == sorted(front.ahead)


# ---- a whole replay


PLAN = plan_of(config_of({"events_min": 1}))


def rows(values: list[bytes | None], per_chunk: int, plan: Plan = PLAN) -> Iterator[Chunk]:
    decoder = plan.decoder()
    for start in range(0, len(values), per_chunk):
        messages = [Row("file", start + n, value or b"") for n, value in enumerate(values[start : start + per_chunk])]
        yield Chunk(messages, *decoder.decode(messages, None))


def ran(*files: Iterator[Chunk]) -> tuple[Outputs, int]:
    said, replay = Outputs(), Replay(PLAN, files)
    for _, outputs in replay.run():
        said.extend(outputs)
    return said, replay.clock()


EVENTS = [event.value for event in traffic(3, 400, 100_000)]


def test_an_event_of_2070_makes_no_other_late() -> None:
    body = orjson.loads(next(value for value in EVENTS if value and b'"loan"' in value)) | {"time": IN_2070_MS}
    spoiled = [*EVENTS[:150], orjson.dumps(body), *EVENTS[150:]]
    with_it, _ = ran(rows(spoiled, 20))
    without, _ = ran(rows(EVENTS, 20))
    lines = [score.to_json() for score in with_it.scores]
    assert [(dropped.reason, dropped.events) for dropped in with_it.dropped] == [("time_out_of_range", 1)]
    assert lines == [score.to_json() for score in without.scores]
    assert not any("2070" in alert.detected_at for alert in with_it.alerts)


def test_how_a_file_is_cut_into_chunks_does_not_matter() -> None:
    whole, _ = ran(rows(EVENTS, 1_000))
    cut, clock_ms = ran(rows(EVENTS, 7))
    assert sorted(score.to_json() for score in cut.scores) == sorted(score.to_json() for score in whole.scores)
    assert START_MS < clock_ms < START_MS + 100_000


def test_files_advance_in_step_by_event_time() -> None:
    """A file of the second half beside one of the first: nothing is late, though they overlap in no moment."""
    times = sorted(EVENTS, key=lambda value: orjson.loads(value)["time"] if value and b'"time"' in value else 0)
    said, _ = ran(rows(times[200:], 10), rows(times[:200], 10))
    whole, _ = ran(rows(EVENTS, 1_000))
    assert said.dropped == []
    assert sorted(score.to_json() for score in said.scores) == sorted(score.to_json() for score in whole.scores)


def test_an_empty_replay_says_nothing() -> None:
    assert ran(iter([])) == (Outputs(), 0)
    assert ran() == (Outputs(), 0)
