"""The demonstration's last word: what was found, how soon, and how good the model was."""

from rich.markup import escape
from rich.table import Table

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.alert.times import ms_of
from stream_monitor.cli.demo_acts import MINUTE_MS, Act
from stream_monitor.cli.demo_figures import ACCURACY, COVERAGE, ESTIMATED, IMPACT
from stream_monitor.cli.demo_loop import loop_steps
from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_told import COLOURS, after, hour, unnoticed
from stream_monitor.detect.finding import FindingKind, Severity
from stream_monitor.detect.outcomes.metrics import ANSWERED
from stream_monitor.detect.report import utc
from stream_monitor.runtime.topics import ACTIONS


def found_table(stage: Stage) -> Table:
    """Alerts that page, by the act in which they began and by what they are about, in that order."""
    table = _table("What the monitor found", "act", "about", "severity", "furthest", "after")
    last: Act | None = None
    for (act, about), alerts in sorted(_by_act(stage).items(), key=lambda item: item[0][0].starts_ms):
        worst = min((alert.severity for alert in alerts), key=list(COLOURS).index)
        delay = f"{after(stage.traffic, alerts[0])[1]:.0f} s"
        table.add_row("" if act is last else act.name, escape(about), f"[{COLOURS[worst]}]{worst}[/]", _furthest(alerts), delay)
        last = act
    missed = " and ".join(f"no {kind} alert after {act.name}" for act, kind in unnoticed(stage))
    told = f"{len(stage.windows):,} window scores. After: event time from the beginning of the act to the alert."
    table.caption = f"{told} Too few events: {missed}." if missed else told
    return table


def quality_table(stage: Stage) -> Table:
    """How good the model was in the first window of each act."""
    size_ms = stage.config.models["loan"].window.size
    table = _table("How good the model was", "act", "estimated", "accuracy", "labelled", "women accepted")
    for act in stage.traffic.acts:
        values = [stage.figures.of(name, utc(act.starts_ms + size_ms)) for name in (ESTIMATED, ACCURACY, COVERAGE, IMPACT)]
        estimated, accuracy, labelled, impact = ("" if value is None else f"{value:.0%}" for value in values)
        table.add_row(act.name, estimated, accuracy, labelled, impact and f"{impact} as often as men")
    table.caption = f"In the first {size_ms // MINUTE_MS} minutes of each act. Estimated: before any of their labels came."
    return table


def loop_table(stage: Stage) -> Table | None:
    """What followed from the alert, until it ended; None where nobody acted on it, or not to the end."""
    if stage.desk is None or (run := stage.desk.closed) is None:
        return None
    told = [alert for alert in stage.alerts if alert.alert_id == run.alert_id]
    began_ms = stage.traffic.act_at(ms_of(told[0].started_at)).starts_ms
    fell = told[0].annotations.summary.partition(" in the ")[0]
    events = [("the relation changes", began_ms, ""), ("alert", ms_of(told[0].detected_at), fell), *loop_steps(stage.desk)]
    if told[-1].status is AlertStatus.RESOLVED:
        events.append(("alert resolved", ms_of(told[-1].detected_at), f"{told[-1].reason}: version {told[-1].version} answers no more"))
    table = _table("What was done about it", "what", "at", "after", "about")
    for what, at_ms, about in events:
        table.add_row(what, hour(at_ms), f"{(at_ms - began_ms) / 1000:.0f} s", escape(about))
    table.caption = f"A workflow of the responder; every step is on record on {stage.config.topics.own(ACTIONS)}."
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for name in columns:
        table.add_column(name, no_wrap=name != "about")
    return table


def _by_act(stage: Stage) -> dict[tuple[Act, str], list[Alert]]:
    found: dict[tuple[Act, str], list[Alert]] = {}
    began: dict[str, Act] = {}
    for alert in stage.alerts:
        act = began.setdefault(alert.alert_id, after(stage.traffic, alert)[0])
        if alert.severity is not Severity.INFO:
            found.setdefault((act, _about(alert)), []).append(alert)
    return found


def _about(alert: Alert) -> str:
    if alert.kind is FindingKind.CONCEPT_DRIFT:
        return "answers to like inputs" if alert.detector in ANSWERED else "what inputs mean"
    return alert.feature or ", ".join([alert.detector.replace("_", " "), *alert.segment.values()])


def _furthest(alerts: list[Alert]) -> str:
    """The score that was furthest from its threshold, as long as the alert fired; of a feature, which detector's."""
    fired = [alert for alert in alerts if alert.status is not AlertStatus.RESOLVED]
    judged = [(alert.score, alert.threshold, alert) for alert in fired if alert.score is not None and alert.threshold is not None]
    if not judged:
        return ""
    is_over = judged[0][0] > judged[0][1]  # as it was when it began to fire: it fires on for some windows that are good again
    score, threshold, alert = max(judged, key=lambda each: each[0] - each[1] if is_over else each[1] - each[0])
    return f"{alert.detector + ' ' if alert.feature else ''}{score:.2f} {'over' if score > threshold else 'under'} {threshold:.2f}"
