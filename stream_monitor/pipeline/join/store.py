"""Where the rows of a join lie: an array that grows, a table that finds them by id, and the pages that a snapshot writes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stream_monitor.pipeline.join.pages import Pages
from stream_monitor.pipeline.join.rows import UNSEEN, Rows, row_type
from stream_monitor.pipeline.join.table import Table
from stream_monitor.profile.outcome import NO_CLASS


class Store:
    """Rows of `row_type(facets, segmentations)`, one of each id."""

    def __init__(self, facets: int, segmentations: int) -> None:
        self._pages = Pages()
        self._rows: Rows = np.zeros(0, dtype=row_type(facets, segmentations))
        self._page_of = np.zeros(0, dtype=np.uint32)
        """Of each row; apart from them, for every snapshot looks through all."""
        self._table = Table()

    def __len__(self) -> int:
        return len(self._table)

    @property
    def rows(self) -> Rows:
        """All of them, by place; a view."""
        return self._rows[: len(self._table)]

    def find(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """int64[n]: the place of each one's row, below 0 where there is none."""
        return self._table.find(ids)

    def places(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """int64[n]: the place of each one's row; new ones are blank."""
        known = len(self._table)
        places = self._table.put(np.ascontiguousarray(ids))
        count = len(self._table)
        if count > len(self._rows):
            grown = np.zeros(max(2 * len(self._rows), count, 1_024), dtype=self._rows.dtype)
            pages = np.zeros(len(grown), dtype=np.uint32)
            grown[:known], pages[:known] = self._rows[:known], self._page_of[:known]
            self._rows, self._page_of = grown, pages
        blank = self._rows[known:count]
        blank["time_ms"] = blank["label_ms"] = blank["first_label_ms"] = UNSEEN
        blank["value"] = blank["truth"] = np.nan
        blank["fed"] = 0
        blank["label"] = blank["predicted"] = blank["score"] = NO_CLASS
        self._rows["id"][places] = ids
        return places

    def replace(self, places: NDArray[np.int64], rows: Rows) -> None:
        """These rows are so from now on. places: int64[n], each there once."""
        self._rows[places], self._page_of[places] = rows, self._pages.touch()

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Forget all rows but these; bool[n]. Their older copies may still lie in pages, see `rewrite`."""
        self._rows, self._page_of = self.rows[chosen], self._page_of[: len(self)][chosen]
        self._table = Table(np.ascontiguousarray(self._rows["id"]))

    def rewrite(self) -> None:
        """All rows are written anew, so that no older page brings back what was forgotten."""
        self._page_of[:] = self._pages.touch()

    # Snapshots: rows are saved in pages of what changed, see `Pages`.

    @property
    def changed(self) -> set[int]:
        """Pages that must be written."""
        return {self._pages.current} if self._pages.changed else set()

    def pages(self) -> set[int]:
        """Pages that must be there."""
        return self._pages.alive(self._page_of[: len(self)])

    def save(self, page: int) -> bytes:
        """The rows of a page, by rising id."""
        return np.sort(self.rows[self._page_of[: len(self)] == page], order="id").tobytes()

    def saved(self) -> None:
        """All pages are where they must be; from now on what changes is new."""
        self._pages.saved(self._page_of[: len(self)])

    def load(self, contents: Mapping[int, bytes]) -> None:
        """Put all pages back. Errors: ValueError where one has rows of another shape."""
        self._rows, self._page_of = self._pages.load(contents, self._rows.dtype)
        self._table = Table(np.ascontiguousarray(self._rows["id"]))
