"""The client in trouble: it drops and counts, says so seldom, and never raises or waits."""

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from stream_monitor import CaptureClient
from stream_monitor.client import Stats
from stream_monitor.client.event import encode

NOBODY = "127.0.0.1:1"
"""No broker listens there."""


class Kept(logging.Handler):
    """Messages, whatever else is done with logs in this process."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def warned() -> Iterator[list[str]]:
    logger, kept = logging.getLogger("stream_monitor.client.client"), Kept()
    before = logger.level, logger.propagate
    logger.addHandler(kept)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    yield kept.messages
    logger.removeHandler(kept)
    logger.level, logger.propagate = before


def test_a_full_queue_drops_and_counts(warned: list[str]) -> None:
    client = CaptureClient(NOBODY, "loan", queue_events_max=100, delivery_timeout_s=60)
    for _ in range(350):
        client.capture({"amount": 1.0}, 1)
    assert client.stats == Stats(accepted=100, dropped=250)
    dropped = [message for message in warned if "the queue is full" in message]
    assert len(dropped) == 1, "said once in ten seconds, not for every event"
    assert client.close(timeout_s=0.1) == 100
    assert client.close(timeout_s=0.1) == 0, "closing twice is harmless"


def test_what_kafka_does_not_take_in_time_is_counted_as_failed_and_said_in_two_lines(warned: list[str]) -> None:
    client = CaptureClient(NOBODY, "loan", delivery_timeout_s=0.3)
    for _ in range(5):
        client.capture({"amount": 1.0}, 1)
    assert client.flush(timeout_s=30.0) == 0
    assert client.stats == Stats(accepted=5, failed=5)
    client.close()
    reached, taken = sorted(warned, key=lambda message: "taken" in message)
    assert "Kafka is not reached: " in reached
    assert "a capture was not taken by Kafka" in taken


def test_nothing_that_a_service_does_wrong_raises(warned: list[str]) -> None:
    client = CaptureClient(NOBODY, "loan")
    wrong: Any = {"amount": object()}
    assert len(client.capture(wrong, 1)) == 32
    assert client.stats == Stats(invalid=1)
    assert any("a capture was left out" in message for message in warned)
    client.close()
    client.capture({"amount": 1.0}, 1)
    assert client.stats == Stats(invalid=1, dropped=1), "after the end there is nobody to send it"

    typo = CaptureClient(NOBODY, "loan", properties={"linger.msec": 5})
    typo.capture({"amount": 1.0}, 1)
    assert typo.stats == Stats(failed=1)
    typo.close()


def test_an_unused_client_has_nothing_to_close() -> None:
    with CaptureClient(NOBODY, "loan") as client:
        assert client.flush() == 0
    assert client.stats == Stats()


def test_numpy_is_written_as_numbers_and_nan_as_missing() -> None:
    features = {"a": np.float32(1.5), "b": np.int64(3), "c": math.nan, "d": np.bool_(True), "e": None}
    assert orjson.loads(encode({"features": features, "label": None})) == {"features": {"a": 1.5, "b": 3, "c": None, "d": True, "e": None}}
    assert encode({"event_id": "x", "label": None, "version": None}, keep="label") == b'{"event_id":"x","label":null}'
