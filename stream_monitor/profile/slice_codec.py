"""Slices as bytes. Thin traffic has one value per slice, of which one number says all; so what follows from it is not written."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_monitor.errors import CodecError
from stream_monitor.profile.packing import Packed, pack, unpack
from stream_monitor.profile.slices import POSITION_SCALE, Slices

_SQUARE, _SPREAD = 1, 2
CELLS_MAX: Final = 200_000
"""Slices x columns in one record: 28 bytes each at most, so 5.6 MB beside a profile of at most 2 MB (see `frame.FRAME_BYTES_MAX`)."""
_STARTS_MAX: Final = 2**53
"""No slice number is further from the epoch; beyond it their differences could not be told."""


class SlicesWire(msgspec.Struct, array_like=True, frozen=True):
    """first: the number of the first slice; steps: from each to the next. squares and spreads hold 0 where n is 0 or 1."""

    first: int
    steps: Packed
    n: Packed
    sums: Packed
    squares: Packed
    spreads: Packed


def slices_to_wire(slices: Slices) -> SlicesWire:
    """Slices in the form that msgspec encodes."""
    many = slices.n > 1
    return SlicesWire(
        int(slices.starts[0]) if len(slices) else 0,
        pack(np.diff(slices.starts)),
        pack(slices.n.ravel()),
        pack(slices.sums[:, 0].ravel()),
        pack(np.where(many, slices.sums[:, _SQUARE], 0).ravel()),
        pack(np.where(many, slices.sums[:, _SPREAD], 0).ravel()),
    )


def slices_from_wire(wire: SlicesWire, columns: int) -> Slices:
    """Back from `slices_to_wire`. Errors: CodecError where it does not fit so many columns."""
    count = wire.n.size // columns if columns else 0
    if count == 0:
        if wire.n.size or wire.steps.size or wire.sums.size:
            raise CodecError("slices of another number of columns")
        return Slices.empty(columns)
    if wire.steps.size != count - 1 or wire.n.size > CELLS_MAX:
        raise CodecError("slices without a time, or too many")
    n, q = (_matrix(packed, count, columns) for packed in (wire.n, wire.sums))
    squares, spreads = (_matrix(packed, count, columns) for packed in (wire.squares, wire.spreads))
    if (-(-q // POSITION_SCALE) > n).any() or ((n == 0) & ((squares > 0) | (spreads > 0))).any():
        raise CodecError("positions beyond their range")
    single = n == 1
    squares = np.where(single, q * q, squares)
    spreads = np.where(single, np.abs(2 * q - POSITION_SCALE), spreads)
    return Slices(_starts(wire, count), n, np.stack([q, squares, spreads], axis=1))


def _starts(wire: SlicesWire, count: int) -> NDArray[np.int64]:
    steps = unpack(wire.steps, count - 1)
    total = sum(steps.tolist())
    if steps.min(initial=1) < 1 or not -_STARTS_MAX < wire.first <= wire.first + total < _STARTS_MAX:
        raise CodecError("slices whose times do not rise")
    return wire.first + np.concatenate(([0], np.cumsum(steps)))


def _matrix(packed: Packed, count: int, columns: int) -> NDArray[np.int64]:
    found = unpack(packed, count * columns).reshape(count, columns)
    if found.min(initial=0) < 0:
        raise CodecError("slices with a negative sum")
    return found
