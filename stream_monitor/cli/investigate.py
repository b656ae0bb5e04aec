"""`stream-monitor investigate`: where the change that an alert tells of comes from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.alert.contribution import Contribution
from stream_monitor.alert.investigation import Investigation, window_scores
from stream_monitor.alert.investigation import investigate as ranked
from stream_monitor.alert.wording import percent
from stream_monitor.cli.console import console
from stream_monitor.config import load_config
from stream_monitor.detect.report import WindowScore
from stream_monitor.errors import CodecError, InputError
from stream_monitor.export.logs import configure_logs
from stream_monitor.runtime.broker import Broker, TopicPartition
from stream_monitor.runtime.topics import ALERTS, WINDOWS

Line = TypeVar("Line")
MESSAGES_MAX: Final = 200_000
"""Of a topic, over all partitions: some 60 MB of window scores."""
_SHARES: Final = {"of the change": "share", "before": "before", "now": "now"}


def investigate(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert, or the beginning of its id.")],
    folder: Annotated[Path | None, typer.Option("--from", metavar="DIR", help="What `replay` or `demo --out` wrote.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="monitor.yaml: read the topics of its Kafka.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Rank what contributed to a change: bins, segments, versions, features, sources."""
    if (folder is None) == (config is None):
        raise InputError("where is it? name --from DIR, what `replay` wrote, or --config FILE, whose Kafka is read")
    alert, rows = _of_files(alert_id, folder) if folder is not None else _of_topics(alert_id, config or Path())
    found = ranked(alert, rows)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    out = console()
    out.print(f"{escape(alert.annotations.summary)}\n{escape(found.sentence)}")
    for title, group in _groups(found):
        out.print(_table(title, group))


def _of_files(alert_id: str, folder: Path) -> tuple[Alert, Iterable[WindowScore]]:
    alert = _alert(alert_id, _read(folder / "alerts.jsonl", _alerts), str(folder / "alerts.jsonl"))
    return alert, _read(folder / "windows.jsonl", window_scores)


def _of_topics(alert_id: str, config: Path) -> tuple[Alert, Iterable[WindowScore]]:
    """What is committed now; of the window scores the newest `MESSAGES_MAX`."""
    from stream_monitor.runtime.kafka import KafkaBroker

    configure_logs("error")
    loaded = load_config(config)
    broker = KafkaBroker.of(loaded)
    try:
        topic = loaded.topics.own(ALERTS)
        alert = _alert(alert_id, map(Alert.from_json, _newest(broker, topic, None)), topic)
        return alert, list(window_scores(_newest(broker, loaded.topics.own(WINDOWS), alert.model.encode())))
    except CodecError as error:
        raise InputError(str(error)) from None
    finally:
        broker.close()


def _newest(broker: Broker, topic: str, key: bytes | None) -> Iterator[bytes]:
    """The values of its newest messages, those of a key or all."""
    count = broker.partition_count(topic)
    if count is None:
        raise InputError(f"there is no topic {topic!r}: `stream-monitor run` creates it")
    for partition in (TopicPartition(topic, number) for number in range(count)):
        for message in broker.read(partition, max(0, broker.end_offset(partition) - MESSAGES_MAX // count)):
            if key is None or message.key() == key:
                yield message.value() or b""


def _alert(alert_id: str, all_of_them: Iterable[Alert], where: str) -> Alert:
    """Its last publication that tells of a finding: what resolves an alert tells that nothing is wrong any more."""
    alerts = [alert for alert in all_of_them if alert.alert_id.startswith(alert_id)]
    if len({alert.alert_id for alert in alerts}) != 1:
        raise InputError(f"{alert_id}: {len({alert.alert_id for alert in alerts})} alerts of {where} are called so")
    return next((alert for alert in reversed(alerts) if alert.status is not AlertStatus.RESOLVED), alerts[-1])


def _alerts(lines: Iterable[bytes]) -> Iterator[Alert]:
    return map(Alert.from_json, lines)


def _read(path: Path, decoded: Callable[[Iterable[bytes]], Iterator[Line]]) -> list[Line]:
    try:
        with path.open("rb") as lines:
            return list(decoded(lines))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except CodecError as error:
        raise InputError(f"{path}: {error}") from None


def _groups(found: Investigation) -> Iterator[tuple[str, Sequence[Contribution]]]:
    """Those that tell something."""
    for title in ("bins", "producers", "segments", "versions", "features", "sources"):
        group: Sequence[Contribution] = getattr(found, title)
        if group:
            yield title, group


def _table(title: str, group: Sequence[Contribution]) -> Table:
    """Columns in which something is known."""
    scores = ["" if each.score is None else f"{each.score:.3g}" for each in group]
    sides = {name: [getattr(each, field) for each in group] for name, field in _SHARES.items()}
    shares = {name: ["" if share is None else percent(share) for share in side] for name, side in sides.items()}
    columns = {"of the change": shares.pop("of the change"), "score": scores, **shares}
    told = {name: texts for name, texts in columns.items() if any(texts)}
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in told:
        table.add_column(name, justify="right")
    for each, *texts in zip(group, *told.values(), strict=True):
        table.add_row(escape(each.name), *texts)
    return table
