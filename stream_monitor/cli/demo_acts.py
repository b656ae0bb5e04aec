"""The demonstration's story: acts, each with the world that holds from its beginning on. A further act is a further row of `ACTS`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from stream_monitor.detect.finding import FindingKind

START_MS: Final = int(datetime(2026, 1, 5, 8, tzinfo=UTC).timestamp() * 1000)
MINUTE_MS: Final = 60_000
SPAN_MS: Final = 64 * MINUTE_MS
"""However many events there are, they come within so much event time."""
END_MS: Final = START_MS + SPAN_MS + 2 * MINUTE_MS
"""The last window closes and more labels come; the silence is not noticed yet."""


@dataclass(frozen=True, slots=True)
class World:
    """Who applies, who of them repays, and how the service treats them.

    income_log: mean of the incomes' logarithm; regions: weights of north, south, east and west; hardship: taken off everybody's log-odds
    of repaying; malus: taken off the log-odds that the service answers to women.
    """

    income_log: float = 10.6
    regions: tuple[int, int, int, int] = (30, 30, 20, 20)
    hardship: float = 0.0
    malus: float = 0.0


@dataclass(frozen=True, slots=True)
class Act:
    """One part of the story, until the next one begins.

    name: as in "50 s after the shift"; starts_ms: event time; says: what happens, as one sentence, for the view and the plain lines;
    must_alert: a demonstration in which no alert of one of these kinds begins during it has failed.
    """

    name: str
    starts_ms: int
    says: str
    world: World
    must_alert: tuple[FindingKind, ...] = ()


AS_TRAINED: Final = World()
SHIFTED: Final = World(income_log=9.9, regions=(15, 55, 15, 15))
"""Incomes halved, more from the south."""
DEARER: Final = World(hardship=5.0)
UNFAIR: Final = World(hardship=5.0, malus=6.0)
ACTS: Final = (
    Act("the start", START_MS, "people apply as they did in the training data", AS_TRAINED),
    Act(
        "the shift",
        START_MS + 14 * MINUTE_MS,
        "the applicants change: lower incomes, more from the south",
        SHIFTED,
        (FindingKind.DATA_DRIFT, FindingKind.ESTIMATED_QUALITY),
    ),
    Act("the return", START_MS + 22 * MINUTE_MS, "the applicants are again as in the training data", AS_TRAINED),
    Act(
        "the rise",
        START_MS + 30 * MINUTE_MS,
        "interest rises: the same people apply, but fewer of them can repay; the alert has the model trained anew",
        DEARER,
        (FindingKind.MODEL_QUALITY, FindingKind.CONCEPT_DRIFT),
    ),
    Act("the rule", START_MS + 54 * MINUTE_MS, "a new rule in the service marks women down", UNFAIR, (FindingKind.BIAS,)),
)
"""In the order of their beginnings, the first at `START_MS`."""
