"""Where each column's counts stand in a profile's one flat array.

Every column has its own run of codes: 0 missing, 1 invalid, and from 2 on its values. A numeric column's values are
2 below the baseline's range, 3 … its bins, last above the range (so codes from 2 on are ordered);
a categorical column's are 2 "other" (not among the baseline's named categories), 3 … its categories by falling frequency.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

MISSING = 0
INVALID = 1
FIRST_VALUE = 2
"""Below the range, or other."""
FIRST_BIN = 3
"""The lowest bin, or the most frequent category."""


@dataclass(frozen=True)
class Layout:
    """The shape of one baseline's profiles.

    names: C column names; sizes: C numbers of codes (at least 3); ordered: C flags, True for numeric columns;
    joint: the number of bins of `Anomalies.joint`.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    ordered: tuple[bool, ...]
    joint: int = 0

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """int64[C + 1]: column c's counts are `counts[starts[c]:starts[c + 1]]`."""
        starts = np.zeros(len(self.sizes) + 1, dtype=np.int64)
        np.cumsum(self.sizes, out=starts[1:])
        return starts

    @property
    def columns(self) -> int:
        """C, the number of columns."""
        return len(self.sizes)

    @property
    def total(self) -> int:
        """B, the length of a profile's counts."""
        return int(self.starts[-1])
