"""All commands, put together."""

from typing import Annotated

import typer

from stream_monitor.cli.commands import COMMANDS, Lazy


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"stream-monitor {version('stream-monitor')}")
        raise typer.Exit


def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    pass


def _named() -> None:
    """Stands for a command that is not loaded."""


app = typer.Typer(
    name="stream-monitor",
    help="Streaming drift detection on Kafka: capture events in, alerts and metrics out.",
    cls=Lazy,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(_root)
for _name, _says in COMMANDS.items():
    app.command(_name, help=_says)(_named)
