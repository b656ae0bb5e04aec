"""Columns of one stream, one after the other."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_monitor.capture.attributions import joined_attributions
from stream_monitor.capture.calls import joined_calls
from stream_monitor.capture.columns import Columns, Values


def joined(parts: Sequence[Columns]) -> Columns:
    """The events of all parts in their order: columns of one stream and schema, at least one."""
    if len(parts) == 1:
        return parts[0]
    return Columns(
        stream=parts[0].stream,
        schema=parts[0].schema,
        rows=np.concatenate([part.rows for part in parts]),
        time_ms=np.concatenate([part.time_ms for part in parts]),
        values=tuple(map(_joined_values, zip(*(part.values for part in parts), strict=True))),
        event_ids=list(chain.from_iterable(part.event_ids for part in parts)),
        unknown_fields=sum(part.unknown_fields for part in parts),
        metadata={name: list(chain.from_iterable(part.metadata[name] for part in parts)) for name in parts[0].schema.metadata},
        extra=_joined_extra(parts),
        calls=joined_calls([part.calls for part in parts], list(map(len, parts))),
        labels=_joined_labels(parts),
        attributions=joined_attributions([part.attributions for part in parts], list(map(len, parts))),
    )


def _joined_values(parts: Sequence[Values]) -> Values:
    """The parts of one column: arrays all, or lists all."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    return np.concatenate(arrays) if arrays else list(chain.from_iterable(parts))


def _joined_labels(parts: Sequence[Columns]) -> Sequence[Any]:
    if not any(part.labels for part in parts):
        return ()
    return list(chain.from_iterable(part.labels or (None,) * len(part) for part in parts))


def _joined_extra(parts: Sequence[Columns]) -> Mapping[str, NDArray[np.bool_]]:
    """A name that a part does not have is in none of its events."""
    names = sorted({name for part in parts for name in part.extra})
    return {name: np.concatenate([part.extra.get(name, np.zeros(len(part), dtype=np.bool_)) for part in parts]) for name in names}
