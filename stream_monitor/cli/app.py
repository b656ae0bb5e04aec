"""The commands, put together."""

from typing import Annotated

import typer

from stream_monitor.cli.actions import actions
from stream_monitor.cli.baseline import baseline
from stream_monitor.cli.check import check
from stream_monitor.cli.demo import demo
from stream_monitor.cli.investigate import investigate
from stream_monitor.cli.replay import replay
from stream_monitor.cli.respond import respond
from stream_monitor.cli.run import run
from stream_monitor.cli.sample import sample
from stream_monitor.cli.workflows import workflows

app = typer.Typer(
    name="stream-monitor",
    help="Streaming drift detection on Kafka: capture events in, alerts and metrics out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"stream-monitor {version('stream-monitor')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    pass


for command in (demo, sample, baseline, check, run, replay, investigate, respond):
    app.command()(command)
app.add_typer(actions, name="actions")
app.add_typer(workflows, name="workflows")
