"""What `stream-monitor baseline` tells of what it built."""

import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import BaselineColumn, Natural, NumericColumn
from stream_monitor.baseline.segments import OTHER
from stream_monitor.baseline.truth import Truth
from stream_monitor.cli.baseline_bias import bias_rows, bias_table, label_bias
from stream_monitor.config import Model
from stream_monitor.detect.registry import Thresholds
from stream_monitor.pipeline.constraints import suggested_overrides
from stream_monitor.profile.outcome import ERRORS, SQUARE_SCALE

COLUMNS_SHOWN = 30
"""Rows of the closing table; the file holds all."""


def report_of(base: Baseline, notes: tuple[str, ...], out: Path, thresholds: Thresholds, section: Model | None) -> dict[str, object]:
    """What a machine is told."""
    return {
        "out": str(out),
        "id": base.id,
        "rows": base.rows,
        "runs": None if base.runs is None else asdict(base.runs),
        "columns": [_column(entry, base) for entry in base.columns],
        "answers": [] if base.answers is None else list(base.answers.names),
        "segments": [{"name": each.name, "values": [*each.values, OTHER]} for each in base.segments],
        "truth": None if base.truth is None else _truth(base.truth),
        "attributions": None if base.attribution is None else {"told": base.attribution.whole.told, "shares": _shares(base)},
        "label_bias": bias_rows(label_bias(base.truth, section)),
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


def print_baseline(base: Baseline, notes: tuple[str, ...], out: Path, model: str | None, section: Model | None) -> None:
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
    if base.answers is not None:
        console.print(f"answers by {escape(', '.join(base.answers.names))}", soft_wrap=True)
    if base.truth is not None:
        console.print(escape(_quality(base.truth, base.rows)), soft_wrap=True)
    if base.attribution is not None:
        console.print(escape(_counted(base, base.attribution.whole.told)), soft_wrap=True)
    if bias := label_bias(base.truth, section):
        console.print(bias_table(bias))
    console.print(
        f"{base.rows:,} rows, {', '.join(f'{n} {kind}' for kind, n in kinds.items())} columns: {base.id} in {escape(str(out))}",
        soft_wrap=True,
    )
    console.print(f"next: name it in monitor.yaml, as models.{escape(model or 'NAME')}.baseline: {escape(str(out))}", soft_wrap=True)


def _shares(base: Baseline) -> dict[str, float]:
    """Each feature's share of all attribution, the largest first; none where a baseline has none."""
    sizes = base.profile.attributions.sums[0]
    names = [
        (name, size / sizes.sum()) for name, size in zip(base.layout.names, sizes.tolist(), strict=True) if name in base.schema.attributions
    ]
    return dict(sorted(names, key=lambda each: -each[1]))


def _counted(base: Baseline, told: int) -> str:
    first = ", ".join(f"{name} {share:.0%}" for name, share in list(_shares(base).items())[:3])
    return f"attributions: {told:,} of {base.rows:,} rows have any; most to {first}"


def _truth(truth: Truth) -> dict[str, object]:
    layout = truth.layout
    name, value = ("rmse", _rmse(truth)) if layout.task == "regression" else ("accuracy", _accuracy(truth))
    return {"task": layout.task, "positive_class": truth.positive_class, "labelled": layout.labelled(truth.vector), name: value}


def _quality(truth: Truth, rows: int) -> str:
    """How well the model did in training; nothing more where no row has both a target and a prediction."""
    text = f"{truth.layout.task}: {truth.layout.labelled(truth.vector):,} of {rows:,} rows have a target"
    if truth.layout.task == "regression":
        rmse, least = _rmse(truth), math.sqrt(1.5 / SQUARE_SCALE) * truth.layout.scale  # squares are rounded to whole 1/SQUARE_SCALE
        return text if rmse is None else f"{text}, RMSE {rmse:.4g}" if rmse > least else f"{text}, RMSE below {least:.4g}"
    accuracy = _accuracy(truth)
    return text if accuracy is None else f"{text}, accuracy {accuracy:.4f}"


def _accuracy(truth: Truth) -> float | None:
    """The part of the rows with target and prediction in which they are equal; classes without a code of their own never are."""
    both = truth.layout.part(truth.vector, "joint")[1:, 1:]
    return float(both.diagonal()[:-1].sum() / both.sum()) if both.any() else None


def _rmse(truth: Truth) -> float | None:
    sums = dict(zip(ERRORS, truth.layout.part(truth.vector, "errors").tolist(), strict=True))
    return truth.layout.scale * math.sqrt(sums["squared"] / SQUARE_SCALE / sums["labelled"]) if sums["labelled"] else None


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
