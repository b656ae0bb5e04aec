"""The commands by name: to say what there are loads none of them, to do one loads that one."""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

COMMANDS: Final = {
    "demo": "Watch a model go wrong and be found out: nothing to install, no Kafka needed; "
    "ends by itself where nobody is there to press Enter.",
    "sample": "Write training data and traffic that drifts, to try the other commands on.",
    "baseline": "Build the baseline of a model: what its features and predictions look like in training data.",
    "check": "Say whether a config will run, and what deserves a second look.",
    "run": "Watch live traffic on Kafka; any number of processes share the work.",
    "replay": "Run files of past traffic through the pipeline: two replays of one input give the same bytes.",
    "investigate": "Rank what contributed to a change: bins, segments, versions, features, sources.",
    "respond": "Act on alerts: the functions of a Python module, and the ready actions of the config; a second process stands by.",
    "actions": "What responders did, and what waits for a person.",
    "workflows": "How runs of workflows stand, and whether they helped.",
}
"""In the order of `--help`, with what it says of each; each is a function, or a group of further commands, in the module of its name."""


class Lazy(TyperGroup):
    """Knows the names and sentences of its commands; the one that a line names is loaded."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """As any group does, with the command itself in place of its name."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else loaded(name), rest


def loaded(name: str) -> Any:
    """One command, as click's; the modules that it needs are loaded here."""
    found = getattr(import_module(f"stream_monitor.cli.{name}"), name)
    app = typer.Typer()
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)
    return get_group(app).commands[name]
