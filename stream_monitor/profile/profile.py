"""The one mergeable summary. A window is merged profiles, the baseline is a profile, drift is a distance between two."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.anomalies import Anomalies
from stream_monitor.profile.attributions import Attributions
from stream_monitor.profile.extra import merge_extra
from stream_monitor.profile.ids import IdSample
from stream_monitor.profile.layout import Layout
from stream_monitor.profile.operations import Operations
from stream_monitor.profile.transit import Transit

SAMPLES_MAX: Final = 16
"""Sample events kept per profile: enough that a bin with a fifth of the traffic is missed in 1 of 35 windows; about 1 KB encoded."""
MOMENT_SCALE: Final = 2**20
"""Moments are sums of whole multiples of 2^-20, so that they merge exactly in any order."""
MOMENT_CLIP: Final = 2.0**10
"""Standardised values are clipped here: 2^33 such values still fit into an int64."""
SQUARE_SCALE: Final = 2**10
"""Squares reach 2^20 at the clip; at 2^-10 they fit as the sums do."""


class Sample(NamedTuple):
    """One event kept as an example: a pseudo-random priority, where its message is, and its code in every column."""

    priority: int
    topic: str
    partition: int
    offset: int
    codes: bytes
    """uint16[C], little endian."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A summary of `events` events on one baseline's layout (C columns, B counts).

    counts: int64[B], each column's part sums to `events`.
    moments: int64[2, C], for numeric columns the sums of z (in 2^-20) and of z squared (in 2^-10) over finite values,
    where z = (x - mean) / sd by the baseline, clipped to +-2^10; zero for the others.
    samples: the events with the `SAMPLES_MAX` lowest priorities, in order. ids: a sample of the events' ids.
    extra: feature that the baseline does not know -> events that held it, names rising, at most `EXTRA_MAX`.
    operations: how the calls went; empty where no event says anything of it.
    attributions: how much each feature counted; empty where no event says it, or the baseline does not.
    transit: how the events came; empty in a segment's profile.
    anomalies: which events are strange.

    Profiles of one layout form a commutative monoid under `merge`, exactly: everything is an integer or a sorted set.
    """

    events: int
    counts: NDArray[np.int64]
    moments: NDArray[np.int64]
    samples: tuple[Sample, ...] = ()
    ids: IdSample = field(default_factory=IdSample.empty)
    extra: Mapping[str, int] = field(default_factory=dict)
    operations: Operations = field(default_factory=Operations.empty)
    attributions: Attributions = field(default_factory=Attributions.empty)
    transit: Transit = field(default_factory=Transit.empty)
    anomalies: Anomalies = field(default_factory=Anomalies.empty)

    @classmethod
    def empty(cls, layout: Layout) -> Self:
        """The summary of no events: the zero of `merge`."""
        return cls(0, np.zeros(layout.total, dtype=np.int64), np.zeros((2, layout.columns), dtype=np.int64))

    def merge(self, other: "Profile") -> "Profile":
        """The summary of both sides' events. Both must have the same layout."""
        return Profile(
            self.events + other.events,
            self.counts + other.counts,
            self.moments + other.moments,
            tuple(sorted(self.samples + other.samples)[:SAMPLES_MAX]),
            self.ids.merge(other.ids),
            merge_extra(self.extra, other.extra),
            self.operations.merge(other.operations),
            self.attributions.merge(other.attributions),
            self.transit.merge(other.transit),
            self.anomalies.merge(other.anomalies),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and (
            self.events == other.events
            and self.samples == other.samples
            and self.ids == other.ids
            and self.extra == other.extra
            and self.operations == other.operations
            and self.attributions == other.attributions
            and self.transit == other.transit
            and self.anomalies == other.anomalies
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.moments, other.moments)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays inside
