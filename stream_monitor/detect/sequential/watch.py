"""The sequential detectors of one stream: slices in, in any order; shifts out, in the order of time."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.sequential.adwin import Adwin
from stream_monitor.detect.sequential.dispersion import Clustering, Dispersion
from stream_monitor.detect.sequential.entries import SERIES, entries_of
from stream_monitor.detect.sequential.error_rate import ErrorRate, ddm, eddm
from stream_monitor.detect.sequential.latch import Latch
from stream_monitor.detect.sequential.page_hinkley import PageHinkley
from stream_monitor.detect.sequential.plugin import PlugIn, PlugInWatch
from stream_monitor.detect.sequential.shift import Shift
from stream_monitor.errors import CodecError
from stream_monitor.profile.frame import UNREADABLE
from stream_monitor.profile.slices import SLICE_MS, Slices

PENDING_CELLS_MAX: Final = 4_000_000
"""Slices x columns that may wait for the watermark: 128 MB; for 25 columns 44 hours of event time."""


@dataclass(frozen=True)
class SequentialSpec:
    """What to watch and how strictly.

    columns: C. min_shift: float64[C], the least difference of means worth a report. clustering: of the 2C series, how alike values are
    that came together in the training data. alpha: false reports per column, detector and window. every_ms: from window to window.
    """

    columns: int
    min_shift: NDArray[np.float64]
    clustering: Clustering
    alpha: float
    every_ms: int
    plugins: tuple[PlugIn, ...] = ()
    errors: bool = False
    """Whether values are 0 or 1, a wrong answer: then DDM and EDDM watch them, too."""


class _State(msgspec.Struct, array_like=True, frozen=True):
    columns: int
    read_until_ms: int | None
    refused: int
    pending: list[tuple[int, bytes]]
    dispersion: bytes
    detectors: list[tuple[bytes, bytes]]


ERROR_RATES: Final = {"ddm": ddm, "eddm": eddm}


class Sequential:
    """ADWIN, Page-Hinkley and plug-ins over the position and the spread of every column of one stream.

    Every slice is fed once, when the watermark has passed its end, in the order of time; so the answer depends neither on the order
    in which slices come nor on how they were cut into parts. refused: values turned away because `PENDING_CELLS_MAX` was reached.
    fed: slices read by this object.
    """

    def __init__(self, spec: SequentialSpec) -> None:
        series = len(SERIES) * spec.columns
        looks = len(SERIES) * max(spec.every_ms / SLICE_MS, 1.0)  # both series answer for the column
        min_shift = np.tile(spec.min_shift, len(SERIES))
        self.spec = spec
        self.refused = self.fed = 0
        self._pending: dict[int, NDArray[np.int64]] = {}
        self._read_until_ms: int | None = None
        self._dispersion = Dispersion(spec.clustering)
        self._detectors: dict[str, tuple[Adwin | PageHinkley | ErrorRate, Latch]] = {
            "adwin": (Adwin(series), Latch(min_shift, spec.alpha, looks)),
            "page_hinkley": (PageHinkley(series), Latch(min_shift, spec.alpha, looks)),
        }
        if spec.errors:
            self._detectors |= {name: (make(series), Latch(min_shift, spec.alpha, looks)) for name, make in ERROR_RATES.items()}
        self._plugins = [PlugInWatch(plugin, spec.columns) for plugin in spec.plugins]

    @property
    def restored_fully(self) -> bool:
        """Whether `decode(encode())` goes on as if nothing had happened: plug-ins begin anew."""
        return not self.spec.plugins

    def add(self, slices: Slices, watermark_ms: int | None) -> int:
        """Keep slices until the watermark has passed them. The number of values, over all columns, in slices that are late: left out.

        A slice is late when it ends at or before `watermark_ms` or what `advance` was last given.
        """
        passed = [limit for limit in (watermark_ms, self._read_until_ms) if limit is not None]
        limit, late = max(passed, default=None), 0
        for index, start in enumerate(slices.starts.tolist()):
            values = int(slices.n[index].sum())
            if limit is not None and (start + 1) * SLICE_MS <= limit:
                late += values
            elif start in self._pending:
                self._pending[start] += np.vstack([slices.n[index][None], slices.sums[index]])
            elif len(self._pending) < PENDING_CELLS_MAX // max(self.spec.columns, 1):
                self._pending[start] = np.vstack([slices.n[index][None], slices.sums[index]])
            else:
                self.refused += values
        return late

    def advance(self, watermark_ms: int) -> list[Shift]:
        """Read the slices that end at or before the watermark; the shifts they complete, by time, then by detector and series."""
        if self._read_until_ms is None or watermark_ms > self._read_until_ms:
            self._read_until_ms = watermark_ms
        complete = sorted(start for start in self._pending if (start + 1) * SLICE_MS <= watermark_ms)
        if not complete:
            return []
        self.fed += len(complete)
        cells = np.stack([self._pending.pop(start) for start in complete])
        entries = entries_of(Slices(np.array(complete, dtype=np.int64), cells[:, 0], cells[:, 1:]))
        return [shift for number, entry in zip(complete, entries, strict=True) for shift in self._read(number, entry)]

    def _read(self, number: int, entry: NDArray[np.float64]) -> list[Shift]:
        phi = self._dispersion.feed(number, entry)
        shifts = []
        for name, (detector, latch) in self._detectors.items():
            detector.feed(number, entry, phi)
            for series in latch.feed(number, entry, phi, self._dispersion.freedom, self._dispersion.span, detector.cuts).tolist():
                self._dispersion.end_level(series)
                shifts.append(self._shift(number, series, name, latch))
        for plugin in self._plugins:
            shifts += plugin.feed(number, entry[0, : self.spec.columns], entry[1, : self.spec.columns])
        return shifts

    def _shift(self, number: int, series: int, detector: str, latch: Latch) -> Shift:
        start, before, after, p_value = latch.reports[series].item()
        kind, column = divmod(series, self.spec.columns)
        return Shift(column, SERIES[kind], detector, (number + 1) * SLICE_MS, start * SLICE_MS, before, after, p_value)

    def encode(self) -> bytes:
        """All state but that of plug-ins: msgpack around little-endian records, the same bytes for the same state."""
        pending = [(start, cells.astype("<i8").tobytes()) for start, cells in sorted(self._pending.items())]
        detectors = [(detector.encode(), latch.encode()) for detector, latch in self._detectors.values()]
        records = self._dispersion.encode()
        return _encoder.encode(_State(self.spec.columns, self._read_until_ms, self.refused, pending, records, detectors))

    @classmethod
    def decode(cls, spec: SequentialSpec, content: bytes) -> "Sequential":
        """Back from `encode`, to the bit; limits are those of `spec`. Errors: CodecError where it does not fit the columns."""
        try:
            state = _decoder.decode(content)
        except UNREADABLE as error:
            raise CodecError(f"saved detectors that cannot be read: {error}") from None
        found = cls(spec)
        if state.columns != spec.columns or len(state.detectors) != len(found._detectors):
            raise CodecError(f"saved detectors of {state.columns} columns where the baseline has {spec.columns}")
        found._read_until_ms, found.refused = state.read_until_ms, state.refused
        found._pending = {start: _cells(cells, spec.columns) for start, cells in state.pending}
        found._dispersion.load(state.dispersion)
        for (detector, latch), (saved, level) in zip(found._detectors.values(), state.detectors, strict=True):
            detector.load(saved)
            latch.load(level)
        return found


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_State)


def _cells(content: bytes, columns: int) -> NDArray[np.int64]:
    if len(content) != 4 * 8 * columns:
        raise CodecError("a saved slice of another number of columns")
    return np.frombuffer(content, dtype="<i8").astype(np.int64).reshape(4, columns)


def compile_sequential() -> None:
    """Compile, or load from the cache, every loop of these detectors."""
    watch = Sequential(SequentialSpec(1, np.zeros(1), Clustering(np.ones(2)), 0.5, SLICE_MS))
    watch.add(Slices(np.zeros(1, dtype=np.int64), np.ones((1, 1), dtype=np.int64), np.ones((1, 3, 1), dtype=np.int64)), None)
    watch.advance(SLICE_MS)
