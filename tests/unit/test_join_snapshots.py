"""Snapshots of a join write what changed, stay within about twice its rows, and give back the same join."""

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.pipeline.join.join import Join
from stream_monitor.pipeline.join.pages import PAGES_MAX
from stream_monitor.pipeline.join.rows import row_type
from stream_monitor.pipeline.join.said import Answer
from tests.property.test_join_laws import BINARY, PANE_MS, Capture, Label, by_relief, plan_of, record_of, spread, summed

LATENESS_MS = 40 * PANE_MS
ROW_BYTES = row_type(1, 0).itemsize


class Topic:
    """The newest of each page, as the state topic has them."""

    def __init__(self) -> None:
        self.pages: dict[int, bytes] = {}
        self.written = 0

    def save(self, join: Join) -> None:
        alive = join.store.pages()
        changed = {page: join.store.save(page) for page in join.store.changed & alive}
        self.written = sum(map(len, changed.values()))
        self.pages = {page: content for page, content in (self.pages | changed).items() if page in alive}
        assert self.pages.keys() == alive
        join.store.saved()

    def restore(self, join: Join) -> Join:
        other = Join(join.plan, join.to_state())
        other.load(self.pages)
        return other


def a_minute(random: Random, number: int) -> list[Capture | Label]:
    """Some events of a pane, and labels of any events before it."""
    now_ms, first = number * PANE_MS, max(1, 10 * number - 500)
    captures = [Capture(spread(10 * number + i), now_ms + i, random.randint(1, 2), 9, np.nan, random.randrange(2)) for i in range(1, 6)]
    labels = [Label(spread(random.randrange(first, 10 * number + 9)), now_ms + i, random.randint(0, 2), 0.0) for i in range(5)]
    return [*captures, *labels]


def stood(answer: Answer, join: Join) -> dict[int, list[int]]:
    """What it adds to the panes."""
    return {
        pane: vectors.ravel().tolist() for pane, vectors in by_relief([answer], BINARY, len(join.plan.reliefs)).items() if vectors.any()
    }


def test_what_lies_on_the_topic_is_bounded_and_each_snapshot_is_small() -> None:
    random, join, topic = Random(1), Join(plan_of(BINARY, label_lateness_ms=LATENESS_MS * 20)), Topic()
    for number in range(1, 2 * PAGES_MAX):
        join.apply(record_of(a_minute(random, number), BINARY), None)
        topic.save(join)
        assert len(topic.pages) <= PAGES_MAX + 1
        assert topic.written <= (10 + 3 * len(join) // PAGES_MAX) * ROW_BYTES
    assert sum(map(len, topic.pages.values())) <= 2.5 * len(join) * ROW_BYTES
    other = topic.restore(join)
    assert summed([Answer(other.outcomes(None))], BINARY) == summed([Answer(join.outcomes(None))], BINARY)
    assert len(other) == len(join)


@given(seed=st.integers(0, 2**32), rows_max=st.sampled_from([60, 150, 10_000]), relief=st.sampled_from([(0, 0), (3, 0)]))
def test_a_join_that_was_restored_at_any_time_says_the_same(seed: int, rows_max: int, relief: tuple[int, int]) -> None:
    """As rows expire, are swept, and are narrowed to a sample; restored after a fifth of the snapshots."""
    random, topic = Random(seed), Topic()
    one = other = Join(plan_of(BINARY, rows_max, LATENESS_MS, relief, lateness_ms=3 * PANE_MS))
    for number in range(1, 120):
        record, watermark_ms = record_of(a_minute(random, number), BINARY), (number - 2) * PANE_MS
        first, second = one.apply(record, watermark_ms), one
        if other is not one:
            said = other.apply(record, watermark_ms)
            assert stood(said, one) == stood(first, one)
            assert (said.labels, said.late, said.duplicates, said.narrowed) == (first.labels, first.late, first.duplicates, first.narrowed)
            assert other.advance(watermark_ms) == second.advance(watermark_ms)
        else:
            one.advance(watermark_ms)
        assert (len(other), other.sample.rate, other.sample.rates) == (len(one), one.sample.rate, one.sample.rates)
        if random.random() < 0.5:
            topic.save(one)
            other = topic.restore(one) if random.random() < 0.2 else one


def test_no_older_copy_of_a_row_comes_back() -> None:
    """A label waits in one page, its event comes in the next, and both are forgotten while the first page still holds another row."""
    join, topic = Join(plan_of(BINARY, label_lateness_ms=60_000)), Topic()
    first: list[Capture | Label] = [Label(spread(1), 200_000, 1, 0.0), Capture(spread(2), 200_000, 1, 9, np.nan, 0)]
    then: list[Capture | Label] = [Capture(spread(1), 5_000, 1, 9, np.nan, 0)]
    for items in (first, then):
        join.apply(record_of(items, BINARY), 0)
        topic.save(join)
    join.advance(250_000)  # it was asked whether the event of that label came
    topic.save(join)
    assert len(topic.restore(join)) == len(join) == 1
