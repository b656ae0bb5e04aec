"""Quality with and without labels, from one vector, against scikit-learn on the rows; intervals by simulation."""

from collections.abc import Callable, Iterator
from math import inf, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from stream_monitor.detect.finding import ScoreStatus
from stream_monitor.detect.outcomes.bias import PAIRED, bias
from stream_monitor.detect.outcomes.constant import constant
from stream_monitor.detect.outcomes.coverage import coverage
from stream_monitor.detect.outcomes.estimated import estimated, fit_calibration
from stream_monitor.detect.outcomes.estimators import fit_estimator
from stream_monitor.detect.outcomes.judge import OutcomeJudge
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.detect.outcomes.metrics import ANSWERED, METRICS
from stream_monitor.detect.outcomes.pre_training import pre_training_bias
from stream_monitor.detect.outcomes.quality import quality
from stream_monitor.detect.outcomes.relation import joint_js, joint_kl
from stream_monitor.detect.outcomes.scores import ECE_BINS, MIDDLES, by_label, pr_errors, roc_area, roc_error
from stream_monitor.detect.outcomes.verdict import judge
from stream_monitor.profile.delay import delay_bin, delay_of
from stream_monitor.profile.outcome import OutcomeLayout
from stream_monitor.profile.score import SCORE_BINS
from stream_monitor.profile.weights import EVENTS
from tests.oracle.outcome_rows import (
    BINARY,
    GROUPED,
    REGRESSION,
    SCORED,
    VALUED,
    Bits,
    Floats,
    binary,
    covers,
    errors,
    find,
    inside,
    multiclass,
    rows,
    scored_classes,
    vector,
)

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 400)
LEVEL = 0.95
SAMPLES = 400


def scored(generator: np.random.Generator, n: int, lean: float = 0.0, shape: tuple[float, float] = (0.8, 1.2)) -> tuple[Bits, Bits, Floats]:
    """(label, prediction, score), calibrated but for `lean`."""
    chance = generator.beta(*shape, n)
    y = (generator.random(n) < chance).astype(np.int64)
    score = np.clip(chance + lean, 0, 1)
    return y, (score > 0.5).astype(np.int64), score


def bins(score: Floats) -> Bits:
    """By the logit in 1/3,000, as scores are kept."""
    with np.errstate(divide="ignore"):
        logit = np.log(score) - np.log1p(-score)
    places: Bits = np.rint(np.clip(logit * 3_000, -32_767, 32_767)).astype(np.int64) + 32_768 >> 7
    return places


def open_bits(y: Bits, says: Bits) -> float:
    """H(label, prediction) - H(prediction)."""
    joint = sk.confusion_matrix(y, says, labels=[0, 1])
    return float(entropy(joint.ravel(), base=2) - entropy(joint.sum(axis=0), base=2))


@given(seeds, sizes)
def test_binary_counts_are_scikit_learns(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    y, says = generator.integers(0, 2, n), generator.integers(0, 2, n)
    found = quality(BINARY, vector(BINARY, binary(y, says), seed=seed))
    oracle = {
        "accuracy": sk.accuracy_score(y, says),
        "precision": sk.precision_score(y, says, zero_division=np.nan),
        "recall": sk.recall_score(y, says, zero_division=np.nan),
        "specificity": sk.recall_score(y, says, pos_label=0, zero_division=np.nan),
        "f1": sk.f1_score(y, says, zero_division=np.nan),
        "f0_5": sk.fbeta_score(y, says, beta=0.5, zero_division=np.nan),
        "f2": sk.fbeta_score(y, says, beta=2, zero_division=np.nan),
        "conditional_entropy": open_bits(y, says),
    }
    assert [each.name for each in found] == list(oracle)
    for each in found:
        assert each.value == (None if np.isnan(oracle[each.name]) else pytest.approx(oracle[each.name], abs=1e-12))


@given(seeds, sizes)
def test_scores_are_scikit_learns_within_the_stated_error(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    y, says, score = scored(generator, n)
    y[:2] = 0, 1
    counted = vector(SCORED, binary(y, says, score), seed=seed)
    found, counts = quality(SCORED, counted), by_label(SCORED, counted)
    binned = bins(score)
    roc, pr = find(found, "roc_auc").value, find(found, "pr_auc").value
    assert roc == pytest.approx(sk.roc_auc_score(y, binned))
    assert roc == pytest.approx(sk.roc_auc_score(y, score), abs=roc_error(counts) + 1e-9)
    assert pr == pytest.approx(sk.average_precision_score(y, binned))
    below, above = pr_errors(counts)
    assert pr is not None
    assert -above - 1e-9 <= pr - sk.average_precision_score(y, score) <= below + 1e-9
    clipped = np.clip(score, 1.81e-5, 1 - 1.81e-5)
    assert find(found, "log_loss").value == pytest.approx(sk.log_loss(y, clipped), abs=2e-4)
    assert find(found, "brier").value == pytest.approx(sk.brier_score_loss(y, score), abs=5e-5)
    place = (MIDDLES[binned] * ECE_BINS).astype(int)
    gaps = [abs((y - score)[place == each].sum()) / n for each in range(ECE_BINS)]
    assert find(found, "ece").value == pytest.approx(sum(gaps), abs=0.0054)


@pytest.mark.parametrize(("share", "error"), [(0.1, 0.0021), (0.01, 0.0025), (0.001, 0.0027)])
def test_rare_positives_are_ordered_as_well_as_common_ones(share: float, error: float) -> None:
    """A ROC area of 0.86 or 0.87, and half of the pairs that share a bin; it was 0.0025, 0.028, 0.29 with 256 bins of equal width."""
    y, says, score = scored(np.random.default_rng(4), 2_000_000, shape=(0.33, 0.33 / share - 0.33))
    counts = by_label(SCORED, vector(SCORED, binary(y, says, score), panes=1))
    area = sk.roc_auc_score(y, score)
    assert area == pytest.approx(0.865, abs=0.012)
    assert roc_error(counts) < error
    assert roc_area(counts)[0] == pytest.approx(area, abs=1e-4)


@given(seeds, st.integers(1, 300), st.integers(2, 6))
def test_several_classes_are_scikit_learns(seed: int, n: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    y = generator.integers(1, k + 1, n)
    says = np.where(generator.random(n) < 0.5, y, generator.integers(1, k + 1, n))
    layout = multiclass(k)
    found = quality(layout, vector(layout, rows(says, y), seed=seed))
    assert find(found, "accuracy").value == pytest.approx(sk.accuracy_score(y, says))
    said = (np.bincount(y[says == each]) for each in np.unique(says))
    plain = sum(-c * np.log2(c / counts.sum()) for counts in said for c in counts if c) / n
    assert find(found, "conditional_entropy").value == pytest.approx(plain, abs=1e-12)
    for average in ("macro", "weighted"):
        assert find(found, f"{average}_precision").value == pytest.approx(sk.precision_score(y, says, average=average, zero_division=0))
        assert find(found, f"{average}_f1").value == pytest.approx(sk.f1_score(y, says, average=average, zero_division=0))
    assert find(found, "macro_recall").value == pytest.approx(sk.recall_score(y, says, average="macro", zero_division=0))
    by_class = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}
    for name, score in by_class.items():
        oracle = score(y, says, average=None, labels=range(1, k + 1), zero_division=np.nan)
        for place, value in enumerate(oracle):
            own = find(found, name, (("class", f"c{place}"),))
            assert own.value == (None if np.isnan(value) else pytest.approx(value))


@given(seeds, sizes)
def test_regressions_are_scikit_learns(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.normal(10, 3, n)
    value = truth + generator.normal(0.5, 2, n)
    found = quality(REGRESSION, vector(REGRESSION, errors(value, truth), seed=seed))
    square = REGRESSION.scale**2 / 2**25
    assert find(found, "mae").value == pytest.approx(sk.mean_absolute_error(truth, value), abs=1e-5)
    assert find(found, "mse").value == pytest.approx(sk.mean_squared_error(truth, value), abs=square)
    assert find(found, "rmse").value == pytest.approx(sk.root_mean_squared_error(truth, value), abs=sqrt(square))
    assert find(found, "mape").value == pytest.approx(sk.mean_absolute_percentage_error(truth, value), abs=1e-5)
    assert find(found, "mean_error").value == pytest.approx((value - truth).mean(), abs=1e-5)
    if n >= 10:
        assert find(found, "r2").value == pytest.approx(sk.r2_score(truth, value), abs=0.01)


def test_small_errors_are_told_right() -> None:
    """Errors of a thousandth of the scale, where squares are near their rounding; of a hundred-thousandth, where they all are 0."""
    generator = np.random.default_rng(3)
    truth = generator.normal(10, 2.5, 5_000)
    for error in (np.full(5_000, 0.0025), generator.normal(0, 0.0025, 5_000)):
        found = quality(REGRESSION, vector(REGRESSION, errors(truth + error, truth)))
        assert find(found, "rmse").value == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.01)
        assert find(found, "r2").value == pytest.approx(sk.r2_score(truth, truth + error), abs=1e-7)
    tiny = quality(REGRESSION, vector(REGRESSION, errors(truth + 2.5e-5, truth)))
    assert find(tiny, "rmse").value == pytest.approx(2.5e-5, rel=0.05)


def test_rare_labels_and_events_without_prediction() -> None:
    """A label beyond the named classes is negative; what was not predicted is not judged."""
    counted = vector(BINARY, rows(np.array([2, 2, 1, 0]), np.array([2, 3, 2, 2])))
    found = quality(BINARY, counted)
    assert find(found, "precision").value == 0.5
    assert find(found, "recall").events == 2


@pytest.mark.parametrize("layout", [BINARY, SCORED, GROUPED, REGRESSION, multiclass(3)])
def test_of_no_labels_nothing_is_known(layout: OutcomeLayout) -> None:
    for found in (quality(layout, layout.empty()), constant(layout, layout.empty())):
        assert found
        assert all(each.value is None and each.low is None and each.events == 0 for each in found)
    seen = coverage(layout, layout.empty())
    assert (seen.events, seen.label_coverage, seen.label_delay_p50_s, seen.is_balanced) == (0, None, None, True)


@pytest.mark.parametrize("layout", [BINARY, SCORED, REGRESSION, multiclass(3)])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_one_class_one_score_one_value(layout: OutcomeLayout, n: int) -> None:
    ones = np.ones(n)
    given_rows = errors(ones, ones) if layout.task == "regression" else rows(ones.astype(int) * 2, ones.astype(int) * 2, ones)
    for each in quality(layout, vector(layout, given_rows)):
        assert each.value is None or np.isfinite(each.value)
        if each.value is not None and each.low is not None and each.high is not None:
            assert each.low <= each.value <= each.high
        if each.name in ("roc_auc", "specificity", "r2"):
            assert each.value is None


@given(seeds)
def test_no_vector_is_worth_a_crash(seed: int) -> None:
    """Whatever was taken back before it came: counts of any sign, sums that fit to none."""
    generator = np.random.default_rng(seed)
    all_parts = OutcomeLayout("binary", ("no", "yes"), positive=1, scored=True, groups=GROUPED.groups)
    for layout in (all_parts, REGRESSION, multiclass(3)):
        counted = generator.integers(-3, 5, layout.size) * generator.integers(0, 2, layout.size)
        quality(layout, counted)
        constant(layout, counted)
        coverage(layout, counted)
        bias(layout, counted, {"sex": "m"}, events_min=1)
        pre_training_bias(layout, counted, {"sex": "m"}, events_min=1)
        if layout.scored:
            estimated(layout, counted, fit_calibration(layout, counted), fitted_on=100)


def test_equal_scores_say_nothing_of_order() -> None:
    y = np.arange(100) % 2
    found = find(quality(SCORED, vector(SCORED, binary(y, y, np.full(100, 0.3)))), "roc_auc")
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_every_metric_has_its_row_and_its_range() -> None:
    generator = np.random.default_rng(5)
    y, says, score = scored(generator, 200)
    truth = generator.normal(10, 3, 200)
    three = multiclass(3)
    counted = vector(SCORED, binary(y, says, score))
    found = [
        *quality(SCORED, counted),
        *estimated(SCORED, counted, fit_calibration(SCORED, counted)),
        *quality(REGRESSION, vector(REGRESSION, errors(truth + 1, truth))),
        *quality(three, vector(three, rows(1 + generator.integers(0, 3, 200), 1 + generator.integers(0, 3, 200)))),
    ]
    for layout, known in ((scored_classes(3), rows(1 + says, 1 + y, score)), (VALUED, errors(truth + 1, truth))):
        estimator = fit_estimator(layout, vector(layout, known))
        assert estimator is not None
        found += estimator(vector(layout, known), LEVEL, 1.0)
    assert {each.name for each in found} == set(METRICS) - set(ANSWERED)
    for each in found:
        row = METRICS[each.name]
        assert each.value is not None
        assert row.low <= each.value <= row.high
        assert all((row.title, row.formula, row.interval, row.source))
        assert row.drop is None or row.drop.reason


def test_constants_are_what_scikit_learns_dummies_reach() -> None:
    generator = np.random.default_rng(6)
    y, says, score = scored(generator, 500)
    found = constant(SCORED, vector(SCORED, binary(y, says, score)))
    answers = [np.full(500, each) for each in (0, 1)]
    for name, of in {"accuracy": sk.accuracy_score, "f1": sk.f1_score, "recall": sk.recall_score}.items():
        assert find(found, name).value == pytest.approx(max(of(y, answer) for answer in answers))
    assert find(found, "f2").value == pytest.approx(sk.fbeta_score(y, answers[1], beta=2))
    share = np.full(500, y.mean())
    assert find(found, "log_loss").value == pytest.approx(sk.log_loss(y, share))
    assert find(found, "brier").value == pytest.approx(sk.brier_score_loss(y, share))
    assert find(found, "roc_auc").value == sk.roc_auc_score(y, share)
    assert find(found, "pr_auc").value == pytest.approx(sk.average_precision_score(y, share))
    assert find(found, "conditional_entropy").value == pytest.approx(entropy([y.mean(), 1 - y.mean()], base=2))
    layout, labels = multiclass(3), generator.choice([1, 2, 3], 500, p=[0.5, 0.3, 0.2])
    several = constant(layout, vector(layout, rows(labels, labels)))
    for average in ("macro", "weighted"):
        best = max(sk.f1_score(labels, np.full(500, each), average=average, zero_division=0) for each in (1, 2, 3))
        assert find(several, f"{average}_f1").value == pytest.approx(best)
    truth = generator.normal(10, 3, 500)
    numbers = constant(REGRESSION, vector(REGRESSION, errors(truth + 1, truth)))
    assert find(numbers, "rmse").value == pytest.approx(truth.std(), rel=1e-3)
    assert find(numbers, "r2").value == 0


# Intervals


def sampled(draw: Callable[[np.random.Generator], list[Measure]], count: int = SAMPLES) -> Iterator[list[Measure]]:
    return (draw(np.random.default_rng(seed)) for seed in range(count))


def assert_covered(draw: Callable[[np.random.Generator], list[Measure]], truth: dict[str, float]) -> None:
    hits: dict[str, list[bool]] = {name: [] for name in truth}
    for found in sampled(draw):
        for name, value in truth.items():
            hits[name].append(inside(find(found, name), value))
    poor = {name: float(np.mean(each)) for name, each in hits.items() if not covers(each, LEVEL)}
    assert not poor


RARE, COMMON = (0.2, 3.0), (0.8, 1.2)
"""Of 1,000 events, 62 or 400 are positive."""


@pytest.mark.parametrize(("n", "lean", "shape"), [(60, 0.0, COMMON), (400, 0.0, COMMON), (400, 0.15, COMMON), (1_000, 0.0, RARE)])
def test_intervals_of_a_binary_model_hold_the_truth(n: int, lean: float, shape: tuple[float, float]) -> None:
    y, says, score = scored(np.random.default_rng(99), 2_000_000, lean, shape)
    large = vector(SCORED, binary(y, says, score), panes=1)
    truth = {each.name: each.value for each in quality(SCORED, large) if each.value is not None}
    truth |= {"roc_auc": sk.roc_auc_score(y[:500_000], score[:500_000]), "pr_auc": sk.average_precision_score(y[:500_000], score[:500_000])}

    def draw(generator: np.random.Generator) -> list[Measure]:
        return quality(SCORED, vector(SCORED, binary(*scored(generator, n, lean, shape)), panes=1), LEVEL)

    assert_covered(draw, truth)


@pytest.mark.parametrize("n", [150, 1_000])
def test_intervals_of_several_classes_hold_the_truth(n: int) -> None:
    layout = multiclass(3)

    def draw_rows(generator: np.random.Generator, n: int) -> tuple[Bits, Bits]:
        y = generator.choice([1, 2, 3], n, p=[0.6, 0.3, 0.1])
        return y, np.where(generator.random(n) < 0.7, y, generator.integers(1, 4, n))

    y, says = draw_rows(np.random.default_rng(99), 2_000_000)
    truth = {e.name: e.value for e in quality(layout, vector(layout, rows(says, y), panes=1)) if e.value is not None and not e.segment}
    assert "conditional_entropy" in truth

    def draw(generator: np.random.Generator) -> list[Measure]:
        y, says = draw_rows(generator, n)
        return quality(layout, vector(layout, rows(says, y), panes=1), LEVEL)

    assert_covered(draw, truth)


@pytest.mark.parametrize("noise", ["normal", "laplace", "uniform"])
def test_intervals_of_a_regression_hold_the_truth(noise: str) -> None:
    variance = {"normal": 1.0, "laplace": 2.0, "uniform": 1 / 3}[noise]
    absolute = {"normal": sqrt(2 / np.pi), "laplace": 1.0, "uniform": 0.5}[noise]
    truth = {"mae": absolute, "mse": variance, "rmse": sqrt(variance), "r2": 1 - variance / (9 + variance), "mean_error": 0.0}

    def draw(generator: np.random.Generator) -> list[Measure]:
        error = generator.uniform(-1, 1, 300) if noise == "uniform" else getattr(generator, noise)(size=300)
        value = generator.normal(10, 3, 300)
        return quality(REGRESSION, vector(REGRESSION, errors(value, value - error), panes=1), LEVEL)

    assert_covered(draw, truth)


def test_the_interval_of_mape_holds_the_truth() -> None:
    def draw_rows(generator: np.random.Generator, n: int) -> tuple[Floats, Floats]:
        truth = generator.uniform(5, 15, n)
        return truth + generator.laplace(0, 0.5, n), truth

    def draw(generator: np.random.Generator) -> list[Measure]:
        return quality(REGRESSION, vector(REGRESSION, errors(*draw_rows(generator, 200)), panes=1), LEVEL)

    value, truth = draw_rows(np.random.default_rng(99), 2_000_000)
    assert_covered(draw, {"mape": float(sk.mean_absolute_percentage_error(truth, value))})


def test_events_that_come_four_at_a_time_widen_by_the_same() -> None:
    """Copies: an inflation of 4 gives the interval of a quarter of the events."""
    y, says, _ = scored(np.random.default_rng(7), 100)
    once = quality(BINARY, vector(BINARY, binary(y, says)))
    fourfold = quality(BINARY, vector(BINARY, binary(np.tile(y, 4), np.tile(says, 4))), inflation=4)
    for one, four in zip(once, fourfold, strict=True):
        assert (four.low, four.high) == pytest.approx((one.low, one.high))


def test_a_lost_relation_is_a_rise_of_entropy_and_chance_is_none() -> None:
    """A baseline that was never wrong: its interval is not 0, and a window of few wrong ones is no alarm."""
    y = np.arange(2_000) % 2
    before = find(quality(BINARY, vector(BINARY, binary(y, y), panes=1)), "conditional_entropy")
    assert before.value == before.low == 0
    assert before.high is not None
    assert 0 < before.high < 0.05
    for wrong, bad in ((2, False), (60, True)):
        said = np.where(np.arange(200) < wrong, 1 - y[:200], y[:200])
        assert (
            judge(find(quality(BINARY, vector(BINARY, binary(y[:200], said), panes=1)), "conditional_entropy"), baseline=before).is_bad
            == bad
        )


@given(seeds, sizes, st.integers(2, 5))
def test_the_distance_of_joint_counts_is_scipys(seed: int, n: int, k: int) -> None:
    """And it is told beside what is judged, where there is a baseline."""
    generator, layout = np.random.default_rng(seed), multiclass(k)
    pairs = [(generator.integers(1, k + 2, m), generator.integers(1, k + 2, m)) for m in (n, 300)]
    window, baseline = (vector(layout, rows(says, y), seed=seed) for says, y in pairs)
    counts = [np.bincount(y * (k + 2) + says, minlength=(k + 2) ** 2) for says, y in pairs]
    oracle = pytest.approx(jensenshannon(*counts, base=2), abs=1e-6)
    assert joint_js(layout, window, baseline) == oracle
    one, other = (np.array(each)[np.any(counts, axis=0)] + 0.5 for each in counts)
    divergence = pytest.approx(entropy(one, other), abs=1e-9)
    assert joint_kl(layout, window, baseline) == divergence
    assert joint_kl(layout, baseline, baseline) == joint_js(layout, baseline, baseline) == 0
    assert joint_js(layout, layout.empty(), baseline) is joint_kl(layout, baseline, layout.empty()) is None
    told = {each.score.key.detector: each.score for each in OutcomeJudge(layout, 0.01, 1, 0.5, baseline).labelled(window, EVENTS)}
    assert told["joint_js"].score == oracle
    assert told["joint_kl"].score == divergence
    assert told["joint_js"].threshold == told["joint_kl"].threshold == inf
    assert "joint_js" not in {each.score.key.detector for each in OutcomeJudge(layout, 0.01, 1, 0.5).labelled(window, EVENTS)}


def test_only_what_has_a_threshold_is_a_test() -> None:
    """So what is told, and what has neither a limit nor a baseline, takes nothing from the others' budget."""
    y = np.arange(40) % 2
    baseline = vector(BINARY, binary(y, y))
    judged = {each.name for each in quality(BINARY, baseline)}
    assert OutcomeJudge(BINARY, 0.01, 1, 0.5).tests() == 0
    assert OutcomeJudge(BINARY, 0.01, 1, 0.5, limits={"accuracy": 0.8, "f1_drop": 0.1}).tests() == 1
    assert OutcomeJudge(BINARY, 0.01, 1, 0.5, baseline).tests() == len(judged) == 8
    fair = OutcomeJudge(GROUPED, 0.01, 1, 0.5)
    assert fair.tests() == 5 * (len(PAIRED) - 1), "treatment equality has no scale"


# Without labels


@given(seeds, st.integers(3, 400))
def test_calibration_is_scikit_learns_isotonic_regression(seed: int, n: int) -> None:
    y, says, score = scored(np.random.default_rng(seed), n, lean=0.1)
    found = fit_calibration(SCORED, vector(SCORED, binary(y, says, score), seed=seed))
    oracle = IsotonicRegression(out_of_bounds="clip").fit(MIDDLES[bins(score)], y).predict(MIDDLES)
    np.testing.assert_allclose(found, oracle, atol=1e-9)
    assert (np.diff(found) >= -1e-12).all()


def test_without_labels_scores_are_taken_at_their_word() -> None:
    found = fit_calibration(SCORED, SCORED.empty())
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(np.arange(512) - 255.5) * 128 / 3_000)), atol=1e-4)
    assert all(each.value is None for each in estimated(SCORED, SCORED.empty(), found))
    assert estimated(BINARY, BINARY.empty(), found) == []


@given(seeds, sizes)
def test_estimates_are_the_plain_expected_counts(seed: int, n: int) -> None:
    """Labelled events count as all others: their labels are not looked at."""
    y, says, score = scored(np.random.default_rng(seed), n)
    hidden = np.where(np.random.default_rng(seed + 1).random(n) < 0.5, y, -1)
    calibration = np.linspace(0.1, 0.8, SCORE_BINS)
    found = estimated(SCORED, vector(SCORED, binary(hidden, says, score), seed=seed), calibration)
    chance = calibration[bins(score)]
    tp, fp, fn, tn = (chance * says).sum(), ((1 - chance) * says).sum(), (chance * (1 - says)).sum(), ((1 - chance) * (1 - says)).sum()
    assert find(found, "estimated_accuracy").value == pytest.approx((tp + tn) / n)
    assert find(found, "estimated_recall").value == pytest.approx(tp / (tp + fn))
    assert find(found, "estimated_specificity").value == pytest.approx(tn / (tn + fp))
    assert find(found, "estimated_f1").value == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert find(found, "estimated_precision").value == (pytest.approx(tp / (tp + fp)) if says.any() else None)
    twice = np.concatenate([np.ones(n), np.zeros(n)])
    oracle = sk.roc_auc_score(twice, np.tile(bins(score), 2), sample_weight=[*chance, *(1 - chance)])
    assert find(found, "estimated_roc_auc").value == pytest.approx(oracle)


@pytest.mark.parametrize("fitted_on", [2_000, 40_000])
def test_estimates_hold_what_labels_show_under_covariate_shift(fitted_on: int) -> None:
    """Scores that lean and come from elsewhere than in the baseline; the truth of equal scores is the same. And they are unbiased."""
    names = ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc")
    hits: dict[str, list[bool]] = {name: [] for name in names}
    gaps: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(SAMPLES):
        generator = np.random.default_rng(seed)
        baseline = vector(SCORED, binary(*scored(generator, fitted_on, lean=0.05)), panes=1)
        chance = generator.beta(1.2, 1.2, 500)
        y, score = (generator.random(500) < chance).astype(np.int64), np.clip(chance + 0.05, 0, 1)
        says = (score > 0.5).astype(np.int64)
        counted = vector(SCORED, binary(y, says, score), panes=1)
        real, found = quality(SCORED, counted), estimated(SCORED, counted, fit_calibration(SCORED, baseline), LEVEL, fitted_on)
        for name in names:
            truth, guess = find(real, name).value, find(found, f"estimated_{name}")
            assert truth is not None
            assert guess.value is not None
            hits[name].append(inside(guess, truth))
            gaps[name].append(guess.value - truth)
    assert not {name: float(np.mean(each)) for name, each in hits.items() if not covers(each, LEVEL)}
    assert {name: float(np.mean(each)) for name, each in gaps.items()} == {name: pytest.approx(0, abs=0.01) for name in names}


# Coverage and verdict


def test_coverage_counts_who_has_a_label() -> None:
    says = np.repeat([1, 2], [100, 50])
    label = np.where(np.arange(150) % 100 < 40, 1, 0)
    groups = np.stack([np.arange(150) % 3, 3 + np.arange(150) % 2])
    delays = np.full(150, delay_bin(np.array([60_000]))[0])
    seen = coverage(GROUPED, vector(GROUPED, rows(says, label, groups=groups, delay=delays)))
    assert (seen.events, seen.labelled, seen.label_coverage) == (150, 80, 80 / 150)
    assert seen.by_class == {"no": 0.4, "yes": 0.8}
    assert seen.by_group[GROUPED.groups[4]] == pytest.approx(40 / 75)
    assert seen.label_delay_p50_s == delay_of(int(delays[0])) == pytest.approx(60, rel=0.09)
    assert seen.is_balanced
    label[0] = 0
    assert not coverage(GROUPED, vector(GROUPED, rows(says, label, groups=groups, delay=delays))).is_balanced


@pytest.mark.parametrize(("labelled_no", "is_judged"), [(40, False), (50, True), (100, True)])
def test_labels_of_one_class_alone_page_nobody(labelled_no: int, is_judged: bool) -> None:
    """All that was said yes to has labels, half or less of the rest; every label says that the model was wrong."""
    says = np.repeat([1, 0], 100)
    y = np.concatenate([np.zeros(100, np.int64), np.ones(labelled_no, np.int64), np.full(100 - labelled_no, -1)])
    found = OutcomeJudge(BINARY, 0.01, 50, 0.5, limits={"accuracy": 0.5}).labelled(vector(BINARY, binary(y, says)), EVENTS)
    (accuracy,) = [each for each in found if each.score.key.detector == "accuracy"]
    assert accuracy.score.status is (ScoreStatus.JUDGED if is_judged else ScoreStatus.INCOMPLETE)
    assert (accuracy.finding is not None) is is_judged


def of(name: str, value: float, half: float) -> Measure:
    return Measure(name, value, value - half, value + half, 100)


def test_a_metric_is_bad_only_when_its_whole_interval_is() -> None:
    assert judge(of("accuracy", 0.7, 0.05), limit=0.8) == (0.8, True)
    assert judge(of("accuracy", 0.7, 0.15), limit=0.8) == (0.8, False)
    assert judge(of("rmse", 3.0, 0.5), limit=2.0).is_bad
    assert not judge(of("rmse", 1.0, 0.5), limit=2.0).is_bad
    assert judge(of("mean_error", -3.0, 0.5), limit=2.0).is_bad
    assert judge(of("mean_error", 3.0, 0.5), limit=2.0).is_bad
    assert not judge(of("mean_error", 0.0, 5.0), limit=2.0).is_bad


def test_or_when_it_fell_further_than_allowed_from_the_baselines() -> None:
    assert judge(of("accuracy", 0.8, 0.01), baseline=of("accuracy", 0.9, 0.01)).is_bad
    assert judge(of("accuracy", 0.8, 0.01), baseline=of("accuracy", 0.9, 0.01)).threshold == pytest.approx(0.85)
    assert not judge(of("accuracy", 0.8, 0.01), baseline=of("accuracy", 0.9, 0.06)).is_bad
    assert not judge(of("accuracy", 0.8, 0.01), baseline=of("accuracy", 0.9, 0.01), drop=0.2).is_bad
    assert judge(of("mae", 2.5, 0.1), baseline=of("mae", 2.0, 0.1)).threshold == pytest.approx(2.4)
    assert not judge(of("mae", 2.5, 0.1), baseline=of("mae", 2.0, 0.1)).is_bad
    assert judge(of("mae", 3.0, 0.1), baseline=of("mae", 2.0, 0.1)).is_bad


def test_what_has_no_interval_or_no_threshold_is_never_bad() -> None:
    unknown = Measure("accuracy", 0.0, None, None, 1)
    assert judge(unknown, limit=0.8) == (0.8, False)
    assert judge(of("accuracy", 0.1, 0.01)) == (None, False)
    assert judge(of("accuracy", 0.1, 0.01), baseline=unknown) == (-0.05, False)
    assert judge(of("mean_error", 9.0, 0.1), baseline=of("mean_error", 0.0, 0.1)) == (None, False)


def test_chance_alone_is_rarely_bad_and_a_real_fall_is() -> None:
    """No drop allowed at all, a small baseline: a false alarm in at most the one-sided share of windows, for each metric."""
    alarms: dict[str, list[bool]] = {}
    fallen = []
    for seed in range(SAMPLES):
        generator = np.random.default_rng(seed)
        baseline = quality(SCORED, vector(SCORED, binary(*scored(generator, 1_000)), panes=1), LEVEL)
        y, says, score = scored(generator, 400)
        for each, was in zip(quality(SCORED, vector(SCORED, binary(y, says, score), panes=1), LEVEL), baseline, strict=True):
            alarms.setdefault(each.name, []).append(judge(each, baseline=was, drop=0.0).is_bad)
        wrong = np.where(generator.random(400) < 0.4, 1 - y, y)
        broken = quality(SCORED, vector(SCORED, binary(wrong, says, score), panes=1), LEVEL)
        fallen.append(judge(find(broken, "accuracy"), baseline=find(baseline, "accuracy")).is_bad)
    one_sided = 1 - (1 - LEVEL) / 2
    assert not {name: float(np.mean(each)) for name, each in alarms.items() if not covers([not bad for bad in each], one_sided)}
    assert np.mean(fallen) > 0.95
