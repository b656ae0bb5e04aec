"""Waiting for a condition, with a deadline and without a busy loop; and where tests tell their figures."""

import logging
import time
import urllib.request
from collections.abc import Callable
from threading import Event

FIGURES = logging.getLogger("tests.figures")
"""What a test did and compared, in numbers: `pytest -o log_cli=true --log-cli-level=INFO` shows them."""
DEADLINE_S = 60.0
PAUSE_S = 0.05


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> float:
    """Look until the condition holds; how many seconds that took. AssertionError after `deadline_s`."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < deadline_s, f"waited {deadline_s:.0f} s in vain: {what}"
        pause(PAUSE_S)
    return time.monotonic() - started


def pause(seconds: float) -> None:
    """Let this much time pass: for moments of killing and lengths of stops, never in hope of something."""
    Event().wait(seconds)


def answers(url: str) -> bool:
    """Whether a server answers a GET with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
