"""One value's bytes to one JSON object, leniently about numbers and strictly about everything else: the slow path's reader.

It takes what `json.dumps` of any language writes: NaN, Infinity and -Infinity become floats, as does 1e400.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from stream_monitor.capture.reject import Problem, Reason

DEPTH_MAX: Final = 64
"""Levels of nesting. The contract needs 3; the limit is ours so that it does not move with Python's recursion limit."""
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises, whatever the bytes."""
_BOM: Final = b"\xef\xbb\xbf"
# Possessive, and matching an unterminated string too: linear in the message whatever it holds.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE: Final = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F])|.)", re.DOTALL)
_STEP: Final = np.zeros(256, dtype=np.int8)
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1


def parse(value: bytes) -> dict[str, Any] | Problem:
    """The object that `value` holds, or why there is none. A byte order mark at the start is ignored; of duplicate keys the last counts."""
    try:
        text = value.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(Reason.NOT_UTF8, f"byte {error.start} is not UTF-8")
    if is_deep(value):
        return Problem(Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX} levels")
    try:
        body = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        body = _parse_leniently(text)
    if isinstance(body, dict | Problem):
        return body
    return Problem(Reason.NOT_OBJECT, f"a JSON {json_type(body)}, not an object")


def is_plain(value: bytes, openings_max: int = DEPTH_MAX) -> bool:
    """Whether a quick look shows UTF-8 of harmless depth: no more than `openings_max` brackets open in it at all."""
    if len(value) > openings_max and value.count(b"[") + value.count(b"{") > openings_max:
        return False
    if not value.isascii():
        try:
            value.decode("utf-8")
        except UnicodeDecodeError:
            return False
    return True


def is_deep(value: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than `DEPTH_MAX`."""
    if value.count(b"[") + value.count(b"{") <= DEPTH_MAX:
        return False
    steps = _STEP[np.frombuffer(_STRING.sub(b"", value), dtype=np.uint8)]
    return bool(len(steps)) and int(np.cumsum(steps, dtype=np.int64).max()) > DEPTH_MAX


def is_writable(name: str) -> bool:
    """Whether a struct can have a slot of this name: msgspec takes no quotes, backslashes and control characters."""
    return not any(character in '"\\' or character < " " for character in name)


def json_type(value: object) -> str:
    """What JSON calls the type of a parsed value."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")


def _parse_leniently(text: str) -> Any | Problem:
    try:
        document = _loads(text)
    except json.JSONDecodeError as error:
        return Problem(Reason.NOT_JSON, f"{error.msg} at character {error.pos}")
    if _SURROGATE.search(text) and any(match[1] for match in _ESCAPE.finditer(text)):
        return Problem(Reason.NOT_JSON, "half of a surrogate pair in a string")
    return document


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # Python's guard against quadratic time, at 4,300 digits; no float64 reaches 310
        return -math.inf if digits[0] == "-" else math.inf


_loads: Final[Callable[[str], Any]] = json.JSONDecoder(parse_int=_integer).decode
