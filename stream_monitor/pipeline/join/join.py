"""Labels meet their events, in any order, seconds to weeks apart: a pure state, advanced by records and by the watermark.

Every row is one event id: its capture, its label, or both. Whatever changes a row takes back what the row said of its pane and says it
anew, so a correction, a withdrawal and a label that came first are one case. Of two captures (or labels) of one event the one with the
later time counts, of equal times the later in the log. Nothing but the rows is kept: outcomes follow from them.

Rows are held until no window may hold them within `label_lateness`, and never more than `rows_max`: beyond, the join narrows to the ids
whose hash begins with one more zero bit, on both sides alike, and takes back what it drops. An event then stands for 2^k, k being its
pane's rate less the relief of its groups, see `sample`. A label without an event is held as of the most relieved group until the watermark
has passed it by `lateness`: its event is older, and has come by then or is late.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_monitor.errors import CodecError
from stream_monitor.pipeline.join.pages import Pages
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.record import CaptureRows, JoinRecord, LabelRows
from stream_monitor.pipeline.join.rows import UNSEEN, Rows, bytes_of, is_labelled, row_type
from stream_monitor.pipeline.join.said import Answer, Change, differences, losses
from stream_monitor.pipeline.join.sample import Sample
from stream_monitor.pipeline.join.table import Table
from stream_monitor.pipeline.join.unpaired import Spans
from stream_monitor.profile.outcome import NO_CLASS

DEAD_PART: Final = 8
"""Expired rows are swept out when they are this part of all: each then costs a constant."""
GONE: Final = 65_535
"""Stands for the place of a stream that the plan no longer has."""


class JoinState(msgspec.Struct, array_like=True, frozen=True):
    """What a snapshot keeps of a join beside its rows. looked_ms, swept_ms: the horizon when rows were last looked at, and taken out;
    lapsed_ms: the time of labels without an event up to which those were taken out that had been held for a relieved group.
    """

    rate: int = 0
    rates: dict[int, int] = {}
    looked_ms: int | None = None
    swept_ms: int | None = None
    lapsed_ms: int | None = None


class Join:
    """The join of one model."""

    def __init__(self, plan: JoinPlan, saved: JoinState | None = None) -> None:
        self.plan = plan
        saved = saved or JoinState()
        self.sample = Sample(saved.rate, saved.rates)
        self._looked_ms, self._swept_ms, self._lapsed_ms = saved.looked_ms, saved.swept_ms, saved.lapsed_ms
        self._pages = Pages()
        self._rows: Rows = np.zeros(0, dtype=row_type(plan.group_columns, plan.segment_columns))
        self._page_of = np.zeros(0, dtype=np.uint32)
        """Of each row; apart from them, for every snapshot looks through all."""
        self._table = Table()
        self._watermark_ms: int | None = None

    def __len__(self) -> int:
        return len(self._table)

    def apply(self, record: JoinRecord, watermark_ms: int | None) -> Answer:
        """Take in one record; its captures come before its labels. Errors: CodecError where its codes do not fit the plan."""
        self.plan.check(record)
        self._watermark_ms = watermark_ms
        answer = Answer()
        for stream, baseline_id, captures in record.captures:
            if self.plan.baselines.get(stream) == baseline_id:
                self._captured(self.plan.streams.index(stream), captures, answer)
        if record.labels is not None:
            self._labelled(record.labels, answer)
        if len(self) > self.plan.rows_max:
            self._narrow(answer)
        return answer

    def advance(self, watermark_ms: int) -> Answer:
        """Let time pass: what no window can ask for any more is forgotten. Rows are looked at when there is more of that, not each time."""
        self._watermark_ms = watermark_ms
        answer, horizon_ms = Answer(), self._horizon_ms
        if horizon_ms == self._looked_ms:
            return answer
        self._looked_ms = horizon_ms
        rows = self._live
        past, lapsed_ms = self._is_past(self._swept_by(rows)), self._lapse_ms
        dead = past | self._is_lapsed(rows, lapsed_ms)
        if dead.sum() * DEAD_PART > len(rows):
            self._swept_ms, self._lapsed_ms = horizon_ms, lapsed_ms
            answer.orphans = int((past & (rows["time_ms"] == UNSEEN)).sum())
            self._keep(~dead)
            self.sample.forget(horizon_ms)
            if self.sample.rate and len(self) * 4 < self.plan.rows_max:
                self.sample.rate -= 1
                self._rewrite()  # what was taken out at the old rate does not come back at the new one
        return answer

    def adopt(self, plan: JoinPlan) -> Answer:
        """Go on under other bounds, with other streams; what is over does not come back."""
        self._looked_ms = self._horizon_ms
        if plan.baselines != self.plan.baselines and len(self):
            self._move(plan)
        if plan.label_lateness_ms != self.plan.label_lateness_ms and len(self):
            self._page_of[:] = self._pages.touch()  # what was swept out under the old one must not come back by the new one
        self.plan = plan
        answer = Answer()
        if len(self) > plan.rows_max:
            self._narrow(answer)
        return answer

    def _move(self, plan: JoinPlan) -> None:
        """Rows of streams that stay get their new place; of those that are gone, or stand on another baseline, they are forgotten."""
        places = {stream: place for place, stream in enumerate(plan.streams) if plan.baselines[stream] == self.plan.baselines.get(stream)}
        moved = np.array([places.get(stream, GONE) for stream in self.plan.streams], dtype=np.uint16)
        rows = self._live
        rows["stream"] = np.where(rows["time_ms"] == UNSEEN, 0, moved[rows["stream"]])
        self._keep(rows["stream"] != GONE)
        self._rewrite()

    def outcomes(self, watermark_ms: int | None) -> list[Change]:
        """What all rows say, as if nothing had been said before."""
        self._watermark_ms = watermark_ms
        return list(differences(self.plan, self._live[:0], self._live, self._horizon_ms))

    # Snapshots: rows are saved in pages of what changed, see `Pages`.

    def to_state(self) -> JoinState:
        """What a snapshot keeps beside the rows."""
        return JoinState(self.sample.rate, dict(self.sample.rates), self._looked_ms, self._swept_ms, self._lapsed_ms)

    @property
    def changed(self) -> set[int]:
        """Pages that must be written."""
        return {self._pages.current} if self._pages.changed else set()

    def pages(self) -> set[int]:
        """Pages that must be there."""
        return self._pages.alive(self._page_of[: len(self)])

    def save(self, page: int) -> bytes:
        """The rows of a page, by rising id."""
        return np.sort(self._live[self._page_of[: len(self)] == page], order="id").tobytes()

    def saved(self) -> None:
        """All pages are where they must be; from now on what changes is new."""
        self._pages.saved(self._page_of[: len(self)])

    def load(self, contents: Mapping[int, bytes]) -> None:
        """Put all pages back. Errors: CodecError where one does not fit the plan."""
        try:
            self._rows, self._page_of = self._pages.load(contents, self._rows.dtype)
        except ValueError:
            raise CodecError(f"saved rows of {self.plan.model} that have another shape") from None
        self._table = Table(np.ascontiguousarray(self._rows["id"]))
        if self._swept_ms is not None:
            self._keep((self._swept_by(self._rows) >= self._swept_ms) & ~self._is_lapsed(self._rows, self._lapsed_ms))

    @property
    def spans(self) -> Spans:
        """When labels are asked whether their event came."""
        return Spans.of(self.plan.spec, self.plan.label_lateness_ms)

    @property
    def earliest_ms(self) -> int | None:
        """The time of the earliest event that is held; None: none is."""
        times = self._live["time_ms"][self._live["time_ms"] != UNSEEN]
        return int(times.min()) if times.size else None

    def first_labelled(self, from_ms: int, until_ms: int) -> Rows:
        """The rows whose label was first given in [from_ms, until_ms), from_ms >= 0: of ids that are taken whatever the pane, so that those
        without an event are as thin as those with one.
        """
        first = self._live["first_label_ms"]
        rows = self._live[(first >= from_ms) & (first < until_ms)]
        return rows[self.sample.takes_anywhere(rows["id"])]

    @property
    def _live(self) -> Rows:
        return self._rows[: len(self._table)]

    def _keep(self, chosen: NDArray[np.bool_]) -> None:
        self._rows, self._page_of = self._live[chosen], self._page_of[: len(self)][chosen]
        self._table = Table(np.ascontiguousarray(self._rows["id"]))

    def _captured(self, stream: int, captures: CaptureRows, answer: Answer) -> None:
        panes = self.plan.pane_of(captures.time_ms)
        past = self._is_past(panes)
        self.sample.begin(panes[~past])  # of the past there is no end
        wanted = self.sample.takes(captures.ids, panes, self._relief_of(captures.groups.T))
        late = past & wanted
        answer.late += int(late.sum())
        taken = np.flatnonzero(wanted & ~late)
        places = self._places(captures.ids[taken])
        winners = _last(places, captures.time_ms[taken])
        place, new = places[winners], taken[winners]
        known = self._rows["time_ms"][place]
        answer.duplicates += len(taken) - int((known == UNSEEN).sum())
        wins = captures.time_ms[new] >= known
        place, new = place[wins], new[wins]
        before = self._rows[place]
        after = before.copy()
        after["stream"] = stream
        for name in ("time_ms", "predicted", "score", "value"):
            after[name] = getattr(captures, name)[new]
        after["groups"], after["segments"] = captures.groups[:, new].T, captures.segments[:, new].T
        self._replace(place, before, after, answer)

    def _labelled(self, labels: LabelRows, answer: Answer) -> None:
        answer.labels += len(labels.ids)
        known = self._table.find(labels.ids)
        taken = np.flatnonzero((known >= 0) | self._may_come(labels))
        places = self._places(labels.ids[taken])
        firsts = np.full(len(self._table), np.iinfo(np.int64).max)
        np.minimum.at(firsts, places, labels.time_ms[taken])
        winners = _last(places, labels.time_ms[taken])
        place, new = places[winners], taken[winners]
        before = self._rows[place]
        after = before.copy()
        first = before["first_label_ms"]
        after["first_label_ms"] = np.where(first == UNSEEN, firsts[place], np.minimum(first, firsts[place]))
        wins = labels.time_ms[new] >= before["label_ms"]
        after["label_ms"] = np.where(wins, labels.time_ms[new], before["label_ms"])
        after["label"] = np.where(wins, labels.label[new], before["label"])
        after["truth"] = np.where(wins, labels.truth[new], before["truth"])
        self._replace(place, before, after, answer)

    def _places(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Where the rows of these ids are; new ones are blank."""
        known = len(self._table)
        places = self._table.put(np.ascontiguousarray(ids))
        count = len(self._table)
        if count > len(self._rows):
            grown = np.zeros(max(2 * len(self._rows), count, 1_024), dtype=self._rows.dtype)
            pages = np.zeros(len(grown), dtype=np.uint32)
            grown[:known], pages[:known] = self._rows[:known], self._page_of[:known]
            self._rows, self._page_of = grown, pages
        blank = self._rows[known:count]
        blank["time_ms"] = blank["label_ms"] = blank["first_label_ms"] = UNSEEN
        blank["value"] = blank["truth"] = np.nan
        blank["fed"] = 0
        blank["label"] = blank["predicted"] = blank["score"] = NO_CLASS
        self._rows["id"][places] = ids
        return places

    def _replace(self, place: NDArray[np.int64], before: Rows, after: Rows, answer: Answer) -> None:
        news = (bytes_of(before) != bytes_of(after)).any(axis=1)  # an event that comes twice changes nothing, and nothing is told again
        place, before, after = place[news], before[news], after[news]
        fresh = is_labelled(after, self.plan) & (after["fed"] == 0) & ~self._is_past(self._kept_by(after))
        after["fed"] |= fresh
        self._rows[place], self._page_of[place] = after, self._pages.touch()
        answer.changes += differences(self.plan, before, after, self._horizon_ms)
        answer.losses += losses(self.plan, after[fresh], self._watermark_ms)

    def _narrow(self, answer: Answer) -> None:
        rows = self._live
        relief = self._relief_of(rows["groups"])
        waits = rows["time_ms"] == UNSEEN
        relief[waits] = np.where(self._may_be_early(rows["label_ms"][waits], self._lapse_ms), self.plan.reliefs[-1], 0)
        kept = self.sample.narrow(rows["id"], relief, self.plan.rows_max)
        answer.narrowed += len(rows) - int(kept.sum())
        answer.changes += differences(self.plan, rows[~kept], rows[:0], self._horizon_ms)
        self.sample.settle(np.unique(self.plan.pane_of(rows["time_ms"][~waits])).tolist())
        self._keep(kept)
        self._rewrite()

    def _rewrite(self) -> None:
        """All rows are written anew, so that no older page brings back what was forgotten."""
        self._page_of[:] = self._pages.touch()

    def _relief_of(self, groups: NDArray[np.uint16]) -> NDArray[np.int64]:
        """int64[n]: zero bits that fewer are asked of these events. groups: uint16[n, F]."""
        return np.array(self.plan.reliefs, dtype=np.int64)[self.plan.relief_place(groups)]

    def _kept_by(self, rows: Rows) -> NDArray[np.int64]:
        """The pane by which each row is forgotten: of its capture; of a label that waits for one, of its own time."""
        return self.plan.pane_of(np.where(rows["time_ms"] == UNSEEN, np.maximum(rows["label_ms"], 0), rows["time_ms"]))

    def _swept_by(self, rows: Rows) -> NDArray[np.int64]:
        """The same of rows that may be swept out: not before it was asked whether the label's event came."""
        spec, spans = self.plan.spec, self.spans
        asked_ms = spans.wait_ms + spans.span_ms + spans.reach_ms - (spec.size_ms - spec.every_ms + self.plan.label_lateness_ms)
        swept: NDArray[np.int64] = np.maximum(self._kept_by(rows), rows["first_label_ms"] + asked_ms)
        return swept

    @property
    def _horizon_ms(self) -> int | None:
        """Panes that begin before are in no window that may still be told of; None: there are none. It never goes back."""
        if self._watermark_ms is None:
            return self._looked_ms
        spec, looked_ms = self.plan.spec, self._looked_ms
        horizon_ms = (self._watermark_ms - spec.size_ms - self.plan.label_lateness_ms) // spec.every_ms * spec.every_ms + spec.every_ms
        return horizon_ms if looked_ms is None else max(horizon_ms, looked_ms)

    def _is_past(self, panes: NDArray[np.int64]) -> NDArray[np.bool_]:
        horizon_ms = self._horizon_ms
        return np.zeros(len(panes), dtype=np.bool_) if horizon_ms is None else panes < horizon_ms

    @property
    def _lapse_ms(self) -> int | None:
        """Labels given before have their event by now, or it is late; None: no time has passed. It never goes back."""
        if self._watermark_ms is None:
            return self._lapsed_ms
        lapse_ms = self._watermark_ms - self.plan.spec.lateness_ms
        return lapse_ms if self._lapsed_ms is None else max(lapse_ms, self._lapsed_ms)

    def _may_be_early(self, label_ms: NDArray[np.int64], lapse_ms: int | None) -> NDArray[np.bool_]:
        """Whether the event of a label that was given then may still come in time."""
        return np.ones(len(label_ms), dtype=np.bool_) if lapse_ms is None else label_ms >= lapse_ms

    def _is_lapsed(self, rows: Rows, lapse_ms: int | None) -> NDArray[np.bool_]:
        """Whether a label was held for an event of a relieved group that can hardly come any more: events are older than their labels."""
        held = self.sample.holds(rows["id"], 0)
        found: NDArray[np.bool_] = (rows["time_ms"] == UNSEEN) & ~held & ~self._may_be_early(rows["label_ms"], lapse_ms)
        return found

    def _may_come(self, labels: LabelRows) -> NDArray[np.bool_]:
        """Whether a label's event may still come and be in the sample: not if it was given too long ago."""
        early = self._may_be_early(labels.time_ms, self._lapse_ms)
        sampled = self.sample.holds(labels.ids, np.where(early, self.plan.reliefs[-1], 0))
        return sampled & ~self._is_past(self.plan.pane_of(labels.time_ms))


def _last(places: NDArray[np.int64], time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each place that occurs the position of its latest time, of equal ones the last."""
    order = np.lexsort((np.arange(len(places)), time_ms, places))
    ends = np.flatnonzero(np.diff(places[order], append=UNSEEN - 1) != 0)
    return order[ends]
