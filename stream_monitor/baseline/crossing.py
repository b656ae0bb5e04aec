"""Segments by bands of a number, and by several features or fields at once."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from stream_monitor.baseline.column import NumericColumn
from stream_monitor.baseline.segments import VALUES_MAX, Segmentation, band_names, cells_in
from stream_monitor.capture.columns import Columns
from stream_monitor.profile.layout import FIRST_BIN


def banded(entry: NumericColumn, bands: int | Sequence[float]) -> Segmentation:
    """A numeric feature cut at these edges, or into so many bands of about as many training rows each: at those edges of its bins that are
    nearest to the quantiles. Without values where all its values are alike.
    """
    edges = tuple(map(float, bands)) if not isinstance(bands, int) else _quantiles(entry, bands)
    return Segmentation(entry.column.name, False, band_names(edges) if edges else (), (), edges)


def _quantiles(entry: NumericColumn, bands: int) -> tuple[float, ...]:
    inner = np.array(entry.edges[1:-1])
    below = np.cumsum(entry.counts[FIRST_BIN:-1])
    if not len(inner) or entry.edges[0] == entry.edges[-1]:
        return ()
    wanted = below[-1] * np.arange(1, bands) / bands
    nearest = np.abs(below[:-1][None] - wanted[:, None]).argmin(axis=1)
    return tuple(inner[np.unique(nearest)].tolist())


def with_values(segmentations: Sequence[Segmentation], chunks: Callable[[], Iterable[Columns]]) -> tuple[Segmentation, ...]:
    """Intersections with the values that they tell apart: the combinations with most rows. chunks: the rows, gone through where there are
    intersections.
    """
    counts = {each.name: np.zeros(each.cells, dtype=np.int64) for each in segmentations if each.parts}
    for columns in chunks() if counts else ():
        for each in segmentations:
            if each.parts:
                counts[each.name] += np.bincount(cells_in(each, columns), minlength=each.cells)
    return tuple(replace(each, values=_largest(each, counts[each.name].tolist())) if each.parts else each for each in segmentations)


def _largest(crossed: Segmentation, counts: Sequence[int]) -> tuple[str, ...]:
    rows: Counter[str] = Counter()
    for text, count in zip(crossed.texts, counts, strict=True):
        if text is not None and count:
            rows[text] += count
    return tuple(text for text, _ in sorted(rows.items(), key=lambda item: (-item[1], item[0]))[:VALUES_MAX])
