"""The join against a dictionary: events and labels shuffled, late, corrected, withdrawn, in any cut of records."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.capture.schema import StreamKey
from stream_monitor.errors import CodecError
from stream_monitor.pipeline.join.join import Join, JoinState
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.record import Captured, CaptureRows, JoinRecord, LabelRows, decode, encode
from stream_monitor.pipeline.join.said import Answer
from stream_monitor.pipeline.join.sample import RELIEF_MAX, reliefs_of
from stream_monitor.profile.delay import delay_bin
from stream_monitor.profile.outcome import Group, OutcomeLayout
from stream_monitor.profile.outcome_rows import OutcomeRows, add_outcomes
from stream_monitor.window.spec import WindowSpec

KEY: Final = StreamKey("loan", None)
PANE_MS: Final = 10_000
BINARY: Final = OutcomeLayout("binary", ("no", "yes"), 1, scored=True, groups=(Group("gender", "f"), Group("gender", "m")))
REGRESSION: Final = OutcomeLayout("regression", center=3.0, scale=2.0)


@dataclass(frozen=True)
class Capture:
    """One event."""

    id: int
    time_ms: int
    predicted: int
    score: int
    value: float
    group: int


@dataclass(frozen=True)
class Label:
    """One label; 0 and NaN withdraw."""

    id: int
    time_ms: int
    label: int
    truth: float


def plan_of(
    layout: OutcomeLayout, rows_max: int = 1_000_000, label_lateness_ms: int = 10**9, relief: tuple[int, ...] = (), lateness_ms: int = 0
) -> JoinPlan:
    spec = WindowSpec(PANE_MS, PANE_MS, 0, lateness_ms, 1, PANE_MS)
    facet: tuple[Any, ...] = (None,) if layout.groups else ()  # only their number is asked for
    return JoinPlan("loan", layout, "layout", facet, {KEY: "baseline"}, {KEY: ()}, spec, label_lateness_ms, rows_max, relief=relief)


def spread(number: int) -> int:
    """An id whose bits look random."""
    return (number * 0x9E3779B97F4A7C15) % 2**64


def record_of(items: Sequence[Capture | Label], layout: OutcomeLayout) -> JoinRecord:
    captures = [item for item in items if isinstance(item, Capture)]
    labels = [item for item in items if isinstance(item, Label)]
    groups = np.array([item.group for item in captures if layout.groups], dtype=np.uint16)
    rows = CaptureRows(
        np.array([item.id for item in captures], dtype=np.uint64),
        np.array([item.time_ms for item in captures], dtype=np.int64),
        np.array([item.predicted for item in captures], dtype=np.uint16),
        np.array([item.score for item in captures], dtype=np.uint16),
        np.array([item.value for item in captures], dtype=np.float64),
        groups.reshape(int(bool(layout.groups)), len(captures)),
        np.zeros((0, len(captures)), dtype=np.uint16),
    )
    told = LabelRows(
        np.array([item.id for item in labels], dtype=np.uint64),
        np.array([item.time_ms for item in labels], dtype=np.int64),
        np.array([item.label for item in labels], dtype=np.uint16),
        np.array([item.truth for item in labels], dtype=np.float64),
    )
    return decode(encode(JoinRecord("loan", 1, "layout", (Captured(KEY, "baseline", rows),), told)))


def naive(items: Sequence[Capture | Label], layout: OutcomeLayout) -> dict[int, list[int]]:
    """The outcome of every pane, from two dictionaries."""
    captures: dict[int, Capture] = {}
    labels: dict[int, Label] = {}
    firsts: dict[int, int] = {}
    for item in items:
        if isinstance(item, Capture):
            if item.id not in captures or item.time_ms >= captures[item.id].time_ms:
                captures[item.id] = item
        else:
            firsts[item.id] = min(item.time_ms, firsts.get(item.id, item.time_ms))
            if item.id not in labels or item.time_ms >= labels[item.id].time_ms:
                labels[item.id] = item
    out: dict[int, list[int]] = {}
    for one in captures.values():
        label = labels.get(one.id)
        rows = OutcomeRows(
            predicted=np.array([one.predicted], dtype=np.uint16),
            score=np.array([one.score], dtype=np.uint16),
            value=np.array([one.value]),
            groups=np.array([[one.group]] if layout.groups else [], dtype=np.uint16).reshape(int(bool(layout.groups)), 1),
            label=np.array([label.label if label else 0], dtype=np.uint16),
            truth=np.array([label.truth if label else math.nan]),
            delay=delay_bin(np.array([firsts.get(one.id, 0) - one.time_ms])),
        )
        pane = one.time_ms // PANE_MS * PANE_MS
        vector = np.array([out.get(pane, [0] * layout.size)], dtype=np.int64)
        add_outcomes(layout, rows, np.zeros(1, dtype=np.int64), 1, vector)
        out[pane] = vector[0].tolist()
    return out


def summed(answers: Sequence[Answer], layout: OutcomeLayout) -> dict[int, list[int]]:
    """What the panes stand at; those that stand at nothing are left out."""
    panes = by_relief(answers, layout, 1)
    return {pane: vectors[0].tolist() for pane, vectors in panes.items() if vectors.any()}


def by_relief(answers: Sequence[Answer], layout: OutcomeLayout, reliefs: int) -> dict[int, np.ndarray]:
    """What the panes stand at, int64[reliefs, N] each."""
    panes: dict[int, np.ndarray] = {}
    for change in (change for answer in answers for change in answer.changes):
        panes.setdefault(change.pane_ms, np.zeros(reliefs * layout.size, dtype=np.int64))[change.at] += change.by
    return {pane: vector.reshape(reliefs, -1) for pane, vector in panes.items()}


def cut(items: Sequence[Capture | Label], random: Random) -> list[list[Capture | Label]]:
    parts: list[list[Capture | Label]] = [[]]
    for item in items:
        if random.random() < 0.2:
            parts.append([])
        parts[-1].append(item)
    return parts


def some_items(random: Random, layout: OutcomeLayout, events: int) -> list[Capture | Label]:
    """Events, one in ten sent twice; labels, some of them corrected, withdrawn, or of no event; shuffled. No two times are equal."""
    clock = iter(range(1_000_000, 10**9, 7))
    items: list[Capture | Label] = []
    is_binary = layout.task == "binary"
    for number in range(1, events + 1):
        for _ in range(1 + (random.random() < 0.1)):
            value = math.nan if is_binary or random.random() < 0.1 else random.gauss(3, 2)
            predicted = random.choice([0, 1, 2, 2, 3]) if is_binary else 0
            items.append(Capture(spread(number), next(clock), predicted, random.choice([0, 1, 30_000, 65_535]), value, random.randrange(2)))
        for _ in range(random.choice([0, 0, 1, 1, 1, 2, 3])):
            is_withdrawn = random.random() < 0.2
            truth = math.nan if is_binary or is_withdrawn else random.gauss(3, 2)
            items.append(
                Label(
                    spread(number + 10**6 * (random.random() < 0.1)),
                    next(clock),
                    0 if is_withdrawn or not is_binary else random.randint(1, 3),
                    truth,
                )
            )
    random.shuffle(items)
    return items


@pytest.mark.parametrize("layout", [BINARY, REGRESSION], ids=lambda layout: layout.task)
@given(seed=st.integers(0, 2**32), events=st.integers(0, 60))
def test_any_cut_and_order_of_records_gives_what_a_dictionary_gives(layout: OutcomeLayout, seed: int, events: int) -> None:
    random = Random(seed)
    items = some_items(random, layout, events)
    join = Join(plan_of(layout))
    answers = [join.apply(record_of(part, layout), None) for part in cut(items, random)]
    expected = naive([item for part in [items] for item in part], layout)
    assert summed(answers, layout) == expected
    assert summed([Answer(join.outcomes(None))], layout) == expected
    assert len(join) == len({item.id for item in items})


@given(seed=st.integers(0, 2**32))
def test_a_loss_is_told_once_however_often_its_label_is_corrected(seed: int) -> None:
    random = Random(seed)
    items = some_items(random, BINARY, 40)
    join = Join(plan_of(BINARY))
    losses = Counter[int]()
    for part in cut(items, random):
        for told in join.apply(record_of(part, BINARY), None).losses:
            losses.update(dict(zip(told.slices.starts.tolist(), told.slices.n[:, 0].tolist(), strict=True)))
    labelled = {item.id for item in items if isinstance(item, Label) and item.label}
    captured = {item.id for item in items if isinstance(item, Capture)}
    assert sum(losses.values()) <= len(labelled & captured)


@given(seed=st.integers(0, 2**32))
def test_a_restored_join_goes_on_as_the_one_it_was_saved_from(seed: int) -> None:
    """Pages are written when they changed; the newest of each make the whole."""
    random = Random(seed)
    items = some_items(random, BINARY, 40)
    parts = cut(items, random)
    one, saved = Join(plan_of(BINARY)), dict[int, bytes]()
    for part in parts[: len(parts) // 2]:
        one.apply(record_of(part, BINARY), None)
        if random.random() < 0.5:
            saved |= {page: one.store.save(page) for page in one.store.changed}
            one.store.saved()
    saved |= {page: one.store.save(page) for page in one.store.changed}
    other = Join(plan_of(BINARY), one.to_state())
    other.load({page: saved[page] for page in one.store.pages()})
    assert summed([Answer(other.outcomes(None))], BINARY) == summed([Answer(one.outcomes(None))], BINARY)
    for part in parts[len(parts) // 2 :]:
        record = record_of(part, BINARY)
        assert summed([one.apply(record, None)], BINARY) == summed([other.apply(record, None)], BINARY)


@given(seed=st.integers(0, 2**32), rows_max=st.integers(5, 60))
def test_beyond_its_bound_it_holds_a_sample_of_ids_and_says_what_they_say(seed: int, rows_max: int) -> None:
    """What panes stand at is what a dictionary gives for the ids of the pane's sample; both sides narrow alike."""
    random = Random(seed)
    items = some_items(random, BINARY, 100)
    join, answers = Join(plan_of(BINARY, rows_max)), []
    for part in cut(items, random):
        answers.append(join.apply(record_of(part, BINARY), None))
        assert len(join) <= rows_max
    sampled = [item for item in items if item.id >> (64 - join.sample.rate) == 0] if join.sample.rate else items
    assert set(join.sample.rates.values()) <= {join.sample.rate}
    assert summed(answers, BINARY) == naive(sampled, BINARY)
    assert join.sample.rate > 0 or not any(answer.narrowed for answer in answers)


def group_of(number: int) -> int:
    """One event in nine is of the rare group, whenever it is sent."""
    return 0 if number % 9 == 0 else 1


@given(seed=st.integers(0, 2**32), rows_max=st.integers(5, 60), relief=st.sampled_from([(1, 0), (3, 0), (3, 1)]))
def test_a_relieved_group_has_more_of_its_ids_in_the_sample(seed: int, rows_max: int, relief: tuple[int, int]) -> None:
    """Its events are asked for so many zero bits fewer, and stand for so many others fewer; labels come before or after them."""
    random = Random(seed)
    items = [replace(item, group=group_of(item.id)) if isinstance(item, Capture) else item for item in some_items(random, BINARY, 100)]
    join, answers = Join(plan_of(BINARY, rows_max, relief=relief)), []
    for part in cut(items, random):
        answers.append(join.apply(record_of(part, BINARY), None))
        assert len(join) <= rows_max
    reliefs = join.plan.reliefs
    found = by_relief(answers, BINARY, len(reliefs))
    for place, bits in enumerate(reliefs):
        sampled = [item for item in items if relief[group_of(item.id)] == bits and zeros(item.id) >= join.sample.rate - bits]
        expected = naive(sampled, BINARY)
        assert {pane: vectors[place].tolist() for pane, vectors in found.items() if vectors[place].any()} == expected


def zeros(number: int) -> int:
    """How many zero bits an id begins with."""
    return 64 - number.bit_length()


def test_a_label_waits_for_an_event_of_a_relieved_group_until_the_watermark_has_passed_it_by_lateness() -> None:
    """The same label without a watermark, in time, too late; an id that all groups have in the sample waits on."""
    ids = [1 << 60, 1 << 62]  # three zero bits, and one
    for watermark_ms, held in ((None, ids), (15_000, ids), (15_001, ids[:1])):
        join = Join(plan_of(BINARY, relief=(2, 0), lateness_ms=10_000), JoinState(rate=3))
        join.apply(record_of([Label(each, 5_000, 1, math.nan) for each in ids], BINARY), watermark_ms)
        assert len(join) == len(held)
        events = [Capture(each, 4_000, 2, 9, math.nan, 0) for each in ids]
        (change,) = join.apply(record_of(events, BINARY), watermark_ms).changes
        vector = np.zeros(2 * BINARY.size, dtype=np.int64)
        vector[change.at] = change.by
        assert BINARY.labelled(vector[BINARY.size :]) == len(held)
        assert not vector[: BINARY.size].any(), "all are of the relieved group"


def test_labels_that_waited_for_a_relieved_group_in_vain_make_room() -> None:
    """And do not come back from an older page; they are no orphans, for most are of events that the sample left out."""
    join = Join(plan_of(BINARY, relief=(6, 0), lateness_ms=10_000, label_lateness_ms=100_000), JoinState(rate=6))
    labels = [Label(spread(number), 5_000, 1, math.nan) for number in range(1, 641)]
    join.apply(record_of([*labels, Capture(1, 5_000, 2, 9, math.nan, 0)], BINARY), 5_000)
    assert len(join) == 641
    pages = {page: join.store.save(page) for page in join.store.changed}
    join.store.saved()
    assert join.advance(15_000) == Answer()
    assert join.advance(105_000) == Answer()
    others = {label.id for label in labels if zeros(label.id) >= 6}
    assert 0 < len(others) < 30
    assert len(join) == 1 + len(others)
    pages |= {page: join.store.save(page) for page in join.store.changed}
    restored = Join(join.plan, join.to_state())
    restored.load({page: pages[page] for page in join.store.pages()})
    assert len(restored) == len(join)


def test_events_of_long_ago_leave_nothing_behind_in_a_join_that_holds_a_sample() -> None:
    join = Join(plan_of(BINARY, label_lateness_ms=60_000), JoinState(rate=1))
    events = [Capture(number, number * PANE_MS, 2, 9, math.nan, 0) for number in range(1, 1_001)]
    answer = join.apply(record_of(events, BINARY), 1_000 * PANE_MS)
    assert (answer.late, len(join)) == (993, 7)
    assert len(join.to_state().rates) == 7


@given(facets=st.lists(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), min_size=1, max_size=4))
def test_relieved_rows_are_half_an_even_share_and_cost_the_others_half_at_most(facets: list[list[int]]) -> None:
    relief = reliefs_of(facets)
    assert len(relief) == sum(map(len, facets))
    groups, cost, places = sum(n > 0 for counts in facets for n in counts), 0.0, iter(relief)
    for counts in facets:
        for n in counts:
            bits = next(places)
            part = n / max(sum(counts), 1)
            assert bits == 0 if n == 0 else 0 <= bits <= RELIEF_MAX
            if n:
                assert bits == RELIEF_MAX or part * 2**bits * groups > 0.5
                cost += part * 2**bits if bits else 0
    assert cost <= 1


@pytest.mark.parametrize(
    "item", [Capture(7, 1, 4, 9, math.nan, 0), Capture(7, 1, 2, 9, math.nan, 2), Capture(0, 1, 2, 9, math.nan, 0), Label(7, 1, 4, math.nan)]
)
def test_codes_beyond_the_layout_are_refused_and_change_nothing(item: Capture | Label) -> None:
    """They would be counted in whatever stands beside the vector."""
    join = Join(plan_of(BINARY))
    with pytest.raises(CodecError, match="do not fit the layout"):
        join.apply(record_of([Capture(5, 1, 2, 9, math.nan, 0), item], BINARY), None)
    assert len(join) == 0


def test_what_no_window_can_ask_for_is_forgotten_and_orphans_are_told() -> None:
    join = Join(plan_of(BINARY, label_lateness_ms=60_000))
    captures = [Capture(spread(number), number * 1_000, 2, 9, math.nan, 0) for number in range(1, 101)]
    orphan = Label(spread(5_000), 12_000, 1, math.nan)
    join.apply(record_of([*captures, orphan], BINARY), 5_000)
    assert join.advance(60_000) == Answer()
    gone = join.advance(1_000_000)
    assert (len(join), gone.orphans, join.store.pages()) == (0, 1, set())
    late = join.apply(record_of([Capture(spread(7), 7_000, 2, 9, math.nan, 0), Label(spread(8), 8_000, 1, math.nan)], BINARY), 1_000_000)
    assert (late.late, late.labels, len(join)) == (1, 1, 0)


def test_a_row_that_changed_counts_once_and_one_that_did_not_not_at_all() -> None:
    join, event, label = Join(plan_of(BINARY)), Capture(spread(1), 5_000, 2, 9, math.nan, 0), Label(spread(1), 6_000, 1, math.nan)
    touched = [[change.touched for change in join.apply(record_of([item], BINARY), None).changes] for item in (event, event, label, label)]
    assert touched == [[1], [], [1], []]


def test_what_is_over_does_not_come_back_under_a_longer_label_lateness() -> None:
    join = Join(plan_of(BINARY, label_lateness_ms=60_000))
    join.apply(record_of([Capture(spread(number), number * 1_000, 2, 9, math.nan, 0) for number in range(1, 101)], BINARY), 5_000)
    join.advance(75_000)  # too few are over to be swept out
    join.adopt(plan_of(BINARY))
    answer = join.apply(record_of([Label(spread(number), 76_000, 1, math.nan) for number in (5, 50)], BINARY), 75_000)
    assert [change.pane_ms for change in answer.changes] == [50_000]
    assert sum(losses.slices.n.sum() for losses in answer.losses) == 1


def test_a_lower_bound_holds_from_its_config_on() -> None:
    join = Join(plan_of(BINARY))
    answers = [join.apply(record_of([Capture(spread(number), 5_000, 2, 9, math.nan, 0) for number in range(1, 101)], BINARY), None)]
    answers.append(join.adopt(plan_of(BINARY, rows_max=20)))
    assert answers[1].narrowed == 100 - len(join) >= 80
    assert summed(answers, BINARY) == summed([Answer(join.outcomes(None))], BINARY)
