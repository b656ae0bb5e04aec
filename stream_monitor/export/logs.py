"""One log for the project and the libraries: structured, on stderr."""

import json
import logging
import sys
from typing import TextIO

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

from stream_monitor.errors import InputError

LEVELS = ("debug", "info", "warning", "error", "critical")


def configure_logs(level: str = "info", stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records of `level` and above to `stream` (default: stderr).

    On a terminal they are lines for people, elsewhere one JSON object per line with at least `timestamp` (UTC, ISO 8601),
    `level`, `logger` and `event`. To be called once, by the command line; a second call replaces the first.
    Errors: InputError for a level that is not in `LEVELS`.
    """
    if level not in LEVELS:
        raise InputError(f"log level {level!r} is unknown: write one of {', '.join(LEVELS)}")
    stream = stream if stream is not None else sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(people=stream.isatty())],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_common(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A logger made before this call must follow it too; the log is no hot path.
        cache_logger_on_first_use=False,
    )


def _common() -> list[Processor]:
    """What every record gets, ours and the libraries'."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(*, people: bool) -> list[Processor]:
    if people:
        return [structlog.dev.ConsoleRenderer()]
    return [structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), _json]  # locals may be secrets


def _json(_logger: object, _method: str, event: EventDict) -> str:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # an integer beyond 64 bits, half a surrogate pair, …: a line must come out all the same
        return json.dumps(event, default=str, skipkeys=True)
