"""Laws of the sequential detectors: what they answer depends on the values of each second and on nothing else, each change is said once."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from stream_monitor.detect.sequential import watch as watch_module
from stream_monitor.detect.sequential.cut import NONE, no_cuts
from stream_monitor.detect.sequential.dispersion import (
    BLOCK,
    BLOCKS,
    LONG,
    LONG_MIN,
    NEUMANN,
    RECORD,
    SAFETY,
    SLICES_MIN,
    Clustering,
    Dispersion,
)
from stream_monitor.detect.sequential.latch import CUTS, SETTLE, SIDE_MIN, Latch, p_value
from stream_monitor.detect.sequential.shift import Series, Shift
from stream_monitor.detect.sequential.watch import Sequential, SequentialSpec, compile_sequential
from stream_monitor.errors import CodecError
from stream_monitor.profile.slices import POSITION_SCALE, Slices

Floats = NDArray[np.float64]
DETECTORS: Final = ("adwin", "page_hinkley")


def slices_of(u: Floats, seconds: Iterable[int] | None = None) -> Slices:
    """Positions float64[S, n, C] as the slices of S seconds; NaN: no value."""
    here = ~np.isnan(u)
    q = np.where(here, np.rint(np.nan_to_num(u) * POSITION_SCALE), 0).astype(np.int64)
    sums = np.stack([q.sum(axis=1), (q * q).sum(axis=1), (here * np.abs(2 * q - POSITION_SCALE)).sum(axis=1)], axis=1)
    starts = range(len(u)) if seconds is None else seconds
    return Slices(np.array(list(starts), dtype=np.int64), here.sum(axis=1), sums)


def spec(columns: int, min_shift: float = 0.05, alpha: float = 1e-6, phi: float = 1.0) -> SequentialSpec:
    return SequentialSpec(columns, np.full(columns, min_shift), Clustering(np.full(2 * columns, phi)), alpha, 300_000)


def shifts_of(u: Floats, of: SequentialSpec) -> list[Shift]:
    watch = Sequential(of)
    assert watch.add(slices_of(u), None) == 0
    return watch.advance(len(u) * 1_000)


def normal(levels: Floats, values: int, columns: int, seed: int, sd: float = 0.1) -> Floats:
    """Seconds at these levels, float64[S, values, columns] within [0, 1]."""
    noise = np.random.default_rng(seed).normal(0, sd, (len(levels), values, columns))
    return np.clip(levels[:, None, None] + noise, 0, 1)


def levels(*parts: tuple[float, int]) -> Floats:
    return np.repeat([level for level, _ in parts], [seconds for _, seconds in parts])


def of_position(shifts: Sequence[Shift]) -> list[Shift]:
    return [shift for shift in shifts if shift.series is Series.POSITION]


# What the answer does not depend on.


def world() -> Floats:
    """240 slices of three columns: one with two steps; one that stays; one with a step and few values."""
    rng = np.random.default_rng(1)
    u = np.stack([normal(levels((0.3, 90), (0.8, 80), (0.4, 70)), 8, 1, 2)[:, :, 0], rng.random((240, 8)), rng.random((240, 8))], axis=2)
    u[120:, :, 2] *= 0.2
    u[rng.random(u.shape) < np.array([0.1, 0.3, 0.6])] = np.nan
    return u


WORLD: Final = world()
SECONDS: Final[list[int]] = np.cumsum(np.random.default_rng(3).integers(1, 60, len(WORLD))).tolist()
END_MS: Final = (SECONDS[-1] + 1) * 1_000
SPEC: Final = spec(3, alpha=1e-3)


def world_slices(first: int = 0, end: int = len(WORLD)) -> Slices:
    return slices_of(WORLD[first:end], SECONDS[first:end])


def whole(until_ms: int) -> tuple[list[Shift], bytes]:
    watch = Sequential(SPEC)
    watch.add(world_slices(), None)
    return watch.advance(until_ms), watch.encode()


def parts_of(rng: np.random.Generator) -> list[Slices]:
    """The world's values dealt out at random to seven parts of every thirty slices, in random order."""
    dealt = rng.integers(0, 7, WORLD.shape)
    parts = []
    for first in range(0, len(WORLD), 30):
        block, owner = WORLD[first : first + 30], dealt[first : first + 30]
        for part in range(7):
            u = np.where(owner == part, block, np.nan)
            here = np.flatnonzero(~np.isnan(u).all(axis=(1, 2))).tolist()
            parts.append(slices_of(u[here], [SECONDS[first + place] for place in here]))
    return [parts[place] for place in rng.permutation(len(parts))]


@given(st.integers(0, 2**32), st.lists(st.integers(0, END_MS), min_size=1, max_size=6).map(sorted))
@settings(max_examples=30)
def test_any_order_and_any_split_before_the_watermark_give_the_same(seed: int, stops: list[int]) -> None:
    rng = np.random.default_rng(seed)
    watch, waiting, found = Sequential(SPEC), parts_of(rng), []
    for count, stop in enumerate(stops, 1):
        due = [int(part.starts[0]) * 1_000 < stop or count == len(stops) or rng.random() < 0.2 for part in waiting]
        assert sum(watch.add(part, None) for part, now in zip(waiting, due, strict=True) if now) == 0
        waiting = [part for part, now in zip(waiting, due, strict=True) if not now]
        found += watch.advance(stop)
    expected, encoded = whole(stops[-1])
    assert found == expected
    assert watch.encode() == encoded


def test_the_world_has_shifts_by_both_detectors() -> None:
    """Or the laws over it would say little; and they come in the order of time, then of detector and series."""
    found, _ = whole(END_MS)
    assert {(shift.column, shift.detector) for shift in of_position(found)} == {(0, "adwin"), (2, "adwin"), (2, "page_hinkley")}
    assert len(found) >= 6
    order = [(shift.detected_ms, shift.detector, shift.series is Series.SPREAD, shift.column) for shift in found]
    assert order == sorted(order)


@given(st.integers(0, END_MS), st.integers(0, len(WORLD)))
@settings(max_examples=40)
def test_decoded_in_mid_stream_it_goes_on_exactly(stop_ms: int, known: int) -> None:
    """With slices that wait and slices still to come."""
    known = max(known, sum(second * 1_000 < stop_ms for second in SECONDS))
    one = Sequential(SPEC)
    one.add(world_slices(0, known), None)
    found = one.advance(stop_ms)
    encoded = one.encode()
    two = Sequential.decode(SPEC, encoded)
    assert two.restored_fully
    assert two.encode() == encoded
    assert two.add(world_slices(known), None) == 0
    assert (found + two.advance(END_MS), two.encode()) == whole(END_MS)


def test_the_epoch_is_a_time_like_others() -> None:
    """All of it earlier by a whole number of blocks, some of it before 1970: the same shifts, as much earlier."""
    earlier, moved = 10 * BLOCK, Sequential(SPEC)
    moved.add(slices_of(WORLD, [second - earlier for second in SECONDS]), None)
    found, (plain, _) = moved.advance(END_MS), whole(END_MS)
    ms = earlier * 1_000
    assert found == [replace(s, detected_ms=s.detected_ms - ms, changed_ms=s.changed_ms - ms) for s in plain]
    assert found[0].changed_ms < 0 or earlier < SECONDS[90]


def test_columns_know_nothing_of_each_other() -> None:
    together, _ = whole(END_MS)
    for column in range(3):
        alone = Sequential(spec(1, alpha=1e-3))
        alone.add(slices_of(WORLD[:, :, [column]], SECONDS), None)
        found = alone.advance(END_MS)
        assert [(s.series, s.detector, s.changed_ms, s.p_value) for s in found] == [
            (s.series, s.detector, s.changed_ms, s.p_value) for s in together if s.column == column
        ]


# Slices that come too late, and too many.


def values_in(u: Floats) -> int:
    return int((~np.isnan(u)).sum())


def test_late_slices_are_counted_and_left_out() -> None:
    watch = Sequential(SPEC)
    watch.add(slices_of(WORLD[:10]), None)
    watch.advance(5_000)
    encoded = watch.encode()
    assert watch.add(slices_of(WORLD[:5]), None) == values_in(WORLD[:5])
    assert watch.add(slices_of(WORLD[:5]), 3_000) == values_in(WORLD[:5]), "what has been read stays read, whatever the watermark says"
    assert watch.add(slices_of(WORLD[:8]), 8_000) == values_in(WORLD[:8]), "before it has been read, the watermark decides"
    assert watch.encode() == encoded


def test_of_late_and_timely_slices_only_the_late_are_left_out() -> None:
    watch, whole_ = Sequential(SPEC), Sequential(SPEC)
    assert watch.add(slices_of(WORLD[:10]), 5_999) == values_in(WORLD[:5]), "the sixth second ends a millisecond later"
    whole_.add(slices_of(WORLD[5:10], range(5, 10)), None)
    assert watch.encode() == whole_.encode()


def test_an_older_watermark_does_not_bring_time_back() -> None:
    watch = Sequential(SPEC)
    watch.advance(5_000)
    assert watch.advance(1_000) == []
    assert watch.add(slices_of(WORLD[:5]), None) == values_in(WORLD[:5])


def test_slices_beyond_the_bound_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "PENDING_CELLS_MAX", 4 * 3)
    watch = Sequential(SPEC)
    assert watch.add(slices_of(WORLD[:6]), None) == 0, "refused is not late"
    assert watch.refused == values_in(WORLD[4:6])
    watch.add(slices_of(WORLD[:4]), None)
    assert watch.refused == values_in(WORLD[4:6]), "a second that waits already takes more values"
    assert Sequential.decode(SPEC, watch.encode()).refused == watch.refused
    watch.advance(1_000)
    watch.add(slices_of(WORLD[4:6], (4, 5)), None)
    assert watch.refused == values_in(WORLD[4:6]) + values_in(WORLD[5]), "one place was free again"
    watch.advance(END_MS)
    assert watch.fed == 5


# Saved state.


def saved() -> bytes:
    watch = Sequential(SPEC)
    watch.add(world_slices(), None)
    watch.advance(SECONDS[180] * 1_000)
    return watch.encode()


SAVED: Final = saved()


def test_saved_detectors_that_are_cut_or_longer_are_codec_errors() -> None:
    for end in range(0, len(SAVED), 37):
        with pytest.raises(CodecError):
            Sequential.decode(SPEC, SAVED[:end])
    for other in (SAVED + b"\0", b"\x91" * 200_000):
        with pytest.raises(CodecError):
            Sequential.decode(SPEC, other)


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_saved_detectors_of_other_columns_are_codec_errors(columns: int) -> None:
    with pytest.raises(CodecError, match=f"3 columns where the baseline has {columns}"):
        Sequential.decode(spec(columns), SAVED)


COLUMNS, READ, REFUSED, PENDING, DISPERSION, BY_DETECTOR = range(6)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((COLUMNS,), 4),
        ((PENDING, 0, 1), b"\0" * 8),
        ((DISPERSION,), b""),
        ((BY_DETECTOR,), []),
        ((BY_DETECTOR, 0, 0), b""),
        ((BY_DETECTOR, 0, 1), b"\0"),
        ((BY_DETECTOR, 1, 0), b"\0" * 7),
        ((BY_DETECTOR, 1, 1), b""),
    ],
)
def test_saved_detectors_that_do_not_fit_themselves_are_codec_errors(path: tuple[int, ...], value: object) -> None:
    tree = node = msgspec.msgpack.decode(SAVED)
    for place in path[:-1]:
        node = node[place]
    node[path[-1]] = value
    with pytest.raises(CodecError):
        Sequential.decode(SPEC, msgspec.msgpack.encode(tree))


@given(st.integers(0, len(SAVED) - 1), st.integers(1, 255))
@settings(max_examples=300)
def test_a_flipped_byte_is_read_or_a_codec_error(place: int, bits: int) -> None:
    """Most bytes are numbers, for which a checksum stands elsewhere."""
    damaged = bytearray(SAVED)
    damaged[place] ^= bits
    with suppress(CodecError):
        Sequential.decode(SPEC, bytes(damaged))


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.binary(max_size=9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)


@given(st.sampled_from([(READ,), (REFUSED,), (PENDING, 0), (PENDING, 0, 0), (BY_DETECTOR,), (BY_DETECTOR, 1), (DISPERSION,)]), TREES)
def test_anything_else_in_a_saved_place_is_read_or_a_codec_error(path: tuple[int, ...], value: object) -> None:
    tree = node = msgspec.msgpack.decode(SAVED)
    for place in path[:-1]:
        node = node[place]
    node[path[-1]] = value
    with suppress(CodecError):
        Sequential.decode(SPEC, msgspec.msgpack.encode(tree)).advance(SECONDS[181] * 1_000)


# One change, one report.


def test_one_abrupt_change_is_one_report_of_each_detector_and_series() -> None:
    found = shifts_of(normal(levels((0.3, 2_000), (0.5, 900)), 30, 4, 5), spec(4))
    assert Counter((shift.column, shift.detector) for shift in of_position(found)) == dict.fromkeys(
        [(column, name) for column in range(4) for name in DETECTORS], 1
    )
    assert max(Counter((shift.column, shift.series, shift.detector) for shift in found).values()) == 1
    for shift in of_position(found):
        assert shift.before == pytest.approx(0.3, abs=0.01)
        assert shift.after == pytest.approx(0.5, abs=0.03)
        assert shift.p_value is not None
        assert shift.p_value < 1e-6
        assert shift.changed_ms < shift.detected_ms


def test_a_change_of_spread_alone_is_one_of_the_spread() -> None:
    """From the middle to both ends, and the mean stays."""
    rng = np.random.default_rng(6)
    u = np.concatenate([rng.uniform(0.35, 0.65, (2_000, 30, 2)), rng.random((600, 30, 2))])
    found = shifts_of(u, spec(2))
    assert Counter((s.column, s.series, s.detector) for s in found) == dict.fromkeys(
        [(column, Series.SPREAD, name) for column in (0, 1) for name in DETECTORS], 1
    )
    assert all(shift.before == pytest.approx(0.15, abs=0.01) and shift.after == pytest.approx(0.5, abs=0.05) for shift in found)


def test_ten_small_steps_add_up_to_a_report() -> None:
    """Each of them is far below the least shift; only their sum is not."""
    u = normal(levels((0.3, 1_800), *((0.3 + 0.02 * step, 200) for step in range(11))), 50, 3, 7)
    found = of_position(shifts_of(u, spec(3, min_shift=0.1)))
    assert {(shift.column, shift.detector) for shift in found} == {(column, name) for column in range(3) for name in DETECTORS}
    assert min(shift.detected_ms for shift in found) > 2_800_000, "the fifth step is the first 0.1 above the beginning"
    assert shifts_of(u, spec(3, min_shift=0.25)) == []


def test_a_change_smaller_than_the_least_shift_is_none() -> None:
    """Not for want of a suspicion or of evidence: with a smaller least shift it is reported by the same seed."""
    u = normal(levels((0.5, 1_500), (0.53, 2_000)), 50, 4, 8)
    assert shifts_of(u, spec(4, min_shift=0.05)) == []
    assert {shift.column for shift in shifts_of(u, spec(4, min_shift=0.02)) if shift.detector == "adwin"} == set(range(4))


def test_an_infinite_least_shift_reports_nothing() -> None:
    """A column that is not judged, beside one that is."""
    u = normal(levels((0.1, 1_000), (0.9, 200)), 30, 2, 9)
    of = SequentialSpec(2, np.array([math.inf, 0.05]), Clustering(np.ones(4)), 1.0, 1_000)
    assert {shift.column for shift in shifts_of(u, of)} == {1}


def test_a_change_that_goes_on_while_it_settles_is_not_reported_twice() -> None:
    """ADWIN finds each step within two seconds: the second one, half a minute later, is still the same change."""
    steps = {gap: normal(levels((0.2, 2_000), (0.4, gap), (0.6, 400)), 50, 3, 10) for gap in (30, 200)}
    counts = {gap: Counter(s.column for s in of_position(shifts_of(u, spec(3))) if s.detector == "adwin") for gap, u in steps.items()}
    assert counts == {30: dict.fromkeys(range(3), 1), 200: dict.fromkeys(range(3), 2)}


def test_there_and_back_are_two_changes_however_soon() -> None:
    found = of_position(shifts_of(normal(levels((0.3, 2_000), (0.6, 30), (0.3, 300)), 50, 2, 11), spec(2)))
    for name in DETECTORS:
        for column in (0, 1):
            there, back = [s for s in found if s.detector == name and s.column == column]
            assert there.after > there.before
            assert back.after < back.before


@pytest.mark.parametrize(("shift", "within_s"), [(0.5, 3), (1.0, 1)])
def test_the_change_point_is_where_the_change_was(shift: float, within_s: int) -> None:
    """In standard deviations. ADWIN within that; Page-Hinkley's extreme wanders: half of them within it, all within 20 s."""
    z = np.random.default_rng(12).normal(size=(2_100, 100, 20)) + np.where(np.arange(2_100) >= 2_000, shift, 0.0)[:, None, None]
    found = of_position(shifts_of(stats.norm.cdf(z), spec(20)))
    off = {name: [abs(s.changed_ms - 2_000_000) / 1_000 for s in found if s.detector == name] for name in DETECTORS}
    assert [len(each) for each in off.values()] == [20, 20]
    assert max(off["adwin"]) <= within_s
    assert np.median(off["page_hinkley"]) <= within_s
    assert max(off["page_hinkley"]) <= 20


def test_of_the_first_blocks_nothing_is_said_and_what_they_held_is_not_forgotten() -> None:
    """Before there were two differences of blocks nobody knows how the level wanders; a change in the first minutes is told later."""
    u = normal(levels((0.2, 300), (0.8, 1_200)), 30, 2, 13)
    assert shifts_of(normal(levels((0.1, 60), (0.9, 68)), 30, 2, 13), spec(2, alpha=1.0)) == []
    found = of_position(shifts_of(u, spec(2)))
    assert Counter((s.column, s.detector) for s in found) == dict.fromkeys([(c, name) for c in (0, 1) for name in DETECTORS], 1)
    assert all(abs(s.changed_ms - 300_000) <= 1_000 for s in found)


def test_no_shift_is_found_in_200_000_stationary_values_and_half_a_deviation_within_2_000() -> None:
    """20 columns, 3 seeds, 100 values a second. With no least shift at all, at one false report in a thousand windows."""
    for seed in range(3):
        z = np.random.default_rng(seed).normal(size=(2_060, 100, 20))
        z[2_000:] += 0.5
        u = stats.norm.cdf(z)
        of = spec(20, min_shift=0.0, alpha=1e-3)
        watch = Sequential(of)
        watch.add(slices_of(u), None)
        assert watch.advance(2_000_000) == []
        found = of_position(watch.advance(2_060_000))
        assert Counter((s.column, s.detector) for s in found) == dict.fromkeys([(c, name) for c in range(20) for name in DETECTORS], 1)
        delay = {name: max(s.detected_ms for s in found if s.detector == name) - 2_000_000 for name in DETECTORS}
        assert delay["adwin"] <= 10_000
        assert delay["page_hinkley"] <= 20_000


@pytest.mark.parametrize("least", [1.0, 10.0])
def test_copies_are_no_evidence(least: float) -> None:
    """Ten of every value, whether or not the training data said so."""
    u = np.repeat(np.random.default_rng(14).random((1_500, 10, 20)), 10, axis=1)
    assert shifts_of(u, spec(20, min_shift=0.0, alpha=1e-3, phi=least)) == []


# Strange columns.


@pytest.mark.parametrize("level", [0.0, 0.3, 0.5, 1.0])
def test_a_constant_column_has_no_shift_until_it_is_another_constant(level: float) -> None:
    other = level + 0.25 if level < 0.6 else level - 0.25
    u = np.repeat(levels((level, 2_000), (other, 300)), 20).reshape(2_300, 20, 1)
    assert shifts_of(u[:2_000], spec(1, min_shift=0.0, alpha=1.0)) == []
    for name in DETECTORS:
        (found,) = [s for s in of_position(shifts_of(u, spec(1))) if s.detector == name]
        assert found.changed_ms == 2_000_000
        assert [found.before, found.after] == pytest.approx([level, other], abs=1e-6)
        assert found.size == pytest.approx(0.25, abs=1e-5)


def test_a_column_without_any_value_is_silent_and_costs_the_others_nothing() -> None:
    u = normal(levels((0.3, 1_500), (0.6, 200)), 20, 2, 15)
    u[:, :, 1] = np.nan
    found = shifts_of(u, spec(2))
    assert found == shifts_of(u[:, :, :1], spec(1))
    assert found != []


@pytest.mark.parametrize("phi", [1.0, 2.0])
def test_one_value_a_second_is_enough(phi: float) -> None:
    found = of_position(shifts_of(normal(levels((0.3, 2_000), (0.7, 800)), 1, 3, 16), spec(3, phi=phi)))
    assert Counter((s.column, s.detector) for s in found) == dict.fromkeys([(c, name) for c in range(3) for name in DETECTORS], 1)
    assert all(s.detected_ms - s.changed_ms >= SIDE_MIN * phi * 1_000 for s in found), "30 effective values after the change"
    assert all(abs(s.changed_ms - 2_000_000) <= 17_000 for s in found)


def test_compiled_ahead_it_is_ready() -> None:
    compile_sequential()


# p.


@pytest.mark.parametrize(("n0", "n1"), [(10, 10), (30, 30), (30, 1_000), (200, 5_000), (50_000, 50_000)])
@pytest.mark.parametrize("target", [0.3, 1e-2, 1e-4, 1e-8, 1e-16, 1e-50, 1e-150, 1e-280])
def test_p_is_that_of_the_t_test_to_a_few_percent_of_its_exponent(n0: int, n1: int, target: float) -> None:
    """Far in the tails, and there on the safe side. The one value that is added to the variance is given to scipy, too."""
    freedom, m2 = n0 + n1 - 2, 0.08 * (n0 + n1)
    deviation = math.sqrt((m2 + 0.25) / (n0 + n1 - 1))
    apart = float(stats.t.isf(target / 2, freedom)) * deviation * math.sqrt(1 / n0 + 1 / n1)
    exact = stats.ttest_ind_from_stats(apart, deviation, n0, 0.0, deviation, n1).pvalue
    found = p_value(n0, n1, apart, m2, 1.0, math.inf)
    assert math.log(exact) == pytest.approx(math.log(target), rel=1e-6)
    assert 0.97 <= math.log(found) / math.log(exact) <= 1.001
    assert p_value(n0, n1, -apart, m2, 1.0, math.inf) == found


@pytest.mark.parametrize("shift", [0.05, 0.2, 0.3])
def test_p_of_two_samples_is_scipys(shift: float) -> None:
    rng = np.random.default_rng(17)
    one, two = 0.5 * rng.random(2_000), shift + 0.5 * rng.random(300)
    m2 = float(((one - one.mean()) ** 2).sum() + ((two - two.mean()) ** 2).sum())
    found = p_value(2_000.0, 300.0, float(two.mean() - one.mean()), m2, 1.0, math.inf)
    assert math.log(found) == pytest.approx(math.log(stats.ttest_ind(one, two).pvalue), rel=0.01)


@pytest.mark.parametrize("phi", [2.0, 7.5])
def test_phi_values_are_one(phi: float) -> None:
    n0, n1, apart, m2 = 3_000, 600, 0.05, 300.0
    deviation = math.sqrt((m2 + 0.25) / (n0 + n1 - 1))
    exact = stats.ttest_ind_from_stats(apart, deviation, n0 / phi, 0.0, deviation, n1 / phi).pvalue
    assert math.log(p_value(n0, n1, apart, m2, phi, math.inf)) == pytest.approx(math.log(exact), rel=0.01)


def test_of_almost_no_values_p_is_one() -> None:
    assert p_value(1.0, 1.0, 1.0, 0.0, 1.0, math.inf) == 1.0
    assert p_value(30.0, 30.0, 1.0, 0.0, 25.0, math.inf) == 1.0
    assert p_value(2.0, 2.0, 1.0, 0.0, 1.0, math.inf) < 1.0
    assert p_value(1e6, 1e6, 1.0, 1e3, 1.0, 1.0) == 1.0


@pytest.mark.parametrize("freedom", [3.0, 8.0, 40.0])
@pytest.mark.parametrize("t", [2.0, 8.0, 100.0])
def test_p_has_no_more_degrees_of_freedom_than_phi_was_found_with(freedom: float, t: float) -> None:
    """A t-test of that many, however many values there are; of three, to a tenth of the exponent."""
    n0, n1, m2 = 40_000.0, 10_000.0, 4_000.0
    apart = t * math.sqrt((m2 + 0.25) / (n0 + n1 - 1) * (1 / n0 + 1 / n1))
    exact = 2 * float(stats.t.sf(t, freedom))
    found = p_value(n0, n1, apart, m2, 1.0, freedom)
    assert found >= exact * (1 - 1e-6)
    assert math.log(found) == pytest.approx(math.log(exact), rel=0.1 if freedom < 8 else 0.03)
    assert p_value(10.0, 12.0, 0.3, 2.0, 1.0, freedom) >= p_value(10.0, 12.0, 0.3, 2.0, 1.0, math.inf)


def test_nothing_is_without_variance() -> None:
    """Thirty equal values against thirty others a hundredth away: no proof, though not one of them differed from its side."""
    deviation = math.sqrt(0.25 / 59)
    exact = stats.ttest_ind_from_stats(0.01, deviation, 30, 0.0, deviation, 30).pvalue
    assert 0.1 < p_value(30.0, 30.0, 0.01, 0.0, 1.0, math.inf) == pytest.approx(exact, rel=0.01)


# phi.


def moments(slices: Sequence[Sequence[float] | Floats]) -> Floats:
    """The same second of several series: float64[3, S]."""
    n = [len(values) for values in slices]
    mean = [float(np.mean(values)) if len(values) else 0.0 for values in slices]
    m2 = [float(((np.array(values) - m) ** 2).sum()) for values, m in zip(slices, mean, strict=True)]
    return np.array([n, mean, m2])


Timed = list[tuple[int, Floats]]


def slice_ratio(by_level: list[Timed]) -> float:
    """One-way analysis of variance: mean square between slices, each about its level's mean, by that of all values about it."""
    between = 0.0
    for level in by_level:
        mean = np.concatenate([values for _, values in level]).mean()
        between += sum(len(values) * (values.mean() - mean) ** 2 for _, values in level)
    return float(between / (sum(map(len, by_level)) - len(by_level)) / variance_of(by_level))


def variance_of(by_level: list[Timed]) -> float:
    each = [np.concatenate([values for _, values in level]) for level in by_level]
    return float(sum(((values - values.mean()) ** 2).sum() for values in each) / (sum(map(len, each)) - len(each)))


def block_differences(by_level: list[Timed]) -> list[float]:
    """Of the means of successive whole blocks of a level, squared and in units of their variance; the last block is not over yet."""
    found = []
    for place, level in enumerate(by_level):
        blocks: dict[int, list[Floats]] = {}
        for second, values in level:
            blocks.setdefault(second // 64, []).append(values)
        joined = [np.concatenate(values) for values in blocks.values()]
        over = len(joined) - (place == len(by_level) - 1 or by_level[place + 1][0][0] // 64 == max(blocks))
        found += [float((a.mean() - b.mean()) ** 2 / (1 / len(a) + 1 / len(b))) for a, b in pairwise(joined[:over])]
    return found


def clustered(seed: int, slices: int, wave: float) -> Timed:
    """0 to 11 values every few seconds that share half of their variance, on a wave of a quarter of an hour."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 5, slices)).tolist()
    middles = [0.5 + wave * math.sin(second / 150) + rng.normal(0, 0.05) for second in times]
    return [(second, middle + rng.normal(0, 0.05, rng.integers(0, 12))) for second, middle in zip(times, middles, strict=True)]


@pytest.mark.parametrize("clustering", [Clustering(np.ones(1)), Clustering(np.full(1, 2.0)), Clustering(np.full(1, 3.4), 100.0, 60.0)])
@pytest.mark.parametrize(("ends", "wave"), [((), 0.0), ((150,), 0.0), ((60, 60, 150), 0.0), ((), 0.1), ((60, 150), 0.1)])
def test_phi_is_the_largest_of_its_three_ratios(ends: tuple[int, ...], wave: float, clustering: Clustering) -> None:
    """At every second: between slices from the thirtieth of two values on, between blocks from the second on, and what training said."""
    dispersion, ratio = Dispersion(clustering), float(clustering.ratio[0])
    by_level: list[Timed] = []
    ended, said_by = True, set()
    for place, (second, values) in enumerate(clustered(18, 240, wave)):
        phi = float(dispersion.feed(second, moments([values]))[0])
        if len(values):
            by_level += [[]] if ended else []
            by_level[-1].append((second, values))
            ended = False
        seen = [one for level in by_level for one in level]
        expected = {"training": ratio if not clustering.slices else 1.0}
        if clustering.slices and seen:
            per_run = sum(len(each) for _, each in seen) * 60 / (second - seen[0][0] + 1)
            expected["training"] = 1 + SAFETY * (ratio - 1) / 99 * max(per_run - 1, 0)
        if sum(len(each) > 1 for _, each in seen) >= SLICES_MIN:
            expected["slices"] = slice_ratio(by_level)
        differences = block_differences(by_level)
        if differences:
            expected["blocks"] = float(np.mean(differences)) / variance_of(by_level)
        assert phi == pytest.approx(max(expected.values()), rel=1e-9)
        assert dispersion.freedom[0] == pytest.approx(NEUMANN * len(differences))
        said_by.add(max(expected, key=lambda name: expected[name]))
        for _ in range(ends.count(place)):
            dispersion.end_level(0)
            ended = True
    assert len(by_level) == 1 + len(set(ends))
    assert said_by >= {"training", *(["slices"] if ratio < 3 else []), *(["blocks"] if wave else [])}


def test_phi_of_independent_values_is_one_and_of_copies_their_number() -> None:
    """And of a constant or of nothing, what it was before; each series for itself."""
    rng, dispersion = np.random.default_rng(19), Dispersion(Clustering(np.array([1.0, 1.0, 3.0, 3.0])))
    for number in range(6_400):
        free, copies = rng.random(6), np.repeat(rng.random(1), 6)
        phi = dispersion.feed(number, moments([free, copies, np.full(6, 0.7), np.zeros(0)]))
    assert phi.tolist() == pytest.approx([1.15, 6.5, 3.0, 3.0], rel=0.15)
    assert dispersion.freedom.tolist() == pytest.approx([98 * NEUMANN, 98 * NEUMANN, 98 * NEUMANN, 0])


def test_what_wanders_for_minutes_shows_between_blocks_alone() -> None:
    """Values of one second are independent of each other but for the level of their minute."""
    rng, dispersion = np.random.default_rng(21), Dispersion(Clustering(np.ones(1)))
    for number in range(200 * BLOCK):
        if number % BLOCK == 0:
            level = rng.normal(0.5, 0.03)
        phi = float(dispersion.feed(number, moments([rng.normal(level, 0.1, 4)]))[0])
    assert phi == pytest.approx((1 + 4 * BLOCK * 0.09) / 1.09, rel=0.3)


def test_what_changes_by_the_minute_shows_whole_once_four_hours_are_known() -> None:
    """Each minute has a level of its own, and blocks are a little longer: neighbours share one, and differ by half of what they might."""
    rng, dispersion = np.random.default_rng(23), Dispersion(Clustering(np.ones(1)))
    phi = np.zeros(800 * BLOCK)
    for number in range(len(phi)):
        if number % 60 == 0:
            level = rng.normal(0.5, 0.03)
        phi[number] = dispersion.feed(number, moments([rng.normal(level, 0.1, 4)]))[0]
    known, whole = LONG[0] * BLOCK * (LONG_MIN + 1), (1 + 4 * 60 * 0.09) / 1.09
    assert phi[known - 1] < 0.65 * whole
    assert phi[-1] == pytest.approx(whole, rel=0.2)
    assert dispersion.freedom[0] == pytest.approx(NEUMANN * (800 // LONG[0] - 2))


def test_what_wanders_for_longer_than_minutes_must_have_changed_for_an_hour() -> None:
    """A level with a memory of ten minutes, and one that changes by the minute: the first asks for patience, once 34 hours are known."""
    rng, dispersion = np.random.default_rng(25), Dispersion(Clustering(np.ones(2)))
    wave, level = 0.0, 0.5
    for number in range((LONG_MIN + 3) * LONG[-1] * BLOCK):
        wave += -wave / 600 + rng.normal(0, 0.05 * math.sqrt(2 / 600))
        level = rng.normal(0.5, 0.05) if number % 60 == 0 else level
        dispersion.feed(number, moments([rng.normal(0.5 + wave, 0.1, 2), rng.normal(level, 0.1, 2)]))
    assert dispersion.span.tolist() == [LONG[-1] * BLOCK, 0.0]
    assert dispersion.phi[0] > 4 * dispersion.phi[1]


@pytest.mark.parametrize("span", [0.0, 200.0])
def test_a_change_is_told_when_it_has_lasted(span: float) -> None:
    told = Told()
    told.span = np.array([span])
    values = np.random.default_rng(26).normal(levels((0.3, 500), (0.7, 400)), 0.1).tolist()
    found = [number for number, value in enumerate(values) if told.hear(value, 500 if number == 520 else None)]
    assert len(found) == 1
    assert found[0] >= max(499 + span, 520)
    assert found[0] < max(500 + span, 560)


def test_a_dispersion_of_version_2_is_read_without_long_blocks() -> None:
    """Then a series was one record: what is known of it, then its blocks."""
    rng, one, other = np.random.default_rng(24), Dispersion(Clustering(np.ones(2))), Dispersion(Clustering(np.ones(2)))
    for number in range(300):
        phi = one.feed(number, moments([rng.random(3), rng.random(3)])).copy()
    content, size = one.encode(), RECORD.itemsize
    records = [content[series * size : (series + 1) * size] for series in range(2)]
    blocks = content[2 * size :]
    other.load(
        b"".join(record + blocks[series * BLOCKS.itemsize : (series + 1) * BLOCKS.itemsize] for series, record in enumerate(records))
    )
    assert other.feed(299, np.zeros((3, 2))).tolist() == phi.tolist()


def test_a_step_hardly_hides_itself() -> None:
    """It is in one difference of many, and between slices as much as they differ: a tenth of what one of half an hour ago would be."""
    rng, dispersion = np.random.default_rng(22), Dispersion(Clustering(np.ones(1)))
    for number in range(60 * BLOCK):
        phi = float(dispersion.feed(number, moments([rng.normal(0.5 if number < 30 * BLOCK else 0.55, 0.1, 4)]))[0])
    assert phi < 4.0


def test_phi_is_not_known_from_slices_of_one_value() -> None:
    dispersion = Dispersion(Clustering(np.ones(1)))
    assert all(dispersion.feed(number, moments([[number / BLOCK]]))[0] == 1.0 for number in range(BLOCK))


# The latch.


ANY: Final = np.full(1, math.inf)
"""Degrees of freedom: as many as there are values."""
AT_ONCE: Final = np.zeros(1)
"""Slices that a change must have lasted."""


class Told:
    """One latch that is told, second by second, values and where a change is suspected."""

    def __init__(self, min_shift: float = 0.05, alpha: float = 1e-3, phi: float = 1.0) -> None:
        self.latch, self.phi, self.span = Latch(np.array([min_shift]), alpha, 10.0), np.array([phi]), AT_ONCE
        self.seen: list[float] = []
        self.report: list[float] = []

    def hear(self, value: float, suspected: int | None = None) -> bool:
        """One value more; suspected: the second since which there may be another level. Whether that is reported."""
        self.seen.append(value)
        cuts, number = no_cuts(1), len(self.seen) - 1
        if suspected is not None:
            since = np.array(self.seen[suspected:])
            cuts[0] = (suspected, len(since), since.sum(), (since**2).sum())
        found = len(self.latch.feed(number, np.array([[1.0], [value], [0.0]]), self.phi, ANY, self.span, cuts)) > 0
        self.report = list(self.latch.reports[0].item()) if found else self.report
        return found

    def hear_all(self, value: float, times: int) -> int:
        return sum(self.hear(value) for _ in range(times))


@pytest.mark.parametrize("phi", [1.0, 3.0])
def test_a_suspicion_stays_open_until_it_has_30_effective_values(phi: float) -> None:
    told = Told(phi=phi)
    assert told.hear_all(0.25, 200) == 0
    assert not told.hear(0.75, suspected=200)
    found = [told.hear(0.75) for _ in range(200)]
    assert found.index(True) == SIDE_MIN * phi - 2, "the one that was suspected is the first of them"
    assert sum(found) == 1


def test_as_many_are_needed_before_it() -> None:
    told = Told()
    told.hear_all(0.25, SIDE_MIN - 1)
    told.hear(0.75, suspected=SIDE_MIN - 1)
    assert told.hear_all(0.75, 500) == 0


def test_a_report_gives_both_levels_and_a_p_for_every_look_and_place() -> None:
    told = Told()
    rng = np.random.default_rng(20)
    old, new = rng.uniform(0.2, 0.5, 100), rng.uniform(0.3, 0.6, 400)
    for value in old.tolist():
        told.hear(value)
    count = 1 + next(n for n, value in enumerate(new.tolist()) if told.hear(value, suspected=100 if n == 0 else None))
    start, before, after, p = told.report
    assert [start, before, after] == pytest.approx([100, old.mean(), new[:count].mean()])
    m2 = 100 * old.var() + count * new[:count].var()
    assert p == pytest.approx(10 * CUTS * p_value(100.0, count, after - before, m2, 1.0, math.inf), rel=1e-6)
    assert p < 1e-3
    assert SIDE_MIN < count < 400, "it was the evidence that was waited for"


@pytest.mark.parametrize(("min_shift", "reported"), [(0.25, True), (0.2500001, False), (math.inf, False)])
def test_a_change_must_be_at_least_the_least_shift(min_shift: float, reported: bool) -> None:
    told = Told(min_shift=min_shift, alpha=1.0)
    told.hear_all(0.25, 300)
    told.hear(0.5, suspected=300)
    assert (told.hear_all(0.5, 300) > 0) == reported


def test_a_later_suspicion_replaces_an_open_one() -> None:
    told = Told()
    told.hear_all(0.25, 100)
    told.hear(0.25, suspected=100)
    told.hear_all(0.25, 60)
    told.hear(0.75, suspected=161)
    assert told.hear_all(0.75, 60) == 1
    assert told.report[:3] == pytest.approx([161, 0.25, 0.75])


def changed_once() -> Told:
    """Up, reported in second 229."""
    told = Told()
    told.hear_all(0.25, 200)
    told.hear(0.5, suspected=200)
    assert told.hear_all(0.5, SIDE_MIN - 1) == 1
    return told


@pytest.mark.parametrize(("after", "reports"), [(SETTLE - 1, 0), (SETTLE, 0), (SETTLE + 1, 1)])
def test_within_a_minute_of_its_report_the_same_direction_is_the_same_change(after: int, reports: int) -> None:
    told = changed_once()
    told.hear_all(0.5, after - 1)
    last = len(told.seen)
    assert not told.hear(0.75, suspected=last)
    assert told.hear_all(0.75, 300) == reports
    if reports == 0:
        told.hear(0.25, suspected=len(told.seen))
        told.hear_all(0.25, SIDE_MIN)
        assert told.report[:3] == pytest.approx([last + 301, 0.75, 0.25]), "and its end is the new level"


def test_the_other_direction_is_another_change_at_once() -> None:
    told = changed_once()
    told.hear_all(0.5, SIDE_MIN)
    told.hear(0.25, suspected=len(told.seen))
    assert told.hear_all(0.25, SIDE_MIN) == 1


def test_after_a_report_only_what_came_since_counts() -> None:
    """The level of long ago is forgotten: what is compared with the new one is what came after the change."""
    told = changed_once()
    told.hear_all(0.5, 200)
    told.hear(0.625, suspected=len(told.seen))
    told.hear_all(0.625, 200)
    assert told.report[1] == pytest.approx(0.5)


def test_a_latch_hears_nothing_in_a_slice_without_values() -> None:
    told = changed_once()
    encoded, cuts = told.latch.encode(), no_cuts(1)
    cuts[0] = (5, 1.0, 1.0, 1.0)
    assert not len(told.latch.feed(999, np.zeros((3, 1)), told.phi, ANY, AT_ONCE, cuts))
    assert told.latch.reports["start"] == NONE, "not the old report once more"
    assert told.latch.encode() == encoded


def test_saved_levels_go_on_and_others_are_refused() -> None:
    one, two = changed_once(), changed_once()
    two.latch = Latch(two.latch.min_shift, 1e-3, 10.0)
    two.latch.load(one.latch.encode())
    for told in (one, two):
        told.hear_all(0.5, SETTLE - 1)
        assert not told.hear(0.75, suspected=len(told.seen))
    assert one.latch.encode() == two.latch.encode()
    for bad in (b"", one.latch.encode()[:-1], one.latch.encode() * 2):
        with pytest.raises(CodecError):
            two.latch.load(bad)
