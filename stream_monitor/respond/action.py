"""An action: a function about alerts, which alerts it takes, and how it is run."""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from stream_monitor.alert.alert import Alert, AlertStatus
from stream_monitor.alert.notification import is_over, recipients_of
from stream_monitor.config.actions import ActionOptions, AlertFilter
from stream_monitor.config.mistakes import Place, told
from stream_monitor.errors import ConfigError
from stream_monitor.respond.call import Call, Continue

Result = Mapping[str, Any] | None
Target = Callable[..., Result | Continue | Awaitable[Result | Continue]]
"""Takes an `Alert`, and where it wants to a `Call`; sync or async."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FILTER: Final = frozenset(AlertFilter.model_fields)


@dataclass(frozen=True, slots=True)
class Action:
    """What `on` makes; it can be called as the function itself."""

    name: str
    target: Target
    filter: AlertFilter
    options: ActionOptions

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"an action cannot be called {self.name!r}: write a name of letters, digits, _ . -, at most 64")

    def __call__(self, alert: Alert, call: Call | None = None) -> Result | Continue | Awaitable[Result | Continue]:
        """Call the function; without a call as a first attempt."""
        return self.target(alert, call or Call(self.key(alert))) if _takes_call(self.target) else self.target(alert)

    def takes(self, alert: Alert) -> bool:
        """Whether it is to be called about this publication of an alert (once for each key)."""
        wanted = self.filter
        return (
            alert.status in (self.statuses or (AlertStatus.FIRING, AlertStatus.UPDATED))
            and (wanted.kind is None or alert.kind in wanted.kind)
            and (wanted.severity is None or alert.severity in wanted.severity)
            and (wanted.model is None or alert.model in wanted.model)
            and (wanted.feature is None or alert.feature in wanted.feature)
            and (wanted.segment is None or _has(alert.segment, wanted.segment))
            and wanted.labels.items() <= alert.labels.items()
            and (wanted.recipient is None or not set(wanted.recipient).isdisjoint(recipients_of(alert)))
        )

    def key(self, alert: Alert) -> str:
        """The idempotency key: the alert's id; with its revision where statuses are named, since each such publication counts."""
        return alert.alert_id if self.statuses is None else f"{alert.alert_id}/{alert.revision}"

    @property
    def statuses(self) -> Sequence[str] | None:
        """Those that its filter names, else all where it opens something that must be closed; None: once per alert."""
        return self.filter.status or (tuple(AlertStatus) if self.has_end else None)

    @property
    def has_end(self) -> bool:
        """Whether it opens something outside that must be closed."""
        return bool(getattr(self.target, "has_end", False))

    def closes(self, alert: Alert) -> bool:
        """Whether it must be told of this publication if it opened something for its thread, whatever the filter says of the alert."""
        return self.has_end and is_over(alert) and alert.status in (self.statuses or ())


def _has(segment: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= segment.items() if wanted else not segment


def on(bare: object = None, /, *, name: str | None = None, **settings: Any) -> Callable[[Target], Action]:
    """A decorator that makes a function an action: `@on(severity="critical", rate="1/6h")`.

    settings: the fields of `AlertFilter` (kind, severity, model, feature, segment, labels, status) and of `ActionOptions` (timeout,
    retries, backoff, …). name: default that of the function, or of the class in lower case. Without a field of the filter every alert
    is taken. bare: what `@on` without parentheses is given. Errors: ConfigError that names the setting.
    """
    if bare is not None:
        raise ConfigError('@on needs its parentheses: @on() takes every alert, @on(severity="critical") some')
    try:
        wanted = AlertFilter.model_validate({key: value for key, value in settings.items() if key in _FILTER})
        options = ActionOptions.model_validate({key: value for key, value in settings.items() if key not in _FILTER})
    except ValidationError as error:
        raise ConfigError(f"on(…): {told(error.errors(), _settings_at)}") from None

    def register(target: Target) -> Action:
        _require_callable(target)
        action = Action(name or str(getattr(target, "__name__", type(target).__name__.lower())), target, wanted, options)
        found = _found.get()
        if found is not None:
            found.append(action)
        return action

    return register


@contextmanager
def collecting() -> Iterator[list[Action]]:
    """The actions that `on` makes meanwhile, in order."""
    found: list[Action] = []
    token = _found.set(found)
    try:
        yield found
    finally:
        _found.reset(token)


_found: ContextVar[list[Action] | None] = ContextVar("found", default=None)


def _takes_call(target: Target) -> bool:
    return _fits(target, 2)


def _require_callable(target: Target) -> None:
    if not callable(target) or not (_fits(target, 1) or _fits(target, 2)):
        name = getattr(target, "__name__", repr(target))
        raise ConfigError(f"on(…): {name} must be a function of an alert: def act(alert: Alert), or (alert: Alert, call: Call)")


def _fits(target: Target, arguments: int) -> bool:
    try:
        inspect.signature(target).bind(*range(arguments))
    except TypeError:
        return False
    return True


def _settings_at(place: Place) -> list[str]:
    return [] if place else sorted([*_FILTER, *ActionOptions.model_fields, "name"])
