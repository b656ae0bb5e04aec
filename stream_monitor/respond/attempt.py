"""One call of an action, in a thread of its own, so that a call that hangs holds up nothing but its own slot."""

import asyncio
import inspect
from collections.abc import Awaitable
from concurrent.futures import Future
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import Any, Final

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.action import Action, Result
from stream_monitor.respond.call import Call, Continue
from stream_monitor.respond.result import recordable

RESULT_BYTES_MAX: Final = 65_536
"""A result is a line for people, not a data set; the topic's own limit is 1 MB."""


class TimedOut(Exception):
    """The attempt took too long, or found no free slot in its time."""


def attempt(
    action: Action, alert: Alert, call: Call, slots: BoundedSemaphore, timeout_ms: int | None = None
) -> dict[str, Any] | Continue | None:
    """Call the action, sync or async (then in an event loop of its own), for at most so long, by default its time-out.

    slots: how many calls of it may be under way; one that hangs keeps its slot. Errors: TimedOut; whatever the action raises.
    """
    timeout_ms = action.options.timeout if timeout_ms is None else timeout_ms
    deadline = monotonic() + timeout_ms / 1000
    if not slots.acquire(timeout=max(0.0, deadline - monotonic())):
        raise TimedOut("earlier calls of this action have timed out and are still running")
    outcome: Future[dict[str, Any] | Continue | None] = Future()
    Thread(target=_work, args=(action, alert, call, deadline, outcome, slots), name=f"action-{action.name}", daemon=True).start()
    try:
        return outcome.result(max(0.0, deadline - monotonic()))
    except TimeoutError:
        if outcome.done():
            raise  # the action's own
        raise TimedOut(f"took longer than {timeout_ms / 1000:g} s") from None


def _work(
    action: Action, alert: Alert, call: Call, deadline: float, outcome: "Future[dict[str, Any] | Continue | None]", slots: BoundedSemaphore
) -> None:
    try:
        found = action(alert, call)
        outcome.set_result(_kept(asyncio.run(_bounded(found, deadline)) if inspect.isawaitable(found) else found))
    except BaseException as error:  # noqa: BLE001 - whatever user code raises, SystemExit too, is the outcome of this attempt alone
        outcome.set_exception(error)
    finally:
        slots.release()


async def _bounded(found: Awaitable[Result | Continue], deadline: float) -> Result | Continue:
    """Cancelled at the deadline, so that what waits does not outlive it."""
    try:
        async with asyncio.timeout(max(0.0, deadline - monotonic())) as limit:
            return await found
    except TimeoutError:
        if limit.expired():
            raise TimedOut("was cancelled at its time-out") from None
        raise


def _kept(found: Result | Continue) -> dict[str, Any] | Continue | None:
    return found if isinstance(found, Continue) else recordable(found, RESULT_BYTES_MAX)
