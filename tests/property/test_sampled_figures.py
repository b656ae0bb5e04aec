"""Figures of a sample: where the join holds one id in 8, 16 or more, what is true of all events lies within the interval that is stated."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest

from stream_monitor.detect.outcomes.bias import bias
from stream_monitor.detect.outcomes.measure import Estimate, Measure
from stream_monitor.detect.outcomes.quality import quality
from stream_monitor.pipeline.join.join import Join, JoinState
from stream_monitor.pipeline.join.outcomes import Judged, Outcomes, OutcomeWindow
from stream_monitor.pipeline.join.record import Captured, CaptureRows, JoinRecord, LabelRows
from stream_monitor.pipeline.join.sample import reliefs_of
from stream_monitor.profile.outcome import Group, OutcomeLayout
from stream_monitor.profile.weights import Weights
from stream_monitor.window.spec import WindowSpec
from tests.property.test_join_laws import KEY, PANE_MS, plan_of

SEEDS: Final = 200
LEVEL: Final = 0.95
LEAST: Final = SEEDS * LEVEL - 3 * math.sqrt(SEEDS * LEVEL * (1 - LEVEL))
"""So many of the intervals hold the truth: 0.95 of them, less three standard errors."""
LAYOUT: Final = OutcomeLayout("binary", ("no", "yes"), 1)
LATENESS_MS: Final = 10**9


def some_events(random: np.random.Generator, n: int, pane: int, accuracy: float) -> JoinRecord:
    """N events of a pane and the labels of all."""
    ids = random.integers(1, 2**64, n, dtype=np.uint64)
    predicted = random.integers(1, 3, n).astype(np.uint16)
    label = np.where(random.random(n) < accuracy, predicted, 3 - predicted).astype(np.uint16)
    time_ms = pane * PANE_MS + random.integers(0, PANE_MS, n)
    nothing, none = np.full(n, np.nan), np.zeros((0, n), dtype=np.uint16)
    rows = CaptureRows(ids, time_ms, predicted, np.zeros(n, dtype=np.uint16), nothing, none, none)
    return JoinRecord("loan", 1, "layout", (Captured(KEY, "baseline", rows),), LabelRows(ids, time_ms + 1, label, nothing))


def told(joins: Sequence[tuple[Join, JoinRecord]], size_ms: int) -> OutcomeWindow:
    """The one window over what these joins say."""
    plan, rates = joins[0][0].plan, dict[int, int]()
    outcomes = Outcomes(plan.layout, WindowSpec(size_ms, size_ms, 0, 0, 1, size_ms), LATENESS_MS, plan.reliefs)
    for join, record in joins:
        for change in join.apply(record, None).changes:
            outcomes.add(change)
        rates |= join.sample.rates
    (window,) = outcomes.advance(size_ms, rates)
    return window


def holds(window: Judged, name: str, truth: float) -> bool:
    (measure,) = [each for each in quality(LAYOUT, window.vector, LEVEL, window.weights.whole) if each.name == name]
    assert measure.low is not None
    assert measure.high is not None
    return measure.low <= truth <= measure.high


def figures(records: Sequence[JoinRecord]) -> dict[str, float]:
    """Of all events."""
    pairs = [(rows.predicted, record.labels.label) for record in records for _, _, rows in record.captures if record.labels is not None]
    predicted, label = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return {"accuracy": float((predicted == label).mean()), "recall": float((predicted == label)[label == 2].mean())}


@pytest.mark.parametrize(("rows_max", "rate"), [(700, 3), (350, 4)], ids=["1 in 8", "1 in 16"])
def test_the_truth_of_all_lies_within_the_interval_of_a_sample(rows_max: int, rate: int) -> None:
    hits = dict.fromkeys(("accuracy", "recall"), 0)
    for seed in range(SEEDS):
        record = some_events(np.random.default_rng(seed), 4_000, 0, 0.85)
        join = Join(plan_of(LAYOUT, rows_max))
        window = told([(join, record)], PANE_MS)
        assert (join.sample.rate, window.labelled.weights.whole) == (rate, 2**rate)
        for name, truth in figures([record]).items():
            hits[name] += holds(window.labelled, name, truth)
    assert all(n >= LEAST for n in hits.values()), hits


def test_panes_of_unequal_rates_make_one_figure() -> None:
    """A pane in which one id in 16 was held, and 0.9 of predictions were right, with one of 1 in 2 and 0.6: neither counts too much."""
    hits = dict.fromkeys(("accuracy", "recall"), 0)
    errors = []
    for seed in range(SEEDS):
        random = np.random.default_rng(1_000 + seed)
        records = [some_events(random, 6_000, 0, 0.9), some_events(random, 1_000, 1, 0.6)]
        joins = [Join(plan_of(LAYOUT), JoinState(rate)) for rate in (4, 1)]
        window = told(list(zip(joins, records, strict=True)), 2 * PANE_MS)
        assert 2 < window.labelled.weights.whole < 16
        for name, truth in figures(records).items():
            hits[name] += holds(window.labelled, name, truth)
        (accuracy,) = [each.value for each in quality(LAYOUT, window.labelled.vector) if each.name == "accuracy"]
        assert accuracy is not None
        errors.append(accuracy - figures(records)["accuracy"])
    assert all(n >= LEAST for n in hits.values()), hits
    assert abs(np.mean(errors)) < 3 * np.std(errors) / math.sqrt(SEEDS)  # and none is biased


GROUPED: Final = OutcomeLayout("binary", ("no", "yes"), 1, groups=(Group("gender", "f"), Group("gender", "m")))
RARE: Final = 0.02


def of_two_groups(random: np.random.Generator, n: int) -> tuple[JoinRecord, dict[str, float]]:
    """Events of which few are of the group f, which is accepted less often and served worse; and what is true of all of them."""
    record = some_events(random, n, 0, 0.85)
    (captured,), labels = record.captures, record.labels
    assert labels is not None
    is_rare, yes = random.random(n) < RARE, labels.label == 2
    accepted = random.random(n) < np.where(is_rare, np.where(yes, 0.6, 0.2), np.where(yes, 0.8, 0.3))
    rows = captured.rows._replace(predicted=(1 + accepted).astype(np.uint16), groups=np.where(is_rare, 0, 1).astype(np.uint16)[None])
    rates = [accepted[side].mean() for side in (~is_rare, is_rare)]
    recalls = [accepted[side & yes].mean() for side in (~is_rare, is_rare)]
    truth = {
        "statistical_parity_difference": rates[0] - rates[1],
        "equal_opportunity_difference": recalls[0] - recalls[1],
        "disparate_impact": rates[1] / rates[0],
        "accuracy": (accepted == yes).mean(),
    }
    return JoinRecord("loan", 1, "layout", (captured._replace(rows=rows),), labels), truth


def sampled(record: JoinRecord, relief: tuple[int, int]) -> tuple[dict[str, Measure], Weights]:
    """Figures of a tenth of the rows at most, and what rows stand for."""
    window = told([(Join(plan_of(GROUPED, 800, relief=relief)), record)], PANE_MS).labelled
    found = bias(GROUPED, window.vector, {"gender": "m"}, LEVEL, weights=window.weights)
    found += quality(GROUPED, window.vector, LEVEL, window.weights.whole)
    return {each.name: each for each in found}, window.weights


def test_a_relieved_group_has_rows_enough_and_the_truth_lies_within_the_intervals() -> None:
    """A group of 2 %: all its 160 events are held and not 10, which would give no interval. Each side counts what its own rows stand for,
    and the group no more for the whole than it is: a quarter of the rows, a fiftieth of the events.
    """
    relief = reliefs_of([[round(1_000 * RARE), 1_000 - round(1_000 * RARE)]])
    assert relief == (4, 0)
    hits, errors = Counter[str](), dict[str, list[float]]()
    for seed in range(SEEDS):
        record, truth = of_two_groups(np.random.default_rng(seed), 8_000)
        found, weights = sampled(record, relief)
        assert weights.groups is not None
        assert weights.groups.tolist() == [1, 16]
        for name, value in truth.items():
            bounds = Estimate(found[name].value, found[name].low, found[name].high).bounds
            assert bounds is not None
            hits[name] += bounds[1] <= value <= bounds[2]
            errors.setdefault(name, []).append(bounds[0] - value)
    assert all(hits[name] >= LEAST for name in errors), hits
    for name in errors.keys() - {"disparate_impact"}:  # a ratio of two estimates is a little too high
        assert abs(np.mean(errors[name])) < 3 * np.std(errors[name]) / math.sqrt(SEEDS), "none is biased"
    assert sampled(record, (0, 0))[0]["statistical_parity_difference"].low is None
