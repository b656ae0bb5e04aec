"""Where a change comes from: what each bin, segment, version and feature contributes to it, and so where to look first.

A pure function of the alert and, if there are, of the window scores around it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import fsum
from typing import Final

import msgspec

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.contribution import Contribution, Group, Row, by_share, ranked, shared, shares, surprise
from stream_monitor.alert.wording import percent, split
from stream_monitor.capture.schema import PREDICTION, SCORE
from stream_monitor.detect.finding import FindingKind
from stream_monitor.detect.producers import SILENT
from stream_monitor.detect.report import WindowScore, rounded
from stream_monitor.detect.transit import MIX
from stream_monitor.errors import CodecError

REST: Final = "all others"
"""The bins that the evidence does not name, as one."""
_SHARES: Final = frozenset({FindingKind.DATA_DRIFT, FindingKind.PREDICTION_DRIFT})
"""Kinds whose evidence holds shares of one distribution."""
_decoder: Final = msgspec.json.Decoder(WindowScore)
_OUTPUTS: Final = frozenset({PREDICTION, SCORE})
_NO_FEATURE: Final = "psi"
"""What features are ranked by where the alert itself is about the whole."""


class Investigation(msgspec.Struct, frozen=True):
    """Each group by falling share, the first few."""

    alert_id: str
    """Of which alert."""
    sentence: str
    """Where to look first."""
    bins: tuple[Contribution, ...]
    """Values whose share changed: by their terms of the Jensen-Shannon divergence, the rest as one."""
    segments: tuple[Contribution, ...]
    """By events x score (of a figure that fell: events x what lacks to the threshold); shares sum to 1 within each name of a segment."""
    versions: tuple[Contribution, ...]
    """By the same, among the versions that are judged apart."""
    features: tuple[Contribution, ...]
    """By how far each is over its own threshold, as a multiple."""
    sources: tuple[Contribution, ...]
    """Topics and partitions by how many of the evidence's sample events came from there: which producer, where each has its own."""
    producers: tuple[Contribution, ...] = ()
    """Of `sampling_shift` by their terms of the Jensen-Shannon divergence, the rest as one; of `producer_silence` by the events that did
    not come; of other alerts none: events are not counted apart by producer."""


def investigate(alert: Alert, rows: Iterable[WindowScore] = ()) -> Investigation:
    """Rank what contributed.

    rows: window scores in any order, of which those of the alert's model count, the highest revision of each; without any, segments and
    versions are those of the alert's evidence, and features are not ranked.
    """
    known = [row for row in _newest(rows) if row.model == alert.model]
    now = [row for row in known if row.window.end == alert.window.end]
    bins = ranked(_bins(alert))
    segments = _segments(alert, now, [row for row in known if row.window.end <= alert.started_at])
    versions = shared(_versions(alert, now))
    features = shared(_features(alert, now))
    sources = shared(Row(name, count, None, 0) for name, count in _sources(alert).items())
    producers = ranked(_producers(alert))
    sentence = _sentence(alert, bins, producers, segments, versions, features)
    return Investigation(alert.alert_id, sentence, bins, segments, versions, features, sources, producers)


def window_scores(lines: Iterable[bytes]) -> Iterator[WindowScore]:
    """What is on `prefix.windows`, or the lines of `windows.jsonl`. Errors: CodecError."""
    for line in lines:
        try:
            yield _decoder.decode(line)
        except msgspec.DecodeError as error:
            raise CodecError(f"not a window score: {error}") from None


def _newest(rows: Iterable[WindowScore]) -> Iterable[WindowScore]:
    newest: dict[tuple[object, ...], WindowScore] = {}
    for row in rows:
        key = (row.model, row.version, split(row.segment), row.window.end, row.feature, row.detector)
        if key not in newest or newest[key].revision < row.revision:
            newest[key] = row
    return newest.values()


def _bins(alert: Alert) -> Iterable[Contribution]:
    return _surprises(alert) if alert.kind in _SHARES else ()


def _producers(alert: Alert) -> Iterable[Contribution]:
    if alert.detector == SILENT:
        return [Contribution(each.bin, each.baseline or 0.0) for each in alert.evidence.moved]
    return _surprises(alert) if alert.detector == MIX else ()


def _surprises(alert: Alert) -> Iterable[Contribution]:
    """Of the shares that the evidence names."""
    moved = [(each.bin, each.baseline or 0.0, each.window or 0.0) for each in alert.evidence.moved]
    if moved:
        moved.append((REST, max(0.0, 1 - fsum(each[1] for each in moved)), max(0.0, 1 - fsum(each[2] for each in moved))))
    for name, before, now in moved:
        yield Contribution(name, surprise(before, now), before=rounded(before), now=rounded(now))


def _segments(alert: Alert, now: Sequence[WindowScore], earlier: Sequence[WindowScore]) -> tuple[Contribution, ...]:
    """Of a segment's own alert none: what is inside it is not judged."""
    if alert.segment:
        return ()
    rows = [row for row in now if row.segment and row.version == alert.version and _is_same(alert, row)]
    found: list[tuple[Mapping[str, str], float | None, int]] = [(row.segment, row.score, row.window.events) for row in rows]
    if not found:
        found = [(each.segment, each.score, each.events) for each in alert.evidence.affected if each.segment]
    usual = _events([row for row in earlier if row.segment and row.version == alert.version and _is_same(alert, row)])
    groups: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for segment, score, events in found:
        groups[tuple(sorted(segment))].append(Row(split(segment), _amount(alert, score, events), score, events))
    return by_share(each for names, group in groups.items() for each in _mixed(group, usual.get(names, {})))


def _mixed(group: Sequence[Row], usual: Mapping[str, int]) -> Iterable[Contribution]:
    """The elements of one dimension with their shares of the events, before and now."""
    whole, before = sum(row.events for row in group), sum(usual.values())
    for row, each in zip(group, shares(group), strict=True):
        share = rounded(usual.get(row.name, 0) / before) if before else None
        yield msgspec.structs.replace(each, before=share, now=rounded(row.events / whole) if whole else None)


def _events(rows: Sequence[WindowScore]) -> Mapping[tuple[str, ...], Counter[str]]:
    """How many events each segment had, by the names that split it."""
    found: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in rows:
        found[tuple(sorted(row.segment))][split(row.segment)] += row.window.events
    return found


def _versions(alert: Alert, now: Sequence[WindowScore]) -> list[Row]:
    rows = [(row.version, row.score, row.window.events) for row in now if row.segment == alert.segment and _is_same(alert, row)]
    found = rows or [(each.version, each.score, each.events) for each in alert.evidence.affected if not each.segment]
    if len({version for version, *_ in found}) < 2 and rows:
        return []  # they are judged together
    return [Row(version or "without a version", _amount(alert, score, events), score, events) for version, score, events in found]


def _features(alert: Alert, now: Sequence[WindowScore]) -> list[Row]:
    detector = alert.detector if alert.feature is not None else _NO_FEATURE
    rows = [row for row in now if row.feature is not None and row.detector == detector]
    rows = [row for row in rows if row.segment == alert.segment and row.version == alert.version]
    return [Row(str(row.feature), _excess(row.score, row.threshold), row.score, row.window.events) for row in rows]


def _excess(score: float | None, threshold: float | None) -> float:
    """How far over its threshold, in thresholds; 0 where it is not, or where there is none."""
    return max(0.0, score / threshold - 1) if score is not None and threshold else 0.0


def _sources(alert: Alert) -> Counter[str]:
    return Counter(f"{sample.topic} [{sample.partition}]" for sample in alert.evidence.samples)


def _is_same(alert: Alert, row: WindowScore) -> bool:
    return row.feature == alert.feature and row.detector == alert.detector


def _amount(alert: Alert, score: float | None, events: int) -> float:
    """What an element carries of the change: its events by how bad it is with each of them."""
    if score is None:
        return 0.0
    found, threshold = _found(alert)
    fell = found is not None and threshold is not None and found < threshold
    return events * max(0.0, (threshold or 0.0) - score if fell else score)


def _found(alert: Alert) -> tuple[float | None, float | None]:
    """Score and threshold of the last finding, which may be older than the publication's window."""
    finding = next((each for each in alert.evidence.detectors if each.detector == alert.detector), alert)
    return finding.score, finding.threshold


def _sentence(alert: Alert, bins: Group, producers: Group, segments: Group, versions: Group, features: Group) -> str:
    """The first of each group that tells something."""
    found = [f"{percent(first.share)} of the change {where} {first.name}" for first, where in _first(bins, producers, segments, versions)]
    inputs = [each.name for each in features if each.share > 0 and each.name not in _OUTPUTS]
    if inputs and (alert.feature is None or alert.feature in _OUTPUTS):
        found.append(f"of the inputs {inputs[0]} moved most")
    about = f"{alert.model}: {alert.feature or alert.detector}"
    return f"{about}: {', '.join(found)}" if found else f"{about}: nothing stands out"


def _first(bins: Group, *split_by: Group) -> Iterable[tuple[Contribution, str]]:
    for group, where in ((bins, "is in"), *((group, "comes from") for group in split_by)):
        leading = next((each for each in group if each.name != REST and each.share > 0), None)
        if leading is not None and len(group) > 1:
            yield leading, where
