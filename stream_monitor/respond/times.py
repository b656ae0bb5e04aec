"""Moments as milliseconds inside and RFC 3339 outside."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc(time_ms: int) -> str:
    """`2026-11-22T06:00:00.000Z`. time_ms: since the epoch."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def ms_of(text: str) -> int:
    """What `utc` wrote. Errors: ValueError."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
