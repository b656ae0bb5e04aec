"""The fields of an event that tell how its call went: from n entries of each to `Calls`."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.calls import LATENCY, RESOURCES, Calls
from stream_monitor.capture.convert import numbers, only_numbers
from stream_monitor.capture.metadata import MetadataFields

RESOURCE_FIELDS: Final = MetadataFields(RESOURCES)
"""Reads the object `resources`, which the typed decode skips as it skips `metadata`."""


def calls_of(
    latencies: Sequence[object], statuses: Sequence[str | None], errors: Sequence[str | None], resources: Sequence[Sequence[Any]] | None
) -> Calls | None:
    """Of n >= 1 events; None where no event has any of the fields. resources: n values of each of `RESOURCES`; None: no event has any."""
    has_latency, has_status = _is_told(latencies), _is_told(statuses)
    if not has_latency and not has_status and resources is None:
        return None
    values = dict(zip(RESOURCES, map(numbers, resources or ()), strict=False)) | ({LATENCY: _latencies(latencies)} if has_latency else {})
    return Calls.of(values, statuses if has_status else None, errors, len(latencies))


def _is_told(values: Sequence[object]) -> bool:
    """Whether any is not None. Counting is quick where all are (they are the same object), and else the first mostly tells."""
    return values[0] is not None or values.count(None) < len(values)


def _latencies(values: Sequence[Any]) -> NDArray[np.float64]:
    try:
        return only_numbers(values)
    except OverflowError:  # an integer beyond float64, which only the slow path lets through
        return numbers(values)
