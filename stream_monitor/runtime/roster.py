"""Who works on a deployment, as the broker's groups show it: asked when somebody looks, and not again for some seconds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

from stream_monitor.errors import BrokerError
from stream_monitor.runtime.broker import Broker, GroupMember, TopicPartition

FRESH_S: Final = 5.0
"""However many look, the broker is asked once in so long."""
ANSWER_S: Final = 2.0
"""A page is not kept waiting longer by any request."""
GONE_KEPT_MS: Final = 3_600_000
GONE_MAX: Final = 100
"""Who has left is remembered for an hour, the last hundred of them."""


class Seat(NamedTuple):
    """One worker in one role."""

    role: str
    instance: str


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. seats: who is in the groups; lags: by role, on every partition that it reads, owned or not.

    heard_ms: when each seat, of those who have left too, was last in its group; is_settled: no group is sharing out anew.
    problem: why the broker was not asked to the end this time, in one sentence; then all else is older, or empty.
    """

    at_ms: int | None = None
    seats: Mapping[Seat, GroupMember] = field(default_factory=dict)
    lags: Mapping[str, Mapping[TopicPartition, int]] = field(default_factory=dict)
    is_settled: bool = True
    heard_ms: Mapping[Seat, int] = field(default_factory=dict)
    problem: str | None = None


class Roster:
    """May be asked by several threads; each waits for at most one round of requests.

    broker: asked, never changed; prefix: that of the config's topics, from which groups and members have their names; clock: ms.
    """

    def __init__(self, broker: Broker, prefix: str, clock: Callable[[], int]) -> None:
        self._broker, self._prefix, self._clock = broker, prefix, clock
        self._lock = Lock()
        self._look = Look()
        self._asked_s: float | None = None

    def look(self, topics: Mapping[str, Sequence[str]]) -> Look:
        """The newest look, or a new one. topics: what each role reads."""
        with self._lock:
            if self._asked_s is None or monotonic() - self._asked_s >= FRESH_S:
                self._look = self._ask(topics)
                self._asked_s = monotonic()
            return self._look

    def _ask(self, topics: Mapping[str, Sequence[str]]) -> Look:
        try:
            views = {role: self._broker.group(f"{self._prefix}.{role}", names, ANSWER_S) for role, names in topics.items()}
        except BrokerError as error:
            return replace(self._look, problem=str(error))
        now_ms = self._clock()
        seats = {Seat(role, self._instance(role, one)): one for role, view in views.items() for one in view.members}
        heard = {seat: ms for seat, ms in self._look.heard_ms.items() if now_ms - ms < GONE_KEPT_MS and seat not in seats}
        newest = sorted(heard.items(), key=lambda item: item[1])[-GONE_MAX:]
        return Look(
            now_ms,
            seats,
            {role: view.lags for role, view in views.items()},
            all(view.is_settled for view in views.values()),
            {**dict(newest), **dict.fromkeys(seats, now_ms)},
        )

    def _instance(self, role: str, member: GroupMember) -> str:
        """A member's transactional id ends with it; one whose user set a client.id is known by that and its host only."""
        start = f"{self._prefix}.{role}."
        return member.name.removeprefix(start) if member.name.startswith(start) else f"{member.name} on {member.host}"
