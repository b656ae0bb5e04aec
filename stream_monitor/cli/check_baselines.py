"""What `check` says about baselines: how far they can be relied on under this config."""

from collections.abc import Iterator
from typing import Final

from stream_monitor.baseline.joint import candidates
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.baseline.truth import Truth
from stream_monitor.cli.constraints import RUNS_MIN
from stream_monitor.cli.load import Loaded
from stream_monitor.config import Model
from stream_monitor.config.tree import Facet
from stream_monitor.detect.attributions import NDCG
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.registry import Thresholds
from stream_monitor.pipeline.constraints import raised_thresholds
from stream_monitor.pipeline.plan import StreamPlan

_WEEK_MS: Final = 7 * 24 * 3_600_000
BLIND: Final = {"psi": 1.0, "missing_ratio": 0.5}
"""Thresholds from which on a detector hardly sees anything: a shift by a whole standard deviation is PSI 1."""


def baseline_warnings(loaded: Loaded) -> list[str]:
    """One sentence each, by stream."""
    found: list[str] = []
    for key, stream in loaded.plan.streams.items():
        model = loaded.config.models[key.model]
        path = model.baseline if key.version is None else model.versions[key.version].baseline or model.baseline
        place = f"models.{key.model}" if key.version is None else f"models.{key.model}.versions.{key.version}"
        found += [f"{place}: {warning}" for warning in _of_stream(stream, model, path)]
    return found


def _of_stream(stream: StreamPlan, model: Model, path: str) -> Iterator[str]:
    yield from _of_rows(stream)
    yield from _of_time(stream, model)
    yield from _of_anomalies(stream)
    yield from _of_segments(stream, model, path)
    yield from _of_truth(stream.baseline.truth, model, path)
    yield from _of_answers(stream, model, path)
    yield from _of_attributions(stream, model, path)


def _of_rows(stream: StreamPlan) -> Iterator[str]:
    rows = stream.baseline.rows
    if rows < stream.spec.events_min:
        yield (
            f"the baseline holds {rows} rows only, fewer than events_min ({stream.spec.events_min}); "
            "only gross changes can be told from chance"
        )
    empty = [column.column.name for column in stream.baseline.columns if column.counts[0] + column.counts[1] == rows]
    if empty:
        yield f"no value in training: {_some(empty)}; nothing but missing values can be judged there"


def _of_time(stream: StreamPlan, model: Model) -> Iterator[str]:
    baseline = stream.baseline
    span, runs = baseline.time, baseline.runs
    if span is None or span.first_ms is None or span.last_ms is None:
        yield "the baseline has no time column, so daily and weekly seasons cannot be told from drift; build it with --time COL"
    elif span.last_ms - span.first_ms < _WEEK_MS:
        yield "the baseline spans less than a week, so weekly seasons (and daily ones hardly) cannot be told from drift; build it from more"
    if not model.natural_ranges:
        return
    if runs is None:
        yield "the baseline has no natural ranges; build it again with `stream-monitor baseline`, or set natural_ranges: false"
    elif runs.count < RUNS_MIN:
        yield f"the baseline makes {runs.count} runs only, too few to know how much it varies by itself; build it from more rows"
    raised = raised_thresholds(
        baseline, Thresholds(model.thresholds, {name: override.thresholds for name, override in model.overrides.items()})
    )
    for detector, limit in BLIND.items():
        blind = [each.column for each in raised if each.detector == detector and each.effective > limit]
        if blind:
            yield (
                f"{detector} is nearly blind for {_some(blind)}: training varies so much that its threshold rises over {limit:g}; "
                "build the baseline from steadier data, or exclude it"
            )


def _of_anomalies(stream: StreamPlan) -> Iterator[str]:
    """A baseline of older software."""
    baseline = stream.baseline
    if baseline.joint is None and len(candidates(baseline.columns, baseline.rows)) > 1:
        yield (
            "the baseline was built before there were anomalies, so outlier_ratio and multivariate_outlier_ratio see nothing; "
            "build it again with `stream-monitor baseline`"
        )


def _of_segments(stream: StreamPlan, model: Model, path: str) -> Iterator[str]:
    known = {segmentation.name for segmentation in stream.baseline.segments}
    for key, names in {"segments": model.segments, "facets": model.cuts}.items():
        lacking = [name for name in names if name not in known]
        if lacking:
            yield (
                f"{key}: {path} holds no segments by {_some(lacking)}, so they are not judged; "
                f"build it again with `stream-monitor baseline … --segment {','.join(lacking)}`"
            )
    for each in stream.baseline.segments:
        if each.name in model.facets:
            yield from _of_facet(each, model.facets[each.name], path)


def _of_facet(held: Segmentation, facet: Facet, path: str) -> Iterator[str]:
    """Where the baseline's groups are others than the config means."""
    groups = [held.label(place) for place in range(len(held.values) + 1)]
    if facet.privileged is not None and facet.privileged not in groups:
        yield f"facets.{held.name}: privileged is {facet.privileged!r}, but {path} knows {_some(groups)}: no group is compared"
    if isinstance(facet.bins, tuple) and facet.bins != held.edges:
        yield f"facets.{held.name}: has other bins than {path}, which knows {_some(groups)}; build it again with this config"


def _of_answers(stream: StreamPlan, model: Model, path: str) -> Iterator[str]:
    """No answers to hold a window's against."""
    asked = [name for name in ANSWERED if model.detectors is None or name in model.detectors]
    if model.task is not None and asked and stream.labels[()].judge.usual is None:
        yield (
            f"{path} does not say how like inputs were answered, so nothing is said of {' and '.join(asked)}: no feature tells of the "
            "predictions, or it was built before there were such; then build it again"
        )


def _of_truth(truth: Truth | None, model: Model, path: str) -> Iterator[str]:
    """A task whose training quality is not known, or was counted in another way."""
    again = "build it again with `stream-monitor baseline … --config FILE --model NAME --target COL`"
    if model.task is None:
        return
    if truth is None:
        yield (
            f"task: {path} holds no labels of training rows, so quality is judged against absolute thresholds only, and cannot be "
            "estimated before labels come; build it again with `stream-monitor baseline … --target COL`"
        )
    elif truth.layout.task != model.task:
        yield f"task: is {model.task}, but {path} was compared with its labels as {truth.layout.task}; {again}"
    elif model.positive_class is not None and model.task == "binary" and model.positive_class not in truth.layout.classes:
        yield f"positive_class: {model.positive_class!r} is no class of {path}; it has {_some(list(truth.layout.classes))}"
    elif model.positive_class is not None and model.task == "binary" and model.positive_class != truth.positive_class:
        yield f"positive_class: is {model.positive_class!r}, but {truth.positive_class!r} in the labels of {path}; {again}"


def _of_attributions(stream: StreamPlan, model: Model, path: str) -> Iterator[str]:
    if stream.baseline.attribution is None and NDCG in {*model.thresholds, *(model.detectors or ())}:
        yield (
            f"{NDCG}: {path} holds no attributions, so their ranking is not judged; build it again from past captures with `attributions`, "
            "or from a table with columns `attributions.NAME`"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
