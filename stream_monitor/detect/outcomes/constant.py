"""What an answer that is always the same would reach: a metric that is no better says nothing for the model."""

from collections.abc import Mapping
from math import log, sqrt

import numpy as np

from stream_monitor.detect.outcomes.confusion import BETAS, confusion
from stream_monitor.detect.outcomes.measure import Measure, Segment, counts_of
from stream_monitor.detect.outcomes.quality import quality
from stream_monitor.detect.outcomes.regression import errors_of
from stream_monitor.detect.outcomes.relation import label_entropy
from stream_monitor.detect.outcomes.scores import by_label
from stream_monitor.profile.outcome import OutcomeLayout, Vector


def constant(layout: OutcomeLayout, vector: Vector) -> list[Measure]:
    """The names of `quality`, each with the best value that any one class, score or number reaches on it; low and high are that value.

    So recall is 1 (say yes to all), and precision the share of positives. None where `quality` has none, and for mae and mape, whose best
    constant the vector does not know. Per metric, not one classifier for all: each figure is the floor of its own.
    """
    floors = {"regression": _regression, "multiclass": _multiclass, "binary": _binary}[layout.task](layout, vector)
    found = []
    for each in quality(layout, vector):
        floor = None if each.value is None else floors.get((each.name, each.segment))
        found.append(each._replace(value=floor, low=floor, high=floor))
    return found


_Floors = Mapping[tuple[str, Segment], float]


def _regression(layout: OutcomeLayout, vector: Vector) -> _Floors:
    sums = errors_of(layout, vector)
    if sums.n <= 0:
        return {}
    square = sums.label_variance * layout.scale**2
    return {(name, ()): value for name, value in {"mse": square, "rmse": sqrt(square), "r2": 0.0, "mean_error": 0.0}.items()}


def _binary(layout: OutcomeLayout, vector: Vector) -> _Floors:
    counts = confusion(layout, vector)
    n = sum(counts)
    share = (counts.tp + counts.fn) / max(n, 1)
    found = {"accuracy": max(share, 1 - share), "precision": share, "recall": 1.0, "specificity": 1.0}
    found |= {name: (1 + beta**2) * share / (beta**2 * share + 1) for name, beta in BETAS.items()}
    found |= _entropy(layout, vector)
    return {(name, ()): value for name, value in (found | (_scores(layout, vector) if layout.scored else {})).items()}


def _scores(layout: OutcomeLayout, vector: Vector) -> dict[str, float]:
    negative, positive = by_label(layout, vector).sum(axis=1).tolist()
    share = positive / max(negative + positive, 1.0)
    entropy = -sum(p * log(p) for p in (share, 1 - share) if p > 0)
    return {"roc_auc": 0.5, "pr_auc": share, "log_loss": entropy, "brier": share * (1 - share), "ece": 0.0}


def _entropy(layout: OutcomeLayout, vector: Vector) -> dict[str, float]:
    """Of the label alone; nothing without a label."""
    joint = counts_of(layout, vector, "joint")[1:, 1:].astype(np.float64)
    return {"conditional_entropy": label_entropy(joint)} if joint.any() else {}


def _multiclass(layout: OutcomeLayout, vector: Vector) -> _Floors:
    label = counts_of(layout, vector, "joint")[1:, 1:].sum(axis=1).astype(np.float64)
    shares = label / max(label.sum(), 1.0)
    found: dict[tuple[str, Segment], float] = {("accuracy", ()): float(shares.max())}
    found |= {(name, ()): value for name, value in _entropy(layout, vector).items()}
    occur = max(int((label > 0).sum()), 1)
    for metric in ("precision", "recall", "f1"):
        each = shares if metric == "precision" else 2 * shares / (1 + shares) if metric == "f1" else np.ones(len(shares))
        found |= {(metric, (("class", name),)): float(value) for name, value in zip(layout.classes, each, strict=False)}
        found |= {(f"macro_{metric}", ()): float(each.max() / occur), (f"weighted_{metric}", ()): float((shares * each).max())}
    return found
