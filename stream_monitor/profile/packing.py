"""Whole numbers as bytes: in the narrowest type that holds them, sparse or dense, whichever is shorter."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_monitor.errors import CodecError

_WIDTHS: Final = {"u": ("<u1", "<u2", "<u4", "<i8"), "i": ("<i1", "<i2", "<i4", "<i8")}
_RANGES: Final = {dtype: (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) for dtypes in _WIDTHS.values() for dtype in dtypes}


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """An integer array in its narrowest little-endian type; `index` holds the places of the non-zero values, None: all values stand."""

    size: int
    dtype: str
    values: bytes
    index_dtype: str | None = None
    index: bytes = b""


def pack(array: NDArray[np.int64]) -> Packed:
    """Pack int64[n], sparse where that is shorter."""
    index = np.flatnonzero(array)
    dtype, values = _narrow(array[index])
    index_dtype, places = _narrow(index)
    if len(index) * (values.itemsize + places.itemsize) < array.size * values.itemsize:
        return Packed(array.size, dtype, values.tobytes(), index_dtype, places.tobytes())
    dtype, values = _narrow(array)
    return Packed(array.size, dtype, values.tobytes())


def unpack(packed: Packed, size: int) -> NDArray[np.int64]:
    """int64[size]. Errors: CodecError where the bytes do not give exactly that."""
    try:
        values = np.frombuffer(packed.values, dtype=_checked(packed.dtype)).astype(np.int64)
        if packed.size != size:
            raise CodecError(f"an array of {packed.size} values where the baseline has {size}")
        if packed.index_dtype is None:
            if len(values) != size:
                raise CodecError("an array shorter or longer than it says")
            return values
        array, index = np.zeros(size, dtype=np.int64), np.frombuffer(packed.index, dtype=_checked(packed.index_dtype)).astype(np.int64)
        if len(index) != len(values) or index.min(initial=0) < 0 or (index[1:] <= index[:-1]).any():
            raise CodecError("a sparse array that cannot be read: its places are not one for each value, rising")
        array[index] = values
    except (ValueError, IndexError) as error:
        raise CodecError(f"a packed array that cannot be read: {error}") from None
    return array


def _narrow(array: NDArray[np.int64]) -> tuple[str, NDArray[np.int64]]:
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for dtype in _WIDTHS["u" if low >= 0 else "i"]:
        lowest, highest = _RANGES[dtype]
        if lowest <= low and high <= highest:
            return dtype, array.astype(dtype)
    raise AssertionError("an int64 fits into an int64")


def _checked(dtype: str) -> str:
    if dtype not in _RANGES:
        raise CodecError(f"unknown array type {dtype!r}")
    return dtype
