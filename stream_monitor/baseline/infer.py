"""What kind of column this is: from its Arrow type, or from the values it holds. Notes say what a person may want to overrule."""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from stream_monitor.capture.schema import Kind

NUMBERS_MIN: Final = 0.9
"""A CSV column is numeric where at least this part of its values are numbers: fewer, and the texts are more than slips."""


@dataclass(slots=True)
class Tally:
    """How many values of each form a column holds. `zeros` is not 0 where some are written with a leading zero, as codes are."""

    numbers: int = 0
    booleans: int = 0
    texts: int = 0
    times: int = 0
    nested: int = 0
    zeros: int = 0

    @property
    def present(self) -> int:
        """Values that are not missing."""
        return self.numbers + self.booleans + self.texts + self.times + self.nested


@dataclass(frozen=True, slots=True)
class Inferred:
    """A column's kind, None where it is left out, and what to tell about it."""

    kind: Kind | None
    note: str | None = None


def infer_arrow(name: str, kind: pa.DataType, *, forced: Kind | None = None) -> Inferred:
    """By the type of a Parquet column; timestamps, binary and nested values are left out unless forced."""
    if pa.types.is_dictionary(kind):
        return infer_arrow(name, kind.value_type, forced=forced)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return Inferred(None, f"`{name}` ({kind}) is left out: only numbers, text and booleans can be judged")
    if forced is not None:
        return Inferred(forced)
    if pa.types.is_null(kind):
        return _empty(name)
    if pa.types.is_boolean(kind):
        return Inferred(Kind.BOOLEAN)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Inferred(Kind.NUMERIC)
    if pa.types.is_temporal(kind):
        return _time(name)
    return Inferred(Kind.CATEGORICAL)


def infer_text(name: str, tally: Tally, *, forced: Kind | None = None) -> Inferred:
    """By the values of a CSV column, where numbers, booleans and times are text."""
    if forced is not None:
        return Inferred(forced)
    if tally.present == 0:
        return _empty(name)
    if tally.numbers >= NUMBERS_MIN * tally.present:
        return Inferred(Kind.NUMERIC, _numbers_note(name, tally))
    if tally.booleans == tally.present:
        return Inferred(Kind.BOOLEAN)
    if tally.times >= NUMBERS_MIN * tally.present:
        return _time(name)
    return Inferred(Kind.CATEGORICAL)


def infer_json(name: str, tally: Tally, *, forced: Kind | None = None) -> Inferred:
    """By the values of a JSON field: the most frequent form wins; what cannot be read as that counts as invalid."""
    if forced is not None:
        return Inferred(forced)
    if tally.present == 0:
        return _empty(name)
    forms = {"numbers": tally.numbers, "text": tally.texts, "booleans": tally.booleans, "times": tally.times, "nested values": tally.nested}
    form = max(forms, key=lambda each: forms[each])
    if form == "times":
        return _time(name)
    if form == "nested values":
        return Inferred(None, f"`{name}` is left out: it holds nested values")
    kind = {"numbers": Kind.NUMERIC, "text": Kind.CATEGORICAL, "booleans": Kind.BOOLEAN}[form]
    return Inferred(kind, _mixed_note(name, kind, forms, tally.present))


def _empty(name: str) -> Inferred:
    return Inferred(Kind.CATEGORICAL, f"`{name}` holds no values: only its missing ratio can be judged; --drop {name} leaves it out")


def _time(name: str) -> Inferred:
    return Inferred(None, f"`{name}` holds times and is left out: they only grow; --time {name} says that it is the time of each row")


def _numbers_note(name: str, tally: Tally) -> str | None:
    if tally.numbers < tally.present:
        odd = tally.present - tally.numbers
        return f"`{name}`: {odd:,} of {tally.present:,} values are no numbers and count as invalid; --categorical {name} keeps all as text"
    if tally.zeros:
        return f"`{name}` is read as numbers, though some begin with 0 as codes do; --categorical {name} keeps them as text"
    return None


def _mixed_note(name: str, kind: Kind, forms: dict[str, int], present: int) -> str | None:
    mixed = [f"{count:,} {form}" for form, count in forms.items() if count]
    return f"`{name}` mixes {', '.join(mixed)} in {present:,} values; it is read as {kind.value}" if len(mixed) > 1 else None
