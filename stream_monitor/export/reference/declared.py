"""What classes declare: their fields, with JSON types, and the docstring beneath each."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec


class Declared(NamedTuple):
    """A field. path: from the outermost object, `[]` behind an array; type: as JSON and people call it; meaning: one line."""

    path: str
    type: str
    meaning: str


def meanings(kind: type) -> dict[str, str]:
    """Name -> the docstring beneath it, on one line; those without one are left out."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for here, beneath in pairwise(tree.body):
        if isinstance(beneath, ast.Expr) and isinstance(beneath.value, ast.Constant) and isinstance(here, ast.Assign | ast.AnnAssign):
            target = here.target if isinstance(here, ast.AnnAssign) else here.targets[0]
            found[ast.unparse(target)] = " ".join(str(beneath.value.value).split())
    return found


def fields_of(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[Declared]:
    """Every field of a struct, each before those inside of it."""
    said = meanings(kind)
    for name, hint in get_type_hints(kind).items():
        inner, is_array = _struct_in(hint)
        yield Declared(prefix + name, _type_name(hint), said[name])
        if inner is not None:
            yield from fields_of(inner, f"{prefix}{name}{'[]' if is_array else ''}.")


def table(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    head = f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|\n"
    return head + "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def values_table(kind: type[StrEnum]) -> str:
    """The values of an enumeration, with what they mean."""
    said = meanings(kind)
    return table(("value", "meaning"), ((f"`{each.value}`", said[each.name]) for each in kind))


def fields_table(kind: type[msgspec.Struct]) -> str:
    """The fields of a struct."""
    return table(("field", "type", "meaning"), ((f"`{each.path}`", each.type, each.meaning) for each in fields_of(kind)))


def _struct_in(hint: Any) -> tuple[type[msgspec.Struct] | None, bool]:
    """The struct that a field holds, or an array of which; None: neither."""
    for each in (hint, *get_args(hint)):
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            return each, get_origin(hint) is tuple
    return None, False


def _type_name(hint: Any) -> str:
    if NoneType in get_args(hint):
        return f"{_type_name(next(each for each in get_args(hint) if each is not NoneType))} or null"
    if get_origin(hint) is tuple:
        return "array"
    if hint in _NAMES:
        return _NAMES[hint]
    return "string" if isinstance(hint, type) and issubclass(hint, StrEnum) else "object"


_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}
