"""What is usual: the last windows that were not found, until so many in a row are found that they are the new level."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

NEAR: Final = 12
"""Windows before the first judgement, and of a new level: an hour of 5-minute ones."""
PAST: Final = 36
"""Usual windows that are remembered."""


class Ended(Protocol):
    """What is remembered of a window."""

    @property
    def end_ms(self) -> int:
        """When it ended."""
        ...


B = TypeVar("B", bound=Ended)


def remember(near: tuple[B, ...], odd: tuple[B, ...], now: B, start_ms: int, *, is_found: bool) -> tuple[tuple[B, ...], tuple[B, ...]]:
    """near: usual windows, at most `PAST`; odd: found ones since the last usual one, fewer than `NEAR`; both without overlap, oldest first.

    A window [start_ms, now.end_ms) that overlaps the newest is not remembered.
    """
    if start_ms >= max((block.end_ms for block in (*near[-1:], *odd[-1:])), default=start_ms):
        near, odd = (near, (*odd, now)) if is_found else ((*near, now), ())
    if len(odd) == NEAR:
        near, odd = odd, ()
    return near[-PAST:], odd


def before(near: Sequence[B], start_ms: int) -> list[B]:
    """Those that ended by then."""
    return [block for block in near if block.end_ms <= start_ms]
