"""What is on record: the last message of every key of the actions topic, and how many were begun of late. Pure; bounded."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from heapq import heappush, heappushpop
from typing import Final, NamedTuple

from msgspec.structs import replace

from stream_monitor.alert.times import ms_of
from stream_monitor.respond.action import Action
from stream_monitor.respond.progress import is_behind
from stream_monitor.respond.result import ActionReason, ActionResult, ActionStatus

KEYS_MAX: Final = 100_000
"""Keys that are remembered, some 300 bytes each. An alert that is read again after a crash is among the last few hundred."""
SCOPES_MAX: Final = 10_000
"""Models or fingerprints of one action whose rate is remembered, and threads that it has opened; the oldest are forgotten first."""


class Standing(NamedTuple):
    """What is kept of a key."""

    status: ActionStatus
    reason: ActionReason | None
    attempt: int


class Record:
    """A fold over action results, in the topic's order; the same whatever is folded twice.

    A key that ended stays ended: only a person's `approved` opens it again. A workflow goes forward only.
    """

    def __init__(self, actions: Iterable[Action]) -> None:
        self._actions = {action.name: action for action in actions}
        self._standings: OrderedDict[str, Standing] = OrderedDict()
        self._begun: dict[str, OrderedDict[str, list[int]]] = {name: OrderedDict() for name in self._actions}
        """Action -> scope -> a heap of the latest times (ms) at which one was begun, as many as the action's rate allows."""
        self._opened: dict[str, OrderedDict[str, None]] = {name: OrderedDict() for name in self._actions}
        """Action -> threads that it was told of, and not of their end."""
        self._open: dict[str, ActionResult] = {}
        self._stragglers: dict[str, ActionResult] = {}

    def apply(self, result: ActionResult) -> None:
        """Fold in one message."""
        before = self._standings.pop(result.key, None)
        if before is None or before.reason is ActionReason.HELD:
            self._count(result)
            self._note_thread(result)
        elif (furthest := self._overtaken_by(before, result)) is not None:
            self._standings[result.key] = before
            self._stragglers[result.key] = furthest
            return
        self._standings[result.key] = Standing(result.status, result.reason, result.attempt)
        self._stragglers.pop(result.key, None)
        if result.status.is_open:
            self._open[result.key] = result
        else:
            self._open.pop(result.key, None)
        if len(self._standings) > KEYS_MAX:
            self._open.pop(self._standings.popitem(last=False)[0], None)

    def _overtaken_by(self, before: Standing, result: ActionResult) -> ActionResult | None:
        """What is known already, where a responder that was taken for dead says less: an end, or more steps of a workflow."""
        if before.status.is_final and result.status.is_open and result.status is not ActionStatus.APPROVED:
            return replace(result, status=before.status, reason=before.reason, alert=None)
        known = self._open.get(result.key)
        is_late = known is not None and result.status is ActionStatus.STARTED and is_behind(result.progress, known.progress)
        return known if is_late else None

    def standing(self, key: str) -> Standing | None:
        """What is known of a key, None: nothing."""
        return self._standings.get(key)

    @property
    def open(self) -> Mapping[str, ActionResult]:
        """What a responder has still to run, by key, in the order in which it was last told of."""
        return self._open

    def take_stragglers(self) -> list[ActionResult]:
        """What is to be said again: after each a responder that was taken for dead said less, and compaction would keep that alone."""
        found, self._stragglers = list(self._stragglers.values()), {}
        return found

    def is_at_rate(self, action: Action, scope: str, now_ms: int) -> bool:
        """Whether as many were begun in the last while as the action's rate allows."""
        rate = action.options.rate
        times = self._begun[action.name].get(scope, [])
        return rate is not None and len(times) == rate.most and times[0] > now_ms - rate.per_ms

    def has_opened(self, action: str, thread: str) -> bool:
        """Whether an action was told of a thread, and not of its end."""
        return thread in self._opened[action]

    def _note_thread(self, result: ActionResult) -> None:
        action = self._actions.get(result.action)
        if action is None or not action.has_end or result.thread is None or result.status is ActionStatus.SKIPPED:
            return
        threads = self._opened[result.action]
        threads.pop(result.thread, None)
        if not result.is_over:
            threads[result.thread] = None
        if len(threads) > SCOPES_MAX:
            threads.popitem(last=False)

    def _count(self, result: ActionResult) -> None:
        action = self._actions.get(result.action)
        if action is None or action.options.rate is None or result.status is ActionStatus.SKIPPED:
            return
        if action.has_end and result.is_over:
            return  # never held back, so that it leaves room
        scopes, scope = self._begun[action.name], scope_of(action, result.model, result.fingerprint)
        times = scopes.setdefault(scope, [])
        scopes.move_to_end(scope)
        if len(times) < action.options.rate.most:
            heappush(times, ms_of(result.decided_at))
        else:
            heappushpop(times, ms_of(result.decided_at))
        if len(scopes) > SCOPES_MAX:
            scopes.popitem(last=False)


def scope_of(action: Action, model: str, fingerprint: str) -> str:
    """What an action's rate counts together."""
    return {"action": "", "model": model, "fingerprint": fingerprint}[action.options.rate_per]
