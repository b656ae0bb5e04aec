"""In which order tests are run, and by which process, so that the cores are busy to the end."""

import os
from collections.abc import Sequence
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER: Final = {
    "tests/integration/test_action_aws.py": "a server like AWS",
    "tests/integration/test_pages.py": "a demonstration played",
    "tests/property/test_pipeline_faults.py": "undisturbed runs",
    "tests/property/test_pipeline_invariance.py": "what windows should hold",
    "tests/unit/test_board.py": "a demonstration played",
    "tests/unit/test_board_figures.py": "a demonstration played",
    "tests/unit/test_cli_demo.py": "a demonstration told",
    "tests/unit/test_cli_sample.py": "a sample",
    "tests/unit/test_demo_frame.py": "a demonstration played",
    "tests/unit/test_report.py": "a demonstration played",
}
"""Files whose tests share something that takes seconds to make, and what: one process has them all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow ones first, so that none is left alone at the end; everywhere those that wait for a broker among those that work.

    A test on Kafka works for less than half of its time: so three processes keep two cores busy. One process alone goes file by file.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    parts: dict[tuple[bool, bool], list[pytest.Item]] = {}
    for item in items:
        is_slow, waits = (item.get_closest_marker(name) is not None for name in ("slow", "kafka"))
        parts.setdefault((is_slow, waits), []).append(item)
    items[:] = [item for slow in (True, False) for item in spread(parts.get((slow, True), []), parts.get((slow, False), []))]


def spread(*kinds: Sequence[pytest.Item]) -> list[pytest.Item]:
    """All of them, each kind in its order and evenly over the whole."""
    places = [((number + 0.5) / len(kind), item) for kind in kinds for number, item in enumerate(kind)]
    return [item for _, item in sorted(places, key=lambda place: place[0])]


class Queue(LoadScopeScheduling):  # type: ignore[misc]  # without types
    """One queue that all processes take from, a test at a time or what is `TOGETHER`; the latter first."""

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER.get(nodeid.partition("::")[0], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Queue:
    """Of pytest-xdist, whose marks for groups pytest 9.2 does not heed."""
    return Queue(config, log)
