"""Bad data: what each detector of data quality says, what it takes for usual, and how often it is wrong."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from scipy import stats

from stream_monitor.baseline.build import build
from stream_monitor.capture.schema import Column, Kind, Role, Schema
from stream_monitor.detect.constant import SPREAD_MAX, follow_the_first
from stream_monitor.detect.decide import Judge, is_finding
from stream_monitor.detect.detector import Gate
from stream_monitor.detect.finding import Finding, FindingKind, Score, ScoreStatus, Shown
from stream_monitor.detect.gate import more_often
from stream_monitor.detect.pair import Counts, Inflation, Pair, Side
from stream_monitor.detect.quality import CLUMP, QUALITY, more_invalid, more_missing, more_outside, more_unseen
from stream_monitor.detect.reference import UNSEEN_NUMBERS, Reference, reference_of
from stream_monitor.detect.registry import Thresholds
from stream_monitor.detect.whole import DUPLICATES_MAX, WHOLE, WholeScore, at_least
from stream_monitor.profile import kernels
from stream_monitor.profile.ids import SAMPLE_MAX, IdSample
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE, INVALID, MISSING, Layout
from stream_monitor.profile.profile import Profile

ALPHA = 1e-6
EVENTS_MIN = 200
AMOUNT = Column("amount", Kind.NUMERIC)
COUNTRY = Column("country", Kind.CATEGORICAL)
BY_COLUMN = tuple(QUALITY)
TRIALS = 100_000


# One column


def profile(counts: Sequence[int], moments: Sequence[int] = (0, 0)) -> Profile:
    """Of one column: missing, invalid, below or other, then bins or categories, and above if it is a number."""
    return Profile(sum(counts), np.array(counts, dtype=np.int64), np.array(moments, dtype=np.int64).reshape(2, 1))


def reference(baseline: Profile, column: Column = AMOUNT, **changes: Any) -> Reference:
    """changes: other fields; unseen is what `reference_of` makes it where a category has no value that stood once."""
    numeric = column.kind is Kind.NUMERIC
    layout = Layout((column.name,), (len(baseline.counts),), (numeric,))
    unseen = np.array([UNSEEN_NUMBERS if numeric else 0], dtype=np.int64)
    return replace(Reference(Schema((column,)), layout, baseline, unseen, Inflation.none(1), {}), **changes)


def judge(ground: Reference) -> Judge:
    return Judge(ground, Thresholds(), ALPHA, EVENTS_MIN)


def score(detector: str, ground: Reference, window: Profile) -> Score:
    """The one score of a detector."""
    (found,) = (each for each in judge(ground).judge(window) if each.key.detector == detector)
    return found


def finding(detector: str, ground: Reference, window: Profile) -> Finding | None:
    own = judge(ground)
    return next((each for each in own.findings(own.judge(window), window) if each.key.detector == detector), None)


def fired(detector: str, ground: Reference, window: Profile) -> Finding:
    """The finding that there must be."""
    found = finding(detector, ground, window)
    assert found is not None, detector
    return found


def exact(part: int, whole: int, baseline_part: int, baseline_whole: int) -> float:
    """Fisher's test: of all ways to deal such events to both samples, the share with at least as many in the window."""
    return float(stats.hypergeom.sf(part - 1, whole + baseline_whole, part + baseline_part, whole))


def once(part: int, whole: int, baseline_part: int, baseline_whole: int, inflation: float = 1.0) -> float:
    a, b, c, d = (np.array([number]) for number in (part, whole, baseline_part, baseline_whole))
    return float(more_often(a, b, c, d, inflation)[0])


NUMBERS = profile([10, 0, 0, 500, 490, 0])
NAMES = profile([10, 5, 0, 600, 385])


def test_the_detectors_of_one_column_are_these() -> None:
    assert list(QUALITY) == ["missing_feature", "missing_ratio", "type_mismatch_ratio", "unseen_ratio", "out_of_range_ratio", "constant"]
    assert {name for name, each in QUALITY.items() if not each.applies_to(AMOUNT)} == {"unseen_ratio"}
    for kind in (Kind.CATEGORICAL, Kind.BOOLEAN):
        assert {name for name, each in QUALITY.items() if not each.applies_to(Column("x", kind))} == {"out_of_range_ratio"}
    assert all(each.is_quality for each in QUALITY.values())
    assert score("missing_ratio", reference(NUMBERS), NUMBERS).key == (FindingKind.DATA_QUALITY, "amount", "missing_ratio")


def names_of(column: Column) -> list[str]:
    return [name for name, each in QUALITY.items() if each.applies_to(column)]


@pytest.mark.parametrize(("column", "ground"), [(AMOUNT, NUMBERS), (COUNTRY, NAMES)])
def test_a_window_of_no_events_has_no_score(column: Column, ground: Profile) -> None:
    for name in names_of(column):
        found = score(name, reference(ground, column), profile([0] * len(ground.counts)))
        assert (found.score, found.p_value, found.status, found.real) == (None, None, ScoreStatus.TOO_FEW, False), name


@pytest.mark.parametrize(("column", "ground"), [(AMOUNT, NUMBERS), (COUNTRY, NAMES)])
@pytest.mark.parametrize("code", range(5))
def test_a_window_of_one_event_is_scored_and_never_judged(column: Column, ground: Profile, code: int) -> None:
    """Its score is 0 or 1; where that is bad, p is what one event can say: the share of the baseline, and not less than 1 / (n + 1)."""
    window = profile([int(place == code) for place in range(len(ground.counts))])
    for name in names_of(column):
        found = score(name, reference(ground, column), window)
        assert (found.status, found.real) == (ScoreStatus.TOO_FEW, False), name
        assert found.score in (0.0, 1.0, None)
        assert (found.score is None) == (name in ("unseen_ratio", "out_of_range_ratio", "constant") and code < FIRST_VALUE)
        assert (found.p_value is None) == (found.score is None)
        assert (found.p_value or 1) >= 1 / (ground.events + 1)


@pytest.mark.parametrize("column", [AMOUNT, COUNTRY])
def test_a_baseline_of_no_rows_expects_nothing_and_proves_nothing(column: Column) -> None:
    ground = reference(profile([0] * 6), column)
    for window in (profile([300, 0, 0, 0, 0, 0]), profile([0, 300, 0, 0, 0, 0]), profile([0, 0, 300, 0, 0, 0]), profile([0] * 6)):
        for name in names_of(column):
            found = score(name, ground, window)
            assert found.base == 0, name
            assert found.threshold == QUALITY[name].default_threshold
            assert (1.0 if found.p_value is None else found.p_value) == 1.0
            assert found.real is False


@pytest.mark.parametrize(("column", "ground"), [(AMOUNT, NUMBERS), (COUNTRY, NAMES)])
def test_a_window_that_is_the_baseline_is_no_finding(column: Column, ground: Profile) -> None:
    for name in names_of(column):
        found = score(name, reference(ground, column), ground)
        assert found.score is not None
        assert found.score <= found.base <= found.threshold - QUALITY[name].default_threshold + 1e-12, name
        assert (found.p_value or 0) > 0.4


# Missing and of the wrong type


def test_a_feature_that_is_in_no_event_has_gone() -> None:
    found = fired("missing_feature", reference(NUMBERS), profile([300, 0, 0, 0, 0, 0]))
    assert (found.value, found.base, found.score.threshold, found.moved) == (1.0, 0.0, 0.5, (MISSING,))
    assert found.score.p_value == score("missing_ratio", reference(NUMBERS), profile([300, 0, 0, 0, 0, 0])).p_value
    assert found.score.p_value == once(300, 300, 10, 1000)


def test_a_feature_that_one_event_still_has_has_not() -> None:
    window = profile([299, 0, 0, 1, 0, 0])
    assert score("missing_feature", reference(NUMBERS), window).score == 0.0
    assert score("missing_feature", reference(NUMBERS), profile([299, 1, 0, 0, 0, 0])).score == 0.0, "even one of the wrong type"
    assert fired("missing_ratio", reference(NUMBERS), window)


def test_a_feature_that_no_row_of_the_baseline_had_cannot_go() -> None:
    for size in (1, 1000):
        found = score("missing_feature", reference(profile([size, 0, 0])), profile([300, 0, 0]))
        assert found.score == 0.0
        assert (found.p_value or 0) > 0.4
    assert score("missing_feature", reference(profile([999, 0, 1])), profile([300, 0, 0])).score == 1.0
    assert finding("missing_feature", reference(profile([999, 0, 1])), profile([300, 0, 0])) is None, "by chance"


@pytest.mark.parametrize(("detector", "code", "allowed"), [("missing_ratio", MISSING, 0.05), ("type_mismatch_ratio", INVALID, 0.01)])
def test_shares_are_counted_from_the_baselines(detector: str, code: int, allowed: float) -> None:
    def counts(bad: int, events: int) -> Profile:
        return profile([bad if place == code else (events - bad if place == FIRST_BIN else 0) for place in range(6)])

    ground = reference(counts(200, 1000))
    found = score(detector, ground, counts(120, 400))
    assert (found.score, found.base, found.status) == (0.3, 0.2, ScoreStatus.JUDGED)
    assert found.threshold == pytest.approx(0.2 + allowed)
    assert found.p_value == once(120, 400, 200, 1000)
    assert exact(120, 400, 200, 1000) <= (found.p_value or 0) < exact(120, 400, 200, 1000) ** 0.5
    assert fired(detector, ground, counts(200, 400))
    assert fired(detector, ground, counts(200, 400)).moved == (code,)
    assert (score(detector, ground, counts(0, 400)).p_value or 0) > 0.99, "fewer are no fault"


def test_a_missing_value_is_not_of_the_wrong_type_and_neither_is_out_of_range() -> None:
    window = profile([30, 60, 0, 210, 0, 0])
    found = {name: score(name, reference(NUMBERS), window).score for name in ("missing_ratio", "type_mismatch_ratio", "out_of_range_ratio")}
    assert found == {"missing_ratio": 0.1, "type_mismatch_ratio": 0.2, "out_of_range_ratio": 0.0}


# Never seen


def unseen(other: int, singletons: int, rows: int) -> Reference:
    """A baseline of a category: rows of values without a name of their own, and how many values stood once."""
    return reference(profile([0, 0, other, rows - other]), COUNTRY, unseen=np.array([singletons], dtype=np.int64))


def test_values_without_a_name_are_a_share_of_those_present() -> None:
    found = score("unseen_ratio", unseen(0, 0, 1000), profile([100, 100, 30, 270]))
    assert (found.score, found.base, found.threshold) == (0.1, 0.0, 0.01)
    assert found.p_value == once(30, 300, 0, 1000, CLUMP)
    assert (found.p_value or 0) >= exact(30, 300, 0, 1000)
    assert fired("unseen_ratio", unseen(0, 0, 1000), profile([0, 0, 30, 270])).moved == (FIRST_VALUE,)


def test_where_values_stood_once_as_many_new_ones_are_expected() -> None:
    """Good 1953: 300 of 1,000 rows hold a value that no other has; so will 30 % of the rows to come."""
    window = profile([0, 0, 90, 210])
    assert fired("unseen_ratio", unseen(0, 0, 1000), window)
    found = score("unseen_ratio", unseen(0, 300, 1000), window)
    assert (found.score, found.base) == (0.3, 0.3)
    assert found.threshold == pytest.approx(0.31)
    assert (found.p_value or 0) > 0.3
    assert finding("unseen_ratio", unseen(0, 300, 1000), window) is None
    assert fired("unseen_ratio", unseen(0, 300, 1000), profile([0, 0, 240, 60]))


def test_values_that_share_the_name_other_count_as_expected_too() -> None:
    assert score("unseen_ratio", unseen(100, 50, 1000), profile([0, 0, 0, 300])).base == pytest.approx(0.15)


def test_no_more_are_expected_than_there_are_rows() -> None:
    """Ids: every value stands alone, and so does every one to come."""
    for rows in (1, 1000):
        found = score("unseen_ratio", unseen(rows, rows, rows), profile([0, 0, 300, 0]))
        assert (found.score, found.base) == (1.0, 1.0)
        assert (found.p_value or 0) > 0.4


def test_one_new_value_in_one_event_is_no_less_likely_than_good_and_turing_say() -> None:
    for singletons in (0, 30, 300):
        p_value = score("unseen_ratio", unseen(0, singletons, 1000), profile([0, 0, 1, 0])).p_value
        assert (p_value or 0) >= (singletons + 1) / 1001


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A real baseline: 1 row of 100 comes from the small region; of all codes 1 in 50 never comes again, the others are 20."""
    random, path = Random(0), tmp_path_factory.mktemp("baseline") / "loan.jsonl"
    rows = []
    for number in range(6_000):
        code = f"x{number}" if random.random() < 0.02 else f"c{random.randrange(20)}"
        features = {"region": "small" if number % 100 == 0 else "big", "code": code}
        rows.append({"event_id": f"e{number}", "model": "loan", "time": 1_767_261_600_000, "features": features, "prediction": "a"})
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return build([Path(path)]).baseline


def expected_new(baseline: Any, of: Profile | None = None) -> float:
    place = [column.name for column in baseline.schema.columns].index("code")
    return float(QUALITY["unseen_ratio"].base(reference_of(baseline, of).side)[place])


def test_a_built_baseline_expects_about_as_many_new_values_as_come(rare: Any) -> None:
    """At least as many as come, and not twice as many: those that share the name "other" are counted with those that stood once."""
    assert 0.015 < expected_new(rare) < 0.04


def test_a_small_segment_expects_no_more_new_values_than_the_whole(rare: Any) -> None:
    (region,) = (each for each in rare.segments if each.name == "region")
    small = next(each for value, each in zip((*region.values, None), region.profiles, strict=True) if value == "small")
    assert small.events == 60
    assert expected_new(rare, small) < 0.2


# Out of range


def test_numbers_beyond_the_lowest_and_the_highest_of_the_baseline_are_out_of_range() -> None:
    """A segment that never held the outer bins is not at home there; a bin inside that it never held is."""
    ground = reference(profile([0, 0, 0, 0, 400, 0, 600, 0, 0]))
    found = score("out_of_range_ratio", ground, profile([50, 0, 5, 10, 100, 100, 100, 20, 15]))
    assert found.score == pytest.approx(50 / 350)
    assert fired("out_of_range_ratio", ground, profile([0, 0, 5, 10, 100, 100, 100, 20, 15])).moved == (7, 8, 3, 2)


@pytest.mark.parametrize("rows", [100, 1_000, 100_000])
def test_the_next_number_is_expected_out_of_range_as_often_as_chance_has_it(rows: int) -> None:
    """2 / (n + 1), to a part in n."""
    found = score("out_of_range_ratio", reference(profile([0, 0, 0, rows // 2, rows // 2, 0])), profile([0, 0, 0, 100, 100, 0]))
    assert found.base == pytest.approx(2 / (rows + 1), rel=2 / rows)
    assert found.threshold == pytest.approx(0.01 + found.base)


def test_a_baseline_of_one_number_expects_a_share() -> None:
    assert score("out_of_range_ratio", reference(profile([0, 0, 0, 1, 0])), profile([0, 0, 0, 0, 300])).base <= 1


def test_a_baseline_of_one_number_proves_nothing() -> None:
    found = score("out_of_range_ratio", reference(profile([0, 0, 0, 1, 0])), profile([0, 0, 0, 0, 300]))
    assert found.score == 1.0
    assert (found.p_value or 0) > 0.4


def test_a_baseline_without_a_number_has_no_range() -> None:
    found = score("out_of_range_ratio", reference(profile([1000, 0, 0])), profile([0, 0, 300]))
    assert (found.score, found.p_value, found.base) == (None, None, 0.0)


def test_the_p_value_counts_two_rows_of_the_baseline_as_outside() -> None:
    window = profile([0, 0, 20, 100, 150, 30])
    assert score("out_of_range_ratio", reference(NUMBERS), window).p_value == once(50, 300, 2, 990)
    assert fired("out_of_range_ratio", reference(NUMBERS), window).moved == (5, 2)


def test_numbers_inside_are_no_fault_however_few_were_expected_there() -> None:
    found = score("out_of_range_ratio", reference(NUMBERS), profile([0, 0, 0, 300, 0, 0]))
    assert found.score == 0.0
    assert (found.p_value or 0) > 0.4


# Constant


def numbers(values: Iterable[float]) -> Profile:
    """The profile of numbers on ten bins from -5 to 5, standardised by mean 0 and sd 1."""
    array, codes = np.array(list(values), dtype=np.float64), np.empty((1, 0), dtype=np.int32)
    codes, group = np.empty((1, len(array)), dtype=np.int32), np.zeros(len(array), dtype=np.int32)
    counts, moments = np.zeros((1, 14), dtype=np.int64), np.zeros((2, 1), dtype=np.int64)
    kernels.encode_numeric(array, np.linspace(-5, 5, 11), codes[0])
    kernels.count(codes, group, np.array([0, 14], dtype=np.int64), counts)
    kernels.add_moments(array, 0.0, 1.0, group, moments)
    return Profile(len(array), counts[0], moments)


NORMAL = numbers(np.random.default_rng(0).normal(size=2_000))


@pytest.mark.parametrize("value", [0.5, -0.013, 1.999, 2.5, 7.0, 500.0])
def test_a_number_that_sticks_is_found_and_its_code_said(value: float) -> None:
    """In the middle of a bin that holds a third of the baseline, at its edge, in a rare one and beyond them all."""
    found = fired("constant", reference(NORMAL), numbers([value] * 300))
    assert (found.value, found.base, found.score.threshold) == (1.0, 0.0, 0.5)
    assert found.moved == (int(np.flatnonzero(numbers([value]).counts)[0]),)


@pytest.mark.parametrize(("spread", "is_constant"), [(0.0, True), (0.01, True), (0.02, True), (0.06, False), (0.15, False)])
@pytest.mark.parametrize("centre", [0.5, 3.5, -2.5])
def test_jitter_is_no_movement_and_a_narrow_distribution_is_not_constant(centre: float, spread: float, is_constant: bool) -> None:
    """All values lie in one bin of width 1 in any case; `SPREAD_MAX` of the baseline's sd is the limit."""
    window = numbers(centre + spread * np.random.default_rng(1).normal(size=300).clip(-3, 3))
    assert (window.counts > 0).sum() == 1
    assert SPREAD_MAX == 0.03
    assert score("constant", reference(NORMAL), window).score == float(is_constant)
    assert (finding("constant", reference(NORMAL), window) is not None) is is_constant


def test_a_number_with_gaps_and_faults_still_sticks() -> None:
    window = numbers([0.5] * 250 + [np.nan] * 30 + [np.inf] * 20)
    assert fired("constant", reference(NORMAL), window)
    assert finding("constant", reference(NORMAL), numbers([0.5] * 299 + [1.5])) is None


def test_a_category_that_has_one_value_only_is_found() -> None:
    found = fired("constant", reference(NAMES, COUNTRY), profile([20, 0, 0, 0, 280]))
    assert found.moved == (4,)
    assert finding("constant", reference(NAMES, COUNTRY), profile([20, 0, 0, 1, 279])) is None


def test_new_values_of_any_number_are_not_one_value() -> None:
    assert score("constant", reference(NAMES, COUNTRY), profile([0, 0, 300, 0, 0])).score != 1.0


def test_a_baseline_that_was_constant_expects_it() -> None:
    constant = profile([0, 0, 0, 1000, 0])
    for window in ([0, 0, 0, 300, 0], [0, 0, 0, 0, 300], [0, 0, 300, 0, 0]):
        assert score("constant", reference(constant), profile(window)).score == 0.0
        assert finding("constant", reference(constant), profile(window)) is None


def test_a_category_that_hardly_ever_varied_may_well_be_constant() -> None:
    """One value in 99 of 100 rows has it 300 times in a row by chance; one in half of them has not."""
    rare = score("constant", reference(profile([0, 0, 0, 990, 10]), COUNTRY), profile([0, 0, 0, 300, 0]))
    assert rare.score == 1.0
    assert (rare.p_value or 0) > 0.01
    assert is_finding(score("constant", reference(profile([0, 0, 0, 500, 500]), COUNTRY), profile([0, 0, 0, 300, 0])))


def test_the_first_value_says_nothing_so_that_one_is_never_constant() -> None:
    """p is that of the others: of n values n - 1 follow the first."""
    for code in (3, 4):
        one = score("constant", reference(NAMES, COUNTRY), profile([int(place == code) for place in range(5)]))
        assert (one.score, one.p_value) == (1.0, 1.0)
    both = score("constant", reference(NAMES, COUNTRY), profile([0, 0, 0, 2, 0]))
    assert both.p_value == once(1, 1, 600, 985)
    assert (both.p_value or 0) > 0.4


# How often they are wrong


def sides(part: Counts, whole: int | Counts, code: int, unseen: int | Counts = 0) -> Side:
    """One column for each trial: so many events of a code, the rest in the first bin or category."""
    counts = np.zeros((len(part), 6), dtype=np.int64)
    counts[:, code], counts[:, FIRST_BIN] = part, whole - part
    none = np.zeros((2, len(part)), dtype=np.int64)
    return Side(counts.sum(axis=1), counts, none, np.broadcast_to(np.int64(unseen), len(part)).astype(np.int64), none[0])


def pair(window: Side, baseline: Side, inflation: float = 1.0) -> Pair:
    times = np.full(len(window.events), inflation)
    return Pair(window, baseline, Inflation(times, times, times, times))


def times_too_often(p_values: NDArray[np.float64]) -> list[float]:
    """How many times as often as it says p is under 1e-2 and 1e-3."""
    return [float((p_values < level).mean() / level) for level in (1e-2, 1e-3)]


SIZES = [(0.3, 200, 1_000), (0.3, 200, 100_000), (0.01, 200, 2_000), (0.01, 1_000, 1_000), (0.001, 500, 100_000), (0.9, 300, 3_000)]


@pytest.mark.parametrize(("gate", "code"), [(more_missing, MISSING), (more_invalid, INVALID)])
@pytest.mark.parametrize(("share", "events", "rows"), SIZES)
def test_bad_values_that_are_as_frequent_as_ever_are_seldom_called_more(
    gate: Gate, code: int, share: float, events: int, rows: int
) -> None:
    generator = np.random.default_rng(events + rows)
    window, baseline = (sides(generator.binomial(n, share, TRIALS), n, code) for n in (events, rows))
    wrong = times_too_often(gate(pair(window, baseline)))
    assert max(wrong) <= 1
    assert wrong[0] > 0.1, "nor is the test far too weak"


def drawn_ranges(events: int, rows: int, trials: int) -> Counts:
    """How many of a window's numbers lie outside the range of the baseline's, drawn from one continuous distribution.

    The mass outside the range of n uniform numbers is Beta(2, n - 1).
    """
    generator = np.random.default_rng(events + rows)
    counts: Counts = generator.binomial(events, generator.beta(2, rows - 1, trials)).astype(np.int64)
    return counts


@pytest.mark.parametrize(("events", "rows"), [(200, 1_000), (1_000, 1_000), (5_000, 500), (200, 100_000), (20_000, 200)])
def test_numbers_of_the_same_distribution_are_seldom_called_out_of_range(events: int, rows: int) -> None:
    outside = drawn_ranges(events, rows, TRIALS)
    baseline = sides(np.zeros(TRIALS, dtype=np.int64), rows, FIRST_VALUE, UNSEEN_NUMBERS)
    wrong = times_too_often(more_outside(pair(sides(outside, events, FIRST_VALUE), baseline)))
    assert max(wrong) <= 1
    assert wrong[0] > 0.1


def test_the_mass_outside_a_range_is_drawn_as_samples_have_it() -> None:
    """The shortcut above against numbers themselves."""
    generator = np.random.default_rng(0)
    rows, window = np.sort(generator.random((20_000, 50))), generator.random((20_000, 40))
    outside = ((window < rows[:, :1]) | (window > rows[:, -1:])).sum(axis=1)
    assert outside.mean() == pytest.approx(drawn_ranges(40, 50, 20_000).mean(), rel=0.03)
    assert (outside >= 5).mean() == pytest.approx((drawn_ranges(40, 50, 20_000) >= 5).mean(), rel=0.1)


def drawn_names(values: int, exponent: float, events: int, rows: int, trials: int) -> tuple[Counts, Counts]:
    """Of so many values with shares 1 / rank^exponent: events whose value the baseline has not, and values that it has once."""
    generator = np.random.default_rng(values + events + rows)
    shares = 1 / np.arange(1, values + 1) ** exponent
    new, single = [], []
    for _ in range(trials // 500):
        window, baseline = (generator.multinomial(n, shares / shares.sum(), 500) for n in (events, rows))
        new.append((window * (baseline == 0)).sum(axis=1))
        single.append((baseline == 1).sum(axis=1))
    return np.concatenate(new), np.concatenate(single)


@pytest.mark.parametrize(
    ("values", "exponent", "events", "rows"),
    [(300, 1.0, 200, 4_000), (300, 0.5, 1_000, 1_000), (300, 0.5, 10_000, 1_000), (200, 0.0, 2_000, 1_000)],
)
def test_values_of_the_same_distribution_are_seldom_called_new(values: int, exponent: float, events: int, rows: int) -> None:
    new, single = drawn_names(values, exponent, events, rows, 20_000)
    baseline = sides(np.zeros(len(new), dtype=np.int64), rows, FIRST_VALUE, single)
    assert max(times_too_often(more_unseen(pair(sides(new, events, FIRST_VALUE), baseline)))) <= 1


def test_a_new_value_that_comes_several_times_is_not_each_time_anew() -> None:
    """Which is why counts of such values are divided: undivided they are called new too often."""
    new, single = drawn_names(300, 0.5, 1_000, 1_000, 20_000)
    ones = np.ones_like(new)
    assert min(times_too_often(more_often(new, 1_000 * ones, single, 1_000 * ones))) > 2


@pytest.mark.parametrize(
    ("shares", "events", "rows"),
    [((0.9, 0.08, 0.02), 40, 1_000), ((0.9, 0.08, 0.02), 60, 200), ((0.99, 0.01), 500, 1_000), ((0.5, 0.3, 0.2), 5, 100_000)],
)
def test_values_that_are_all_alike_by_chance_are_seldom_called_constant(shares: tuple[float, ...], events: int, rows: int) -> None:
    generator = np.random.default_rng(events)
    drawn = [generator.multinomial(n, shares, TRIALS) for n in (events, rows)]
    window, baseline = (sides(np.zeros(TRIALS, dtype=np.int64), n, FIRST_VALUE) for n in (events, rows))
    for side, counts in zip((window, baseline), drawn, strict=True):
        side.counts[:, FIRST_BIN : FIRST_BIN + len(shares)] = counts
    p_values = follow_the_first(pair(window, baseline))
    assert max(times_too_often(p_values)) <= 1
    assert (p_values[(drawn[0].max(axis=1) < events)] == 1).all()
    assert (p_values < 1).any()


@pytest.mark.parametrize(("share", "events", "rows"), [(0.02, 400, 4_000), (0.2, 1_000, 10_000)])
@pytest.mark.parametrize("clusters", [4, 20])
def test_bad_values_that_come_in_clusters_need_the_inflation(clusters: int, share: float, events: int, rows: int) -> None:
    """Each one comes `clusters` times: the variance of their count is as many times that of single ones."""
    generator = np.random.default_rng(clusters)
    window, baseline = (sides(clusters * generator.binomial(n // clusters, share, TRIALS), n, MISSING) for n in (events, rows))
    assert min(times_too_often(more_missing(pair(window, baseline)))) > 2, "or there would be nothing to mend"
    assert max(times_too_often(more_missing(pair(window, baseline, clusters)))) <= 1


@pytest.mark.parametrize(("events", "rows"), [(400, 4_000), (4_000, 2_000)])
def test_numbers_out_of_range_that_come_in_clusters_need_the_inflation(events: int, rows: int) -> None:
    outside = 10 * drawn_ranges(events // 10, rows // 10, TRIALS)
    baseline = sides(np.zeros(TRIALS, dtype=np.int64), rows, FIRST_VALUE, UNSEEN_NUMBERS)
    window = sides(outside, events, FIRST_VALUE)
    assert min(times_too_often(more_outside(pair(window, baseline)))) > 2, "or there would be nothing to mend"
    assert max(times_too_often(more_outside(pair(window, baseline, 10)))) <= 1


def test_inflation_is_that_of_so_many_events_as_the_window_has() -> None:
    """1 + icc (n - 1): what 100 rows vary 12 times as much as independent ones, a window of 10 does twice as much, one event no more."""
    runs = reference(NUMBERS, inflation=Inflation(*[np.array([12.0])] * 4), window_rows=100.0)
    for events, times in ((10, 2.0), (100, 12.0), (199, 23.0), (1, 1.0)):
        window = profile([events, 0, 0, 0, 0, 0])
        assert score("missing_ratio", runs, window).p_value == pytest.approx(once(events, events, 10, 1000, times), rel=1e-9)
        gone = whole("field_set_changed", window, runs)
        assert gone.p_value == pytest.approx(once(events, events, 10, 1000, times), rel=1e-9)
    always = replace(runs, window_rows=None)
    assert score("missing_ratio", always, profile([10, 0, 0, 0, 0, 0])).p_value == once(10, 10, 10, 1000, 12.0)


# The test behind them


def any_counts(seed: int) -> list[tuple[int, int, int, int]]:
    """Sizes of one to thousands, shares from none to all, the window's now and then above the baseline's."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(300):
        whole, baseline_whole = int(10 ** generator.uniform(0, 3.5)), int(10 ** generator.uniform(0, 5))
        share = float(generator.beta(0.4, 0.4))
        less = share * float(generator.choice([1.0, 0.9, 0.5, 0.0]))
        found.append((int(generator.binomial(whole, share)), whole, int(generator.binomial(baseline_whole, less)), baseline_whole))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_more_often_is_never_below_fishers_test_where_that_says_anything(seed: int) -> None:
    compared = [(once(*counts), exact(*counts)) for counts in any_counts(seed)]
    small = [(bound, p) for bound, p in compared if p < 0.1]
    assert len(small) > 50
    assert all(bound >= p * (1 - p) * (1 - 1e-9) for bound, p in small), "by half of p too small at most, beside a sample of one"
    assert all(bound <= max(p, 1e-300) ** 0.49 for bound, p in small), "at worst the evidence counts half"


def test_more_often_is_scipys_fisher_test_but_for_a_bound() -> None:
    table = [[40, 160], [100, 900]]
    p = stats.fisher_exact(table, alternative="greater").pvalue
    assert exact(40, 200, 100, 1000) == pytest.approx(p)
    assert p <= once(40, 200, 100, 1000) <= 3 * p


def test_more_often_is_the_smaller_of_two_binomial_tails() -> None:
    """Given 12 such events in both samples, or 1,188 others, how they fell."""
    part, whole, baseline_part, baseline_whole = 8, 200, 4, 1000
    these = stats.binom.sf(part - 1, 12, 200 / 1200)
    others = stats.binom.sf(baseline_whole - baseline_part - 1, 1188, 1000 / 1200)
    assert once(part, whole, baseline_part, baseline_whole) == pytest.approx(min(these, others), rel=1e-9)
    assert once(192, 200, 900, 1000) == pytest.approx(stats.binom.sf(99, 108, 1000 / 1200), rel=1e-9)


def test_more_often_says_1_where_a_side_is_empty_and_nothing_where_all_or_none_are_bad() -> None:
    assert [once(0, 0, 5, 10), once(5, 10, 0, 0), once(0, 0, 0, 0)] == [1.0] * 3
    assert min(once(0, n, 0, m) for n in (1, 10, 1000) for m in (1, 10, 1000)) > 0.4
    assert min(once(n, n, m, m) for n in (1, 10, 1000) for m in (1, 10, 1000)) > 0.4


def test_inflation_counts_that_many_fewer_events() -> None:
    for times in (2, 3, 10):
        assert once(20 * times, 200 * times, 3 * times, 1000 * times, times) == pytest.approx(once(20, 200, 3, 1000), rel=1e-12)
    p_values = [once(60, 200, 30, 1000, times) for times in (1.0, 1.5, 2.0, 7.3, 30.0)]
    assert all(less < more for less, more in pairwise(p_values))
    assert p_values[0] < 1e-20 < 1e-3 < p_values[-1] < 1


GATES: dict[str, Callable[[Pair], Any]] = {
    "missing": more_missing,
    "invalid": more_invalid,
    "outside": more_outside,
    "values": follow_the_first,
}


@pytest.mark.parametrize("name", GATES)
def test_every_test_reads_the_inflation_of_its_own_matter(name: str) -> None:
    code = {"missing": MISSING, "invalid": INVALID, "outside": FIRST_VALUE, "values": FIRST_BIN + 1}[name]
    window = sides(np.array([30]), 30 if name == "values" else 200, code)
    baseline = sides(np.array([0 if name == "outside" else 30]), 1_000, code, 2)
    none = Inflation.none(1)
    plain = float(GATES[name](Pair(window, baseline, none))[0])
    assert plain < 1e-6
    for each in ("values", "missing", "invalid", "outside"):
        inflated = float(GATES[name](Pair(window, baseline, replace(none, **{each: np.array([4.0])})))[0])
        assert (inflated > 10 * plain) if each == name else (inflated == plain), each


def test_unseen_values_share_the_inflation_of_numbers_out_of_range() -> None:
    window, baseline = sides(np.array([30]), 200, FIRST_VALUE), sides(np.array([0]), 1_000, FIRST_VALUE, 2)
    none = Inflation.none(1)
    plain = more_unseen(Pair(window, baseline, none))[0]
    assert more_unseen(Pair(window, baseline, replace(none, outside=np.array([4.0]))))[0] > 10 * plain
    assert more_unseen(Pair(window, baseline, replace(none, values=np.array([4.0]), missing=np.array([4.0]))))[0] == plain


# Repeated events


def hashed(*counts: int, events: int | None = None) -> Profile:
    """A window whose sample holds ids that came so often; events: more than these, beyond the sample."""
    sample = IdSample(np.arange(len(counts), dtype=np.uint64), np.array(counts, dtype=np.int64))
    total = sample.total if events is None else events
    return replace(profile([0, 0, 0, total, 0, 0]), ids=sample)


def whole(detector: str, window: Profile, ground: Reference) -> WholeScore:
    return WHOLE[detector].judge(window, ground)


GROUND = reference(NUMBERS)


def test_events_without_ids_have_no_score_of_repeats() -> None:
    for window in (profile([0] * 6), profile([0, 0, 0, 300, 0, 0])):
        assert whole("duplicate_ratio", window, GROUND) == WholeScore(None)
        found = score("duplicate_ratio", GROUND, window)
        assert (found.score, found.p_value, found.status) == (None, None, ScoreStatus.TOO_FEW)


def test_a_single_event_repeats_nothing() -> None:
    found = score("duplicate_ratio", GROUND, hashed(1))
    assert (found.score, found.p_value, found.base, found.threshold) == (0.0, 1.0, 0.0, DUPLICATES_MAX)
    assert (found.status, found.key.feature) == (ScoreStatus.TOO_FEW, None)


def test_where_all_events_are_in_the_sample_every_repeat_counts() -> None:
    window = hashed(*[1] * 190, 4, 3, 2)
    found = score("duplicate_ratio", GROUND, window)
    assert found.score == pytest.approx(6 / 199)
    assert found.p_value == pytest.approx(stats.binom.sf(5, 199, DUPLICATES_MAX), rel=1e-9)
    assert whole("duplicate_ratio", window, GROUND).shown == (Shown("repeated events", 0.0, 6 / 199),)


def test_in_a_part_of_them_one_id_counts_once_however_often_it_came() -> None:
    """One client that sends one event a thousand times is in the sample by luck, with all of its repeats or none."""
    often = score("duplicate_ratio", GROUND, hashed(*[1] * 255, 1000, events=5_000))
    assert often.score == pytest.approx(999 / 1255)
    assert often.p_value == pytest.approx(stats.binom.sf(0, 256, DUPLICATES_MAX), rel=1e-9)
    assert not is_finding(often)
    many = score("duplicate_ratio", GROUND, hashed(*[1] * 226, *[2] * 30, events=5_000))
    assert many.p_value == pytest.approx(stats.binom.sf(29, 256, DUPLICATES_MAX), rel=1e-9)
    assert is_finding(many)


def test_repeats_up_to_one_in_a_hundred_are_no_fault() -> None:
    assert (whole("duplicate_ratio", hashed(*[1] * 198, 3), GROUND).p_value or 0) > 0.1
    assert not is_finding(score("duplicate_ratio", GROUND, hashed(*[1] * 198, 3)))
    assert at_least(0, 0) == at_least(0, 500) == 1.0


@pytest.mark.parametrize("events", [250, 400, 4_000])
def test_the_allowed_share_of_repeats_is_seldom_called_more(events: int) -> None:
    """Of every 100 events one is sent twice, by chance; below and above what the sample holds."""
    generator = np.random.default_rng(events)
    p_values = []
    for _ in range(3_000):
        different = round(events * (1 - DUPLICATES_MAX))
        ids = generator.integers(0, 2**63, different, dtype=np.uint64)
        repeated = generator.choice(ids, generator.binomial(events, DUPLICATES_MAX), replace=False)
        sample = IdSample.of(np.concatenate([ids, repeated]))
        window = Profile(different + len(repeated), NUMBERS.counts, NUMBERS.moments, ids=sample)
        p_values.append(whole("duplicate_ratio", window, GROUND).p_value or 0.0)
    wrong = times_too_often(np.array(p_values))
    assert wrong[0] <= 1.3
    assert wrong[1] <= 3
    assert sample.distinct == min(SAMPLE_MAX, different)


# Fields


FIELDS = Schema((AMOUNT, Column("age", Kind.NUMERIC), COUNTRY, Column("label", Kind.CATEGORICAL, Role.PREDICTION)))


def fields(present: Sequence[int], events: int, **changes: Any) -> Profile:
    """So many events, of which so many hold each of the four columns."""
    counts = [number for held in present for number in (events - held, 0, 0, held, 0)]
    return replace(Profile(events, np.array(counts, dtype=np.int64), np.zeros((2, len(present)), dtype=np.int64)), **changes)


def ground_of(present: Sequence[int], events: int, **changes: Any) -> Reference:
    layout = Layout(tuple(column.name for column in FIELDS.columns), (5,) * 4, (True, True, False, False))
    none = np.zeros(4, dtype=np.int64)
    return replace(Reference(FIELDS, layout, fields(present, events), none, Inflation.none(4), {}), **changes)


FULL = ground_of([1000, 1000, 1000, 1000], 1000)


def with_extra(extra: dict[str, int], events: int = 300) -> Profile:
    return fields([events] * 4, events, extra=extra)


def test_a_feature_that_the_baseline_does_not_know_has_the_share_of_events_that_hold_it() -> None:
    window = with_extra({"a": 6, "b": 120, "c": 30})
    found = score("extra_feature", FULL, window)
    assert (found.score, found.base, found.threshold, found.key.feature) == (0.4, 0.0, 0.05, None)
    assert found.p_value == pytest.approx(3 * once(120, 300, 0, 1000)), "times the names that it might have been"
    shown = whole("extra_feature", window, FULL).shown
    assert shown == (Shown("b", 0.0, 0.4), Shown("c", 0.0, 0.1), Shown("a", 0.0, 0.02))
    assert fired("extra_feature", FULL, window).shown == shown


def test_names_that_are_as_frequent_stand_in_the_order_of_the_alphabet() -> None:
    shown = whole("extra_feature", with_extra({"b": 30, "a": 30}), FULL).shown
    assert [each.name for each in shown] == ["a", "b"]


def test_no_unknown_feature_is_a_score_of_0_and_no_event_none() -> None:
    assert whole("extra_feature", with_extra({}), FULL) == WholeScore(0.0, 0.0, 1.0)
    for detector in ("extra_feature", "field_set_changed"):
        assert whole(detector, with_extra({}, 0), FULL) == WholeScore(None)
        assert score(detector, FULL, with_extra({}, 0)).status is ScoreStatus.TOO_FEW


def test_an_unknown_feature_in_one_event_is_as_likely_as_one_in_all() -> None:
    found = score("extra_feature", FULL, with_extra({"a": 1}, 1))
    assert (found.score, found.status) == (1.0, ScoreStatus.TOO_FEW)
    assert found.p_value == pytest.approx(1 / 1001)
    assert whole("extra_feature", with_extra({str(n): 1 for n in range(2000, 5000)}, 1), FULL).p_value == 1.0


def test_a_baseline_of_no_rows_says_nothing_of_fields() -> None:
    empty = ground_of([0] * 4, 0)
    for detector in ("extra_feature", "field_set_changed"):
        assert whole(detector, with_extra({"a": 300}), empty).p_value == 1.0
    assert whole("field_set_changed", fields([0] * 4, 300), empty).value == 0.0, "what was in no row cannot go"


def test_columns_that_were_left_out_of_the_baseline_are_no_news() -> None:
    ground = replace(FULL, left_out=frozenset({"when", "id"}))
    window = with_extra({"when": 300, "id": 300, "new": 30})
    assert whole("extra_feature", window, ground).value == pytest.approx(0.1)
    assert [each.name for each in whole("extra_feature", window, ground).shown] == ["new"]
    assert whole("extra_feature", with_extra({"when": 300}), ground) == WholeScore(0.0, 0.0, 1.0)
    assert whole("field_set_changed", window, ground).value == 0.0
    assert whole("field_set_changed", window, FULL).value == 2.0


def test_a_field_is_new_where_half_of_the_events_hold_it() -> None:
    found = whole("field_set_changed", with_extra({"a": 149, "b": 150, "c": 300}), FULL)
    assert (found.value, found.base) == (2.0, 0.0)
    assert found.shown == (Shown("b", 0.0, 0.5), Shown("c", 0.0, 1.0))
    assert found.p_value == pytest.approx((3 + 4) * once(300, 300, 0, 1000))


def test_a_field_has_gone_where_no_event_holds_what_half_of_the_rows_do() -> None:
    ground = ground_of([1000, 500, 499, 1000], 1000)
    found = whole("field_set_changed", fields([0, 0, 0, 300], 300), ground)
    assert (found.value, found.shown) == (2.0, (Shown("amount", 1.0, 0.0), Shown("age", 0.5, 0.0)))
    assert found.p_value == pytest.approx(4 * once(300, 300, 0, 1000))
    assert whole("field_set_changed", fields([1, 1, 0, 300], 300), ground).value == 0.0, "one event that holds it is enough"


def test_a_prediction_is_no_field() -> None:
    assert whole("field_set_changed", fields([300, 300, 300, 0], 300), FULL).value == 0.0


def test_a_field_of_another_name_has_come_and_gone() -> None:
    window = fields([300, 0, 300, 300], 300, extra={"years": 300})
    found = fired("field_set_changed", FULL, window)
    assert (found.value, found.score.threshold, found.key.feature, found.moved) == (2.0, 0.5, None, ())
    assert found.shown == (Shown("years", 0.0, 1.0), Shown("age", 1.0, 0.0))


def test_a_set_of_fields_that_is_the_same_is_no_change() -> None:
    assert whole("field_set_changed", with_extra({}), FULL) == WholeScore(0.0, 0.0, 1.0)


def test_a_feature_that_is_often_missing_in_runs_needs_more_events_to_be_gone() -> None:
    runs = replace(Inflation.none(4), missing=np.array([1.0, 40.0, 1.0, 1.0]))
    ground, window = ground_of([1000, 700, 1000, 1000], 1000), fields([300, 0, 300, 300], 300)
    plain = whole("field_set_changed", window, ground).p_value
    inflated = whole("field_set_changed", window, replace(ground, inflation=runs)).p_value
    assert plain == pytest.approx(4 * once(300, 300, 300, 1000))
    assert inflated == pytest.approx(4 * once(300, 300, 300, 1000, 40.0))
    assert (plain or 1) < ALPHA < (inflated or 0)


def test_one_event_never_changes_the_set_of_fields() -> None:
    found = score("field_set_changed", FULL, fields([0, 0, 0, 0], 1, extra={"a": 1}))
    assert (found.score, found.status, found.real) == (4.0, ScoreStatus.TOO_FEW, False)
    assert found.p_value == pytest.approx(5 / 1001)
