"""Further detectors: any class of `river.drift` that reads numbers, by name.

They read the means of slices, one number per slice and column, and say no more than "now". What they report is therefore less than
our own: no p-value, the slice of the report as the change point, and means of slices for the two levels. Their state is not saved:
after a restart they begin anew, which delays them and loses nothing else.
"""

import difflib
import inspect
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stream_monitor.detect.sequential.shift import Series, Shift
from stream_monitor.errors import ConfigError
from stream_monitor.profile.slices import SLICE_MS

Value = str | int | float | bool

RECENT: Final = 30
"""Slices whose mean is given as the level after a change, where so many have come since the last one."""
TRIED_MIN, TRIED_MAX = 300, 5_000
"""Values by which a configured detector is tried: three times KSWIN's window, in 40 ms; a second for the largest."""
_BUILT_IN: Final = ("ADWIN", "PageHinkley")


@dataclass(frozen=True, slots=True)
class PlugIn:
    """A detector as configured. name: in scores and alerts; class_name: in `river.drift`; params: of its constructor, sorted."""

    name: str
    class_name: str
    params: tuple[tuple[str, Value], ...] = ()

    def new(self) -> Any:
        """A fresh detector; river has no types."""
        return _classes()[self.class_name](**dict(self.params))


def plugin_of(class_name: str, params: Mapping[str, Value]) -> PlugIn:
    """A detector by its name in `river.drift`. Where it draws random numbers, its seed is 0 unless one is given.

    Errors: ConfigError for an unknown class or parameter, saying what was meant or is known, and for values that the class refuses.
    """
    classes = _classes()
    if class_name in _BUILT_IN:
        raise ConfigError(f"river: {class_name} is built in and always on; leave it out here")
    if class_name not in classes:
        raise ConfigError(f"river: no detector {class_name!r}; {_hint(class_name, classes)}")
    known = [name for name in inspect.signature(classes[class_name]).parameters if name != "window"]
    for name in params:
        if name not in known:
            raise ConfigError(f"river.{class_name}: no parameter {name!r}; {_hint(name, known)}")
    seeded = ({"seed": 0} if "seed" in known else {}) | dict(params)
    found = PlugIn(_snake_case(class_name), class_name, tuple(sorted(seeded.items())))
    try:
        _try(found)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ConfigError(f"river.{class_name}: {error}") from None
    return found


def _try(plugin: PlugIn) -> None:
    """Feed it more values than its window holds: some parameters are used only then."""
    size, detector = dict(plugin.params).get("window_size", 0), plugin.new()
    for number in range(TRIED_MIN + min(2 * size, TRIED_MAX) if isinstance(size, int) else TRIED_MIN):
        detector.update(number % 7 / 7)


def _classes() -> dict[str, Any]:
    from river import base, drift  # loads scipy.stats: 2 s that nobody without such a detector waits for

    found = {name: getattr(drift, name, None) for name in drift.__all__}
    return {name: kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, base.DriftDetector)}


def _hint(name: str, known: Iterable[str]) -> str:
    known = [one for one in known if one not in _BUILT_IN]
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"did you mean {by_lower[near[0]]}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@dataclass(slots=True)
class _Followed:
    """One column's detector and the slice means since its last report: the newest ones, and n and sum of those before."""

    detector: Any
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    n: int = 0
    total: float = 0.0

    def feed(self, mean: float) -> tuple[float, float] | None:
        """The levels before and after, where the detector reports a change."""
        if len(self.recent) == RECENT:
            self.n, self.total = self.n + 1, self.total + self.recent[0]
        self.recent.append(mean)
        self.detector.update(mean)
        if not self.detector.drift_detected:
            return None
        after = sum(self.recent) / len(self.recent)
        before = self.total / self.n if self.n else self.recent[0]
        self.n, self.total = 0, 0.0
        self.recent.clear()
        return before, after


class PlugInWatch:
    """One plug-in over the position series of all C columns."""

    def __init__(self, plugin: PlugIn, columns: int) -> None:
        self.plugin = plugin
        self._columns = [_Followed(plugin.new()) for _ in range(columns)]

    def feed(self, number: int, n: NDArray[np.float64], mean: NDArray[np.float64]) -> list[Shift]:
        """Take in slice `number`: float64[C] values present and their mean position; columns without values are left out."""
        shifts = []
        for column in np.flatnonzero(n).tolist():
            levels = self._columns[column].feed(float(mean[column]))
            if levels is not None:
                start_ms = number * SLICE_MS
                shifts.append(Shift(column, Series.POSITION, self.plugin.name, start_ms + SLICE_MS, start_ms, *levels, None))
        return shifts
