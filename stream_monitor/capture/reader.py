"""What the decoder knows of one stream: its schema, its present shape, and the unknown names that it has met."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from stream_monitor.capture.native import known_names, names_of
from stream_monitor.capture.schema import Schema, StreamKey
from stream_monitor.capture.shape import Event, Name, Shape, can_learn, shape_of

LEARNED_MAX: Final = 64
"""Unknown names that a stream counts. Each new one costs a rebuild (about 1 ms) and stays in memory for good."""

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the typed decode raises, whatever the bytes."""


class Reader:
    """One stream's typed decode. `saturated`: a name beyond the limit came, and unknown names are no longer all counted."""

    def __init__(self, stream: StreamKey, schema: Schema) -> None:
        self.stream = stream
        self.schema = schema
        self.saturated = False
        self.fresh = True
        """Whether no message has shown its order of fields yet."""
        self._known = known_names(schema)
        self._learned: list[Name] = []
        self.shape: Shape = shape_of(schema, (), True, {})

    def attempt(self, value: bytes) -> Event | None:
        """The event, where the typed decode takes it."""
        try:
            return self.shape.decode(value)
        except UNREADABLE:
            return None

    def learn(self, body: Mapping[str, Any]) -> bool:
        """Make slots for the names of a parsed message that have none; returns whether the shape is a new one."""
        names = names_of(body)
        unknown = self._unknown(names)
        if not (unknown or self.fresh):
            return False
        fit = [name for name in unknown if can_learn(name.name)][: LEARNED_MAX - len(self._learned)]
        self.saturated = len(fit) < len(unknown)
        self.fresh = False
        self._learned += fit
        self.shape = shape_of(self.schema, self._learned, not self.saturated, names)
        return True

    def _unknown(self, names: Mapping[str, Collection[str]]) -> list[Name]:
        if self.saturated:
            return []
        met = {Name(scope, name) for scope, here in names.items() for name in here if name not in self._known[scope]}
        return sorted(met.difference(self._learned))
