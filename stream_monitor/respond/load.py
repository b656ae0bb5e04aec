"""Which actions there are: those of a Python module, and the ready ones that the config names."""

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stream_monitor.config import Config
from stream_monitor.config.load import substitute
from stream_monitor.config.mistakes import keys_of, near, told
from stream_monitor.errors import ConfigError, InputError, StreamMonitorError
from stream_monitor.respond.action import Action, collecting
from stream_monitor.respond.actions import READY
from stream_monitor.respond.ready import ReadyAction
from stream_monitor.respond.workflow import Workflow


def load_actions(config: Config, source: str, module: str | None) -> list[Action]:
    """All of them, each name once. source: the config's file, for what is said of mistakes. Errors: ConfigError, InputError."""
    actions = [*ready_actions(config, source), *(module_actions(module) if module else ())]
    if not actions:
        raise InputError(f"nothing to do: name a Python module with @on functions, or put `actions:` into {source}")
    for action in actions:
        if isinstance(action.target, Workflow) and not action.target.steps:
            raise ConfigError(f"workflow {action.name} has no step: put @{action.name}.step() before a function of a run")
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
        except SystemExit as error:
            raise InputError(f"{module} ends the process while it is imported: sys.exit({error.code!r}){_place(error)}") from error
        except Exception as error:
            raise InputError(f"{module} cannot be imported: {type(error).__name__}: {error}{_place(error)}") from error
    if not found:
        raise InputError(f"{module} has no action: put @on(…) from stream_monitor.respond before a function of an alert")
    return found


def _place(error: BaseException) -> str:
    """Where in the user's code; a SyntaxError's text says it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    return "" if isinstance(error, SyntaxError) or not frames else f" ({frames[-1].filename}, line {frames[-1].lineno})"


def require_known(config: Config, source: str) -> None:
    """What `actions:` use is there; their secrets need not be. Errors: ConfigError that names the key."""
    for name, entry in config.actions.items():
        if entry.use not in set(READY):
            hint = near(entry.use, sorted(READY), f"; there are {', '.join(sorted(READY))}")
            raise ConfigError(f"{source}: actions.{name}.use: there is no ready action {entry.use!r}{hint}")


def require_sound(config: Config, source: str) -> None:
    """As `ready_actions`, but for what hangs on a `${VARIABLE}`, or on an extra that is not installed here. Errors: ConfigError."""
    require_known(config, source)
    for name, entry in config.actions.items():
        try:
            kind = READY[entry.use]
        except ConfigError:
            continue
        _made(kind, entry.settings, name, source, is_open=lambda detail: "${" in str(detail["input"]))


def ready_actions(config: Config, source: str) -> Iterator[Action]:
    """Those of `actions:`. Errors: ConfigError that names the key."""
    require_known(config, source)
    for name, entry in config.actions.items():
        target = _made(READY[entry.use], substitute(entry.settings, source, ("actions", name, "with")), name, source)
        assert target is not None
        yield Action(name, target, entry.on, entry)


def _made(
    kind: type[ReadyAction], settings: Mapping[str, Any], name: str, source: str, is_open: Callable[[Any], bool] = lambda _: False
) -> ReadyAction | None:
    """is_open: of which mistakes nothing is said; None: there are only such."""
    try:
        return kind.model_validate(settings)
    except ValidationError as error:
        closed = [detail for detail in error.errors() if not is_open(detail)]
        if closed:
            raise ConfigError(f"{source}: {told(closed, keys_of(kind), ('actions', name, 'with'))}") from None
    return None


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
