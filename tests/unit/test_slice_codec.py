"""Slices and whole numbers as bytes: there and back, small where they can be, and refused where they cannot be right."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_monitor.detect.sequential.entries import SERIES, entries_of
from stream_monitor.detect.sequential.shift import Series
from stream_monitor.errors import CodecError
from stream_monitor.profile import slice_codec
from stream_monitor.profile.packing import Packed, pack, unpack
from stream_monitor.profile.slice_codec import SlicesWire, slices_from_wire, slices_to_wire
from stream_monitor.profile.slices import POSITION_SCALE, Slices
from tests.property.test_profile_laws import slices

Ints = NDArray[np.int64]
INT64: Final = st.integers(-(2**63), 2**63 - 1)


def sent(wire: SlicesWire) -> SlicesWire:
    """As it comes out of msgpack."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(wire), type=SlicesWire)


def ints(*values: int) -> Ints:
    return np.array(values, dtype=np.int64)


def of_values(values: dict[int, list[list[int]]]) -> Slices:
    """By second: of each column, the q of its values."""
    n = np.array([[len(column) for column in columns] for columns in values.values()], dtype=np.int64)
    sums = np.array(
        [
            [
                [sum(column) for column in columns],
                [sum(q * q for q in column) for column in columns],
                [sum(abs(2 * q - 2**20) for q in column) for column in columns],
            ]
            for columns in values.values()
        ],
        dtype=np.int64,
    )
    return Slices(np.array(list(values), dtype=np.int64), n, sums)


# Packing.


@given(st.lists(st.just(0) | st.integers(-300, 300) | INT64, max_size=40), st.integers(0, 200))
def test_numbers_come_back_and_are_never_longer_than_in_the_narrowest_type(values: list[int], zeros: int) -> None:
    array = ints(*values, *[0] * zeros)
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(pack(array)), type=Packed)
    found = unpack(packed, len(array))
    assert found.dtype == np.int64
    assert found.tolist() == array.tolist()
    assert len(packed.values) + len(packed.index) <= len(array) * narrowest(array)


def narrowest(array: Ints) -> int:
    """Bytes of the narrowest integer type for all of them; of 8, the unsigned one is not used."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for size in (1, 2, 4):
        if (low >= 0 and high < 256**size) or (-(256**size) // 2 <= low and high < 256**size // 2):
            return size
    return 8


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (255, "<u1"),
        (256, "<u2"),
        (65_535, "<u2"),
        (65_536, "<u4"),
        (2**32 - 1, "<u4"),
        (2**32, "<i8"),
        (2**63 - 1, "<i8"),
        (-1, "<i1"),
        (-128, "<i1"),
        (-129, "<i2"),
        (-(2**15) - 1, "<i4"),
        (-(2**31) - 1, "<i8"),
        (-(2**63), "<i8"),
    ],
)
def test_the_type_is_the_narrowest(value: int, dtype: str) -> None:
    packed = pack(ints(value, value))
    assert packed.dtype == dtype
    assert packed.index_dtype is None
    assert unpack(packed, 2).tolist() == [value, value]


def test_one_negative_number_makes_all_of_them_signed() -> None:
    assert pack(ints(-1, 127)).dtype == "<i1"
    assert pack(ints(-1, 128)).dtype == "<i2"


def test_few_numbers_among_zeros_are_sparse() -> None:
    array = np.zeros(100_000, dtype=np.int64)
    array[[7, 99_999]] = (3, 300)
    packed = pack(array)
    assert (packed.dtype, packed.index_dtype) == ("<u2", "<u4")
    assert len(packed.values) + len(packed.index) == 2 * (2 + 4)
    assert unpack(packed, 100_000).tolist() == array.tolist()


def test_many_are_dense() -> None:
    assert pack(ints(0, 5, 0, 5)).index_dtype is None
    assert pack(ints(0, 0, 0, 5)).index_dtype == "<u1"


def test_no_numbers_are_no_bytes() -> None:
    assert (pack(ints()).values, unpack(pack(ints()), 0).tolist()) == (b"", [])
    assert pack(np.zeros(500, dtype=np.int64)).values == b""


PACKED: Final = [
    (Packed(3, "<u1", b"\1\2\3"), 2, "3 values where the baseline has 2"),
    (Packed(3, "<u1", b"\1\2\3"), 4, "3 values where the baseline has 4"),
    (Packed(3, "<u1", b"\1\2"), 3, "shorter or longer"),
    (Packed(3, "<u1", b"\1\2\3\4"), 3, "shorter or longer"),
    (Packed(2, "<u2", b"\1\2\3"), 2, "cannot be read"),
    (Packed(2, "<f4", b"\1\2\3\4\5\6\7\x08"), 2, "unknown array type '<f4'"),
    (Packed(2, "<u8", b"\0" * 16), 2, "unknown array type '<u8'"),
    (Packed(2, "O", b"\0" * 16), 2, "unknown array type 'O'"),
    (Packed(2, "", b"\0" * 16), 2, "unknown array type ''"),
    (Packed(9, "<u1", b"\1\2", "<u1", b"\1\x09"), 9, "cannot be read"),
    (Packed(9, "<u1", b"\1\2", "<u1", b"\1\2\3"), 9, "cannot be read"),
    (Packed(9, "<u1", b"\1\2\3", "<u1", b"\1\2"), 9, "cannot be read"),
    (Packed(9, "<u1", b"\1\2", "<u2", b"\1\2\3"), 9, "cannot be read"),
    (Packed(9, "<u1", b"\1\2", "<f2", b"\1\2\3\4"), 9, "unknown array type '<f2'"),
    (Packed(-1, "<u1", b""), -1, "shorter or longer"),
    (Packed(-1, "<u1", b"", "<u1", b""), -1, "cannot be read"),
]


@pytest.mark.parametrize(("packed", "size", "said"), PACKED)
def test_what_is_not_so_many_numbers_is_refused(packed: Packed, size: int, said: str) -> None:
    with pytest.raises(CodecError, match=said):
        unpack(packed, size)


@given(
    st.builds(
        Packed,
        st.integers(-2, 9),
        st.sampled_from(["<u1", "<i2", "<i8", "<f8", ""]),
        st.binary(max_size=18),
        st.none() | st.sampled_from(["<u1", "<i1", "<i8", "x"]),
        st.binary(max_size=9),
    ),
    st.integers(-2, 9),
)
def test_any_bytes_are_so_many_numbers_or_a_codec_error(packed: Packed, size: int) -> None:
    with suppress(CodecError):
        assert len(unpack(packed, size)) == size


# Slices.


@given(slices())
def test_slices_come_back(some: Slices) -> None:
    assert slices_from_wire(sent(slices_to_wire(some)), 2) == some


@given(slices(), slices(), st.integers(-(2**40), 2**40))
def test_merged_and_moved_slices_come_back(one: Slices, two: Slices, offset: int) -> None:
    merged = one.merge(two)
    moved = replace(merged, starts=merged.starts + offset)
    assert slices_from_wire(sent(slices_to_wire(moved)), 2) == moved


def test_the_largest_of_slices_come_back() -> None:
    """2^22 values at the far end of their range, in seconds as far apart as can be."""
    n = 2**22
    largest = Slices(ints(-(2**52), 2**52), ints(n, n)[:, None], np.full((2, 3, 1), [[n * 2**20], [n * 2**40], [n * 2**20]]))
    assert slices_from_wire(sent(slices_to_wire(largest)), 1) == largest


def test_no_slices_come_back_with_their_columns() -> None:
    for columns in (0, 1, 7):
        found = slices_from_wire(sent(slices_to_wire(Slices.empty(columns))), columns)
        assert found == Slices.empty(columns)
        assert found.n.shape == (0, columns)


@pytest.mark.parametrize("columns", [1, 25])
def test_one_value_per_slice_is_small_on_the_wire(columns: int) -> None:
    """A byte for n, four for q: its square and its spread follow. Where many values are in a slice, they do not."""
    rng, seconds = np.random.default_rng(1), 200
    single = of_values({second: [[int(q)] for q in rng.integers(0, 2**20, columns)] for second in range(seconds)})
    several = of_values({second: [rng.integers(0, 2**20, 3).tolist() for _ in range(columns)] for second in range(seconds)})
    assert size_of(single) <= 5 * columns * seconds + seconds + 100
    assert size_of(several) >= 2.5 * size_of(single)
    wire = slices_to_wire(single)
    assert (wire.squares.values, wire.spreads.values) == (b"", b"")


def size_of(some: Slices) -> int:
    return len(msgspec.msgpack.encode(slices_to_wire(some)))


def test_of_columns_without_values_nothing_is_written() -> None:
    one = of_values({second: [[5], *[[]] * 999] for second in range(3)})
    assert size_of(one) < 120
    assert slices_from_wire(sent(slices_to_wire(one)), 1_000) == one


GOOD: Final = slices_to_wire(of_values({3: [[1, 2], [3]], 7: [[], [2**20]]}))
WIRES: Final[dict[str, tuple[SlicesWire, int]]] = {
    "more columns": (GOOD, 3),
    "one column": (GOOD, 1),
    "no columns": (GOOD, 0),
    "columns that divide nothing": (GOOD, 5),
    "a step too few": (msgspec.structs.replace(GOOD, steps=pack(ints())), 2),
    "a step too many": (msgspec.structs.replace(GOOD, steps=pack(ints(4, 4))), 2),
    "a step that stands still": (msgspec.structs.replace(GOOD, steps=pack(ints(0))), 2),
    "a step back": (msgspec.structs.replace(GOOD, steps=pack(ints(-1))), 2),
    "a step beyond all time": (msgspec.structs.replace(GOOD, steps=pack(ints(2**63 - 1))), 2),
    "a first beyond all time": (msgspec.structs.replace(GOOD, first=2**53 - 4), 2),
    "a first before all time": (msgspec.structs.replace(GOOD, first=-(2**53)), 2),
    "a first of 65 bits": (msgspec.structs.replace(GOOD, first=2**64 - 1), 2),
    "n below zero": (msgspec.structs.replace(GOOD, n=pack(ints(2, -1, 0, 1))), 2),
    "a sum below zero": (msgspec.structs.replace(GOOD, sums=pack(ints(3, -3, 0, 5))), 2),
    "a square below zero": (msgspec.structs.replace(GOOD, squares=pack(ints(-5, 0, 0, 0))), 2),
    "a spread below zero": (msgspec.structs.replace(GOOD, spreads=pack(ints(-5, 0, 0, 0))), 2),
    "sums of fewer cells": (msgspec.structs.replace(GOOD, sums=pack(ints(3, 3))), 2),
    "squares of more cells": (msgspec.structs.replace(GOOD, squares=pack(ints(5, 0, 0, 0, 0))), 2),
    "spreads of no cells": (msgspec.structs.replace(GOOD, spreads=pack(ints())), 2),
    "a position of 2": (msgspec.structs.replace(GOOD, sums=pack(ints(3, 2**21, 0, 2**20))), 2),
    "a sum beyond all positions": (msgspec.structs.replace(GOOD, sums=pack(ints(3 * 2**20, 3, 0, 2**20))), 2),
    "a sum of no values": (msgspec.structs.replace(GOOD, sums=pack(ints(3, 3, 1, 2**20))), 2),
    "an unknown type": (msgspec.structs.replace(GOOD, sums=Packed(4, "<f4", b"\0" * 16)), 2),
    "less than no cells": (msgspec.structs.replace(GOOD, n=Packed(-2, "<u1", b""), steps=Packed(-2, "<u1", b"")), 2),
}


def test_what_is_damaged_below_was_good() -> None:
    found = slices_from_wire(GOOD, 2)
    assert (found.starts.tolist(), found.n.tolist()) == ([3, 7], [[2, 1], [0, 1]])


@pytest.mark.parametrize("name", WIRES)
def test_slices_that_cannot_be_right_are_refused(name: str) -> None:
    wire, columns = WIRES[name]
    with pytest.raises(CodecError):
        slices_from_wire(wire, columns)


def test_too_many_slices_are_refused_before_anything_is_made_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slice_codec, "CELLS_MAX", 4)
    assert len(slices_from_wire(GOOD, 2)) == 2
    monkeypatch.setattr(slice_codec, "CELLS_MAX", 3)
    with pytest.raises(CodecError, match="too many"):
        slices_from_wire(GOOD, 2)


def test_a_wire_that_only_says_that_it_is_large_costs_nothing() -> None:
    huge = msgspec.structs.replace(GOOD, n=Packed(2**40, "<u1", b"", "<u1", b""), steps=Packed(2**39 - 1, "<u1", b"", "<u1", b""))
    with pytest.raises(CodecError, match="too many"):
        slices_from_wire(huge, 2)


@given(st.sampled_from(["steps", "n", "sums", "squares", "spreads"]), st.lists(INT64 | st.integers(0, 5), max_size=6), st.integers(0, 5))
def test_any_numbers_are_slices_or_a_codec_error(name: str, numbers: list[int], columns: int) -> None:
    with suppress(CodecError):
        found = slices_from_wire(msgspec.structs.replace(GOOD, **{name: pack(ints(*numbers))}), columns)
        assert found.sums.shape == (len(found), 3, columns)
        assert (np.diff(found.starts) > 0).all()


# Entries.


def plain_entry(values: list[float]) -> list[float]:
    if not values:
        return [0.0, 0.0, 0.0]
    return [float(len(values)), float(np.mean(values)), float(((np.array(values) - np.mean(values)) ** 2).sum())]


@given(st.lists(st.lists(st.lists(st.integers(0, POSITION_SCALE), max_size=6), min_size=3, max_size=3), min_size=1, max_size=4))
def test_entries_are_the_moments_of_positions_and_of_spreads(seconds: list[list[list[int]]]) -> None:
    found = entries_of(of_values(dict(enumerate(seconds))))
    assert found.shape == (len(seconds), 3, 6)
    assert found.flags.c_contiguous
    for entry, columns in zip(found, seconds, strict=True):
        for place in range(6):
            series, column = SERIES[place // 3], columns[place % 3]
            u = [q / POSITION_SCALE for q in column]
            values = u if series is Series.POSITION else [abs(2 * each - 1) for each in u]
            assert entry[:, place].tolist() == pytest.approx(plain_entry(values), abs=1e-9)


@given(st.integers(0, POSITION_SCALE), st.integers(1, 2**22))
def test_copies_of_one_value_have_no_variance_at_all(q: int, copies: int) -> None:
    spread = abs(2 * q - POSITION_SCALE)
    n, mean, m2 = entries_of(Slices(ints(0), ints(copies)[:, None], ints(copies * q, copies * q * q, copies * spread)[None, :, None]))[0]
    assert n.tolist() == [copies, copies]
    assert mean.tolist() == [q / POSITION_SCALE, spread / POSITION_SCALE]
    assert m2.tolist() == [0.0, 0.0]


def test_entries_of_as_many_values_as_fit() -> None:
    """Half of 2^22 at either end: means and squares to twelve digits."""
    n, half = 2**22, 2**21
    sums = ints(half * 2**20, half * 2**40, n * 2**20)[None, :, None]
    found = entries_of(Slices(ints(0), ints(n)[:, None], sums))[0]
    assert found.T.tolist() == [pytest.approx([n, 0.5, n / 4], rel=1e-12), pytest.approx([n, 1.0, 0.0], rel=1e-12)]


@given(slices(), slices(), slices())
@settings(max_examples=50)
def test_entries_do_not_depend_on_how_slices_were_merged(one: Slices, two: Slices, three: Slices) -> None:
    left, right = one.merge(two).merge(three), three.merge(one.merge(two))
    assert entries_of(left).tobytes() == entries_of(right).tobytes()


@pytest.mark.parametrize(
    "packed",
    [
        Packed(3, "<u1", b"\5", "<i1", b"\xff"),
        Packed(4, "<u1", b"\5", "<u1", b"\0\1\2"),
        Packed(4, "<u1", b"\5\6", "<u1", b"\1\1"),
        Packed(4, "<u1", b"\5\6", "<u1", b"\2\1"),
    ],
    ids=["negative place", "one value for three", "twice", "falling"],
)
def test_a_sparse_array_names_each_place_once(packed: Packed) -> None:
    with pytest.raises(CodecError, match="places"):
        unpack(packed, packed.size)
