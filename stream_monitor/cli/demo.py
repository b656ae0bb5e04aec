"""`stream-monitor demo`: the whole pipeline in one process on the in-memory broker, with a real model and drifting traffic."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from stream_monitor.cli.console import console, screen
from stream_monitor.cli.demo_closing import found_table, loop_table, quality_table
from stream_monitor.cli.demo_page import address, open_pages, somebody_watches, stay
from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_told import is_open, lines, unnoticed
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.cli.demo_view import View
from stream_monitor.cli.results import Results
from stream_monitor.errors import RunError
from stream_monitor.export.board import Board
from stream_monitor.export.http import DEFAULT_PORT
from stream_monitor.export.logs import configure_logs
from stream_monitor.export.metrics import MetricStore
from stream_monitor.export.report import Story, claim, write_report

EVENTS_ENOUGH: Final = 20_000
"""From so many on, windows hold enough events for all that must be noticed to be; with fewer it may not be."""


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="Plain lines, as when the output is not a terminal; no pages.")] = False,
    events: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many events the service answers.")] = 48_000,
    seed: Annotated[int, typer.Option(help="Of all randomness: the same seed tells the same story.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Write alerts.jsonl, windows.jsonl and metrics.prom here.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page here: what moved, when, how sure.")] = None,
    port: Annotated[int | None, typer.Option(help="Of the pages; by default 9108, and with --headless none.")] = None,
) -> None:
    """Watch a model go wrong and be found out: nothing to install, no Kafka needed; ends by itself where nobody is there to press Enter."""
    configure_logs("error")  # what happens is told below
    said, view_on = console(plain=headless), None if headless else screen()
    results = Results(out) if out is not None else None  # before the work: a folder that cannot be written is said at once
    if report is not None:
        claim(report)
    store, board, server = MetricStore(), Board(), None
    with ExitStack() as stack:
        if port is not None or not headless:
            server = stack.enter_context(open_pages(said, store, board, DEFAULT_PORT if port is None else port))
        said.print(f"Training a classifier with river (seed {seed}) and building its baseline …")
        stage = Stage.mending(Traffic.seeded(seed, events), store, board)
        said.print(f"Serving {events:,} loan applications\n")
        if view_on is None or server is None:
            _tell(stage, said)
        else:
            _show(stage, said, View(view_on, stage, address(server)))
        if results is not None:  # before the stage is closed: a worker that leaves takes its models' series along
            results.write("windows.jsonl", stage.windows)
            results.write("alerts.jsonl", (alert.to_json() for alert in stage.alerts))
            said.print(f"\nWritten: {', '.join(str(path) for path in results.finish(stage.store))}")
        if report is not None:
            write_report(Story.of(stage.alerts, stage.windows), report, "What the demo's monitor saw")
            said.print(f"\nWritten: {report}; open it in a browser")
        for table in filter(None, (found_table(stage), quality_table(stage), loop_table(stage))):
            said.print()
            said.print(table)
        if view_on is not None and server is not None and somebody_watches():
            stay(said, server)
        stage.close()
    missed = [f"no {kind} alert began after {act.name}" for act, kind in unnoticed(stage)]
    if is_open(stage):
        missed.append("the loop did not close: no new version was good and ended an alert")
    if missed and events >= EVENTS_ENOUGH:
        raise RunError("; ".join(missed))


def _tell(stage: Stage, said: Console) -> None:
    for turn in stage.play():
        for line in lines(turn):
            said.print(line)


def _show(stage: Stage, said: Console, view: View) -> None:
    """The screen is given back at the end; the lines are what remains."""
    told: list[str] = []
    with view:
        for turn in stage.play():
            told += lines(turn)
            view.show(turn)
    for line in told:
        said.print(line)
