"""What a join must hold: a dictionary of everything that was taken, in the order of the log. It shares no code with `pipeline/join`.

The rules, as they are documented: of two captures (labels) of one event the later counts, of equal times the last in the log; a row is
held until no window may ask for it within `label_lateness`, and swept out when more windows are over and an eighth of all may go; above
`rows_max` only ids stay whose hash begins with one more zero bit, until rows are few again. Events of rare groups are asked for fewer such
bits, as the plan says; labels without an event as few as any, until the watermark has passed them by `lateness`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.summarise import hashes_of
from stream_monitor.profile.codec import Segment
from stream_monitor.profile.outcome import Group
from stream_monitor.window.spec import WindowSpec
from tests.property.pipeline_world import Event
from tests.simulation.labels import Label
from tests.simulation.tasks import group_of


@dataclass(frozen=True)
class Row:
    """What is known of one event: its capture, its label, or both."""

    stream: StreamKey | None = None
    segments: tuple[Segment, ...] = ()
    event: Event | None = None
    label: Any = None
    label_ms: int | None = None
    first_label_ms: int | None = None
    told: bool = False
    """Whether the loss was told."""

    @property
    def page_ms(self) -> int:
        """The event's time, of a label that waits its own."""
        return self.event.time_ms if self.event is not None else self.label_ms or 0

    @property
    def predicted(self) -> Any:
        return None if self.event is None else self.event.body["prediction"]["label"]

    @property
    def is_labelled(self) -> bool:
        return self.predicted is not None and self.label is not None


@dataclass(frozen=True)
class Change:
    """What one record did to one event."""

    before: Row
    after: Row


@dataclass
class Arrived:
    """What one transaction took of one model. captures: with their stream and segments; labels: (event id, time, value).

    A stream that stands on another baseline by now is None: labels that its events bring are labels all the same.
    """

    captures: list[tuple[StreamKey | None, tuple[Segment, ...], Event]] = field(default_factory=list)
    labels: list[tuple[str, int, Any]] = field(default_factory=list)

    @property
    def own_labels(self) -> list[tuple[str, int, Any]]:
        """Those that events bring."""
        events = (event for _, _, event in self.captures if event.body.get("label") is not None)
        return [(event.body["event_id"], event.time_ms, event.body["label"]) for event in events]


@dataclass
class NaiveJoin:
    """One model's."""

    plan: JoinPlan
    rows: dict[str, Row] = field(default_factory=dict)
    rate: int = 0
    rates: dict[int, int] = field(default_factory=dict)
    watermark_ms: int | None = None
    final_ms: int | None = None
    """Windows that end by then were over when rows were last looked at."""
    lapsed_ms: int | None = None
    """Labels for which no event came were gone up to then when rows were last swept out."""
    counted: Counter[str] = field(default_factory=Counter)

    def arrive(self, arrived: Arrived, watermark_ms: int | None) -> list[Change]:
        """Take in what one transaction brings."""
        self.watermark_ms = watermark_ms
        changes = [Change(before, after) for stream in self.plan.streams for before, after in self._captured(stream, arrived)]
        changes += [Change(before, after) for before, after in self._labelled(arrived.own_labels + arrived.labels)]
        if len(self.rows) > self.plan.rows_max:
            changes += self._narrow()
        return changes

    def _captured(self, stream: StreamKey, arrived: Arrived) -> Iterator[tuple[Row, Row]]:
        before: dict[str, Row] = {}
        for _, segments, event in (each for each in arrived.captures if each[0] == stream):
            event_id, pane = event.body["event_id"], self.pane_of(event.time_ms)
            if (self.rate or self.rates) and not self.is_past(event.time_ms):
                self.rates.setdefault(pane, self.rate)
            if zeros(event_id) < self.rates.get(pane, self.rate) - self.relief(event):
                continue
            if self.is_past(event.time_ms):
                self.counted["late"] += 1
                continue
            row = self.rows.get(event_id, Row())
            before.setdefault(event_id, row)
            if row.event is None or event.time_ms >= row.event.time_ms:
                row = replace(row, stream=stream, segments=segments, event=event)
            self.rows[event_id] = row
        yield from self._changed(before)

    def _labelled(self, labels: Sequence[tuple[str, int, Any]]) -> Iterator[tuple[Row, Row]]:
        before: dict[str, Row] = {}
        self.counted["labels"] += len(labels)
        known = set(self.rows)
        for event_id, time_ms, value in labels:
            relief = self.relief(None) if self.may_be_early(time_ms) else 0
            if event_id not in known and (zeros(event_id) < self.rate - relief or self.is_past(time_ms)):
                continue
            row = self.rows.get(event_id, Row())
            before.setdefault(event_id, row)
            if row.label_ms is None or time_ms >= row.label_ms:
                row = replace(row, label=value, label_ms=time_ms)
            first_ms = time_ms if row.first_label_ms is None else min(time_ms, row.first_label_ms)
            self.rows[event_id] = replace(row, first_label_ms=first_ms)
        yield from self._changed(before)

    def _changed(self, before: dict[str, Row]) -> Iterator[tuple[Row, Row]]:
        for event_id, old in before.items():
            if self.rows[event_id] != old:
                new = self.rows[event_id]
                self.rows[event_id] = replace(new, told=new.told or new.is_labelled)
                yield old, new

    def _narrow(self) -> list[Change]:
        kept = self.rows
        while len(kept) > self.plan.rows_max:
            self.rate += 1
            kept = {event_id: row for event_id, row in kept.items() if zeros(event_id) >= self.rate - self._relief_of(row)}
        for pane in {*self.rates, *(self.pane_of(row.event.time_ms) for row in self.rows.values() if row.event is not None)}:
            self.rates[pane] = max(self.rate, self.rates.get(pane, 0))
        gone = [row for event_id, row in self.rows.items() if event_id not in kept]
        self.counted["narrowed"] += len(gone)
        self.rows = kept
        return [Change(row, Row()) for row in gone]

    def adopt(self, plan: JoinPlan) -> list[Change]:
        """Other bounds: what is over under the old ones does not come back."""
        stay = {stream for stream in plan.streams if plan.baselines[stream] == self.plan.baselines.get(stream)}
        self.rows = {event_id: row for event_id, row in self.rows.items() if row.event is None or row.stream in stay}
        self.final_ms, self.plan = self._over_ms(), plan
        return self._narrow() if len(self.rows) > plan.rows_max else []

    def go_on(self, watermark_ms: int) -> None:
        """The time has come so far; what windows say is said before."""
        self.watermark_ms = watermark_ms
        before, self.final_ms = self.final_ms, self._over_ms()
        if before == self.final_ms:
            return
        kept = {event_id: row for event_id, row in self.rows.items() if self._stays(event_id, row)}
        if 8 * (len(self.rows) - len(kept)) > len(self.rows):
            self._sweep(kept)

    def _is_over(self, row: Row) -> bool:
        """Whether a row may be swept out: nor is it still to be asked whether its label found an event."""
        over_ms = self._over_ms()
        asked = row.first_label_ms is None or row.first_label_ms + sum(spans_of(self.plan)) < (over_ms or 0) + self.plan.label_lateness_ms
        return self.is_past(row.page_ms) and asked

    def _stays(self, event_id: str, row: Row) -> bool:
        return not self._is_over(row) and (row.event is not None or zeros(event_id) >= self.rate - self._relief_of(row))

    def _sweep(self, kept: dict[str, Row]) -> None:
        self.counted["orphans"] += sum(row.event is None and self._is_over(row) for row in self.rows.values())
        self.rows, self.lapsed_ms = kept, self._lapse_ms
        self.rates = {pane: rate for pane, rate in self.rates.items() if not self.is_past(pane)}
        if self.rate and 4 * len(self.rows) < self.plan.rows_max:
            self.rate -= 1

    def relief(self, event: Event | None) -> int:
        """How many zero bits fewer are asked of an event: of its most relieved group; None: of any event that may come."""
        groups = self.plan.layout.groups
        mine = [
            bits
            for group, bits in zip(groups, self.plan.relief, strict=True)
            if event is None or group == Group(group.facet, group_of(groups, group.facet, event.body))
        ]
        return max(mine, default=0)

    def stands_for(self, row: Row) -> int:
        """How many events a captured row stands for."""
        assert row.event is not None
        return int(2 ** max(self.rates.get(self.pane_of(row.event.time_ms), 0) - self.relief(row.event), 0))

    def _relief_of(self, row: Row) -> int:
        return self.relief(row.event) if row.event is not None or self.may_be_early(row.page_ms) else 0

    @property
    def _lapse_ms(self) -> int | None:
        """Labels given before have their event, or it is late."""
        if self.watermark_ms is None:
            return self.lapsed_ms
        lapse_ms = self.watermark_ms - self.plan.spec.lateness_ms
        return lapse_ms if self.lapsed_ms is None else max(lapse_ms, self.lapsed_ms)

    def may_be_early(self, time_ms: int) -> bool:
        """Whether a label was given so lately that its event may still come in time."""
        return self._lapse_ms is None or time_ms >= self._lapse_ms

    def is_past(self, time_ms: int) -> bool:
        """Whether no window can ask for this time any more."""
        over_ms = self._over_ms()
        return over_ms is not None and ends_of(self.plan.spec, time_ms)[-1] <= over_ms

    def _over_ms(self) -> int | None:
        """The end of the last window that may be told no more."""
        if self.watermark_ms is None:
            return self.final_ms
        spec, latest_ms = self.plan.spec, self.watermark_ms - self.plan.label_lateness_ms
        over_ms = latest_ms - (latest_ms - spec.size_ms) % spec.every_ms
        return over_ms if self.final_ms is None else max(over_ms, self.final_ms)

    def pane_of(self, time_ms: int) -> int:
        return time_ms - time_ms % self.plan.spec.pane_ms


def spans_of(plan: JoinPlan) -> tuple[int, int, int]:
    """By which span of label time it is asked whether labels found their events, how much later, and how far back."""
    spec, part, hour = plan.spec, plan.label_lateness_ms // 8, 3_600_000
    span = max(spec.size_ms, min(hour, part) - min(hour, part) % spec.size_ms)
    reach = min(spec.window_max_ms, 2 * part)
    return span, min(max(hour, spec.lateness_ms), part), max(reach - reach % span, 3 * span)


def ends_of(spec: WindowSpec, time_ms: int) -> list[int]:
    """Ends of all windows that hold this time."""
    pane_ms = time_ms - time_ms % spec.pane_ms
    starts = range(pane_ms - pane_ms % spec.every_ms - spec.size_ms // spec.every_ms * spec.every_ms, time_ms + 1, spec.every_ms)
    return [start + spec.size_ms for start in starts if start <= pane_ms and time_ms < start + spec.size_ms]


@lru_cache(maxsize=10_000)
def zeros(event_id: str) -> int:
    """How many zero bits the hash of an id begins with."""
    return 64 - int(hashes_of([event_id])[0]).bit_length()


def meaning(plan: Plan, model: str) -> object:
    """What rows of a model mean under a config; None: it has no task. Written again: where it differs, all begins anew."""
    join = plan.joins.get(model)
    if join is None:
        return None
    main = plan.streams[StreamKey(model, None)].baseline.id
    return join.layout, join.relief, main, plan.config.models[model].segments, join.segment_columns, join.spec


def fate(label: Label, plan: Plan) -> str:
    """What becomes of a message on the label topic: `taken`, `ignored` or `refused`."""
    if label.model is None or label.model not in plan.config.models:
        return "refused"
    if label.model not in plan.joins:
        return "ignored"
    is_number = plan.joins[label.model].layout.task == "regression"
    fits = label.event_id is not None and (label.label is None or not is_number or isinstance(label.label, float))
    return "taken" if fits else "refused"
