"""CloudEvents in binary mode: attributes as Kafka headers, which stand in where the body has no such field."""

from typing import Final

from stream_monitor.capture.columns import Raw

ID: Final = "ce_id"
TIME: Final = "ce_time"
SOURCE: Final = "ce_source"


def attribute(message: Raw, name: str) -> str | None:
    """The text of one attribute; None where it is absent, null or not UTF-8. Of several, the last counts."""
    found: bytes | None = None
    for header, value in message.headers() or ():
        if header == name:
            found = value
    return None if found is None else _text(found)


def _text(value: bytes) -> str | None:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None
