"""The contract's rules on everything but feature values: which problem, if any, a parsed message has. The first found is told."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from stream_monitor.capture import prediction
from stream_monitor.capture.parse import json_type
from stream_monitor.capture.reject import Problem, Reason, shown
from stream_monitor.capture.times import read_time

EVENT_ID_BYTES_MAX: Final = 256
"""The contract's bound."""

Rule = Callable[[str, Any], Problem | None]
"""Field's path and its value, which is not null (but for `features`), to what is wrong with it."""


def missing(path: str, why: str = "is missing") -> Problem:
    """A required field that nothing stands in for."""
    return Problem(Reason.MISSING_FIELD, f"{path}: {why}")


def is_event_id(text: str) -> bool:
    """1 to 256 bytes of UTF-8."""
    return 0 < len(text) <= EVENT_ID_BYTES_MAX and len(text.encode()) <= EVENT_ID_BYTES_MAX


def event_id(path: str, value: Any) -> Problem | None:
    """A string of 1 to 256 bytes."""
    if not isinstance(value, str):
        return _wrong_type(path, value, "a string")
    if not is_event_id(value):
        return Problem(Reason.WRONG_VALUE, f"{path}: must be 1 to {EVENT_ID_BYTES_MAX} bytes, is {len(value.encode())}")
    return None


def time(path: str, value: Any) -> int | Problem:
    """Milliseconds since the epoch of an RFC 3339 string or an integer, of any range."""
    if type(value) is int:
        return value
    if not isinstance(value, str):
        return _wrong_type(path, value, "an RFC 3339 string or integer milliseconds")
    try:
        return read_time(value)
    except ValueError as error:
        return Problem(Reason.WRONG_VALUE, f"{path}: {shown(value)} {error}")


def string(path: str, value: Any) -> Problem | None:
    """Any string."""
    return None if isinstance(value, str) else _wrong_type(path, value, "a string")


def first_problem(body: Mapping[str, Any]) -> Problem | None:
    """The first broken rule among the fields that are there, in the order of `RULES`; null is absent, but for `features`."""
    for name, rule in RULES.items():
        value = body.get(name)
        if value is None and not (name == "features" and name in body):
            continue
        if problem := rule(name, value):
            return problem
    return None


def says_nothing(output: Any) -> bool:
    """Whether a prediction is absent, null or an object without any non-null member."""
    return output is None or (isinstance(output, dict) and all(output.get(member) is None for member in prediction.MEMBERS))


def _status(path: str, value: Any) -> Problem | None:
    if not isinstance(value, str):
        return _wrong_type(path, value, "a string")
    return None if value in ("ok", "error") else Problem(Reason.WRONG_VALUE, f"{path}: must be ok or error, is {shown(value)}")


def _object(path: str, value: Any) -> Problem | None:
    return None if isinstance(value, dict) else _wrong_type(path, value, "an object")


def _number(path: str, value: Any) -> Problem | None:
    return None if type(value) in (int, float) else _wrong_type(path, value, "a number")


def _latency(path: str, value: Any) -> Problem | None:
    if problem := _number(path, value):
        return problem
    if value < 0:
        return Problem(Reason.WRONG_VALUE, f"{path}: must not be negative")
    return _finite(path, value)


def _label(path: str, value: Any) -> Problem | None:
    return _scalar(path, value) or _finite(path, value)


def _scalar(path: str, value: Any) -> Problem | None:
    return _wrong_type(path, value, "a number, string or boolean") if isinstance(value, dict | list) else None


def _finite(path: str, value: Any) -> Problem | None:
    return Problem(Reason.WRONG_VALUE, f"{path}: must be finite") if type(value) is float and math.isinf(value) else None


def _prediction(path: str, value: Any) -> Problem | None:
    if not isinstance(value, dict):
        return _wrong_type(path, value, "a number, string, boolean or object") if isinstance(value, list) else None
    for member, rule in (("label", _scalar), ("score", _number), ("scores", _scores), ("value", _number)):
        part = value.get(member)
        if part is not None and (problem := rule(f"{path}.{member}", part)):
            return problem
    return None


def _scores(path: str, value: Any) -> Problem | None:
    if not isinstance(value, dict):
        return _wrong_type(path, value, "an object")
    wrong = next((score for score in value.values() if score is not None and type(score) not in (int, float)), None)
    return None if wrong is None else _wrong_type(f"{path}.*", wrong, "a number")


def _wrong_type(path: str, value: Any, wanted: str) -> Problem:
    return Problem(Reason.WRONG_TYPE, f"{path}: must be {wanted}, is {json_type(value)}")


RULES: Final[Mapping[str, Rule]] = {
    "event_id": event_id,
    "features": _object,
    "prediction": _prediction,
    "label": _label,
    "latency_ms": _latency,
    "status": _status,
    "error": string,
    "resources": _object,
    "attributions": _object,
    "metadata": _object,
}
"""In the order of the contract. `model` and `version` come before all, since they say which schema applies; `time` after, once."""
