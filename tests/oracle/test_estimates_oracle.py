"""Quality before labels come, of several classes and of numbers, against plain sums over the events; intervals by simulation."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from stream_monitor.detect.outcomes.confidence import Confidence, expected, fit_confidence
from stream_monitor.detect.outcomes.estimators import fit_estimator
from stream_monitor.detect.outcomes.expected_error import KNOWN_MIN, expected_errors, fit_errors
from stream_monitor.detect.outcomes.quality import quality
from stream_monitor.profile.outcome import CONFIDENCE_BINS, OutcomeLayout
from tests.oracle.outcome_rows import EDGES, VALUED, Bits, Floats, covers, errors, find, inside, rows, scored_classes, vector

seeds = st.integers(0, 2**32 - 1)
LEVEL = 0.95
SAMPLES = 300


def answers(generator: np.random.Generator, n: int, k: int, sharp: float) -> tuple[Bits, Bits, Floats]:
    """(label, prediction, score of the prediction) as codes, calibrated; sharp: how sure the model is."""
    chances = generator.dirichlet(np.full(k, 1 / sharp), n)
    says = chances.argmax(axis=1)
    label = (chances.cumsum(axis=1) > generator.random((n, 1))).argmax(axis=1)
    return label + 1, says + 1, chances[np.arange(n), says]


def bins(score: Floats) -> Bits:
    """By the logit in 1/3,000, 512 of them a bin."""
    logit = np.clip((np.log(score) - np.log1p(-score)) * 3_000, -32_767, 32_767)
    places: Bits = np.rint(logit).astype(np.int64) + 32_768 >> 9
    return places


@given(seeds, st.integers(2, 300), st.integers(2, 5))
def test_expected_counts_of_classes_are_plain_sums(seed: int, n: int, k: int) -> None:
    """Of the labels nothing is read; a class occurs where it is predicted or half an event of it is expected."""
    generator, layout = np.random.default_rng(seed), scored_classes(k)
    label, says, score = answers(generator, n, k, 2.0)
    right = np.sort(generator.random((k + 1, CONFIDENCE_BINS)), axis=1)
    wrong = generator.random((k + 1, k + 1)) * (1 - np.eye(k + 1))
    wrong /= wrong.sum(axis=0)
    hidden = np.where(generator.random(n) < 0.5, label, 0)
    found = expected(layout, vector(layout, rows(says, hidden, score), seed=seed), Confidence(right, wrong, 0))
    chance = right[says - 1, bins(score)]
    weights = wrong[:, says - 1].T * (1 - chance)[:, None]
    weights[np.arange(n), says - 1] = chance
    assert find(found, "estimated_accuracy").value == pytest.approx(chance.mean())
    occurs = [place for place in range(k + 1) if (says - 1 == place).any() or weights[:, place].sum() >= 0.5]
    each = {"labels": occurs, "average": "macro", "zero_division": 0.0, "sample_weight": weights.ravel()}
    y, told = np.tile(np.arange(k + 1), n), np.repeat(says - 1, k + 1)
    assert find(found, "estimated_macro_precision").value == pytest.approx(sk.precision_score(y, told, **each))
    assert find(found, "estimated_macro_recall").value == pytest.approx(sk.recall_score(y, told, **each))
    assert find(found, "estimated_macro_f1").value == pytest.approx(sk.f1_score(y, told, **each))


@given(seeds, st.integers(3, 400))
def test_confidence_is_calibrated_class_by_class(seed: int, n: int) -> None:
    generator, layout = np.random.default_rng(seed), scored_classes(3)
    label, says, score = answers(generator, n, 3, 2.0)
    found = fit_confidence(layout, vector(layout, rows(says, label, score), seed=seed))
    assert found.fitted_on == n
    np.testing.assert_allclose(found.wrong.sum(axis=0), 1)
    assert (np.diag(found.wrong) == 0).all()
    assert (np.diff(found.right, axis=1) >= -1e-12).all()
    for place in np.unique(says) - 1:
        mine = says - 1 == place
        oracle = IsotonicRegression(out_of_bounds="clip").fit(bins(score[mine]), (label == says)[mine])
        there = np.unique(bins(score[mine]))
        np.testing.assert_allclose(found.right[place, there], oracle.predict(there), atol=1e-9)
        if (miss := mine & (label != says)).any():
            shares = np.bincount(label[miss] - 1, minlength=4) / miss.sum()
            np.testing.assert_allclose(found.wrong[:, place], shares, atol=2e-3)


@pytest.mark.parametrize("fitted_on", [2_000, 20_000])
def test_estimates_of_classes_hold_what_labels_show_under_covariate_shift(fitted_on: int) -> None:
    """Events that are harder than in training; recall and F1 need that errors are of the same kinds, as they are here by symmetry."""
    names, layout = ("accuracy", "macro_precision", "macro_recall", "macro_f1"), scored_classes(4)
    hits: dict[str, list[bool]] = {name: [] for name in names}
    gaps: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(SAMPLES):
        generator = np.random.default_rng(seed)
        trained, (label, says, score) = answers(generator, fitted_on, 4, 4.0), answers(generator, 600, 4, 1.5)
        truth = vector(layout, rows(trained[1], trained[0], trained[2]), panes=1)
        counted = vector(layout, rows(says, label, score), panes=1)
        estimator = fit_estimator(layout, truth)
        assert estimator is not None
        real, found, was = quality(layout, counted), estimator(counted, LEVEL, 1.0), quality(layout, truth)
        for name in names:
            value, guess, before = find(real, name).value, find(found, f"estimated_{name}"), find(was, name).value
            assert value is not None
            assert guess.value is not None
            assert before is not None
            assert before - value > 0.05, "it is a shift"
            hits[name].append(inside(guess, value))
            gaps[name].append(guess.value - value)
    assert not {name: float(np.mean(each)) for name, each in hits.items() if not covers(each, LEVEL)}
    assert {name: float(np.mean(each)) for name, each in gaps.items()} == {name: pytest.approx(0, abs=0.01) for name in names}


def test_what_predictions_do_not_show_is_not_seen() -> None:
    """Pure concept drift: the same predictions and scores, other labels; the estimate stays what it was."""
    generator, layout = np.random.default_rng(1), scored_classes(3)
    label, says, score = answers(generator, 5_000, 3, 3.0)
    truth, moved = (vector(layout, rows(says, each, score), panes=1) for each in (label, label % 3 + 1))
    estimator = fit_estimator(layout, truth)
    assert estimator is not None
    assert estimator(moved, LEVEL, 1.0) == estimator(truth, LEVEL, 1.0)
    assert find(quality(layout, moved), "accuracy").value < 0.5 < find(estimator(moved, LEVEL, 1.0), "estimated_accuracy").value  # type: ignore[operator]


def numbers(generator: np.random.Generator, n: int, center: float) -> tuple[Floats, Floats]:
    """(prediction, truth): errors grow with the prediction."""
    value = generator.normal(center, 1.5, n)
    return value, value + generator.normal(0, 0.2 * np.maximum(value, 1), n)


@given(seeds, st.integers(1, 200))
def test_expected_errors_are_the_baselines_by_bin(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    value, truth = numbers(generator, 3_000, 10)
    fitted = fit_errors(VALUED, vector(VALUED, errors(value, truth), seed=seed))
    live = generator.normal(11, 3, n)
    hidden = np.where(generator.random(n) < 0.5, live, np.nan)
    found = expected_errors(VALUED, vector(VALUED, errors(live, hidden), seed=seed), fitted)
    places, at, e = np.digitize(value, EDGES), np.digitize(live, EDGES), np.abs(value - truth)
    known = [place for place in range(len(EDGES) + 1) if (places == place).sum() >= KNOWN_MIN]
    at = np.array([min(known, key=lambda place: abs(place - each)) for each in at])  # these are next to each other
    assert known == list(range(known[0], known[-1] + 1))
    assert find(found, "estimated_mae").value == pytest.approx(np.mean([e[places == place].mean() for place in at]), rel=1e-4)
    squares = np.mean([(e[places == place] ** 2).mean() for place in at])
    assert find(found, "estimated_rmse").value == pytest.approx(sqrt(squares), rel=1e-4)
    assert {each.events for each in found} == {n}


@pytest.mark.parametrize(("fitted_on", "center"), [(1_000, 10), (20_000, 11)])
def test_expected_errors_hold_what_labels_show_when_predictions_move(fitted_on: int, center: float) -> None:
    hits: dict[str, list[bool]] = {"mae": [], "rmse": []}
    gaps: dict[str, list[float]] = {"mae": [], "rmse": []}
    for seed in range(SAMPLES):
        generator = np.random.default_rng(seed)
        estimator = fit_estimator(VALUED, vector(VALUED, errors(*numbers(generator, fitted_on, 9)), panes=1))
        counted = vector(VALUED, errors(*numbers(generator, 500, center)), panes=1)
        assert estimator is not None
        real, found = quality(VALUED, counted), estimator(counted, LEVEL, 1.0)
        for name in hits:
            value, guess = find(real, name).value, find(found, f"estimated_{name}")
            assert value is not None
            assert guess.value is not None
            hits[name].append(inside(guess, value))
            gaps[name].append(guess.value / value - 1)
    assert not {name: float(np.mean(each)) for name, each in hits.items() if not covers(each, LEVEL)}
    assert {name: float(np.mean(each)) for name, each in gaps.items()} == {name: pytest.approx(0, abs=0.03) for name in gaps}


@pytest.mark.parametrize("layout", [scored_classes(3), VALUED], ids=["classes", "numbers"])
def test_nothing_known_nothing_estimated(layout: OutcomeLayout) -> None:
    assert fit_estimator(layout, layout.empty()) is None
    label, says, score = answers(np.random.default_rng(0), 50, 3, 2.0)
    known = errors(*numbers(np.random.default_rng(0), 50, 10)) if layout is VALUED else rows(says, label, score)
    estimator = fit_estimator(layout, vector(layout, known))
    assert estimator is not None
    nothing = estimator(layout.empty(), LEVEL, 1.0)
    assert [each.name for each in nothing] == [each.name for each in estimator(vector(layout, known), LEVEL, 1.0)]
    assert {(each.value, each.low, each.high, each.events) for each in nothing} == {(None, None, None, 0)}


def test_a_model_that_is_never_wrong_is_expected_not_to_be() -> None:
    exact = np.linspace(5, 15, 400)
    estimator = fit_estimator(VALUED, vector(VALUED, errors(exact, exact)))
    assert estimator is not None
    assert [each.value for each in estimator(vector(VALUED, errors(exact, exact * np.nan)), LEVEL, 1.0)] == [0, 0]
    layout, says = scored_classes(2), np.repeat([1, 2], 100)
    estimator = fit_estimator(layout, vector(layout, rows(says, says, np.full(200, 0.9))))
    assert estimator is not None
    one = estimator(vector(layout, rows(says[:1], says[:1] * 0, np.array([0.9]))), LEVEL, 1.0)
    assert [each.value for each in one] == [1, 1, 1, 1]
