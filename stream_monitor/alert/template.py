"""Sentences and links that the config gives: text in which `{model}` and a few other words are replaced."""

from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import Final
from urllib.parse import quote

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.wording import split

_FILLED_MAX: Final = 4_000
"""Characters of a filled template: ten of the longest names of features."""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


PLACEHOLDERS: Final[Mapping[str, Callable[[Alert], str]]] = {
    "model": lambda alert: alert.model,
    "version": lambda alert: alert.version or "",
    "segment": lambda alert: split(alert.segment),
    "kind": lambda alert: alert.kind.value,
    "feature": lambda alert: alert.feature or "",
    "detector": lambda alert: alert.detector,
    "severity": lambda alert: alert.severity.value,
    "status": lambda alert: alert.status.value,
    "score": lambda alert: _number(alert.score),
    "threshold": lambda alert: _number(alert.threshold),
    "p_value": lambda alert: _number(alert.p_value),
    "events": lambda alert: str(alert.window.events),
    "window_start": lambda alert: alert.window.start,
    "window_end": lambda alert: alert.window.end,
    "started_at": lambda alert: alert.started_at,
    "reason": lambda alert: alert.reason or "",
    "summary": lambda alert: alert.annotations.summary,
}
"""What may stand in braces; what an alert has not is empty, a number that it has not is `-`. `{{` is a brace."""


def check_template(template: str) -> None:
    """Errors: ValueError that says what may be written."""
    for _ in _pieces(template):
        pass


def fill(template: str, alert: Alert) -> str:
    """The text for an alert."""
    return "".join(text + (PLACEHOLDERS[name](alert) if name else "") for text, name in _pieces(template))[:_FILLED_MAX]


def fill_link(template: str, alert: Alert) -> str:
    """The link for an alert: what is filled in is quoted."""
    return "".join(text + (quote(PLACEHOLDERS[name](alert), safe="") if name else "") for text, name in _pieces(template))[:_FILLED_MAX]


def _pieces(template: str) -> Iterator[tuple[str, str | None]]:
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r}: {error}; known: {known}, and {{{{ for a brace") from None
    for text, name, form, conversion in pieces:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            written = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise ValueError(f"there is no placeholder {{{written}}}; known: {known}")
        yield text, name
