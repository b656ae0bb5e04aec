"""Histograms with bins of equal ratio beside numpy, and from raw messages to one summary however they are split."""

from math import ceil
from random import Random
from typing import Any

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.capture.calls import CODE_CHARS_MAX, MEASURES, RESOURCES
from stream_monitor.profile import codec
from stream_monitor.profile.extra import EXTRA_MAX
from stream_monitor.profile.logarithmic import BINS, HIGHEST, LOWEST, RELATIVE_ERROR, LogHistogram, bins_of, value_of
from stream_monitor.profile.operations import Operations
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.memory.log import MemoryMessage
from tests.property.pipeline_world import START_MS, capture
from tests.property.test_profile_laws import LAYOUT, panes, profiles

ERROR = RELATIVE_ERROR * (1 + 1e-9)
VALUES = st.floats(LOWEST, HIGHEST) | st.sampled_from([1.0, 1.01 / 0.99, 100.0, LOWEST, HIGHEST])


def histogram(values: list[float]) -> LogHistogram:
    return LogHistogram.of(bins_of(np.array(values, dtype=np.float64)))


@given(st.lists(VALUES, min_size=1, max_size=60), st.floats(0.001, 1.0))
def test_quantiles_and_sums_are_right_to_1_percent(values: list[float], q: float) -> None:
    found = histogram(values)
    assert found.n == len(values)
    wanted = sorted(values)[ceil(q * len(values)) - 1]
    assert found.quantile(q) == pytest.approx(wanted, rel=ERROR, abs=LOWEST)
    assert abs(found.sum() - sum(values)) <= ERROR * sum(values) + LOWEST * len(values)


@pytest.mark.parametrize("value", [LOWEST, 1.001 * LOWEST, 1.01 * LOWEST, 1.0199 * LOWEST, 1.03 * LOWEST])
def test_what_is_over_the_lowest_is_no_zero(value: float) -> None:
    assert histogram([value]).quantile(1.0) == pytest.approx(value, rel=ERROR)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99, 1.0])
def test_quantiles_are_numpys(q: float) -> None:
    values = np.random.default_rng(1).lognormal(4, 2, 10_001)
    assert LogHistogram.of(bins_of(values)).quantile(q) == pytest.approx(float(np.quantile(values, q, method="inverted_cdf")), rel=ERROR)


@given(st.lists(VALUES, max_size=40), VALUES)
def test_what_is_counted_above_a_limit_is_above_it_and_lacks_only_its_bin(values: list[float], limit: float) -> None:
    above = histogram(values).above(limit)
    assert sum(value > limit * (1 + 2.1 * RELATIVE_ERROR) for value in values) <= above <= sum(value > limit for value in values)


def test_what_is_out_of_range_is_clamped_and_none_is_left_out() -> None:
    found = histogram([0.0, 1e-9, 1e300, np.nan])
    assert (found.n, found.quantile(0.5), found.bins.tolist()) == (3, 0.0, [0, BINS - 1])
    assert found.quantile(1.0) == pytest.approx(HIGHEST, rel=2 * RELATIVE_ERROR)
    assert (np.diff(value_of(np.arange(BINS))) > 0).all()


def calls(seed: int, n: int) -> list[MemoryMessage]:
    """Events of three streams that tell some, all or nothing of their calls; one in ten tells nonsense."""
    random = Random(seed)

    def body(number: int) -> dict[str, Any]:
        version, time_ms = random.choice((None, "2")), START_MS + random.randrange(60_000)
        event: dict[str, Any] = dict(capture(random, number, "loan", version, time_ms, False).body)
        if random.random() < 0.7:
            event["latency_ms"] = random.choice((0, 3, random.lognormvariate(3, 1)))
        if random.random() < 0.3:
            event |= {"status": random.choice(("ok", "error")), "error": f"e{random.randrange(90)}" + "x" * random.choice((0, 99))}
        if random.random() < 0.5:
            event["resources"] = {name: random.choice((0.5, 7, "n/a", -1, None)) for name in RESOURCES if random.random() < 0.6}
        return event

    return [MemoryMessage(Record("captures", orjson.dumps(body(number))), 0, number, START_MS) for number in range(n)]


@given(st.integers(0, 5), st.lists(st.integers(0, 3), min_size=150, max_size=150), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_any_split_of_the_messages_gives_the_same_operations(seed: int, part_of: list[int], random: Any) -> None:
    messages = calls(seed, 150)
    whole = {key: profile.operations for key, (profile, _) in panes(messages).items()}
    parts = [panes([message for message, part in zip(messages, part_of, strict=True) if part == number]) for number in range(4)]
    random.shuffle(parts)
    merged: dict[Any, Operations] = {}
    for part in parts:
        for key, (profile, _) in part.items():
            merged[key] = merged.get(key, Operations.empty()).merge(profile.operations)
    assert merged == whole
    assert any(len(each.codes) > 3 and len(each.measures) == len(MEASURES) for each in whole.values())
    assert all(len(each.codes) <= EXTRA_MAX and max(map(len, each.codes), default=0) <= CODE_CHARS_MAX for each in whole.values())


@given(profiles())
@settings(deadline=None)
def test_records_of_version_2_are_read_without_operations(profile: Any) -> None:
    wire = codec.to_wire(profile)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(wire))
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:7]), type=codec.ProfileWire)
    assert codec.from_wire(old, LAYOUT).operations == Operations.empty()
    assert codec.from_wire(old, LAYOUT).extra == profile.extra
