"""Bias between groups, from one vector, against the plain formulas on the rows; intervals by simulation."""

from collections.abc import Mapping
from math import inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, entropy, ks_2samp
from sklearn import metrics as sk

from stream_monitor.detect.outcomes.bias import ALIASES, BIAS, EVENTS_MIN, FOUR_FIFTHS, PAIRED, TENTH, bias, outside
from stream_monitor.detect.outcomes.intervals import difference, paired_ratio, quantile, ratio, share
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.detect.outcomes.metrics import METRICS
from stream_monitor.detect.outcomes.pre_training import DISTANCES, pre_training_bias
from tests.oracle.outcome_rows import BINARY, GROUPED, GROUPS, Bits, binary, covers, find, inside, vector

PRIVILEGED = {"sex": "m"}
LEVEL = 0.95
SAMPLES = 400


def people(generator: np.random.Generator, n: int) -> tuple[Bits, Bits, Bits]:
    """(label, prediction, groups): some without a label, two facets."""
    y = np.where(generator.random(n) < 0.3, -1, generator.integers(0, 2, n))
    return y, generator.integers(0, 2, n), np.stack([generator.integers(0, 3, n), generator.integers(3, 5, n)])


def plain(y: Bits, says: Bits, a: Bits, d: Bits) -> Mapping[str, float]:
    """Every metric by its definition; NaN: not computable."""
    labelled = y >= 0
    found: dict[str, float] = {}
    with np.errstate(all="ignore"):
        accepted = {side: says[rows].mean() if rows.any() else np.nan for side, rows in (("a", a), ("d", d))}
        found["disparate_impact"] = accepted["d"] / accepted["a"] if accepted["a"] > 0 else np.nan
        found["statistical_parity_difference"] = accepted["a"] - accepted["d"]
        (of_a, of_d) = (Plain(y[labelled & rows], says[labelled & rows]) for rows in (a, d))
        found["equal_opportunity_difference"] = of_a.recall - of_d.recall
        found["equalised_odds_difference"] = max(abs(of_a.recall - of_d.recall), abs(of_a.specificity - of_d.specificity))
        if np.isnan(of_a.recall - of_d.recall + of_a.specificity - of_d.specificity):
            found["equalised_odds_difference"] = np.nan
        found["accuracy_difference"] = of_a.accuracy - of_d.accuracy
        found["precision_difference"] = of_a.precision - of_d.precision
        found["specificity_difference"] = of_d.specificity - of_a.specificity
        found["treatment_equality"] = of_d.fn / of_d.fp - of_a.fn / of_a.fp if of_d.fp * of_a.fp else np.nan
        found["conditional_acceptance"] = of_a.acceptance - of_d.acceptance
        found["conditional_rejection"] = of_d.rejection - of_a.rejection
    return found


class Plain:
    def __init__(self, y: Bits, says: Bits) -> None:
        score = {"zero_division": np.nan, "labels": [1], "average": "macro"}
        empty = len(y) == 0
        self.accuracy = np.nan if empty else float((y == says).mean())
        self.recall = np.nan if empty else sk.recall_score(y, says, **score)
        self.precision = np.nan if empty else sk.precision_score(y, says, **score)
        self.specificity = np.nan if empty else sk.recall_score(1 - y, 1 - says, **score)
        self.fn, self.fp = int(((y == 1) & (says == 0)).sum()), int(((y == 0) & (says == 1)).sum())
        self.acceptance = np.divide(float((y == 1).sum()), float((says == 1).sum())) if (says == 1).any() else np.nan
        self.rejection = np.divide(float((y == 0).sum()), float((says == 0).sum())) if (says == 0).any() else np.nan


@given(st.integers(0, 2**32 - 1), st.integers(1, 500))
def test_every_metric_is_its_definition(seed: int, n: int) -> None:
    y, says, groups = people(np.random.default_rng(seed), n)
    found = bias(GROUPED, vector(GROUPED, binary(y, says, groups=groups), seed=seed), PRIVILEGED)
    compared = {
        ("sex", "f"): (groups[0] == 1, groups[0] == 0),
        ("sex", "x"): (groups[0] == 1, groups[0] == 2),
        ("age", "old"): (groups[1] == 4, groups[1] == 3),
        ("age", "young"): (groups[1] == 3, groups[1] == 4),
    }
    assert {each.segment for each in found} == {(group,) for group in compared}
    for group, (a, d) in compared.items():
        oracle = plain(y, says, a, d)
        assert set(oracle) == set(PAIRED)
        for name, value in oracle.items():
            assert find(found, name, (group,)).value == (None if np.isnan(value) else pytest.approx(value)), name


def test_where_none_is_privileged_a_group_is_compared_with_all_others() -> None:
    y, says, groups = people(np.random.default_rng(1), 600)
    found = bias(GROUPED, vector(GROUPED, binary(y, says, groups=groups)), {})
    oracle = plain(y, says, groups[0] != 2, groups[0] == 2)
    assert find(found, "accuracy_difference", (("sex", "x"),)).value == pytest.approx(oracle["accuracy_difference"])


@pytest.mark.filterwarnings("ignore::RuntimeWarning:scipy")  # of the p-value of `ks_2samp`, which is not looked at
@given(st.integers(0, 2**32 - 1), st.integers(2, 500))
def test_labels_before_training_are_scipys(seed: int, n: int) -> None:
    y, says, groups = people(np.random.default_rng(seed), n)
    found = pre_training_bias(GROUPED, vector(GROUPED, binary(y, says, groups=groups), seed=seed), PRIVILEGED, events_min=1)
    a, d = y[(groups[0] == 1) & (y >= 0)], y[(groups[0] == 0) & (y >= 0)]

    def of(name: str) -> float | None:
        return find(found, name, (("sex", "f"),)).value

    if len(a) + len(d):
        assert of("class_imbalance") == pytest.approx((len(a) - len(d)) / (len(a) + len(d)))
    if len(a) == 0 or len(d) == 0:
        assert all(of(name) is None for name in (*DISTANCES, "label_parity_difference"))
        return
    p, q = np.array([1 - a.mean(), a.mean()]), np.array([1 - d.mean(), d.mean()])
    assert of("label_parity_difference") == pytest.approx(a.mean() - d.mean())
    kl = entropy(p, q)
    assert of("label_kl") == (None if np.isinf(kl) else pytest.approx(kl, abs=1e-12))
    assert of("label_js") == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-12)
    assert of("label_lp") == pytest.approx(np.linalg.norm(p - q))
    assert of("label_tvd") == pytest.approx(np.abs(p - q).sum() / 2)
    assert of("label_ks") == pytest.approx(ks_2samp(a, d).statistic)


def test_small_groups_have_a_value_and_no_interval() -> None:
    says, groups = np.tile([0, 1], 100), np.repeat([1, 0], [200 - EVENTS_MIN + 1, EVENTS_MIN - 1])
    counted = vector(GROUPED, binary(says, says, groups=groups[None]))
    (small,) = [each for each in bias(GROUPED, counted, PRIVILEGED) if each.segment == (("sex", "f"),) and each.name == "disparate_impact"]
    assert small.value == pytest.approx(1, abs=0.05)
    assert (small.low, small.high, small.events) == (None, None, EVENTS_MIN - 1)
    assert not outside(small, (5, 6))
    large = find(bias(GROUPED, counted, PRIVILEGED, events_min=1), "disparate_impact", (("sex", "f"),))
    assert outside(large, (5, 6))


@pytest.mark.parametrize("n", [0, 1])
def test_empty_groups_say_nothing(n: int) -> None:
    one = np.ones(n, np.int64)
    counted = vector(GROUPED, binary(one, one, groups=one[None]))
    assert all(each.value is None for each in bias(GROUPED, counted, PRIVILEGED) if each.segment[0][0] == "sex")
    assert all(each.value is None for each in bias(GROUPED, counted, {"sex": "nobody", "age": "nobody"}))
    assert len(pre_training_bias(GROUPED, counted, PRIVILEGED)) == (len(GROUPS) - 1) * (2 + len(DISTANCES))
    assert bias(BINARY, BINARY.empty(), PRIVILEGED) == []


def test_outside_is_the_whole_interval() -> None:
    def of(low: float, high: float) -> Measure:
        return Measure("disparate_impact", (low + high) / 2, low, high, 100)

    assert outside(of(0.5, 0.79), FOUR_FIFTHS)
    assert outside(of(1.3, 2.0), FOUR_FIFTHS)
    assert not outside(of(0.5, 0.8), FOUR_FIFTHS)
    assert not outside(of(0.1, 9.0), FOUR_FIFTHS)


def test_every_row_says_what_it_is() -> None:
    for row in BIAS.values():
        assert all((row.title, row.formula, row.interval, row.source))
        assert row.allowed in (FOUR_FIFTHS, TENTH, (-inf, inf))
    assert set(ALIASES.values()) <= set(BIAS)
    assert not set(BIAS) & (set(METRICS) | set(ALIASES))


# Intervals


@pytest.mark.parametrize("unfair", [False, True])
def test_intervals_hold_the_truth(unfair: bool) -> None:
    """Two groups of 300 and 100, whose labels and predictions have known chances."""
    chances = {1: np.array([[0.35, 0.15], [0.1, 0.4]]), 0: np.array([[0.5, 0.1], [0.2, 0.2]] if unfair else [[0.35, 0.15], [0.1, 0.4]])}
    expected = np.zeros((2, 2, 2))
    expected[1], expected[0] = chances[1] * 1e6, chances[0] * 1e6
    truth = {each.name: each.value for each in draw_bias(expected.astype(np.int64)) if each.value is not None}
    assert set(truth) == set(PAIRED)
    hits: dict[str, list[bool]] = {name: [] for name in PAIRED}
    for seed in range(SAMPLES):
        generator = np.random.default_rng(seed)
        counts = np.stack([generator.multinomial(n, chances[group].ravel()).reshape(2, 2) for group, n in ((0, 100), (1, 300))])
        for each in draw_bias(counts):
            hits[each.name].append(each.low is not None and inside(each, truth[each.name]))
    # The absolute value of nothing has no two sides: where both groups are alike the interval still holds 0.
    assert not {name: float(np.mean(each)) for name, each in hits.items() if not covers(each, LEVEL)}


def draw_bias(counts: Bits) -> list[Measure]:
    """counts: [group: f, m; label; prediction]."""
    groups, y, says = (each.ravel() for each in np.indices(counts.shape))
    counted = GROUPED.empty()
    table = GROUPED.part(counted, "groups")
    np.add.at(table, (groups, y + 1, says), counts.ravel())
    found = bias(GROUPED, counted, PRIVILEGED, LEVEL, events_min=5)
    return [each for each in found if each.segment == (("sex", "f"),)]


def test_fair_groups_are_rarely_outside_and_unfair_ones_are() -> None:
    fair, unfair = np.array([[0.35, 0.15], [0.1, 0.4]]), np.array([[0.5, 0.1], [0.25, 0.15]])
    outsiders = {"fair": dict.fromkeys(PAIRED, 0), "unfair": dict.fromkeys(PAIRED, 0)}
    for seed in range(SAMPLES):
        generator = np.random.default_rng(seed)
        privileged = generator.multinomial(600, fair.ravel())
        for kind, chances in (("fair", fair), ("unfair", unfair)):
            counts = np.stack([generator.multinomial(300, chances.ravel()), privileged]).reshape(2, 2, 2)
            for each in draw_bias(counts):
                outsiders[kind][each.name] += outside(each, BIAS[each.name].allowed)
    assert max(outsiders["fair"].values()) <= SAMPLES * 0.03
    for name in ("disparate_impact", "statistical_parity_difference", "equal_opportunity_difference", "equalised_odds_difference"):
        assert outsiders["unfair"][name] > 0.95 * SAMPLES


@pytest.mark.parametrize("p", [0.02, 0.3, 0.97])
@pytest.mark.parametrize("n", [20, 200])
def test_wilsons_interval_is_the_inverted_score_test(p: float, n: int) -> None:
    count = round(p * n)
    found = share(count, n, quantile(LEVEL))
    assert found.low is not None
    assert found.high is not None
    for end in (found.low, found.high):
        if 0 < end < 1:
            assert abs(count / n - end) / sqrt(end * (1 - end) / n) == pytest.approx(quantile(LEVEL))
    covered = [binom.pmf(k, n, p) for k in range(n + 1) if inside(Measure("", 0, *share(k, n, quantile(LEVEL))[1:], 0), p)]
    assert sum(covered) >= 0.9


def test_newcombes_example() -> None:
    """56/70 - 48/80, method 10: 0.0524 to 0.3339 (Newcombe 1998, table II, a)."""
    found = difference(share(56, 70, quantile(LEVEL)), share(48, 80, quantile(LEVEL)))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_ratios_are_the_textbooks_log_intervals() -> None:
    z = quantile(LEVEL)
    found = ratio(300, 1000, 200, 1000, z)
    half = z * sqrt(1 / 300 - 1 / 1000 + 1 / 200 - 1 / 1000)
    assert found == pytest.approx((1.5, np.exp(log(1.5) - half), np.exp(log(1.5) + half)), rel=0.01)
    paired = paired_ratio(500, 100, 50, z)
    half = z * sqrt(150 / (600 * 550))
    assert paired == pytest.approx((600 / 550, np.exp(log(600 / 550) - half), np.exp(log(600 / 550) + half)), rel=0.01)


@pytest.mark.parametrize("count", [0, 100])
def test_ratios_of_nothing_and_all_have_intervals(count: int) -> None:
    found = ratio(count, 100, 100, 100, quantile(LEVEL))
    assert found.bounds is not None
    assert found.bounds[1] <= count / 100 <= found.bounds[2]
    assert found.bounds[1] < found.bounds[2]
    assert ratio(count, 100, 0, 100, 2.0).value is None
