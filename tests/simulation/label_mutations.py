"""Bugs on purpose in what becomes of labels; see `mutations`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from stream_monitor.baseline import segments
from stream_monitor.baseline.answers import Answers
from stream_monitor.baseline.segments import Segmentation
from stream_monitor.capture.labels import Labels
from stream_monitor.detect.versions import Versus
from stream_monitor.pipeline.join import join as join_module
from stream_monitor.pipeline.join.ages import Ages
from stream_monitor.pipeline.join.join import Join, JoinState
from stream_monitor.pipeline.join.labelled import Labelled, LabelledState
from stream_monitor.pipeline.join.outcomes import Outcomes
from stream_monitor.pipeline.join.packed import Packed
from stream_monitor.pipeline.join.plan import JoinPlan
from stream_monitor.pipeline.join.record import LabelRows
from stream_monitor.pipeline.join.said import Answer, differences
from stream_monitor.pipeline.join.sample import Sample
from stream_monitor.pipeline.saved import Manifest
from stream_monitor.pipeline.state import State
from stream_monitor.profile.frame import FrameKind, kind_of
from stream_monitor.profile.weights import Weighed
from stream_monitor.runtime import detect_worker, snapshots
from stream_monitor.runtime.broker import Message, TopicPartition
from stream_monitor.runtime.profile_worker import ProfileWorker
from tests.simulation.mutations import MUTATIONS, instead, mutation

__all__ = ["MUTATIONS"]


@mutation
def correction_adds_without_taking_back() -> Iterator[None]:
    """What a row said before stays."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda plan, before, after, horizon_ms: original(plan, before[:0] if len(after) else before, after, horizon_ms)

    with instead(join_module, "differences", make):
        yield


@mutation
def narrowed_rows_not_taken_back() -> Iterator[None]:
    """What a join drops as it narrows is counted on."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda plan, before, after, horizon_ms: original(plan, before, after, horizon_ms) if len(after) else iter(())

    with instead(join_module, "differences", make):
        yield


@mutation
def withdrawal_ignored() -> Iterator[None]:
    """A label of null changes nothing."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def label_rows(plan: JoinPlan, labels: Labels, ids: Any) -> LabelRows:
            rows = original(plan, labels, ids)
            kept = np.array([value is not None for value in labels.values], dtype=np.bool_)
            return LabelRows(*(column[kept] for column in rows))

        return label_rows

    with instead(JoinPlan, "label_rows", make):
        yield


@mutation
def lacking_input_is_in_the_first_bin() -> Iterator[None]:
    """Of the features by which answers are told."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda answers, columns: original(answers, columns) % len(answers.features[-1].values)

    with instead(Answers, "cells", make):
        yield


@mutation
def label_that_comes_first_is_dropped() -> Iterator[None]:
    """A label waits for no event."""
    with instead(Join, "_may_come", lambda _: lambda join, labels: np.zeros(len(labels.ids), dtype=np.bool_)):
        yield


@mutation
def expired_rows_kept() -> Iterator[None]:
    """Rows that no window can ask for are never swept out."""

    def advance(join: Join, watermark_ms: int) -> Answer:
        join.ages.watermark_ms = watermark_ms
        return Answer()

    with instead(Join, "advance", lambda _: advance):
        yield


@mutation
def expired_events_counted() -> Iterator[None]:
    """An event that comes too late to be joined is joined."""
    with instead(Ages, "is_past", lambda _: lambda ages, panes: np.zeros(len(panes), dtype=np.bool_)):
        yield


@mutation
def event_that_comes_twice_counts_twice() -> Iterator[None]:
    """A duplicate of a capture is added to what there is."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def replace(join: Join, place: Any, before: Any, after: Any, answer: Answer) -> None:
            twice = before[(before["time_ms"] == after["time_ms"]) & (before["label_ms"] == after["label_ms"])]
            original(join, place, before, after, answer)
            answer.changes += differences(join.plan, twice[:0], twice, join.ages.horizon_ms)

        return replace

    with instead(Join, "_replace", make):
        yield


@mutation
def earlier_label_wins() -> Iterator[None]:
    """Of two labels of one event the one that came last counts, whenever it was given."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def labelled(join: Join, labels: LabelRows, answer: Answer) -> None:
            join.store.rows["label_ms"] = np.minimum(join.store.rows["label_ms"], 0)
            original(join, labels, answer)

        return labelled

    with instead(Join, "_labelled", make):
        yield


@mutation
def loss_told_again_when_corrected() -> Iterator[None]:
    """The sequential detectors read the loss of a corrected label a second time."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def replace(join: Join, place: Any, before: Any, after: Any, answer: Answer) -> None:
            after["fed"] = 0
            original(join, place, before, after, answer)

        return replace

    with instead(Join, "_replace", make):
        yield


@mutation
def rates_forgotten_before_the_last_telling() -> Iterator[None]:
    """What a pane's rows stand for is forgotten with them, though its windows are told of once more."""
    with instead(Outcomes, "advance", lambda original: lambda outcomes, watermark_ms, rates: original(outcomes, watermark_ms, {})):
        yield


@mutation
def relief_forgotten_in_figures() -> Iterator[None]:
    """Rows of a relieved group count for as many events as all others."""

    def weigh(outcomes: Outcomes, pane: Packed, rate: int, into: Weighed) -> Any:
        held = pane.on(outcomes._size).reshape(len(outcomes.reliefs), -1).sum(axis=0)
        into.add(held, 1 << rate)
        return held

    with instead(Outcomes, "weigh", lambda _: weigh):
        yield


@mutation
def labels_not_held_for_relieved_groups() -> Iterator[None]:
    """A label that comes before its event is dropped where the sample of other groups would be without it."""
    with instead(join_module, "may_be_early", lambda _: lambda label_ms, lapse_ms: np.zeros(len(label_ms), dtype=np.bool_)):
        yield


@mutation
def rows_swept_before_they_are_asked() -> Iterator[None]:
    """A row is forgotten with its windows, though it was not asked yet whether its label found an event."""
    with instead(Ages, "swept_by", lambda _: Ages.kept_by):
        yield


@mutation
def labels_outside_of_the_sample_asked() -> Iterator[None]:
    """A label whose event is not taken counts as one without an event."""
    with instead(Sample, "takes_anywhere", lambda _: lambda sample, ids: np.ones(len(ids), dtype=np.bool_)):
        yield


# ---- restarts


@mutation
def pairings_not_saved() -> Iterator[None]:
    """Which labels were asked for their event, and the alert on it, is forgotten in a restart."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda manifest, plan: original(msgspec.structs.replace(manifest, pairings={}), plan)

    with instead(Manifest, "state", make):
        yield


@mutation
def pages_not_saved() -> Iterator[None]:
    """Rows are left out of snapshots: who restores has lost them."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        return lambda state: {name: part for name, part in original(state).items() if not isinstance(msgspec.json.decode(name)[2], int)}

    with instead(snapshots, "parts_of", make):
        yield


@mutation
def narrowing_not_saved() -> Iterator[None]:
    """After a restart a sample is taken for all."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def state(manifest: Manifest, plan: Any) -> State:
            return original(msgspec.structs.replace(manifest, joins={model: JoinState() for model in manifest.joins}), plan)  # type: ignore[no-any-return]

        return state

    with instead(Manifest, "state", make):
        yield


@mutation
def tellings_not_saved() -> Iterator[None]:
    """Which windows were told of, and how often, is forgotten in a restart."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def load(labelled: Labelled, state: LabelledState) -> None:
            original(labelled, msgspec.structs.replace(state, told={}))

        return load

    with instead(Labelled, "load", make):
        yield


@mutation
def missed_rows_not_read_again() -> Iterator[None]:
    """Completeness looks after profiles alone."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def read_again(*arguments: Any) -> list[Message]:
            return [message for message in original(*arguments) if kind_of(message.value() or b"") is not FrameKind.JOIN]

        return read_again

    with instead(detect_worker, "read_again", make):
        yield


# ---- tasks and groups


@mutation
def classes_beyond_the_second_are_one() -> Iterator[None]:
    """Labels of a model of several classes are read as those of one of two."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def label_rows(plan: JoinPlan, labels: Labels, ids: Any) -> LabelRows:
            rows: LabelRows = original(plan, labels, ids)
            return rows._replace(label=np.minimum(rows.label, 2)) if plan.layout.task == "multiclass" else rows

        return label_rows

    with instead(JoinPlan, "label_rows", make):
        yield


@mutation
def edge_belongs_to_the_band_below() -> Iterator[None]:
    """A number that is an edge itself is counted with those below."""
    with instead(Segmentation, "band", lambda original: lambda facet, values: original(facet, np.nextafter(values, -np.inf))):
        yield


@mutation
def features_of_an_intersection_swapped() -> Iterator[None]:
    """The groups of a facet of several features are numbered as if these stood in another order."""
    swapped = lambda original: lambda facet, columns: original(replace(facet, parts=facet.parts[::-1]), columns)  # noqa: E731
    with instead(segments, "cells_in", swapped):
        yield


@mutation
def errors_of_a_version_shared_out_among_the_others() -> Iterator[None]:
    """The sum of a version's errors is divided by how many events the current one has."""
    shared = lambda original: lambda versus, mine, current, *more: original(versus, mine._replace(n=current.n), current, *more)  # noqa: E731
    with instead(Versus, "_errors", shared):
        yield


# ---- the label topic


@mutation
def labels_tell_event_time() -> Iterator[None]:
    """The time of labels counts as if their partition's captures had come so far."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def track(worker: ProfileWorker, messages: Sequence[Message], columns: Any) -> None:
            original(worker, messages, columns)
            for message in messages if not len(columns) else ():
                at = TopicPartition("captures", message.partition())
                if at in worker._sources.by_partition and message.topic() == "labels":
                    worker._sources.saw(at, worker._sources.by_partition[at].next_offset, message.timestamp()[1], worker._clock())

        return track

    with instead(ProfileWorker, "_track", make):
        yield


# ---- versions


@mutation
def rows_of_a_replaced_version_kept() -> Iterator[None]:
    """Another config's streams are taken for those that the rows were of."""

    def adopt(join: Join, plan: JoinPlan) -> Answer:
        join.ages.look()
        join.plan = join.ages.plan = plan
        return Answer()

    with instead(Join, "adopt", lambda _: adopt):
        yield
