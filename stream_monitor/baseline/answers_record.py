"""The answers of the baseline file, and the checks that make them those of its features and predictions."""

from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from stream_monitor.baseline.answers import FEATURES_MAX, VALUES_MAX, Answers
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.column import BaselineColumn
from stream_monitor.baseline.column_record import Count, Record, require
from stream_monitor.baseline.segment_record import CutRecord, cut_of, cut_tree
from stream_monitor.capture.schema import PREDICTION, Role


class RowsRecord(NamedTuple):
    """A combination of bins, how often each answer came in it, by its code (as `Layout` orders them), those that did."""

    cell: Count
    codes: list[Count]
    rows: list[Count]


class AnswersRecord(Record, frozen=True):
    """As `Answers`; combinations without rows are left out."""

    features: Annotated[tuple[CutRecord, ...], Meta(min_length=1, max_length=FEATURES_MAX)]
    rows: list[RowsRecord]


def answers_tree(answers: Answers) -> dict[str, Any]:
    """As plain values."""
    held = ((cell, [(code, n) for code, n in enumerate(counts) if n]) for cell, counts in enumerate(answers.counts))
    rows = [[cell, [code for code, _ in counts], [n for _, n in counts]] for cell, counts in held if counts]
    return {"features": [cut_tree(each) for each in answers.features], "rows": rows}


def answers_of(record: AnswersRecord, baseline: Baseline, where: str) -> Answers:
    """Errors: BaselineError naming `where` and the field that cannot be. The baseline has its columns."""
    outputs = [entry for entry in baseline.columns if (entry.column.role, entry.column.name) == (Role.PREDICTION, PREDICTION)]
    require(len(outputs) == 1, where, "need a column of predictions")
    features = tuple(cut_of(each, baseline, f"{where}.features[{i}]") for i, each in enumerate(record.features))
    fits = len({each.name for each in features}) == len(features) and all(0 < len(each.values) <= VALUES_MAX for each in features)
    fits = fits and not any(each.is_metadata for each in features)
    require(fits, f"{where}.features", f"must differ, be features and have at most {VALUES_MAX} values")
    answers = Answers(features, ())
    return Answers(features, _counts(record, answers.crossed.cells, outputs[0], f"{where}.rows"))


def _counts(record: AnswersRecord, cells: int, output: BaselineColumn, where: str) -> tuple[tuple[int, ...], ...]:
    counts = [[0] * len(output.counts) for _ in range(cells)]
    for cell, codes, rows in record.rows:
        fits = cell < cells and len(codes) == len(rows) and all(code < len(output.counts) for code in codes)
        require(fits, where, f"must be of {cells} combinations and {len(output.counts)} answers")
        for code, n in zip(codes, rows, strict=True):
            counts[cell][code] += n
    whole = tuple(map(sum, zip(*counts, strict=True)))
    require(whole == output.counts, where, "must add up to the counts of the predictions")
    return tuple(map(tuple, counts))
