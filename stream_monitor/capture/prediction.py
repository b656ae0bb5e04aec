"""The model's output in the contract's forms, normalised to the columns `prediction` and `prediction.score`.

A bare value is a label. The column `prediction` is the label; where there is none, a numeric column takes `value` and a categorical one
the class with the highest of `scores` (of equal ones the first by name), then `value`. A numeric column prefers `value` to the label.
The column `prediction.score` is `score`; where there is none, the entry of `scores` for the positive class, and where no class is named
so and there are more than two, that of the predicted class: how sure the model is.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from stream_monitor.capture.columns import Values
from stream_monitor.capture.convert import category, column, has_none, number, numbers
from stream_monitor.capture.schema import SCORE, Column, Kind

MEMBERS: Final = ("label", "score", "scores", "value")
"""The members of a prediction that is an object; at least one is not null."""
_members: Final = attrgetter(*MEMBERS)

Scores = Mapping[str, float | None]


class Outputs(NamedTuple):
    """N predictions, taken apart: four sequences of n, None where a prediction has no such member."""

    labels: Sequence[Any]
    scores: Sequence[Any]
    by_class: Sequence[Scores | None]
    values: Sequence[Any]


def outputs_of(predictions: Sequence[Any]) -> Outputs:
    """Take n predictions apart; each is None, a scalar, or a struct with `MEMBERS`."""
    kinds = set(map(type, predictions))
    if not any(issubclass(kind, msgspec.Struct) for kind in kinds):
        nothing = (None,) * len(predictions)
        return Outputs(predictions, nothing, nothing, nothing)
    if all(issubclass(kind, msgspec.Struct) for kind in kinds):
        return Outputs(*zip(*map(_members, predictions), strict=True))
    return Outputs(*zip(*map(_parts, predictions), strict=True))


def prediction_column(outputs: Outputs, wanted: Column, positive_class: str | None) -> Values:
    """One column of the output, n entries."""
    if wanted.name == SCORE:
        if not has_none(outputs.scores):
            return numbers(outputs.scores)
        pairs = zip(outputs.by_class, outputs.labels, strict=True)
        return numbers(_first(outputs.scores, [score_of(by_class, label, positive_class) for by_class, label in pairs]))
    if wanted.kind is Kind.NUMERIC:
        return numbers(_first(outputs.values, outputs.labels))
    if wanted.kind is Kind.BOOLEAN or not has_none(outputs.labels):
        return column(outputs.labels, wanted.kind)
    classes = _first([best_class(by_class) for by_class in outputs.by_class], outputs.values)
    return [category(value) for value in _first(outputs.labels, classes)]


def best_class(by_class: Scores | None) -> str | None:
    """The class with the highest score, of equal ones the first by name; None where no score is a finite number."""
    if not by_class:
        return None
    ranked = [(-value, name) for name, value in by_class.items() if value is not None and abs(number(value)) < float("inf")]
    return min(ranked)[1] if ranked else None


def score_of(by_class: Scores | None, label: Any, positive_class: str | None) -> float | None:
    """The entry of `scores` that stands in for an absent `score`; None: there is none."""
    if not by_class or (positive_class is None and len(by_class) <= 2):
        return None
    predicted = best_class(by_class) if label is None else category(label)
    chosen = predicted if positive_class is None else positive_class
    return by_class.get(chosen) if isinstance(chosen, str) else None


def _parts(prediction: Any) -> tuple[Any, Any, Any, Any]:
    return _members(prediction) if isinstance(prediction, msgspec.Struct) else (prediction, None, None, None)


def _first(preferred: Sequence[Any], otherwise: Sequence[Any]) -> Sequence[Any]:
    if not has_none(preferred):
        return preferred
    return [other if value is None else value for value, other in zip(preferred, otherwise, strict=True)]
