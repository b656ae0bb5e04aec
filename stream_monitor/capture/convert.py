"""Values of JSON to values of columns, one by one and by the column."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from stream_monitor.capture.columns import INVALID, Values
from stream_monitor.capture.schema import Kind

_STRINGS: Final = frozenset({str, type(None)})
_NUMBERS: Final = frozenset({float, int, type(None)})


def number(value: object) -> float:
    """A numeric column's entry: NaN for null and NaN; +inf for any other type, infinities and integers beyond float64."""
    if value is None:
        return math.nan
    if type(value) is not float and type(value) is not int:
        return math.inf
    try:
        converted = float(value)
    except OverflowError:
        return math.inf
    return math.inf if math.isinf(converted) else converted


def boolean(value: object) -> str | None:
    """A boolean column's entry: "true", "false", None for null, else INVALID."""
    if value is None:
        return None
    return ("true" if value else "false") if type(value) is bool else INVALID


def category(value: object) -> str | None:
    """A categorical column's entry.

    Strings as they are, booleans "true" and "false", integers in digits, floats in their shortest JSON form ("5.0", "0.1", "1e-7").
    None for null and NaN; INVALID for infinities, objects and arrays.
    """
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return boolean(value)
    if kind is int:
        return str(value)
    if isinstance(value, float):
        return _shortest(value)
    return None if value is None else INVALID


def column(values: Sequence[object], kind: Kind) -> Values:
    """One column of `kind` from n values of any JSON types."""
    if kind is Kind.NUMERIC:
        return numbers(values)
    if kind is Kind.BOOLEAN:
        return [boolean(value) for value in values]
    return categories(values)


def has_none(values: Sequence[object]) -> bool:
    """Whether any of the values is None; three times as fast as `None in values`, which tries to compare."""
    return type(None) in set(map(type, values))


def numbers(values: Sequence[object]) -> NDArray[np.float64]:
    """float64[n] of `number`."""
    if _NUMBERS.issuperset(map(type, values)):
        try:
            array = only_numbers(values)
        except OverflowError:
            pass  # an integer beyond float64: one by one below
        else:
            array[array == -math.inf] = math.inf
            return array
    return np.fromiter(map(number, values), dtype=np.float64, count=len(values))


def only_numbers(values: Sequence[object]) -> NDArray[np.float64]:
    """float64[n] of finite floats and nulls alone, which the typed decode warrants: no look at the types."""
    return np.array(values, dtype=np.float64)


def categories(values: Sequence[object]) -> list[str | None]:
    """N entries of `category`."""
    if _STRINGS.issuperset(map(type, values)):
        return list(values)  # type: ignore[arg-type]  # every type was looked at
    return [category(value) for value in values]


def texts(values: Sequence[object]) -> list[str | None]:
    """N entries of `category`, None for what would be INVALID too: values that are only compared with known ones."""
    return [None if entry is INVALID else entry for entry in categories(values)]


def _shortest(value: float) -> str | None:
    if math.isnan(value):
        return None
    return INVALID if math.isinf(value) else orjson.dumps(value).decode()
