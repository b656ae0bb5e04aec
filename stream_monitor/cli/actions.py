"""`stream-monitor actions`: what responders did, and what waits for a person."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import replace
from rich.console import Console

from stream_monitor.cli.console import console, entry, second
from stream_monitor.config import load_config
from stream_monitor.errors import ConfigError, InputError
from stream_monitor.export.logs import configure_logs
from stream_monitor.respond.journal import Journal
from stream_monitor.respond.result import ActionReason, ActionResult, ActionStatus
from stream_monitor.runtime.topics import ACTIONS

actions = typer.Typer(help="What responders did, and what waits for a person.", no_args_is_help=True, add_completion=False)
ConfigOption = Annotated[Path, typer.Option(help="monitor.yaml")]
KeyArgument = Annotated[str, typer.Argument(help="ACTION/KEY as `actions list` shows it, or its beginning.")]
RECENT: Final = 20
_COLOURS: Final = {ActionStatus.SUCCEEDED: "green", ActionStatus.FAILED: "red", ActionStatus.AWAITING_APPROVAL: "yellow"}


@actions.command("list")
def listed(
    config: ConfigOption,
    last: Annotated[int, typer.Option(min=1, help="So many of those that ended, the newest last.")] = RECENT,
    json: Annotated[bool, typer.Option("--json", help="One action result per line.")] = False,
) -> None:
    """What waits or runs, and the last that ended."""
    with open_journal(config) as journal:
        last_of_each = {result.key: result for result in journal.read_all()}
    found = sorted(last_of_each.values(), key=lambda result: result.decided_at)
    ended = [result for result in found if result.status.is_final][-last:]
    shown = [*ended, *(result for result in found if not result.status.is_final)]
    if json:
        for result in shown:
            typer.echo(result.to_json().decode())
        return
    out = console()
    for result in shown:
        _show(out, result)
    if not shown:
        out.print("no action about any alert is on record")


@actions.command()
def approve(key: KeyArgument, config: ConfigOption) -> None:
    """Let an action run that waits for approval."""
    _say(config, key, ActionStatus.AWAITING_APPROVAL, ActionStatus.APPROVED)


@actions.command()
def reject(key: KeyArgument, config: ConfigOption) -> None:
    """End an action that waits for approval."""
    _say(config, key, ActionStatus.AWAITING_APPROVAL, ActionStatus.SKIPPED)


@actions.command()
def retry(key: KeyArgument, config: ConfigOption) -> None:
    """Run an action again that has failed."""
    _say(config, key, ActionStatus.FAILED, ActionStatus.APPROVED)


def _say(config: Path, key: str, before: ActionStatus, after: ActionStatus) -> None:
    with open_journal(config) as journal:
        result = _wanted({each.key: each for each in journal.read_all()}, key, before)
        reason, attempt = (ActionReason.REJECTED, result.attempt) if after is ActionStatus.SKIPPED else (None, 0)
        alert = result.alert if after.is_open else None
        journal.write([replace(result, status=after, reason=reason, attempt=attempt, progress=None, alert=alert)])
    console().print(f"{result.key}: {after.replace('_', ' ')}")


def _wanted(found: dict[str, ActionResult], key: str, status: ActionStatus) -> ActionResult:
    """The one of this key, or the only one with this status whose key begins so. Errors: InputError."""
    begin_so = [found[key]] if key in found else [result for each, result in found.items() if each.startswith(key)]
    matching = [result for result in begin_so if result.status is status]
    wanted = status.replace("_", " ")
    if len(begin_so) == 1 and not matching:
        raise InputError(f"{begin_so[0].key} is {begin_so[0].status.replace('_', ' ')}, not {wanted}: nothing was changed")
    if len(matching) != 1:
        raise InputError(f"{key}: of those that are {wanted}, {len(matching)} begin so; `stream-monitor actions list` shows the keys")
    return matching[0]


@contextmanager
def open_journal(config: Path) -> Iterator[Journal]:
    """The actions topic of a config's cluster. Errors: ConfigError where there is none."""
    from stream_monitor.runtime.kafka import KafkaBroker

    configure_logs("error")
    loaded = load_config(config)
    broker, topic = KafkaBroker.of(loaded), loaded.topics.own(ACTIONS)
    try:
        if broker.partition_count(topic) is None:
            raise ConfigError(f"there is no topic {topic!r} on {loaded.kafka.bootstrap_servers}: `stream-monitor respond` creates it")
        yield Journal(broker, topic, threading.Event())
    finally:
        broker.close()


def _show(out: Console, result: ActionResult) -> None:
    status = result.status.replace("_", " ") + (f": {result.reason.replace('_', ' ')}" if result.reason else "")
    attempts = f", attempt {result.attempt}" if result.attempt else ""
    took = "" if result.duration_ms is None else f", {result.duration_ms / 1000:.1f} s"
    colour = _COLOURS.get(result.status, "default")
    heading = f"{second(result.decided_at)}  [{colour}]{status}[/]{attempts}{took}"
    entry(out, heading, result.key, result.summary, *([] if result.error is None else [result.error]))
