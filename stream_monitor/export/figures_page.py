"""The figures that labels, predictions and attributions tell, as tables of `docs/metrics.md`, from the registries that the code reads."""

from collections.abc import Iterator
from math import inf

from stream_monitor.detect.attributions import NDCG, NDCG_MIN, NDCG_SOURCE, SHARE
from stream_monitor.detect.outcomes.bias import ALIASES, BIAS
from stream_monitor.detect.outcomes.metrics import METRICS, Metric
from stream_monitor.detect.outcomes.pre_training import CONDITIONAL_LABELS, CONDITIONAL_LABELS_ROW, DISTANCES, SHARES
from stream_monitor.detect.outcomes.told import TOLD
from stream_monitor.detect.unpaired import RISE, UNPAIRED, UNPAIRED_MAX


def figures_page() -> str:
    """The second part of the page."""
    return "\n".join([*_quality(), "", *_told(), "", *_bias(), "", *_attributions(), ""])


def _quality() -> Iterator[str]:
    yield "## Figures of a model's quality"
    yield ""
    yield "One row each on `stream-monitor.windows`, by the name in the first column; as `stream_monitor_quality` the newest. With a"
    yield "baseline that has a target (`baseline --target`) a figure is bad where it is worse than there by more than *allowed*;"
    yield "`thresholds: {accuracy: 0.8}` sets a limit instead, `{accuracy_drop: 0.03}` another allowance. Either way its whole interval,"
    yield "at the level of the false-alert budget, must be on the bad side."
    yield ""
    yield "| name | formula | range | allowed | interval | source |"
    yield "|---|---|---|---|---|---|"
    for row in METRICS.values():
        cells = (f"`{row.name}`", row.formula, _range(row.low, row.high), _allowed(row), row.interval, row.source)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _told() -> Iterator[str]:
    yield "## Told beside them"
    yield ""
    yield "Rows too, with no threshold: nobody is paged by these. But `thresholds: {label_coverage: 0.8, label_delay_p50_s: 3600}` has"
    yield "windows judged when `window.label_lateness` ends: whose labels are fewer, or came later, raises an alert of `capture_health`."
    yield ""
    yield "| name | formula | range | source |"
    yield "|---|---|---|---|"
    for name, row in TOLD.items():
        yield f"| `{name}` | {_cell(row.formula)} | {_range(row.low, row.high)} | {_cell(row.source)} |"
    yield ""
    yield "And judged, of a model's labels by the time at which they were first given, as `stream_monitor_drift_score`"
    yield "([when, and against what](detectors.md#capture-health)):"
    yield ""
    yield "| name | formula | range | threshold | source |"
    yield "|---|---|---|---|---|"
    formula = "labels without an event / labels; an hour of them, or a day where they are fewer than `events_min`"
    threshold = f"{UNPAIRED_MAX:g}, or the largest usual share + {RISE:g}"
    source = "exact two-sample and binomial test (Hoeffding 1963; Clopper & Pearson 1934)"
    yield f"| `{UNPAIRED}` | {formula} | 0 to 1 | {threshold} | {source} |"


def _bias() -> Iterator[str]:
    yield "## Bias"
    yield ""
    yield "For each group d of a facet against the privileged one, a (or all others together, where none is named); `segment` names"
    yield "facet and group. An alert needs the whole interval outside of *fair*; `thresholds: {disparate_impact: 0.7}` sets another"
    yield "range (for a ratio up to its inverse, for a difference to both sides)."
    yield ""
    yield "| name | formula | fair | interval | source |"
    yield "|---|---|---|---|---|"
    for row in BIAS.values():
        cells = (f"`{row.name}`", row.formula, _range(*row.allowed), row.interval, row.source)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    yield ""
    yield "Before training, of the labels of the baseline: `stream-monitor baseline --config … --target …` tells them for each facet of the"
    yield "config; nothing alerts on them."
    yield ""
    yield "| name | formula | range | source |"
    yield "|---|---|---|---|"
    rows = {name: (formula, "-1 to 1", source) for name, (formula, source) in SHARES.items()}
    rows[CONDITIONAL_LABELS] = (CONDITIONAL_LABELS_ROW[0], "-1 to 1", CONDITIONAL_LABELS_ROW[1])
    rows |= {name: (row.formula, _range(0, row.high), row.source) for name, row in DISTANCES.items()}
    yield from (f"| `{name}` | {' | '.join(map(_cell, each))} |" for name, each in rows.items())
    yield ""
    yield f"Other names of the same numbers: {', '.join(f'`{name}` is `{same}`' for name, same in ALIASES.items())}."


def _attributions() -> Iterator[str]:
    source = f"[SageMaker Clarify]({NDCG_SOURCE}); ties share their gains (McSherry & Najork 2008)"
    yield "## Attributions"
    yield ""
    yield "Of windows whose events have `attributions`, with a baseline that has them ([how](attributions.md)): a(f) is a feature's mean"
    yield "|attribution| in the baseline, l(f) in the window."
    yield ""
    yield "| name | formula | range | fair | source |"
    yield "|---|---|---|---|---|"
    formula = "sum of a(f) / log2(rank + 1), by the ranks of l, over the same by those of a"
    yield f"| `{NDCG}` | {formula} | 0 to 1 | from {NDCG_MIN:.2f} on | {source} |"
    yield f"| `{SHARE}` | l(f) / sum of l | 0 to 1 | told only | |"


def _allowed(row: Metric) -> str:
    if row.drop is None:
        return "told only, until the config gives a limit"
    size = f"{100 * row.drop.size:g} %" if row.drop.is_share else f"{row.drop.size:g}"
    return f"{size}: {row.drop.reason}"


def _range(low: float, high: float) -> str:
    if (low, high) == (-inf, inf):
        return "any"
    return f"{low:g} to {high:g}" if high < inf else f"from {low:g} on" if low > -inf else f"up to {high:g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
