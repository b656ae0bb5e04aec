"""How some events came here: who sent them, and how their own times stand to those of their messages. A mergeable part of a profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.logarithmic import LogHistogram, bins_of

PRODUCERS_MAX: Final = 32
"""Producers told apart, the first in the order of the alphabet; the others are counted together."""
PRODUCER_CHARS_MAX: Final = 64
"""A longer name is cut."""
LEAP_MAX_MS: Final = 2**32
"""50 days: a larger difference of two clocks counts as that, so that 2^31 of them fit into an int64."""


class Sent(NamedTuple):
    """What one producer sent. timed: of its events those whose message has a time; late_ms, early_ms: sums over these."""

    events: int = 0
    timed: int = 0
    late_ms: int = 0
    early_ms: int = 0

    def plus(self, other: "Sent") -> "Sent":
        """Both together."""
        return Sent(*map(sum, zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Transit:
    """late: by how many ms each message's time is after its event's, 0 where it is not; early: the other way round; both of all events
    whose message has a time. told: events that name their producer; producers: name -> what it sent, names rising, at most `PRODUCERS_MAX`.

    They form a commutative monoid under `merge`, exactly: a name that is among the first of all is among those of every part.
    """

    late: LogHistogram = field(default_factory=LogHistogram.empty)
    early: LogHistogram = field(default_factory=LogHistogram.empty)
    told: int = 0
    producers: Mapping[str, Sent] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Self:
        """Of no event: the zero of `merge`."""
        return cls()

    def merge(self, other: "Transit") -> "Transit":
        """Of both sides' events."""
        names = sorted({*self.producers, *other.producers})[:PRODUCERS_MAX]
        producers = {name: self.producers.get(name, Sent()).plus(other.producers.get(name, Sent())) for name in names}
        return Transit(self.late.merge(other.late), self.early.merge(other.early), self.told + other.told, producers)

    @property
    def is_cut(self) -> bool:
        """Whether there are producers beyond the last that is told apart."""
        return self.told > sum(sent.events for sent in self.producers.values())


class Senders:
    """The producers and the delays of a batch, each in its bin: looked up once, then counted by any group of events."""

    def __init__(self, producers: Sequence[str | None] | None, delay_ms: NDArray[np.float64]) -> None:
        """producers: n names, None: not told (by anyone); delay_ms: float64[n], a message's time less its event's, NaN: it has none."""
        late, early = (np.clip(side, 0, LEAP_MAX_MS) for side in (delay_ms, -delay_ms))
        self._bins = [bins_of(late), bins_of(early)]
        self._names: list[str] = []
        if producers is None:
            return
        timed = ~np.isnan(delay_ms)
        self._sums = np.stack([np.ones(len(timed)), timed, np.nan_to_num(late), np.nan_to_num(early)]).astype(np.int64)
        names = [(name or "")[:PRODUCER_CHARS_MAX] for name in producers]
        self._names = sorted({name for name in names if name})
        place = {name: number for number, name in enumerate(self._names)}
        self._of = np.array([place.get(name, -1) for name in names], dtype=np.int64) if place else np.full(len(names), -1)

    def of(self, members: NDArray[np.int64]) -> Transit:
        """Of the events in these rows."""
        late, early = (LogHistogram.of(bins[members]) for bins in self._bins)
        if not self._names:
            return Transit(late, early)
        named = members[self._of[members] >= 0]
        held, place = np.unique(self._of[named], return_inverse=True)
        sums = np.zeros((len(held), len(self._sums)), dtype=np.int64)
        np.add.at(sums, place, self._sums[:, named].T)
        rows = zip(held[:PRODUCERS_MAX].tolist(), sums.tolist(), strict=False)
        return Transit(late, early, len(named), {self._names[name]: Sent(*row) for name, row in rows})
