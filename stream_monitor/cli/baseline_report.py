"""What `stream-monitor baseline` tells of what it built."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import BaselineColumn, Natural, NumericColumn
from stream_monitor.baseline.segments import OTHER
from stream_monitor.detect.registry import Thresholds
from stream_monitor.pipeline.constraints import suggested_overrides

COLUMNS_SHOWN = 30
"""Rows of the closing table; the file holds all."""


def report_of(base: Baseline, notes: tuple[str, ...], out: Path, thresholds: Thresholds) -> dict[str, object]:
    """What a machine is told."""
    return {
        "out": str(out),
        "id": base.id,
        "rows": base.rows,
        "runs": None if base.runs is None else asdict(base.runs),
        "columns": [_column(entry, base) for entry in base.columns],
        "segments": [{"name": each.name, "values": [*each.values, OTHER]} for each in base.segments],
        "overrides": suggested_overrides(base, thresholds),
        "notes": list(notes),
    }


def _column(entry: BaselineColumn, base: Baseline) -> dict[str, object]:
    natural = entry.natural or Natural()
    return {
        "name": entry.column.name,
        "role": entry.column.role,
        "kind": entry.column.kind,
        "missing_ratio": _missing(entry, base),
        "natural": dict(natural.scores),
        "inflation": dict(natural.inflation),
    }


def _missing(entry: BaselineColumn, base: Baseline) -> float:
    return entry.counts[0] / base.rows


def print_baseline(base: Baseline, notes: tuple[str, ...], out: Path, model: str | None) -> None:
    """What a person is told."""
    console = Console(highlight=False)
    kinds = Counter(entry.column.kind.value for entry in base.columns)
    console.print(_table(base))
    if len(base.columns) > COLUMNS_SHOWN:
        console.print(f"… and {len(base.columns) - COLUMNS_SHOWN} more columns")
    for note in notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if base.segments:
        console.print(f"segments by {escape(', '.join(each.name for each in base.segments))}", soft_wrap=True)
    console.print(
        f"{base.rows:,} rows, {', '.join(f'{n} {kind}' for kind, n in kinds.items())} columns: {base.id} in {escape(str(out))}",
        soft_wrap=True,
    )
    console.print(f"next: name it in monitor.yaml, as models.{escape(model or 'NAME')}.baseline: {escape(str(out))}", soft_wrap=True)


def _table(base: Baseline) -> Table:
    table = Table("column", "kind", "missing", "values", box=None, pad_edge=False)
    for entry in base.columns[:COLUMNS_SHOWN]:
        table.add_row(escape(entry.column.name), entry.column.kind.value, f"{_missing(entry, base):.1%}", escape(_values(entry)))
    return table


def _values(entry: BaselineColumn) -> str:
    if isinstance(entry, NumericColumn):
        return f"{entry.edges[0]:.6g} to {entry.edges[-1]:.6g} in {len(entry.edges) - 1} bins" if entry.edges else "none"
    shown = ", ".join(entry.categories[:3])
    return f"{entry.distinct:,}: {shown}{', …' if entry.distinct > 3 else ''}" if entry.categories else "none"
