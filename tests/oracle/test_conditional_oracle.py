"""Conditional demographic disparity, of labels and of predictions, from one vector, against the plain formula on the rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.baseline.segments import Segmentation
from stream_monitor.detect.outcomes.bias import CONDITIONAL, EVENTS_MIN, bias
from stream_monitor.detect.outcomes.measure import Measure
from stream_monitor.detect.outcomes.pre_training import CONDITIONAL_LABELS, pre_training_bias
from stream_monitor.profile.outcome import Group, OutcomeLayout
from tests.oracle.outcome_rows import Bits, binary, covers, find, inside, vector

SEX = ("f", "m", "other")
REGION = ("north", "east*west")
CROSSED = Segmentation(
    "sex*region", False, tuple(f"{sex}*{region}" for sex in SEX for region in REGION if (sex, region) != ("other", "north")), ()
)
FACET = Segmentation("sex", True, SEX, ())
LAYOUT = OutcomeLayout("binary", ("no", "yes"), positive=1, groups=tuple(Group(*key) for each in (FACET, CROSSED) for (key,) in each.keys))
STRATA = {"sex": "sex*region"}
LEVEL = 0.95


def plain(group: int, sex: Bits, region: Bits, accepted: Bits) -> float:
    """Clarify's; NaN where nobody was accepted or nobody rejected. accepted: 1 or 0, -1: not known. What has no group is left out."""
    held = (accepted >= 0) & ~((sex == 2) & (region == 0)) & (sex < 3) & (region < 2)
    sex, region, accepted = sex[held], region[held], accepted[held]
    if accepted.sum() in (0, len(accepted)):
        return np.nan
    total = 0.0
    for stratum in (0, 1):
        mine = region == stratum
        shares = [np.mean(sex[mine & (accepted == said)] == group) if (mine & (accepted == said)).any() else 0.0 for said in (0, 1)]
        total += mine.sum() * (shares[0] - shares[1])
    return total / len(sex)


def groups_of(sex: Bits, region: Bits) -> Bits:
    """Their places in the layout; 3 and 2: other."""
    crossed = FACET.index([*SEX, None]), CROSSED.index([f"{s}*{r}" for s in (*SEX, "?") for r in (*REGION, "?")]).reshape(4, 3)
    return np.stack([crossed[0][sex], 4 + crossed[1][sex, region]]).astype(np.int64)


@given(st.integers(0, 2**32 - 1), st.integers(0, 200), st.sampled_from([None, "m"]))
def test_both_are_clarifys(seed: int, n: int, privileged: str | None) -> None:
    generator = np.random.default_rng(seed)
    sex, region = generator.integers(0, 4, n), generator.integers(0, 3, n)
    y, says = generator.integers(-1, 2, n), generator.integers(0, 2, n)
    counted = vector(LAYOUT, binary(y, says, groups=groups_of(sex, region)), seed=seed)
    chosen = {} if privileged is None else {"sex": privileged}
    live = [each for each in bias(LAYOUT, counted, chosen, events_min=1, strata=STRATA) if each.name == CONDITIONAL]
    labels = [each for each in pre_training_bias(LAYOUT, counted, chosen, events_min=1, strata=STRATA) if each.name == CONDITIONAL_LABELS]
    names = [name for name in ("f", "m", '"other"') if name != privileged]
    assert [each.segment for each in live] == [each.segment for each in labels] == [(("sex", name),) for name in names]
    for found, accepted in ((live, says), (labels, y)):
        for name, each in zip(names, found, strict=True):
            value = plain(SEX.index(name.strip('"')), sex, region, accepted)
            assert each.value == (None if np.isnan(value) else pytest.approx(value, abs=1e-12))
            assert each.value is None or each.low is None or inside(each, each.value)


def test_without_strata_nothing_is_said_and_few_events_have_no_interval() -> None:
    empty = LAYOUT.empty()
    assert CONDITIONAL not in {each.name for each in bias(LAYOUT, empty, {})}
    assert find(bias(LAYOUT, empty, {}, strata=STRATA), CONDITIONAL, (("sex", "f"),)) == Measure(
        CONDITIONAL, None, None, None, 0, None, (("sex", "f"),)
    )
    few = EVENTS_MIN - 1
    sex, region = np.repeat([0, 1], [few, 200]), np.zeros(few + 200, dtype=np.int64)
    says = np.arange(few + 200) % 2
    found = find(
        bias(LAYOUT, vector(LAYOUT, binary(says, says, groups=groups_of(sex, region))), {}, strata=STRATA), CONDITIONAL, (("sex", "f"),)
    )
    assert (found.low, found.high, found.events) == (None, None, few)
    assert found.value is not None


def test_what_a_stratum_explains_is_no_disparity() -> None:
    """Simpson's: women apply where few are accepted, and are accepted there as often as men."""
    sex, region = np.repeat([0, 1, 0, 1], [800, 200, 200, 800]), np.repeat([0, 0, 1, 1], [800, 200, 200, 800])
    says = np.concatenate([np.arange(n) % 10 < part for n, part in ((800, 2), (200, 2), (200, 8), (800, 8))]).astype(np.int64)
    found = bias(LAYOUT, vector(LAYOUT, binary(says, says, groups=groups_of(sex, region))), {"sex": "m"}, strata=STRATA)
    women = (("sex", "f"),)
    assert find(found, "disparate_impact", women).value == pytest.approx(0.32 / 0.68)
    assert find(found, CONDITIONAL, women).value == pytest.approx(0, abs=1e-9)


def test_its_interval_holds_the_truth() -> None:
    chances = np.array([[[0.2, 0.1], [0.15, 0.1]], [[0.05, 0.1], [0.1, 0.2]]])  # sex, region, accepted
    places = np.indices(chances.shape).reshape(3, -1)
    truth = plain(0, *np.repeat(places, (chances.ravel() * 1_000).round().astype(int), axis=1))
    hits = []
    for seed in range(400):
        drawn = np.random.default_rng(seed).multinomial(500, chances.ravel() / chances.sum())
        sex, region, says = np.repeat(places, drawn, axis=1)
        counted = vector(LAYOUT, binary(says, says, groups=groups_of(sex, region)), panes=1)
        hits.append(inside(find(bias(LAYOUT, counted, {"sex": "m"}, LEVEL, strata=STRATA), CONDITIONAL, (("sex", "f"),)), truth))
    assert covers(hits, LEVEL)
