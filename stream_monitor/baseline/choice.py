"""Which parts of the traffic get a profile of their own: few enough to be kept, large enough to be judged."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn, NumericColumn
from stream_monitor.baseline.crossing import banded
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.segments import CROSS, CROSSED_MAX, VALUES_MAX, Segmentation
from stream_monitor.capture.columns import INVALID
from stream_monitor.capture.schema import Role
from stream_monitor.capture.table import did_you_mean
from stream_monitor.errors import BaselineError

SEGMENTATIONS_MAX: Final = 8
"""Without being asked for; more would make the file larger than the rest of it for what hardly anyone judges."""
CELLS_MAX: Final = 500_000
"""Profiles of segments x counts of a profile: about 2 MB of the file."""


@dataclass(slots=True)
class FieldCounts:
    """How often each value of a metadata field came; counting ends beyond `distinct_max` values (None: never)."""

    distinct_max: int | None
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, values: Sequence[str | None]) -> None:
        """N values, None where the event has none."""
        if not self.too_many:
            self.counts.update(str(value) for value in values if value is not None and value != INVALID)

    @property
    def too_many(self) -> bool:
        """Whether there are more than may be told apart."""
        return self.distinct_max is not None and len(self.counts) > self.distinct_max


@dataclass(frozen=True, slots=True)
class Choice:
    """Segmentations without their profiles, and what to tell about those left out."""

    segmentations: tuple[Segmentation, ...]
    notes: tuple[str, ...]


def choose_segments(
    where: str, columns: Sequence[BaselineColumn], metadata: Mapping[str, FieldCounts], options: BuildOptions, cells: int
) -> Choice:
    """Those that are named, then categorical and boolean features and metadata fields of 2 to `VALUES_MAX` values, in their order.

    A name that a feature and a metadata field share is the feature's. cells: counts of one profile. Intersections have their parts and not
    yet their values.
    Errors: BaselineError for a name that is neither, or that of a numeric feature without bands.
    """
    cuts = _Cuts(where, {entry.column.name: entry for entry in columns if entry.column.role is Role.FEATURE}, metadata, options.bands)
    named = dict.fromkeys(options.segments)
    wanted = [*map(cuts.by, named), *(cuts.by(name) for name in cuts.suitable() if name not in named)]
    room, fitting, left = CELLS_MAX // cells, list[Segmentation](), list[str]()
    for place, each in enumerate(wanted):
        size = 1 + (min(each.cells, VALUES_MAX) if each.parts else len(each.values))
        if place < max(SEGMENTATIONS_MAX, len(named)) and size <= room:
            fitting.append(each)
            room -= size
        else:
            left.append(each.name)
    return Choice(tuple(fitting), _notes(left))


@dataclass(frozen=True, slots=True)
class _Cuts:
    """What segments can be by."""

    where: str
    features: Mapping[str, BaselineColumn]
    metadata: Mapping[str, FieldCounts]
    bands: Mapping[str, int | Sequence[float]]

    def suitable(self) -> Iterator[str]:
        """Names of those that have segments without being asked for."""
        for name, entry in self.features.items():
            if isinstance(entry, CategoricalColumn) and 2 <= entry.distinct <= VALUES_MAX:
                yield name
        yield from (name for name, counts in self.metadata.items() if name not in self.features and _is_suitable(counts))

    def by(self, name: str) -> Segmentation:
        """Without profiles. Errors: BaselineError."""
        entry = self.features.get(name)
        if entry is None and name not in self.metadata:
            return self._crossed(name, name.split(CROSS))
        if isinstance(entry, NumericColumn):
            return self._banded(name, entry)
        return _by_feature(entry) if entry is not None else _by_field(name, self.metadata[name])

    def _crossed(self, name: str, parts: Sequence[str]) -> Segmentation:
        if len(parts) == 1:
            known = [*(name for name, entry in self.features.items() if isinstance(entry, CategoricalColumn)), *self.metadata]
            asked = f"has no feature or metadata field `{name}` (--segment, or `segments`, `facets` in the config)"
            raise BaselineError(f"{self.where}: {asked}{did_you_mean(name, known)}")
        if len(parts) > CROSSED_MAX or len(set(parts)) < len(parts):
            raise BaselineError(f"{self.where}: `{name}` must be an intersection of at most {CROSSED_MAX} that differ")
        return Segmentation(name, False, (), (), parts=tuple(map(self.by, parts)))

    def _banded(self, name: str, entry: NumericColumn) -> Segmentation:
        if name not in self.bands:
            raise BaselineError(
                f"{self.where}: `{name}` (--segment) is numeric, and segments are by category; --categorical {name} makes it one, "
                f"and in the config `facets: {{{name}: {{bins: [10, 20]}}}}` says its bands, `bins: 4` how many"
            )
        found = banded(entry, self.bands[name])
        if not found.values:
            raise BaselineError(f"{self.where}: `{name}` has too few different values for bands (`facets.{name}.bins`)")
        return found


def _is_suitable(counts: FieldCounts) -> bool:
    return not counts.too_many and 2 <= len(counts.counts) <= VALUES_MAX


def _by_feature(entry: CategoricalColumn) -> Segmentation:
    return Segmentation(entry.column.name, False, entry.categories[:VALUES_MAX], ())


def _by_field(name: str, counts: FieldCounts) -> Segmentation:
    ranked = sorted(counts.counts.items(), key=lambda item: (-item[1], item[0]))
    return Segmentation(name, True, tuple(value for value, _ in ranked[:VALUES_MAX]), ())


def _notes(left: Sequence[str]) -> tuple[str, ...]:
    if not left:
        return ()
    names = ", ".join(f"`{name}`" for name in left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
    return (f"segments by {names} are left out: the file would be too large; --segment NAME, or fewer --bins, makes room for one",)
