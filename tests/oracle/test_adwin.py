"""ADWIN against river's, bit for bit where every slice is one value; with more values, against a window that keeps them all."""

import inspect
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from river import drift

from stream_monitor.detect.sequential.adwin import BUCKET, BUCKETS, CLOCK, DELTA, GRACE, LEVELS, PART_MIN, WINDOW, Adwin
from stream_monitor.detect.sequential.cut import NONE
from stream_monitor.errors import CodecError

Floats = NDArray[np.float64]
RIVERS: Final[Any] = drift.ADWIN  # river has no types
State = tuple[bool, float, float, float, float]
"""Drifted, width, total, variance, estimation."""

KINDS: Final[dict[str, Callable[[np.random.Generator], Floats]]] = {
    "uniform": lambda rng: rng.random(40_000),
    "steps": lambda rng: np.clip(rng.normal(np.repeat([0.3, 0.6, 0.2, 0.25, 0.9], 2_000), 0.1), 0, 1),
    "ramp": lambda rng: np.clip(rng.normal(np.linspace(0.2, 0.8, 12_000), 0.1), 0, 1),
    "wave": lambda rng: np.clip(rng.normal(0.5 + 0.3 * np.sin(np.arange(12_000) / 700), 0.05), 0, 1),
    "constant": lambda _: np.full(6_000, 0.3),
    "constants": lambda _: np.repeat([0.5, 0.1, 0.7], 1_000),
    "zeros and ones": lambda rng: (rng.random(12_000) < np.repeat([0.5, 0.7, 0.01, 0.06], 3_000)).astype(np.float64),
    "heavy tails": lambda rng: np.clip(0.5 + 0.02 * rng.standard_cauchy(12_000) + np.repeat([0.0, 0.1], 6_000), 0, 1),
    "long before its step": lambda rng: 0.9 * rng.random(36_000) + np.repeat([0.0, 0.1], [35_000, 1_000]),
}
DRIFTING: Final = {"steps", "ramp", "wave", "constants", "zeros and ones", "heavy tails", "long before its step"}


def single(values: Floats) -> Floats:
    """Slices of one value each: float64[3, S]."""
    return np.stack([np.ones_like(values), values, np.zeros_like(values)])


def moments(values: Floats) -> Floats:
    """One slice of one series: float64[3, 1]."""
    return np.array([[len(values)], [values.mean()], [((values - values.mean()) ** 2).sum()]])


def state(adwin: Adwin, drifts: int) -> State:
    window = adwin.windows[0]
    width, total = float(window["width"]), float(window["total"])
    return drifts > 0, width, total, float(window["variance"]), total / width


def cuts_of(adwin: Adwin) -> list[tuple[float, ...] | None]:
    return [None if cut["start"] == NONE else cut.item() for cut in adwin.cuts]


def trace(values: Floats) -> list[State]:
    adwin, phi = Adwin(1), np.ones(1)
    return [state(adwin, adwin.feed(i, single(values[i : i + 1]), phi)) for i in range(len(values))]


def rivers(values: Floats) -> list[State]:
    adwin = RIVERS()
    found = []
    for value in values.tolist():
        adwin.update(value)
        found.append((bool(adwin.drift_detected), float(adwin.width), adwin.total, adwin.variance, adwin.estimation))
    return found


def test_settings_are_rivers_defaults() -> None:
    defaults = {name: each.default for name, each in inspect.signature(RIVERS).parameters.items()}
    ours = {"delta": DELTA, "clock": CLOCK, "max_buckets": BUCKETS, "min_window_length": PART_MIN, "grace_period": GRACE}
    assert ours == defaults


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_one_value_per_slice_is_rivers_adwin_to_the_bit(kind: str, seed: int) -> None:
    values = KINDS[kind](np.random.default_rng(seed))
    found = trace(values)
    assert found == rivers(values)
    assert any(drifted for drifted, *_ in found) or kind not in DRIFTING, "or the comparison shows little"


RUNS = st.lists(st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 90)), min_size=1, max_size=8)


def noisy(runs: list[tuple[float, int]], noise: float, seed: int) -> Floats:
    levels = np.repeat([level for level, _ in runs], [length for _, length in runs])
    return np.clip(levels + noise * np.random.default_rng(seed).uniform(-1, 1, len(levels)), 0, 1)


@given(RUNS, st.sampled_from([0.0, 0.05, 0.5]), st.integers(0, 9))
def test_short_runs_of_any_levels_are_rivers(runs: list[tuple[float, int]], noise: float, seed: int) -> None:
    values = noisy(runs, noise, seed)
    assert trace(values) == rivers(values)


@given(st.lists(st.floats(0, 1), min_size=33, max_size=200))
def test_any_values_are_rivers(values: list[float]) -> None:
    assert trace(np.array(values)) == rivers(np.array(values))


def test_several_series_at_once_are_each_alone() -> None:
    columns = [KINDS[kind](np.random.default_rng(3))[:3_000] for kind in KINDS]
    together, alone, phi = Adwin(len(columns)), [Adwin(1) for _ in columns], np.ones(len(columns))
    for number, row in enumerate(np.stack(columns, axis=1)):
        drifts = together.feed(number, single(row), phi)
        assert drifts == sum(each.feed(number, single(row[s : s + 1]), phi[:1]) for s, each in enumerate(alone))
        assert cuts_of(together) == [cut for each in alone for cut in cuts_of(each)]
    assert together.windows.tobytes() == b"".join(each.windows.tobytes() for each in alone)
    assert [together.buckets[s].tobytes() for s in range(len(alone))] == [each.buckets[0].tobytes() for each in alone]


class Plain:
    """ADWIN with every value kept: buckets of (first slice, values), by size, the oldest first."""

    def __init__(self, phi: float) -> None:
        self.phi, self.clock, self.drifted = phi, 0, False
        self.rows: list[list[tuple[int, Floats]]] = [[]]
        self.cut: tuple[int, Floats] | None = None

    def feed(self, number: int, values: Floats) -> bool:
        if self.drifted:
            self.rows, self.clock = [[]], 0
        self.rows[0].append((number, values))
        self._merge()
        passed, self.clock = self.clock // 32, self.clock + len(values)
        self.drifted = self.clock // 32 > passed and len(self.values()) / self.phi > 10 and self._disagrees()
        self.cut = self._best() if self.drifted else None
        while self.drifted:
            self._forget()
            if not self._disagrees():
                break
        return self.drifted

    def values(self) -> Floats:
        return np.concatenate([values for _, values in self._buckets()])

    def _buckets(self) -> list[tuple[int, Floats]]:
        return [bucket for row in reversed(self.rows) for bucket in row]

    def _merge(self) -> None:
        for level in range(100):
            if len(self.rows[level]) <= 5:
                return
            (start, older), (_, newer) = self.rows[level].pop(0), self.rows[level].pop(0)
            self.rows += [[]] if level + 1 == len(self.rows) else []
            self.rows[level + 1].append((start, np.concatenate([older, newer])))

    def _forget(self) -> None:
        self.rows[-1].pop(0)
        if not self.rows[-1]:
            self.rows.pop()

    def _parts(self) -> list[tuple[int, Floats, Floats]]:
        held, whole = self._buckets(), self.values()
        ends = np.cumsum([len(values) for _, values in held])[:-1].tolist()
        return [(start, whole[:end], whole[end:]) for (start, _), end in zip(held[1:], ends, strict=True)]

    def _disagrees(self) -> bool:
        whole = self.values()
        confidence = math.log(2 * math.log(len(whole)) / 0.002)
        for _, old, new in self._parts():
            n0, n1 = len(old) / self.phi, len(new) / self.phi
            if min(n0, n1) >= 5:
                m = 1 / (n0 - 4) + 1 / (n1 - 4)
                if abs(old.mean() - new.mean()) > math.sqrt(2 * m * whole.var() * confidence) + 2 / 3 * confidence * m:
                    return True
        return False

    def _best(self) -> tuple[int, Floats]:
        start, _, new = max(self._parts(), key=lambda part: len(part[1]) * len(part[2]) * (part[1].mean() - part[2].mean()) ** 2)
        return start, new


def drawn(seed: int) -> list[Floats]:
    """Slices of 0 to 40 values at three levels."""
    rng = np.random.default_rng(seed)
    levels = np.repeat([0.3, 0.5, 0.45], 130)
    return [np.clip(rng.normal(level, 0.15, rng.integers(0, 40)), 0, 1) for level in levels]


@pytest.mark.parametrize("phi", [1.0, 3.5, 12.0])
@pytest.mark.parametrize("seed", range(3))
def test_slices_of_many_values_are_a_window_that_keeps_them_all(seed: int, phi: float) -> None:
    adwin, plain, drifts = Adwin(1), Plain(phi), 0
    for number, values in enumerate(drawn(seed)):
        if not len(values):
            continue
        drifted = adwin.feed(number, moments(values), np.array([phi])) > 0
        assert drifted == plain.feed(number, values)
        window, held = adwin.windows[0], plain.values()
        assert window["width"] == len(held)
        assert window["total"] == pytest.approx(held.sum(), rel=1e-9)
        assert window["variance"] == pytest.approx(((held - held.mean()) ** 2).sum(), rel=1e-9, abs=1e-9)
        assert (int(adwin.cuts[0]["start"]) != NONE) == drifted
        if plain.cut is not None:
            start, since = plain.cut
            assert adwin.cuts[0].item() == pytest.approx((start, len(since), since.sum(), (since**2).sum()), rel=1e-9)
            drifts += 1
    assert drifts >= 1


@pytest.mark.parametrize("seed", range(2))
def test_slices_without_values_change_nothing(seed: int) -> None:
    """Not even after a drift: it is reported once, and the window still waits for the next value."""
    dense, thin, phi, empty = Adwin(1), Adwin(1), np.ones(1), np.zeros((3, 1))
    for number, values in enumerate(each for each in drawn(seed) if len(each)):
        assert thin.feed(number, moments(values), phi) == dense.feed(number, moments(values), phi)
        assert thin.encode() == dense.encode()
        assert thin.feed(number, empty, phi) == 0
        assert thin.cuts["start"] == NONE
        assert thin.encode() == dense.encode()


def test_the_window_before_the_newest_is_bounded() -> None:
    """Five buckets of every size, all full: one more slice merges its way up and the oldest half million leave."""
    window, buckets = np.zeros(1, dtype=WINDOW), np.zeros((LEVELS, BUCKETS), dtype=BUCKET)
    sizes = 2.0 ** np.arange(LEVELS)[:, None]
    buckets["n"], buckets["total"], buckets["m2"] = sizes, 0.5 * sizes, sizes / 12
    window["width"], window["total"], window["variance"] = (buckets[name].sum() for name in ("n", "total", "m2"))
    window["levels"], window["used"] = LEVELS, BUCKETS
    adwin = Adwin(1)
    adwin.load(window.tobytes() + buckets.tobytes())
    for number in range(200):
        assert adwin.feed(number, single(np.array([0.5])), np.ones(1)) == 0
        found = adwin.windows[0]
        assert found["levels"] == LEVELS
        assert found["used"].max() <= BUCKETS
        in_use = adwin.buckets[0][np.arange(BUCKETS + 1) < found["used"][:, None]]
        assert found["width"] == in_use["n"].sum() < 5_300_000
        assert (found["total"], found["variance"]) == pytest.approx((in_use["total"].sum(), in_use["m2"].sum()))
    assert found["width"] == window["width"][0] + 200 - 2 ** (LEVELS - 1)


@given(RUNS, st.integers(0, 9), st.integers(0, 400))
@settings(max_examples=40)
def test_a_saved_adwin_goes_on_to_the_bit(runs: list[tuple[float, int]], seed: int, cut: int) -> None:
    values, phi = np.stack([noisy(runs, 0.05, seed), noisy(runs, 0.3, seed)], axis=1), np.ones(2)
    whole, part = Adwin(2), Adwin(2)
    for number, row in enumerate(values):
        if number == cut % len(values):
            saved, part = part, Adwin(2)
            part.load(saved.encode())
            assert part.encode() == saved.encode()
        assert part.feed(number, single(row), phi) == whole.feed(number, single(row), phi)
        assert cuts_of(part) == cuts_of(whole)
    assert part.encode() == whole.encode()


def damaged(change: Callable[[Any], None]) -> bytes:
    adwin = Adwin(2)
    for number in range(40):
        adwin.feed(number, single(np.full(2, 0.5)), np.ones(2))
    windows = adwin.windows.copy()
    change(windows)
    return windows.tobytes() + adwin.encode()[windows.nbytes :]


def set_used(level: int, used: int) -> Callable[[Any], None]:
    def change(windows: Any) -> None:
        windows["used"][0, level] = used

    return change


def set_levels(windows: Any) -> None:
    windows["levels"][1] += 1


@pytest.mark.parametrize("change", [set_used(0, -1), set_used(0, BUCKETS + 1), set_used(0, 0), set_used(9, 1), set_levels])
def test_a_saved_adwin_that_does_not_fit_itself_is_refused(change: Callable[[Any], None]) -> None:
    with pytest.raises(CodecError):
        Adwin(2).load(damaged(change))


def test_a_saved_adwin_of_another_length_is_refused() -> None:
    good = damaged(lambda windows: None)
    Adwin(2).load(good)
    for bad in (b"", good[:10], good[:-1], good + b"\0" * 32):
        with pytest.raises(CodecError):
            Adwin(2).load(bad)
    with pytest.raises(CodecError):
        Adwin(3).load(good)
