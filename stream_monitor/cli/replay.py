"""`stream-monitor replay`: files of events through the engine of `run`, so that one sees what production would have said."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.console import console
from stream_monitor.cli.load import load
from stream_monitor.cli.progress import ByteBar
from stream_monitor.cli.results import Results
from stream_monitor.cli.sources import read_chunks
from stream_monitor.detect.finding import Severity
from stream_monitor.errors import InputError
from stream_monitor.export.metrics import MetricStore
from stream_monitor.pipeline.replay import Chunk, Replay
from stream_monitor.pipeline.step import Outputs
from stream_monitor.runtime.detect_meter import DetectMeter


def replay(
    config: Annotated[Path, typer.Option(help="monitor.yaml")],
    captures: Annotated[
        list[Path],
        typer.Option(help="A file of events; each is one source partition. May be given several times, or several files at once."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for alerts.jsonl, windows.jsonl and metrics.prom.")],
    labels: Annotated[list[Path] | None, typer.Option(help="Files of labels (not judged in this release).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable summary.")] = False,
) -> None:
    """Run files of past traffic through the pipeline: two replays of one input give the same bytes."""
    loaded = load(config)
    for option, named in (("--captures", captures), ("--labels", labels or [])):
        for file in named:
            if not file.is_file():
                raise InputError(f"{option} {file}: there is no such file")
    if labels:
        print("note: --labels is accepted; labels are not joined in this release", file=sys.stderr)
    store = MetricStore()
    tally = Tally()
    with Results(out) as results, ByteBar("Replaying", sum(file.stat().st_size for file in captures)) as progress:
        run = Replay(loaded.plan, [read_chunks(file, loaded.plan, progress) for file in captures])
        meter = DetectMeter(store, run.clock)
        for chunk, outputs in run.run():
            tally.add(chunk, outputs)
            meter.committed(outputs, [run.state])
            meter.tick(run.state, run.state.plan.streams)
            _count(store, chunk)
            results.write("alerts.jsonl", (alert.to_json() for alert in outputs.alerts))
            results.write("windows.jsonl", (score.to_json() for score in outputs.scores))
            results.write("dead_letters.jsonl", _dead_letters(chunk))
        written = results.finish(store)
    if tally.events == 0:
        raise InputError(f"no event in {', '.join(map(str, captures))}: {tally.rejected()}")
    tally.print(json, written)


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


class Tally:
    """The short table at the end."""

    def __init__(self) -> None:
        self.events = 0
        self._rejects: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._windows: Counter[str] = Counter()
        self._alerts: dict[tuple[str, str, str, str], list[Alert]] = {}

    def add(self, chunk: Chunk, outputs: Outputs) -> None:
        """Take in what one chunk said."""
        self.events += sum(len(part) for part in chunk.columns)
        self._rejects.update(reject.reason.value for reject in chunk.rejects)
        for dropped in outputs.dropped:
            self._dropped[dropped.reason] += dropped.events
        seen = {(score.model, score.version, score.window.end): score.status for score in outputs.scores if score.revision == 1}
        self._windows.update(seen.values())
        for alert in outputs.alerts:
            if alert.status == "firing":
                self._alerts.setdefault((alert.model, alert.kind, alert.feature or "", alert.detector), []).append(alert)

    def rejected(self) -> str:
        """Why rows were rejected, in words."""
        return self._said(self._rejects) if self._rejects else "the files are empty"

    @staticmethod
    def _said(counts: Counter[str]) -> str:
        return ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common()) or "0"

    def print(self, json: bool, written: Sequence[Path]) -> None:
        """Print the summary."""
        if json:
            typer.echo(orjson.dumps(self._tree(), option=orjson.OPT_INDENT_2).decode())
            return
        out = console()
        windows = ", ".join(f"{count:,} {status}" for status, count in sorted(self._windows.items())) or "none"
        out.print(
            f"{self.events:,} events; windows: {windows}; rejected: {sum(self._rejects.values()):,}; dropped: {self._said(self._dropped)}"
        )
        if self._rejects:
            out.print(f"rejected rows are in {written[2]}: {self.rejected()}")
        out.print(self._table() if self._alerts else "no alert")
        out.print(f"written: {', '.join(str(path) for path in written)}")

    def _table(self) -> Table:
        """A row per feature: which detectors fired how often, and when for the first and the last time."""
        table = Table()
        for name in ("model", "feature", "kind", "alerts", "worst", "first window", "last"):
            table.add_column(name, no_wrap=True)
        by_feature: dict[tuple[str, str, str], dict[str, list[Alert]]] = {}
        for (model, kind, feature, detector), alerts in sorted(self._alerts.items()):
            by_feature.setdefault((model, feature, kind), {})[detector] = alerts
        for (model, feature, kind), found in by_feature.items():
            together = [alert for alerts in found.values() for alert in alerts]
            counts = ", ".join(f"{detector} {len(alerts)}" for detector, alerts in found.items())
            worst = max((alert.severity for alert in together), key=list(Severity).index)
            starts = sorted(alert.started_at[5:16].replace("T", " ") for alert in together)
            table.add_row(escape(model), escape(feature), kind, counts, worst, starts[0], starts[-1])
        return table

    def _tree(self) -> dict[str, Any]:
        alerts = [
            {
                "model": model,
                "kind": kind,
                "feature": feature,
                "detector": detector,
                "alerts": len(found),
                "first": found[0].started_at,
                "last": found[-1].started_at,
            }
            for (model, kind, feature, detector), found in sorted(self._alerts.items())
        ]
        return {
            "events": self.events,
            "rejects": dict(self._rejects),
            "dropped": dict(self._dropped),
            "windows": dict(self._windows),
            "alerts": alerts,
        }
