"""A model's labels, made ready: the layout of its outcomes, the join's plan, and how every unit is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from stream_monitor.baseline.answers import CELLS
from stream_monitor.baseline.baseline import Baseline, CategoricalColumn, NumericColumn
from stream_monitor.baseline.column import BaselineColumn
from stream_monitor.baseline.task import usual_positive
from stream_monitor.capture.schema import PREDICTION, SCORE, Role, StreamKey
from stream_monitor.config import Model
from stream_monitor.detect.gate import alpha
from stream_monitor.detect.outcomes.answers import Usual
from stream_monitor.detect.outcomes.estimators import Estimator, fit_estimator
from stream_monitor.detect.outcomes.judge import OutcomeJudge
from stream_monitor.detect.registry import LOSS, OUTCOMES, PAIRS, SEQUENTIAL
from stream_monitor.detect.sequential.dispersion import Clustering
from stream_monitor.detect.sequential.entries import SERIES
from stream_monitor.detect.sequential.watch import SequentialSpec
from stream_monitor.errors import ConfigError
from stream_monitor.pipeline.join.labelled import LabelPlan
from stream_monitor.pipeline.join.plan import JoinPlan, layout_id
from stream_monitor.pipeline.join.sample import reliefs_of
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.outcome import CLASSES_MAX, Group, OutcomeLayout, Vector
from stream_monitor.window.spec import WindowSpec


def join_plan(name: str, model: Model, baselines: Mapping[StreamKey, Baseline], spec: WindowSpec, rows_max: int) -> JoinPlan | None:
    """The plan of a model with a task, else None. baselines: of all its streams, the model's own first. Errors: ConfigError."""
    if model.task is None:
        return None
    main = baselines[StreamKey(name, None)]
    facets = tuple(each for each in main.segments if each.name in model.cuts)
    answers = {stream: baseline.answers for stream, baseline in baselines.items() if baseline.answers is not None}
    layout = replace(_layout(name, model, main), cells=CELLS if answers else 0)
    segmentations = {
        stream: tuple(each for each in baseline.segments if each.name in model.segments) for stream, baseline in baselines.items()
    }
    counts = [[profile.events if each.name in model.facets else 0 for profile in each.profiles] for each in facets]
    relief = reliefs_of(counts) if layout.groups else ()
    made_of = layout_id(layout, relief, main, model.segments, max(map(len, segmentations.values())), spec)
    ids = {stream: baseline.id for stream, baseline in baselines.items()}
    return JoinPlan(name, layout, made_of, facets, ids, segmentations, spec, model.window.label_lateness, rows_max, answers, relief)


def label_plans(model: Model, join: JoinPlan, baseline: Baseline, segments: Sequence[Segment], budget: float) -> dict[Segment, LabelPlan]:
    """How outcomes of the whole and of each segment are judged, at the level that leaves them the model's budget of false alerts.

    A segment is held against the limits of the config alone: what is usual for it, training data was not asked.
    """
    layout, truth = join.layout, _truth_on(join.layout, baseline)
    window, limits = model.window, dict(model.thresholds)
    estimator, usual = (None if truth is None else fit_estimator(layout, truth)), Usual.of(layout, baseline)

    def judge(segment: Segment, level: float) -> OutcomeJudge:
        found = _judge(model, layout, None if segment else truth, estimator, level, segment)
        return found if segment else replace(found, usual=usual)

    is_wrong_or_right = layout.task != "regression"
    on = [name for name in (*SEQUENTIAL, *(LOSS if is_wrong_or_right else ())) if model.detectors is None or name in model.detectors]
    concept = len(SERIES) * len(on)
    tests = len(PAIRS) + sum(judge(segment, 0.01).tests() + concept for segment in segments)
    level = alpha(budget, tests, window.every_ms)
    least = min(limits.get(name, meaning.default_threshold) for name, meaning in {**SEQUENTIAL, **LOSS}.items())
    looks = SequentialSpec(1, np.array([least]), Clustering(np.ones(len(SERIES))), level, window.every_ms, errors=is_wrong_or_right)
    return {segment: LabelPlan(judge(segment, level), looks, window.label_lateness, join.reliefs) for segment in segments}


def _truth_on(layout: OutcomeLayout, baseline: Baseline) -> Vector | None:
    """The training data's outcome; None where there is none, or it was counted for another task or class, which `check` warns of."""
    try:
        return None if baseline.truth is None else baseline.truth.on(layout)
    except ValueError:
        return None


def _judge(
    model: Model, layout: OutcomeLayout, baseline: Vector | None, estimator: Estimator | None, level: float, segment: Segment
) -> OutcomeJudge:
    return OutcomeJudge(
        layout,
        level,
        model.window.events_min,
        model.window.label_coverage_min,
        baseline,
        estimator,
        {name: limit for name, limit in model.thresholds.items() if name.removesuffix("_drop") in OUTCOMES},
        {name: facet.privileged for name, facet in model.facets.items() if facet.privileged is not None},
        None if model.detectors is None else frozenset(model.detectors),
        frozenset((*(name for name, _ in segment), *(name for name in model.cuts if name not in model.facets))),
        model.strata(),
    )


def _layout(name: str, model: Model, baseline: Baseline) -> OutcomeLayout:
    outputs = {column.column.name: column for column in baseline.columns if column.column.role is Role.PREDICTION}
    prediction = outputs.get(PREDICTION)
    if model.task == "regression":
        if not isinstance(prediction, NumericColumn):
            raise ConfigError(f"models.{name}.task: is regression, and the baseline has no numeric prediction")
        return OutcomeLayout("regression", center=prediction.mean, scale=prediction.scale, edges=prediction.edges)
    assert model.task is not None
    classes = _classes(name, baseline, prediction)
    if model.task == "multiclass":
        learned = baseline.truth is None or baseline.truth.layout.scored  # an older baseline may know classes and not their scores
        return OutcomeLayout("multiclass", classes, scored=SCORE in outputs and model.positive_class is None and learned)
    positive = _positive(name, model, baseline, classes)
    groups = tuple(
        Group(each.name, each.label(place)) for each in baseline.segments if each.name in model.cuts for place in range(len(each.keys))
    )
    return OutcomeLayout("binary", classes, classes.index(positive), SCORE in outputs, groups)


def _classes(name: str, baseline: Baseline, prediction: BaselineColumn | None) -> tuple[str, ...]:
    if baseline.truth is not None and baseline.truth.layout.task != "regression":
        return baseline.truth.layout.classes
    if prediction is None or isinstance(prediction, NumericColumn):
        remedy = "build it again with `stream-monitor baseline --config … --model …`, or with --categorical naming the prediction"
        raise ConfigError(f"models.{name}.task: needs classes, and the baseline reads the prediction as a number or not at all; {remedy}")
    found = prediction.categories if isinstance(prediction, CategoricalColumn) else ("false", "true")
    return tuple(found[:CLASSES_MAX])


def _positive(name: str, model: Model, baseline: Baseline, classes: Sequence[str]) -> str:
    learned = baseline.truth.layout if baseline.truth is not None else None
    if model.positive_class is not None:
        if model.positive_class not in classes:
            raise ConfigError(
                f"models.{name}.positive_class: {model.positive_class!r} is no class of the baseline: {', '.join(classes[:8])}"
            )
        return model.positive_class
    if learned is not None and learned.positive is not None:
        return learned.classes[learned.positive]
    found = usual_positive(classes)
    if found is None:
        raise ConfigError(
            f"models.{name}.positive_class: is missing, and a binary model needs it; its classes are {', '.join(classes[:8])}"
        )
    return found
