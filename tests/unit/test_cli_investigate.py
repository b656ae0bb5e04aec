"""`stream-monitor investigate` on the files that a replay writes."""

import json
from pathlib import Path

import pytest

from stream_monitor.cli.investigate import investigate
from stream_monitor.detect.report import Span, WindowScore
from stream_monitor.errors import InputError
from tests.respond.alerts import ALERT, RESOLVED, at

WHOLE, ENDED = (at(alert, segment={}, version=None) for alert in (ALERT, RESOLVED))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    given = (("north", 2.0, 300), ("south", 1.0, 100))
    spans = [Span(WHOLE.window.start, WHOLE.window.end, events) for *_, events in given]
    rows = [
        WindowScore("loan", None, {"region": name}, span, 1, "income", "psi", score, 0.2, None, "judged")
        for (name, score, _), span in zip(given, spans, strict=True)
    ]
    alerts = [WHOLE, ENDED, at(WHOLE, alert_id="other")]
    (tmp_path / "windows.jsonl").write_bytes(b"".join(row.to_json() + b"\n" for row in rows))
    (tmp_path / "alerts.jsonl").write_bytes(b"".join(alert.to_json() + b"\n" for alert in alerts))
    return tmp_path


def test_a_table_for_each_group(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    investigate(WHOLE.alert_id[:6], folder)
    told = capsys.readouterr().out
    assert told.splitlines()[0] == WHOLE.annotations.summary
    assert "86 % of the change comes from region = north" in told
    assert "segments" in told
    assert "versions" not in told


def test_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    investigate(WHOLE.alert_id, folder, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told["segments"]] == ["region = north", "region = south"]


def test_mistakes_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    for wrong in ("", "no-such"):
        with pytest.raises(InputError, match=r"alerts of .* are called so"):
            investigate(wrong, folder)
    with pytest.raises(InputError, match="cannot be read"):
        investigate("x", tmp_path / "none")
    for both in ((None, None), (folder, folder)):
        with pytest.raises(InputError, match="name --from DIR"):
            investigate("x", *both)
    (folder / "windows.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="not a window score"):
        investigate(WHOLE.alert_id, folder)
