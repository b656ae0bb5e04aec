"""What the demonstration says in plain lines, as it happens."""

from collections.abc import Iterator
from typing import Final

from rich.markup import escape

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.cli.demo_acts import Act
from stream_monitor.cli.demo_stage import Stage, Turn
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.detect.finding import FindingKind
from stream_monitor.detect.report import ms_of, utc

COLOURS: Final = {"critical": "red", "warning": "yellow", "info": "blue"}


def lines(turn: Turn) -> Iterator[str]:
    """One turn, in rich's markup."""
    if turn.begins:
        yield f"{hour(turn.act.starts_ms)}  [bold]{turn.act.says}[/bold]"
    for alert in turn.alerts:
        colour = "green" if alert.status is AlertStatus.RESOLVED else COLOURS[alert.severity]
        yield f"{alert.detected_at[11:19]}  [{colour}]{alert.status:8} {alert.severity:8}[/{colour}] {escape(alert.annotations.summary)}"
    for sentence in turn.done:
        yield f"{hour(turn.now_ms)}  [cyan]{'mend':17}[/cyan] {escape(sentence)}"


def hour(time_ms: int) -> str:
    """Event time, as HH:MM:SS."""
    return utc(time_ms)[11:19]


def after(traffic: Traffic, alert: Alert) -> tuple[Act, float]:
    """The act in which an alert was published, and how many seconds after its beginning."""
    detected_ms = ms_of(alert.detected_at)
    act = traffic.act_at(detected_ms - 1)
    return act, (detected_ms - act.starts_ms) / 1000


def is_open(stage: Stage) -> bool:
    """Whether somebody acts on alerts, and none of them was followed to its end: a better model, and the alert resolved."""
    run = None if stage.desk is None else stage.desk.closed
    ended = {alert.alert_id for alert in stage.alerts if alert.status is AlertStatus.RESOLVED}
    return stage.desk is not None and (run is None or run.alert_id not in ended)


def unnoticed(stage: Stage) -> list[tuple[Act, FindingKind]]:
    """What must alert in an act and did not."""
    began = {(after(stage.traffic, alert)[0], alert.kind) for alert in stage.alerts if alert.status is AlertStatus.FIRING}
    return [(act, kind) for act in stage.traffic.acts for kind in act.must_alert if (act, kind) not in began]
