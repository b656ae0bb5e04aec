"""The fields of an event that tell how its call went: from n entries of each to `Calls`, and from a parsed object back."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from stream_monitor.capture.calls import LATENCY, RESOURCES, Calls
from stream_monitor.capture.convert import number, numbers
from stream_monitor.capture.metadata import MetadataFields, Skipped

RESOURCE_FIELDS: Final = MetadataFields(RESOURCES)
"""Reads the object `resources`, which the typed decode skips as it skips `metadata`."""
_NONE: Final = frozenset({type(None)})


def calls_of(
    latencies: Sequence[object], statuses: Sequence[str | None], errors: Sequence[str | None], resources: Sequence[Sequence[Any]] | None
) -> Calls | None:
    """Of n >= 1 events; None where no event has any of the fields. resources: n values of each of `RESOURCES`; None: no event has any."""
    has_latency, has_status = (_NONE.isdisjoint(kinds) or len(kinds) > 1 for kinds in (set(map(type, latencies)), set(map(type, statuses))))
    if not has_latency and not has_status and resources is None:
        return None
    values = dict(zip(RESOURCES, resources or (), strict=False)) | ({LATENCY: latencies} if has_latency else {})
    return Calls.of({name: numbers(each) for name, each in values.items()}, statuses if has_status else None, errors, len(latencies))


def written(resources: Mapping[str, Any] | None) -> Skipped:
    """A parsed object `resources` in the form from which `RESOURCE_FIELDS` reads its numbers; what is no finite one is left out."""
    found = {name: number(resources.get(name)) for name in RESOURCES} if resources else {}
    finite = {name: value for name, value in found.items() if math.isfinite(value)}
    return Raw(msgspec.json.encode(finite)) if finite else UNSET
