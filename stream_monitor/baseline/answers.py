"""What the model answered to which inputs in training: how often each answer came in each combination of a few features' bins.

Of several features together, for what one alone says of the answer hangs on all the others: where they move, it moves too. Bins are cut
where the answers change, so that within a combination inputs may move and the answers stay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.baseline.column import BaselineColumn, NumericColumn
from stream_monitor.baseline.segments import CROSS, OTHER, Segmentation, band_names, cells_in
from stream_monitor.capture.columns import Columns
from stream_monitor.capture.schema import PREDICTION, Role
from stream_monitor.profile.layout import FIRST_BIN, FIRST_VALUE

FEATURES_MAX: Final = 3
VALUES_MAX: Final = 4
"""Bands or categories of one of them; all other values, missing ones too, are one more."""
CELLS: Final = (VALUES_MAX + 1) ** FEATURES_MAX
CANDIDATES: Final = 16
"""Features that are looked at together: those that tell most of the answer alone."""
GAIN_MIN: Final = 0.01
"""The least part of the answer's entropy that one more feature, or one more band, must tell, and never less of it than the bits that it
takes to say where (2 log2 n of n rows, about as Fayyad & Irani 1993 count them): less may be chance.
"""

Codes = NDArray[np.int64]
Table = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """features: 1 to `FEATURES_MAX` segmentations without profiles, by falling use; counts: for each cell of them, as `cells_in` numbers
    these, the training rows by the code of their prediction.
    """

    features: tuple[Segmentation, ...]
    counts: tuple[tuple[int, ...], ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Those of the features."""
        return tuple(each.name for each in self.features)

    @cached_property
    def crossed(self) -> Segmentation:
        """All features at once."""
        return Segmentation(CROSS.join(self.names), False, (), (), parts=self.features)

    def cells(self, columns: Columns) -> Codes:
        """int64[n]: which combination each event is in."""
        return cells_in(self.crossed, columns)

    def label(self, cell: int) -> str:
        """A combination in words: `income < 11060, region = north`."""
        return ", ".join(reversed(list(self._labels(cell))))

    def _labels(self, cell: int) -> Iterator[str]:
        for each in reversed(self.features):
            cell, place = divmod(cell, len(each.values) + 1)
            if place == len(each.values):
                yield f"{each.name} {'missing' if each.edges else OTHER}"
            else:
                yield f"{each.name} {each.values[place]}" if each.edges else f"{each.name} = {each.values[place]}"


def choose_answers(columns: Sequence[BaselineColumn], codes: NDArray[np.integer]) -> Answers | None:
    """Those features that tell most of the answer, each beside those before it: of mutual information (Battiti 1994, Using Mutual
    Information for Selecting Features in Supervised Neural Net Learning) by as much as chance alone makes less (Miller 1955).

    codes: of C columns, [C, n]. None where there is no prediction, or no feature tells enough of it.
    """
    roles = [(entry.column.role, entry.column.name) for entry in columns]
    if (Role.PREDICTION, PREDICTION) not in roles:
        return None
    prediction = roles.index((Role.PREDICTION, PREDICTION))
    answers, size = codes[prediction].astype(np.int64), len(columns[prediction].counts)
    is_answered = answers >= FIRST_VALUE
    known = answers[is_answered]
    n = max(len(known), 2)
    least = max(GAIN_MIN * _entropy(np.bincount(known, minlength=size)), 2 * np.log2(n) / n)
    chosen, cells = list[Segmentation](), np.zeros(len(answers), dtype=np.int64)
    found, told = dict(_candidates(columns, codes[:, is_answered], known, size, least)), 0.0
    while found and len(chosen) < FEATURES_MAX:
        crossed = {place: cells * (len(cut.values) + 1) + _places(columns[place], cut)[codes[place]] for place, cut in found.items()}
        tell = {place: _information(_table(each[is_answered], known, size)) for place, each in crossed.items()}
        best = max(tell, key=lambda place: tell[place])
        if tell[best] - told <= least:
            break
        chosen.append(found.pop(best))
        cells, told = crossed[best], tell[best]
    if not chosen:
        return None
    counts = np.zeros((Answers(tuple(chosen), ()).crossed.cells, size), dtype=np.int64)
    np.add.at(counts, (cells, answers), 1)
    return Answers(tuple(chosen), tuple(map(tuple, counts.tolist())))


def _candidates(
    columns: Sequence[BaselineColumn], codes: NDArray[np.integer], answers: Codes, size: int, least: float
) -> Iterator[tuple[int, Segmentation]]:
    """Places of columns and how these are cut, those that tell most first, of equal ones by name."""
    features = [place for place, entry in enumerate(columns) if entry.column.role is Role.FEATURE]
    tables = {place: _table(codes[place].astype(np.int64), answers, size, len(columns[place].counts)) for place in features}
    ranked = sorted(features, key=lambda place: (-_information(tables[place]), columns[place].column.name))
    for place in ranked[:CANDIDATES]:
        entry = columns[place]
        cut = (
            _banded(entry, tables[place], least) if isinstance(entry, NumericColumn) else _by_category(entry.column.name, entry.categories)
        )
        if cut.values:
            yield place, cut


def _by_category(name: str, categories: Sequence[str]) -> Segmentation:
    return Segmentation(name, False, tuple(categories[:VALUES_MAX]), ())


def _banded(entry: NumericColumn, table: Table, least: float) -> Segmentation:
    """Cut at those edges of its bins that tell most, one after the other (as in Fayyad & Irani 1993, Multi-Interval Discretization)."""
    bins, cuts, told = len(table) - FIRST_BIN - 1, list[int](), 0.0
    for _ in range(VALUES_MAX - 1):
        tell = {cut: _information(_joined(table, sorted([*cuts, cut]))) for cut in range(1, bins) if cut not in cuts}
        best = max(tell, key=lambda cut: tell[cut], default=0)
        if not tell or tell[best] - told <= least:
            break
        cuts.append(best)
        told = tell[best]
    edges = tuple(entry.edges[cut] for cut in sorted(cuts))
    return Segmentation(entry.column.name, False, band_names(edges) if edges else (), (), edges)


def _joined(table: Table, cuts: Sequence[int]) -> Table:
    """The rows of each band, and of missing and invalid values."""
    starts = [0, FIRST_VALUE, *(FIRST_BIN + cut for cut in cuts)]
    joined: Table = np.add.reduceat(table, starts, axis=0)
    return joined


def _places(entry: BaselineColumn, cut: Segmentation) -> Codes:
    """int64[codes]: the place in a cut of each code of its column."""
    if isinstance(entry, NumericColumn):
        values = np.array([-np.inf, *entry.edges[:-1], np.inf])[: len(entry.counts) - FIRST_VALUE]
        places = np.searchsorted(cut.edges, values, side="right")
    else:
        places = np.minimum(np.arange(-1, len(entry.categories)) % (len(entry.categories) + 1), len(cut.values))
    return np.concatenate([np.full(FIRST_VALUE, len(cut.values)), places]).astype(np.int64)


def _table(cells: Codes, answers: Codes, size: int, rows: int = 0) -> Table:
    """int64[cells, answers]."""
    rows = max(rows, int(cells.max(initial=0)) + 1)
    return np.bincount(cells * size + answers, minlength=rows * size).reshape(rows, size)


def _information(table: Table) -> float:
    """Bits that the row tells of the column, less those that it would tell by chance; nothing of no events."""
    n, rows, columns = table.sum(), table.sum(axis=1), table.sum(axis=0)
    by_chance = ((rows > 0).sum() - 1) * ((columns > 0).sum() - 1) / (2 * max(n, 1) * np.log(2))
    return float(_entropy(rows) + _entropy(columns) - _entropy(table.ravel()) - by_chance)


def _entropy(counts: Table) -> float:
    held = counts[counts > 0]
    return float(np.log2(held.sum()) - (held * np.log2(held)).sum() / held.sum()) if len(held) else 0.0
