"""Cells of JSON events: what form a value has, and the model's output in the shape that `capture.prediction` takes apart."""

from typing import Any

import msgspec

from stream_monitor.capture.prediction import best_class, score_of


class Prediction(msgspec.Struct):
    """A prediction that is an object; members of a wrong type that no column could hold are None."""

    label: Any = None
    score: Any = None
    scores: dict[str, float | None] | None = None
    value: Any = None


def prediction_of(cell: Any) -> Any:
    """A scalar as it is, an object as `Prediction`."""
    if not isinstance(cell, dict):
        return cell
    scores = cell.get("scores")
    numbers = {name: each for name, each in scores.items() if is_number(each)} if isinstance(scores, dict) else None
    return Prediction(cell.get("label"), cell.get("score"), numbers, cell.get("value"))


def main_output(prediction: Any) -> Any:
    """The value by which the kind of the column `prediction` is inferred: the label, else the value, else the likeliest class."""
    if not isinstance(prediction, Prediction):
        return prediction
    forms = (prediction.label, prediction.value, best_class(prediction.scores))
    return next((form for form in forms if form is not None), None)


def score_output(prediction: Any, positive_class: str | None) -> Any:
    """The value of the column `prediction.score`, None where there is none."""
    if not isinstance(prediction, Prediction):
        return None
    return prediction.score if prediction.score is not None else score_of(prediction.scores, prediction.label, positive_class)


def is_number(cell: object) -> bool:
    """A JSON number; true and false are none."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def form_of(cell: object) -> str:
    """The field of `Tally` that counts this cell; "missing" for null."""
    if cell is None:
        return "missing"
    if isinstance(cell, bool):
        return "booleans"
    if isinstance(cell, int | float):
        return "numbers"
    if isinstance(cell, str):
        return "times" if _looks_like_time(cell) else "texts"
    return "nested"


def _looks_like_time(text: str) -> bool:
    return len(text) >= 19 and text[4] == text[7] == "-" and text[10] in "T " and text[:4].isdecimal() and text[13] == ":"
