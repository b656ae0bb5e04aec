"""Training data on its way to a baseline: its rows are gone through to find the columns, and again to count segments, runs and labels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.answers import Answers, choose_answers
from stream_monitor.baseline.attribution import AttributionCounts, ScaleCollector
from stream_monitor.baseline.baseline import Baseline, TimeSpan
from stream_monitor.baseline.choice import FieldCounts, choose_segments
from stream_monitor.baseline.collect import CategoryCollector, NumberCollector, collector
from stream_monitor.baseline.column import BaselineColumn
from stream_monitor.baseline.crossing import with_values
from stream_monitor.baseline.joint import Joint, candidates, edges_of, factor_of, scores
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.parts import Parts
from stream_monitor.baseline.runs import RunPlan, TrainingRuns, fold, plan_by_rows, plan_by_time
from stream_monitor.baseline.segments import VALUES_MAX, Segmentation, places_in
from stream_monitor.baseline.source import Source, Survey
from stream_monitor.baseline.targets import TargetCounts
from stream_monitor.baseline.task import plan_truth
from stream_monitor.baseline.truth import Truth
from stream_monitor.baseline.truth_plan import TruthPlan
from stream_monitor.capture.schema import PREDICTION, Role
from stream_monitor.capture.times import UNREAD
from stream_monitor.errors import BaselineError
from stream_monitor.profile.attributions import Attributions
from stream_monitor.profile.profile import Profile


@dataclass(frozen=True, slots=True)
class Counted:
    """What the last pass counts: each segmentation's segments, runs, windows, seasons' steps, labels with predictions; attributions."""

    segments: tuple[Parts, ...]
    runs: Parts
    windows: Parts
    steps: tuple[Parts, ...]
    truth: Truth | None
    attributions: AttributionCounts | None


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Training data of which the columns are counted. times: int64[n], those that could be read; scale: of attributions, if any."""

    source: Source
    survey: Survey
    options: BuildOptions
    baseline: Baseline
    segmentations: tuple[Segmentation, ...]
    truth: TruthPlan | None
    times: NDArray[np.int64]
    notes: tuple[str, ...]
    scale: float | None = None

    @classmethod
    def read(cls, source: Source, options: BuildOptions, paths: Sequence[Path]) -> Self:
        """The first two passes. Errors: InputError, BaselineError, each naming the file."""
        survey = source.survey()
        collectors = [collector(column, options) for column in survey.schema.columns]
        metadata = {name: FieldCounts(None if name in options.cut_by else VALUES_MAX) for name in survey.metadata}
        targets, scales = TargetCounts.of(survey.schema), ScaleCollector()
        rows, times = 0, [np.empty(0, dtype=np.int64)]
        for columns in source.chunks(survey):
            rows += len(columns)
            times.append(columns.time_ms[columns.time_ms != UNREAD])
            for each, values in zip(collectors, columns.values, strict=True):
                each.add(values)
            targets.add(columns)
            scales.add(columns.attributions)
            for name, counts in metadata.items():
                counts.add(columns.metadata[name])
        if rows == 0:
            raise BaselineError(f"{paths[0]}: holds no rows" + (f" of the model {options.model}" if options.model else ""))
        finished = [each.finish() for each in collectors]
        known = np.concatenate(times)
        baseline = Baseline(
            id="",
            rows=rows,
            columns=tuple(column for column, _ in finished),
            source=tuple(path.name for path in paths),
            target=options.target,
            time=None if survey.time is None else _span(survey.time, known),
            left_out=survey.left_out,
        )
        choice = choose_segments(str(paths[0]), baseline.columns, metadata, options, baseline.layout.total)
        segmentations = with_values(choice.segmentations, lambda: source.chunks(survey))
        truth = plan_truth(targets, *_predictions(collectors, baseline.columns), segmentations, options)
        baseline = replace(baseline, joint=_joint(source, survey, baseline), answers=_answers(source, survey, baseline))
        notes = (*survey.notes, *(note for _, notes in finished for note in notes), *choice.notes, *truth.notes)
        return cls(source, survey, options, baseline, segmentations, truth.plan, known, notes, scales.scale())

    def plan_runs(self) -> RunPlan:
        """By the rows' times, where any could be read."""
        cells = self.baseline.layout.total
        if len(self.times):
            return plan_by_time(self.times, self.options.window_ms, self.options.rows_min, cells)
        return plan_by_rows(self.baseline.rows, self.options.rows_min, cells)

    def count_again(self, plan: RunPlan | None) -> Counted:
        """The last pass over the rows; none where it has nothing to count."""
        from stream_monitor.baseline.strange import Strange  # numba is loaded only where events are counted

        base, seasons = self.baseline, plan.seasons if plan else ()
        segments = tuple(Parts.empty(len(each.values) + 1, base, positions=False) for each in self.segmentations)
        runs = Parts.empty(len(plan.starts) if plan else 0, base, positions=True)
        windows = Parts.empty(len(plan.windows) if plan else 0, base, positions=False)
        steps = tuple(Parts.empty(season.steps, base, positions=True) for season in seasons)
        truth = self.truth.layout.empty() if self.truth else np.empty(0, dtype=np.int64)
        attributions = None if self.scale is None else AttributionCounts(self.scale, base.layout, list(map(len, segments)))
        first_row = 0
        for columns in self.source.chunks(self.survey) if plan or segments or self.truth or attributions else ():
            if self.truth:
                self.truth.add(columns, truth)
            coded = base.encode(columns)
            places = [places_in(segmentation, columns) for segmentation in self.segmentations]
            strange = Strange(base, coded, is_training=True)
            for place, parts in zip(places, segments, strict=True):
                parts.add(base, coded, strange, place)
            if attributions:
                attributions.add(columns.attributions, len(columns), places)
            if plan:
                runs.add(base, coded, strange, plan.run_of(columns, first_row))
            if len(windows) and plan:
                windows.add(base, coded, strange, plan.window_of(columns))
            for season, parts in zip(seasons, steps, strict=True):
                parts.add(base, coded, strange, season.step_of(columns.time_ms))
            first_row += len(columns)
        told = self.truth.truth(truth) if self.truth else None
        return Counted(segments, runs, windows if len(windows) else runs, steps, told, attributions)

    def complete(self, counted: Counted) -> Baseline:
        """The baseline with its segments and truth, unsigned."""
        cut = zip(self.segmentations, counted.segments, strict=True)
        segments = tuple(replace(each, profiles=tuple(_profiles(parts))) for each, parts in cut)
        if counted.attributions is None:
            return replace(self.baseline, segments=segments, truth=counted.truth)
        by_segment = zip(segments, counted.attributions.cuts, strict=True)
        segments = tuple(replace(each, profiles=tuple(map(_attributed, each.profiles, parts))) for each, parts in by_segment)
        return replace(self.baseline, segments=segments, truth=counted.truth, attribution=counted.attributions.attribution())

    def runs(self, plan: RunPlan, counted: Counted) -> TrainingRuns:
        """Runs, and the folds that have blocks enough."""
        cut = zip(plan.seasons, counted.steps, plan.held, strict=True)
        found = (fold(season, steps, held, self.options.rows_min) for season, steps, held in cut)
        folds = tuple(each for each in found if each)
        runs = replace(plan.runs, folds=tuple((each.name, len(each.judged)) for each in folds))
        return TrainingRuns(runs, counted.runs, counted.windows, folds, plan.span_ms)


def _joint(source: Source, survey: Survey, baseline: Baseline) -> Joint | None:
    """Two more passes: one for the covariance, one for the distances."""
    places = candidates(baseline.columns, baseline.rows)
    if len(places) < 2:
        return None
    products = np.zeros((len(places), len(places)), dtype=np.int64)
    for columns in source.chunks(survey):
        part = scores(baseline.columns, places, baseline.encode(columns))
        products += (part @ part.T).astype(np.int64)  # whole numbers below 2^53: exact in any order
    vary = np.flatnonzero(np.diag(products))
    if len(vary) < 2:
        return None
    factor = factor_of(products[np.ix_(vary, vary)], baseline.rows)
    joint = Joint(tuple(places[place] for place in vary.tolist()), factor, (), ())
    found = [joint.squared(baseline.columns, baseline.encode(columns)) for columns in source.chunks(survey)]
    squared = joint.without_itself(np.concatenate(found), baseline.rows)
    joint = replace(joint, edges=edges_of(squared))
    counts = np.bincount(joint.bins(squared), minlength=len(joint.edges) + 1)
    return replace(joint, counts=tuple(counts.tolist()))


def _answers(source: Source, survey: Survey, baseline: Baseline) -> Answers | None:
    """One more pass, where there are predictions; a byte or two for each value are held meanwhile."""
    if not any(entry.column.role is Role.PREDICTION for entry in baseline.columns):
        return None
    narrow = np.uint8 if max(baseline.layout.sizes) <= np.iinfo(np.uint8).max else np.uint32
    codes = [baseline.encode(columns).codes.astype(narrow) for columns in source.chunks(survey)]
    return choose_answers(baseline.columns, np.concatenate(codes, axis=1))


def _span(column: str, times: NDArray[np.int64]) -> TimeSpan:
    return TimeSpan(column, int(times.min()), int(times.max())) if len(times) else TimeSpan(column, None, None)


def _predictions(
    collectors: Sequence[NumberCollector | CategoryCollector], columns: Sequence[BaselineColumn]
) -> tuple[BaselineColumn | None, Counter[str]]:
    """The column `prediction`, None where there is none, and how often each predicted class came."""
    for each, entry in zip(collectors, columns, strict=True):
        if (entry.column.role, entry.column.name) == (Role.PREDICTION, PREDICTION):
            return entry, each.counts if isinstance(each, CategoryCollector) else Counter()
    return None, Counter()


def _attributed(profile: Profile, attributions: Attributions) -> Profile:
    return replace(profile, attributions=attributions)


def _profiles(parts: Parts) -> Iterator[Profile]:
    return (parts.profile(part) for part in range(len(parts)))
