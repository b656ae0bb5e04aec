"""Whether the training data hold bias already, as `stream-monitor baseline` tells it to people and to machines."""

from typing import Final

from rich.markup import escape
from rich.table import Table

from stream_monitor.baseline.truth import Truth
from stream_monitor.config import Model
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.detect.outcomes.pre_training import CONDITIONAL_LABELS, DISTANCES, pre_training_bias

_SHORT: Final = {
    "class_imbalance": "CI",
    "label_parity_difference": "DPL",
    **{name: name.removeprefix("label_").upper() for name in DISTANCES},
    CONDITIONAL_LABELS: "CDDL",
}
"""As SageMaker Clarify calls them."""


def label_bias(truth: Truth | None, model: Model | None) -> list[Measure]:
    """Of every group of the model's facets; none where there is no binary truth."""
    if truth is None or model is None:
        return []
    privileged = {name: facet.privileged for name, facet in model.facets.items() if facet.privileged is not None}
    found = pre_training_bias(truth.layout, truth.vector, privileged, strata=model.strata())
    return [each for each in found if each.segment[0][0] in model.facets]


def bias_rows(found: list[Measure]) -> list[dict[str, object]]:
    """What a machine is told."""
    return [
        {"facet": facet, "group": group, "metric": each.name, "value": each.value, "low": each.low, "high": each.high, "rows": each.events}
        for each in found
        for facet, group in each.segment
    ]


def bias_table(found: list[Measure]) -> Table:
    """What a person is told: a row for each group."""
    told = {each.name for each in found}
    shown = {name: short for name, short in _SHORT.items() if name in told}
    table = Table("labels of", "rows", *shown.values(), box=None, pad_edge=False)
    for group in dict.fromkeys(each.segment for each in found):
        mine = {each.name: each for each in found if each.segment == group}
        rows = f"{mine['class_imbalance'].events:,}"
        table.add_row(escape(" = ".join(group[0])), rows, *(_number(mine[name].value if name in mine else None) for name in shown))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
