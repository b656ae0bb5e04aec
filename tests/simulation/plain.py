"""A few figures by their plain formulas, from the events themselves: those that everybody knows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isclose, log2

from stream_monitor.detect.outcomes.judge import OutcomeScore
from stream_monitor.profile.outcome import OutcomeLayout
from tests.simulation.naive_join import Row
from tests.simulation.violation import Violation

Weighed = tuple[Row, int]
"""An event and how many it stands for."""


def check_figures(layout: OutcomeLayout, rows: Sequence[Weighed], privileged: Mapping[str, str], told: Iterable[OutcomeScore]) -> None:
    """Raise Violation where a figure is not what its formula gives."""
    wanted = figures(layout, rows, privileged)
    for each in told:
        name = (each.score.key.detector, each.segment[0][1] if each.segment else "")
        if name in wanted and not _same(each.score.score, wanted[name]):
            raise Violation(f"{name} is {each.score.score}, its formula gives {wanted[name]}")


def figures(layout: OutcomeLayout, rows: Sequence[Weighed], privileged: Mapping[str, str]) -> dict[tuple[str, str], float | None]:
    """By name and group."""
    labelled = [(row, weight) for row, weight in rows if row.is_labelled]
    found = {("label_coverage", ""): _mean([(row.is_labelled, weight) for row, weight in rows])}
    if layout.task == "regression":
        return found | {("mae", ""): _mean([(abs(row.predicted - row.label), weight) for row, weight in labelled])}
    assert layout.positive is not None
    yes = layout.classes[layout.positive]
    found["accuracy", ""] = _mean([((row.predicted == yes) == (row.label == yes), weight) for row, weight in labelled])
    found["conditional_entropy", ""] = _entropy([(_class(layout, row.label), _class(layout, row.predicted), n) for row, n in labelled])
    for facet, best in privileged.items():
        of_best = _mean([(row.predicted == yes, weight) for row, weight in rows if _value(row, facet) == best])
        for group in layout.groups:
            mine = _mean([(row.predicted == yes, weight) for row, weight in rows if _value(row, facet) == group.value])
            found["disparate_impact", group.value] = mine / of_best if mine is not None and of_best else None
    return found


def _class(layout: OutcomeLayout, name: object) -> object:
    return name if name in layout.classes else "other"


def _entropy(pairs: Sequence[tuple[object, object, int]]) -> float | None:
    """What the prediction leaves open of the label, in bits: H(both) - H(prediction)."""
    if not pairs:
        return None
    both, predicted = Counter[object](), Counter[object]()
    for label, prediction, n in pairs:
        both[label, prediction] += n
        predicted[prediction] += n
    total = both.total()
    return sum(n / total * log2(total / n) for n in both.values()) - sum(n / total * log2(total / n) for n in predicted.values())


def _value(row: Row, facet: str) -> object:
    return None if row.event is None else row.event.body["features"][facet]


def _mean(values: Sequence[tuple[float, int]]) -> float | None:
    total = sum(weight for _, weight in values)
    return sum(value * weight for value, weight in values) / total if total else None


def _same(one: float | None, other: float | None) -> bool:
    return one is other is None or (one is not None and other is not None and isclose(one, other, rel_tol=1e-4, abs_tol=1e-4))
