"""`stream-monitor baseline`: training data -> baseline file."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from stream_monitor.baseline.binning import BINS_DEFAULT
from stream_monitor.baseline.options import ROWS_MIN_DEFAULT, WINDOW_MS_DEFAULT, BuildOptions
from stream_monitor.baseline.store import save
from stream_monitor.capture.files import FileKind, file_kind
from stream_monitor.cli.baseline_report import print_baseline, report_of
from stream_monitor.cli.constraints import natural_notes, print_constraints, write_constraints
from stream_monitor.cli.progress import ByteBar
from stream_monitor.config import Model, load_config, parse_duration
from stream_monitor.detect.registry import Thresholds
from stream_monitor.errors import BaselineError, ConfigError, InputError
from stream_monitor.pipeline.learn import learn


def baseline(
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Parquet, CSV (.gz too) or native-event JSONL (.gz too) files.")],
    out: Annotated[Path, typer.Option(help="The baseline file to write.")],
    config: Annotated[Path | None, typer.Option(help="Take task, positive class and features of a model from this monitor.yaml.")] = None,
    model: Annotated[str | None, typer.Option(help="The model: its section of the config, its events in the data.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with each row's time; no feature.")] = None,
    window: Annotated[
        str | None, typer.Option(help="Window of the natural ranges [default: the model's window size in the config, else 10m].")
    ] = None,
    segment: Annotated[list[str] | None, typer.Option(metavar="NAME,...", help="Features or metadata fields to have segments.")] = None,
    target: Annotated[str | None, typer.Option(help="Column with the truth, which predictions are compared with; no feature.")] = None,
    prediction: Annotated[str | None, typer.Option(help="Column with the model's label or value.")] = None,
    score: Annotated[str | None, typer.Option(help="Column with the probability of the positive class.")] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="COL,...", help="Columns to leave out.")] = None,
    categorical: Annotated[list[str] | None, typer.Option(metavar="COL,...", help="Columns to read as categories.")] = None,
    numeric: Annotated[list[str] | None, typer.Option(metavar="COL,...", help="Columns to read as numbers.")] = None,
    bins: Annotated[int, typer.Option(help="Bins of a numeric column.")] = BINS_DEFAULT,
    constraints: Annotated[Path | None, typer.Option(help="Write suggested thresholds here, as YAML for monitor.yaml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Build the baseline of a model: what its features and predictions look like in training data."""
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
        window_ms=_window_ms(window, section),
        rows_min=section.window.events_min if section else ROWS_MIN_DEFAULT,
        segments=tuple(dict.fromkeys((*_names(segment), *((*section.segments, *section.cuts) if section else ())))),
        bands=section.bands() if section else {},
    )
    for path in filter(None, (out, constraints)):  # now rather than after reading all the data
        if not path.parent.is_dir():
            raise BaselineError(f"{path}: cannot be written: there is no folder {path.parent}")
    with ByteBar("reading", _bytes(data)) as bar:
        built = learn(data, options, bar)
    save(built.baseline, out)
    thresholds = _thresholds(section)
    if constraints is not None:
        write_constraints(constraints, built.baseline, thresholds)
    notes = (*built.notes, *natural_notes(built.baseline, thresholds))
    if as_json:
        typer.echo(orjson.dumps(report_of(built.baseline, notes, out, thresholds, section), option=orjson.OPT_INDENT_2))
    else:
        print_baseline(built.baseline, notes, out, name, section)
        if constraints is not None:
            print_constraints(constraints, built.baseline, thresholds)


def _window_ms(window: str | None, section: Model | None) -> int:
    if window is None:
        return section.window.size if section else WINDOW_MS_DEFAULT
    try:
        return parse_duration(window)
    except ValueError as error:
        raise InputError(f"--window: {error}") from None


def _thresholds(section: Model | None) -> Thresholds:
    if section is None:
        return Thresholds()
    return Thresholds(section.thresholds, {name: override.thresholds for name, override in section.overrides.items()})


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
    """How much is read: Parquet twice, the others three times. Errors: InputError for an unknown kind of file."""
    return sum(path.stat().st_size * (2 if file_kind(path) is FileKind.PARQUET else 3) for path in paths if path.exists())
