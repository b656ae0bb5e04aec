"""What every detector that compares a window with the baseline answers."""

from collections.abc import Callable
from typing import Protocol

from stream_monitor.capture.schema import Column
from stream_monitor.detect.pair import Counts, Floats, Pair, Side

Gate = Callable[[Pair], Floats]
"""A two-sample test: float64[C] p-values in [0, 1], never NaN; 1 where there is nothing to compare."""


class Detector(Protocol):
    """One row of a family's table. All arrays are over the C columns of one baseline."""

    @property
    def name(self) -> str:
        """The name in config, scores and alerts."""
        ...

    @property
    def title(self) -> str:
        """What the score is called in a sentence."""
        ...

    @property
    def cause(self) -> str:
        """What a finding points to, such as `distribution`: detectors of one cause and kind on one feature share an alert."""
        ...

    @property
    def default_threshold(self) -> float:
        """Used where the config names none; counted from `base`."""
        ...

    @property
    def gate(self) -> Gate:
        """The test that tells chance from change."""
        ...

    @property
    def is_quality(self) -> bool:
        """Whether a finding says that the data are bad, not that they moved."""
        ...

    def applies_to(self, column: Column) -> bool:
        """Whether this column has such a score at all."""
        ...

    def score(self, pair: Pair) -> Floats:
        """float64[C]; NaN: cannot be judged."""
        ...

    def base(self, baseline: Side) -> Floats:
        """float64[C]: the score of traffic that is like the baseline."""
        ...

    def moved(self, pair: Pair, column: int) -> Counts:
        """Codes of this column, by how much they add to the score, largest first; those that add nothing are left out."""
        ...
