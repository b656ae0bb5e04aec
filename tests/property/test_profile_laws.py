"""Merge laws of everything that merges, found by walking the package."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import stream_monitor
from stream_monitor.capture.calls import MEASURES
from stream_monitor.capture.decode import Decoder
from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile.anomalies import WORST_MAX, Anomalies, Far, worst_of
from stream_monitor.profile.attributions import Attributions
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.ids import SAMPLE_MAX, IdSample
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.logarithmic import BINS, LogHistogram
from stream_monitor.profile.operations import Operations
from stream_monitor.profile.profile import SAMPLES_MAX, Profile, Sample
from stream_monitor.profile.slices import POSITION_SCALE, Slices
from stream_monitor.profile.transit import PRODUCERS_MAX, Sent, Transit
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.memory.log import MemoryMessage
from tests.property.pipeline_world import START_MS, config_of, plan_of, traffic

LAYOUT = Layout(("amount", "region"), (7, 4), (True, False), joint=3)
COUNTS = st.integers(-(2**40), 2**40)


def samples() -> st.SearchStrategy[Sample]:
    return st.builds(
        Sample, st.integers(0, 40), st.sampled_from(["a", "b"]), st.integers(0, 2), st.integers(0, 2**40), st.binary(min_size=4, max_size=4)
    )


def profiles() -> st.SearchStrategy[Profile]:
    """Any profile of LAYOUT, as merges make them: at most SAMPLES_MAX samples, in order."""
    return st.builds(
        Profile,
        st.integers(0, 2**40),
        st.lists(COUNTS, min_size=LAYOUT.total, max_size=LAYOUT.total).map(lambda v: np.array(v, dtype=np.int64)),
        st.lists(COUNTS, min_size=4, max_size=4).map(lambda v: np.array(v, dtype=np.int64).reshape(2, 2)),
        st.lists(samples(), max_size=SAMPLES_MAX).map(lambda found: tuple(sorted(found))),
        id_samples(),
        names(),
        operations(),
        attributions(),
        transits(),
        anomalies(),
    )


def names() -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 2**40), max_size=5).map(lambda found: dict(sorted(found.items())))


def histograms(min_size: int = 0) -> st.SearchStrategy[LogHistogram]:
    found = st.dictionaries(st.integers(0, 12) | st.integers(0, BINS - 2), st.integers(1, 2**40), min_size=min_size, max_size=8)
    return found.map(
        lambda each: (
            LogHistogram(*(np.array(side, dtype=np.int64) for side in zip(*sorted(each.items()), strict=True)))
            if each
            else LogHistogram.empty()
        )
    )


def operations() -> st.SearchStrategy[Operations]:
    """Empty ones, and such as events make them."""
    measures = st.dictionaries(st.sampled_from(MEASURES), histograms(1), max_size=3)
    ordered = measures.map(lambda found: {name: found[name] for name in MEASURES if name in found})
    return st.just(Operations.empty()) | st.builds(Operations, st.integers(1, 2**40), st.integers(0, 2**40), names(), ordered)


def attributions() -> st.SearchStrategy[Attributions]:
    """Empty ones, and such as events make them on LAYOUT."""
    sums = st.lists(st.integers(0, 2**40), min_size=4, max_size=4).map(lambda v: np.array(v, dtype=np.int64).reshape(2, 2))
    return st.just(Attributions.empty()) | st.builds(Attributions, st.integers(1, 2**40), sums)


def transits() -> st.SearchStrategy[Transit]:
    """Few producers, or more than are told apart; what is told adds up."""
    few = st.dictionaries(st.sampled_from("abcdefgh"), SENT, max_size=5)
    many = st.integers(0, 3).map(lambda step: {f"p{step + 4 * i:03}": Sent(1 + i % 3, 1, 2, 0) for i in range(PRODUCERS_MAX)})
    counted = few.map(lambda found: (sum(sent.events for sent in found.values()), dict(sorted(found.items()))))
    cut = many.map(lambda found: (sum(sent.events for sent in found.values()) + 7, found))
    both = st.tuples(histograms(), histograms(), counted | cut)
    return st.just(Transit.empty()) | both.map(lambda each: Transit(each[0], each[1], *each[2]))


SENT = st.builds(Sent, st.integers(1, 2**40), st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**40))


def anomalies() -> st.SearchStrategy[Anomalies]:
    """Empty ones, and such as events of one baseline make them."""

    def counts(n: int) -> st.SearchStrategy[Any]:
        return st.lists(st.integers(0, 2**40), min_size=n, max_size=n).map(lambda found: np.array(found, dtype=np.int64))

    far = st.builds(Far, st.integers(0, 5), st.sampled_from(["a", "b"]), st.integers(0, 2), st.integers(0, 2**40))
    return st.builds(Anomalies.of, counts(LAYOUT.columns), counts(LAYOUT.joint), st.lists(far, max_size=WORST_MAX + 2))


def id_samples() -> st.SearchStrategy[IdSample]:
    """Few hashes, so that both sides have some in common; now and then more than one sample holds."""
    few = st.dictionaries(st.integers(0, 12), st.integers(1, 2**40), max_size=8)
    many = st.integers(0, 3).map(lambda step: {step + 4 * i: 1 + i % 3 for i in range(SAMPLE_MAX)})
    return st.one_of(few, few, few, many).map(
        lambda found: IdSample(np.array(sorted(found), dtype=np.uint64), np.array([found[key] for key in sorted(found)], dtype=np.int64))
    )


@st.composite
def slices(draw: st.DrawFn) -> Slices:
    """Slices of LAYOUT's columns as events make them, from single values."""
    events = draw(st.lists(st.tuples(st.integers(-2, 5), st.integers(0, 1), st.integers(0, POSITION_SCALE)), max_size=12))
    starts = np.array(sorted({start for start, _, _ in events}), dtype=np.int64)
    n, sums = np.zeros((len(starts), 2), dtype=np.int64), np.zeros((len(starts), 3, 2), dtype=np.int64)
    for start, column, q in events:
        row = int(np.searchsorted(starts, start))
        n[row, column] += 1
        sums[row, :, column] += (q, q * q, abs(2 * q - POSITION_SCALE))
    return Slices(starts, n, sums)


def _more(profile: Profile, name: str) -> Any:
    """Another value of one field."""
    extra = {
        "events": profile.events + 1,
        "samples": (Sample(-1, "t", 0, 0, b"1234"), *profile.samples)[:SAMPLES_MAX],
        "ids": profile.ids.merge(IdSample(np.zeros(1, dtype=np.uint64), np.ones(1, dtype=np.int64))),
        "extra": _one_more(profile.extra),
        "operations": profile.operations.merge(Operations(told=1)),
        "attributions": profile.attributions.merge(Attributions(1, np.zeros((2, 2), dtype=np.int64))),
        "transit": profile.transit.merge(Transit(told=1)),
        "anomalies": profile.anomalies.merge(Anomalies.of(np.ones(2, dtype=np.int64), np.zeros(3, dtype=np.int64))),
    }
    return extra[name] if name in extra else getattr(profile, name) + 1


def _one_more(found: Mapping[str, int]) -> dict[str, int]:
    return {"a": found.get("a", 0) + 1, **{key: n for key, n in found.items() if key != "a"}}


def _more_operations(found: Operations, name: str) -> Any:
    more = {"codes": _one_more(found.codes), "measures": {**found.measures, "latency_ms": _ONE.merge(found.measure("latency_ms"))}}
    return more[name] if name in more else getattr(found, name) + 1


def _more_attributions(found: Attributions, name: str) -> Any:
    return found.told + 1 if name == "told" else found.sums + 1


def _more_transit(found: Transit, name: str) -> Any:
    if name == "producers":
        return {"a": Sent(1).plus(found.producers.get("a", Sent())), **{key: sent for key, sent in found.producers.items() if key != "a"}}
    return found.told + 1 if name == "told" else _ONE.merge(getattr(found, name))


def _more_anomalies(found: Anomalies, name: str) -> Any:
    return worst_of((Far(6, "a", 0, 0), *found.worst)) if name == "worst" else getattr(found, name) + 1


def _more_counts(found: LogHistogram, name: str) -> Any:
    return getattr(found, name) + 1


_ONE: Final = LogHistogram(np.ones(1, dtype=np.int64), np.ones(1, dtype=np.int64))


def _more_ids(sample: IdSample, name: str) -> Any:
    """Another hash, lower than all, or one event more."""
    if name == "hashes":
        return sample.hashes - 1 if sample.distinct and sample.hashes[0] else sample.hashes + 1
    return sample.counts + 1


def _more_slices(part: Slices, name: str) -> Any:
    return getattr(part, name) + 1


MERGEABLE: Final[Mapping[type, tuple[Callable[[], st.SearchStrategy[Any]], Any, Callable[[Any, str], Any]]]] = {
    Profile: (profiles, Profile.empty(LAYOUT), _more),
    IdSample: (id_samples, IdSample.empty(), _more_ids),
    Slices: (slices, Slices.empty(2), _more_slices),
    LogHistogram: (histograms, LogHistogram.empty(), _more_counts),
    Transit: (transits, Transit.empty(), _more_transit),
    Operations: (operations, Operations.empty(), _more_operations),
    Attributions: (attributions, Attributions.empty(), _more_attributions),
    Anomalies: (anomalies, Anomalies.empty(), _more_anomalies),
}
"""Class -> (any value, the zero, another value of a field). A new mergeable class is added here, and all laws hold for it."""


def found() -> set[type]:
    """Every class of the package that defines `merge`."""
    classes = set()
    for module in pkgutil.walk_packages(stream_monitor.__path__, "stream_monitor."):
        if not module.name.endswith("__main__") and ".kafka" not in module.name:
            for _, each in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if each.__module__.startswith("stream_monitor.") and "merge" in vars(each):
                    classes.add(each)
    return classes


def test_every_mergeable_thing_is_held_to_the_laws() -> None:
    assert found() == set(MERGEABLE)


@pytest.mark.parametrize("kind", MERGEABLE)
@given(data=st.data())
@settings(deadline=None)
def test_merge_is_a_commutative_monoid(kind: type, data: st.DataObject) -> None:
    values, zero, _ = MERGEABLE[kind]
    one, two, three = (data.draw(values()) for _ in range(3))
    assert one.merge(zero) == one == zero.merge(one)
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).merge(three) == one.merge(two.merge(three))


@pytest.mark.parametrize("kind", MERGEABLE)
@given(data=st.data())
@settings(deadline=None)
def test_merge_touches_every_field_and_changes_neither_side(kind: type, data: st.DataObject) -> None:
    values, _, more = MERGEABLE[kind]
    one, two = data.draw(values()), data.draw(values())
    assume(two != MERGEABLE[kind][1] or kind is Profile)  # where there is nothing, there is nothing to change
    merged, copies = one.merge(two), [dataclasses.replace(side) for side in (one, two)]
    for field in dataclasses.fields(kind):
        changed = dataclasses.replace(two, **{field.name: more(two, field.name)})
        assert changed != two, f"equality does not see {field.name}"
        assert one.merge(changed) != merged, f"merge does not see {field.name} of its argument"
        assert changed.merge(one) != merged, f"merge does not see {field.name} of itself"
    assert [one, two] == copies


PLAN = plan_of(config_of())


@given(st.integers(0, 5), st.lists(st.integers(0, 3), min_size=60, max_size=60), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_profile_of_a_whole_is_the_merge_of_its_parts(seed: int, part_of: list[int], random: Any) -> None:
    """From raw messages: any split into batches, decoded and summarised apart and merged in any order, is the whole's profile."""
    events = traffic(seed, 60, 100_000)
    messages = [MemoryMessage(Record("captures", event.value), n % 3, n // 3, START_MS) for n, event in enumerate(events)]
    whole = panes(messages)
    parts = [panes([message for message, part in zip(messages, part_of, strict=True) if part == number]) for number in range(4)]
    random.shuffle(parts)
    merged: dict[PaneKey, Pane] = {}
    for part in parts:
        for key, (profile, held) in part.items():
            known = merged.get(key)
            merged[key] = (known[0].merge(profile), known[1].merge(held)) if known else (profile, held)
    assert merged == whole
    assert sum(profile.events for profile, _ in whole.values()) == sum(event.model is not None for event in events)
    for (stream, _, _), (profile, _) in whole.items():
        layout = PLAN.streams[stream].baseline.layout
        assert all(total == profile.events for total in np.add.reduceat(profile.counts, layout.starts[:-1]))


PaneKey = tuple[StreamKey, Segment, int]
Pane = tuple[Profile, Slices]


def panes(messages: list[MemoryMessage]) -> dict[PaneKey, Pane]:
    decoder: Decoder = PLAN.decoder()
    columns, _ = decoder.decode(messages, None)
    found = summarise(PLAN, columns, messages)
    return {(pane.stream, pane.segment, pane.pane_start_ms): (pane.profile, pane.slices) for pane in found}
