"""Real data through `baseline` and `replay`: what fires, and where people saw a change.

The series are packed with river: the annotated ones of `river.drift.datasets` (five people marked where each changes) and
`river.datasets.Shuttle`. Rows become capture events, one per minute in the data's order; the first rows are the training data, the rest
is replayed with the commands of the README.

    python -m benchmarks.real_input [NAME …]         prints the tables of docs/real-input.md
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import orjson
import yaml
from river.datasets import Shuttle
from river.drift import datasets as annotated

from benchmarks.real_peers import RIVER, Worth, river_alarms, worth

START_MS = 1_577_836_800_000  # 2020-01-01: event times before 2000 are rejected, so dates of 1913 cannot be kept
MINUTE_MS = 60_000
MARGIN = 5
"""Annotations so many steps apart mean one change, as in the data's paper (van den Burg and Williams 2020)."""
AGREEING = 3
"""Of five annotators."""
TRAINING_SHARE = 0.6
"""Of the rows before the first change that people agree on."""
WINDOWS_PER_TRAINING = 3
WINDOW_ROWS_MIN = 10


@dataclass(frozen=True, slots=True)
class Series:
    """Rows in order, and what is known of them. changes: rows at which something changes; training, window: rows."""

    name: str
    rows: Sequence[dict[str, float]]
    outputs: Sequence[Any]
    changes: tuple[int, ...]
    training: int
    window: int

    def lines(self, start: int, stop: int) -> Iterator[bytes]:
        for number, (row, output) in enumerate(zip(self.rows[start:stop], self.outputs[start:stop], strict=True), start):
            time_ms = START_MS + number * MINUTE_MS
            yield orjson.dumps({"event_id": f"row-{number}", "model": "series", "time": time_ms, "features": row, "prediction": output})


def annotated_series(name: str) -> Series:
    """A series of river.drift.datasets; its output is a forecast by the value before."""
    dataset = getattr(annotated, name)()
    first, step = SAMPLING.get(name, ("", 1))
    rows = [numbers(target) for x, target in dataset if str(next(iter(x.values()))) >= first]
    changes = tuple(change * step for change in agreed(list(dataset.annotations.values())))
    training = int(changes[0] * TRAINING_SHARE)
    outputs = [{"value": next(iter(before.values()))} for before in (rows[0], *rows[:-1])]
    return Series(name, rows, outputs, changes, training, max(WINDOW_ROWS_MIN, training // WINDOWS_PER_TRAINING))


SAMPLING = {"Apple": ("", 3), "BrentSpotPrice": ("2000-01-01", 10)}
"""These were annotated on every n-th row (from a day on), but river ships all rows."""


def numbers(target: Any) -> dict[str, float]:
    return {name: float(value) for name, value in target.items()} if isinstance(target, dict) else {"value": float(target)}


def agreed(annotations: Sequence[Sequence[int]]) -> list[int]:
    """Changes that at least `AGREEING` annotators marked within `MARGIN` steps of each other; the middle one of each."""
    marks = sorted((mark, who) for who, of_one in enumerate(annotations) for mark in of_one)
    groups: list[list[tuple[int, int]]] = [[marks[0]]]
    for before, mark in pairwise(marks):
        if mark[0] - before[0] <= MARGIN:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return [group[len(group) // 2][0] for group in groups if len({who for _, who in group}) >= AGREEING]


def shuttle(gathered: bool) -> Series:
    """49,097 readings of a space shuttle; the output is the class. gathered: half of the anomalies stand in the last fifth of the rows."""
    pairs = [(numbers(x), str(y)) for x, y in Shuttle()]
    change = len(pairs) * 4 // 5
    if gathered:
        pairs = gather(pairs, change)
    rows, outputs = [x for x, _ in pairs], [{"label": y} for _, y in pairs]
    return Series("Shuttle, gathered" if gathered else "Shuttle", rows, outputs, (change,) if gathered else (), 10_000, 1_000)


def gather(pairs: Sequence[tuple[dict[str, float], str]], change: int) -> list[tuple[dict[str, float], str]]:
    """The same rows: half of the anomalies before `change` change places with normal rows after it, by a seed."""
    random_ = random.Random(7)
    moved = list(pairs)
    early = [row for row in range(change) if pairs[row][1] == "1"]
    late = [row for row in range(change, len(pairs)) if pairs[row][1] == "0"]
    for one, other in zip(random_.sample(early, len(early) // 2), random_.sample(late, len(early) // 2), strict=True):
        moved[one], moved[other] = moved[other], moved[one]
    return moved


# ---- the commands of the README, on files


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert from its first firing window [start, stop) to the window that resolved it; all in rows."""

    feature: str
    start: int
    stop: int
    said: dict[str, Any]
    resolved: int | None


@dataclass(slots=True)
class Found:
    """What one replay said. windows: status by end; alerts: in the order in which they began."""

    windows: dict[str, str] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)


def row_of(text: str) -> int:
    """The row of the series at a time."""
    return (round(datetime.fromisoformat(text).timestamp() * 1000) - START_MS) // MINUTE_MS


def replayed(series: Series, folder: Path) -> Found:
    training, captures, out = folder / "training.jsonl", folder / "captures.jsonl", folder / "out"
    training.write_bytes(b"\n".join(series.lines(0, series.training)))
    captures.write_bytes(b"\n".join(series.lines(series.training, len(series.rows))))
    window = {"size": f"{series.window}m", "events_min": min(series.window, 200)}
    config = {"models": {"series": {"baseline": "baseline.json", "window": window}}}
    (folder / "monitor.yaml").write_text(yaml.safe_dump(config))
    command("baseline", str(training), "--out", str(folder / "baseline.json"))
    command("replay", "--config", str(folder / "monitor.yaml"), "--captures", str(captures), "--out", str(out))
    found = Found()
    for line in (out / "windows.jsonl").read_bytes().splitlines():
        score = orjson.loads(line)
        end = score["window"]["end"]
        found.windows[end] = "judged" if "judged" in (score["status"], found.windows.get(end)) else score["status"]
    found.alerts = list(alerts_in(out / "alerts.jsonl"))
    return found


def alerts_in(file: Path) -> Iterator[Alert]:
    said = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    ended = {one["alert_id"]: row_of(one["window"]["end"]) for one in said if one["status"] == "resolved"}
    for one in said:
        if one["status"] == "firing":
            window = one["window"]
            yield Alert(one["feature"], row_of(window["start"]), row_of(window["end"]), one, ended.get(one["alert_id"]))


def command(*arguments: str) -> None:
    """A command of ours. Raises SystemExit with what it said where it fails."""
    done = subprocess.run([sys.executable, "-m", "stream_monitor", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"stream-monitor {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


# ---- what is printed


HEADER = (
    "series",
    "rows",
    "training",
    "window",
    "agreed changes",
    "windows judged / too few",
    "alerts before the first change",
    "at the changes: new / firing already / quiet",
    "first new alert",
)


def summary(series: Series, found: Found) -> tuple[str, ...]:
    """One row of the table."""
    judged = sum(status == "judged" for status in found.windows.values())
    first = series.changes[0] if series.changes else len(series.rows)
    states = [state_at(change, series.window, found) for change in series.changes]
    return (
        series.name,
        f"{len(series.rows):,}",
        f"{series.training:,}",
        f"{series.window:,}",
        ", ".join(f"{change:,}" for change in series.changes) or "none",
        f"{judged} / {len(found.windows) - judged}",
        f"{sum(alert.stop <= first for alert in found.alerts)}",
        " / ".join(str(states.count(state)) for state in STATES) if states else "-",
        first_new(series, found),
    )


STATES = ("new", "firing", "quiet")


def state_at(change: int, window: int, found: Found) -> str:
    """`new`: an alert begins in a window that ends at most two windows after the change; else whether one is firing all the while."""
    if any(change < alert.stop <= change + 2 * window for alert in found.alerts):
        return "new"
    later = change + window
    return "firing" if any(a.stop <= change and (a.resolved is None or a.resolved > later) for a in found.alerts) else "quiet"


def first_new(series: Series, found: Found) -> str:
    """How far behind its change the first window lies that raises an alert at one."""
    for change in series.changes:
        for alert in found.alerts:
            if change < alert.stop <= change + 2 * series.window:
                return f"{alert.stop - change:,} rows after {change:,}"
    return "-"


def story(series: Series, found: Found) -> Iterator[str]:
    """What began, a line per window and feature, at most ten."""
    grouped: dict[tuple[int, int, str], list[str]] = {}
    texts: dict[tuple[int, int, str], str] = {}
    for alert in found.alerts:
        moved = alert.said["evidence"]["moved"]
        grouped.setdefault((alert.start, alert.stop, alert.feature), []).append(f"{alert.said['detector']} {alert.said['score']:.2f}")
        if moved:
            most = moved[0]
            texts[alert.start, alert.stop, alert.feature] = f"{most['bin']}: {most['baseline']:.0%} -> {most['window']:.0%}"
    for (start, stop, feature), detectors in islice(grouped.items(), 10):
        yield f"- {series.name} [{start:,}, {stop:,}): {feature}: {', '.join(detectors)}; {texts.get((start, stop, feature), '')}"
    if len(grouped) > 10:
        yield f"- {series.name}: … and {len(grouped) - 10} more"


def peers(series: Series, found: Found) -> dict[str, Worth]:
    """Ours (alerts that page; all) and river's detectors, by the same rule: an alarm within two windows behind a change finds it."""
    reach = 2 * series.window
    ours = {
        "ours, paging": [alert.stop for alert in found.alerts if alert.said["severity"] != "info"],
        "ours, all": [alert.stop for alert in found.alerts],
    }
    theirs = {
        f"{name}, {'standardised' if standardised else 'raw'}": river_alarms(make, series.rows, series.training, standardised=standardised)
        for name, make in RIVER.items()
        for standardised in (True, False)
    }
    return {name: worth(sorted(alarms), series.changes, reach) for name, alarms in (ours | theirs).items()}


def peers_table(by_series: Mapping[str, Mapping[str, Worth]]) -> Iterator[str]:
    """A row per judge: found of the changes / false alarms in each series, and F1 over all of them."""
    yield f"| judge | {' | '.join(by_series)} | all | F1 |"
    yield f"|{'---|' * (len(by_series) + 3)}"
    for judge in next(iter(by_series.values())):
        each = [of_one[judge] for of_one in by_series.values()]
        total = Worth(*(sum(parts) for parts in zip(*each, strict=True)))
        cells = [f"{one.found} of {one.changes} / {one.false}" for one in (*each, total)]
        yield f"| {judge} | {' | '.join(cells)} | {total.f1:.2f} |"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Markdown."""
    yield f"| {' | '.join(HEADER)} |"
    yield f"|{'---|' * len(HEADER)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these series")
    names = parser.parse_args().names
    every = [shuttle(gathered=False), shuttle(gathered=True), *map(annotated_series, annotated.__all__)]
    rows: list[tuple[str, ...]] = []
    stories: list[str] = []
    beside: dict[str, dict[str, Worth]] = {}
    for series in every:
        if not names or series.name in names:
            with tempfile.TemporaryDirectory() as folder:
                found = replayed(series, Path(folder))
            rows.append(summary(series, found))
            stories += story(series, found)
            beside[series.name] = peers(series, found)
    print("\n".join(table(rows)))
    print()
    print("\n".join(peers_table(beside)))
    print()
    print("\n".join(stories))


if __name__ == "__main__":
    main()
