"""Label events: the truth for an event, by its id. `{"event_id": …, "model": …, "time": …, "label": …}`; null withdraws an earlier one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from stream_monitor.capture import envelope
from stream_monitor.capture.columns import INVALID, Raw
from stream_monitor.capture.convert import category, number
from stream_monitor.capture.native import Bounds, event_id_of, fallback_time
from stream_monitor.capture.parse import parse
from stream_monitor.capture.reject import Problem, Reason, Reject, shown
from stream_monitor.capture.times import YEAR_2000_MS, YEAR_9999_MS

LABEL_FIELDS: Final = ("event_id", "model", "time", "label")
"""The contract's fields; others are ignored."""


@dataclass(frozen=True, slots=True)
class Labels:
    """n labels of one model, in the order in which they came.

    rows: each one's index in the batch of messages; time_ms: when it was given; values: JSON scalars, None: withdrawn.
    """

    model: str
    rows: list[int] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    time_ms: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)


class LabelDecoder:
    """Decodes batches of label messages; keeps nothing.

    models: name -> whether its labels are numbers (a regression's); ignored: models whose labels nobody asked for;
    bound_model: per topic, the model of labels that name none. The other limits are those of `Decoder`.
    """

    def __init__(
        self,
        models: Mapping[str, bool],
        ignored: Collection[str] = (),
        *,
        message_bytes_max: int,
        future_max_ms: int,
        bound_model: Mapping[str, str],
    ) -> None:
        self._models, self._ignored, self._bound_model = dict(models), frozenset(ignored), dict(bound_model)
        self._message_bytes_max, self._future_max_ms = message_bytes_max, future_max_ms

    def decode(self, messages: Sequence[Raw], rows: Sequence[int], clock_ms: int | None) -> tuple[list[Labels], list[Reject]]:
        """The labels among `messages[rows]` by model, and those that cannot be read; each is in one of them, or its model has no task.

        clock_ms: as for `Decoder.decode`. Raises nothing, whatever the messages hold.
        """
        latest_ms = YEAR_9999_MS if clock_ms is None else min(YEAR_9999_MS, clock_ms + self._future_max_ms)
        bounds = Bounds(YEAR_2000_MS, latest_ms)
        found: dict[str, Labels] = {}
        rejects = []
        for row in rows:
            problem = self._read(row, messages[row], bounds, found)
            if problem is not None:
                rejects.append(Reject.of(row, problem))
        return [found[model] for model in sorted(found)], rejects

    def _read(self, row: int, message: Raw, bounds: Bounds, found: dict[str, Labels]) -> Problem | None:
        value = message.value()
        if not value:
            return Problem(Reason.EMPTY, "no value" if value is None else "a value of zero bytes")
        if len(value) > self._message_bytes_max:
            return Problem(Reason.TOO_LARGE, f"{len(value)} bytes; at most {self._message_bytes_max} are read")
        body = parse(value)
        if isinstance(body, Problem):
            return body
        model = self._model_of(body, message)
        if isinstance(model, Problem) or model in self._ignored:
            return model if isinstance(model, Problem) else None
        return self._take(row, message, body, found.setdefault(model, Labels(model)), bounds)

    def _model_of(self, body: Mapping[str, Any], message: Raw) -> str | Problem:
        model = body.get("model", self._bound_model.get(message.topic()))
        if model is None:
            return envelope.missing("model", "is missing, and the topic is bound to none")
        if problem := envelope.string("model", model):
            return problem
        if model in self._models or model in self._ignored:
            return str(model)
        return Problem(Reason.UNKNOWN_MODEL, f"model: {shown(model)}")

    def _take(self, row: int, message: Raw, body: Mapping[str, Any], labels: Labels, bounds: Bounds) -> Problem | None:
        raw_id = body.get("event_id")
        if raw_id is not None and (problem := envelope.event_id("event_id", raw_id)):
            return problem
        event_id = event_id_of(raw_id, message)
        if isinstance(event_id, Problem):
            return event_id
        raw_time = body.get("time")
        time_ms = envelope.time("time", fallback_time(message) if raw_time is None else raw_time)
        if isinstance(time_ms, Problem):
            return time_ms
        if not bounds.earliest_ms <= time_ms <= bounds.latest_ms:
            return Problem(Reason.TIME_OUT_OF_RANGE, f"time: {time_ms} ms is not from {bounds.earliest_ms} to {bounds.latest_ms} ms")
        if "label" not in body:
            return envelope.missing("label", "is missing; null would withdraw an earlier one")
        if problem := label_problem(body["label"], self._models[labels.model]):
            return problem
        labels.rows.append(row)
        labels.event_ids.append(event_id)
        labels.time_ms.append(time_ms)
        labels.values.append(body["label"])
        return None


def label_problem(value: Any, is_number: bool) -> Problem | None:
    """What is wrong with a label; nothing with null."""
    if isinstance(value, dict | list):
        return Problem(Reason.WRONG_TYPE, "label: must be a number, string or boolean")
    if is_number and value is not None and number(value) in (float("inf"), float("-inf")):
        return Problem(Reason.WRONG_VALUE, f"label: {shown(str(value))} is no number, and the model's task is a regression")
    if not is_number and category(value) is INVALID:
        return Problem(Reason.WRONG_VALUE, "label: must be finite")
    return None
