"""Which parts of the traffic get a profile of their own: few enough to be kept, large enough to be judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stream_monitor.baseline.column import BaselineColumn, CategoricalColumn
from stream_monitor.baseline.segments import VALUES_MAX, Segmentation
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
    where: str, columns: Sequence[BaselineColumn], metadata: Mapping[str, FieldCounts], named: Sequence[str], cells: int
) -> Choice:
    """Those that are named, then categorical and boolean features and metadata fields of 2 to `VALUES_MAX` values, in their order.

    A name that a feature and a metadata field share is the feature's. cells: counts of one profile.
    Errors: BaselineError for a name that is neither, or a numeric feature's.
    """
    features = {entry.column.name: entry for entry in columns if entry.column.role is Role.FEATURE}
    for name in named:
        _check(where, name, features, metadata)
    found = {
        **{name: _by_feature(entry) for name, entry in features.items() if isinstance(entry, CategoricalColumn)},
        **{name: _by_field(name, counts) for name, counts in metadata.items() if name not in features},
    }
    suitable = [name for name, entry in features.items() if isinstance(entry, CategoricalColumn) and 2 <= entry.distinct <= VALUES_MAX]
    suitable += [name for name, counts in metadata.items() if name not in features and _is_suitable(counts)]
    wanted = list(dict.fromkeys([*named, *suitable]))
    kept = wanted[: max(SEGMENTATIONS_MAX, len(dict.fromkeys(named)))]
    room = CELLS_MAX // cells
    fitting: list[Segmentation] = []
    for name in kept:
        if sum(len(each.values) + 1 for each in [*fitting, found[name]]) <= room:
            fitting.append(found[name])
    left = [name for name in wanted if found[name] not in fitting]
    return Choice(tuple(fitting), _notes(left))


def _check(where: str, name: str, features: Mapping[str, BaselineColumn], metadata: Mapping[str, FieldCounts]) -> None:
    if name not in features and name not in metadata:
        known = [*(name for name, entry in features.items() if isinstance(entry, CategoricalColumn)), *metadata]
        hint = did_you_mean(name, known)
        raise BaselineError(f"{where}: has no feature or metadata field `{name}` (--segment, or `segments`, `facets` in the config){hint}")
    if not isinstance(features.get(name), CategoricalColumn | None):
        raise BaselineError(f"{where}: `{name}` (--segment) is numeric, and segments are by category; --categorical {name} makes it one")


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
