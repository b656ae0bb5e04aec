"""RFC 3339 times as integer milliseconds since the epoch, one by one or a column at once."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

UNREAD: Final = int(np.iinfo(np.int64).min)
"""Stands in an array of times for one that could not be read; before every possible time."""
YEAR_2000_MS: Final = 946_684_800_000
"""The default for the earliest event time: seconds, or nothing at all, taken for milliseconds fall into 1970."""
YEAR_9999_MS: Final = 253_402_300_799_999
"""The last millisecond that RFC 3339 can write; micro- and nanoseconds taken for milliseconds lie far behind it."""

_DAY_MS: Final = 86_400_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_TIME: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|([+-])(\d\d):(\d\d))?", re.ASCII)
_COLUMN_MIN: Final = 16
"""Below this many times of one length, the array code costs more than reading one by one."""


def read_time(text: str) -> int:
    """Milliseconds since the epoch of one RFC 3339 time; digits below the millisecond are dropped.

    Raises ValueError, saying what is wrong: another form, no zone, or no such moment (30 February, second 60).
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("is not an RFC 3339 time such as 2026-11-22T06:00:00Z")
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    fraction, zone, sign, zone_hours, zone_minutes = match.groups()[6:]
    if zone is None:
        raise ValueError("has no zone: end it with Z or an offset such as +01:00")
    offset = (int(zone_hours), int(zone_minutes)) if sign else (0, 0)
    if hour > 23 or minute > 59 or second > 59 or offset[0] > 23 or offset[1] > 59 or not _is_day(year, month, day):
        raise ValueError("is no moment of the calendar")
    minutes = hour * 60 + minute + (1 if sign == "-" else -1) * (offset[0] * 60 + offset[1])
    milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
    return (date(year, month, day).toordinal() - _EPOCH_DAY) * _DAY_MS + minutes * 60_000 + second * 1_000 + milliseconds


def read_times(texts: Sequence[str]) -> NDArray[np.int64]:
    """The same for n texts: int64[n], `UNREAD` where `read_time` would raise. Fast where most texts share one form."""
    times = np.full(len(texts), UNREAD, dtype=np.int64)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    for length in np.unique(lengths).tolist():
        members = np.flatnonzero(lengths == length)
        if len(members) >= _COLUMN_MIN and 20 <= length <= 35:
            group = texts if len(members) == len(texts) else [texts[i] for i in members.tolist()]
            times[members] = _read_column(group, length)
    for i in np.flatnonzero(times == UNREAD).tolist():
        times[i] = _read_or_unread(texts[i])
    return times


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _read_or_unread(text: str) -> int:
    try:
        return read_time(text)
    except ValueError:
        return UNREAD


def _read_column(texts: Sequence[str], length: int) -> NDArray[np.int64]:
    """Times of one length, read digit column by digit column; `UNREAD` where a text has another form than the first."""
    joined = "".join(texts)
    if not joined.isascii():
        return np.full(len(texts), UNREAD, dtype=np.int64)
    # uint8[n, length]: column p holds the p-th character of every text.
    texts_bytes = np.frombuffer(joined.encode(), dtype=np.uint8).reshape(-1, length)
    zoned = texts[0][-1] not in "Zz"
    clock_end = length - (6 if zoned else 1)
    if (minute_ms := _shared_minute(texts[0], texts_bytes, clock_end)) != UNREAD:
        return _read_seconds(texts_bytes[:, _MINUTE_END:clock_end].T.astype(np.int32, order="C"), minute_ms)
    characters = texts_bytes.T.astype(np.int32, order="C")
    good, minutes_east = _zone(characters[clock_end:]) if zoned else (_is_any(characters[-1], "Zz"), np.int32(0))
    good &= _separators(characters)
    year, month, day, hour, minute, second = (_number(characters, *span) for span in _SPANS)
    good &= _all_digits(characters[[p for span in _SPANS for p in range(*span)]])
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (hour <= 23) & (minute <= 59) & (second <= 59)
    milliseconds, fraction_good = _fraction(characters[19:clock_end])
    good &= fraction_good
    days, month_days = _days(np.where(good, year, 1970), np.where(good, month, 1))
    good &= day <= month_days
    clock = ((hour * 60 + minute - minutes_east) * 60 + second).astype(np.int64) * 1_000 + milliseconds
    return np.where(good, (days + day - 1) * _DAY_MS + clock, UNREAD)


def _shared_minute(first: str, texts: NDArray[np.uint8], clock_end: int) -> int:
    """The minute in which all of these texts lie, as live traffic mostly does; `UNREAD` where they differ in more than seconds."""
    same = texts == texts[0]
    if not (same[:, :_MINUTE_END].all() and same[:, clock_end:].all()):
        return UNREAD
    return _read_or_unread(first[:_MINUTE_END] + "00" + first[clock_end:])


def _read_seconds(characters: NDArray[np.int32], minute_ms: int) -> NDArray[np.int64]:
    """The times of one minute, from seconds and fractions alone: a third of the cost of reading the whole."""
    second = _number(characters, 0, 2)
    milliseconds, good = _fraction(characters[2:])
    good &= _all_digits(characters[:2]) & (second <= 59)
    return np.where(good, minute_ms + second.astype(np.int64) * 1_000 + milliseconds, UNREAD)


_MINUTE_END: Final = 17
"""Where the seconds begin."""
_SPANS: Final = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
"""Where year, month, day, hour, minute and second stand."""


def _number(characters: NDArray[np.int32], start: int, stop: int) -> NDArray[np.int32]:
    number: NDArray[np.int32] = characters[start] - 48
    for position in range(start + 1, stop):
        number = number * 10 + (characters[position] - 48)
    return number


def _is_any(row: NDArray[np.int32], allowed: str) -> NDArray[np.bool_]:
    return np.isin(row, [ord(character) for character in allowed])


def _all_digits(rows: NDArray[np.int32]) -> NDArray[np.bool_]:
    return np.asarray(((rows >= 48) & (rows <= 57)).all(axis=0))


def _separators(characters: NDArray[np.int32]) -> NDArray[np.bool_]:
    good = _is_any(characters[10], "Tt ")
    for position, character in ((4, "-"), (7, "-"), (13, ":"), (16, ":")):
        good &= characters[position] == ord(character)
    return good


def _zone(rows: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Which of n six-character zones are of the form +hh:mm, and their minutes east of UTC."""
    hours, minutes = _number(rows, 1, 3), _number(rows, 4, 6)
    good = _is_any(rows[0], "+-") & (rows[3] == ord(":")) & _all_digits(rows[[1, 2, 4, 5]]) & (hours <= 23) & (minutes <= 59)
    return good, np.where(rows[0] == ord("-"), -1, 1).astype(np.int32) * (hours * 60 + minutes)


def _fraction(rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Milliseconds of n fractions (a point and digits, or nothing at all), and which of them are of that form."""
    n = rows.shape[1]
    if len(rows) == 0:
        return np.zeros(n, dtype=np.int32), np.ones(n, dtype=np.bool_)
    if len(rows) == 1:
        return np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.bool_)
    scale = (100, 10, 1)[min(len(rows) - 1, 3) - 1]
    return _number(rows, 1, min(len(rows), 4)) * np.int32(scale), (rows[0] == ord(".")) & _all_digits(rows[1:])


def _days(year: NDArray[np.int32], month: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Days from the epoch to the first of each month, and the days in it."""
    months = (year.astype(np.int64) - 1970) * 12 + month - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return first, following - first
