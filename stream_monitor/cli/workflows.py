"""`stream-monitor workflows`: how runs of workflows stand, step by step, and whether they helped."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.alert.times import ms_of
from stream_monitor.cli.actions import ConfigOption, KeyArgument, open_journal
from stream_monitor.cli.console import console, entry, second
from stream_monitor.config import load_config
from stream_monitor.errors import InputError
from stream_monitor.respond.journal import Journal
from stream_monitor.respond.progress import Progress, StepStatus
from stream_monitor.respond.result import ActionResult, ActionStatus
from stream_monitor.runtime.topics import ALERTS

workflows = typer.Typer(help="How runs of workflows stand, and whether they helped.", no_args_is_help=True, add_completion=False)
RECENT: Final = 20
_COLOURS: Final = {StepStatus.DONE: "green", StepStatus.FAILED: "red", StepStatus.NOT_UNDONE: "red", StepStatus.UNDONE: "yellow"}


@workflows.command("list")
def listed(
    config: ConfigOption,
    last: Annotated[int, typer.Option(min=1, help="So many runs, the newest last.")] = RECENT,
    json: Annotated[bool, typer.Option("--json", help="One action result per line, as on the actions topic.")] = False,
) -> None:
    """The last runs: how far each has come, and what became of its alert."""
    with open_journal(config) as journal:
        runs = sorted(_runs(journal).values(), key=lambda run: run.decided_at)[-last:]
        ends = _last_of(journal, config, runs)
    if json:
        for run in runs:
            typer.echo(run.to_json().decode())
        return
    out = console()
    for run in runs:
        progress = Progress.of(run.progress or {})
        steps = ", ".join(f"{name}: {step.status.replace('_', ' ')}" for name, step in progress.steps.items())
        about = f"the alert: {told(run, ends.get(run.alert_id))}"
        entry(
            out, f"{second(run.decided_at)}  {run.status.replace('_', ' ')}", run.key, steps or "no step has ended yet", about, run.summary
        )
    if not runs:
        out.print("no run of a workflow is on record")


@workflows.command()
def show(
    key: KeyArgument,
    config: ConfigOption,
    json: Annotated[bool, typer.Option("--json", help="The action result, with `alert_end`.")] = False,
) -> None:
    """One run: when each step ended and what it returned, and whether the alert has ended since."""
    with open_journal(config) as journal:
        run = _one(_runs(journal), key)
        end = _last_of(journal, config, [run]).get(run.alert_id)
    if json:
        typer.echo(msgspec.json.encode(_with_end(run, end)).decode())
        return
    said, table = console(), _table("step", "status", "ended", "returned")
    for name, step in Progress.of(run.progress or {}).steps.items():
        returned = step.error or ("" if step.result is None else msgspec.json.encode(step.result).decode())
        colour = _COLOURS.get(step.status, "default")
        table.add_row(name, f"[{colour}]{step.status.replace('_', ' ')}[/]", second(step.at), escape(returned))
    said.print(f"{run.key}: {run.status}" + (f" ({run.reason})" if run.reason else ""))
    said.print(f"about: {run.summary}", markup=False)
    said.print(f"the alert: {told(run, end)}")
    said.print(table)
    if run.error is not None:
        said.print(run.error, markup=False)


def told(run: ActionResult, end: Alert | None) -> str:
    """Whether it helped, as far as is known. end: the last publication of its alert, None: it is not on the topic any more."""
    if end is None:
        return "no longer on the alerts topic"
    if end.status is not AlertStatus.RESOLVED or end.resolved_at is None:
        return "still fires"
    if run.ended_at is None or run.status is not ActionStatus.SUCCEEDED:
        return f"ended ({end.reason}) at {end.resolved_at}"
    minutes = (ms_of(end.resolved_at) - ms_of(run.decided_at)) / 60_000
    return f"ended ({end.reason}) at {end.resolved_at}, {minutes:.0f} min after the run began"


def _runs(journal: Journal) -> dict[str, ActionResult]:
    """The last message of every run."""
    return {result.key: result for result in journal.read_all() if result.progress is not None}


def _one(found: dict[str, ActionResult], key: str) -> ActionResult:
    """The run of this key, or the only one whose key begins so. Errors: InputError."""
    matching = [found[key]] if key in found else [run for each, run in found.items() if each.startswith(key)]
    if len(matching) != 1:
        raise InputError(f"{key}: {len(matching)} runs begin so; `stream-monitor workflows list` shows them")
    return matching[0]


def _last_of(journal: Journal, config: Path, runs: Iterable[ActionResult]) -> dict[str, Alert]:
    """The last publication of every run's alert."""
    wanted = {run.alert_id: run.offset for run in runs if run.offset is not None}
    if not wanted:
        return {}
    topic = load_config(config).topics.own(ALERTS)
    return {alert.alert_id: alert for alert in journal.alerts(topic, min(wanted.values())) if alert.alert_id in wanted}


def _with_end(run: ActionResult, end: Alert | None) -> dict[str, Any]:
    resolved = None if end is None or end.resolved_at is None else {"resolved_at": end.resolved_at, "reason": end.reason}
    return {**msgspec.to_builtins(run), "alert_end": resolved}


def _table(*columns: str) -> Table:
    table = Table()
    for name in columns:
        table.add_column(name, overflow="fold")
    return table
