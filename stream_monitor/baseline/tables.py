"""Training data in Parquet or CSV files: plain columns, or native events with `features.NAME`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stream_monitor.baseline.infer import Inferred, Tally, infer_arrow, infer_text
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.source import Survey, check_named, check_one_model, checked_schema
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.files import FileKind, Progress, file_kind, read_tables, silent
from stream_monitor.capture.schema import PREDICTION, SCORE, Column, Kind, Role, Schema, StreamKey
from stream_monitor.capture.table import FEATURE_PREFIX, did_you_mean, parse_numbers, table_columns, table_labels
from stream_monitor.capture.table_fields import ATTRIBUTION_PREFIX, METADATA_PREFIX
from stream_monitor.capture.table_time import table_times
from stream_monitor.errors import BaselineError

_TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}.*)?$"

_BESIDE = (METADATA_PREFIX, ATTRIBUTION_PREFIX)
"""What is no feature in a table of plain columns."""


@dataclass(frozen=True)
class TableSource:
    """Files with the same columns, in any order of columns."""

    paths: Sequence[Path]
    options: BuildOptions
    progress: Progress = silent

    @cached_property
    def _typed(self) -> bool:
        return file_kind(self.paths[0]) is FileKind.PARQUET

    @cached_property
    def _arrow(self) -> pa.Schema:
        """Names and types of all files; a file in which a column is all null (of no type) takes its type from another."""
        first = next(read_tables(self.paths[0])).schema
        for path in self.paths[1:]:
            other = next(read_tables(path)).schema
            self._check_same(path, first.names, other.names)
            for i, each in enumerate(first):
                if pa.types.is_null(each.type):
                    first = first.set(i, other.field(each.name))
        return first

    @cached_property
    def _native(self) -> bool:
        return any(name.startswith(FEATURE_PREFIX) for name in self._arrow.names)

    def _check_same(self, path: Path, expected: Sequence[str], names: Sequence[str]) -> None:
        for name in expected:
            if name not in names:
                raise BaselineError(f"{path}: has no column `{name}`, which {self.paths[0]} has{did_you_mean(name, names)}")
        for name in names:
            if name not in expected:
                raise BaselineError(f"{path}: has a column `{name}`, which {self.paths[0]} does not have{did_you_mean(name, expected)}")

    @cached_property
    def _places(self) -> dict[str, str]:
        """Column of the schema -> column of the file; features first."""
        names = self._arrow.names
        outputs = self._outputs(names)
        if self._native:
            places = {name.removeprefix(FEATURE_PREFIX): name for name in names if name.startswith(FEATURE_PREFIX)}
        else:
            apart = {*outputs.values(), "prediction", "prediction.label", "prediction.value", "prediction.score"}
            places = {name: name for name in names if name not in apart and not name.startswith(_BESIDE)}
        check_named(self._where, self.options, {*names, *places})
        wanted = {name: place for name, place in places.items() if self.options.wanted(name) and self.options.wanted(place)}
        clash = [name for name in wanted if name in outputs]
        if clash:
            raise BaselineError(
                f"{self._where}: a feature is named `{clash[0]}`, as the model's output is; leave it out with --drop or rename it"
            )
        return wanted | outputs

    def _outputs(self, names: Sequence[str]) -> dict[str, str]:
        prediction = [self.options.prediction, "prediction.label", "prediction.value", PREDICTION]
        score = [self.options.score, SCORE]
        found = {
            PREDICTION: next((name for name in prediction if name in names), None),
            SCORE: next((name for name in score if name in names), None),
        }
        return {name: place for name, place in found.items() if place is not None and place not in self.options.drop}

    @cached_property
    def _time(self) -> str | None:
        return self.options.time or ("time" if self._native and "time" in self._arrow.names else None)

    @cached_property
    def _target(self) -> str | None:
        name = self.options.target or ("label" if self._native else None)
        return next((each for each in (name, f"{FEATURE_PREFIX}{name}") if each in self._arrow.names), None)

    @cached_property
    def _metadata(self) -> tuple[str, ...]:
        names = [name for name in self._arrow.names if name.startswith(METADATA_PREFIX) and self.options.wanted(name)]
        return tuple(name.removeprefix(METADATA_PREFIX) for name in names)

    @property
    def _where(self) -> str:
        return str(self.paths[0])

    def survey(self) -> Survey:
        """Errors: InputError, BaselineError."""
        inferred = self._inferred()
        columns = [Column(name, each.kind, _role(name)) for name, each in inferred.items() if each.kind is not None]
        notes = [each.note for each in inferred.values() if each.note is not None]
        attributed = any(name.startswith(ATTRIBUTION_PREFIX) for name in self._arrow.names)
        return Survey(checked_schema(self._where, columns, self._metadata, attributed), self._time, tuple(notes), self._left_out(columns))

    def _left_out(self, columns: Sequence[Column]) -> tuple[str, ...]:
        """In a table of plain columns any one that is no output may be a feature of live events, the times and the target too."""
        names = [name.removeprefix(FEATURE_PREFIX) for name in self._arrow.names if name.startswith(FEATURE_PREFIX) or not self._native]
        taken = {*(self._places[column.name] for column in columns), *(column.name for column in columns)}
        return tuple(sorted(name for name in names if name not in taken and not name.startswith(_BESIDE)))

    def _inferred(self) -> dict[str, Inferred]:
        forced = {name: Kind.NUMERIC if name == SCORE else self.options.forced(name, place) for name, place in self._places.items()}
        if self._typed:
            return {name: infer_arrow(name, self._arrow.field(place).type, forced=forced[name]) for name, place in self._places.items()}
        tallies = {name: Tally() for name, kind in forced.items() if kind is None}
        for table in self._tables():
            for name, tally in tallies.items():
                _count_forms(tally, table[self._places[name]])
        return {name: infer_text(name, tallies.get(name, Tally()), forced=kind) for name, kind in forced.items()}

    def chunks(self, survey: Survey) -> Iterator[Columns]:
        """Errors: InputError."""
        for table in self._tables():
            judged = {column.name: self._column(table, column) for column in survey.schema.columns}
            fields = [METADATA_PREFIX + name for name in survey.metadata]
            fields += [name for name in table.column_names if name.startswith(ATTRIBUTION_PREFIX)]
            named = pa.table(judged | {field: table[field] for field in fields})
            columns = table_columns(named, survey.schema, StreamKey("", None), self._where, typed=self._typed)
            columns = replace(columns, labels=self._labels(table, survey.schema))
            yield replace(columns, time_ms=table_times(table, survey.time)) if survey.time else columns

    def _labels(self, table: pa.Table, schema: Schema) -> Sequence[Any]:
        return () if self._target is None else table_labels(table, self._target, schema, self._where)

    def _column(self, table: pa.Table, column: Column) -> pa.ChunkedArray:
        array = table[self._places[column.name]]
        asked = column.kind is Kind.NUMERIC and self._typed and pa.types.is_string(array.type)
        return parse_numbers(array) if asked and self.options.forced(column.name, self._places[column.name]) else array

    def _tables(self) -> Iterator[pa.Table]:
        """All rows of this model, file after file."""
        models: set[str] = set()
        for path in self.paths:
            for table in islice(read_tables(path, self.progress), 1, None):
                yield self._of_model(table, models)

    def _of_model(self, table: pa.Table, models: set[str]) -> pa.Table:
        """Native events of the model that the options name; without that, all events must be of one."""
        if "model" not in table.column_names or not self._native:
            return table
        array = table["model"].cast(pa.string())
        if self.options.model is not None:
            return table.filter(pc.fill_null(pc.equal(array, self.options.model), True))
        models.update(text for text in pc.unique(array).to_pylist() if text is not None)
        check_one_model(self._where, models)
        return table


def _role(name: str) -> Role:
    return Role.PREDICTION if name in (PREDICTION, SCORE) else Role.FEATURE


def _count_forms(tally: Tally, array: pa.ChunkedArray) -> None:
    """Count what the texts of a CSV column look like."""
    numbers = parse_numbers(array)
    others = pc.utf8_trim_whitespace(array.filter(pc.fill_null(pc.is_inf(numbers), False)))
    booleans = _count(pc.is_in(pc.utf8_lower(others), value_set=pa.array(["true", "false"])))
    times = _count(pc.match_substring_regex(others, _TIME_PATTERN))
    tally.numbers += _count(pc.is_finite(numbers))
    tally.booleans += booleans
    tally.times += times
    tally.texts += len(others) - booleans - times
    if not tally.zeros:
        tally.zeros = _count(pc.match_substring_regex(array, r"^\s*0[0-9]"))


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)
