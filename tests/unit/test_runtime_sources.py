"""What a profile worker says of its partitions: progress, idleness, what an abort undoes, and who runs too far ahead."""

from stream_monitor.runtime.broker import TopicPartition
from stream_monitor.runtime.sources import Sources

A, B, C = (TopicPartition("captures", number) for number in range(3))
IDLE_MS = 5_000
NONE: frozenset[TopicPartition] = frozenset()


def owned(*times: tuple[TopicPartition, int | None, int]) -> Sources:
    """(partition, latest event time, clock of its last message)."""
    sources = Sources()
    sources.assign({partition: 0 for partition, _, _ in times}, 0)
    for partition, time_ms, clock_ms in times:
        sources.saw(partition, 10, time_ms, clock_ms)
    return sources


def idle(sources: Sources, at_end: set[TopicPartition], clock_ms: int) -> set[int]:
    return {report.partition for report in sources.progress(at_end, IDLE_MS, clock_ms) if report.idle}


def test_idle_means_read_to_the_end_silent_and_not_by_our_doing() -> None:
    sources = owned((A, 100, 0), (B, 100, 0), (C, 100, 4_000))
    sources.pause({B}, 0)
    assert idle(sources, {A, B, C}, IDLE_MS - 1) == set()
    assert idle(sources, {A, B, C}, IDLE_MS) == {0}, "B is paused by us, C spoke a second ago"
    assert idle(sources, {B, C}, IDLE_MS) == set(), "A has messages that we have not read"


def test_a_partition_that_goes_on_is_not_idle_at_once() -> None:
    """It was silent because we did not ask: what came meanwhile may not be here yet."""
    sources = owned((A, 100, 0))
    sources.pause({A}, 1_000)
    sources.pause(set(), 60_000)
    assert idle(sources, {A}, 60_000) == set()
    assert idle(sources, {A}, 60_000 + IDLE_MS) == {0}


def test_a_partition_on_which_only_rejects_come_is_idle() -> None:
    """The only producer of A has a clock in 2070: A tells no time, and must not hold up the time of all models."""
    sources = owned((A, None, 0), (B, 100, 0))
    sources.saw(A, 20, None, 4_900)
    (of_a, of_b) = sources.progress({A, B}, IDLE_MS, IDLE_MS)
    assert (of_a.next_offset, of_a.event_time_ms, of_a.idle) == (20, None, True)
    assert of_b.idle


def test_event_time_is_the_latest_ever_seen_here() -> None:
    sources = owned((A, 500, 0))
    sources.saw(A, 11, 300, 1)
    assert sources.by_partition[A].event_time_ms == 500


def test_an_abort_takes_back_what_was_not_committed() -> None:
    """An event time told before its events are counted would make them late."""
    sources = owned((A, 100, 0), (B, 100, 0))
    sources.committed()
    sources.saw(A, 20, 900, 1)
    sources.rewind({A: 10, B: 10, C: 7})
    assert sources.next_offsets() == {A: 10, B: 10}
    assert {report.event_time_ms for report in sources.progress(set(), IDLE_MS, 2)} == {100}


def test_a_revoked_partition_is_forgotten() -> None:
    sources = owned((A, 100, 0), (B, 100, 0))
    sources.revoke({A, C})
    assert sources.next_offsets() == {B: 10}


def test_ahead_is_counted_from_the_slowest_that_delivers() -> None:
    sources = owned((A, 1_000, 0), (B, 1_500, 0), (C, 9_000, 0))
    assert sources.ahead(NONE, 500, IDLE_MS, 1) == {C}
    assert sources.ahead(NONE, 499, IDLE_MS, 1) == {B, C}
    sources.saw(A, 11, 8_600, 2)
    assert sources.ahead(NONE, 500, IDLE_MS, 3) == {A, C}
    sources.saw(B, 11, 8_700, 4)
    assert sources.ahead(NONE, 500, IDLE_MS, 5) == set()


def test_a_partition_that_is_read_to_its_end_is_not_waited_for() -> None:
    """Its events are old, not unread: a producer whose clock is slow pauses nobody."""
    sources = owned((A, 1_000, 0), (B, 1_500, 0), (C, 9_000, 0))
    assert sources.ahead({A}, 500, IDLE_MS, 1) == {C}
    assert sources.ahead({A, B}, 500, IDLE_MS, 1) == set()


def test_a_silent_or_empty_partition_stops_nobody() -> None:
    sources = owned((A, 1_000, 0), (B, None, 0), (C, 9_000, 4_999))
    assert sources.ahead(NONE, 500, IDLE_MS, IDLE_MS - 1) == {C}
    assert sources.ahead(NONE, 500, IDLE_MS, IDLE_MS) == set(), "A has fallen silent"
    assert sources.ahead(NONE, 500, IDLE_MS, 60_000) == set()
    assert Sources().ahead(NONE, 500, IDLE_MS, 0) == set()
