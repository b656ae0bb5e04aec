"""The store of metric values: workers' numbers go in, a scrape reads them out.

It is a custom collector of prometheus_client and not a set of its `Counter` objects, because series must vanish when a
model goes to another worker, and because their number is bounded. It fits `runtime`'s `Meter`.
"""

import math
from collections.abc import Iterable, Mapping
from threading import Lock

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stream_monitor.export.catalog import BY_NAME, METRICS, MetricSpec
from stream_monitor.export.histogram import Histogram

Labels = Mapping[str, str]
Key = tuple[str, ...]

SERIES_MAX = 10_000
"""Series per metric: 100 models of 25 features and 4 detectors; at some 150 bytes of text each, a scrape stays under 20 MB in all."""


class MetricStore(Collector):
    """Values of the metrics of `catalog`; every method may be called from any thread.

    Names are the catalog's, without prefix. A name that is not there, another type's method or other labels than declared are
    mistakes in the code: ValueError. A series beyond `series_max` of its metric is not made; `limit_hits_total{limit="metric_series"}`
    counts every update that was lost so.
    """

    def __init__(self, series_max: int = SERIES_MAX) -> None:
        self._series_max = series_max
        self._lock = Lock()
        self._values: dict[str, dict[Key, float]] = {spec.name: {} for spec in METRICS if spec.type != "histogram"}
        self._histograms: dict[str, dict[Key, Histogram]] = {spec.name: {} for spec in METRICS if spec.type == "histogram"}

    def add(self, metric: str, labels: Labels, amount: float = 1) -> None:
        """Count `amount` more (finite, >= 0, else ValueError); 0 makes the series visible."""
        spec = _declared(metric, "counter")
        key = _key(spec, labels)
        if not 0 <= amount < math.inf:
            raise ValueError(f"a counter grows by a finite amount from 0 on, not by {amount}")
        with self._lock:
            if self._room(self._values[metric], key):
                self._values[metric][key] = self._values[metric].get(key, 0) + amount

    def set(self, metric: str, labels: Labels, value: float) -> None:
        """Set a gauge; NaN and infinity are shown as they are."""
        spec = _declared(metric, "gauge")
        key = _key(spec, labels)
        with self._lock:
            if self._room(self._values[metric], key):
                self._values[metric][key] = value

    def observe(self, metric: str, labels: Labels, value: float) -> None:
        """Put a value into a histogram; a negative one (clocks differ) counts as 0. Not finite: ValueError."""
        spec = _declared(metric, "histogram")
        key = _key(spec, labels)
        if not math.isfinite(value):
            raise ValueError(f"a histogram takes finite values, not {value}")
        with self._lock:
            series = self._histograms[metric]
            if self._room(series, key):
                series.setdefault(key, Histogram(spec.buckets)).observe(max(value, 0.0))

    def value(self, metric: str, labels: Labels) -> float | None:
        """The value of one series of a counter or gauge, None where it is not there."""
        spec = _declared(metric, "counter", "gauge")
        with self._lock:
            return self._values[metric].get(_key(spec, labels))

    def drop(self, metric: str, labels: Labels) -> None:
        """Remove the series that have all of these labels; with none, every series of the metric."""
        spec = _declared(metric, "counter", "gauge", "histogram")
        if unknown := labels.keys() - set(spec.labels):
            raise ValueError(f"{metric} has no label {', '.join(sorted(unknown))}")
        wanted = [(spec.labels.index(name), value) for name, value in labels.items()]
        with self._lock:
            series = self._histograms[metric] if spec.type == "histogram" else self._values[metric]
            if len(wanted) == len(spec.labels):  # the one: a window of many columns may drop as many
                series.pop(_key(spec, labels), None)
                return
            for key in [key for key in series if all(key[index] == value for index, value in wanted)]:
                del series[key]

    def describe(self) -> Iterable[Metric]:
        """The metrics without their values; prometheus_client asks for it when a store is registered."""
        return [_family(spec) for spec in METRICS]

    def collect(self) -> Iterable[Metric]:
        """All metrics in the catalog's order, series in the order of their labels: equal stores give equal bytes."""
        with self._lock:
            return [self._filled(spec) for spec in METRICS]

    def registry(self) -> CollectorRegistry:
        """A new registry with this store and the metrics of the process (memory, processor time, open files, Python)."""
        registry = CollectorRegistry()
        registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        return registry

    def text(self) -> str:
        """The store alone in the Prometheus text format 0.0.4: `replay`'s metrics.prom."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry).decode()

    def _room(self, series: Mapping[Key, object], key: Key) -> bool:
        """Whether `key` is there or may be made; the count of refusals is not itself subject to the bound."""
        if key in series or len(series) < self._series_max:
            return True
        hits = self._values["limit_hits_total"]
        hits[("metric_series",)] = hits.get(("metric_series",), 0) + 1
        return False

    def _filled(self, spec: MetricSpec) -> Metric:
        family = _family(spec)
        if isinstance(family, HistogramMetricFamily):
            for key, histogram in sorted(self._histograms[spec.name].items()):
                family.add_metric(key, histogram.cumulative(), histogram.sum)
        else:
            for key, value in sorted(self._values[spec.name].items()):
                family.add_metric(key, value)
        return family


def _declared(metric: str, *types: str) -> MetricSpec:
    spec = BY_NAME.get(metric)
    if spec is None or spec.type not in types:
        raise ValueError(f"there is no {' or '.join(types)} {metric!r} in the catalog of metrics")
    return spec


def _key(spec: MetricSpec, labels: Labels) -> Key:
    if labels.keys() != set(spec.labels):
        raise ValueError(f"{spec.name} has the labels {', '.join(spec.labels) or 'none'}, not {', '.join(labels) or 'none'}")
    return tuple(labels[name] for name in spec.labels)


_Family = type[CounterMetricFamily] | type[GaugeMetricFamily] | type[HistogramMetricFamily]
_FAMILIES: dict[str, _Family] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}


def _family(spec: MetricSpec) -> CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily:
    return _FAMILIES[spec.type](spec.full_name, spec.help, labels=spec.labels)
