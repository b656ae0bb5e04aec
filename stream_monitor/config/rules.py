"""`rules:`, how alerts are told: a list, each with what it matches and what holds for it."""

from datetime import datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, PlainSerializer, model_validator

from stream_monitor.config.section import Duration, Section

RULES_MAX: Final = 100
"""Rules in one list: each is held against every alert."""
WINDOWS_MAX: Final = 100
"""Windows that may be looked back on; what each said of a feature is kept so long."""
_WEEK: Final = timedelta(days=7)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Level = Literal["info", "warning", "critical"]
LEVELS: Final[tuple[Level, ...]] = ("info", "warning", "critical")


def _listed(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else (value,)


def _ranged(value: object) -> object:
    return {"at_least": value, "at_most": value} if isinstance(value, str) else value


def _clock(value: object) -> object:
    """YAML reads an unquoted 10:30 as 630, in sixties."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
        return f"{value // 60:02}:{value % 60:02}"
    if not isinstance(value, (str, time)):
        raise ValueError('write a time of day, such as "02:00"')
    return value


def _local(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError('write the time of day alone, such as "02:00"; its zone goes to `timezone`')
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown, or no name of a zone at all
        raise ValueError(f"{value!r} is no time zone; write for example UTC or Europe/Berlin") from None
    return value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
"""Any of these; `*`, `?` and `[…]` stand for what they do in names of files."""
ClockTime = Annotated[time, BeforeValidator(_clock), AfterValidator(_local), PlainSerializer(lambda value: value.isoformat("minutes"))]


class Match(Section):
    """Which alerts a rule is for: those for which all that is given holds; nothing given: all."""

    model: Patterns | None = None
    """Names or patterns of models; for the rules of all models."""
    version: Patterns | None = None
    """Versions with a baseline of their own."""
    segment: dict[str, str] | None = None
    """Segment's, facet's or class's name -> value or pattern; `{}`: the whole only."""
    kind: Patterns | None = None
    """Kinds, such as `data_drift`."""
    feature: Patterns | None = None
    """Features, `prediction` or `prediction.score`; an alert on the traffic as a whole has none."""
    detector: Patterns | None = None
    """The detector that leads the alert."""
    severity: Annotated[tuple[Level, ...], BeforeValidator(_listed), Field(min_length=1)] | None = None
    """The worst that was found in its life, before the rule changes it."""


class Range(Section):
    """Limits of a severity."""

    at_least: Level = "info"
    """Lower ones are raised to it."""
    at_most: Level = "critical"
    """Higher ones are lowered to it."""

    @model_validator(mode="after")
    def _fits(self) -> "Range":
        if LEVELS.index(self.at_least) > LEVELS.index(self.at_most):
            raise ValueError(f"at_least ({self.at_least}) is above at_most ({self.at_most}); swap them")
        return self


class Count(Section):
    """M of N windows."""

    firing: int = Field(ge=1, le=WINDOWS_MAX)
    """So many windows must have the finding before the alert opens …"""
    of: int = Field(ge=1, le=WINDOWS_MAX)
    """… of the last so many judged ones."""

    @model_validator(mode="after")
    def _fits(self) -> "Count":
        if self.firing > self.of:
            raise ValueError(
                f"firing ({self.firing}) is more than of ({self.of}): it would never fire; write firing: {self.of}, or a larger of"
            )
        return self


class Hysteresis(Section):
    """When an alert is over."""

    windows: int | None = Field(default=None, ge=1, le=WINDOWS_MAX)
    """Judged windows in a row that must be quiet; default: 2, of an alert on a change 3."""
    under: float | None = Field(default=None, gt=0, le=1)
    """A score is quiet at this part of its threshold (both counted from the baseline's score); default: 0.8."""


class Silence(Section):
    """A time in which nobody is told. A window belongs to it if its last moment does."""

    start: AwareDatetime
    """RFC 3339, event time."""
    end: AwareDatetime
    """What still fires then is told."""
    reason: str = Field(default="", max_length=500)
    """Why; stands on the alert."""

    @model_validator(mode="after")
    def _fits(self) -> "Silence":
        if self.start >= self.end:
            raise ValueError(f"end ({self.end.isoformat()}) is not after start ({self.start.isoformat()})")
        return self

    def end_at(self, moment: datetime) -> datetime | None:
        """When it ends, for an aware time that is in it."""
        return self.end if self.start <= moment < self.end else None


class Maintenance(Section):
    """A silence that comes back every week."""

    days: tuple[Day, ...] = Field(default=_DAYS, min_length=1)
    """On which it begins."""
    start: ClockTime
    """Time of day, `"02:00"`."""
    length: Duration
    """How long; at most 7d."""
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Where that is the time of day, such as Europe/Berlin."""
    reason: str = Field(default="", max_length=500)
    """Why; stands on the alert."""

    @model_validator(mode="after")
    def _fits(self) -> "Maintenance":
        if not timedelta() < timedelta(milliseconds=self.length) <= _WEEK:
            raise ValueError("length must be more than 0s and at most 7d")
        return self

    def end_at(self, moment: datetime) -> datetime | None:
        """When its turn ends, for an aware time that is in one. A length is real time: it does not stretch when clocks change."""
        zone, length = ZoneInfo(self.timezone), timedelta(milliseconds=self.length)
        today = moment.astimezone(zone).date()
        for day in (today - timedelta(days=back) for back in range(length.days + 2)):
            start = _real(datetime.combine(day, self.start, zone))
            if _DAYS[day.weekday()] in self.days and start <= moment < start + length:
                return start + length
        return None


def _real(moment: datetime) -> datetime:
    """In UTC, for within one zone Python counts in wall-clock time."""
    return moment.astimezone(ZoneInfo("UTC"))


class Templates(Section):
    """Text for people. `{model}`, `{feature}`, `{score}` and others are replaced; `{summary}` is the sentence without a rule."""

    summary: str | None = Field(default=None, min_length=1, max_length=1_000)
    """The sentence of the alert."""
    runbook: str | None = Field(default=None, min_length=1, max_length=1_000)
    """Where to read on."""


Shared = Literal["model", "version", "segment", "kind", "feature", "detector", "severity"]


class Rule(Section):
    """What holds for the alerts that it matches; what it leaves out, it leaves to the rules after it, and at last to the default."""

    name: str | None = Field(default=None, min_length=1, max_length=100)
    """What replay and alerts call it; default: its place, such as `models.loan.rules.0`."""
    match: Match = Match()
    severity: Annotated[Range, BeforeValidator(_ranged)] | None = None
    """One severity for all, or `{at_least, at_most}`."""
    windows: Count | None = None
    """`{firing: 3, of: 5}`: an alert opens when 3 of the last 5 judged windows had the finding. A change, found once, is told at once."""
    hysteresis: Hysteresis | None = None
    cool_down: Duration | None = None
    """After an alert has recovered, one on the same that is no worse is not told for so long; if it still fires then, it is."""
    repeat_every: Duration | None = None
    """While an alert fires it is told again so often; in between only if it gets worse. Default: told at every publication, never again."""
    group_by: Annotated[tuple[Shared, ...], BeforeValidator(_listed)] | None = None
    """Alerts of one window that are alike in these are told as one, which lists them; the model always counts. `[]`: all of the model."""
    silences: tuple[Silence, ...] = Field(default=(), max_length=RULES_MAX)
    """Those of all rules that match count."""
    maintenance: tuple[Maintenance, ...] = Field(default=(), max_length=RULES_MAX)
    """Those of all rules that match count."""
    recipients: Annotated[tuple[str, ...], BeforeValidator(_listed)] | None = None
    """Names that responders know; `[]`: nobody in particular."""
    labels: dict[Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")], Annotated[str, Field(max_length=200)]] = Field(
        default={}, max_length=20
    )
    """Attached to the alert; of all rules that match, the first one's value for each name."""
    annotations: Templates = Templates()

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of what it sets."""
        fields = type(self).model_fields.items()
        return tuple(name for name, info in fields if name not in ("name", "match") and getattr(self, name) != info.default)

    @model_validator(mode="after")
    def _says_something(self) -> "Rule":
        if not self.settings:
            raise ValueError("sets nothing; give it at least one of severity, windows, silences, recipients, …")
        if self.repeat_every == 0:
            raise ValueError("repeat_every: must be longer than 0s; leave it out, and every publication is told")
        return self
