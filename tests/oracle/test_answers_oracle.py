"""Answers by features' bins: counts, entropy and distance by their plain formulas, and what chance, other inputs and another model do."""

import re
from collections.abc import Mapping
from dataclasses import replace
from math import log2, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from stream_monitor.baseline.answers import Answers
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.detect.finding import FindingKind
from stream_monitor.detect.outcomes.answers import ROWS_MIN, Usual
from stream_monitor.detect.outcomes.intervals import quantile
from stream_monitor.detect.outcomes.judge import OutcomeJudge, OutcomeScore
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.outcome_rows import OutcomeRows
from stream_monitor.profile.weights import EVENTS, Weighed, Weights
from tests.oracle.outcome_rows import EDGES, GROUPS, vector

CELLS = 12
Z = quantile(0.99)
Codes = NDArray[np.int64]
CLASSES = OutcomeLayout("multiclass", ("a", "b", "c"), cells=CELLS)
YES_NO = OutcomeLayout("binary", ("no", "yes"), positive=1, groups=GROUPS, cells=CELLS)
NUMBERS = OutcomeLayout("regression", center=10.0, scale=2.5, edges=EDGES, cells=CELLS)
FEATURES = (Segmentation("age", False, ("< 30", "[30, 60)", ">= 60"), (), (30.0, 60.0)), Segmentation("sex", False, ("f", "m"), ()))
seeds = st.integers(0, 2**32 - 1)


def outcomes(layout: OutcomeLayout, cells: Codes, predicted: Codes, seed: int = 0, panes: int = 4) -> Vector:
    """predicted: codes, of a regression whole numbers for the values; every event is in a first group, where there are any."""
    n, none = len(cells), np.full(len(cells), np.nan)
    first = np.zeros((int(bool(layout.groups)), n), dtype=np.int64)
    groups = np.concatenate([first, (cells + len(layout.groups))[None]]).astype(np.uint16)
    codes, value = (np.zeros(n), predicted.astype(float)) if layout.task == "regression" else (predicted, none)
    zeros = np.zeros(n, np.uint16)
    return vector(layout, OutcomeRows(codes.astype(np.uint16), zeros, value, groups, zeros, none, np.zeros(n, np.uint8)), panes, seed)


def usual(rows: NDArray[np.float64]) -> Usual:
    return Usual(Answers(FEATURES, ()), ("a", "b", "c", "another class"), rows)


def draw(generator: np.random.Generator, shares: NDArray[np.float64], weights: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Counts [cells, answers] of n events, cells by their weights."""
    return generator.multinomial(generator.multinomial(n, weights / weights.sum()), shares).astype(float)


def seen(counts: NDArray[np.float64]) -> Vector:
    """The window's vector with these counts of answers."""
    found = CLASSES.empty()
    CLASSES.part(found, "answers")[:, 1:] = counts
    CLASSES.part(found, "joint")[0, 1:] = counts.sum(axis=0)
    return found


@pytest.mark.parametrize("layout", [CLASSES, YES_NO, NUMBERS])
@given(seeds, st.integers(0, 300))
def test_counts_are_those_of_a_table_in_any_split(layout: OutcomeLayout, seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    cells, predicted = generator.integers(0, CELLS + 1, n), generator.integers(0, len(layout.classes) + 2 or 25, n)
    if layout.task == "regression":
        predicted = generator.integers(0, 22, n)
    codes = np.clip(np.digitize(predicted, EDGES), 0, len(EDGES) - 1) + 1 if layout.task == "regression" else predicted
    found = outcomes(layout, cells, predicted, seed)
    plain = np.zeros((CELLS + 1, layout.answers), dtype=np.int64)
    np.add.at(plain, (cells, codes), 1)
    assert (layout.part(found, "answers") == plain[:CELLS]).all(), "the place behind the last is nowhere"
    if layout.groups:
        assert layout.part(found, "groups")[0].sum() == n
        assert not layout.part(found, "groups")[1:].any()
    assert layout.events(found) == n


def test_a_number_that_is_lacking_or_beyond_the_range_has_its_code() -> None:
    values = np.array([np.nan, -1e9, EDGES[0], EDGES[-2], EDGES[-1], 1e9])
    none, zeros = np.full(6, np.nan), np.zeros(6, np.uint16)
    found = vector(NUMBERS, OutcomeRows(zeros, zeros, values, zeros[None], zeros, none, np.zeros(6, np.uint8)))
    counts = NUMBERS.part(found, "answers")[0]
    assert {code: n for code, n in enumerate(counts.tolist()) if n} == {0: 1, 1: 1, 2: 1, NUMBERS.answers - 1: 3}


@given(seeds, st.integers(1, 2_000))
def test_figures_are_their_plain_formulas(seed: int, n: int) -> None:
    """Entropy with as much more as Miller says, training's by the window's cells; the distance is scipy's, less what chance makes."""
    generator = np.random.default_rng(seed)
    shares, weights = generator.dirichlet(np.full(4, 0.3), CELLS), generator.dirichlet(np.ones(CELLS))
    rows, counts = draw(generator, shares, weights, 5_000), draw(generator, generator.dirichlet(np.ones(4), CELLS), weights[::-1], n)
    rows[rows.sum(axis=1) < ROWS_MIN] = 0
    kept = [cell for cell in range(CELLS) if rows[cell].any() and counts[cell].any()]
    (bits, before), (apart, like) = usual(rows).compare(CLASSES, seen(counts), Z)
    compared = counts[kept].sum()
    assert bits.events == apart.events == compared
    if not compared:
        assert bits.value is apart.value is None
        return

    def opened(side: NDArray[np.float64], cell: int) -> float:
        more = (np.count_nonzero(side[cell]) - 1) / (2 * np.log(2) * side[cell].sum())
        return float(min(entropy(side[cell], base=2) + more, log2(4)))

    weight = {cell: counts[cell].sum() / compared for cell in kept}
    assert bits.value == pytest.approx(sum(weight[cell] * opened(counts, cell) for cell in kept))
    assert before.value == pytest.approx(sum(weight[cell] * opened(rows, cell) for cell in kept))
    plain = sum(weight[cell] * jensenshannon(counts[cell], rows[cell], base=2) ** 2 for cell in kept)
    assert apart.value is not None
    assert 0 <= apart.value <= sqrt(plain) + 1e-9
    assert like.value == 0
    for each in (bits, apart):
        assert each.value is not None
        assert each.low is not None
        assert each.high is not None
        assert 0 <= each.low <= each.value <= each.high


@pytest.mark.parametrize("n", [60, 600, 6_000])
def test_the_distance_of_like_sides_is_nothing_on_average(n: int) -> None:
    """What chance makes of it is taken off, where cells hold five events and where they hold five hundred."""
    generator = np.random.default_rng(n)
    shares, weights = generator.dirichlet(np.full(4, 0.5), CELLS), np.ones(CELLS)
    plain, left = [], []
    for _ in range(300):
        rows, counts = draw(generator, shares, weights, 5_000), draw(generator, shares, weights, n)
        found = usual(rows).compare(CLASSES, seen(counts), 0.0)[1].measure
        cells = [cell for cell in range(CELLS) if counts[cell].any()]
        plain.append(sum(counts[cell].sum() / n * jensenshannon(counts[cell], rows[cell], base=2) ** 2 for cell in cells))
        assert found.value is not None
        left.append(plain[-1] - found.value**2 if found.value else np.nan)
    assert np.nanmean(left) == pytest.approx(np.mean(plain), rel=0.2)


def judged(
    counts: NDArray[np.float64], rows: NDArray[np.float64], weight: float = 1.0, limits: Mapping[str, float] | None = None
) -> dict[str, OutcomeScore]:
    judge = OutcomeJudge(CLASSES, 1e-3, 1, 0.5, limits=limits or {}, usual=usual(rows))
    found = judge.at_close(seen(counts * weight), Weights(weight))
    return {each.score.key.detector: each for each in found if each.score.key.kind is FindingKind.CONCEPT_DRIFT}


def bad(found: dict[str, OutcomeScore]) -> set[str]:
    return {name for name, each in found.items() if each.finding is not None}


SURE = np.full((CELLS, 4), 0.02) + 0.92 * np.eye(4)[np.arange(CELLS) % 4]
"""Each combination has its own answer, mostly."""


@pytest.mark.parametrize("sureness", [0.3, 3.0])
@pytest.mark.parametrize("weight", [1.0, 8.0])
def test_inputs_that_come_otherwise_are_no_change_of_the_model(sureness: float, weight: float) -> None:
    """At a level of one in a thousand, in 400 windows of any mix of inputs, few or many; each may stand for several. However small a
    change may be that counts.
    """
    generator = np.random.default_rng(int(sureness * 10 + weight))
    alarms = 0
    for _ in range(400):
        shares = generator.dirichlet(np.full(4, sureness), CELLS)
        rows = draw(generator, shares, np.ones(CELLS), 4_000)
        counts = draw(generator, shares, generator.dirichlet(np.full(CELLS, 0.3)), int(10 ** generator.uniform(1, 3.7)))
        alarms += bool(bad(judged(counts, rows, weight, {"prediction_js_drop": 0.0, "prediction_entropy_drop": 0.0})))
    assert alarms <= 1


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_rows_that_stand_for_unequal_numbers_of_events_are_no_change_of_the_model(part: float) -> None:
    """A group that is not thinned has half of the combinations, and such a part of all events; of the rest one in 16 is held."""
    generator, layout, cells = np.random.default_rng(round(100 * part)), replace(CLASSES, cells=125), 125
    alarms = 0
    for _ in range(200):
        shares, mix = generator.dirichlet(np.full(4, 0.5), cells), generator.dirichlet(np.ones(cells))
        rows, sample = draw(generator, shares, np.ones(cells), 40_000), Weighed(layout)
        for weight, events, mine in ((1, part, np.arange(cells) % 2 == 0), (16, 1 - part, np.arange(cells) % 2 == 1)):
            held = draw(generator, shares, mix * mine, int(40_000 * events / weight))
            one = layout.empty()
            layout.part(one, "answers")[:, 1:], layout.part(one, "joint")[0, 1:] = held, held.sum(axis=0)
            sample.add(one, weight)
        bits, apart = usual(rows).compare(layout, sample.vector, quantile(0.999), sample.weights)
        assert apart.measure.low is not None
        assert bits.measure.low is not None
        assert bits.before.high is not None
        alarms += apart.measure.low > 0 or bits.measure.low > bits.before.high
    assert alarms <= 2


def test_another_model_is_found_whatever_inputs_do() -> None:
    generator = np.random.default_rng(5)
    rows = draw(generator, SURE, np.ones(CELLS), 4_000)
    mixes = [np.ones(CELLS), generator.dirichlet(np.full(CELLS, 0.5))]
    for weights in mixes:
        swapped = bad(judged(draw(generator, np.roll(SURE, 1, axis=1), weights, 300), rows))
        assert swapped == {"prediction_js"}, "as sure as before of other answers: the entropy cannot know"
        shaken = bad(judged(draw(generator, (SURE + 1) / 5, weights, 300), rows))
        assert shaken == {"prediction_js", "prediction_entropy"}
        stuck = bad(judged(draw(generator, np.eye(4)[np.zeros(CELLS, int)], weights, 300), rows))
        assert stuck == {"prediction_js"}
    one = SURE.copy()
    one[4] = one[5]
    finding = judged(draw(generator, one, 1 + 5.0 * (np.arange(CELLS) == 4), 900), rows)["prediction_js"].finding
    assert finding is not None
    assert re.fullmatch(r"most for age \[30, 60\), sex = m: (a fell from 9. % to \d %|b rose from \d % to 9. %)", finding.note)


def test_what_few_events_show_is_not_sure() -> None:
    rows = np.round(SURE * 400)
    assert not bad(judged(np.eye(4)[np.ones(CELLS, int)] * (np.arange(CELLS)[:, None] == 0), rows)), "one event"
    nothing = judged(np.zeros((CELLS, 4)), rows)
    assert {each.score.score for each in nothing.values()} == {None}
    assert all(np.isfinite(each.score.threshold) for each in nothing.values()), "so that both count as tests"
    constant = np.zeros((CELLS, 4))
    constant[:, 1] = 50
    assert not bad(judged(constant, constant))
    assert judged(constant, constant)["prediction_js"].score.score == 0.0
    unknown = judged(constant, np.zeros((CELLS, 4)))
    assert {each.score.score for each in unknown.values()} == {None}, "training knew no such inputs"


def test_a_layout_or_a_judge_without_them_says_nothing() -> None:
    layout = OutcomeLayout("binary", ("no", "yes"), positive=1)
    assert "answers" not in layout.shapes
    judge = OutcomeJudge(CLASSES, 0.01, 1, 0.5)
    assert not [each for each in judge.at_close(CLASSES.empty(), EVENTS) if each.score.key.kind is FindingKind.CONCEPT_DRIFT]
