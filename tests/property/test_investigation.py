"""Contributions sum to the whole, whatever the rows and their order; and the first is where the change was put."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from stream_monitor.alert.alert import Affected, Agreeing, Evidence, Moved, SampleEvent
from stream_monitor.alert.contribution import SHOWN_MAX, Contribution, surprise
from stream_monitor.alert.investigation import REST, investigate
from stream_monitor.detect.finding import FindingKind
from stream_monitor.detect.report import Span, WindowScore
from tests.respond.alerts import ALERT, at

WHOLE = at(ALERT, segment={}, version=None, evidence=Evidence((), ()))
END = ALERT.window.end
EARLIER = "2026-01-05T15:55:00.000Z"


def row(score: float | None, events: int = 100, **fields: Any) -> WindowScore:
    span = Span("2026-01-05T16:00:00.000Z", fields.pop("end", END), events)
    own: dict[str, Any] = {"model": "loan", "version": None, "segment": {}, "window": span}
    own |= {"revision": 1, "feature": "income", "detector": "psi", "threshold": 0.2, "p_value": None, "status": "judged"}
    return WindowScore(**(own | {"score": score} | fields))


def total(group: Sequence[Contribution]) -> float:
    return sum(each.share for each in group)


shares = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=2, max_size=12).filter(
    lambda pairs: sum(p for p, _ in pairs) > 0 and sum(q for _, q in pairs) > 0
)


@given(shares)
def test_surprise_sums_to_the_divergence(counts: list[tuple[int, int]]) -> None:
    before, now = (np.array(side) / sum(side) for side in zip(*counts, strict=True))
    terms = [surprise(p, q) for p, q in zip(before.tolist(), now.tolist(), strict=True)]
    assert min(terms) >= 0
    assert sum(terms) == pytest.approx(jensenshannon(before, now, base=2) ** 2, abs=1e-9)


@given(shares, st.integers(0, 5))
def test_bins_sum_to_the_whole_change_the_rest_as_one(counts: list[tuple[int, int]], shown: int) -> None:
    before, now = (np.array(side) / sum(side) for side in zip(*counts, strict=True))
    moved = tuple(Moved(f"bin {i}", float(before[i]), float(now[i])) for i in range(min(shown, len(counts))))
    bins = investigate(at(WHOLE, evidence=Evidence(moved, ()))).bins
    assert len(bins) == (len(moved) + 1 if moved else 0)
    assert total(bins) == pytest.approx(1) or all(each.share == 0 for each in bins)
    assert [each.share for each in bins] == sorted((each.share for each in bins), reverse=True)


scored = st.lists(st.tuples(st.one_of(st.none(), st.floats(0, 50)), st.integers(0, 10_000)), min_size=1, max_size=SHOWN_MAX)


@given(scored, st.randoms(use_true_random=False))
def test_segments_versions_and_features_sum_to_one_in_any_order(values: list[tuple[float | None, int]], chance: Any) -> None:
    rows = [row(score, events, segment={"region": f"r{i}"}) for i, (score, events) in enumerate(values)]
    rows += [row(score, events, version=f"v{i}") for i, (score, events) in enumerate(values)]
    rows += [row(score, events, feature=f"f{i}") for i, (score, events) in enumerate(values)]
    rows += [row(score, events, segment={"city": "Rome"}, model="other") for score, events in values]
    found = investigate(WHOLE, rows)
    for group in (found.segments, found.versions, found.features):
        assert total(group) == pytest.approx(1) or all(each.share == 0 for each in group)
        assert all(0 <= each.share <= 1 for each in group)
    chance.shuffle(rows)
    assert investigate(WHOLE, rows) == found


def test_a_segment_that_drifts_with_few_events_is_less_than_one_with_many() -> None:
    rows = [row(2.0, 10, segment={"region": "small"}), row(1.0, 990, segment={"region": "large"})]
    found = investigate(WHOLE, rows).segments
    assert [each.name for each in found] == ["region = large", "region = small"]
    assert found[0].share == pytest.approx(990 / 1010)
    assert (found[0].now, found[0].score, found[0].before) == (0.99, 1.0, None)


def test_earlier_windows_say_how_the_traffic_was_mixed() -> None:
    names = ("north", "south")
    rows = [row(0.5, 900, segment={"region": "north"}), row(0.5, 100, segment={"region": "south"})]
    rows += [row(0.01, 50, segment={"region": name}, end=EARLIER) for name in names]
    found = {each.name: each for each in investigate(WHOLE, rows).segments}
    assert (found["region = north"].before, found["region = north"].now) == (0.5, 0.9)


def test_each_name_of_a_segment_is_a_whole_of_its_own() -> None:
    rows = [row(1.0, 100, segment={name: value}) for name in ("region", "age") for value in ("a", "b")]
    assert [each.share for each in investigate(WHOLE, rows).segments] == [0.5] * 4


def test_the_newest_revision_counts() -> None:
    old, new = row(9.0, segment={"region": "a"}), row(1.0, segment={"region": "a"}, revision=2)
    other = row(1.0, segment={"region": "b"})
    for rows in ([old, new, other], [new, old, other]):
        assert [each.share for each in investigate(WHOLE, rows).segments] == [0.5, 0.5]


def test_a_figure_that_fell_counts_by_what_it_lacks() -> None:
    accuracy = at(WHOLE, kind=FindingKind.MODEL_QUALITY, feature=None, detector="accuracy", score=0.7, threshold=0.9)
    rows = [row(score, 100, feature=None, detector="accuracy", segment={"region": name}) for name, score in (("a", 0.5), ("b", 0.95))]
    assert [(each.name, each.share) for each in investigate(accuracy, rows).segments] == [("region = a", 1.0), ("region = b", 0.0)]
    inputs = [row(0.6, feature="income"), row(0.1, feature="age"), row(None, feature="job"), row(0.4, feature="term", threshold=None)]
    found = investigate(accuracy, inputs).features
    assert (found[0].name, found[0].share) == ("income", 1.0)
    assert investigate(accuracy, [*rows, *inputs]).sentence.endswith("comes from region = a, of the inputs income moved most")


def test_a_drift_that_eases_is_still_one_that_rose() -> None:
    eased = at(WHOLE, score=0.1, evidence=Evidence((), (), None, (Agreeing("psi", 1.0, 0.2, None),)))
    rows = [row(score, 100, segment={"region": name}) for name, score in (("a", 0.15), ("b", 0.05))]
    assert [(each.name, round(each.share, 6)) for each in investigate(eased, rows).segments] == [("region = a", 0.75), ("region = b", 0.25)]


def test_without_rows_the_evidence_says_what_it_knows() -> None:
    affected = (Affected({"region": "north"}, None, 3.0, 100), Affected({"region": "south"}, None, 1.0, 100), Affected({}, "7", 2.0, 50))
    samples = (SampleEvent("eu", 0, 1), SampleEvent("eu", 0, 2), SampleEvent("us", 0, 1))
    found = investigate(at(WHOLE, evidence=Evidence(ALERT.evidence.moved, samples, None, (), affected)))
    assert [(each.name, each.share) for each in found.segments] == [("region = north", 0.75), ("region = south", 0.25)]
    assert [each.name for each in found.versions] == ["7"]
    assert [each.name for each in found.sources] == ["eu [0]", "us [0]"]
    assert found.features == ()
    assert "region = north" in found.sentence
    assert "[8602.97, 22562.8)" in found.sentence


def test_an_alert_that_shows_nothing_has_nothing_that_stands_out() -> None:
    found = investigate(at(WHOLE, kind=FindingKind.OPERATIONAL, feature=None, detector="volume"))
    assert found.bins == found.segments == found.versions == found.features == found.sources == ()
    assert found.sentence == "loan: volume: nothing stands out"


def test_of_a_segment_what_is_inside_is_not_known() -> None:
    assert investigate(ALERT, [row(1.0, segment={"city": "Rome"})]).segments == ()


def test_many_are_shown_in_part() -> None:
    rows = [row(1.0, segment={"region": f"{i:04}"}) for i in range(1000)]
    found = investigate(WHOLE, rows).segments
    assert len(found) == SHOWN_MAX
    assert total(found) == pytest.approx(SHOWN_MAX / 1000)


def test_bins_of_the_rest_never_lead_the_sentence() -> None:
    found = investigate(at(WHOLE, evidence=Evidence((Moved("a", 0.1, 0.11),), ())))
    assert REST in {each.name for each in found.bins}
    assert REST not in found.sentence
    assert msgspec.json.encode(found)


def test_producers_are_ranked_where_the_alert_is_about_them() -> None:
    health = {"kind": FindingKind.CAPTURE_HEALTH, "feature": None}
    moved = (Moved("a", 0.5, 0.1), Moved("b", 0.2, 0.6), Moved("c", 0.1, 0.1))
    mixed = investigate(at(WHOLE, **health, detector="sampling_shift", evidence=Evidence(moved, ())))
    assert [each.name for each in mixed.producers[:2]] == ["a", "b"]
    assert total(mixed.producers) == pytest.approx(1)
    assert "comes from a" in mixed.sentence
    missing = Evidence((Moved("a", 30.0, 0.0), Moved("b", 90.0, 0.0)), ())
    silent = investigate(at(WHOLE, **health, detector="producer_silence", evidence=missing))
    assert [(each.name, each.share) for each in silent.producers] == [("b", 0.75), ("a", 0.25)]
    assert not investigate(at(WHOLE, evidence=Evidence(moved, ()))).producers
