"""Which stream an event belongs to: its model from the body, the topic's binding or CloudEvents; its version where that has a schema."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from stream_monitor.capture import cloudevents, envelope
from stream_monitor.capture.columns import Raw
from stream_monitor.capture.reader import Reader
from stream_monitor.capture.reject import Problem, Reason, shown
from stream_monitor.capture.schema import Schema, StreamKey

_REMEMBERED_MAX: Final = 1_024
"""Pairs of model and version that are remembered: they come from outside and may be endless."""


class Routes:
    """The readers of all streams, and the way to them."""

    def __init__(self, schemas: Mapping[StreamKey, Schema], bound_model: Mapping[str, str]) -> None:
        self._readers = {stream: Reader(stream, schema) for stream, schema in schemas.items()}
        self._bound_model = dict(bound_model)
        self._remembered: dict[tuple[str, str | None], Reader | None] = {}

    def __iter__(self) -> Iterator[Reader]:
        return iter(self._readers.values())

    def __len__(self) -> int:
        return len(self._readers)

    def find(self, model: str | None, version: str | None, message: Raw) -> Reader | None:
        """The reader for a body's model and version, None where there is none; headers are read only where the model is not yet known."""
        named = model if model is not None else self._stand_in(message)
        return None if named is None else self._of(named, version)

    def reader_of(self, body: Mapping[str, Any], message: Raw) -> Reader | Problem:
        """The same for a parsed message of any kind, with the reason where there is none."""
        for name in ("model", "version"):
            value = body.get(name)
            if value is not None and (problem := envelope.string(name, value)):
                return problem
        model = body.get("model")
        if model is None:
            model = self._stand_in(message)
        if model is None:
            return envelope.missing("model", "is missing, and the topic is bound to none")
        version = body.get("version")
        reader = self._of(model, version)
        if reader is not None:
            return reader
        return Problem(Reason.UNKNOWN_MODEL, f"model: {shown(model)}" + ("" if version is None else f", version {shown(version)}"))

    def _stand_in(self, message: Raw) -> str | None:
        bound = self._bound_model.get(message.topic())
        return bound if bound is not None else cloudevents.attribute(message, cloudevents.SOURCE)

    def _of(self, model: str, version: str | None) -> Reader | None:
        key = (model, version)
        if key not in self._remembered:
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[key] = self._readers.get(StreamKey(model, version)) or self._readers.get(StreamKey(model, None))
        return self._remembered[key]
