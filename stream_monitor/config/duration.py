"""Lengths of time as people write them: `250ms`, `30s`, `10m`, `1h`, `7d`."""

import re

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION_MS_MAX = 3_650 * _UNITS_MS["d"]
"""Ten years: longer ones are slips of the pen, and far longer ones leave 64 bits."""


def parse_duration(text: object) -> int:
    """`250ms`, `30s`, `10m`, `1h`, `7d` as milliseconds, at most 3650d. Errors: ValueError."""
    match = re.fullmatch(r"([0-9]{1,15})(ms|s|m|h|d)", text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write for example 250ms, 30s, 10m, 1h or 7d")
    duration_ms = int(match[1]) * _UNITS_MS[match[2]]
    if duration_ms > _DURATION_MS_MAX:
        raise ValueError(f"{text} is too long; write at most {format_duration(_DURATION_MS_MAX)}")
    return duration_ms


def format_duration(duration_ms: int) -> str:
    """The shortest form that `parse_duration` reads back."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if duration_ms % _UNITS_MS[unit] == 0)
    return f"{duration_ms // _UNITS_MS[unit]}{unit}"
