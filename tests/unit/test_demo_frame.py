"""The demonstration's live view, frame by frame: it fits every terminal and shows what the pages show."""

import re
from itertools import pairwise

import pytest
from rich.console import Console
from rich.text import Text

from stream_monitor.capture.schema import StreamKey
from stream_monitor.cli.demo_acts import ACTS, SPAN_MS, START_MS
from stream_monitor.cli.demo_figures import KINDS
from stream_monitor.cli.demo_frame import FULL, Around, bar, frame
from stream_monitor.cli.demo_stage import Stage, Turn
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.export.board import views
from tests.demo_stage import played

END = Turn(now_ms=START_MS + SPAN_MS, sent=8_000, act=ACTS[1], begins=False, alerts=[])
SIZES = [(80, 24), (200, 60), (40, 12), (20, 5), (1, 1)]


def drawn(stage: Stage, width: int, height: int, turn: Turn = END) -> list[Text]:
    around = Around(turn, rate=660.0, address="http://127.0.0.1:9108/")
    return list(frame(stage, around, Console(width=width, height=height)).split("\n"))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_frame_fits_the_terminal(width: int, height: int) -> None:
    found = drawn(played(), width, height)
    assert 0 < len(found) <= height
    assert max(line.cell_len for line in found) <= width


def test_80_columns_and_24_lines_hold_all_of_the_story() -> None:
    found = [line.plain for line in drawn(played(), 80, 24)]
    said = "\n".join(found)
    tree = views.model(played().board, StreamKey("loan", None))
    assert tree is not None
    rows = [line.split()[0] for line in found if line.endswith("x")]
    assert rows == [each["feature"] for each in tree["features"]], "all of them, in the order of the page"
    for name in KINDS:
        assert re.search(rf"{name.replace('_', ' ')}.* \d\.\d\d / ", said), "and how good the model is"
    assert ACTS[1].says in said
    assert "8,000 of 8,000 events, 660 a second" in said
    assert f"Firing: {len(tree['firing'])}" in said


def test_a_higher_terminal_shows_every_alert() -> None:
    said = "\n".join(line.plain for line in drawn(played(), 80, 40))
    tree = views.model(played().board, StreamKey("loan", None))
    assert tree is not None
    assert f"Firing: {len(tree['firing'])}\n" in said
    for alert in tree["firing"]:
        assert alert["summary"][:40] in said


def test_what_labels_told_has_the_severity_of_its_alert() -> None:
    rows = {line.plain[:20].strip(): line.plain for line in drawn(played(len(ACTS)), 80, 24)}
    assert "critical" in rows["accuracy"]
    assert rows["accuracy"].endswith("labelled")
    assert "critical female" in rows["disparate impact"]


def test_many_alerts_are_counted_and_the_worst_are_shown() -> None:
    found = [line.plain for line in drawn(played(), 80, 16)]
    assert any(re.fullmatch(r"Firing: \d+, of which 2 are shown", line) for line in found)
    assert [line[:8] for line in found[-2:]] == ["critical"] * 2


def test_before_the_first_window_there_is_something_to_see() -> None:
    stage = Stage(Traffic.seeded(3, 400))
    first = Turn(START_MS, sent=0, act=ACTS[0], begins=True, alerts=[])
    assert ACTS[0].says in "\n".join(line.plain for line in drawn(stage, 80, 24, first))
    said = "\n".join(line.plain for line in drawn(stage, 80, 24, next(stage.play())))
    assert "No alert is firing." in said


@pytest.mark.parametrize(("height", "shown"), [(20, []), (24, ["retire"]), (40, ["collect", "retrain", "deploy", "verify", "retire"])])
def test_what_was_done_about_alerts_is_shown_the_last_first_to_stay(height: int, shown: list[str]) -> None:
    stage = Stage(Traffic.seeded(3, 400))
    turn = next(stage.play())
    stage.done = [(START_MS, f"{step}: version 2") for step in ("collect", "retrain", "deploy", "verify", "retire")]
    found = [line.plain for line in drawn(stage, 80, height, turn)]
    assert [line.split()[2].rstrip(":") for line in found if line.startswith("mend ")] == shown
    assert len(found) <= height


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(0.0, "···|·····"), (0.7, "██·|·····"), (1.0, "███|·····"), (2.0, "███|██···"), (FULL, "███|█████"), (1e9, "███|█████")],
)
def test_a_bar_has_the_threshold_at_one_place(ratio: float, expected: str) -> None:
    assert bar(ratio, 9) == expected


def test_the_acts_follow_each_other_from_the_start() -> None:
    assert ACTS[0].starts_ms == START_MS
    assert all(before.starts_ms < after.starts_ms for before, after in pairwise(ACTS))
