"""Merge laws of everything that merges, found by walking the package."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stream_monitor
from stream_monitor.capture.decode import Decoder
from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.profile import SAMPLES_MAX, Profile, Sample
from stream_monitor.runtime.broker import Record
from stream_monitor.runtime.memory.log import MemoryMessage
from tests.property.pipeline_world import START_MS, config_of, plan_of, traffic

LAYOUT = Layout(("amount", "region"), (7, 4), (True, False))
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
    )


def _more(profile: Profile, name: str) -> Any:
    """Another value of one field."""
    extra = {"events": profile.events + 1, "samples": (Sample(-1, "t", 0, 0, b"1234"), *profile.samples)[:SAMPLES_MAX]}
    return extra[name] if name in extra else getattr(profile, name) + 1


MERGEABLE: Final[Mapping[type, tuple[Callable[[], st.SearchStrategy[Any]], Any, Callable[[Any, str], Any]]]] = {
    Profile: (profiles, Profile.empty(LAYOUT), _more)
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
    merged: dict[tuple[StreamKey, int], Profile] = {}
    for part in parts:
        for key, profile in part.items():
            merged[key] = merged[key].merge(profile) if key in merged else profile
    assert merged == whole
    assert sum(profile.events for profile in whole.values()) == sum(event.model is not None for event in events)
    for (stream, _), profile in whole.items():
        layout = PLAN.streams[stream].baseline.layout
        assert all(total == profile.events for total in np.add.reduceat(profile.counts, layout.starts[:-1]))


def panes(messages: list[MemoryMessage]) -> dict[tuple[StreamKey, int], Profile]:
    decoder: Decoder = PLAN.decoder()
    columns, _ = decoder.decode(messages, None)
    return {(pane.stream, pane.pane_start_ms): pane.profile for pane in summarise(PLAN, columns, messages)}
