"""Training data as native events: JSON lines, one event each, as they stand on the capture topic."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from stream_monitor.baseline.cells import form_of, main_output, prediction_of, score_output
from stream_monitor.baseline.infer import Tally, infer_json
from stream_monitor.baseline.options import COLUMNS_MAX, BuildOptions
from stream_monitor.baseline.source import Survey, check_named, check_one_model, checked_schema
from stream_monitor.capture.attributions import Attributed, attributions_of
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.convert import column as json_column
from stream_monitor.capture.convert import numbers, texts
from stream_monitor.capture.files import Progress, read_lines, silent
from stream_monitor.capture.parse import parse
from stream_monitor.capture.prediction import outputs_of, prediction_column
from stream_monitor.capture.schema import PREDICTION, SCORE, Column, Kind, Role, StreamKey
from stream_monitor.capture.table_time import text_times
from stream_monitor.errors import BaselineError

_FEATURES_MAX: Final = 10 * COLUMNS_MAX
"""Different names met in the data before we give up: more are a mistake, such as ids as names."""

METADATA_MAX: Final = 100
"""Different metadata fields that are looked at for segments, in the order in which they appear."""

_LABEL: Final = "label"
_Place = tuple[Role, str]


class _Event(msgspec.Struct):
    features: dict[str, Any]
    prediction: Any = None
    model: str | None = None
    time: str | int | float | None = None
    metadata: dict[str, Any] | None = None
    label: Any = None
    attributions: dict[str, Any] | None = None


_DECODER: Final = msgspec.json.Decoder(_Event)


@dataclass(frozen=True)
class EventSource:
    """Files of events, one after the other."""

    paths: Sequence[Path]
    options: BuildOptions
    progress: Progress = silent

    def survey(self) -> Survey:
        """One pass over all events: which features there are, in order of appearance, and the forms of their values."""
        forms: dict[_Place, Counter[str]] = {}
        metadata: dict[str, None] = {}
        attributed = False
        for events in self._events():
            for event in events:
                self._count_forms(forms, event)
                attributed = attributed or bool(event.attributions)
                if event.metadata and len(metadata) < METADATA_MAX:
                    metadata.update(dict.fromkeys(event.metadata))
            if len(forms) > _FEATURES_MAX:
                raise BaselineError(f"{self._where}: events have more than {_FEATURES_MAX:,} different features")
        return self._survey(
            {place: Tally(**{form: n for form, n in counts.items() if form != "missing"}) for place, counts in forms.items()},
            list(metadata)[:METADATA_MAX],
            attributed,
        )

    def _count_forms(self, forms: dict[_Place, Counter[str]], event: _Event) -> None:
        outputs = {PREDICTION: main_output(event.prediction), SCORE: score_output(event.prediction, self.options.positive_class)}
        for role, cells in ((Role.FEATURE, event.features), (Role.PREDICTION, outputs)):
            for name, cell in cells.items():
                counts = forms.get((role, name))
                if counts is None:
                    counts = forms[role, name] = Counter()
                counts[form_of(cell)] += 1

    def _survey(self, tallies: dict[_Place, Tally], metadata: list[str], attributed: bool) -> Survey:
        options = replace(self.options, target=None) if self.options.target == _LABEL else self.options
        check_named(self._where, options, {*(name for _, name in tallies), PREDICTION, SCORE, "time"})
        columns, notes = [], []
        for role, name in self._places(tallies):
            forced = Kind.NUMERIC if name == SCORE and role is Role.PREDICTION else self.options.forced(name)
            inferred = infer_json(name, tallies[role, name], forced=forced)
            notes += [inferred.note] if inferred.note else []
            columns += [Column(name, inferred.kind, role)] if inferred.kind else []
        judged = {column.name for column in columns if column.role is Role.FEATURE}
        left_out = sorted(name for role, name in tallies if role is Role.FEATURE and name not in judged)
        return Survey(checked_schema(self._where, columns, metadata, attributed), "time", tuple(notes), tuple(left_out))

    def _places(self, tallies: dict[_Place, Tally]) -> list[_Place]:
        """Columns to judge: wanted features first, then the outputs that the events have."""
        features = [(role, name) for role, name in tallies if role is Role.FEATURE and self.options.wanted(name)]
        outputs = [(Role.PREDICTION, name) for name in (PREDICTION, SCORE) if name not in self.options.drop]
        return features + [place for place in outputs if place in tallies and tallies[place].present]

    def chunks(self, survey: Survey) -> Iterator[Columns]:
        """Every event as a row; a feature that it does not have is missing."""
        for events in self._events():
            outputs = outputs_of([event.prediction for event in events])
            yield Columns(
                stream=StreamKey("", None),
                schema=survey.schema,
                rows=np.arange(len(events), dtype=np.int64),
                time_ms=text_times(["" if event.time is None else str(event.time) for event in events]),
                values=tuple(
                    json_column([event.features.get(column.name) for event in events], column.kind)
                    if column.role is Role.FEATURE
                    else prediction_column(outputs, column, self.options.positive_class)
                    for column in survey.schema.columns
                ),
                metadata=_metadata(events, survey.metadata),
                labels=self._labels(events),
                attributions=_attributions(events, survey.schema.attributions),
            )

    def _labels(self, events: Sequence[_Event]) -> Sequence[Any]:
        """The field `label`, or the feature that is named as the target."""
        name = self.options.target
        labels = [event.label if name in (None, _LABEL) else event.features.get(name) for event in events]
        return labels if any(label is not None for label in labels) else ()

    def _events(self) -> Iterator[list[_Event]]:
        """All events of the model, in portions."""
        models: set[str] = set()
        for path in self.paths:
            line = 1
            for lines in read_lines(path, self.progress):
                events = [_decode(path, line + i, text) for i, text in enumerate(lines) if text.strip()]
                line += len(lines)
                if chosen := self._of_model(events, models):
                    yield chosen

    def _of_model(self, events: list[_Event], models: set[str]) -> list[_Event]:
        if self.options.model is not None:
            return [event for event in events if event.model in (None, self.options.model)]
        models.update(event.model for event in events if event.model is not None)
        check_one_model(self._where, models)
        return events

    @property
    def _where(self) -> str:
        return str(self.paths[0])


def _metadata(events: Sequence[_Event], names: Sequence[str]) -> dict[str, list[str | None]]:
    """Field -> its value in each event, as live events have it."""
    fields = [event.metadata or {} for event in events]
    return {name: texts([each.get(name) for each in fields]) for name in names}


def _attributions(events: Sequence[_Event], names: Sequence[str]) -> Attributed:
    held = [event.attributions or {} for event in events] if names else []
    return attributions_of({name: numbers([each.get(name) for each in held]) for name in names})


def _decode(path: Path, line: int, text: bytes) -> _Event:
    """One event, with its prediction in the shape of `prediction_of`."""
    try:
        event = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event = _decode_slowly(path, line, text)
    event.prediction = prediction_of(event.prediction)
    return event


def _decode_slowly(path: Path, line: int, text: bytes) -> _Event:
    """With what live events may hold too: NaN and Infinity."""
    body = parse(text)
    if not isinstance(body, dict):
        raise BaselineError(f"{path}, line {line}: is not a capture event: {body.detail}")
    try:
        return msgspec.convert(body, _Event)
    except msgspec.ValidationError as error:
        raise BaselineError(f"{path}, line {line}: is not a capture event: {error}") from None
