"""A config from a file or from the log; a mistake is one ConfigError that names file and field, and says what to write instead."""

import difflib
import hashlib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml
from pydantic import BaseModel, ValidationError

from stream_monitor.config.tree import Config
from stream_monitor.errors import ConfigError


class Loader(yaml.SafeLoader):
    """YAML in which a key is a text, and one given twice an error, not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See yaml."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"  # a key is a name: YAML 1.1 reads `on` as true
            if key.tag == "tag:yaml.org,2002:str" and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_config(path: Path) -> Config:
    """Read and validate a config file. Errors: ConfigError naming file, field and remedy."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    try:
        tree = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}, column {place.column + 1}" if place else ""
        raise ConfigError(f"{path}{where}: is not YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: holds no settings; it needs at least `models: {{NAME: {{baseline: FILE}}}}`")
    return parse_config(tree, str(path))


def parse_config(tree: Mapping[str, Any], source: str) -> Config:
    """Validate a config tree. Errors: ConfigError that begins with `source`."""
    return _validated(substitute({"instance": "${HOSTNAME}", **tree}, source, ()), source, "forbid")


def parse_shared(shared: bytes, source: str) -> Config:
    """A shared config, from the log; keys that a newer release put there are ignored. Errors: ConfigError."""
    return _validated(orjson.loads(shared) | {"instance": "shared"}, source, "ignore")


def _validated(tree: Mapping[str, Any], source: str, extra: Literal["forbid", "ignore"]) -> Config:
    try:
        return Config.model_validate(tree, extra=extra)
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(detail) for detail in error.errors())  # a value of several types gives one for each
        raise ConfigError(f"{source}: " + "; ".join([*sentences][:5])) from None


def substitute(node: Any, source: str, place: tuple[str, ...]) -> Any:
    """The same tree with the values of `${VARIABLE}`s, but for `actions.NAME.with`. place: where the node is. Errors: ConfigError."""
    if isinstance(node, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: _variable(match[1], source, place), node)
    if isinstance(node, dict):
        return {key: value if _is_for_respond(place, key) else substitute(value, source, (*place, str(key))) for key, value in node.items()}
    return [substitute(value, source, (*place, str(i))) for i, value in enumerate(node)] if isinstance(node, list) else node


def _is_for_respond(place: tuple[str, ...], key: object) -> bool:
    """The secrets of actions are not asked of other commands, nor kept in the config."""
    return len(place) == 2 and place[0] == "actions" and key == "with"


def _variable(name: str, source: str, place: tuple[str, ...]) -> str:
    value = os.environ.get(name) or (socket.gethostname() if name == "HOSTNAME" else None)
    if value is None:
        raise ConfigError(f"{source}: {'.'.join(place)}: the environment variable {name} is not set; set it, or write the value")
    return value


_REMEDIES = {
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


def _sentence(detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["loc"][:2] == ("kafka", "properties") and len(detail["loc"]) > 2:
        return f"{'.'.join(detail['loc'][:3])}: write a text, a number, true or false"
    if detail["type"] == "extra_forbidden":
        section = _section_at(detail["loc"][:-1])
        near = difflib.get_close_matches(str(detail["loc"][-1]), section, n=1)
        return f"unknown key {place}" + (f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(section)}")
    if detail["type"] == "missing":
        return f"{place} is missing"
    message = _REMEDIES.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{place}: {message}" if place else str(message)


def _section_at(location: tuple[Any, ...]) -> list[str]:
    """The keys that may stand at this place of the tree."""
    section: type[BaseModel] = Config
    inside: Any = None
    for part in location:
        inside = section.model_fields[part].annotation if part in section.model_fields else inside
        found = [kind for kind in (inside, *getattr(inside, "__args__", ())) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        section = found[0] if found else section
    return [info.alias or name for name, info in section.model_fields.items()]


def config_id(shared: bytes) -> str:
    """The content id of a shared config, whatever its revision, and whichever release wrote it: defaults it lacks are filled in."""
    config = parse_shared(shared, "config")
    tree = orjson.loads(config.shared({name: name for name in config.baseline_paths()}))
    del tree["revision"]
    return "c-" + hashlib.sha256(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
