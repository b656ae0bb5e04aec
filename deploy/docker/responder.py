"""What the composed responder does about alerts: it logs them. Put your functions here."""

from stream_monitor.respond import Alert, Call, on


@on(severity="critical")
def log(alert: Alert, call: Call) -> None:
    """One line per critical alert."""
    call.logger.warning("critical", summary=alert.annotations.summary)
