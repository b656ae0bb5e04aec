"""Parts of the training data and what each holds: one more pass over the rows, on the bins that the first ones found."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.profile.anomalies import Anomalies
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.slices import POSITION_SCALE

if TYPE_CHECKING:
    from stream_monitor.baseline.encode import Coded
    from stream_monitor.baseline.strange import Strange

_Number = TypeVar("_Number", np.int64, np.float64)
_SCALES: Final = np.array([POSITION_SCALE, POSITION_SCALE**2, POSITION_SCALE], dtype=np.float64)[:, None]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """P parts of the rows on the layout of a baseline (C columns, B counts).

    events: int64[P]; counts: int64[P, B]; moments: int64[P, 2, C], as in `Profile`.
    outliers: int64[P, C]; joint: int64[P, K], as in `Anomalies`.
    n: int64[P, C], values present; sums: float64[P, 3, C] over them: of the position u, of u^2 and of |2u - 1|. Floats, because
    a part may hold more rows than a slice; both are empty (P = 0) where they were not asked for.
    """

    events: NDArray[np.int64]
    counts: NDArray[np.int64]
    moments: NDArray[np.int64]
    outliers: NDArray[np.int64]
    joint: NDArray[np.int64]
    n: NDArray[np.int64]
    sums: NDArray[np.float64]

    @classmethod
    def empty(cls, parts: int, baseline: Baseline, *, positions: bool) -> Self:
        """Of no rows."""
        layout, sliced = baseline.layout, parts if positions else 0
        return cls(
            np.zeros(parts, dtype=np.int64),
            np.zeros((parts, layout.total), dtype=np.int64),
            np.zeros((parts, 2, layout.columns), dtype=np.int64),
            np.zeros((parts, layout.columns), dtype=np.int64),
            np.zeros((parts, layout.joint), dtype=np.int64),
            np.zeros((sliced, layout.columns), dtype=np.int64),
            np.zeros((sliced, 3, layout.columns)),
        )

    def __len__(self) -> int:
        return len(self.events)

    def profile(self, part: int) -> Profile:
        """The profile of one part, without samples."""
        anomalies = Anomalies.of(self.outliers[part], self.joint[part])
        return Profile(int(self.events[part]), self.counts[part], self.moments[part], anomalies=anomalies)

    def joined(self, into: NDArray[np.int64], blocks: int) -> "Parts":
        """Fewer, larger parts: part p goes into block `into[p]` (0 … blocks - 1)."""
        events, counts, moments = (_added(field, into, blocks) for field in (self.events, self.counts, self.moments))
        outliers, joint, n = (_added(field, into, blocks) for field in (self.outliers, self.joint, self.n))
        return Parts(events, counts, moments, outliers, joint, n, _added(self.sums, into, blocks))

    def add(self, baseline: Baseline, coded: "Coded", strange: "Strange", part: NDArray[np.int32]) -> None:
        """Count n more rows; part: int32[n], rows of a negative part are left out."""
        from stream_monitor.baseline.encode import slice_sums  # numba is loaded only where events are counted
        from stream_monitor.profile import kernels

        parts, rows = np.unique(part, return_inverse=True)  # few at a time where the rows are in order
        group = np.where(part < 0, -1, rows).astype(np.int32)
        events, moments = np.zeros(len(parts), dtype=np.int64), np.zeros((len(coded.codes), 2, len(parts)), dtype=np.int64)
        kernels.count_groups(group, events)
        kernels.count(coded.codes, np.require(part, np.int32, ["C", "W"]), baseline.layout.starts, self.counts)
        for numbers in coded.numbers:
            kernels.add_moments(numbers.values, numbers.mean, numbers.scale, group, moments[numbers.index])
        outliers, joint = strange.count(group, len(parts))
        held = parts >= 0
        self.events[parts[held]] += events[held]
        self.moments[parts[held]] += moments.transpose(2, 1, 0)[held]
        self.outliers[parts[held]] += outliers[held]
        self.joint[parts[held]] += joint[held]
        if len(self.n):
            n, sums = slice_sums(baseline, coded, group, len(parts))
            self.n[parts[held]] += n[held]
            self.sums[parts[held]] += sums[held] / _SCALES


def _added(field: NDArray[_Number], into: NDArray[np.int64], blocks: int) -> NDArray[_Number]:
    if not len(field):
        return field
    added = np.zeros((blocks, *field.shape[1:]), dtype=field.dtype)
    np.add.at(added, into, field)
    return added
