"""The commands by name; what a command needs is loaded when it is asked for."""

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Final

import typer

COMMANDS: Final = ("demo", "sample", "baseline", "check", "run", "replay", "investigate", "respond", "actions", "workflows")
"""In the order of `--help`; each is a function, or a group of further commands, in the module of its name."""


def app_of(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands."""
    app = typer.Typer(
        name="stream-monitor",
        help="Streaming drift detection on Kafka: capture events in, alerts and metrics out.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name in names:
        found = getattr(import_module(f"stream_monitor.cli.{name}"), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command()(found)
    return app


def wanted(arguments: list[str]) -> Iterable[str]:
    """The commands that such a line needs: the one that it names; to say what there are, all."""
    if arguments[:1] == ["--version"]:
        return ()
    return arguments[:1] if arguments[:1] and arguments[0] in COMMANDS else COMMANDS


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"stream-monitor {version('stream-monitor')}")
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    pass
