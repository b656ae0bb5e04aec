"""The metric store, read back as Prometheus would: through prometheus_client's own parsers."""

import math
from collections.abc import Iterable
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as parse

from stream_monitor.export.catalog import METRICS, metrics_page
from stream_monitor.export.metrics import MetricStore
from stream_monitor.runtime.observe import Meter

ROOT = Path(__file__).parents[2]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in parse(text) for sample in family.samples}


def openmetrics(text: str) -> list[Metric]:
    return list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def sample(text: str, name: str, **labels: str) -> float | None:
    return samples(text).get((f"stream_monitor_{name}", frozenset(labels.items())))


def names(text: str) -> Iterable[str]:
    return {name for name, _ in samples(text)}


DRIFT = {"model": "loan", "segment": "", "feature": "income", "detector": "psi"}


def test_an_empty_store_declares_every_metric_and_has_no_sample() -> None:
    families = list(parse(MetricStore().text()))
    assert {family.documentation for family in families} == {spec.help for spec in METRICS}
    assert not any(family.samples for family in families)


def test_the_names_of_the_contract_are_declared_with_their_labels() -> None:
    declared = {spec.full_name: (spec.type, set(spec.labels)) for spec in METRICS}
    contract = {
        "stream_monitor_events_total": ("counter", {"model"}),
        "stream_monitor_dead_letters_total": ("counter", {"topic", "reason"}),
        "stream_monitor_late_events_total": ("counter", {"model"}),
        "stream_monitor_drift_score": ("gauge", {"model", "segment", "feature", "detector"}),
        "stream_monitor_missing_ratio": ("gauge", {"model", "feature"}),
        "stream_monitor_alerts_total": ("counter", {"model", "kind", "severity"}),
        "stream_monitor_alerts_firing": ("gauge", {"model", "kind", "severity"}),
        "stream_monitor_window_end_timestamp_seconds": ("gauge", {"model"}),
        "stream_monitor_consumer_lag_messages": ("gauge", {"topic", "partition"}),
        "stream_monitor_watermark_delay_seconds": ("gauge", {"model"}),
        "stream_monitor_event_to_alert_seconds": ("histogram", set()),
        "stream_monitor_limit_hits_total": ("counter", {"limit"}),
    }
    assert {name: declared.get(name) for name in contract} == contract


def test_counters_add_up_and_gauges_keep_the_last_value() -> None:
    store = MetricStore()
    store.add("events_total", {"model": "loan"}, 3)
    store.add("events_total", {"model": "loan"})
    store.add("events_total", {"model": "fraud"}, 0)
    store.set("drift_score", DRIFT, 0.1)
    store.set("drift_score", DRIFT, 0.31)
    text = store.text()
    assert sample(text, "events_total", model="loan") == 4
    assert sample(text, "events_total", model="fraud") == 0
    assert sample(text, "drift_score", **DRIFT) == 0.31
    assert store.value("drift_score", DRIFT) == 0.31
    assert store.value("events_total", {"model": "other"}) is None


@given(st.lists(st.floats(-10, 10_000), max_size=50))
def test_a_histogram_counts_every_value_at_or_below_its_bounds(values: list[float]) -> None:
    store = MetricStore()
    for value in values:
        store.observe("event_to_alert_seconds", {}, value)
    text = store.text()
    if not values:
        assert "stream_monitor_event_to_alert_seconds_count" not in names(text)
        return
    bounds = next(spec.buckets for spec in METRICS if spec.type == "histogram")
    for bound in bounds:
        assert sample(text, "event_to_alert_seconds_bucket", le=repr(bound)) == sum(value <= bound for value in values)
    assert sample(text, "event_to_alert_seconds_bucket", le="+Inf") == len(values)
    assert sample(text, "event_to_alert_seconds_count") == len(values)
    assert sample(text, "event_to_alert_seconds_sum") == pytest.approx(sum(max(value, 0) for value in values))


@given(st.dictionaries(st.text(max_size=20), st.floats(allow_nan=False), max_size=8))
def test_any_label_value_survives_the_text_formats(values: dict[str, float]) -> None:
    store = MetricStore()
    for feature, value in values.items():
        store.set("missing_ratio", {"model": 'quote " back \\ line \n', "feature": feature}, value)
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    for families in (parse(store.text()), openmetrics(encode(store.registry()).decode())):
        read = {
            item.labels["feature"]: item.value
            for family in families
            for item in family.samples
            if item.name == "stream_monitor_missing_ratio"
        }
        assert read == values


def test_drop_removes_what_has_all_of_the_labels() -> None:
    store = MetricStore()
    for feature in ("income", "age"):
        for detector in ("psi", "js"):
            store.set("drift_score", {**DRIFT, "feature": feature, "detector": detector}, 1)
    store.drop("drift_score", {"feature": "income", "detector": "psi"})
    assert store.value("drift_score", DRIFT) is None
    assert len(samples(store.text())) == 3
    store.drop("drift_score", {"feature": "income"})
    assert len(samples(store.text())) == 2
    store.drop("drift_score", {})
    store.observe("event_to_alert_seconds", {}, 1)
    store.drop("event_to_alert_seconds", {})
    assert samples(store.text()) == {}


def test_series_beyond_the_bound_are_not_made_and_every_refused_update_is_counted() -> None:
    store = MetricStore(series_max=2)
    for index in range(5):
        store.add("events_total", {"model": f"m{index}"})
    store.add("events_total", {"model": "m0"})
    assert store.value("events_total", {"model": "m0"}) == 2
    assert store.value("events_total", {"model": "m2"}) is None
    assert store.value("limit_hits_total", {"limit": "metric_series"}) == 3


def test_the_count_of_refusals_is_itself_never_refused() -> None:
    store = MetricStore(series_max=1)
    store.add("limit_hits_total", {"limit": "panes"})
    store.add("limit_hits_total", {"limit": "models"})
    assert store.value("limit_hits_total", {"limit": "metric_series"}) == 1


def test_a_dropped_series_makes_room() -> None:
    store = MetricStore(series_max=1)
    store.add("events_total", {"model": "loan"})
    store.drop("events_total", {"model": "loan"})
    store.add("events_total", {"model": "fraud"})
    assert store.value("events_total", {"model": "fraud"}) == 1


def test_the_store_is_the_meter_that_the_workers_ask_for() -> None:
    meter: Meter = MetricStore()  # the claim is mypy's to check; this line is what it checks
    meter.add("events_total", {"model": "loan"}, 2.0)
    meter.drop("events_total", {"model": "loan"})


def test_mistakes_in_the_code_are_told() -> None:
    store = MetricStore()
    with pytest.raises(ValueError, match="no counter 'evnts_total'"):
        store.add("evnts_total", {})
    with pytest.raises(ValueError, match="no gauge 'events_total'"):
        store.set("events_total", {"model": "loan"}, 1)
    with pytest.raises(ValueError, match="has the labels model, not none"):
        store.add("events_total", {})
    with pytest.raises(ValueError, match="has no label colour"):
        store.drop("events_total", {"colour": "red"})


@pytest.mark.parametrize("amount", [-1, math.nan, math.inf])
def test_a_counter_only_grows(amount: float) -> None:
    with pytest.raises(ValueError, match="grows by a finite amount"):
        MetricStore().add("events_total", {"model": "loan"}, amount)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_histogram_takes_no_infinity(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        MetricStore().observe("event_to_alert_seconds", {}, value)


def test_a_gauge_shows_nan_and_infinity_as_they_are() -> None:
    store = MetricStore()
    store.set("watermark_delay_seconds", {"model": "loan"}, math.inf)
    store.set("watermark_delay_seconds", {"model": "fraud"}, math.nan)
    assert sample(store.text(), "watermark_delay_seconds", model="loan") == math.inf
    assert math.isnan(sample(store.text(), "watermark_delay_seconds", model="fraud") or 0)


@given(st.permutations(["a", "b", "c", "d"]))
def test_equal_stores_give_equal_bytes(order: list[str]) -> None:
    store, expected = MetricStore(), MetricStore()
    for model in order:
        store.add("events_total", {"model": model}, ord(model))
    for model in sorted(order):
        expected.add("events_total", {"model": model}, ord(model))
    assert store.text() == expected.text()


def test_no_update_of_many_threads_is_lost() -> None:
    store = MetricStore()

    def work() -> None:
        for _ in range(2_000):
            store.add("events_total", {"model": "loan"})
            store.observe("event_to_alert_seconds", {}, 1)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.value("events_total", {"model": "loan"}) == 8_000
    assert sample(store.text(), "event_to_alert_seconds_count") == 8_000


def test_the_registry_has_the_process_too() -> None:
    store = MetricStore()
    encode, _ = choose_encoder("")
    assert {"python_info", "process_start_time_seconds"} <= set(names(encode(store.registry()).decode()))
    assert not any(name.startswith(("python_", "process_")) for name in names(store.text()))


def test_the_page_of_metrics_is_up_to_date() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == metrics_page(), "run `make docs`"
