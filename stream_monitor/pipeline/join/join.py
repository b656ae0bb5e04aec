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
from stream_monitor.pipeline.join.ages import Ages, may_be_early
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.record import CaptureRows, JoinRecord, LabelRows
from stream_monitor.pipeline.join.rows import UNSEEN, Rows, bytes_of, is_labelled
from stream_monitor.pipeline.join.said import Answer, Change, differences, losses
from stream_monitor.pipeline.join.sample import Sample
from stream_monitor.pipeline.join.store import Store

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
        self.ages = Ages(plan, saved.looked_ms, saved.swept_ms, saved.lapsed_ms)
        self.store = Store(plan.group_columns, plan.segment_columns)

    def __len__(self) -> int:
        return len(self.store)

    def apply(self, record: JoinRecord, watermark_ms: int | None) -> Answer:
        """Take in one record; its captures come before its labels. Errors: CodecError where its codes do not fit the plan."""
        self.plan.check(record)
        self.ages.watermark_ms = watermark_ms
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
        answer, ages, rows = Answer(), self.ages, self.store.rows
        if not ages.goes_on_to(watermark_ms):
            return answer
        past, lapsed = ages.is_past(ages.swept_by(rows)), self._is_lapsed(rows, ages.lapse_ms)
        if (past | lapsed).sum() * DEAD_PART > len(rows):
            ages.sweep()
            answer.orphans = int((past & (rows["time_ms"] == UNSEEN)).sum())
            self.store.keep(~(past | lapsed))
            self.sample.forget(ages.horizon_ms)
            if self.sample.rate and len(self) * 4 < self.plan.rows_max:
                self.sample.rate -= 1
                self.store.rewrite()  # what was taken out at the old rate does not come back at the new one
        return answer

    def adopt(self, plan: JoinPlan) -> Answer:
        """Go on under other bounds, with other streams; what is over does not come back."""
        self.ages.look()
        if plan.baselines != self.plan.baselines and len(self):
            self._move(plan)
        if plan.label_lateness_ms != self.plan.label_lateness_ms and len(self):
            self.store.rewrite()  # what was swept out under the old one must not come back by the new one
        self.plan = self.ages.plan = plan
        answer = Answer()
        if len(self) > plan.rows_max:
            self._narrow(answer)
        return answer

    def _move(self, plan: JoinPlan) -> None:
        """Rows of streams that stay get their new place; of those that are gone, or stand on another baseline, they are forgotten."""
        places = {stream: place for place, stream in enumerate(plan.streams) if plan.baselines[stream] == self.plan.baselines.get(stream)}
        moved = np.array([places.get(stream, GONE) for stream in self.plan.streams], dtype=np.uint16)
        rows = self.store.rows
        rows["stream"] = np.where(rows["time_ms"] == UNSEEN, 0, moved[rows["stream"]])
        self.store.keep(rows["stream"] != GONE)
        self.store.rewrite()

    def outcomes(self, watermark_ms: int | None) -> list[Change]:
        """What all rows say, as if nothing had been said before."""
        self.ages.watermark_ms = watermark_ms
        return list(differences(self.plan, self.store.rows[:0], self.store.rows, self.ages.horizon_ms))

    def to_state(self) -> JoinState:
        """What a snapshot keeps beside the rows."""
        ages = self.ages
        return JoinState(self.sample.rate, dict(self.sample.rates), ages.looked_ms, ages.swept_ms, ages.lapsed_ms)

    def load(self, contents: Mapping[int, bytes]) -> None:
        """Put all pages back, without what was swept out since. Errors: CodecError where one does not fit the plan."""
        try:
            self.store.load(contents)
        except ValueError:
            raise CodecError(f"saved rows of {self.plan.model} that have another shape") from None
        rows, ages = self.store.rows, self.ages
        if ages.swept_ms is not None:
            self.store.keep((ages.swept_by(rows) >= ages.swept_ms) & ~self._is_lapsed(rows, ages.lapsed_ms))

    @property
    def earliest_ms(self) -> int | None:
        """The time of the earliest event that is held; None: none is."""
        times = self.store.rows["time_ms"][self.store.rows["time_ms"] != UNSEEN]
        return int(times.min()) if times.size else None

    def first_labelled(self, from_ms: int, until_ms: int) -> Rows:
        """The rows whose label was first given in [from_ms, until_ms), from_ms >= 0: of ids that are taken whatever the pane, so that those
        without an event are as thin as those with one.
        """
        first = self.store.rows["first_label_ms"]
        rows = self.store.rows[(first >= from_ms) & (first < until_ms)]
        return rows[self.sample.takes_anywhere(rows["id"])]

    def _captured(self, stream: int, captures: CaptureRows, answer: Answer) -> None:
        panes = self.plan.pane_of(captures.time_ms)
        past = self.ages.is_past(panes)
        self.sample.begin(panes[~past])  # of the past there is no end
        wanted = self.sample.takes(captures.ids, panes, self._relief_of(captures.groups.T))
        late = past & wanted
        answer.late += int(late.sum())
        taken = np.flatnonzero(wanted & ~late)
        places = self.store.places(captures.ids[taken])
        winners = _last(places, captures.time_ms[taken])
        place, new = places[winners], taken[winners]
        known = self.store.rows["time_ms"][place]
        answer.duplicates += len(taken) - int((known == UNSEEN).sum())
        wins = captures.time_ms[new] >= known
        place, new = place[wins], new[wins]
        before = self.store.rows[place]
        after = before.copy()
        after["stream"] = stream
        for name in ("time_ms", "predicted", "score", "value"):
            after[name] = getattr(captures, name)[new]
        after["groups"], after["segments"] = captures.groups[:, new].T, captures.segments[:, new].T
        self._replace(place, before, after, answer)

    def _labelled(self, labels: LabelRows, answer: Answer) -> None:
        answer.labels += len(labels.ids)
        known = self.store.find(labels.ids)
        taken = np.flatnonzero((known >= 0) | self._may_come(labels))
        places = self.store.places(labels.ids[taken])
        firsts = np.full(len(self), np.iinfo(np.int64).max)
        np.minimum.at(firsts, places, labels.time_ms[taken])
        winners = _last(places, labels.time_ms[taken])
        place, new = places[winners], taken[winners]
        before = self.store.rows[place]
        after = before.copy()
        first = before["first_label_ms"]
        after["first_label_ms"] = np.where(first == UNSEEN, firsts[place], np.minimum(first, firsts[place]))
        wins = labels.time_ms[new] >= before["label_ms"]
        after["label_ms"] = np.where(wins, labels.time_ms[new], before["label_ms"])
        after["label"] = np.where(wins, labels.label[new], before["label"])
        after["truth"] = np.where(wins, labels.truth[new], before["truth"])
        self._replace(place, before, after, answer)

    def _replace(self, place: NDArray[np.int64], before: Rows, after: Rows, answer: Answer) -> None:
        news = (bytes_of(before) != bytes_of(after)).any(axis=1)  # an event that comes twice changes nothing, and nothing is told again
        place, before, after = place[news], before[news], after[news]
        fresh = is_labelled(after, self.plan) & (after["fed"] == 0) & ~self.ages.is_past(self.ages.kept_by(after))
        after["fed"] |= fresh
        self.store.replace(place, after)
        answer.changes += differences(self.plan, before, after, self.ages.horizon_ms)
        answer.losses += losses(self.plan, after[fresh], self.ages.watermark_ms)

    def _narrow(self, answer: Answer) -> None:
        rows = self.store.rows
        relief = self._relief_of(rows["groups"])
        waits = rows["time_ms"] == UNSEEN
        relief[waits] = np.where(may_be_early(rows["label_ms"][waits], self.ages.lapse_ms), self.plan.reliefs[-1], 0)
        kept = self.sample.narrow(rows["id"], relief, self.plan.rows_max)
        answer.narrowed += len(rows) - int(kept.sum())
        answer.changes += differences(self.plan, rows[~kept], rows[:0], self.ages.horizon_ms)
        self.sample.settle(np.unique(self.plan.pane_of(rows["time_ms"][~waits])).tolist())
        self.store.keep(kept)
        self.store.rewrite()

    def _relief_of(self, groups: NDArray[np.uint16]) -> NDArray[np.int64]:
        """int64[n]: zero bits that fewer are asked of these events. groups: uint16[n, F]."""
        return np.array(self.plan.reliefs, dtype=np.int64)[self.plan.relief_place(groups)]

    def _is_lapsed(self, rows: Rows, lapse_ms: int | None) -> NDArray[np.bool_]:
        """Whether a label was held for an event of a relieved group that can hardly come any more: events are older than their labels."""
        held = self.sample.holds(rows["id"], 0)
        found: NDArray[np.bool_] = (rows["time_ms"] == UNSEEN) & ~held & ~may_be_early(rows["label_ms"], lapse_ms)
        return found

    def _may_come(self, labels: LabelRows) -> NDArray[np.bool_]:
        """Whether a label's event may still come and be in the sample: not if it was given too long ago."""
        early = may_be_early(labels.time_ms, self.ages.lapse_ms)
        sampled = self.sample.holds(labels.ids, np.where(early, self.plan.reliefs[-1], 0))
        return sampled & ~self.ages.is_past(self.plan.pane_of(labels.time_ms))


def _last(places: NDArray[np.int64], time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each place that occurs the position of its latest time, of equal ones the last."""
    order = np.lexsort((np.arange(len(places)), time_ms, places))
    ends = np.flatnonzero(np.diff(places[order], append=UNSEEN - 1) != 0)
    return order[ends]
