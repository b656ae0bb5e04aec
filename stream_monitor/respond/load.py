"""Which actions there are: those of a Python module, and the ready ones that the config names."""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from stream_monitor.config import Config
from stream_monitor.config.load import substitute
from stream_monitor.errors import ConfigError, InputError, StreamMonitorError
from stream_monitor.respond.action import Action, collecting
from stream_monitor.respond.actions import READY


def load_actions(config: Config, source: str, module: str | None) -> list[Action]:
    """All of them, each name once. source: the config's file, for what is said of mistakes. Errors: ConfigError, InputError."""
    actions = [*ready_actions(config, source), *(module_actions(module) if module else ())]
    if not actions:
        raise InputError(f"nothing to do: name a Python module with @on functions, or put `actions:` into {source}")
    names = [action.name for action in actions]
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two actions are called {doubles[0]!r}: give one of them another name, on(name=…); results are kept by it")
    return actions


def module_actions(module: str) -> list[Action]:
    """What `on` makes while the module is imported: a name, seen from this folder, or a file. Errors: InputError."""
    with collecting() as found:
        try:
            _import(module)
        except StreamMonitorError:
            raise
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise InputError(
                f"{module} cannot be imported: {type(error).__name__}: {error} ({place.filename}, line {place.lineno})"
            ) from error
    if not found:
        raise InputError(f"{module} has no action: put @on(…) from stream_monitor.respond before a function of an alert")
    return found


def require_known(config: Config, source: str) -> None:
    """What `actions:` use is there; their secrets need not be. Errors: ConfigError that names the key."""
    for name, entry in config.actions.items():
        if entry.use not in set(READY):
            raise ConfigError(f"{source}: actions.{name}.use: there is no ready action {entry.use!r}; there are {', '.join(sorted(READY))}")


def ready_actions(config: Config, source: str) -> Iterator[Action]:
    """Those of `actions:`. Errors: ConfigError that names the key."""
    require_known(config, source)
    for name, entry in config.actions.items():
        kind = READY[entry.use]
        settings = substitute(entry.settings, source, ("actions", name, "with"))
        try:
            target = kind.model_validate(settings)
        except ValidationError as error:
            detail = error.errors(include_input=False)[0]  # its input may be a secret
            place = ".".join(("actions", name, "with", *(str(part) for part in detail["loc"])))
            raise ConfigError(f"{source}: {place}: {detail['msg'].removeprefix('Value error, ')}") from None
        yield Action(name, target, entry.on, entry)


def _import(module: str) -> None:
    path = Path(module)
    if path.suffix == ".py":
        if not path.is_file():
            raise InputError(f"{module}: there is no such file")
        sys.path.insert(0, str(path.parent.resolve()))  # for what it imports from beside it
        spec = importlib.util.spec_from_file_location(path.stem, path)  # by its place: `json.py` is a fair name for a file
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        sys.modules.setdefault(path.stem, made)
        spec.loader.exec_module(made)
        return
    sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module == error.name or module.startswith(f"{error.name}.")):
            raise
        raise InputError(
            f"there is no module {module!r} in this folder or on the Python path; give the name of one, or a .py file"
        ) from None
