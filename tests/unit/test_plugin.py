"""Detectors of river by name: which there are, what is said of a mistake, and what they report."""

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from river import base, drift

from stream_monitor.detect.sequential import plugin as plugin_module
from stream_monitor.detect.sequential.dispersion import Clustering
from stream_monitor.detect.sequential.plugin import RECENT, PlugIn, PlugInWatch, Value, plugin_of
from stream_monitor.detect.sequential.shift import Series, Shift
from stream_monitor.detect.sequential.watch import Sequential, SequentialSpec
from stream_monitor.errors import ConfigError
from stream_monitor.profile.slices import POSITION_SCALE, Slices

Floats = NDArray[np.float64]
BUILT_IN = ("ADWIN", "PageHinkley")
NUMERIC = sorted(
    name
    for name, kind in inspect.getmembers(drift, inspect.isclass)
    if issubclass(kind, base.DriftDetector) and name in drift.__all__ and name not in BUILT_IN
)


def test_river_has_such_detectors() -> None:
    assert {"KSWIN", "NoDrift", "DummyDriftDetector"} <= set(NUMERIC)


@pytest.mark.parametrize("class_name", NUMERIC)
def test_every_class_that_reads_numbers_is_a_detector_by_its_name(class_name: str) -> None:
    found = plugin_of(class_name, {})
    assert found.class_name == class_name
    one, two = found.new(), found.new()
    assert type(one) is getattr(drift, class_name)
    assert one is not two
    watch = PlugInWatch(found, 2)
    for number in range(400):
        shifts = watch.feed(number, np.ones(2), np.full(2, 0.5))
        assert {shift.detector for shift in shifts} <= {found.name}


@pytest.mark.parametrize(
    ("class_name", "name"), [("KSWIN", "kswin"), ("NoDrift", "no_drift"), ("DummyDriftDetector", "dummy_drift_detector")]
)
def test_its_name_is_in_snake_case(class_name: str, name: str) -> None:
    assert plugin_of(class_name, {}).name == name


@pytest.mark.parametrize(
    ("class_name", "name"), [("HDDM_A", "hddm_a"), ("ADWINChange", "adwin_change"), ("Page2Hinkley", "page2_hinkley"), ("X", "x")]
)
def test_snake_case_of_names_that_river_has_not(class_name: str, name: str) -> None:
    assert plugin_module._snake_case(class_name) == name


def test_where_it_draws_random_numbers_its_seed_is_set() -> None:
    assert plugin_of("KSWIN", {}).params == (("seed", 0),)
    assert plugin_of("KSWIN", {"seed": 7, "alpha": 0.001}).params == (("alpha", 0.001), ("seed", 7))
    assert plugin_of("KSWIN", {}).new().seed == 0
    assert plugin_of("NoDrift", {}).params == ()


def test_equal_settings_are_the_same_plug_in_in_any_order() -> None:
    one, two = plugin_of("KSWIN", {"alpha": 0.01, "stat_size": 20}), plugin_of("KSWIN", {"stat_size": 20, "alpha": 0.01})
    assert one == two
    assert hash(one) == hash(two)


def test_parameters_reach_the_class() -> None:
    found = plugin_of("DummyDriftDetector", {"t_0": 12, "trigger_method": "random", "w": 3}).new()
    assert (found.t_0, found.trigger_method, found.w, found.seed) == (12, "random", 3, 0)


MISTAKES: list[tuple[str, dict[str, Value], str]] = [
    ("KSWINN", {}, r"river: no detector 'KSWINN'; did you mean KSWIN\?"),
    ("kswin", {}, r"river: no detector 'kswin'; did you mean KSWIN\?"),
    ("DummyDetector", {}, r"no detector 'DummyDetector'; did you mean DummyDriftDetector\?"),
    ("Zebra", {}, "no detector 'Zebra'; known: DummyDriftDetector, KSWIN, NoDrift"),
    ("", {}, "no detector ''; known: DummyDriftDetector, KSWIN, NoDrift"),
    ("DDM", {}, "no detector 'DDM'"),  # of binary values
    ("DriftRetrainingClassifier", {}, "no detector 'DriftRetrainingClassifier'"),  # a classifier
    ("PeriodicTrigger", {}, "no detector 'PeriodicTrigger'"),  # in river's list of names, and not there
    ("binary", {}, "no detector 'binary'"),  # a module
    ("ADWIN", {}, "ADWIN is built in and always on; leave it out here"),
    ("PageHinkley", {"delta": 0.1}, "PageHinkley is built in and always on; leave it out here"),
    ("KSWIN", {"alhpa": 0.1}, r"river.KSWIN: no parameter 'alhpa'; did you mean alpha\?"),
    ("KSWIN", {"windowsize": 5}, r"no parameter 'windowsize'; did you mean window_size\?"),
    ("KSWIN", {"x": 5}, "no parameter 'x'; known: alpha, seed, stat_size, window_size"),
    ("KSWIN", {"window": "abc"}, "no parameter 'window'; "),  # data, not a setting
    ("NoDrift", {"alpha": 1}, "river.NoDrift: no parameter 'alpha'; known: none"),
    ("KSWIN", {"alpha": 2.0}, "river.KSWIN: Alpha must be between 0 and 1"),
    ("KSWIN", {"alpha": "often"}, "river.KSWIN: '<' not supported"),
    ("KSWIN", {"window_size": 10, "stat_size": 30}, "river.KSWIN: stat_size must be smaller than window_size"),
    ("DummyDriftDetector", {"trigger_method": "never"}, "river.DummyDriftDetector: Invalid trigger_method: never"),
    ("DummyDriftDetector", {"trigger_method": "random"}, "'w' value must be greater than zero"),
    ("DummyDriftDetector", {"t_0": "soon"}, "river.DummyDriftDetector: "),
]


@pytest.mark.parametrize(("class_name", "params", "said"), MISTAKES)
def test_a_mistake_is_a_config_error_that_says_what_was_meant(class_name: str, params: dict[str, Value], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plugin_of(class_name, params)


def test_a_hint_never_leads_to_a_built_in() -> None:
    with pytest.raises(ConfigError) as error:
        plugin_of("ADWINS", {})
    assert "ADWIN?" not in str(error.value)
    assert "PageHinkley" not in str(error.value)


# What they report.


def stepped(seed: int, seconds: int = 300, at: int = 200) -> Floats:
    """Means of slices of two columns, of which the second stays."""
    means = np.random.default_rng(seed).normal(0.3, 0.02, (seconds, 2))
    means[at:, 0] += 0.4
    return means


def shifts_of(watch: PlugInWatch, means: Floats) -> list[Shift]:
    n = np.ones(means.shape[1])
    return [shift for number, row in enumerate(means) for shift in watch.feed(number, n, row)]


def strict() -> PlugIn:
    return plugin_of("KSWIN", {"alpha": 1e-6, "seed": 1})


def test_kswin_finds_a_shift_and_gives_both_levels() -> None:
    means = stepped(1)
    (found,) = shifts_of(PlugInWatch(strict(), 2), means)
    number = found.changed_ms // 1_000
    assert 205 <= number <= 225
    assert (found.column, found.series, found.detector, found.p_value) == (0, Series.POSITION, "kswin", None)
    assert found.detected_ms == found.changed_ms + 1_000, "it says no more than now"
    assert found.before == pytest.approx(means[: number + 1 - RECENT, 0].mean())
    assert found.after == pytest.approx(means[number + 1 - RECENT : number + 1, 0].mean())


def test_it_is_what_river_finds_in_the_means_of_slices() -> None:
    means, detector = stepped(2, 600, 300), strict().new()
    expected = []
    for number, value in enumerate(means[:, 0].tolist()):
        detector.update(value)
        expected += [number] if detector.drift_detected else []
    assert [shift.changed_ms // 1_000 for shift in shifts_of(PlugInWatch(strict(), 1), means[:, :1])] == expected
    assert expected != []


def test_each_report_begins_new_levels() -> None:
    """A detector that fires every ten slices, on values that rise by one: what is before and after is of the last ten."""
    watch = PlugInWatch(plugin_of("DummyDriftDetector", {"t_0": 10}), 1)
    found = shifts_of(watch, np.arange(30.0)[:, None])
    assert [(shift.changed_ms, shift.before, shift.after) for shift in found] == [
        (9_000, 0.0, 4.5),
        (19_000, 10.0, 14.5),
        (29_000, 20.0, 24.5),
    ]


def test_levels_of_a_long_stretch_are_the_newest_thirty_and_all_before_them() -> None:
    watch = PlugInWatch(plugin_of("DummyDriftDetector", {"t_0": 50}), 1)
    (found,) = shifts_of(watch, np.arange(50.0)[:, None])
    assert (found.before, found.after) == (9.5, 34.5)


def test_columns_without_values_are_left_out() -> None:
    watch = PlugInWatch(plugin_of("DummyDriftDetector", {"t_0": 10}), 2)
    found = [shift for number in range(20) for shift in watch.feed(number, np.array([1.0, float(number % 2)]), np.full(2, 0.5))]
    assert [(shift.column, shift.changed_ms) for shift in found] == [(0, 9_000), (0, 19_000), (1, 19_000)]


def spec(*plugins: PlugIn) -> SequentialSpec:
    return SequentialSpec(2, np.full(2, 0.05), Clustering(np.ones(4)), 1e-6, 300_000, plugins)


def slices_of(means: Floats, first: int = 0) -> Slices:
    """Two equal values per slice and column."""
    q = np.rint(means * POSITION_SCALE).astype(np.int64)
    sums = np.stack([2 * q, 2 * q * q, 2 * np.abs(2 * q - POSITION_SCALE)], axis=1)
    return Slices(np.arange(first, first + len(means)), np.full(means.shape, 2), sums)


def test_in_a_stream_it_reads_the_means_of_positions_in_the_order_of_time() -> None:
    means = np.rint(stepped(3) * POSITION_SCALE) / POSITION_SCALE
    watch = Sequential(spec(strict()))
    for first in (150, 0):
        watch.add(slices_of(means[first : first + 150], first), None)
    found = [shift for shift in watch.advance(300_000) if shift.detector == "kswin"]
    assert found == shifts_of(PlugInWatch(strict(), 2), means)
    assert len(found) == 1


def test_after_decoding_it_begins_anew_and_says_so() -> None:
    """The others go on; what it saw is lost, so that it takes the level after the restart for the only one."""
    means = stepped(4, 400, 200)
    one = Sequential(spec(strict()))
    one.add(slices_of(means[:200]), None)
    assert one.advance(200_000) == []
    assert not one.restored_fully
    two = Sequential.decode(one.spec, one.encode())
    assert not two.restored_fully
    plain = Sequential.decode(spec(), one.encode())
    assert plain.restored_fully, "the state is that of the built-in ones alone"
    shifts: dict[str, list[Shift]] = {}
    for name, watch in {"one": one, "two": two, "plain": plain}.items():
        watch.add(slices_of(means[200:], 200), None)
        shifts[name] = watch.advance(400_000)
    assert [shift for shift in shifts["one"] if shift.detector == "kswin"] != []
    assert shifts["two"] == [shift for shift in shifts["one"] if shift.detector != "kswin"] == shifts["plain"]


def test_two_plug_ins_of_one_stream_report_one_after_the_other() -> None:
    dummy = plugin_of("DummyDriftDetector", {"t_0": 10})
    other = replace(dummy, name="another")
    watch = Sequential(spec(dummy, other))
    watch.add(slices_of(stepped(5, 10, 10)), None)
    found = watch.advance(10_000)
    assert [(shift.detector, shift.column) for shift in found] == [
        ("dummy_drift_detector", 0),
        ("dummy_drift_detector", 1),
        ("another", 0),
        ("another", 1),
    ]


def test_a_class_that_river_adds_is_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newcomer(base.DriftDetector):
        def __init__(self, least: float = 0.9) -> None:
            super().__init__()
            self.least = least

        def update(self, x: float) -> None:
            self._drift_detected = x >= self.least

    module: Any = drift
    monkeypatch.setattr(module, "Newcomer", Newcomer, raising=False)
    monkeypatch.setattr(module, "__all__", [*module.__all__, "Newcomer"])
    found = shifts_of(PlugInWatch(plugin_of("Newcomer", {"least": 0.8}), 1), np.array([[0.1], [0.85], [0.2]]))
    assert [(shift.detector, shift.changed_ms) for shift in found] == [("newcomer", 1_000)]


@pytest.mark.parametrize("params", [{"stat_size": 60}, {"stat_size": 30.5}, {"window_size": 10**30}], ids=["many", "a part", "large"])
def test_what_would_fail_only_once_its_window_is_full_is_refused_at_once(params: dict[str, Value]) -> None:
    with pytest.raises(ConfigError, match=r"river\.KSWIN: "):
        plugin_of("KSWIN", params)
