"""Fixtures of the laws."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture
def quiet_logs() -> Iterator[list[Any]]:
    """Logs as a list instead of lines on the terminal."""
    with capture_logs() as logs:
        yield logs
