"""Files instead of Kafka: each file is one source partition, all advance in step by event time, through the same `step`.

There is no clock here: time is the latest event time that was read. Where live running compares an event with the worker's clock,
a replay lets a jump into the future move the watermark only when enough events confirm it (`Frontier`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.alert.alert import Alert
from stream_monitor.capture.columns import Columns, Raw
from stream_monitor.capture.labels import Labels
from stream_monitor.capture.reject import Reject
from stream_monitor.detect.producers import SILENT
from stream_monitor.detect.registry import VOLUME
from stream_monitor.detect.report import WindowScore, utc
from stream_monitor.pipeline.join import record as join_record
from stream_monitor.pipeline.join.summarise import join_records
from stream_monitor.pipeline.plan import Plan
from stream_monitor.pipeline.state import Outputs, State, open_events
from stream_monitor.pipeline.step import step
from stream_monitor.pipeline.summarise import summarise
from stream_monitor.profile import codec
from stream_monitor.window.progress import Progress, SourceProgress

CONFIRMING_EVENTS: Final = 100
"""So many events beyond a jump show that time went on and not that one clock was wrong."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive rows of one file, of events or of labels, decoded. `columns[…].rows` and the rejects' rows index `messages`."""

    messages: Sequence[Raw]
    columns: Sequence[Columns]
    rejects: Sequence[Reject] = ()
    labels: Sequence[Labels] = ()


@dataclass(slots=True)
class Frontier:
    """How far one source's event time has come; `time_ms` is None until the first event is believed."""

    future_max_ms: int
    time_ms: int | None = None
    ahead: list[int] = field(default_factory=list)
    """Sorted event times beyond a jump; fewer than `CONFIRMING_EVENTS` after each `saw`."""

    def saw(self, times_ms: NDArray[np.int64]) -> None:
        """Take in event times, in any order."""
        if self.time_ms is not None:
            times_ms = times_ms[times_ms > self.time_ms]
        self.ahead = sorted([*self.ahead, *times_ms.tolist()])
        taken = 0
        while taken < len(self.ahead) and (self._continues(self.ahead[taken]) or len(self.ahead) - taken >= CONFIRMING_EVENTS):
            self.time_ms = self.ahead[taken]
            taken += 1
        del self.ahead[:taken]

    def give_in(self, reach_ms: int) -> None:
        """Believe what lies ahead as long as no gap is longer than `reach_ms`; no more events will come to confirm it.

        Where nothing was believed yet, the time that has most others within reach behind it is the first.
        """
        if self.time_ms is None and self.ahead:
            self.time_ms = max(self.ahead, key=lambda time: sum(time <= other <= time + reach_ms for other in self.ahead))
        for time_ms in self.ahead:
            if self.time_ms is not None and self.time_ms < time_ms <= self.time_ms + reach_ms:
                self.time_ms = time_ms

    def _continues(self, time_ms: int) -> bool:
        return self.time_ms is not None and time_ms <= self.time_ms + self.future_max_ms


@dataclass(slots=True)
class _Source:
    chunks: Iterator[Chunk]
    frontier: Frontier
    next_offset: int = 0
    ended: bool = False
    has_labels: bool = False
    """Its time moves no watermark."""


class Replay:
    """One run over files. chunks, labels: each source's rows, in order."""

    def __init__(self, plan: Plan, chunks: Sequence[Iterator[Chunk]], labels: Sequence[Iterator[Chunk]] = ()) -> None:
        self._plan = plan
        self._sources = [_Source(rows, Frontier(plan.config.engine.future_max)) for rows in chunks]
        self._labels = [_Source(rows, Frontier(plan.config.engine.future_max), has_labels=True) for rows in labels]
        self._clock_ms = 0
        self.state = State.empty(plan)

    def clock(self) -> int:
        """The latest event time that was read, in ms."""
        return self._clock_ms

    def run(self) -> Iterator[tuple[Chunk, Outputs]]:
        """What each chunk says; the last one is empty and closes every window."""
        while waiting := [source for source in (*self._sources, *self._labels) if not source.ended]:
            source = min(waiting, key=lambda source: -1 if source.frontier.time_ms is None else source.frontier.time_ms)
            chunk = next(source.chunks, None)
            if chunk is None:
                source.ended = True
            else:
                yield chunk, self._feed(source, chunk)
        yield Chunk((), ()), self._close()

    def _feed(self, source: _Source, chunk: Chunk) -> Outputs:
        outputs = Outputs()
        times = [part.time_ms for part in chunk.columns] + [np.array(part.time_ms, dtype=np.int64) for part in chunk.labels]
        for each in times:
            source.frontier.saw(each)
        source.next_offset += len(chunk.messages)
        if source.frontier.time_ms is not None and not source.has_labels:
            self._clock_ms = max(self._clock_ms, source.frontier.time_ms)
        for pane in summarise(self._plan, chunk.columns, chunk.messages):
            outputs.extend(step(self.state, codec.decode(codec.encode(pane)), self._plans))
        for record in join_records(self._plan, chunk.columns, chunk.labels):
            outputs.extend(step(self.state, join_record.decode(join_record.encode(record)), self._plans))
        outputs.extend(self._step(self._progress()))
        return outputs

    def _step(self, record: Progress) -> Outputs:
        return step(self.state, record, self._plans)

    def _plans(self, revision: int) -> Plan:
        assert revision == self._plan.revision, "a replay runs one config"
        return self._plan

    def _progress(self) -> Progress:
        return self._report([(source.frontier.time_ms, source.ended) for source in self._sources])

    def _close(self) -> Outputs:
        """Close every window that the sources' time has reached; events beyond a jump that nothing confirmed count as dropped."""
        outputs = step(self.state, self._closing(), self._plans, lambda alert: not self._is_cut_short(alert))
        outputs.scores = [score for score in outputs.scores if not self._is_cut_short(score)]
        for key, unit in self.state.units.items():
            outputs.dropped.extend(open_events(unit, key, "time_out_of_range"))
        return outputs

    def _is_cut_short(self, said: WindowScore | Alert) -> bool:
        """Whether it tells of the number of events in a window that goes on after the last of them: there fewer are no news."""
        return said.detector in (*VOLUME, SILENT) and said.window.end > utc(self._clock_ms)

    def _closing(self) -> Progress:
        """A Progress by which every window closes. Few rows confirm no jump: at the end one of up to a window's reach is believed."""
        reach_ms = max((stream.spec.window_max_ms for stream in self._plan.streams.values()), default=0)
        for source in self._sources:
            source.frontier.give_in(reach_ms)
        self._clock_ms = max([self._clock_ms, *(source.frontier.time_ms or 0 for source in self._sources)])
        span = max((stream.spec.size_ms + stream.spec.watermark_delay_ms for stream in self._plan.streams.values()), default=0)
        return self._report([(self._clock_ms + span, False) for _ in self._sources])

    def _report(self, reached: Sequence[tuple[int | None, bool]]) -> Progress:
        """Event time and end of each source, as if the sources were the partitions of the first capture topic."""
        topic = self._plan.config.topics.captures[0]
        sources = tuple(
            SourceProgress(topic, number, source.next_offset, time_ms, ended)
            for number, (source, (time_ms, ended)) in enumerate(zip(self._sources, reached, strict=True))
        )
        return Progress(self._clock_ms, self._plan.revision, sources, ((topic, len(self._sources)),))
