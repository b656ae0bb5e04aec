"""What a detector hands to the latch: where it suspects a change."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CUT: Final = np.dtype([("start", "<i8"), ("n", "<f8"), ("total", "<f8"), ("square", "<f8")])
"""The first slice after the change (`NONE`: there is none), and n, sum and sum of squares of the values since."""
NONE: Final = -(2**63)
"""No slice number: time does not reach back so far."""


def no_cuts(series: int) -> NDArray[np.void]:
    """CUT[S], none suspected."""
    cuts = np.zeros(series, dtype=CUT)
    cuts["start"] = NONE
    return cuts
