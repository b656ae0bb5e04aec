"""Times in tables: RFC 3339 text, whole ms since the epoch, or Arrow timestamps."""

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stream_monitor.capture.times import UNREAD, YEAR_9999_MS, read_times

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_1_MS: Final = -62_135_596_800_000


def table_times(table: pa.Table, name: str) -> NDArray[np.int64]:
    """int64[n] ms since the epoch; `UNREAD` where the column, or a value of it, is absent or no time from year 1 to 9999.

    Unlike in events, text may also be a date, or lack its zone (then it is UTC), or be whole ms: CSV files have those.
    """
    if name not in table.column_names:
        return np.full(table.num_rows, UNREAD, dtype=np.int64)
    times = _times(table[name])
    times[(times < _YEAR_1_MS) | (times > YEAR_9999_MS)] = UNREAD
    return times


def _times(array: pa.ChunkedArray) -> NDArray[np.int64]:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _times(array.cast(kind.value_type))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        array = array.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    elif pa.types.is_floating(kind):
        array = pc.if_else(pc.less_equal(pc.abs(array), float(YEAR_9999_MS)), array, None).cast(pa.int64(), safe=False)
    elif not pa.types.is_integer(kind):
        return text_times([value if isinstance(value, str) else "" for value in array.to_pylist()])
    return np.array(pc.fill_null(array.cast(pa.int64(), safe=False), UNREAD).to_numpy(), dtype=np.int64)


def text_times(texts: list[str]) -> NDArray[np.int64]:
    """The same for n texts."""
    times = read_times(texts)
    for row in np.flatnonzero(times == UNREAD).tolist():
        times[row] = parse_time(texts[row])
    return times


def parse_time(text: str) -> int:
    """RFC 3339, ISO 8601 (without a zone: UTC) or whole ms as ms since the epoch; `UNREAD` for anything else."""
    text = text.strip()
    try:
        if text.lstrip("-").isdecimal():
            return int(text) if len(text) < 18 else UNREAD
        time = datetime.fromisoformat(text)
        return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return UNREAD


def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC with ms, as `2026-11-22T06:00:00.000Z`."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
