"""The Tracker: from what owners report to one event time that never goes back and that nobody's silence holds up for ever."""

from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.window.progress import Progress, SourceProgress, Tracker

LEASE_MS = 10_000


def tracker(*topics: str) -> Tracker:
    return Tracker(LEASE_MS, frozenset(topics or ("captures",)))


def said(clock_ms: int, *sources: tuple[int, int | None, bool], count: int = 2, topic: str = "captures") -> Progress:
    """One owner's report: (partition, event time, idle) for each of its partitions of a topic with `count` of them."""
    reports = tuple(SourceProgress(topic, partition, 0, time_ms, idle) for partition, time_ms, idle in sources)
    return Progress(clock_ms, 1, reports, ((topic, count),))


def reached(progress: Progress, folded: Tracker) -> int | None:
    folded.apply(progress)
    return folded.event_time_ms


def test_nothing_is_known_before_every_partition_has_reported() -> None:
    folded = tracker()
    assert reached(said(0, (0, 500, False)), folded) is None
    assert reached(said(0, (1, None, False)), folded) is None, "owned, but no event yet: it may be about to come"
    assert reached(said(0, (1, 300, False)), folded) == 300


def test_the_slowest_decides_whoever_owns_it() -> None:
    folded = tracker()
    assert reached(said(0, (0, 500, False), (1, 300, False)), folded) == 300
    assert reached(said(0, (0, 900, False)), folded) == 300
    assert reached(said(0, (1, 700, False)), folded) == 700


def test_a_new_owner_that_has_seen_nothing_takes_nothing_back() -> None:
    folded = tracker()
    folded.apply(said(0, (0, 500, False), (1, 300, False)))
    assert reached(said(1, (0, None, False), (1, None, False)), folded) == 300
    assert reached(said(2, (1, 100, False)), folded) == 300


def test_idle_partitions_hold_nothing_back() -> None:
    folded = tracker()
    folded.apply(said(0, (0, 500, False), (1, 300, False)))
    assert reached(said(1, (1, 300, True)), folded) == 500
    assert reached(said(2, (1, 400, False)), folded) == 500, "awake again: held, not taken back"
    assert reached(said(3, (0, 800, False)), folded) == 500


def test_a_dead_owners_idle_flag_expires() -> None:
    """Its lease runs against the newest clock of anyone; until a new owner reports, the partition holds back."""
    folded = tracker()
    folded.apply(said(0, (0, 500, False), (1, 300, True)))
    assert reached(said(LEASE_MS - 1, (0, 600, False)), folded) == 600
    assert reached(said(LEASE_MS, (0, 700, False)), folded) == 600
    assert reached(said(LEASE_MS + 1, (1, None, True)), folded) == 700, "the new owner finds it idle too"


def test_when_all_is_idle_the_slowest_owners_clock_counts() -> None:
    folded = tracker()
    folded.apply(said(1_000, (0, 500, True)))
    assert reached(said(3_000, (1, 300, True)), folded) == 1_000
    assert reached(said(4_000, (0, 500, True)), folded) == 3_000


def test_all_idle_from_the_start_is_time_too() -> None:
    """A topic without a single event: windows have nothing to close, but silence is noticed."""
    assert reached(said(5_000, (0, None, True), (1, None, True)), tracker()) == 5_000


def test_new_partitions_hold_back_until_they_report() -> None:
    folded = tracker()
    folded.apply(said(0, (0, 500, False), (1, 500, False)))
    assert reached(said(1, (0, 900, False), (1, 900, False), count=3), folded) == 500
    assert reached(said(2, (0, 950, False), (1, 950, False), count=2), folded) == 500, "an owner that knows of fewer changes nothing"
    assert reached(said(3, (2, 800, False), count=3), folded) == 800


def test_a_topic_that_the_config_no_longer_names_holds_nothing_back() -> None:
    folded = tracker("captures", "old")
    folded.apply(said(0, (0, 100, False), count=1, topic="old"))
    assert reached(said(0, (0, 500, False), count=1), folded) == 100
    folded.topics = frozenset({"captures"})
    assert reached(said(1, (0, 600, False), count=1), folded) == 600
    assert reached(said(2, (0, 120, False), count=1, topic="old"), folded) == 600, "a worker that still reads it says nothing new"


def test_a_config_with_no_partition_known_says_nothing() -> None:
    assert reached(Progress(5, 1, (), ()), tracker()) is None


REPORTS = st.lists(
    st.tuples(
        st.integers(0, 60_000), st.lists(st.tuples(st.integers(0, 2), st.none() | st.integers(0, 90_000), st.booleans()), max_size=3)
    ),
    max_size=40,
)


@given(REPORTS)
def test_it_never_goes_back_and_never_passes_an_active_partition(reports: list[tuple[int, list[tuple[int, int | None, bool]]]]) -> None:
    """Any reports in any order: monotone; when it moves, to at most what each partition that is not idle by lease has reached."""
    folded, before = tracker(), None
    furthest: dict[int, int] = {}
    latest: dict[int, tuple[bool, int, int]] = {}
    clock = 0
    for clock_ms, sources in reports:
        clock = max(clock, clock_ms)
        for partition, time_ms, idle in sources:
            furthest[partition] = max(furthest.get(partition, -1), -1 if time_ms is None else time_ms)
            latest[partition] = (idle, max(clock_ms, latest.get(partition, (False, 0, 0))[1]), clock)
        after = reached(said(clock_ms, *sources, count=3), folded)
        assert before is None or (after is not None and after >= before)
        if after != before:
            assert after is not None
            assert furthest.keys() == {0, 1, 2}
            active = [p for p, (idle, _, seen_ms) in latest.items() if not (idle and seen_ms + LEASE_MS > clock)]
            assert after == (min(furthest[p] for p in active) if active else min(at_ms for _, at_ms, _ in latest.values()))
        before = after


@given(st.permutations([(p, t) for p in range(3) for t in (100, 200, 300)]))
def test_the_order_of_active_owners_reports_does_not_matter(order: list[tuple[int, int]]) -> None:
    folded = tracker()
    for partition, time_ms in order:
        folded.apply(said(0, (partition, time_ms, False), count=3))
    assert folded.event_time_ms == 300


def test_a_member_whose_clock_is_ahead_ends_nobodys_lease() -> None:
    """Two owners, clocks a quarter of a minute apart: the idle partition of the one that is behind stays idle."""
    folded = tracker()
    for second in range(30):
        folded.apply(said(1_000 * second, (0, None, True), count=2))
        folded.apply(said(1_000 * second + 15_000, (1, 500 + second, False), count=2))
    assert folded.event_time_ms == 529
