"""Which rows a snapshot must write. Labels touch old rows all over the past, so rows are no pages by time but a log of changes.

A page is what changed between two snapshots; a row belongs to the last page that it was written to, and counts as that page has it.
Pages from the oldest that still holds a row on are kept, so that no older copy of a row outlives a newer one. At each snapshot the oldest
page's rows move to the next one while there are more than `PAGES_MAX`: what lies on the topic stays within about twice the rows.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

PAGES_MAX: Final = 256
"""Of a week's rows a snapshot then writes again one in 256; the manifest names as many pages."""


class Pages:
    """The pages of one join. current: what changes now belongs to it; written: those on the topic; changed: whether current holds any."""

    def __init__(self) -> None:
        self.current = 0
        self.written: list[int] = []
        self.changed = False

    def touch(self) -> int:
        """The page of rows that change now."""
        self.changed = True
        return self.current

    def alive(self, pages: NDArray[np.uint32]) -> set[int]:
        """The pages that must be on the topic. pages: uint32[n], of all rows."""
        if not len(pages):
            return set()
        oldest = int(pages.min())
        return {page for page in self.written if page >= oldest} | ({self.current} if self.changed else set())

    def saved(self, pages: NDArray[np.uint32]) -> None:
        """What changed is on the topic; from now on what changes is new. pages: uint32[n], of all rows, changed in place."""
        self.written = sorted(self.alive(pages))
        self.current += int(self.changed)
        self.changed = False
        if len(self.written) > PAGES_MAX:
            pages[pages == self.written[0]] = self.touch()

    def load(self, contents: Mapping[int, bytes], kind: "np.dtype[np.void]") -> tuple[NDArray[Any], NDArray[np.uint32]]:
        """All rows, each as its last page has it, and their pages. Errors: ValueError for pages of another shape."""
        self.written = sorted(contents)
        self.current = max(self.written, default=-1) + 1
        parts = [np.frombuffer(contents[page], dtype=kind) for page in self.written]
        rows = np.concatenate([np.zeros(0, dtype=kind), *parts])
        pages = np.repeat(np.array(self.written, dtype=np.uint32), [len(part) for part in parts])
        _, last = np.unique(rows["id"][::-1], return_index=True)
        kept = len(rows) - 1 - last
        return rows[kept], pages[kept]
