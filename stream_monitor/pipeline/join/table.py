"""From an id to the place of its row: open addressing with linear probing, in numba. Rows are never taken out; a table is made anew."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.profile.kernels import compiled

NONE: Final = -1
_SMALL: Final = 1_024


class Table:
    """ids: uint64, never 0. Holds the places 0, 1, 2, … in the order in which ids were first put."""

    def __init__(self, ids: NDArray[np.uint64] | None = None) -> None:
        self._count = 0
        self._make(_SMALL)
        if ids is not None and len(ids):
            self.put(ids)

    def __len__(self) -> int:
        return self._count

    def find(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """int64[n]: each one's place, `NONE` where it was not put."""
        out = np.empty(len(ids), dtype=np.int64)
        _find(self._keys, self._places, ids, out)
        return out

    def put(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """int64[n]: each one's place; new ones get the next, in their order."""
        if 2 * (self._count + len(ids)) > len(self._keys):
            keys, places = self._keys, self._places
            self._make(4 * (self._count + len(ids)))
            _fill(self._keys, self._places, keys, places)
        out = np.empty(len(ids), dtype=np.int64)
        self._count = int(_put(self._keys, self._places, ids, self._count, out))
        return out

    def _make(self, size: int) -> None:
        size = 1 << max(size - 1, _SMALL - 1).bit_length()
        self._keys = np.zeros(size, dtype=np.uint64)
        self._places = np.zeros(size, dtype=np.int32)


@compiled
def _find(keys: NDArray[np.uint64], places: NDArray[np.int32], ids: NDArray[np.uint64], out: NDArray[np.int64]) -> None:
    mask = np.uint64(len(keys) - 1)
    for i in range(len(ids)):
        spot = ids[i] & mask
        while keys[spot] != 0 and keys[spot] != ids[i]:
            spot = (spot + np.uint64(1)) & mask
        out[i] = places[spot] if keys[spot] != 0 else -1


@compiled
def _put(keys: NDArray[np.uint64], places: NDArray[np.int32], ids: NDArray[np.uint64], count: int, out: NDArray[np.int64]) -> int:
    mask = np.uint64(len(keys) - 1)
    for i in range(len(ids)):
        spot = ids[i] & mask
        while keys[spot] != 0 and keys[spot] != ids[i]:
            spot = (spot + np.uint64(1)) & mask
        if keys[spot] == 0:
            keys[spot], places[spot] = ids[i], count
            count += 1
        out[i] = places[spot]
    return count


@compiled
def _fill(keys: NDArray[np.uint64], places: NDArray[np.int32], old_keys: NDArray[np.uint64], old_places: NDArray[np.int32]) -> None:
    mask = np.uint64(len(keys) - 1)
    for i in range(len(old_keys)):
        if old_keys[i] != 0:
            spot = old_keys[i] & mask
            while keys[spot] != 0:
                spot = (spot + np.uint64(1)) & mask
            keys[spot], places[spot] = old_keys[i], old_places[i]
