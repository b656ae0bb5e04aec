"""The demonstration's story: acts, each with the world that holds from its beginning on. A further act is a further row of `ACTS`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

START_MS: Final = int(datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp() * 1000)
SPAN_MS: Final = 1_000_000
"""However many events there are, they come within some seventeen minutes of event time."""


@dataclass(frozen=True, slots=True)
class World:
    """Who applies. income_log: mean of the incomes' logarithm; regions: weights of north, south, east and west."""

    income_log: float = 10.6
    regions: tuple[int, int, int, int] = (30, 30, 20, 20)


@dataclass(frozen=True, slots=True)
class Act:
    """One part of the story, until the next one begins.

    name: as in "50 s after the shift"; starts_ms: event time; says: what happens, as one sentence, for the view and the plain lines;
    must_alert: whether a demonstration in which nothing fires during it has failed.
    """

    name: str
    starts_ms: int
    says: str
    world: World
    must_alert: bool = False


AS_TRAINED: Final = World()
SHIFTED: Final = World(income_log=10.2, regions=(15, 55, 15, 15))
"""Incomes a third lower, more from the south."""
ACTS: Final = (
    Act("the start", START_MS, "people apply as they did in the training data", AS_TRAINED),
    Act("the shift", START_MS + 500_000, "the applicants change: lower incomes, more from the south", SHIFTED, must_alert=True),
)
"""In the order of their beginnings, the first at `START_MS`."""
