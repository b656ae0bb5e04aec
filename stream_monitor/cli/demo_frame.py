"""One frame of the demonstration's live view, as lines that fit the terminal. What it shows is what the pages show (`board.views`)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import Console
from rich.text import Text

from stream_monitor.capture.schema import StreamKey
from stream_monitor.cli.demo_figures import ACCURACY, COVERAGE, KINDS
from stream_monitor.cli.demo_stage import Stage, Turn
from stream_monitor.cli.demo_told import COLOURS, hour
from stream_monitor.detect.report import WindowScore
from stream_monitor.export.board import views

MODELS_MAX: Final = 3
"""By a line each; the others are on the pages."""
FULL: Final = 3.0
"""A bar is full at three times its threshold, so that the mark of the threshold never moves; the number beside it goes on."""
_COLUMNS: Final = (20, 9, 12, 16)
"""Widths of feature, state, detector, score over threshold; the bar has the rest."""


class Around(NamedTuple):
    """What a frame shows that is not on the board. rate: events a second of the wall clock; address: of the pages."""

    turn: Turn
    rate: float
    address: str


def frame(stage: Stage, around: Around, console: Console) -> Text:
    """At most as many lines as the console is high, each at most as wide."""
    width, height = console.size
    found = views.models(stage.board)[:MODELS_MAX]
    shown = [*_head(stage, around, console), Text(), *(_model(tree) for tree in found)]
    heard = next((each for each in found if each["silent_since"] is None and each["window"]), found[0] if found else None)
    tree = views.model(stage.board, StreamKey(heard["model"], heard["version"])) if heard else None
    if tree is not None:
        rows = [_titles(), *(_feature(each, width) for each in tree["features"]), *(_figure(stage, name) for name in KINDS)]
        shown += [*rows[: max((height - len(shown)) * 2 // 3, 2)], *_mended(stage, max((height - 20) // 4, 0)), Text()]
        shown += _firing([alert for each in found for alert in each["firing"]], console, height - len(shown))
    for line in shown:
        line.truncate(width, overflow="ellipsis")
    return Text("\n", end="").join(shown[:height])


def _head(stage: Stage, around: Around, console: Console) -> Iterator[Text]:
    turn, events, acts = around.turn, stage.traffic.events, stage.traffic.acts
    yield Text.assemble(("stream-monitor demo", "bold"), f"   {around.address}   ", ("Ctrl-C ends it", "dim"))
    counts = f"{turn.sent:,} of {events:,} events, {around.rate:,.0f} a second"
    size = max(console.width - len(counts) - 23, 0)
    done = size * turn.sent // events
    yield Text.assemble("event time ", (hour(turn.now_ms), "bold"), "  ", ("━" * done, "cyan"), ("─" * (size - done), "dim"), "  ", counts)
    act = f"Act {acts.index(turn.act) + 1} of {len(acts)} ({hour(turn.act.starts_ms)}): "
    yield from Text.assemble(act, (turn.act.says, "bold")).wrap(console, console.width)


def _model(tree: views.Tree) -> Text:
    name = " ".join(filter(None, (tree["model"], tree["version"])))
    window = tree["window"]
    seen = f"  window {window['start'][11:19]} to {window['end'][11:19]}, {window['events']:,} events" if window else ""
    silent = f"  no data since {tree['silent_since'][11:19]}" if tree["silent_since"] else ""
    state = tree["state"].replace("_", " ")
    return Text.assemble((name, "bold"), "  ", (state, COLOURS.get(state, "green" if state == "ok" else "")), silent, (seen, "dim"))


def _titles() -> Text:
    names = ("feature", "state", "detector", "score/threshold")
    return Text("".join(name.ljust(width) for name, width in zip(names, _COLUMNS, strict=True)) + "| is the threshold", "dim")


def _feature(tree: views.Tree, width: int) -> Text:
    state, ratio = tree["state"], tree["ratio"] or 0.0
    score = "" if tree["ratio"] is None else f"{tree['score']:.2f} / {tree['threshold']:.2f}"
    cells = zip((tree["feature"], state or ("ok" if score else ""), tree["detector"] or "", score), _COLUMNS, strict=True)
    name, *others = (_cell(text, size) for text, size in cells)
    colour = COLOURS.get(state, "green")
    size = width - sum(_COLUMNS) - 7
    return Text.assemble((name, "bold" if state else ""), (others[0], colour), *others[1:], (bar(ratio, size), colour), f"{ratio:6.1f}x")


def _figure(stage: Stage, name: str) -> Text:
    """How good the model is, in the columns of features: its value in the last window in which it could be judged, and over how much."""
    row = stage.figures.newest(name)
    severities = {alert.severity for alert in stage.firing() if alert.kind is KINDS[name]}
    state = next((each for each in COLOURS if each in severities), None)
    score = "" if row is None else f"{row.score or 0.0:.2f} / {row.threshold or 0.0:.2f}"
    about = "" if row is None else ", ".join(row.segment.values())
    cells = zip((name.replace("_", " "), state or ("ok" if row else ""), about, score), _COLUMNS, strict=True)
    title, *others = (_cell(text, size) for text, size in cells)
    seen = _seen(stage, row) if row else "no labels yet" if name == ACCURACY else ""
    return Text.assemble((title, "bold" if state else ""), (others[0], COLOURS.get(state or "", "green")), *others[1:], (seen, "dim"))


def _seen(stage: Stage, row: WindowScore) -> str:
    """Until when, in event time; how much of it has labels."""
    labelled = stage.figures.of(COVERAGE, row.window.end) if row.detector == ACCURACY else None
    return f"to {row.window.end[11:16]}" + ("" if labelled is None else f", {labelled:.0%} labelled")


def bar(ratio: float, size: int) -> str:
    """`size` characters, with a mark at 1 (the threshold), full from `FULL` on; none below 6. ratio: score over threshold, from 0 on."""
    if size < 6:
        return ""
    mark, done = round(size / FULL), round(size * min(ratio / FULL, 1.0))
    cells = "█" * done + "·" * (size - done)
    return cells[:mark] + "|" + cells[mark + 1 :]


def _cell(text: str, size: int) -> str:
    return (text if len(text) < size else text[: size - 2] + "…").ljust(size)


def _mended(stage: Stage, room: int) -> Iterator[Text]:
    """The last steps that were taken about alerts."""
    for now_ms, sentence in stage.done[-room:] if room else ():
        yield Text.assemble((f"{'mend':10}", "cyan"), hour(now_ms), f"  {sentence}")


def _firing(firing: list[views.Tree], console: Console, room: int) -> Iterator[Text]:
    """Alerts that fire, the worst first, in at most `room` lines: an even share of them for each sentence, as far as it needs it."""
    if not firing:
        yield Text("No alert is firing.", "green")
        return
    room = max(room - 1, 0)
    yield Text(f"Firing: {len(firing)}" + (f", of which {room} are shown" if len(firing) > room else ""), "bold")
    share = max(room // len(firing), 1)
    order = list(COLOURS)
    for alert in sorted(firing, key=lambda each: (order.index(each["severity"]), each["feature"] or ""))[:room]:
        sentence = list(Text(alert["summary"]).wrap(console, max(console.width - 10, 10)))
        if len(sentence) > share:
            sentence[share - 1].rstrip()
            sentence[share - 1].append(" …")
        for row, line in enumerate(sentence[:share]):
            yield Text.assemble((f"{'' if row else alert['severity']:10}", COLOURS[alert["severity"]]), line)
