"""Every event of a run as numbers, under every baseline: the naive way, one by one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_monitor.baseline.baseline import Baseline, NumericColumn
from stream_monitor.baseline.position import positions
from stream_monitor.pipeline.summarise import hashes_of
from stream_monitor.profile.ids import IdSample
from stream_monitor.profile.profile import Profile
from stream_monitor.profile.slices import POSITION_SCALE, SLICE_MS, Slices
from tests.property.pipeline_oracle import StrangeOnes, attributions_of, codes_of, operations_of, transit_of, values_of
from tests.property.pipeline_world import Event


@dataclass(frozen=True)
class Facts:
    """Of N events under one baseline of C columns. codes: [N, C]; moments: [N, 2, C]; cells: [N, 4, C], what a slice sums up."""

    baseline: Baseline
    times_ms: Any
    codes: Any
    moments: Any
    cells: Any
    hashes: Any
    events: Any
    strange: StrangeOnes

    @classmethod
    def of(cls, baseline: Baseline, events: list[Event]) -> "Facts":
        codes = np.array([codes_of(baseline, event.body) for event in events])
        moments = np.zeros((len(events), 2, len(baseline.columns)), dtype=np.int64)
        cells = np.zeros((len(events), 4, len(baseline.columns)), dtype=np.int64)
        for c, entry in enumerate(baseline.columns):
            raw = [values_of(event.body).get(entry.column.name) for event in events]
            numbers = np.array([value if isinstance(value, int | float) else np.nan for value in raw], dtype=np.float64)
            u = positions(entry, codes[:, c].astype(np.int32), numbers)
            q = np.rint(np.nan_to_num(u) * POSITION_SCALE).astype(np.int64)
            cells[:, :, c] = (np.stack([np.ones_like(q), q, q * q, np.abs(2 * q - POSITION_SCALE)]) * ~np.isnan(u)).T
            if isinstance(entry, NumericColumn):
                for row, (number, code) in enumerate(zip(numbers.tolist(), codes[:, c].tolist(), strict=True)):
                    if code >= 2:
                        z = (number - entry.mean) / entry.scale
                        moments[row, :, c] = round(z * 2**20), round(z * z * 2**10)
        times_ms = np.array([event.time_ms for event in events])
        hashes = hashes_of([str(event.body["event_id"]) for event in events])
        return cls(
            baseline, times_ms, codes, moments, cells, hashes, events, StrangeOnes.of(baseline, codes, [event.body for event in events])
        )

    def profile(self, rows: list[int]) -> Profile:
        """All of these events at once."""
        sizes = self.baseline.layout.sizes
        counts = np.concatenate([np.bincount(self.codes[rows, c], minlength=size) for c, size in enumerate(sizes)])
        moments, bodies = self.moments[rows].sum(axis=0), [self.events[row].body for row in rows]
        ids, calls, told = IdSample.of(self.hashes[rows]), operations_of(bodies), attributions_of(self.baseline, bodies)
        transit = transit_of([self.events[row] for row in rows])
        parts: dict[str, Any] = {"operations": calls, "attributions": told, "transit": transit}
        return Profile(len(rows), counts, moments, ids=ids, anomalies=self.strange.count(rows), **parts)

    def second(self, number: int, rows: list[int]) -> Slices:
        """The slice of one second."""
        cells = self.cells[rows].sum(axis=0)
        return Slices(np.array([number]), cells[:1], cells[None, 1:])

    def seconds(self, rows: list[int]) -> dict[int, list[int]]:
        """Which of these events each second holds."""
        found: dict[int, list[int]] = {}
        for row in rows:
            found.setdefault(int(self.times_ms[row]) // SLICE_MS, []).append(row)
        return found
