"""A file of events through `stream-monitor replay`, against a baseline of earlier ones."""

from pathlib import Path
from typing import Any

import msgspec
import orjson
from typer.testing import CliRunner

from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump
from stream_monitor.cli.app import app
from stream_monitor.detect.report import WindowScore


def replayed(
    folder: Path, bodies: list[dict[str, Any]], past: list[dict[str, Any]], options: BuildOptions | None = None, **model: Any
) -> tuple[list[WindowScore], list[Alert]]:
    """Window scores and alerts, in order, of windows of a minute. options: of the baseline; model: further settings of it."""
    (folder / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, bodies)))
    (folder / "past.jsonl").write_bytes(b"\n".join(map(orjson.dumps, past)))
    (folder / "loan.json").write_bytes(dump(build([folder / "past.jsonl"], options or BuildOptions()).baseline))
    tree = {"models": {"loan": {"baseline": "loan.json", "window": {"size": "1m"}, **model}}}
    (folder / "monitor.yaml").write_bytes(orjson.dumps(tree))
    arguments = ["--config", str(folder / "monitor.yaml"), "--captures", str(folder / "events.jsonl"), "--out", str(folder / "out")]
    result = CliRunner().invoke(app, ["replay", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    windows, alerts = ((folder / "out" / name).read_bytes().splitlines() for name in ("windows.jsonl", "alerts.jsonl"))
    return [msgspec.json.decode(line, type=WindowScore) for line in windows], [Alert.from_json(line) for line in alerts]
