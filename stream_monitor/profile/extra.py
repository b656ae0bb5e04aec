"""Features that the baseline does not know: how many events held each, for a bounded number of names."""

from collections.abc import Mapping
from typing import Final

EXTRA_MAX: Final = 64
"""Names kept, the first in the order of the alphabet; one that is among those of all is among those of every part, so merging is exact.
Where a stream has more unknown names than the decoder learns, which ones it counts hangs on which came first."""


def merge_extra(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    """The events of both sides that held each name, names rising; commutative and associative."""
    if not one or not other:
        return one or other
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})[:EXTRA_MAX]}
