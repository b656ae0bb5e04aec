"""Secrets of ready actions, kept out of what is said of them."""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, SecretBytes, SecretStr

_SHORTEST: Final = 4
"""A shorter text is in too many others to be cut out of them."""


def secrets_of(target: object) -> tuple[str, ...]:
    """The values of all secret fields of a ready action, the longest first; none of any other object."""
    return tuple(sorted({text for text in _found(target) if len(text) >= _SHORTEST}, key=len, reverse=True))


def without(secrets: tuple[str, ...], text: str) -> str:
    """The text with every secret replaced."""
    for secret in secrets:
        text = text.replace(secret, "[secret]")
    return text


def without_in(secrets: tuple[str, ...], value: Any) -> Any:
    """A JSON value with every secret replaced in its texts."""
    if isinstance(value, str):
        return without(secrets, value)
    if isinstance(value, dict):
        return {without(secrets, key): without_in(secrets, each) for key, each in value.items()}
    return [without_in(secrets, each) for each in value] if isinstance(value, list) else value


def _found(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, SecretBytes):
        yield value.get_secret_value().decode(errors="replace")
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _found(getattr(value, name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _found(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _found(each)
