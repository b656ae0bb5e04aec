"""What a finding shows: shares before and after, means in the column's unit, coordinates of events that moved."""

import numpy as np

from stream_monitor.alert.alert import Mean, Moved, SampleEvent
from stream_monitor.alert.evidence import EVENTS_MAX, MOVED_MAX, Scale, gather
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity
from stream_monitor.profile.layout import MISSING, Layout
from stream_monitor.profile.profile import MOMENT_SCALE, Profile, Sample

LAYOUT = Layout(("age", "amount"), (3, 12), (True, True))
KEY = Key(FindingKind.DATA_DRIFT, "amount", "psi")


def label(column: int, code: int) -> str:
    return f"{LAYOUT.names[column]}:{code}"


def profile(amount: list[int], z_sum: float = 0.0, samples: tuple[Sample, ...] = ()) -> Profile:
    events = sum(amount)
    counts = np.array([0, 0, events, *amount, *[0] * (12 - len(amount))])
    return Profile(events, counts, np.array([[0, round(z_sum * MOMENT_SCALE)], [0, 0]]), samples)


def sample(priority: int, code: int) -> Sample:
    return Sample(priority, "captures", 1, 100 + priority, np.array([2, code], dtype="<u2").tobytes())


def finding(*moved: int) -> Finding:
    score = Score(KEY, 1, 0.5, 0.2, 1e-9, ScoreStatus.JUDGED)
    return Finding(score, 0.5, 0.0, Severity.WARNING, moved)


BASELINE = profile([100, 0, 0, 450, 450])


def test_moved_bins_show_their_shares_of_present_values_most_moved_first() -> None:
    window = profile([100, 0, 0, 225, 675])
    evidence = gather(finding(4, 3), window, BASELINE, LAYOUT, label, None)
    assert evidence.moved == (Moved("amount:4", 0.5, 0.75), Moved("amount:3", 0.5, 0.25))


def test_missing_is_shown_as_a_share_of_all_events() -> None:
    evidence = gather(finding(MISSING), profile([300, 0, 0, 50, 50]), BASELINE, LAYOUT, label, None)
    assert evidence.moved == (Moved("amount:0", 0.1, 0.75),)


def test_samples_are_events_of_bins_that_gained() -> None:
    """Bin 4 gained, bin 3 lost, bin 2 is not among the moved."""
    window = profile([0, 0, 0, 1, 3], samples=tuple(sample(i, code) for i, code in enumerate([4, 3, 2, 4])))
    evidence = gather(finding(4, 3), window, BASELINE, LAYOUT, label, None)
    assert evidence.samples == (SampleEvent("captures", 1, 100), SampleEvent("captures", 1, 103))


def test_no_more_is_shown_than_a_person_reads() -> None:
    window = profile([0, 0, *[10] * 10], samples=tuple(sample(i, 5) for i in range(16)))
    evidence = gather(finding(5, 6, 7, 8, 9, 10, 11), window, BASELINE, LAYOUT, label, None)
    assert (len(evidence.moved), len(evidence.samples)) == (MOVED_MAX, EVENTS_MAX)


def test_means_are_in_the_columns_own_unit() -> None:
    """100 values whose standardised sum is 50 stand half a standard deviation above the mean."""
    evidence = gather(finding(4), profile([0, 0, 0, 0, 100], z_sum=50), BASELINE, LAYOUT, label, Scale(20.0, 4.0))
    assert evidence.mean == Mean(20.0, 22.0)


def test_a_window_without_values_has_no_mean_and_no_shares() -> None:
    evidence = gather(finding(MISSING, 4), profile([300]), BASELINE, LAYOUT, label, Scale(20.0, 4.0))
    assert evidence.mean == Mean(20.0, None)
    assert evidence.moved == (Moved("amount:0", 0.1, 1.0), Moved("amount:4", 0.5, None))
