"""Every detector by name: what each is called, what it points to, what its threshold is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple

from stream_monitor.detect.anomalies import ANOMALIES
from stream_monitor.detect.attributions import NDCG, NDCG_MIN
from stream_monitor.detect.detector import Detector
from stream_monitor.detect.distances import DISTANCES
from stream_monitor.detect.operations import BOTTLENECK_FACTOR, IDLE_HOURS
from stream_monitor.detect.outcomes.bias import BIAS
from stream_monitor.detect.outcomes.metrics import ANSWERED, DROP, METRICS
from stream_monitor.detect.outcomes.told import TOLD
from stream_monitor.detect.producers import SILENT
from stream_monitor.detect.quality import QUALITY
from stream_monitor.detect.transit import DELAY, MIX, SHIFT_MAX, SKEW, SKEW_MAX_MS
from stream_monitor.detect.unpaired import UNPAIRED, UNPAIRED_MAX
from stream_monitor.detect.versions import (
    ACCURACY,
    ACCURACY_DROP,
    DISTANCE,
    ERRORS,
    ERRORS_MAX,
    LATENCY_RATIO,
    LATENCY_RATIO_MAX,
    LEAST_DISTANCE,
    MAE,
    MAE_RISE,
)
from stream_monitor.detect.volume import VOLUME_FACTOR
from stream_monitor.detect.whole import WHOLE

DISTRIBUTION: Final = "distribution"
"""The cause that distances and sequential detectors share."""


class Meaning(NamedTuple):
    """What any detector says of itself; see `detector.Detector`."""

    title: str
    cause: str
    default_threshold: float


BY_COLUMN: Final[Mapping[str, Detector]] = {**DISTANCES, **QUALITY, **ANOMALIES}
"""Those that compare a window's profile with the baseline's, column by column, in the order in which scores are given."""
SEQUENTIAL: Final[Mapping[str, Meaning]] = {
    "adwin": Meaning("shift found by ADWIN", DISTRIBUTION, 0.05),
    "page_hinkley": Meaning("shift found by Page-Hinkley", DISTRIBUTION, 0.05),
}
"""Those that read slices; the score is how far a position's mean moved, in [0, 1]. A plug-in of `river.drift` has `PLUGIN`'s threshold."""
LOSS: Final[Mapping[str, Meaning]] = {
    "ddm": Meaning("rise of the error rate found by DDM", DISTRIBUTION, 0.05),
    "eddm": Meaning("errors that come closer together, found by EDDM", DISTRIBUTION, 0.05),
}
"""Those that read a loss of 0 or 1 beside the sequential ones."""
VOLUME: Final[Mapping[str, Meaning]] = {
    "volume": Meaning("number of events", "volume", VOLUME_FACTOR),
    "silence": Meaning("number of events that did not come", "volume", 0.0),
}
"""Those that compare a window's number of events with those of earlier windows; see `volume`."""
OPERATIONS: Final[Mapping[str, Meaning]] = {
    "latency_p95_ms": Meaning("latency p95", "latency", inf),
    "latency_p50_ms": Meaning("latency p50", "latency", inf),
    "latency_p99_ms": Meaning("latency p99", "latency", inf),
    "throughput_per_s": Meaning("throughput", "throughput", inf),
    "error_ratio": Meaning("error ratio", "errors", inf),
    "cpu_ratio": Meaning("CPU use", "resources", inf),
    "memory_bytes": Meaning("memory use", "resources", inf),
    "gpu_ratio": Meaning("GPU use", "resources", inf),
    "gpu_memory_bytes": Meaning("GPU memory use", "resources", inf),
    "network_bytes_per_s": Meaning("network traffic", "resources", inf),
    "bottleneck": Meaning("bottleneck", "bottleneck", BOTTLENECK_FACTOR),
    "idle_capacity": Meaning("idle capacity", "idle capacity", IDLE_HOURS),
}
"""Those that read how the calls went; an infinite threshold is none, and the window is compared with earlier ones; see `operations`."""
ATTRIBUTIONS: Final[Mapping[str, Meaning]] = {
    "attribution_ndcg": Meaning("NDCG of attributions", "attributions", NDCG_MIN),
    "attribution_share": Meaning("share of all attribution", "attribution share", inf),
}
"""Those that read how much features counted; the share is told and not judged, so its threshold is none; see `attributions`."""
CAPTURE: Final[Mapping[str, Meaning]] = {
    DELAY: Meaning("capture delay p95", "delay", inf),
    SKEW: Meaning("clock skew", "clocks", SKEW_MAX_MS),
    SILENT: Meaning("number of a producer's events that did not come", "producers", 0.0),
    MIX: Meaning("shift between producers", "producers", SHIFT_MAX),
}
"""Those that read how events came here; see `transit` and `producers`."""
PAIRS: Final[Mapping[str, Meaning]] = {UNPAIRED: Meaning("the share of labels without an event", "pairs", UNPAIRED_MAX)}
"""What reads whether labels and events find each other; see `unpaired`."""
VERSIONS: Final[Mapping[str, Meaning]] = {
    DISTANCE: Meaning("PSI from the current version", "versions", DISTANCES["psi"].default_threshold),
    LEAST_DISTANCE: Meaning("least KS distance from the current version", "versions", DISTANCES["ks"].default_threshold),
    LATENCY_RATIO: Meaning("latency p95 by the current version's", "version latency", LATENCY_RATIO_MAX),
    ERRORS: Meaning("error ratio less the current version's", "version errors", ERRORS_MAX),
    ACCURACY: Meaning("accuracy less the current version's", "version quality", ACCURACY_DROP),
    MAE: Meaning("MAE less the current version's, in standard deviations", "version quality", MAE_RISE),
}
"""Those that hold a version against the current one; see `versions`."""
VERSION_CAUSES: Final = frozenset(each.cause for each in VERSIONS.values())
_CAUSES: Final = {"conditional_entropy": "relation", **dict.fromkeys(ANSWERED, "answers")}
OUTCOMES: Final[Mapping[str, Meaning]] = {
    **{name: Meaning(row.title, _CAUSES.get(name, "quality"), 0.0) for name, row in METRICS.items()},
    **{name: Meaning(row.title, "bias", 0.0) for name, row in BIAS.items()},
    **{name: Meaning(row.title, "labels", 0.0) for name, row in TOLD.items()},
}
"""Those that read outcomes: figures with an interval, held against the baseline's figure or an allowed range; see `outcomes.judge`."""
OUTCOME_THRESHOLDS: Final = (*METRICS, *(name + DROP for name in METRICS), *BIAS)
"""Names that thresholds of outcomes may be given by."""
PLUGIN: Final = Meaning("shift", DISTRIBUTION, 0.05)
_BUILT_IN: Final[Mapping[str, Meaning]] = {
    name: Meaning(each.title, each.cause, each.default_threshold)
    for table in (BY_COLUMN, SEQUENTIAL, WHOLE, VOLUME, OPERATIONS, ATTRIBUTIONS, CAPTURE, PAIRS, VERSIONS, OUTCOMES, LOSS)
    for name, each in table.items()
}
NAMES: Final = tuple(_BUILT_IN)
"""All that are built in."""


def meaning_of(detector: str) -> Meaning:
    """What a detector says of itself; a name that is not built in is a plug-in's."""
    return _BUILT_IN.get(detector) or PLUGIN._replace(title=f"shift found by {detector}")


def is_sequential(detector: str) -> bool:
    """Whether it says that something changed, and not how things stand; plug-ins all do."""
    return detector in SEQUENTIAL or detector in LOSS or detector not in _BUILT_IN


def falls(detector: str) -> bool:
    """Whether a lower score is worse than a higher one."""
    return detector in (NDCG, ACCURACY) or (detector in METRICS and METRICS[detector].higher_is_better is True)


def cause_of(detector: str) -> str:
    """What a detector points to."""
    return meaning_of(detector).cause


def title_of(detector: str) -> str:
    """What a detector is called in a sentence."""
    return meaning_of(detector).title


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the config says: an override for the column, else the value for the detector, else the detector's default.

    For ratios a threshold is the increase allowed over the baseline's.
    """

    by_detector: Mapping[str, float] = field(default_factory=dict)
    by_column: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __call__(self, column: str | None, detector: str) -> float:
        """column: None for the traffic as a whole."""
        overridden = self.by_column.get(column, {}).get(detector) if column is not None else None
        if overridden is not None:
            return overridden
        return self.by_detector.get(detector, meaning_of(detector).default_threshold)
