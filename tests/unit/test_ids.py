"""Repeated events and unknown features: what is kept of them, from ids to the profiles of real messages."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import parse_config
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.summarise import NO_ID, hashes_of, summarise
from stream_monitor.profile.codec import PaneProfile, Segment
from stream_monitor.profile.extra import EXTRA_MAX, merge_extra
from stream_monitor.profile.ids import SAMPLE_MAX, IdSample
from stream_monitor.profile.profile import SAMPLES_MAX, Profile
from stream_monitor.profile.slices import SLICE_MS, Slices
from stream_monitor.profile.transit import Transit
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.memory.log import MemoryMessage
from tests.property.pipeline_world import REGIONS, START_MS, Event, config_of, config_tree, plan_of, traffic

Hashes = NDArray[np.uint64]
SORTED_WHOLE = 8 * SAMPLE_MAX
"""Up to so many hashes are sorted; of more only the lowest are."""


# The sample


def naive(hashes: Iterable[int]) -> list[tuple[int, int]]:
    """The lowest hashes and how often each came."""
    return sorted(Counter(hashes).items())[:SAMPLE_MAX]


def items(sample: IdSample) -> list[tuple[int, int]]:
    return list(zip(sample.hashes.tolist(), sample.counts.tolist(), strict=True))


def array(hashes: Iterable[int]) -> Hashes:
    return np.array(list(hashes), dtype=np.uint64)


@given(st.lists(st.one_of(st.integers(0, 8), st.integers(0, 2**64 - 1)), max_size=60))
def test_a_sample_is_the_lowest_hashes_and_how_often_each_came(hashes: list[int]) -> None:
    assert items(IdSample.of(array(hashes))) == naive(hashes)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12_000), st.sampled_from([1, 3, 200, 255, 256, 257, 1_000, 3_000, 10**6, 2**64 - 1]))
@settings(max_examples=60, deadline=None)
def test_so_it_is_of_any_number_of_events_with_any_number_of_repeats(seed: int, events: int, different: int) -> None:
    hashes = np.random.default_rng(seed).integers(0, different, events, dtype=np.uint64, endpoint=True)
    assert items(IdSample.of(hashes)) == naive(hashes.tolist())


@pytest.mark.parametrize("events", [SAMPLE_MAX - 1, SAMPLE_MAX, SAMPLE_MAX + 1, SORTED_WHOLE - 1, SORTED_WHOLE, SORTED_WHOLE + 1, 100_000])
def test_so_it_is_at_the_sizes_where_the_way_to_it_changes(events: int) -> None:
    generator = np.random.default_rng(events)
    for hashes in (generator.permutation(events), generator.permutation(np.arange(events) // 7), np.zeros(events), np.arange(events) % 300):
        sample = IdSample.of(hashes.astype(np.uint64))
        assert items(sample) == naive(hashes.astype(np.int64).tolist())
        assert (sample.hashes.dtype.name, sample.counts.dtype.name) == ("uint64", "int64")


def test_a_lowest_id_that_comes_thousands_of_times_does_not_push_the_others_out() -> None:
    """All of the lowest thousand hashes are one id."""
    hashes = [5] * 3_000 + list(range(10, 3_000))
    assert items(IdSample.of(array(hashes))) == naive(hashes)
    assert IdSample.of(array(hashes)).distinct == SAMPLE_MAX


def test_what_a_sample_says_of_its_events() -> None:
    sample = IdSample.of(array([7, 7, 7, 2, 9, 9]))
    assert (sample.distinct, sample.total, sample.repeated) == (3, 6, 3)
    for none in (IdSample.empty(), IdSample.of(array([]))):
        assert (none.distinct, none.total, none.repeated) == (0, 0, 0)
    one = IdSample.of(array([7]))
    assert (one.distinct, one.total, one.repeated) == (1, 1, 0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 6_000), st.integers(1, 5_000), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_any_split_merges_to_the_sample_of_the_whole(seed: int, events: int, different: int, parts: int) -> None:
    generator = np.random.default_rng(seed)
    hashes = generator.integers(0, different, events, dtype=np.uint64)
    part_of = generator.integers(0, parts, events)
    merged = IdSample.empty()
    for part in generator.permutation(parts):
        merged = merged.merge(IdSample.of(hashes[part_of == part]))
    assert merged == IdSample.of(hashes)
    assert items(merged) == naive(hashes.tolist())


def test_an_id_that_is_repeated_across_parts_is_counted_in_both() -> None:
    merged = IdSample.of(array([1, 2, 3])).merge(IdSample.of(array([3, 4, 4])))
    assert items(merged) == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert merged.repeated == 2


def test_the_share_of_repeats_in_a_sample_is_about_that_of_all_events() -> None:
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        ids = generator.integers(0, 2**64 - 1, 5_000, dtype=np.uint64)
        sample = IdSample.of(np.concatenate([ids, ids[:250]]))
        shares.append(sample.repeated / sample.total)
    assert np.mean(shares) == pytest.approx(250 / 5_250, rel=0.05)


# Hashes


def plain_hash(text: str) -> int:
    """FNV-1a and the last steps of splitmix64, on whole numbers."""
    found, every = 0xCBF29CE484222325, 2**64 - 1
    for byte in text.encode("utf-8", "surrogatepass"):
        found = ((found ^ byte) * 0x100000001B3) & every
    found = ((found ^ (found >> 30)) * 0xBF58476D1CE4E5B9) & every
    found = ((found ^ (found >> 27)) * 0x94D049BB133111EB) & every
    return found ^ (found >> 31)


def test_hashes_are_these_on_every_machine() -> None:
    """They are in stored profiles: other hashes would count no repeat across an upgrade."""
    assert [f"{found:016x}" for found in hashes_of(["e-1", "zürich-😀"]).tolist()] == ["0dc74b5dfc2effa0", "b38323b798707f7d"]


@given(st.lists(st.one_of(st.text(max_size=12), st.text(st.characters(categories=["Cs"]), max_size=3)), min_size=1, max_size=20))
def test_hashes_are_those_of_the_plain_algorithm_whatever_the_texts(ids: list[str]) -> None:
    assert hashes_of(ids).tolist() == ([plain_hash(text) if text else NO_ID for text in ids] if any(ids) else [])


def test_where_an_id_ends_matters() -> None:
    for one, other in ((["ab", "c"], ["a", "bc"]), (["é", "x"], ["éx", ""]), (["\ud83d", "\ude00"], ["😀", ""])):
        assert set(hashes_of(one).tolist()) & set(hashes_of(other).tolist()) == set()


def test_an_id_has_one_hash_beside_whatever_others() -> None:
    ids = ["a", "", "é", "\ud800", "a", "漢字", "😀", "a" * 1000]
    together = hashes_of(ids).tolist()
    assert together[0] == together[4]
    for text, found in zip(ids, together, strict=True):
        assert hashes_of([text, "z"]).tolist()[0] == found
    assert len(set(together)) == len(ids) - 1


def test_without_any_id_there_are_no_hashes() -> None:
    for ids in ([], [""], ["", "", ""]):
        found = hashes_of(ids)
        assert (len(found), found.dtype.name) == (0, "uint64")
    assert len(hashes_of(["", "a", ""])) == 3


def test_events_without_an_id_do_not_repeat_each_other() -> None:
    hashes = hashes_of(["", "a", "", "b", ""])
    assert IdSample.of(hashes[hashes != NO_ID]).total == 2


@pytest.mark.parametrize("shape", ["{}", "e-{}", "{:032x}", "2026-01-01T10:00:00Z/{}/loan"])
def test_sequential_ids_have_hashes_of_their_own_that_are_even(shape: str) -> None:
    """200,000 of them: none alike, and of every tenth of the range as many as chance has it; so are their lowest bits."""
    hashes = hashes_of([shape.format(number) for number in range(200_000)])
    assert len(np.unique(hashes)) == 200_000
    for bits in (hashes >> np.uint64(54), hashes & np.uint64(1023)):
        counts = np.bincount(bits.astype(np.int64), minlength=1024)
        chi_square = float(((counts - 200_000 / 1024) ** 2 / (200_000 / 1024)).sum())
        assert 1023 - 5 * 45 < chi_square < 1023 + 5 * 45, "5 standard deviations of chi-square"


# Unknown features


def extras() -> st.SearchStrategy[dict[str, int]]:
    """As profiles have them: names rising, at most `EXTRA_MAX`; few names, and now and then more than fit."""
    names = st.one_of(st.sets(st.sampled_from("abcdef")), st.sets(st.integers(0, 120), min_size=50, max_size=100).map(_texts))
    return names.flatmap(
        lambda found: st.integers(1, 2**40).map(lambda n: {name: n + i for i, name in enumerate(sorted(found)[:EXTRA_MAX])})
    )


def _texts(numbers: set[int]) -> set[str]:
    return {str(number) for number in numbers}


@given(extras(), extras(), extras())
@settings(deadline=None)
def test_unknown_features_merge_in_any_order_to_the_same(one: dict[str, int], two: dict[str, int], three: dict[str, int]) -> None:
    assert merge_extra(one, {}) == one == merge_extra({}, one)
    assert merge_extra(one, two) == merge_extra(two, one)
    assert merge_extra(merge_extra(one, two), three) == merge_extra(one, merge_extra(two, three))


@given(extras(), extras())
@settings(deadline=None)
def test_merged_features_are_the_first_names_with_the_events_of_both(one: dict[str, int], other: dict[str, int]) -> None:
    merged = merge_extra(one, other)
    assert list(merged.items()) == sorted((Counter(one) + Counter(other)).items())[:EXTRA_MAX]


def test_over_the_bound_the_first_names_stay_with_all_of_their_events() -> None:
    """Names in the order of the alphabet; each part keeps its own first ones, and the whole's first are among them."""
    held = {f"{number:03}": 1 + number % 3 for number in range(200)}
    parts = [{name: held[name] for name in sorted(held)[start::4]} for start in range(4)]
    merged: Any = {}
    for part in parts:
        assert len(part) < EXTRA_MAX
        merged = merge_extra(merged, part)
    assert merged == {f"{number:03}": 1 + number % 3 for number in range(EXTRA_MAX)}


# Real messages


class Taken(NamedTuple):
    """What is kept of one stream, segment and pane, its records merged."""

    profile: Profile
    slices: Slices


def messages_of(events: Sequence[Event]) -> list[MemoryMessage]:
    return [MemoryMessage(Record("captures", event.value), place % 3, place // 3, START_MS) for place, event in enumerate(events)]


def records(plan: Plan, events: Sequence[Event]) -> list[PaneProfile]:
    messages = messages_of(events)
    columns, rejected = plan.decoder().decode(messages, None)
    assert len(rejected) == sum(event.model is None for event in events)
    return summarise(plan, columns, messages)


def merged(panes: Iterable[PaneProfile]) -> dict[tuple[StreamKey, Segment, int], Taken]:
    found: dict[tuple[StreamKey, Segment, int], Taken] = {}
    for pane in panes:
        key = (pane.stream, pane.segment, pane.pane_start_ms)
        known = found.get(key)
        found[key] = (
            Taken(known.profile.merge(pane.profile), known.slices.merge(pane.slices)) if known else Taken(pane.profile, pane.slices)
        )
    return found


def changed(event: Event, **features: Any) -> Event:
    """The event with further features."""
    if event.model is None:
        return event
    body = {**event.body, "features": {**event.body["features"], **features}}
    return Event(event.time_ms, orjson.dumps(body), event.model, event.version, body)


def by_pane(plan: Plan, events: Iterable[Event]) -> dict[tuple[StreamKey, int], list[Event]]:
    """Which events are of which stream and pane, by their bodies alone."""
    found = defaultdict(list)
    for event in events:
        if event.model is not None:
            key = StreamKey(event.model, event.version)
            pane_ms = plan.streams[key].spec.pane_ms
            found[key, event.time_ms // pane_ms * pane_ms].append(event)
    return dict(found)


PLAN = plan_of(config_of())
TRAFFIC = traffic(11, 1_500, 60_000)


def test_repeated_events_of_real_messages_are_counted_exactly() -> None:
    """One in ten is sent twice, some of them thrice; what was no event at all is not counted."""
    events = [again for place, event in enumerate(TRAFFIC) for again in [event] * (3 if place % 50 == 0 else 2 if place % 10 == 0 else 1)]
    found = merged(records(PLAN, events))
    expected = by_pane(PLAN, events)
    assert {(stream, start) for stream, _, start in found} == set(expected)
    repeats = 0
    for (stream, start), own in expected.items():
        ids = found[stream, (), start].profile.ids
        counts = Counter(str(event.body["event_id"]) for event in own)
        assert items(ids) == naive(plain_hash(each) for each in counts.elements())
        assert ids.distinct == min(len(counts), SAMPLE_MAX)
        repeats += ids.repeated
    assert repeats > 50


def test_more_events_than_a_sample_holds_leave_the_lowest_hashes() -> None:
    events = traffic(12, 3_000, 4_000, [("loan", None)])
    found = merged(records(PLAN, events))
    assert max(taken.profile.events for taken in found.values()) > SORTED_WHOLE
    for (stream, start), own in by_pane(PLAN, events).items():
        ids = found[stream, (), start].profile.ids
        assert ids.distinct == SAMPLE_MAX
        assert items(ids) == naive(plain_hash(str(event.body["event_id"])) for event in own)


def test_unknown_features_of_real_messages_are_counted_exactly() -> None:
    """Whatever they hold but nothing at all: null, objects, and the names of known fields elsewhere."""
    values: list[dict[str, Any]] = [{}, {"device": "phone"}, {"device": None, "zone": 3}, {"a": {"b": 1}}, {"score": 0.5}, {"": 1}]
    events = [changed(event, **values[place % len(values)]) for place, event in enumerate(TRAFFIC)]
    events[700] = changed(TRAFFIC[700], rare=True)
    found = merged(records(PLAN, events))
    for (stream, start), own in by_pane(PLAN, events).items():
        known = {column.name for column in PLAN.streams[stream].baseline.schema.features}
        expected = Counter(name for event in own for name in event.body["features"] if name not in known)
        extra = found[stream, (), start].profile.extra
        assert dict(extra) == dict(expected)
        assert list(extra) == sorted(extra)
        assert "device" in extra
    assert [taken.profile.extra.get("rare") for taken in found.values() if "rare" in taken.profile.extra] == [1], "in one pane of many"


def test_events_without_unknown_features_have_none() -> None:
    assert {len(pane.profile.extra) for pane in records(PLAN, TRAFFIC)} == {0}


def segmented() -> Plan:
    tree = config_tree()
    tree["models"]["loan"]["segments"] = ["region"]
    return plan_of(parse_config(tree, "test"))


SEGMENTED = segmented()


def mixed() -> list[Event]:
    """Repeats, unknown features, values that the baseline does not know, faults, and all streams."""
    changes: list[dict[str, Any]] = [{"device": "phone"}, {}, {}, {}, {"device": "desk", "region": "moon"}, {}, {"region": 7}]
    events = [changed(event, **changes[place % len(changes)]) for place, event in enumerate(traffic(13, 1_200, 60_000))]
    return events + events[::9]


def test_segments_add_up_to_the_whole() -> None:
    """Profiles with their ids, samples and unknown features, and slices; of the streams that have segments, which fraud has not.

    How events came is the affair of the whole alone.
    """
    found = merged(records(SEGMENTED, mixed()))
    segments = {segment for stream, segment, _ in found if stream.model == "loan"}
    assert segments == {(), *((("region", name),) for name in (*REGIONS, "atlantis", "other"))}
    assert {segment for stream, segment, _ in found if stream.model == "fraud"} == {()}
    for (stream, segment, start), whole in found.items():
        if stream.model == "loan" and not segment:
            assert added(stream, start, found) == whole._replace(profile=replace(whole.profile, transit=Transit.empty()))
            assert whole.profile.transit.late.n == whole.profile.events
            assert whole.profile.ids.repeated > 0
            assert len(whole.profile.samples) == SAMPLES_MAX
            assert whole.profile.extra.keys() == {"device"}


def added(stream: StreamKey, start: int, found: dict[tuple[StreamKey, Segment, int], Taken]) -> Taken:
    """All segments of one pane."""
    baseline = SEGMENTED.streams[stream].baseline
    profile, slices = Profile.empty(baseline.layout), Slices.empty(len(baseline.columns))
    for (other, segment, pane), part in found.items():
        if (other, pane) == (stream, start) and segment:
            profile, slices = profile.merge(part.profile), slices.merge(part.slices)
    return Taken(profile, slices)


def test_a_segment_holds_the_events_of_its_value() -> None:
    events = mixed()
    found = merged(records(SEGMENTED, events))
    for (stream, start), own in by_pane(SEGMENTED, events).items():
        regions = Counter(event.body["features"]["region"] for event in own)
        regions["other"] = regions["moon"] + regions[7]
        for name in (*REGIONS, "atlantis", "other") if stream.model == "loan" else ():
            held = found.get((stream, (("region", name),), start))
            assert (held.profile.events if held else 0) == regions[name]


def test_slices_hold_every_value_of_the_pane_once_in_its_second() -> None:
    events = mixed()
    found = merged(records(PLAN, events))
    for (stream, start), own in by_pane(PLAN, events).items():
        taken = found[stream, (), start]
        seconds = Counter(event.time_ms // SLICE_MS for event in own)
        assert taken.slices.starts.tolist() == sorted(seconds)
        place = [column.name for column in PLAN.streams[stream].baseline.schema.columns].index("employed")
        assert taken.slices.n[:, place].tolist() == [seconds[second] for second in sorted(seconds)], "which no event lacks"
        assert taken.profile.events == len(own)
        assert (taken.slices.n <= np.array([seconds[second] for second in sorted(seconds)])[:, None]).all()


@pytest.mark.parametrize("cells", [1, 10, 17, 10_000])
def test_slices_that_are_too_many_for_a_record_go_on_in_further_ones_of_no_event(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = mixed()
    expected = merged(records(SEGMENTED, events))
    monkeypatch.setattr("stream_monitor.pipeline.summarise.CELLS_MAX", cells)
    panes = records(SEGMENTED, events)
    assert merged(panes) == expected
    assert (len(panes) > len(expected)) is (cells < 10_000)
    seen: set[tuple[StreamKey, Segment, int]] = set()
    for pane in panes:
        key = (pane.stream, pane.segment, pane.pane_start_ms)
        assert pane.slices.n.size <= max(cells, pane.slices.n.shape[1]), "one slice at least"
        assert len(pane.slices) > 0
        assert (pane.profile == Profile.empty(SEGMENTED.streams[pane.stream].baseline.layout)) is (key in seen), (
            "the first one has them all"
        )
        seen.add(key)


def test_no_events_are_no_records() -> None:
    assert records(SEGMENTED, []) == []
    assert records(SEGMENTED, [event for event in TRAFFIC if event.model is None][:3]) == []
