"""What a replay would have sent: by rule, recipient and severity, how many notifications, and how many rules held back."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert, Held
from stream_monitor.alert.life import Waiting
from stream_monitor.alert.notification import notification_of
from stream_monitor.alert.rules import rank
from stream_monitor.detect.finding import Severity

SENT: Final = "sent"
WINDOWS: Final = "windows"
"""Windows with a finding that were not yet M of N."""


class Row(NamedTuple):
    """rules: the names of those that matched; recipient: empty for nobody in particular."""

    rules: tuple[str, ...]
    recipient: str
    severity: Severity


class Notified:
    """Counts over one run; nothing is counted where the config has no rules."""

    def __init__(self) -> None:
        self._rows: dict[Row, Counter[str]] = {}

    def add(self, alerts: Iterable[Alert]) -> None:
        """Take in publications."""
        for alert in alerts:
            notification = notification_of(alert)
            if notification is not None:
                reason = SENT if notification.held is None else notification.held.value
                self._count(notification.rules, notification.recipients, alert.severity, reason, 1)

    def add_waiting(self, waiting: Waiting, windows: int) -> None:
        """Take in windows with a finding that did not yet open an alert."""
        self._count(waiting.rules, waiting.recipients, waiting.severity, WINDOWS, windows)

    def _count(self, rules: tuple[str, ...], recipients: tuple[str, ...], severity: Severity, reason: str, count: int) -> None:
        for recipient in recipients or ("",):
            self._rows.setdefault(Row(rules, recipient, severity), Counter())[reason] += count

    def table(self) -> Table | None:
        """A row per rule (or rules that match together), recipient and severity; None where the config has no rules, or nothing fired."""
        if not self._rows:
            return None
        held = [reason for reason in (WINDOWS, *Held) if any(counts[reason] for counts in self._rows.values())]
        table = Table(title="What rules would have sent", title_justify="left")
        for name in ("rules", "to", "severity", SENT, *held):
            table.add_column(name, no_wrap=name != "rules", justify="right" if name in (SENT, *held) else "left")
        for row, counts in self._sorted():
            numbers = [f"{counts[reason]:,}" if counts[reason] else "" for reason in (SENT, *held)]
            table.add_row(escape(", ".join(row.rules)) or "(none)", escape(row.recipient) or "(anybody)", row.severity, *numbers)
        return table

    def tree(self) -> list[dict[str, Any]]:
        """The same for `--json`."""
        return [
            {
                "rules": list(row.rules),
                "recipient": row.recipient or None,
                "severity": row.severity.value,
                SENT: counts[SENT],
                "held": {reason: count for reason, count in sorted(counts.items()) if reason != SENT},
            }
            for row, counts in self._sorted()
        ]

    def _sorted(self) -> list[tuple[Row, Counter[str]]]:
        return sorted(self._rows.items(), key=lambda item: (item[0].rules, item[0].recipient, -rank(item[0].severity)))
