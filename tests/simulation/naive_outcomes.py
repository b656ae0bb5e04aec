"""What labels must say of one stream or segment: every window is counted anew from the rows that are held for it."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stream_monitor.alert.alert import Evidence
from stream_monitor.alert.life import AlertBook
from stream_monitor.alert.publication import Raised, Reason
from stream_monitor.alert.rules import Rules
from stream_monitor.baseline.answers import Answers
from stream_monitor.capture.schema import StreamKey
from stream_monitor.detect.decide import severity_of
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity, is_finding
from stream_monitor.detect.outcomes.answers import Usual
from stream_monitor.detect.outcomes.judge import OutcomeScore, by_segment
from stream_monitor.detect.report import WindowRef, window_scores
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.detect.sequential.watch import Sequential
from stream_monitor.detect.versions import Versus
from stream_monitor.pipeline.join.labelled import LabelPlan
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.delay import delay_bin
from stream_monitor.profile.outcome import OutcomeLayout, Vector
from stream_monitor.profile.outcome_rows import OutcomeRows, add_outcomes
from stream_monitor.profile.score import score_codes
from stream_monitor.profile.slices import POSITION_SCALE, Slices
from stream_monitor.profile.weights import Weights
from stream_monitor.window.spec import WindowSpec
from tests.simulation.naive_join import Change, NaiveJoin, Row, ends_of
from tests.simulation.plain import Weighed, check_difference, check_figures
from tests.simulation.said import NOW, Said
from tests.simulation.tasks import group_of

Book = tuple[str, Segment]


@dataclass
class Telling:
    """How a window was told last: how often, when, with how many labels; and how many rows changed since."""

    revision: int = 0
    at_ms: int = 0
    labels: int = 0
    changed: int = 0


class Held(NamedTuple):
    """The rows of a window and of panes before it, each with what it stands for."""

    begin: int
    rows: list[Weighed]
    vector: Vector
    weights: Weights


@dataclass
class NaiveOutcomes:
    """See the module. rows: by id, those of this unit that are held."""

    stream: StreamKey
    segment: Segment
    plan: LabelPlan
    spec: WindowSpec
    baseline_id: str
    concept: Sequential
    rows: list[Row] = field(default_factory=list)
    told: dict[int, Telling] = field(default_factory=dict)
    looked_ms: int | None = None
    final_ms: int | None = None
    """Windows that end by then were told for good."""
    losses: dict[int, list[int]] = field(default_factory=dict)
    """By second, those that the sequential detectors have not read."""
    shifts: list[Shift] = field(default_factory=list)
    changed_ms: int | None = None
    """When a change of the loss was last found that was not known."""
    books: dict[Book, AlertBook] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    versus: Versus | None = None

    @classmethod
    def new(cls, stream: StreamKey, segment: Segment, plan: LabelPlan, spec: WindowSpec, baseline_id: str, rules: Rules) -> "NaiveOutcomes":
        return cls(stream, segment, plan, spec, baseline_id, Sequential(plan.concept), rules=rules)

    def after(self, before: "NaiveOutcomes | None") -> "NaiveOutcomes":
        """Nothing is kept but which windows were told of, and which for good."""
        if before is not None:
            self.told = {end: Telling(each.revision, each.at_ms) for end, each in before.told.items() if each.revision}
            self.looked_ms, self.final_ms = before.looked_ms, before.final_ms
        return self

    def holds(self, row: Row) -> bool:
        return row.stream == self.stream and self.segment in row.segments

    def arrive(self, changes: Iterable[Change], join: NaiveJoin) -> None:
        """What one transaction changed."""
        for change in changes:
            panes = {
                join.pane_of(row.page_ms) for row in (change.before, change.after) if self.holds(row) and not join.is_past(row.page_ms)
            }
            for end in {end for pane in panes for end in ends_of(self.spec, pane)}:
                if self.final_ms is None or end > self.final_ms:
                    self.told.setdefault(end, Telling())
            for pane in panes:
                for end in ends_of(self.spec, pane):
                    if end in self.told:
                        self.told[end].changed += 1
            if self.holds(change.after) and change.after.is_labelled and not change.after.told and not join.is_past(change.after.page_ms):
                self._lose(change.after, join.watermark_ms)

    def _lose(self, row: Row, watermark_ms: int | None) -> None:
        assert row.event is not None
        assert row.first_label_ms is not None
        known_ms = max(row.event.time_ms, row.first_label_ms, watermark_ms or 0)
        self.losses.setdefault(-(-known_ms // 1000), []).append(round(loss_of(self.plan.judge.layout, row) * POSITION_SCALE))

    # ---- time

    def go_on(self, watermark_ms: int, join: NaiveJoin | None, versus: Versus | None, said: Said) -> None:
        """The time has come so far. versus: how it is compared with the current version."""
        self.versus = versus
        self._read_losses(watermark_ms)
        step_ms = min(self.spec.pane_ms, 1_000)
        if self.looked_ms is None or self.looked_ms // step_ms < watermark_ms // step_ms:
            self.looked_ms = watermark_ms
            for end in sorted(self.told):
                if end <= watermark_ms and self._is_due(end, watermark_ms):
                    assert join is not None
                    self._tell(end, watermark_ms, join, said)
            self._finish(watermark_ms)

    def _finish(self, watermark_ms: int) -> None:
        final_ms = watermark_ms - self.plan.label_lateness_ms
        self.final_ms = final_ms if self.final_ms is None else max(final_ms, self.final_ms)
        self.told = {end: telling for end, telling in self.told.items() if end > self.final_ms}

    def _read_losses(self, watermark_ms: int) -> None:
        for second in sorted(second for second in self.losses if (second + 1) * 1000 <= watermark_ms):
            q = np.array(self.losses.pop(second), dtype=np.int64)
            sums = np.array([[[q.sum()], [(q * q).sum()], [np.abs(2 * q - POSITION_SCALE).sum()]]])
            self.concept.add(Slices(np.array([second]), np.array([[len(q)]]), sums), None)
            for shift in self.concept.advance((second + 1) * 1000):
                self._find(shift)
        self.concept.advance(watermark_ms)

    def _find(self, shift: Shift) -> None:
        """A change that began before the last one was found is that one; whoever finds it more than a window later is not heard."""
        if self.changed_ms is not None and shift.changed_ms < self.changed_ms:
            if shift.detected_ms >= self.changed_ms + self.spec.size_ms:
                return
        else:
            self.changed_ms = shift.detected_ms
        self.shifts.append(shift)

    def _is_due(self, end: int, watermark_ms: int) -> bool:
        """At its close; when a quarter more labels came, ten at least; when some came and it is the last time, or a window and a quarter of
        its age have passed.
        """
        telling = self.told[end]
        if telling.revision == 0 or telling.changed >= max(10, telling.labels // 4):
            return True
        again_ms = telling.at_ms + max(self.spec.size_ms, (telling.at_ms - end) // 4)
        return telling.changed > 0 and watermark_ms >= min(end + self.plan.label_lateness_ms, again_ms)

    def _tell(self, end: int, watermark_ms: int, join: NaiveJoin, said: Said) -> None:
        layout, judge = self.plan.judge.layout, self.plan.judge
        of_all, of_labelled = self._held(end, join, layout.events), self._held(end, join, layout.labelled)
        revision, labels = self.told[end].revision + 1, layout.labelled(of_labelled.vector)
        self.told[end] = Telling(revision, watermark_ms, labels)
        at_close, labelled = judge.at_close(of_all.vector, of_all.weights), judge.labelled(of_labelled.vector, of_labelled.weights)
        check_figures(layout, of_all.rows, judge.privileged, at_close)
        check_figures(layout, of_labelled.rows, judge.privileged, labelled)
        ref = WindowRef(of_all.begin, end, layout.events(of_all.vector))
        self._say("at_close", ref, revision, at_close + self._concept(end), said, is_first=revision == 1)
        if labels:
            ref = WindowRef(of_labelled.begin, end, labels)
            labelled += self._beside(end, join)
            self._say("labelled", ref, revision, labelled, said, is_first=judge.is_ready(of_labelled.vector))

    def _held(self, end: int, join: NaiveJoin, count: Callable[[Vector], int]) -> Held:
        """The window's rows, with those of the panes before it until `events_min` are counted."""
        begin, start, counted = end - self.spec.size_ms, end - self.spec.size_ms, 0
        panes: dict[int, list[Row]] = {}
        for row in join.rows.values():
            if self.holds(row) and row.page_ms < end and self._is_kept(join.pane_of(row.page_ms)):
                panes.setdefault(join.pane_of(row.page_ms), []).append(row)
        rows: list[Weighed] = []
        for pane in sorted(panes, reverse=True):
            if pane < start and (counted >= self.spec.events_min or pane < end - self.spec.window_max_ms):
                break
            begin, counted = min(begin, pane), counted + count(self._vector(panes[pane]))
            rows += [(row, join.stands_for(row)) for row in panes[pane]]
        return Held(begin, rows, self._counted(rows), self._weights(rows))

    def _counted(self, rows: list[Weighed]) -> Vector:
        """Each row as often as it stands for events."""
        vector = self.plan.judge.layout.empty()
        for weight in {each for _, each in rows}:
            vector = vector + weight * self._vector([row for row, each in rows if each == weight])
        return vector

    def _vector(self, rows: list[Row]) -> Vector:
        return vector_of(self.plan.judge.layout, rows, self.plan.judge.usual)

    def _weights(self, rows: list[Weighed]) -> Weights:
        groups = self.plan.judge.layout.groups
        whole = kish([each for _, each in rows], 1.0)
        of_groups = [
            kish([each for row, each in rows if row.event and group_of(groups, group.facet, row.event.body) == group.value], whole)
            for group in groups
        ]
        return Weights(whole, np.array(of_groups) if groups else None, self._cell_weights(rows, whole))

    def _cell_weights(self, rows: list[Weighed], whole: float) -> NDArray[np.float64] | None:
        layout, usual = self.plan.judge.layout, self.plan.judge.usual
        if usual is None:
            return None
        cells = _cells(layout, usual.answers, [row.event.body for row, _ in rows if row.event])[0] - len(layout.groups)
        return np.array(
            [kish([each for (_, each), mine in zip(rows, cells, strict=True) if mine == n], whole) for n in range(layout.cells)]
        )

    def _beside(self, end: int, join: NaiveJoin) -> list[OutcomeScore]:
        """How many more the current version gets right of the same window."""
        if self.versus is None:
            return []
        current, layout = StreamKey(self.stream.model, self.versus.current), self.plan.judge.layout
        window = [row for row in join.rows.values() if row.event is not None and end - self.spec.size_ms <= row.page_ms < end]
        sides = [[(row, join.stands_for(row)) for row in window if row.stream == stream] for stream in (self.stream, current)]
        weights = [kish([each for _, each in side], 1.0) for side in sides]
        found = self.versus.judge_outcome(layout, self._counted(sides[0]), self._counted(sides[1]), (weights[0], weights[1]))
        check_difference(layout, sides[0], sides[1], [score for score, _ in found])
        findings = (Finding(score, score.score or 0.0, 0.0, severity_of(score), ()) if is_finding(score) else None for score, _ in found)
        return [OutcomeScore(score, (), finding, measure) for (score, measure), finding in zip(found, findings, strict=True)]

    def _is_kept(self, pane: int) -> bool:
        return self.final_ms is None or ends_of(self.spec, pane)[-1] > self.final_ms

    def _concept(self, end: int) -> list[OutcomeScore]:
        """What the loss did in the last part of the window."""
        found, spec = [], self.plan.concept
        names = ("adwin", "page_hinkley", "ddm", "eddm")
        for name in names if self.plan.judge.layout.task != "regression" else names[:2]:
            mine = [each for each in self.shifts if each.detector == name and end - self.spec.every_ms < each.detected_ms <= end]
            largest = max(mine, key=lambda shift: shift.size, default=None)
            key, least = Key(FindingKind.CONCEPT_DRIFT, None, name), float(spec.min_shift[0])
            if largest is None:
                found.append(OutcomeScore(Score(key, -1, 0.0, least, 1.0, ScoreStatus.JUDGED)))
                continue
            score = Score(key, -1, largest.size, least, largest.p_value, ScoreStatus.JUDGED, 0.0, True)
            severity = Severity.WARNING if largest.after > largest.before else Severity.INFO
            found.append(OutcomeScore(score, (), Finding(score, largest.size, 0.0, severity, (), largest.changed_ms)))
        return found

    def _say(self, clock: str, ref: WindowRef, revision: int, found: list[OutcomeScore], said: Said, *, is_first: bool) -> None:
        for about, scores in by_segment(found).items():
            plain = [each.score for each in scores]
            raised = [Raised(each.finding, Evidence((), ())) for each in scores if each.finding is not None]
            segment = dict((*self.segment, *about))
            if raised:
                self.books.setdefault((clock, about), AlertBook(self.stream, segment, self.baseline_id))
            book, alerts = self.books.get((clock, about)), []
            if book is not None:
                advance = book.advance if is_first and book.goes_on_to(ref.end_ms) else book.correct
                alerts = advance(ref, plain, raised, NOW._replace(rules=self.rules))
            said.tell(window_scores(self.stream, segment, ref, revision, plain, [each.interval for each in scores]), alerts)

    # ---- another config

    def resolve(self, reason: Reason, at_ms: int, said: Said, causes: Set[str] | None = None) -> None:
        for book in self.books.values():
            said.tell([], book.resolve(reason, at_ms, NOW._replace(rules=self.rules), causes=causes))

    def adopt(self, plan: LabelPlan, rules: Rules) -> None:
        self.rules = rules
        self.concept, self.plan = Sequential.decode(plan.concept, self.concept.encode()), plan
        if self.looked_ms is not None:
            self._finish(self.looked_ms)


def kish(weights: list[int], default: float) -> float:
    """What a row stands for, on average over what they all stand for."""
    return sum(each**2 for each in weights) / sum(weights) if weights else default


def loss_of(layout: OutcomeLayout, row: Row) -> float:
    """1 for another class; for a number the error's size, bounded by the baseline's scale."""
    if layout.task == "regression":
        error = abs(row.predicted - row.label)
        return float(error / (error + layout.scale))
    return float(row.predicted != row.label)


def vector_of(layout: OutcomeLayout, rows: list[Row], usual: Usual | None = None) -> Vector:
    """The outcome of these events, all at once; without what training answered to such inputs, answers are left out."""
    bodies = [row.event.body for row in rows if row.event is not None]
    scores = [body["prediction"]["score"] if layout.scored else None for body in bodies]
    predicted, label = [row.predicted for row in rows], [row.label for row in rows]
    out = np.zeros((1, layout.size), dtype=np.int64)
    add_outcomes(
        layout,
        OutcomeRows(
            predicted=_names(layout, predicted),
            score=score_codes(np.array([np.nan if score is None else score for score in scores], dtype=np.float64)),
            value=_numbers(layout, predicted),
            groups=np.concatenate([_groups(layout, bodies), *([] if usual is None else [_cells(layout, usual.answers, bodies)])]),
            label=_names(layout, label),
            truth=_numbers(layout, label),
            delay=delay_bin(np.array([(row.first_label_ms or 0) - row.page_ms for row in rows], dtype=np.int64)),
        ),
        np.zeros(len(rows), dtype=np.int64),
        1,
        out,
    )
    vector: Vector = out[0]
    return vector


def _names(layout: OutcomeLayout, values: list[Any]) -> NDArray[np.uint16]:
    return layout.class_codes([None if layout.task == "regression" else value for value in values])


def _numbers(layout: OutcomeLayout, values: list[Any]) -> NDArray[np.float64]:
    found = [value if layout.task == "regression" and value is not None else np.nan for value in values]
    return np.array(found, dtype=np.float64)


def _groups(layout: OutcomeLayout, bodies: list[Mapping[str, Any]]) -> NDArray[np.uint16]:
    """The place of each event's group in the layout, by facet."""
    facets = list(dict.fromkeys(group.facet for group in layout.groups))
    places = {(group.facet, group.value): place for place, group in enumerate(layout.groups)}
    found = np.zeros((len(facets), len(bodies)), dtype=np.uint16)
    for number, facet in enumerate(facets):
        found[number] = [places[facet, group_of(layout.groups, facet, body)] for body in bodies]
    return found


def _cells(layout: OutcomeLayout, answers: Answers, bodies: list[Mapping[str, Any]]) -> NDArray[np.uint16]:
    """Which combination of the features' bins each event is in, behind the groups."""
    found = np.zeros((1, len(bodies)), dtype=np.uint16)
    for row, body in enumerate(bodies):
        cell = 0
        for feature in answers.features:
            value, place = body["features"][feature.name], len(feature.values)
            if feature.edges and isinstance(value, float):
                place = sum(value >= edge for edge in feature.edges)
            elif not feature.edges:
                text = {True: "true", False: "false"}.get(value, value)
                place = feature.values.index(text) if text in feature.values else place
            cell = cell * (len(feature.values) + 1) + place
        found[0, row] = len(layout.groups) + cell
    return found
