"""`stream-monitor baseline`: training data -> baseline file."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.binning import BINS_DEFAULT
from stream_monitor.baseline.build import Built, build
from stream_monitor.baseline.column import BaselineColumn, NumericColumn
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import save
from stream_monitor.capture.files import FileKind, file_kind
from stream_monitor.cli.progress import ByteBar
from stream_monitor.config import Model, load_config, parse_duration
from stream_monitor.errors import BaselineError, ConfigError, InputError

COLUMNS_SHOWN = 30
"""Rows of the closing table; the file holds all."""


def baseline(
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Parquet, CSV (.gz too) or native-event JSONL (.gz too) files.")],
    out: Annotated[Path, typer.Option(help="The baseline file to write.")],
    config: Annotated[Path | None, typer.Option(help="Take task, positive class and features of a model from this monitor.yaml.")] = None,
    model: Annotated[str | None, typer.Option(help="The model: its section of the config, its events in the data.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with each row's time; no feature.")] = None,
    window: Annotated[str | None, typer.Option(help="Window of the natural ranges; checked, not used in this release.")] = None,
    target: Annotated[str | None, typer.Option(help="Column with the truth; no feature.")] = None,
    prediction: Annotated[str | None, typer.Option(help="Column with the model's label or value.")] = None,
    score: Annotated[str | None, typer.Option(help="Column with the probability of the positive class.")] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="COL,...", help="Columns to leave out.")] = None,
    categorical: Annotated[list[str] | None, typer.Option(metavar="COL,...", help="Columns to read as categories.")] = None,
    numeric: Annotated[list[str] | None, typer.Option(metavar="COL,...", help="Columns to read as numbers.")] = None,
    bins: Annotated[int, typer.Option(help="Bins of a numeric column.")] = BINS_DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Build the baseline of a model: what its features and predictions look like in training data."""
    if window is not None:
        _check_window(window)
    name, section = _section(config, model)
    options = BuildOptions(
        bins=bins,
        time=time,
        target=target,
        prediction=prediction,
        score=score,
        include=section.features.include if section else None,
        drop=(*_names(drop), *(section.features.exclude if section else ())),
        categorical=_overruled(_names(categorical), section.features.categorical if section else (), _names(numeric)),
        numeric=_overruled(_names(numeric), section.features.numeric if section else (), _names(categorical)),
        model=name,
        task=section.task if section else None,
        positive_class=section.positive_class if section else None,
    )
    if not out.parent.is_dir():  # now rather than after reading all the data
        raise BaselineError(f"{out}: cannot be written: there is no folder {out.parent}")
    with ByteBar("reading", _bytes(data)) as bar:
        built = build(data, options, bar)
    save(built.baseline, out)
    if as_json:
        typer.echo(orjson.dumps(_report(built, out), option=orjson.OPT_INDENT_2))
    else:
        _print(built, out, name)


def _check_window(window: str) -> None:
    try:
        parse_duration(window)
    except ValueError as error:
        raise InputError(f"--window: {error}") from None
    print("note: --window is accepted; natural ranges are not built in this release", file=sys.stderr)


def _section(config: Path | None, model: str | None) -> tuple[str | None, Model | None]:
    """The model's name and its section of the config. Errors: ConfigError."""
    if config is None:
        return model, None
    models = load_config(config).models
    name = next(iter(models)) if model is None and len(models) == 1 else model
    if name is None:
        raise ConfigError(f"{config}: has several models ({', '.join(models)}); say which one with --model")
    if name not in models:
        raise ConfigError(f"{config}: has no model {name!r} (--model); it has {', '.join(models)}")
    return name, models[name]


def _names(given: list[str] | None) -> tuple[str, ...]:
    """`--drop a,b --drop c` as (a, b, c)."""
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())


def _overruled(flags: tuple[str, ...], configured: tuple[str, ...], contrary: tuple[str, ...]) -> tuple[str, ...]:
    """A flag overrules the config."""
    return (*flags, *(name for name in configured if name not in contrary and name not in flags))


def _bytes(paths: list[Path]) -> int:
    """How much is read: Parquet once, the others twice. Errors: InputError for an unknown kind of file."""
    return sum(path.stat().st_size * (1 if file_kind(path) is FileKind.PARQUET else 2) for path in paths if path.exists())


def _report(built: Built, out: Path) -> dict[str, object]:
    base = built.baseline
    return {
        "out": str(out),
        "id": base.id,
        "rows": base.rows,
        "columns": [
            {"name": e.column.name, "role": e.column.role, "kind": e.column.kind, "missing_ratio": _missing(e, base)} for e in base.columns
        ],
        "notes": list(built.notes),
    }


def _missing(entry: BaselineColumn, base: Baseline) -> float:
    return entry.counts[0] / base.rows


def _print(built: Built, out: Path, model: str | None) -> None:
    base, console = built.baseline, Console(highlight=False)
    kinds = Counter(entry.column.kind.value for entry in base.columns)
    console.print(_table(base))
    if len(base.columns) > COLUMNS_SHOWN:
        console.print(f"… and {len(base.columns) - COLUMNS_SHOWN} more columns")
    for note in built.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
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
