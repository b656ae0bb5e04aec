"""A config from a file or from the log; a mistake is one ConfigError that names file and field, and says what to write instead."""

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import orjson
import yaml
from pydantic import ValidationError

from stream_monitor.config.mistakes import keys_of, told
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

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """See yaml, which lets the ValueError through of a day that no calendar has."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, f"{node.value!r}: {error}", node.start_mark) from None


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
        raise ConfigError(f"{source}: {told(error.errors(), keys_of(Config))}") from None


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


def config_id(shared: bytes) -> str:
    """The content id of a shared config, whatever its revision, and whichever release wrote it: defaults it lacks are filled in."""
    config = parse_shared(shared, "config")
    tree = orjson.loads(config.shared({name: name for name in config.baseline_paths()}))
    del tree["revision"]
    return "c-" + hashlib.sha256(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
