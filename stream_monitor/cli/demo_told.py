"""What the demonstration says in plain lines: what happens, as it happens, and the closing table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.cli.demo_acts import Act
from stream_monitor.cli.demo_stage import Stage, Turn
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.detect.report import utc

COLOURS: Final = {"critical": "red", "warning": "yellow", "info": "blue"}


def lines(turn: Turn) -> Iterator[str]:
    """One turn, in rich's markup."""
    if turn.begins:
        yield f"{hour(turn.act.starts_ms)}  [bold]{turn.act.says}[/bold]"
    for alert in turn.alerts:
        colour = "green" if alert.status is AlertStatus.RESOLVED else COLOURS[alert.severity]
        yield f"{alert.detected_at[11:19]}  [{colour}]{alert.status:8} {alert.severity:8}[/{colour}] {escape(alert.annotations.summary)}"


def hour(time_ms: int) -> str:
    """Event time, as HH:MM:SS."""
    return utc(time_ms)[11:19]


def noticed(stage: Stage) -> dict[Act, float]:
    """Acts that must alert, and in which an alert fired: seconds of event time until the first did."""
    found: dict[Act, float] = {}
    for alert in stage.alerts:
        act, delay_s = _after(stage.traffic, alert)
        if act.must_alert and alert.status is AlertStatus.FIRING:
            found.setdefault(act, delay_s)
    return found


def closing_table(stage: Stage) -> Table:
    """What was found, by feature, in the order in which it was."""
    table = Table(title="What the monitor found", title_justify="left")
    for name in ("feature", "severity", "highest scores", "first alert"):
        table.add_column(name, no_wrap=True)
    fired: dict[str, list[Alert]] = {}
    for alert in stage.alerts:
        fired.setdefault(alert.feature or "(all)", []).append(alert)
    for feature, alerts in fired.items():
        highest = {alert.detector: max(other.score or 0 for other in alerts if other.detector == alert.detector) for alert in alerts}
        worst = "critical" if any(alert.severity == "critical" for alert in alerts) else alerts[0].severity
        scores = ", ".join(f"{detector} {score:.2f}" for detector, score in highest.items())
        act, delay_s = _after(stage.traffic, alerts[0])
        table.add_row(escape(feature), worst, scores, f"{delay_s:.0f} s after {act.name}")
    firsts = [f"first alert {delay_s:.0f} s of event time after {act.name}" for act, delay_s in noticed(stage).items()]
    table.caption = "; ".join([f"{len(stage.windows):,} window scores", *(firsts or ["nothing was noticed: too few events"])])
    return table


def _after(traffic: Traffic, alert: Alert) -> tuple[Act, float]:
    """The act in which an alert was published, and how many seconds after its beginning."""
    detected_ms = round(datetime.fromisoformat(alert.detected_at).timestamp() * 1000)
    act = traffic.act_at(detected_ms)
    return act, (detected_ms - act.starts_ms) / 1000
