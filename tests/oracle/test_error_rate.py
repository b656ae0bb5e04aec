"""DDM and EDDM against river's, where every slice is one value."""

from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river.drift import binary

from stream_monitor.detect.sequential.cut import NONE
from stream_monitor.detect.sequential.error_rate import ErrorRate, ddm, eddm
from stream_monitor.errors import CodecError

OURS: Final = {"ddm": ddm, "eddm": eddm}
RIVERS: Final[dict[str, Any]] = {"ddm": binary.DDM, "eddm": binary.EDDM}


def feed(detector: ErrorRate, number: int, *values: float) -> bool:
    array = np.array(values, dtype=np.float64)
    entry = np.array([[len(array)], [array.mean()], [((array - array.mean()) ** 2).sum()]])
    return detector.feed(number, entry, np.ones(1)) > 0


@pytest.mark.parametrize("name", OURS)
@given(seed=st.integers(0, 2**32), rates=st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0]), min_size=1, max_size=5))
def test_drifts_are_rivers(name: str, seed: int, rates: list[float]) -> None:
    """Every value for itself, whatever the error rate does; restored from bytes half-way."""
    rng, ours, rivers = np.random.default_rng(seed), OURS[name](1), RIVERS[name]()
    values = (rng.random(400 * len(rates)) < np.repeat(rates, 400)).astype(np.float64)
    for number, value in enumerate(values.tolist()):
        rivers.update(int(value))
        assert feed(ours, number, value) == rivers.drift_detected
        if number == len(values) // 2:
            ours, content = OURS[name](1), ours.encode()
            ours.load(content)


@pytest.mark.parametrize("name", OURS)
def test_the_cut_is_what_came_since_the_extreme(name: str) -> None:
    """Errors at one in ten, from the 3,000th value on at four in ten: found after it, and placed near it."""
    rng, detector = np.random.default_rng(4), OURS[name](1)
    values = (rng.random(6_000) < np.repeat([0.1, 0.4], 3_000)).astype(np.float64).reshape(-1, 5)
    for number, five in enumerate(values):
        if feed(detector, number, *five) and number > 620:
            start, n, total, _ = detector.cuts[0].item()
            assert n == 5 * (number - start + 1)
            assert total == pytest.approx(values[start : number + 1].sum())
            break
        assert number < 1_000, "the rise was not found"
    assert detector.cuts["start"][0] != NONE


def test_what_is_not_its_own_is_refused() -> None:
    with pytest.raises(CodecError, match="another number of series"):
        ddm(1).load(ddm(2).encode())
    with pytest.raises(CodecError, match="cannot be read"):
        ddm(1).load(b"\xc1")
