"""Which events of a batch are strange, by the baseline: values beyond the fences, and distances of all columns together."""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.column import NumericColumn
from stream_monitor.profile import kernels

if TYPE_CHECKING:
    from stream_monitor.baseline.baseline import Baseline
    from stream_monitor.baseline.encode import Coded

_NONE: Final = np.zeros(0, dtype=np.int64)


class Strange:
    """n events, looked at once, then counted by any groups. is_training: they are the baseline's own rows.

    squared: int64[n], see `Joint.squared`; bins: int64[n], their bins. Both are empty where the baseline has no `joint`.
    """

    def __init__(self, baseline: "Baseline", coded: "Coded", *, is_training: bool = False) -> None:
        self._columns, self._numbers = baseline.columns, coded.numbers
        self._joint = joint = baseline.joint
        self.squared = _NONE if joint is None else joint.squared(baseline.columns, coded)
        if joint is not None and is_training:
            self.squared = joint.without_itself(self.squared, baseline.rows)
        self.bins = _NONE if joint is None else joint.bins(self.squared)

    def count(self, group: NDArray[np.int32], groups: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`Anomalies.outliers` and `joint` of each group 0 … G - 1: int64[G, C] and int64[G, K].

        group: int32[n], each below `groups`, contiguous; rows of a negative group are left out.
        """
        outliers = np.zeros((len(self._columns), groups), dtype=np.int64)
        for part in self._numbers:
            column = self._columns[part.index]
            if isinstance(column, NumericColumn) and column.fences is not None:
                kernels.count_beyond(part.values, *column.fences, group, outliers[part.index])
        if self._joint is None:
            return outliers.T.copy(), np.zeros((groups, 0), dtype=np.int64)
        size, held = len(self._joint.counts), group >= 0
        joint = np.bincount(group[held] * size + self.bins[held], minlength=groups * size).reshape(groups, size)
        return outliers.T.copy(), joint

    def far(self) -> NDArray[np.int64]:
        """The rows in the last bin, rising."""
        return np.flatnonzero(self.bins == len(self._joint.counts) - 1) if self._joint else _NONE
