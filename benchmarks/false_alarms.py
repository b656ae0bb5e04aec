"""False findings per 30 days of stationary traffic: our gate, a one-sample gate, and thresholds alone.

30 features (15 numeric with 20 bins and two tails, 15 categories with falling frequencies), 1 % of values missing, 5-minute windows.
Window and baseline counts are drawn from the same distribution, so that every finding is false. The budget is 1 per 30 days.

    python benchmarks/false_alarms.py [--months 1] [--seed 1]
    python benchmarks/false_alarms.py --tail

`--tail`: how much more often than alpha says each test is wrong, by importance sampling: the smaller sample is drawn from
Dirichlet-multinomials, spread as widely as a result of that p is, and weighted by its likelihood ratio.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from stream_monitor.capture.schema import Column, Kind
from stream_monitor.detect.detector import Detector
from stream_monitor.detect.distances import DISTANCES
from stream_monitor.detect.gate import alpha, homogeneity, kolmogorov_smirnov
from stream_monitor.detect.pair import Counts, Flags, Floats, Inflation, Pair, Side
from stream_monitor.detect.quality import RATIOS
from stream_monitor.profile.layout import FIRST_VALUE

FEATURES = 30
WINDOWS = 30 * 24 * 12
BATCH = 288  # windows judged at once: a day
BASELINES = (200, 1000, 100_000)
SIZES = (200, 1000, 30_000, 300_000)
DETECTORS: dict[str, Detector] = {**DISTANCES, **RATIOS}
"""Those that counts of windows alone decide; all of them together, and months of traffic: benchmarks/judgement/quiet.py."""
KINDS = tuple(Column(f"x{i}", Kind.NUMERIC if i < FEATURES // 2 else Kind.CATEGORICAL) for i in range(FEATURES))


@dataclass
class Tally:
    """False findings, by how they would have been decided."""

    tests: int = 0
    threshold_alone: int = 0
    one_sample: int = 0
    gate_alone: int = 0
    ours: int = 0


def shares() -> NDArray[np.float64]:
    """float64[30, 24]: missing, invalid, then the values."""
    numeric = np.concatenate([[0.0005], np.full(20, 0.05), [0.0005]])
    categories = np.concatenate([[0.002], 1 / np.arange(1, 22) ** 1.2])
    values = np.vstack([numeric if column.kind is Kind.NUMERIC else categories for column in KINDS])
    return np.hstack([np.tile([0.01, 0.001], (FEATURES, 1)), 0.989 * values / values.sum(axis=1, keepdims=True)])


def drawn(rng: np.random.Generator, events: int, times: int) -> Side:
    """`times` samples of all features, one under the other."""
    counts = rng.multinomial(events, np.tile(shares(), (times, 1)))
    return side(counts, events)


def side(counts: Counts, events: int) -> Side:
    """Without moments and what was not seen: no detector here reads them."""
    zeros = np.zeros((3, len(counts)), dtype=np.int64)
    return Side(np.full(len(counts), events), counts, zeros[:2], zeros[2], zeros[2])


def one_sample(pair: Pair) -> Floats:
    """Pearson's chi-square of the window with the baseline taken for the truth (add-1/2 smoothing), as many tools do."""
    values, baseline = pair.window.values, pair.baseline.values + 0.5
    expected = pair.window.present[:, None] * baseline / baseline.sum(axis=1, keepdims=True)
    p: Floats = stats.chi2.sf(((values - expected) ** 2 / expected).sum(axis=1), values.shape[1] - 1)
    return p


def month(rng: np.random.Generator, baseline_events: int, events: int, tally: Tally) -> None:
    """30 days against one baseline."""
    applies = {name: np.array([detector.applies_to(column) for column in KINDS]) for name, detector in DETECTORS.items()}
    level = alpha(1.0, sum(int(flags.sum()) for flags in applies.values()), 300_000)
    baseline = drawn(rng, baseline_events, 1)
    repeated = side(np.tile(baseline.counts, (BATCH, 1)), baseline_events)
    for _ in range(WINDOWS // BATCH):
        pair = Pair(drawn(rng, events, BATCH), repeated, Inflation.none(len(repeated.events)))
        naive = one_sample(pair) < level
        for name, detector in DETECTORS.items():
            held = np.tile(applies[name], BATCH)
            limits = detector.base(repeated) + detector.default_threshold
            count(tally, held, np.nan_to_num(detector.score(pair)) > limits, detector.gate(pair) < level, naive)


def count(tally: Tally, held: Flags, large: Flags, real: Flags, naive: Flags) -> None:
    tally.tests += int(held.sum())
    tally.threshold_alone += int((held & large).sum())
    tally.one_sample += int((held & large & naive).sum())
    tally.gate_alone += int((held & real).sum())
    tally.ours += int((held & large & real).sum())


TAIL_DRAWS = 200_000
SHAPES = {"20 equal bins": np.full(20, 0.05), "5 of falling size": np.arange(1, 6) ** -2.0, "40 of falling size": np.arange(1, 41) ** -1.0}


def spread(rng: np.random.Generator, p: Floats, events: int) -> tuple[Counts, Floats]:
    """Samples from an even mixture of three Dirichlet-multinomials, and the likelihood of each under p relative to the mixture."""
    centre = max(events / (special.chdtri(len(p) - 1, 1e-7) / (len(p) - 1) - 1), 2.0)
    masses = centre * np.array([0.6, 1.0, 2.5])
    chances = rng.standard_gamma(np.outer(masses[rng.integers(0, 3, TAIL_DRAWS)], p))
    counts = rng.multinomial(events, chances / chances.sum(axis=1, keepdims=True))
    proposals = [
        (special.gammaln(counts + mass * p) - special.gammaln(mass * p)).sum(axis=1)
        + special.gammaln(mass)
        - special.gammaln(events + mass)
        for mass in masses
    ]
    truth = special.xlogy(counts, p).sum(axis=1)
    return counts, np.exp(truth - special.logsumexp(proposals, axis=0) + np.log(len(masses)))


def pearson(pair: Pair) -> Floats:
    """The textbook chi-square test of homogeneity, unpooled."""
    window, baseline = pair.window.values, pair.baseline.values
    n, m, total = window.sum(axis=1, keepdims=True), baseline.sum(axis=1, keepdims=True), np.maximum(window + baseline, 1)
    statistic = ((window * np.sqrt(m / n) - baseline * np.sqrt(n / m)) ** 2 / total).sum(axis=1)
    p: Floats = special.chdtrc(window.shape[1] - 1, statistic)
    return p


def as_side(values: Counts) -> Side:
    counts = np.hstack([np.zeros((len(values), FIRST_VALUE), dtype=np.int64), values])
    return side(counts, int(values[0].sum()))


def tail(seed: int) -> None:
    """Prints actual / nominal rate of p < 1e-7 for the tests at hand."""
    print("Actual rate of p < 1e-7 on stationary counts, as a multiple of 1e-7 (with its standard error)")
    tests = {"G-test, Williams (ours)": homogeneity, "Kolmogorov-Smirnov (ours)": kolmogorov_smirnov, "Pearson": pearson}
    for shape, weights in SHAPES.items():
        for small, large in ((200, 200), (200, 1000), (200, 100_000), (1000, 30_000)):
            rng, p = np.random.default_rng([seed, small, large]), weights / weights.sum()
            window, likelihood = spread(rng, p, small)
            other = as_side(rng.multinomial(large, p, size=TAIL_DRAWS))
            pair = Pair(as_side(window), other, Inflation.none(TAIL_DRAWS))
            rates = {name: likelihood * (test(pair) < 1e-7) / 1e-7 for name, test in tests.items()}
            cells = [f"{name} {rate.mean():.2f} ± {rate.std() / TAIL_DRAWS**0.5:.2f}" for name, rate in rates.items()]
            print(f"{shape}, {small:,} against {large:,}: " + "; ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tail", action="store_true")
    arguments = parser.parse_args()
    if arguments.tail:
        return tail(arguments.seed)
    heads = ("baseline rows", "events/window", "threshold alone", "large, one-sample", "gate alone", "large and real (ours)")
    print(f"False findings per 30 days, mean of {arguments.months}, seed {arguments.seed}, budget 1, {FEATURES} features")
    print(" | ".join(f"{head:>21}" for head in heads))
    for baseline_events in BASELINES:
        for events in SIZES:
            tally, rng = Tally(), np.random.default_rng([arguments.seed, baseline_events, events])
            for _ in range(arguments.months):
                month(rng, baseline_events, events, tally)
            figures = (tally.threshold_alone, tally.one_sample, tally.gate_alone, tally.ours)
            cells = [f"{baseline_events:,}", f"{events:,}", *(f"{figure / arguments.months:,.2f}" for figure in figures)]
            print(" | ".join(f"{cell:>21}" for cell in cells), flush=True)
    return None


if __name__ == "__main__":
    main()
