"""The fields that a schema asks for of `metadata`, attributions and resources: from skipped bytes to n values of each, and back.

The typed decode skips an object such as `metadata` and keeps its bytes, whose syntax it has checked. Where a schema asks for fields, the
objects of a chunk are joined to one JSON array and decoded in one call; where it asks for none, they are not looked at.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple, cast

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import astuple

from stream_monitor.capture.convert import number, texts
from stream_monitor.capture.parse import UNREADABLE, is_writable

Skipped = Raw | UnsetType
"""An event's metadata: UNSET where it has none."""


class Members(NamedTuple):
    """n values of each field, of any JSON type (None: absent or null); unread: positions of events that the slow path must read."""

    values: tuple[Sequence[Any], ...]
    unread: Sequence[int] = ()


class MetadataFields:
    """Reads and writes the fields of these names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names: Final = tuple(names)
        self._absent = (None,) * len(self.names)

    @cached_property
    def _decode(self) -> Callable[[bytes], list[Struct | None]]:
        return _decoder(self.names)

    def read(self, skipped: Sequence[Skipped]) -> Members:
        """The fields of n >= 1 events. Unread: metadata that is no object, or holds a number beyond float64."""
        if not self.names or skipped.count(UNSET) == len(skipped):
            return Members(((None,) * len(skipped),) * len(self.names))
        try:
            rows = [self._absent if row is None else astuple(row) for row in self._decode(_array(skipped))]
        except UNREADABLE:
            return self._read_each(skipped)
        return Members(tuple(zip(*rows, strict=True)))

    def write(self, metadata: dict[str, Any] | None) -> Skipped:
        """What `read` reads the same values from, as texts; metadata: parsed, None where there is none."""
        if not self.names or not metadata:
            return UNSET
        fields = dict(zip(self.names, texts([metadata.get(name) for name in self.names]), strict=True))
        return Raw(msgspec.json.encode(fields))

    def write_numbers(self, members: Mapping[str, Any] | None) -> Skipped:
        """The same as numbers; what is no finite one is left out."""
        found = {name: number(members.get(name)) for name in self.names} if members else {}
        finite = {name: value for name, value in found.items() if math.isfinite(value)}
        return Raw(msgspec.json.encode(finite)) if finite else UNSET

    def _read_each(self, skipped: Sequence[Skipped]) -> Members:
        """One by one: an odd one does not cost the others their values."""
        rows = [self._read_one(metadata) for metadata in skipped]
        values = zip(*(self._absent if row is None else row for row in rows), strict=True)
        return Members(tuple(values), [i for i, row in enumerate(rows) if row is None])

    def _read_one(self, metadata: Skipped) -> tuple[Any, ...] | None:
        if metadata is UNSET:
            return self._absent
        try:
            members = msgspec.json.decode(metadata, type=dict[str, Any] | None)
        except UNREADABLE:
            return None
        return tuple(map(members.get, self.names)) if members else self._absent


def _array(skipped: Sequence[Skipped]) -> bytes:
    return b"[" + b",".join([b"null" if metadata is UNSET else cast(bytes, metadata) for metadata in skipped]) + b"]"


def _decoder(names: tuple[str, ...]) -> Callable[[bytes], list[Struct | None]]:
    """The typed decode of an array of metadata; one that refuses everything where a struct cannot have these names."""
    if not all(map(is_writable, names)):
        return _refuse
    fields = [(f"m{i}", Any, None) for i in range(len(names))]
    rename = {f"m{i}": name for i, name in enumerate(names)}
    members = msgspec.defstruct("metadata", cast(Any, fields), rename=rename, gc=False)
    return cast(Callable[[bytes], list[Struct | None]], msgspec.json.Decoder(list[members | None]).decode)  # type: ignore[valid-type]


def _refuse(_: bytes) -> list[Struct | None]:
    raise msgspec.DecodeError
