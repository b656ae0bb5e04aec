"""How the calls went, beside what they said, as a struct of arrays: latency, failures by code, utilisation of the serving process."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

LATENCY: Final = "latency_ms"
RESOURCES: Final[tuple[str, ...]] = ("cpu_ratio", "memory_bytes", "gpu_ratio", "gpu_memory_bytes", "network_bytes")
MEASURES: Final[tuple[str, ...]] = (LATENCY, *RESOURCES)
CODE_CHARS_MAX: Final = 64
"""A longer error code is cut: it is a name, not a stack trace."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What n events say of their calls.

    measures: of `MEASURES` those that some event tells: float64[n], finite and >= 0, NaN where it does not or its value is none.
    failed: bool[n], which have the status `error`; codes: n names of what failed, "" where there is none or nothing failed.
    told: bool[n], which events have any of these fields.
    """

    measures: Mapping[str, NDArray[np.float64]]
    failed: NDArray[np.bool_]
    codes: Sequence[str]
    told: NDArray[np.bool_]

    @classmethod
    def of(
        cls, values: Mapping[str, NDArray[np.float64]], statuses: Sequence[str | None] | None, errors: Sequence[str | None], n: int
    ) -> "Calls | None":
        """From columns of n numbers, where NaN, infinity and less than 0 are no measure, n states (None: no event has one) and n codes.

        None where no event tells anything.
        """
        measures = {name: np.where((each >= 0) & (each < math.inf), each, np.nan) for name, each in values.items()}
        measures = {name: each for name, each in measures.items() if not np.isnan(each).all()}
        failed, told, codes = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_), [""] * n
        kinds = set(statuses or ())
        if statuses is not None and "error" in kinds:
            failed = np.array([status == "error" for status in statuses], dtype=np.bool_)
        if statuses is not None:
            told = np.array([status is not None for status in statuses], dtype=np.bool_) if None in kinds else ~told
        for row in np.flatnonzero(failed).tolist():
            codes[row] = (errors[row] or "")[:CODE_CHARS_MAX]
        for each in measures.values():
            told |= ~np.isnan(each)
        return cls(measures, failed, codes, told) if told.any() else None

    @classmethod
    def silent(cls, n: int) -> "Calls":
        """Of n events that tell nothing."""
        nothing = np.zeros(n, dtype=np.bool_)
        return cls({}, nothing, [""] * n, nothing)


def joined_calls(parts: Sequence[Calls | None], sizes: Sequence[int]) -> Calls | None:
    """Those of all parts, one after the other; sizes: how many events each part has."""
    if not any(parts):
        return None
    whole = [part or Calls.silent(size) for part, size in zip(parts, sizes, strict=True)]
    names = [name for name in MEASURES if any(name in part.measures for part in whole)]
    return Calls(
        {name: np.concatenate([part.measures.get(name, np.full(len(part.failed), np.nan)) for part in whole]) for name in names},
        np.concatenate([part.failed for part in whole]),
        [code for part in whole for code in part.codes],
        np.concatenate([part.told for part in whole]),
    )
