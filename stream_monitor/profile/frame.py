"""The frame around every binary record on our own topics: magic, kind, version, checksum, payload.

```
bytes 0-1  "SM"      byte 2  kind      byte 3  version      bytes 4-7  CRC-32 of kind, version and payload, big endian      8-  payload
```
"""

import zlib
from enum import Enum
from typing import Final

import msgspec

from stream_monitor.errors import CodecError, VersionError

VERSION: Final = 3
"""What this program writes."""
OLDEST: Final = 2
"""What it reads: everything from this version to its own."""
FRAME_BYTES_MAX: Final = 8 * 1024 * 1024
"""Profiles and progress beyond this are refused by both sides; 10,000 columns of 22 bins with 64-bit counts stay below 2 MB.
Snapshots have no such limit: their size is that of the state, and they travel in chunks."""
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on a payload that is not of the expected shape, whatever its bytes."""
_HEADER: Final = 8


class FrameKind(Enum):
    """What a frame carries."""

    PROFILE = b"P"
    PROGRESS = b"G"
    SNAPSHOT = b"S"
    JOIN = b"J"


def seal(kind: FrameKind, payload: bytes) -> bytes:
    """Frame a payload. Errors: CodecError where it is over `FRAME_BYTES_MAX`."""
    if _is_too_large(kind, payload):
        raise CodecError(f"a {kind.name.lower()} of {len(payload)} bytes is over the limit of {FRAME_BYTES_MAX}")
    named = kind.value + bytes((VERSION,))
    return b"SM" + named + zlib.crc32(payload, zlib.crc32(named)).to_bytes(4, "big") + payload


def kind_of(frame: bytes) -> FrameKind:
    """The kind a frame claims to be. Errors: CodecError where it is not a frame of ours, VersionError on a kind newer than this program."""
    if len(frame) < _HEADER or frame[:2] != b"SM":
        raise CodecError("not a frame of stream-monitor: the magic bytes are missing")
    try:
        return FrameKind(frame[2:3])
    except ValueError:
        if frame[3] > VERSION and _is_whole(frame):
            raise VersionError(_remedy(f"a record of kind {frame[2:3]!r}", frame[3])) from None
        raise CodecError(f"a frame of unknown kind {frame[2:3]!r}") from None


def unseal(kind: FrameKind, frame: bytes) -> bytes:
    """The payload of a frame. Errors: CodecError on another kind, a wrong checksum or size; VersionError on a version not read here."""
    if kind_of(frame) is not kind:
        raise CodecError(f"expected a {kind.name.lower()}, found a {kind_of(frame).name.lower()}")
    payload = frame[_HEADER:]
    if _is_too_large(kind, payload) or not _is_whole(frame):
        raise CodecError(f"a damaged {kind.name.lower()}: checksum or size do not fit")
    if not OLDEST <= frame[3] <= VERSION:
        raise VersionError(_remedy(f"a {kind.name.lower()}", frame[3]))
    return payload


def _is_whole(frame: bytes) -> bool:
    return zlib.crc32(frame[_HEADER:], zlib.crc32(frame[2:4])) == int.from_bytes(frame[4:_HEADER], "big")


def _remedy(what: str, version: int) -> str:
    found = f"{what} of record version {version}, where this program reads {OLDEST} to {VERSION}"
    if version > VERSION:
        return f"{found}: a newer stream-monitor wrote it; upgrade this worker (detect workers first, then profile workers)"
    return f"{found}: an older stream-monitor wrote it; let that one read its topics to their end, or use another topics.prefix"


def _is_too_large(kind: FrameKind, payload: bytes) -> bool:
    return kind is not FrameKind.SNAPSHOT and len(payload) > FRAME_BYTES_MAX
