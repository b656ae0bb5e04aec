"""`docs/configuration.md`, made from the config tree itself, so that it cannot go stale."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stream_monitor.config import Config, format_duration

_INTRODUCTION = """\
# `monitor.yaml`

Made by `make docs` from `stream_monitor/config/tree.py`; do not edit.

Unknown keys are errors. `${NAME}` is replaced by the environment variable NAME. Durations: `250ms`, `30s`, `10m`, `1h`, `7d`.
All but `kafka`, `instance`, `metrics`, `respond` and `actions` is shared: it travels in the log, and every member runs the one with the
highest `revision`.

| key | default | meaning |
|---|---|---|
"""


def config_page() -> str:
    """The whole page."""
    return _INTRODUCTION + "".join(_rows(Config, "", set()))


def _rows(section: type[BaseModel], prefix: str, told: set[type[BaseModel]]) -> Iterator[str]:
    """told: parts that may stand in several places, and whose keys were told at the first."""
    for field, info in section.model_fields.items():
        name = info.alias or field
        inner, is_list = _section_of(info.annotation), get_origin(info.annotation) is tuple
        if inner is None:
            yield f"| `{prefix}{name}` | {_default(info)} | {_meaning(info)} |\n"
            continue
        is_map = "dict" in str(info.annotation)
        if info.description:
            yield f"| `{prefix}{name}` | {_default(info) if is_map or is_list else ''} | {_meaning(info)} |\n"
        if inner not in told:
            told |= {inner} if is_list else set()
            yield from _rows(inner, f"{prefix}{name}" + ("[]." if is_list else ".NAME." if is_map else "."), told)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The part of the tree that a key holds: one, one or none, a list or a mapping of them."""
    kinds = [annotation]
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        kinds += get_args(kind)
    return None


def _meaning(info: FieldInfo) -> str:
    """On one line, as a row of a table has to be."""
    return " ".join((info.description or "").split())


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default is None:
        return ""
    if isinstance(info.default, str):
        return f"`{info.default}`"
    if isinstance(info.default, int) and any("_duration" in repr(part) for part in info.metadata):
        return f"`{format_duration(info.default)}`"
    return f"`{orjson.dumps(info.default).decode()}`"
