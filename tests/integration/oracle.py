"""What must have come out: `stream-monitor replay` over the captures, and plain counting."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import confluent_kafka as client
import orjson
from confluent_kafka import Consumer

from stream_monitor.detect.transit import DELAY, SKEW
from stream_monitor.runtime.broker import Message, TopicPartition
from tests.integration.stack import ROOT, SIZE_MS, Stack
from tests.integration.traffic import BAD_HEADER, CLOSER_HEADER, Traffic
from tests.integration.waiting import wait_until

Row = dict[str, Any]
Coordinates = tuple[int, int]


@dataclass(frozen=True)
class Verdict:
    """How much was compared."""

    events: int
    dead_letters: int
    windows: int
    scores: int
    alerts: int
    resolved: int

    def __str__(self) -> str:
        return (
            f"{self.events:,} events, {self.dead_letters:,} dead letters, {self.windows} windows ({self.scores:,} scores), "
            f"{self.alerts} alerts ({self.resolved} resolved)"
        )


@dataclass(frozen=True)
class Dump:
    """The captures as they lie on the topic."""

    files: list[Path]
    events: Counter[tuple[str, int]]
    """(model, end of the window in ms) -> good events."""
    bad: dict[Coordinates, Message]


def wait_until_closed(stack: Stack, traffic: Traffic, deadline_s: float = 90.0) -> None:
    """Wait until every model's last window is on the windows topic."""
    last = utc(_end_of(traffic.last_ms))
    wanted = set(traffic.models)
    stack.wait_for_rows(
        "windows", lambda rows: wanted <= {row["model"] for row in rows if row["window"]["end"] == last}, f"windows to {last}", deadline_s
    )


def judge(stack: Stack, traffic: Traffic) -> Verdict:
    """Compare all that a run has published with a replay of the same captures: equal, nothing lost, nothing twice."""
    wait_until_settled(stack)
    dump = dump_captures(stack, traffic)
    last = utc(_end_of(traffic.last_ms))
    windows = [row for row in stack.rows("windows") if _is_comparable(row, last)]
    alerts = [row for row in stack.rows("alerts") if _is_comparable(row, last)]
    replayed = replay(stack, dump.files)
    once(windows, window_key, "window score")
    once(alerts, lambda alert: (alert["alert_id"],), "alert")
    same(final(windows, window_key), final(replayed["windows"], window_key))
    same(final(alerts, lambda alert: (alert["alert_id"],)), final(replayed["alerts"], lambda alert: (alert["alert_id"],)))
    assert counted(windows) == dump.events, f"events per window differ: {counted(windows) - dump.events}, {dump.events - counted(windows)}"
    check_dead_letters(stack, dump)
    ids = {alert["alert_id"] for alert in alerts}
    resolved = {alert["alert_id"] for alert in alerts if alert["status"] == "resolved"}
    return Verdict(sum(dump.events.values()), len(dump.bad), len(dump.events), len(windows), len(ids), len(resolved))


def _is_comparable(row: Row, last: str) -> bool:
    """Not what only messages on Kafka tell: when they were sent. And where the captures end, a replay's last window is cut short, and its
    traffic is not judged; live, time went on.
    """
    is_cut_short = row["window"]["end"] == last and row["detector"] in ("volume", "silence")
    return row["window"]["end"] <= last and not is_cut_short and row["detector"] not in (DELAY, SKEW)


def wait_until_settled(stack: Stack, deadline_s: float = 60.0) -> None:
    """Wait until no transaction is open on the topics that are compared: what lies behind one cannot be read yet."""
    probe = Consumer({"bootstrap.servers": stack.bootstrap_servers, "group.id": "probe", "isolation.level": "read_uncommitted"})

    def settled() -> bool:
        partitions = [TopicPartition(stack.config().topics.own(name), 0) for name in ("windows", "alerts", "dead-letters")]
        ends = [probe.get_watermark_offsets(client.TopicPartition(*partition), timeout=10)[1] for partition in partitions]
        return [stack.broker.end_offset(partition) for partition in partitions] == ends

    try:
        wait_until(settled, "the end of all transactions", deadline_s)
    finally:
        probe.close()


def dump_captures(stack: Stack, traffic: Traffic) -> Dump:
    """Write the good captures to a file per partition; AssertionError where the topic does not hold what was sent."""
    files = [stack.folder / f"captures-{partition}.jsonl" for partition in range(stack.partitions)]
    lines: list[list[bytes]] = [[] for _ in files]
    events: Counter[tuple[str, int]] = Counter()
    bad: dict[Coordinates, Message] = {}
    for message in stack.read(stack.captures):
        marks = dict(message.headers() or [])
        if BAD_HEADER in marks:
            bad[message.partition(), message.offset()] = message
        elif CLOSER_HEADER not in marks:
            value = message.value() or b""
            event = orjson.loads(value)
            events[event["model"], _end_of(event["time"])] += 1
            lines[message.partition()].append(value)
    assert (sum(events.values()), len(bad)) == (traffic.good, traffic.bad), "the captures topic does not hold what was sent"
    for file, values in zip(files, lines, strict=True):
        file.write_bytes(b"".join(value + b"\n" for value in values))
    return Dump(files, events, bad)


def replay(stack: Stack, files: Iterable[Path]) -> dict[str, list[Row]]:
    """What `stream-monitor replay` says to these files, under the config that was run."""
    out = stack.folder / "replayed"
    command = [
        sys.executable,
        "-m",
        "stream_monitor",
        "replay",
        "--config",
        str(stack.config_file("oracle")),
        "--out",
        str(out),
        "--captures",
    ]
    done = subprocess.run([*command, *map(str, files)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: [orjson.loads(line) for line in (out / f"{name}.jsonl").read_bytes().splitlines()] for name in ("windows", "alerts")}


def window_key(row: Row) -> tuple[Any, ...]:
    """What a window score is about."""
    segment = orjson.dumps(row["segment"], option=orjson.OPT_SORT_KEYS)
    return (row["model"], row["version"], segment, row["window"]["end"], row["feature"], row["detector"])


def once(rows: Iterable[Row], key: Any, what: str) -> None:
    """No revision was published twice, none was left out, and none was needed: no event was late."""
    seen = Counter((*key(row), row["revision"]) for row in rows)
    twice = [place for place, count in seen.items() if count > 1]
    assert not twice, f"{len(twice)} times the same revision of a {what}: {twice[:3]}"
    highest: dict[Any, int] = {}
    for *place, revision in seen:
        highest[tuple(place)] = max(revision, highest.get(tuple(place), 0))
    assert sum(highest.values()) == len(seen), f"revisions of a {what} are missing"
    if what == "window score":
        revised = [place for place, revision in highest.items() if revision > 1]
        assert not revised, f"{len(revised)} window scores were revised though no event was late: {revised[:3]}"


def final(rows: Iterable[Row], key: Any) -> dict[Any, bytes]:
    """The last revision of each, as bytes, without what may differ: the clock, the revision, coordinates of samples."""
    last: dict[Any, Row] = {}
    for row in rows:
        known = last.get(key(row))
        if known is None or row["revision"] > known["revision"]:
            last[key(row)] = row
    return {place: orjson.dumps(_comparable(row), option=orjson.OPT_SORT_KEYS) for place, row in last.items()}


def same(live: dict[Any, bytes], replayed: dict[Any, bytes]) -> None:
    """AssertionError that names the first differences."""
    lost, added = sorted(replayed.keys() - live.keys(), key=repr), sorted(live.keys() - replayed.keys(), key=repr)
    unlike = [key for key in live.keys() & replayed.keys() if live[key] != replayed[key]]
    shown = [f"live {live[key]!r}\nreplay {replayed[key]!r}" for key in sorted(unlike, key=repr)[:2]]
    told = f"of {len(replayed)}: {len(lost)} lost {lost[:3]}, {len(added)} added {added[:3]}, {len(unlike)} unlike"
    assert len(lost) + len(added) + len(unlike) == 0, "\n".join([told, *shown])


def counted(windows: Iterable[Row]) -> Counter[tuple[str, int]]:
    """Events per model and window, as the windows topic has them; a window that borrowed from those before it counts its own part."""
    spans = {(row["model"], _ms(row["window"]["end"])): row["window"] for row in windows}
    events: Counter[tuple[str, int]] = Counter()
    for (model, end), span in sorted(spans.items()):
        borrowed = sum(events[model, other] for other in range(_ms(span["start"]) + SIZE_MS, end, SIZE_MS))
        events[model, end] = span["events"] - borrowed
    return events


def check_dead_letters(stack: Stack, dump: Dump) -> None:
    """Each bad message is a dead letter once, with its bytes, key, coordinates, reason and headers; nothing else is."""
    letters: Counter[Coordinates] = Counter()
    for letter in stack.read(f"{stack.prefix}.dead-letters"):
        headers = {name: value for name, value in letter.headers() or [] if value is not None}
        place = (int(headers["partition"]), int(headers["offset"]))
        letters[place] += 1
        source = dump.bad[place]
        assert headers["topic"].decode() == stack.captures
        assert headers["reason"] == headers[f"source.{BAD_HEADER}"], headers
        assert int(headers["timestamp_ms"]) == source.timestamp()[1]
        assert headers["detail"], headers
        assert (letter.key(), letter.value()) == (source.key(), source.value()), headers
    wanted = Counter(dict.fromkeys(dump.bad, 1))
    assert letters == wanted, f"dead letters are missing {wanted - letters}, or twice {letters - wanted}"


def utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time_ms % 1000:03}Z"


def _comparable(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name not in ("revision", "detected_at")}
    if "evidence" in kept:
        kept["evidence"] = {name: value for name, value in kept["evidence"].items() if name != "samples"}
    return kept


def _end_of(time_ms: int) -> int:
    return time_ms - time_ms % SIZE_MS + SIZE_MS


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
