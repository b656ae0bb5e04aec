"""Fixtures of all tests come from plugins, one per matter."""

import gc
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.kafka.fixtures", "tests.order"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in the background: whatever it starts would ignore Ctrl-C, too
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is the machine's affair, and the machine is often busy.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_collection_finish() -> None:
    """What is imported and collected by now stays: the garbage collector need not look at it again and again (a tenth of laws' time)."""
    gc.collect()
    gc.freeze()


@contextmanager
def own_logs() -> Iterator[None]:
    """What is configured of logging meanwhile ends with it: its stream is closed by then."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True, scope="module")
def logs_of_a_module() -> Iterator[None]:
    """What fixtures of a module configure."""
    with own_logs():
        yield


@pytest.fixture(autouse=True)
def logs_of_a_test() -> Iterator[None]:
    with own_logs():
        yield
