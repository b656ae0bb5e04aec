"""What every kind of training data gives: first which columns it has, then its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from stream_monitor.baseline.options import COLUMNS_MAX, BuildOptions
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.schema import PREDICTION, SCORE, Column, Schema
from stream_monitor.capture.table import did_you_mean
from stream_monitor.errors import BaselineError


@dataclass(frozen=True, slots=True)
class Survey:
    """What the data holds: the schema to read it by (with all metadata fields), the name of its column of times, notes for a person.

    left_out: features that are no part of the schema, in the order of the alphabet.
    """

    schema: Schema
    time: str | None
    notes: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def metadata(self) -> tuple[str, ...]:
        """Names of all metadata fields."""
        return self.schema.metadata


class Source(Protocol):
    """Training data, read twice: whoever builds calls `survey`, then reads `chunks`. Both raise InputError or BaselineError."""

    def survey(self) -> Survey:
        """What the data holds."""
        ...

    def chunks(self, survey: Survey) -> Iterator[Columns]:
        """The rows in order, in bounded portions."""
        ...


def check_named(where: str, options: BuildOptions, known: set[str]) -> None:
    """Errors: BaselineError for an option that names a column which the data does not have."""
    for name, flag in options.named().items():
        if name not in known:
            raise BaselineError(f"{where}: has no column `{name}` ({flag}){did_you_mean(name, sorted(known))}")


def checked_schema(where: str, columns: list[Column], metadata: Sequence[str], attributed: bool = False) -> Schema:
    """attributed: with attributions. Errors: BaselineError for no feature, too many, or one with the name of an output."""
    features = [column.name for column in columns if column.name not in (PREDICTION, SCORE)]
    names = [column.name for column in columns]
    if not features:
        raise BaselineError(f"{where}: has no feature that can be judged")
    if len(columns) > COLUMNS_MAX:
        raise BaselineError(f"{where}: has {len(columns):,} columns, at most {COLUMNS_MAX:,} can be judged; leave some out with --drop")
    if len(set(names)) < len(names):
        raise BaselineError(
            f"{where}: a feature is named `{PREDICTION}` or `{SCORE}`, as the model's output is; leave it out with --drop or rename it"
        )
    return Schema(tuple(columns), tuple(metadata), tuple(features) if attributed else ())


def check_one_model(where: str, models: set[str]) -> None:
    """Errors: BaselineError where events are of more than one model."""
    if len(models) > 1:
        raise BaselineError(f"{where}: holds events of several models ({', '.join(sorted(models)[:5])}); say which one with --model")
