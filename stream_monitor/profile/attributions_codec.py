"""`Attributions` as they stand in records and in snapshots."""

from typing import Annotated

import msgspec
from msgspec import Meta

from stream_monitor.errors import CodecError
from stream_monitor.profile.attributions import Attributions
from stream_monitor.profile.packing import Packed, pack, unpack


class AttributionsWire(msgspec.Struct, array_like=True, frozen=True):
    """See `Attributions`."""

    told: Annotated[int, Meta(gt=0)]
    sums: Packed


def attributions_to_wire(attributions: Attributions) -> AttributionsWire | None:
    """None for empty ones."""
    return AttributionsWire(attributions.told, pack(attributions.sums.ravel())) if attributions.told else None


def attributions_from_wire(wire: AttributionsWire | None, columns: int) -> Attributions:
    """Back from `attributions_to_wire`. Errors: CodecError where it cannot be one's."""
    if wire is None:
        return Attributions.empty()
    sums = unpack(wire.sums, 2 * columns).reshape(2, columns)
    if sums.min(initial=0) < 0:
        raise CodecError("attributions with sums below 0")
    return Attributions(wire.told, sums)
