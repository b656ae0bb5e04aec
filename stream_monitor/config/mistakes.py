"""What is said of settings that are not as they must be: which one, and what to write instead."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel

Place = tuple[int | str, ...]
TOLD_MAX: Final = 5
"""Mistakes that are told at once."""

_REMEDIES: Final = {
    "dict_type": "write a mapping, KEY: VALUE",
    "model_type": "write a mapping, KEY: VALUE",
    "tuple_type": "write a list, [ONE, TWO]",
    "string_type": "write a text; a word that YAML takes for another type wants quotes",
    "too_short": "write at least one",
    "string_too_short": "write at least one character",
    "finite_number": "write a finite number",
    "timezone_aware": "write a time with its zone, such as 2026-11-22T06:00:00Z",
}
"""By kind of mistake, where pydantic's words are not those of a YAML file."""


def told(details: Iterable[Any], keys_at: Callable[[Place], Sequence[str]], place: Place = ()) -> str:
    """The first of a ValidationError's `errors()`, without the values of secrets.

    keys_at: what may stand at a place; place: where the settings are.
    """
    sentences = dict.fromkeys(_sentence(detail, keys_at, place) for detail in details)  # a value of several types gives one for each
    return "; ".join([*sentences][:TOLD_MAX])


def keys_of(root: type[BaseModel]) -> Callable[[Place], list[str]]:
    """The keys that may stand at a place of such a tree."""

    def at(place: Place) -> list[str]:
        section, inside = root, None
        for part in place:
            inside = section.model_fields[part].annotation if part in section.model_fields else inside
            found = [kind for kind in (inside, *getattr(inside, "__args__", ())) if isinstance(kind, type) and issubclass(kind, BaseModel)]
            section = found[0] if found else section
        return [info.alias or name for name, info in section.model_fields.items()]

    return at


def near(name: str, known: Sequence[str], otherwise: str = "") -> str:
    """`; did you mean …?`, else `otherwise`."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else otherwise


def _sentence(detail: Any, keys_at: Callable[[Place], Sequence[str]], base: Place) -> str:
    inner: Place = detail["loc"]
    place = ".".join(str(part) for part in (*base, *inner))
    if inner[:2] == ("kafka", "properties") and len(inner) > 2:
        return f"kafka.properties.{inner[2]}: write a text, a number, true or false"
    if detail["type"] == "extra_forbidden":
        known = keys_at(inner[:-1])
        return f"unknown key {place}" + near(str(inner[-1]), known, f"; known here: {', '.join(known)}")
    if detail["type"] == "missing":
        return f"{place} is missing"
    message = _REMEDIES.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        message = f"{detail['input']!r} {message}" + near(detail["input"], re.findall(r"'([^']*)'", message))
    return f"{place}: {message}" if place else str(message)
