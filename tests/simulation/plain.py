"""A few figures by their plain formulas, from the events themselves: those that everybody knows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isclose, log2

from stream_monitor.detect.finding import Score
from stream_monitor.detect.outcomes.judge import OutcomeScore
from stream_monitor.profile.outcome import OutcomeLayout
from tests.simulation.naive_join import Row
from tests.simulation.tasks import group_of
from tests.simulation.violation import Violation

Weighed = tuple[Row, int]
"""An event and how many it stands for."""


def check_figures(layout: OutcomeLayout, rows: Sequence[Weighed], privileged: Mapping[str, str], told: Iterable[OutcomeScore]) -> None:
    """Raise Violation where a figure is not what its formula gives."""
    wanted = figures(layout, rows, privileged)
    for each in told:
        name = (each.score.key.detector, *(each.segment[0] if each.segment else ("", "")))
        if name in wanted and not _same(each.score.score, wanted[name]):
            raise Violation(f"{name} is {each.score.score}, its formula gives {wanted[name]}")


def check_difference(layout: OutcomeLayout, mine: Sequence[Weighed], current: Sequence[Weighed], told: Sequence[Score]) -> None:
    """Raise Violation where what a version does otherwise than the current one is not the difference of two means."""
    means = [_mean([(_error(layout, row), weight) for row, weight in side if row.is_labelled]) for side in (mine, current)]
    wanted = None if means[0] is None or means[1] is None else means[0] - means[1]
    if layout.task != "regression" and wanted is not None:
        wanted = -wanted
    if [score.score is not None for score in told] != [True] * (wanted is not None) or any(not _same(each.score, wanted) for each in told):
        raise Violation(f"{[each.score for each in told]} beside the current version, its formula gives {wanted}")


def _error(layout: OutcomeLayout, row: Row) -> float:
    return abs(row.predicted - row.label) / layout.scale if layout.task == "regression" else float(row.predicted != row.label)


def figures(layout: OutcomeLayout, rows: Sequence[Weighed], privileged: Mapping[str, str]) -> dict[tuple[str, str, str], float | None]:
    """By name, facet and group."""
    labelled = [(row, weight) for row, weight in rows if row.is_labelled]
    found = {("label_coverage", "", ""): _mean([(row.is_labelled, weight) for row, weight in rows])}
    if layout.task == "regression":
        return found | {("mae", "", ""): _mean([(abs(row.predicted - row.label), weight) for row, weight in labelled])}
    found["conditional_entropy", "", ""] = _entropy([(_class(layout, row.label), _class(layout, row.predicted), n) for row, n in labelled])
    if layout.positive is None:
        return found | {("accuracy", "", ""): _mean([(row.predicted == row.label, weight) for row, weight in labelled])}
    yes = layout.classes[layout.positive]
    found["accuracy", "", ""] = _mean([((row.predicted == yes) == (row.label == yes), weight) for row, weight in labelled])
    for facet, best in privileged.items():
        groups = [(_group(layout, row, facet), row.predicted == yes, weight) for row, weight in rows]
        of_best = _mean([(is_yes, weight) for group, is_yes, weight in groups if group == best])
        for _, value in (group for group in layout.groups if group.facet == facet):
            mine = _mean([(is_yes, weight) for group, is_yes, weight in groups if group == value])
            found["disparate_impact", facet, value] = mine / of_best if mine is not None and of_best else None
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


def _group(layout: OutcomeLayout, row: Row, facet: str) -> str | None:
    return None if row.event is None else group_of(layout.groups, facet, row.event.body)


def _mean(values: Sequence[tuple[float, int]]) -> float | None:
    total = sum(weight for _, weight in values)
    return sum(value * weight for value, weight in values) / total if total else None


def _same(one: float | None, other: float | None) -> bool:
    return one is other is None or (one is not None and other is not None and isclose(one, other, rel_tol=1e-4, abs_tol=1e-4))
