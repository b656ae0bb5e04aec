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
from stream_monitor.errors import CodecError, InputError

Line = TypeVar("Line")
_SHARES: Final = {"of the change": "share", "before": "before", "now": "now"}


def investigate(
    alert_id: Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert, or the beginning of its id.")],
    folder: Annotated[Path, typer.Option("--from", metavar="DIR", help="What `replay` or `demo --out` wrote.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Rank what contributed to a change: bins, segments, versions, features, sources."""
    alert = _alert(alert_id, folder)
    found = ranked(alert, _read(folder / "windows.jsonl", window_scores))
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    out = console()
    out.print(f"{escape(alert.annotations.summary)}\n{escape(found.sentence)}")
    for title, group in _groups(found):
        out.print(_table(title, group))


def _alert(alert_id: str, folder: Path) -> Alert:
    """Its last publication that tells of a finding: what resolves an alert tells that nothing is wrong any more."""
    alerts = [alert for alert in _read(folder / "alerts.jsonl", _alerts) if alert.alert_id.startswith(alert_id)]
    if len({alert.alert_id for alert in alerts}) != 1:
        raise InputError(f"{alert_id}: {len({alert.alert_id for alert in alerts})} alerts of {folder / 'alerts.jsonl'} are called so")
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
    for title in ("bins", "segments", "versions", "features", "sources"):
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
