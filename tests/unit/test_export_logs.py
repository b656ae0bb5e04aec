"""The log: JSON lines for machines, lines for people, the libraries' records among them."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from stream_monitor.errors import InputError
from stream_monitor.export.logs import LEVELS, configure_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_object_on_one_line() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger("stream_monitor.runtime").info("assigned", partitions=[0, 1], text="two\nlines")
    (record,) = lines(stream)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "level": "info",
        "logger": "stream_monitor.runtime",
        "event": "assigned",
        "partitions": [0, 1],
        "text": "two\nlines",
    }


def test_times_are_utc() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger("x").info("now")
    logged = datetime.fromisoformat(lines(stream)[0]["timestamp"])
    assert logged.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - logged) < timedelta(minutes=1)


def test_records_of_libraries_look_the_same() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    logging.getLogger("confluent").warning("broker %s is down", "b1")
    (record,) = lines(stream)
    assert (record["level"], record["logger"], record["event"]) == ("warning", "confluent", "broker b1 is down")


def test_warnings_go_to_the_log() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # else one that was on keeps the way that another test's context has undone
        logging.captureWarnings(True)
        warnings.warn("old call", UserWarning, stacklevel=1)
    assert "old call" in lines(stream)[0]["event"]


def test_an_error_carries_its_trace_as_data() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    try:
        raise ValueError("bad")
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("y").exception("failed too")
    ours, theirs = lines(stream)
    for record in (ours, theirs):
        assert (record["exception"][0]["exc_type"], record["exception"][0]["exc_value"]) == ("ValueError", "bad")


def test_whatever_is_put_into_a_record_comes_out() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger("x").info(
        "odd", payload=b"\xff\x00", nothing=float("nan"), keys={1: "a"}, thing=Exception("e"), big=2**70, lone="\ud800"
    )
    (record,) = lines(stream)
    assert record["keys"] == {"1": "a"}


@pytest.mark.parametrize(("level", "seen"), [("debug", 5), ("info", 4), ("warning", 3), ("error", 2), ("critical", 1)])
def test_the_level_holds_for_all(level: str, seen: int) -> None:
    stream = io.StringIO()
    configure_logs(level, stream)
    for log in (structlog.get_logger("x"), logging.getLogger("y")):
        for method in LEVELS:
            getattr(log, method)("said")
    assert len(lines(stream)) == 2 * seen


def test_a_terminal_gets_lines_for_people() -> None:
    stream = Terminal()
    configure_logs(stream=stream)
    structlog.get_logger("x").info("assigned", partition=3)
    assert "assigned" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_bound_context_is_in_every_record() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.contextvars.bind_contextvars(instance="a")
    structlog.get_logger("x").info("one")
    logging.getLogger("y").info("two")
    assert [record["instance"] for record in lines(stream)] == ["a", "a"]


def test_a_second_call_replaces_the_first_even_for_loggers_in_use() -> None:
    first, second = io.StringIO(), io.StringIO()
    log = structlog.get_logger("x")
    configure_logs(stream=first)
    log.info("one")
    configure_logs("error", second)
    log.info("two")
    log.error("three")
    assert [record["event"] for record in lines(first)] == ["one"]
    assert [record["event"] for record in lines(second)] == ["three"]


def test_an_unknown_level_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="log level 'loud' is unknown: write one of debug, info, warning, error"):
        configure_logs("loud")
