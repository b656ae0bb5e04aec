"""Windows as letters, one feature, rules as YAML: what a book publishes, window by window.

`.` quiet, `~` close to the threshold, `w` a warning, `c` critical, `i` a change that pages nobody, `-` not judged. A window lasts a minute,
the first begins at 2026-01-05 (a Monday) 00:00 UTC.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import yaml

from stream_monitor.alert.alert import Alert, Evidence
from stream_monitor.alert.life import AlertBook, BookState
from stream_monitor.alert.notification import notification_of
from stream_monitor.alert.publication import Raised, Stamp
from stream_monitor.alert.rules import Rules
from stream_monitor.capture.schema import StreamKey
from stream_monitor.config.rules import Rule
from stream_monitor.detect.finding import Finding, FindingKind, Key, Score, ScoreStatus, Severity
from stream_monitor.detect.report import WindowRef

MINUTE: Final = 60_000
MONDAY: Final = 1_767_571_200_000
LIMIT: Final = 0.2
LEVELS: Final = {".": 0.05, "~": 0.18, "w": 0.3, "c": 0.5, "i": 0.3}
SEVERITIES: Final = {"w": Severity.WARNING, "c": Severity.CRITICAL, "i": Severity.INFO}
ALL: Final = "".join([*LEVELS, "-"])


def rules(text: str) -> Rules:
    """Of a model's list, named `0`, `1`, …"""
    return Rules(tuple((str(number), Rule.model_validate(tree)) for number, tree in enumerate(yaml.safe_load(text) or [])))


def window(number: int) -> WindowRef:
    return WindowRef(MONDAY + number * MINUTE, MONDAY + (number + 1) * MINUTE, 1_000)


def stamp_of(number: int, told_by: Rules) -> Stamp:
    return Stamp(window(number).end_ms, "c1", told_by)


def heard(letter: str, feature: str = "amount") -> tuple[list[Score], list[Raised]]:
    """A window's scores of a feature, and its findings."""
    psi, adwin = (Key(FindingKind.DATA_DRIFT, feature, name) for name in ("psi", "adwin"))
    if letter == "-":
        return [], []
    level = LEVELS["." if letter == "i" else letter]
    scores = [Score(psi, 0, level, LIMIT, 1e-9, ScoreStatus.JUDGED, 0.0, letter in "wc")]
    scores += [Score(adwin, 0, LEVELS["i"], LIMIT, 1e-9, ScoreStatus.JUDGED, 0.0, True)] if letter == "i" else []
    if letter not in SEVERITIES:
        return scores, []
    found = scores[-1]
    assert found.score is not None
    return scores, [Raised(Finding(found, found.score, 0.0, SEVERITIES[letter], ()), Evidence((), ()))]


class Story:
    """A book, its windows and all that it published, with the number of the window."""

    def __init__(self, told_by: Rules | str = "", segment: dict[str, str] | None = None) -> None:
        self.rules = rules(told_by) if isinstance(told_by, str) else told_by
        self.segment = segment or {}
        self.book = AlertBook(StreamKey("loan", None), self.segment, "b1")
        self.published: list[tuple[int, Alert]] = []
        self.next = 0

    def see(self, letters: str, features: Sequence[str] = ("amount",)) -> "Story":
        """One window for each letter, the same for every feature."""
        for letter in letters:
            said = [heard(letter, feature) for feature in features]
            scores, raised = [each for one, _ in said for each in one], [each for _, one in said for each in one]
            alerts = self.book.advance(window(self.next), scores, raised, stamp_of(self.next, self.rules))
            self.published += [(self.next, alert) for alert in alerts]
            self.next += 1
        return self

    def restart(self) -> "Story":
        """From what a snapshot keeps."""
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.book.to_state()), type=BookState)
        self.book = AlertBook(StreamKey("loan", None), self.segment, "b1", state)
        return self

    def lines(self) -> list[str]:
        """`3 firing critical`, and behind it why nobody was told."""
        return [f"{number} {alert.status} {alert.severity}{held(alert)}" for number, alert in self.published]


def held(alert: Alert) -> str:
    notification = notification_of(alert)
    return "" if notification is None or notification.held is None else f" ({notification.held})"
