"""When a failed attempt is followed by another: a pure function."""

from typing import Final

from stream_monitor.config.actions import ActionOptions
from stream_monitor.respond.call import Refused, Retriable

INTERRUPTIONS_MAX: Final = 10
"""Attempts beyond the configured ones that may end with the death of their responder: an action that kills it must not do so for ever."""


def wait_s(options: ActionOptions, failed: int, error: BaseException, chance: float) -> float | None:
    """Seconds until the next attempt, None: there is none. failed: attempts that have failed, >= 1; chance: uniform in [0, 1).

    Exponential with half jitter: backoff * 2^(failed - 1), at most `backoff_max`, times 0.5 to 1; no sooner than the error asks.
    """
    if isinstance(error, Refused) or failed > options.retries:
        return None
    longest_s = options.backoff_max / 1000
    step_s = min(options.backoff / 1000 * 2.0 ** min(failed - 1, 60), longest_s)
    asked_s = error.after_s if isinstance(error, Retriable) else 0.0
    return max(step_s * (0.5 + chance / 2), min(asked_s, longest_s))


def is_worn_out(options: ActionOptions, attempts: int) -> bool:
    """Whether so many attempts on record, none of which ended, are enough."""
    return attempts >= options.retries + 1 + INTERRUPTIONS_MAX
