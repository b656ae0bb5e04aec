"""A capture and a label as the bytes that the monitor reads: one JSON object per Kafka message."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

import orjson

Value = float | int | str | bool | None
"""What a feature may be; numpy's scalars too. NaN is written as null: a missing value."""


class Prediction(TypedDict, total=False):
    """What the model answered. score: probability of the positive class; scores: of every class; value: of a regression."""

    label: str | int | bool
    score: float
    scores: Mapping[str, float]
    value: float


class Resources(TypedDict, total=False):
    """Utilisation of the serving process: ratios in [0, 1], bytes in use, bytes over the network since the last event."""

    cpu_ratio: float
    memory_bytes: float
    gpu_ratio: float
    gpu_memory_bytes: float
    network_bytes: float


Status = Literal["ok", "error"]
_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY


def encode(fields: Mapping[str, Any], *, keep: str = "") -> bytes:
    """The fields that are not None as JSON; `keep` is written though it is None. Errors: TypeError on what has no place in JSON."""
    return orjson.dumps({name: value for name, value in fields.items() if value is not None or name == keep}, option=_OPTIONS)
