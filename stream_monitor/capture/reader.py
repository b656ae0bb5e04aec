"""What the decoder knows of one stream: its schema, its present shape, and the unknown names that it has met."""

from collections.abc import Mapping, Set
from functools import cached_property
from typing import Any, Final

from stream_monitor.capture.native import known_names, names_of
from stream_monitor.capture.parse import UNREADABLE
from stream_monitor.capture.schema import Kind, Schema, StreamKey
from stream_monitor.capture.shape import Event, Name, Shape, can_learn, shape_of

LEARNED_MAX: Final = 64
"""Unknown names that a stream counts. Each new one costs a rebuild (about 1 ms) and stays in memory for good."""


class Reader:
    """One stream's typed decode. `saturated`: a name beyond the limit came, and unknown names are no longer all counted."""

    def __init__(self, stream: StreamKey, schema: Schema) -> None:
        self.stream = stream
        self.schema = schema
        self.saturated = False
        self.fresh = True
        """Whether no message has shown its order of fields yet."""
        self._known = known_names(schema)
        self._kinds = {column.name: column.kind for column in schema.features}
        self._learned: list[Name] = []
        self._loose: frozenset[str] = frozenset()

    @cached_property
    def shape(self) -> Shape:
        """The present one; the first is made when the stream's first message comes."""
        return shape_of(self.schema, (), self._loose, True, {})

    def attempt(self, value: bytes) -> Event | None:
        """The event, where the typed decode takes it."""
        try:
            return self.shape.decode(value)
        except UNREADABLE:
            return None

    def learn(self, body: Mapping[str, Any]) -> bool:
        """Make room for the names of a parsed message that have no slots, and for values that do not fit theirs.

        Returns whether the shape is a new one.
        """
        names = names_of(body)
        unknown = self._unknown(names)
        loose = self._loose.union(self._misfits(body))
        if not (unknown or self.fresh or len(loose) > len(self._loose)):
            return False
        fit = [name for name in unknown if can_learn(name.name)][: LEARNED_MAX - len(self._learned)]
        self.saturated |= len(fit) < len(unknown)
        self.fresh = False
        self._loose = loose
        self._learned += fit
        self.shape = shape_of(self.schema, self._learned, loose, not self.saturated, names)
        return True

    def _unknown(self, names: Mapping[str, Set[str]]) -> list[Name]:
        if self.saturated:
            return []
        met = [Name(scope, name) for scope, here in names.items() if not here <= self._known[scope] for name in here - self._known[scope]]
        return sorted(set(met).difference(self._learned)) if met else []

    def _misfits(self, body: Mapping[str, Any]) -> set[str]:
        """Features that come as a scalar of another type."""
        features = body.get("features")
        if not isinstance(features, dict):
            return set()
        scalars = ((name, kind, type(features.get(name))) for name, kind in self._kinds.items())
        return {name for name, kind, found in scalars if found in _MISFITS[kind]}


_MISFITS: Final = {
    Kind.NUMERIC: frozenset({str, bool}),
    Kind.BOOLEAN: frozenset({str, int, float}),
    Kind.CATEGORICAL: frozenset[type](),
}
