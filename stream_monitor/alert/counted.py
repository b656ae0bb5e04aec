"""M of N windows: in which of the last windows a cause had a finding, while no alert that pages fires on it."""

from collections.abc import Set

import msgspec

from stream_monitor.alert.cause import Cause


class Counts(msgspec.Struct, frozen=True):
    """The start of each of the last judged windows with a finding on one cause, oldest first; None for one without."""

    cause: Cause
    starts: tuple[int | None, ...]


class Counted:
    """The last few windows of every cause that had a finding in one of them."""

    def __init__(self, state: tuple[Counts, ...] = ()) -> None:
        self._starts = {counts.cause: counts.starts for counts in state}

    def to_state(self) -> tuple[Counts, ...]:
        """What a later `Counted` goes on from."""
        return tuple(Counts(cause, starts) for cause, starts in self._starts.items())

    @property
    def causes(self) -> Set[Cause]:
        """Those with a finding."""
        return self._starts.keys()

    def add(self, cause: Cause, start_ms: int | None, kept: int) -> None:
        """One more judged window. start_ms: None where it has no finding; kept: so many are."""
        starts = (*self._starts.get(cause, ()), start_ms)[-kept:]
        if any(start is not None for start in starts):
            self._starts[cause] = starts
        else:
            self.forget(cause)

    def of_last(self, cause: Cause, windows: int) -> list[int]:
        """Starts of those with a finding among the last so many."""
        return [start for start in self._starts.get(cause, ())[-windows:] if start is not None]

    def forget(self, cause: Cause) -> None:
        """An alert opened or ended: counting begins anew."""
        self._starts.pop(cause, None)
