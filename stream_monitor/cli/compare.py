"""Two replays side by side: which alerts another config would have raised, and which it would not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert
from stream_monitor.cli.tally import subject_of, worst_of
from stream_monitor.detect.finding import Severity
from stream_monitor.errors import CodecError, InputError


class Change(StrEnum):
    """What became of an alert from the earlier replay to this one."""

    NEW = "new"
    GONE = "gone"
    MOVED = "moved"
    """Of the same subject and overlapping in time, but led by another detector or begun at another window."""
    CHANGED = "changed"
    """The same alert, with another worst severity or end."""


@dataclass(frozen=True, slots=True)
class Life:
    """One alert from its first publication to its last. ended_at: None where it still fires."""

    first: Alert
    severity: Severity
    ended_at: str | None

    def overlaps(self, other: "Life") -> bool:
        """Whether both fired at some time."""
        return (other.ended_at is None or self.first.started_at < other.ended_at) and (
            self.ended_at is None or other.first.started_at < self.ended_at
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One alert that is not the same in both; before: None for a new one, now: None for one that is gone."""

    change: Change
    before: Life | None
    now: Life | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences, by time, and how many alerts are the same in both."""

    differences: tuple[Difference, ...]
    same: int

    def table(self) -> Table | None:
        """A row per difference; None where there is none."""
        if not self.differences:
            return None
        table = Table()
        for name in ("change", "model", "segment", "feature", "kind", "before", "now"):
            table.add_column(name, no_wrap=name not in ("before", "now"))
        for each in self.differences:
            life = each.now or each.before
            assert life is not None
            model, segment, feature, kind = subject_of(life.first)
            table.add_row(
                each.change, escape(model), escape(segment), escape(feature) or "(all)", kind, _said(each.before), _said(each.now)
            )
        return table

    def tree(self) -> dict[str, Any]:
        """The same, for `--json`."""
        rows = [{"change": each.change.value, "before": _tree(each.before), "now": _tree(each.now)} for each in self.differences]
        return {"same": self.same, "differences": rows}


def compare(before: Iterable[Alert], now: Iterable[Alert]) -> Comparison:
    """Match the alerts of two replays: the same by fingerprint and first window; else, of the same subject, those that overlap in time."""
    old, new = lives(before), lives(now)
    both = [key for key in old if key in new]
    changed = [Difference(Change.CHANGED, old[key], new[key]) for key in both if _outcome(old[key]) != _outcome(new[key])]
    gone, fresh = [old[key] for key in old if key not in new], [new[key] for key in new if key not in old]
    moved = []
    for life in gone:
        partner = next((each for each in fresh if subject_of(each.first) == subject_of(life.first) and each.overlaps(life)), None)
        if partner is not None:
            fresh.remove(partner)
            moved.append(Difference(Change.MOVED, life, partner))
    left = [life for life in gone if all(each.before is not life for each in moved)]
    found = [
        *changed,
        *moved,
        *(Difference(Change.GONE, each, None) for each in left),
        *(Difference(Change.NEW, None, each) for each in fresh),
    ]
    return Comparison(tuple(sorted(found, key=_order)), len(both) - len(changed))


def lives(alerts: Iterable[Alert]) -> dict[tuple[str, str], Life]:
    """(fingerprint, started_at) -> life, in the order in which they opened."""
    found: dict[tuple[str, str], Life] = {}
    for alert in alerts:
        key = (alert.fingerprint, alert.started_at)
        known = found.get(key)
        severity = alert.severity if known is None else worst_of([known.severity, alert.severity])
        found[key] = Life(alert if known is None else known.first, severity, alert.resolved_at)
    return found


def read_alerts(folder: Path) -> list[Alert]:
    """The alerts of an earlier replay. Errors: InputError."""
    file = folder / "alerts.jsonl"
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise InputError(
            f"--compare {folder}: {file} cannot be read: {error.strerror}; give the --out folder of an earlier replay"
        ) from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(Alert.from_json(line))
        except CodecError as error:
            raise InputError(f"--compare {folder}: {file}, line {number}: {error}") from None
    return found


def _outcome(life: Life) -> tuple[Severity, str | None]:
    return life.severity, life.ended_at


def _order(each: Difference) -> tuple[str, tuple[str, str, str, str]]:
    life = each.now or each.before
    assert life is not None
    return life.first.started_at, subject_of(life.first)


def _said(life: Life | None) -> str:
    if life is None:
        return "-"
    start = life.first.started_at[5:16].replace("T", " ")
    end = "…" if life.ended_at is None else life.ended_at[5:16].replace("T", " ")
    return f"{life.first.detector} {life.severity} {start} to {end}"


def _tree(life: Life | None) -> dict[str, Any] | None:
    if life is None:
        return None
    names: Sequence[str] = ("model", "version", "segment", "kind", "feature", "detector", "fingerprint", "started_at")
    return {name: getattr(life.first, name) for name in names} | {"severity": life.severity.value, "ended_at": life.ended_at}
