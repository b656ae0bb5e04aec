"""Every metric of quality: which way is good, how far it may fall below the baseline's, and where it comes from. The docs are made from
this.
"""

from collections.abc import Mapping
from math import inf, log2
from typing import Final, NamedTuple

from stream_monitor.detect.outcomes.estimated import ESTIMATED
from stream_monitor.profile.outcome import CLASSES_MAX

DROP: Final = "_drop"
"""After a metric's name in the config: how much worse than the baseline's value it may be, instead of a limit."""

ANSWERED: Final = ("prediction_entropy", "prediction_js")
"""Those of the relation of inputs and predictions, see `answers`; they need no label."""


class Drop(NamedTuple):
    """How much worse than the baseline's value is still allowed: in the metric's own unit, or as a share of the baseline's value."""

    size: float
    is_share: bool
    reason: str


class Metric(NamedTuple):
    """One row. higher_is_better None: nearest to 0 is best. drop None: not judged until the config gives a limit."""

    name: str
    title: str
    higher_is_better: bool | None
    drop: Drop | None
    low: float
    high: float
    formula: str
    interval: str
    source: str


_OF_ALL: Final = Drop(0.05, False, "one event in twenty that was right and now is not")
_OF_SOME: Final = Drop(0.1, False, "one class alone: it moves with the mix of events while the whole stays")
_F: Final = Drop(0.07, False, "between its parts, precision and recall, and the whole")
_AREA: Final = Drop(0.05, False, "half of what usually lies between a good model and a mediocre one")
_LOSS: Final = Drop(0.2, True, "has no fixed scale: a fifth more than in training")
_SQUARE: Final = Drop(0.44, True, "the square of a fifth more")
_CALIBRATION: Final = Drop(0.05, False, "probabilities wrong by 5 points more on average")

_OPEN: Final = Drop(0.1, False, "a tenth of what is open about a label that is either of two equally often")

_ANSWERS: Final = Drop(
    0.2, False, "one answer in thirteen is another where all were certain, one in four where either of two was as likely"
)

_WILSON: Final = "Wilson 1927"
_DELTA: Final = "delta method on the multinomial counts (Takahashi et al. 2022), as Wilson's with the n that has this variance"
_SKLEARN: Final = "Sokolova & Lapalme 2009, A Systematic Analysis of Performance Measures for Classification Tasks"
_F_SOURCE: Final = "van Rijsbergen 1979, Information Retrieval, ch. 7"

_ROWS: Final = (
    Metric("accuracy", "accuracy", True, _OF_ALL, 0, 1, "right / n", _WILSON, _SKLEARN),
    Metric("precision", "precision", True, _OF_SOME, 0, 1, "tp / (tp + fp)", _WILSON, _SKLEARN),
    Metric("recall", "recall", True, _OF_SOME, 0, 1, "tp / (tp + fn)", _WILSON, _SKLEARN),
    Metric("specificity", "specificity", True, _OF_SOME, 0, 1, "tn / (tn + fp)", _WILSON, _SKLEARN),
    Metric("f1", "F1 score", True, _F, 0, 1, "2 tp / (2 tp + fn + fp)", _DELTA, _F_SOURCE),
    Metric("f0_5", "F0.5 score", True, _F, 0, 1, "1.25 tp / (1.25 tp + 0.25 fn + fp)", _DELTA, _F_SOURCE),
    Metric("f2", "F2 score", True, _F, 0, 1, "5 tp / (5 tp + 4 fn + fp)", _DELTA, _F_SOURCE),
    Metric("macro_precision", "mean precision of the classes", True, _F, 0, 1, "mean over classes that occur", _DELTA, _SKLEARN),
    Metric("macro_recall", "mean recall of the classes", True, _F, 0, 1, "mean over classes that occur", _DELTA, _SKLEARN),
    Metric("macro_f1", "mean F1 score of the classes", True, _F, 0, 1, "mean over classes that occur", _DELTA, _SKLEARN),
    Metric("weighted_precision", "precision, weighted by labels", True, _OF_ALL, 0, 1, "mean, weighted by labels", _DELTA, _SKLEARN),
    Metric("weighted_f1", "F1 score, weighted by labels", True, _OF_ALL, 0, 1, "mean, weighted by labels", _DELTA, _SKLEARN),
    Metric(
        "conditional_entropy",
        "entropy of the label given the prediction",
        False,
        _OPEN,
        0,
        log2(CLASSES_MAX + 1),
        "mean of -log2(share of the label among events of its prediction), in bits",
        "delta method on the multinomial counts, half an event more in each",
        "Shannon 1948, A Mathematical Theory of Communication",
    ),
    Metric(
        "prediction_entropy",
        "entropy of the prediction given the inputs",
        False,
        _OPEN,
        0,
        log2(CLASSES_MAX + 1),
        "mean of -log2(share of the prediction among events in its bins of features), in bits; held against training's, reweighted to "
        "inputs as they come now",
        "delta method on the multinomial counts, half an event more in each",
        "Shannon 1948, A Mathematical Theory of Communication; reweighted: Kitagawa 1955, Components of a Difference Between Two Rates",
    ),
    Metric(
        "prediction_js",
        "distance of predictions from training's for like inputs",
        False,
        _ANSWERS,
        0,
        1,
        "root of the mean over events of the Jensen-Shannon divergence, base 2, of predictions from training's in their bins of features, "
        "less its mean by chance",
        "delta method on the multinomial counts, and the tail of a chi-square (Laurent & Massart 2000)",
        "Lin 1991, Divergence Measures Based on the Shannon Entropy; Cover & Thomas 2006, Elements of Information Theory, th. 2.5.3",
    ),
    Metric(
        "roc_auc",
        "ROC AUC",
        True,
        _AREA,
        0,
        1,
        "P(score of a positive > that of a negative) + P(equal) / 2, on 512 bins of the logit",
        "the larger of DeLong et al. 1988 and Hanley & McNeil 1982, and half of the pairs that share a bin",
        "Hanley & McNeil 1982, The Meaning and Use of the Area under a ROC Curve",
    ),
    Metric(
        "pr_auc",
        "average precision",
        True,
        _OF_SOME,
        0,
        1,
        "sum of (recall step) x precision, on 512 bins of the logit",
        "delta method on the multinomial counts, and what the order within bins may change",
        "Boyd, Eng & Page 2013, Area Under the Precision-Recall Curve",
    ),
    Metric(
        "log_loss",
        "log loss",
        False,
        _LOSS,
        0,
        11,
        "mean of -ln(score of the label), at most 10.92 each",
        "log method, second moment from the bins' far ends",
        "Good 1952, Rational Decisions",
    ),
    Metric(
        "brier",
        "Brier score",
        False,
        _LOSS,
        0,
        1,
        "mean of (score - label)^2",
        "Wilson's with the n that has this variance, second moment from the bins' far ends",
        "Brier 1950, Verification of Forecasts Expressed in Terms of Probability",
    ),
    Metric(
        "ece",
        "calibration error",
        False,
        _CALIBRATION,
        0,
        1,
        "sum over 16 bins of |sum of labels - sum of scores| / n",
        "triangle inequality with half-normal errors of the bins",
        "Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017",
    ),
    Metric(
        "mae",
        "mean absolute error",
        False,
        _LOSS,
        0,
        inf,
        "mean of |prediction - label|",
        "normal, with the second moment",
        "by definition",
    ),
    Metric(
        "mse",
        "mean squared error",
        False,
        _SQUARE,
        0,
        inf,
        "mean of (prediction - label)^2",
        "log method; kurtosis from mae / rmse, Mallat 1989",
        "by definition",
    ),
    Metric("rmse", "root mean squared error", False, _LOSS, 0, inf, "sqrt(mse)", "the root of that of mse", "by definition"),
    Metric(
        "r2",
        "R squared",
        True,
        _OF_SOME,
        -inf,
        1,
        "1 - mse / variance of the labels",
        "log method on 1 - r2, labels as normal",
        "Wright 1921, Correlation and Causation",
    ),
    Metric(
        "mape",
        "mean absolute percentage error",
        False,
        _LOSS,
        0,
        256,
        "mean of |(prediction - label) / label|, at most 256 each, over labels other than 0",
        "normal, with the second moment",
        "de Myttenaere et al. 2016, Mean Absolute Percentage Error for Regression Models",
    ),
    Metric(
        "mean_error", "mean error", None, None, -inf, inf, "mean of prediction - label", "normal, with the second moment", "by definition"
    ),
)
_CBPE: Final = "Garg et al. 2022; CBPE in NannyML's documentation"
_LABELS: Final = "labels as draws, delta method"
_BINS: Final = ", as the baseline's was in the bins of the predictions"
_STRATA: Final = ("log method, variance within bins", "Cochran 1977, Sampling Techniques, ch. 5; beside DLE in NannyML's documentation")
_ESTIMATES: Final = {
    **dict.fromkeys(("accuracy", "precision", "recall", "specificity", "f1", "roc_auc"), (", of counts expected from calibrated scores",)),
    "macro_precision": (", of counts expected from calibrated scores",),
    **dict.fromkeys(("macro_recall", "macro_f1"), (", of counts expected from calibrated scores and the baseline's mix of errors",)),
    **dict.fromkeys(("mae", "rmse"), (_BINS, *_STRATA)),
}
"""What is estimated before labels come: what is added to the formula, then interval and source."""


def _estimate(row: Metric, added: str, interval: str = _LABELS, source: str = _CBPE) -> Metric:
    title, formula = f"estimated {row.title}", row.formula + added
    return row._replace(name=ESTIMATED + row.name, title=title, formula=formula, interval=interval, source=source)


_MEASURED: Final[Mapping[str, Metric]] = {row.name: row for row in _ROWS}
METRICS: Final[Mapping[str, Metric]] = {
    **_MEASURED,
    **{ESTIMATED + name: _estimate(_MEASURED[name], *parts) for name, parts in _ESTIMATES.items()},
}
"""By name, those of `quality` and of `estimated`. Those of bias are in `bias.BIAS`."""
