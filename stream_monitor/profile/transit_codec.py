"""`Transit` as it stands in records and in snapshots."""

import msgspec

from stream_monitor.errors import CodecError
from stream_monitor.profile.operations_codec import Count, dense, sparse
from stream_monitor.profile.packing import Packed, pack
from stream_monitor.profile.transit import PRODUCERS_MAX, Sent, Transit


class TransitWire(msgspec.Struct, array_like=True, frozen=True):
    """See `Transit`. late, early: the counts of all bins, None: none."""

    late: Packed | None
    early: Packed | None
    told: Count
    producers: dict[str, tuple[Count, Count, Count, Count]]


def transit_to_wire(transit: Transit) -> TransitWire | None:
    """None for an empty one."""
    if transit == Transit.empty():
        return None
    late, early = (pack(dense(side)) if side.n else None for side in (transit.late, transit.early))
    return TransitWire(
        late,
        early,
        transit.told,
        {name: (sent.events, sent.timed, sent.late_ms, sent.early_ms) for name, sent in transit.producers.items()},
    )


def transit_from_wire(wire: TransitWire | None) -> Transit:
    """Back from `transit_to_wire`. Errors: CodecError where it cannot be one's."""
    if wire is None:
        return Transit.empty()
    producers = {name: Sent(*sent) for name, sent in wire.producers.items()}
    if len(producers) > PRODUCERS_MAX or sum(sent.events for sent in producers.values()) > wire.told:
        raise CodecError("more producers than are told apart, or than events that name one")
    late, early = (sparse(side) for side in (wire.late, wire.early))
    return Transit(late, early, wire.told, producers)
