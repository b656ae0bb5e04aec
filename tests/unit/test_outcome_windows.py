"""When labels come late: what a window is judged with."""

from stream_monitor.capture.schema import StreamKey
from stream_monitor.pipeline.join.join import Change
from stream_monitor.pipeline.join.outcomes import Outcomes, OutcomeWindow
from stream_monitor.profile.outcome import OutcomeLayout
from stream_monitor.window.spec import WindowSpec

LAYOUT = OutcomeLayout("binary", ("repaid", "default"), positive=0)
SPEC = WindowSpec(size_ms=10_000, every_ms=10_000, watermark_delay_ms=0, lateness_ms=0, events_min=50, window_max_ms=40_000)


def told(panes: dict[int, tuple[int, int]], end_ms: int) -> OutcomeWindow:
    """The window that ends there, of panes with so many (events, labels)."""
    outcomes = Outcomes(LAYOUT, SPEC, label_lateness_ms=1_000_000)
    for pane_ms, (events, labels) in panes.items():
        vector = LAYOUT.empty()
        LAYOUT.part(vector, "joint")[:, 1] = (events - labels, labels, 0, 0)
        outcomes.add(Change(StreamKey("loan", None), (), pane_ms, vector, events))
    return {window.end_ms: window for window in outcomes.advance(end_ms, {})}[end_ms]


def test_what_needs_no_label_is_judged_on_the_window_alone_however_late_its_labels_are() -> None:
    at_close = told({0: (60, 60), 10_000: (60, 0), 20_000: (60, 0)}, 30_000).at_close
    assert (at_close.from_ms, LAYOUT.events(at_close.vector)) == (20_000, 60)


def test_what_needs_labels_has_the_panes_before_until_there_are_enough() -> None:
    labelled = told({0: (60, 60), 10_000: (60, 30), 20_000: (60, 20)}, 30_000).labelled
    assert (labelled.from_ms, LAYOUT.labelled(labelled.vector)) == (10_000, 50)


def test_few_events_have_the_panes_before_as_far_as_a_window_may_borrow() -> None:
    at_close = told({0: (60, 0), 10_000: (5, 0), 20_000: (5, 0), 50_000: (5, 0)}, 60_000).at_close
    assert (at_close.from_ms, LAYOUT.events(at_close.vector)) == (20_000, 10)
