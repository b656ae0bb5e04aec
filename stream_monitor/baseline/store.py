"""The baseline file: JSON that a person can read and a machine can check.

Same content, same bytes and same id: keys stand in a fixed order, floats in their shortest form that reads back exactly.
The id is made from everything but itself and the names of source files; `load_baseline` refuses a file whose content does not fit its id.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.record import BaselineRecord, from_record, to_tree
from stream_monitor.errors import BaselineError

FORMAT: Final = "stream-monitor/baseline/1"

_decoder: Final = msgspec.json.Decoder(BaselineRecord)


def content_id(baseline: Baseline) -> str:
    """`b-` and 16 hex digits of the content's SHA-256; `id` and `source` do not count."""
    tree = to_tree(baseline, FORMAT)
    del tree["id"], tree["source"]
    return "b-" + hashlib.sha256(orjson.dumps(tree)).hexdigest()[:16]


def sign(baseline: Baseline) -> Baseline:
    """The baseline with the id that its content gives."""
    return replace(baseline, id=content_id(baseline))


def dump(baseline: Baseline) -> bytes:
    """The file's bytes; `load_baseline(dump(b)) == b`."""
    return (_indented(to_tree(baseline, FORMAT)) + "\n").encode()


def save(baseline: Baseline, path: Path) -> None:
    """Write the file whole or not at all. Errors: BaselineError."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise BaselineError(f"{path}: cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(dump(baseline))
            os.fchmod(file.fileno(), 0o644)  # mkstemp's 0600 would hide it from the service's user
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise BaselineError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)  # after the rename there is none


def load_baseline(source: Path | bytes, where: str | None = None) -> Baseline:
    """Read a file, or a file's bytes. Errors: BaselineError that names the field and `where` (default: the path, or "baseline")."""
    where = where or ("baseline" if isinstance(source, bytes) else str(source))
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise BaselineError(f"{where}: cannot be read: {error.strerror}") from None
    baseline = from_record(_record(content, where), where)
    expected = content_id(baseline)
    if baseline.id != expected:
        remedy = f'build it again with `stream-monitor baseline`, or write "id": "{expected}" to keep the change'
        raise BaselineError(f"{where}: was changed after it was built; {remedy}")
    return baseline


def _record(content: bytes, where: str) -> BaselineRecord:
    try:
        found = msgspec.json.decode(content, type=dict[str, Any]).get("format")
        if found != FORMAT:
            raise BaselineError(f'{where}: format is {found!r}, not "{FORMAT}"; build it again with `stream-monitor baseline`')
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BaselineError(f"{where}: is not a baseline file: {str(error).replace('$.', '')}") from None


def _indented(tree: dict[str, Any]) -> str:
    """JSON with one field per line; only what is inside a field of a column, or is one segment's profile, stays on its line."""
    fields = [f'  "{key}": {_SHOWN.get(key, _json)(value)}' for key, value in tree.items()]
    return "{\n" + ",\n".join(fields) + "\n}"


def _listed(entries: list[dict[str, Any]]) -> str:
    """A list of objects with one field per line."""
    objects = [
        "    {\n" + ",\n".join(f"      {_json(key)}: {_field(key, value)}" for key, value in each.items()) + "\n    }" for each in entries
    ]
    return "[\n" + ",\n".join(objects) + "\n  ]"


def _field(key: str, value: Any) -> str:
    return "[\n" + ",\n".join(f"        {_json(each)}" for each in value) + "\n      ]" if key == "profiles" else _json(value)


def _spread(entry: dict[str, Any]) -> str:
    """An object with one field per line."""
    return "{\n" + ",\n".join(f"    {_json(key)}: {_json(value)}" for key, value in entry.items()) + "\n  }"


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {"columns": _listed, "segments": _listed, "truth": _spread, "joint": _spread}
