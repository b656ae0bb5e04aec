"""`stream-monitor replay`: files of events through the engine of `run`, so that one sees what production would have said."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from stream_monitor.cli.compare import Comparison, compare, read_alerts
from stream_monitor.cli.console import console
from stream_monitor.cli.load import load
from stream_monitor.cli.notified import Notified
from stream_monitor.cli.progress import ByteBar
from stream_monitor.cli.replay_figures import ReplayFigures
from stream_monitor.cli.results import Results
from stream_monitor.cli.sources import read_chunks, read_labels
from stream_monitor.cli.tally import Tally, said
from stream_monitor.errors import InputError
from stream_monitor.export.metrics import MetricStore
from stream_monitor.export.report import Story, claim, write_report
from stream_monitor.pipeline.replay import Chunk, Replay
from stream_monitor.runtime.detect_meter import DetectMeter


def replay(
    config: Annotated[Path, typer.Option(help="monitor.yaml")],
    captures: Annotated[
        list[Path],
        typer.Option(help="A file of events; each is one source partition. May be given several times, or several files at once."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for alerts.jsonl, windows.jsonl and metrics.prom.")],
    labels: Annotated[
        list[Path] | None, typer.Option(help="Files of labels, JSON lines: what the truth was, and when it was known.")
    ] = None,
    compare_with: Annotated[
        Path | None, typer.Option("--compare", help="The --out folder of an earlier replay: which alerts differ from those there.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page here: what moved, when, how sure.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable summary.")] = False,
) -> None:
    """Run files of past traffic through the pipeline: two replays of one input give the same bytes."""
    loaded = load(config)
    for option, named in (("--captures", captures), ("--labels", labels or [])):
        for file in named:
            if not file.is_file():
                raise InputError(f"{option} {file}: there is no such file")
    if labels and not loaded.plan.joins:
        raise InputError(
            "--labels: no model of the config has a `task`, so labels are compared with nothing; add one, such as task: binary"
        )
    before = None if compare_with is None else read_alerts(compare_with)  # at once: --out may be the same folder
    if report is not None:
        claim(report)
    keeps = before is not None or report is not None
    store, tally, figures, notified, alerts = MetricStore(), Tally(), ReplayFigures(), Notified(), []
    with Results(out) as results, ByteBar("Replaying", sum(file.stat().st_size for file in (*captures, *(labels or ())))) as progress:
        events = [read_chunks(file, loaded.plan, progress, has_labels=bool(labels)) for file in captures]
        run = Replay(loaded.plan, events, [read_labels(file, loaded.plan, progress) for file in labels or ()])
        meter = DetectMeter(store, run.clock)
        for chunk, outputs in run.run():
            tally.add(chunk, outputs)
            figures.add(outputs.scores)
            notified.add(outputs.alerts)
            meter.committed(outputs, [run.state])
            meter.tick(run.state, run.state.plan.streams)
            _count(store, chunk)
            alerts += outputs.alerts if keeps else []
            results.write("alerts.jsonl", (alert.to_json() for alert in outputs.alerts))
            results.write("windows.jsonl", (score.to_json() for score in outputs.scores))
            results.write("dead_letters.jsonl", _dead_letters(chunk))
        for unit in run.state.units.values():
            for waiting, windows in unit.waited().items():
                notified.add_waiting(waiting, windows)
        written = results.finish(store)
    if tally.events == 0:
        raise InputError(f"no event in {', '.join(map(str, captures))}: {said(tally.rejects) if tally.rejects else 'the files are empty'}")
    if report is not None:
        with (out / "windows.jsonl").open("rb") as rows:
            write_report(Story.of(alerts, rows), report, f"Replay of {', '.join(file.name for file in captures)}")
        written.append(report)
    _print(tally, figures, notified, None if before is None else compare(before, alerts), json, written)


def _count(store: MetricStore, chunk: Chunk) -> None:
    for part in chunk.columns:
        store.add("events_total", {"model": part.stream.model}, len(part))
    for reject in chunk.rejects:
        store.add("dead_letters_total", {"topic": chunk.messages[reject.row].topic(), "reason": reject.reason})


def _dead_letters(chunk: Chunk) -> Iterator[bytes]:
    for reject in chunk.rejects:
        message = chunk.messages[reject.row]
        text = (message.value() or b"").decode("utf-8", "backslashreplace")
        yield orjson.dumps(
            {"file": message.topic(), "row": message.offset(), "reason": reject.reason, "detail": reject.detail, "value": text[:10_000]}
        )


def _print(
    tally: Tally, figures: ReplayFigures, notified: Notified, comparison: Comparison | None, json: bool, written: Sequence[Path]
) -> None:
    if json:
        tree = tally.tree() | {"notifications": notified.tree()} | ({} if comparison is None else {"comparison": comparison.tree()})
        typer.echo(orjson.dumps(tree, option=orjson.OPT_INDENT_2).decode())
        return
    out = console()
    for line in tally.lines():
        out.print(line)
    if tally.rejects:
        out.print(f"rejected rows are in {written[2]}: {said(tally.rejects)}")
    out.print(tally.table() or "no alert")
    for table in (figures.table(), notified.table()):
        if table is not None:
            out.print(table)
    if comparison is not None:
        out.print(f"compared with the earlier replay: {comparison.same:,} alerts are the same, {len(comparison.differences):,} are not")
        if table := comparison.table():
            out.print(table)
    out.print(f"written: {', '.join(str(path) for path in written)}")
