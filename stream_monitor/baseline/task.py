"""What a model's training targets make of it: its task, its classes and which of them is positive.

A target's class is the text that a live label gets. Where the prediction writes the same number in another way ("1" and "1.0", as tables
with missing targets do), or the same boolean ("True"), the target is read as the prediction writes it.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from stream_monitor.baseline.column import BaselineColumn, NumericColumn
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.baseline.targets import DISTINCT_MAX, TargetCounts
from stream_monitor.baseline.truth_plan import TruthPlan, groups_of
from stream_monitor.capture.schema import PREDICTION, Kind
from stream_monitor.capture.table import NUMBER_PATTERN
from stream_monitor.profile.outcome import CLASSES_MAX, OutcomeLayout

_OTHERWISE: Final = "`task` in the config says otherwise"
_POSITIVE: Final = ("1", "1.0", "true", "yes")
_NUMBER: Final = re.compile(NUMBER_PATTERN)
_WHOLE: Final = re.compile(r"^-?[0-9]+$")


class Planned(NamedTuple):
    """How to count, None where there is nothing to count, and what to tell about it."""

    plan: TruthPlan | None
    notes: tuple[str, ...]


def plan_truth(
    counts: TargetCounts,
    prediction: BaselineColumn | None,
    predictions: Counter[str],
    segmentations: Sequence[Segmentation],
    options: BuildOptions,
) -> Planned:
    """Task, classes, positive class and groups. predictions: rows of each predicted class, where these are no numbers."""
    problem = _problem(counts, prediction, predictions, options)
    if problem is not None:
        return Planned(None, _notes([problem or None]))
    if isinstance(prediction, NumericColumn):
        layout = OutcomeLayout("regression", center=prediction.mean, scale=prediction.scale, edges=prediction.edges)
        otherwise = f"--categorical {options.prediction or PREDICTION}, or `task` in the config, makes its values classes"
        told = [None if options.task else f"compared as a regression, as the prediction is numeric; {otherwise}"]
        return Planned(TruthPlan(layout), _notes(told))
    return _by_class(counts, predictions, segmentations, options)


def _by_class(counts: TargetCounts, predictions: Counter[str], segmentations: Sequence[Segmentation], options: BuildOptions) -> Planned:
    renamed = _renamed(counts.targets, predictions, is_boolean=counts.kind is Kind.BOOLEAN)
    names = {target: name for target, name in renamed if target != name}
    targets = Counter[str]()
    for target, n in counts.targets.items():
        targets[names.get(target, target)] += n
    together = targets + predictions
    classes = sorted(together, key=lambda name: (-together[name], name))
    task = options.task or ("binary" if len(classes) == 2 else "multiclass")
    kept = tuple(classes[:CLASSES_MAX])
    positive, told = _positive(kept, counts.score_means(names), options) if task == "binary" else (None, None)
    cut = () if positive is None else tuple(segmentations)
    place = None if positive is None else kept.index(positive)
    is_meant = options.positive_class is None if task == "multiclass" else positive is not None
    layout = OutcomeLayout(task, kept, place, counts.scored and is_meant, groups_of(cut))
    first = None if options.task else f"compared as {task}, of the classes {_some(classes)}; {_OTHERWISE}"
    return Planned(TruthPlan(layout, names, cut), _notes([first, *_odd(classes, targets, predictions, names), told]))


def _notes(said: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(f"target: {each}" for each in said if each is not None)


def _problem(counts: TargetCounts, prediction: BaselineColumn | None, predictions: Collection[str], options: BuildOptions) -> str | None:
    """Why there is nothing to compare; an empty text: nobody asked."""
    numeric = isinstance(prediction, NumericColumn)
    if not counts.labelled:
        return "holds no value that can be compared with the predictions" if counts.present or options.target else ""
    if prediction is None:
        return "compared with nothing, as the data has no predictions; --prediction COL names the column that holds them"
    if options.task is not None and numeric is not (options.task == "regression"):
        return f"not compared: the task is {options.task}, but the prediction is read as {prediction.column.kind.value}"
    if not numeric and (counts.too_many or len(predictions) > DISTINCT_MAX):
        return f"not compared: more than {DISTINCT_MAX:,} different values are no classes; --numeric prediction reads numbers"
    return None


def _renamed(targets: Collection[str], predictions: Collection[str], *, is_boolean: bool) -> Iterator[tuple[str, str]]:
    """(target, the text by which the prediction says the same), where these differ."""
    by_number = {float(text): text for text in sorted(predictions) if _NUMBER.match(text)}
    whole = {bool(_WHOLE.match(text)) for text in by_number.values()}
    for target in (each for each in targets if each not in predictions):
        word = target.strip().lower()
        if is_boolean and word in ("true", "false"):
            yield target, word
        elif _NUMBER.match(target) and math.isfinite(value := float(target)):
            yield target, by_number.get(value) or _written(value, whole) or target


def _written(value: float, whole: set[bool]) -> str | None:
    """A number as all predictions are written: as whole numbers (5), or none of them so (5.0)."""
    if whole == {True} and value.is_integer():
        return str(int(value))
    return orjson.dumps(value).decode() if whole == {False} else None


def _odd(classes: Sequence[str], targets: Collection[str], predictions: Collection[str], names: Mapping[str, str]) -> Iterator[str]:
    if len(classes) > CLASSES_MAX:
        yield f"of {len(classes):,} classes the {CLASSES_MAX} most frequent are told apart"
    if names:
        example = min(names)
        yield f"{len(names)} of its values are read as the prediction writes them, {example} as {names[example]}"
    if not set(targets) & set(predictions):
        yield f"no value of it ({_some(sorted(targets))}) is ever predicted ({_some(sorted(predictions))})"


def usual_positive(classes: Sequence[str]) -> str | None:
    """The one class that says yes by its name, in any case; None where there is none, or more than one."""
    usual = [name for name in classes if name.lower() in _POSITIVE]
    return usual[0] if len(usual) == 1 else None


def _positive(classes: Sequence[str], means: Mapping[str, float], options: BuildOptions) -> tuple[str | None, str | None]:
    """The positive class of a binary model, and what to tell about it."""
    if options.positive_class is not None:
        known = options.positive_class in classes
        return (options.positive_class, None) if known else (None, f"the positive class {options.positive_class} is none of the classes")
    usual = usual_positive(classes)
    if usual is not None:
        return usual, f"the positive class is {usual}; `positive_class` in the config says otherwise"
    ranked = sorted(((mean, name) for name, mean in means.items() if name in classes), reverse=True)
    if len(ranked) > 1 and ranked[0][0] > ranked[1][0]:
        (high, name), (low, _) = ranked[:2]
        why = f"its rows have the higher scores (mean {high:.3g} to {low:.3g})"
        return name, f"the positive class is {name}, as {why}; `positive_class` in the config says otherwise"
    return None, "which class is positive is not known, so neither scores nor groups are compared; `positive_class` in the config says it"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
