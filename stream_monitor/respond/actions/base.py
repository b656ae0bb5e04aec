"""What all ready actions share: settings that can be called, with secrets that are read where they are used and never told."""

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import recipients_of
from stream_monitor.respond.call import Refused
from stream_monitor.respond.ready import ReadyAction

SAID_MAX: Final = 500
"""Characters of a counterpart's answer that are told."""
DRY_MAX: Final = 4_000
"""Characters of what a dry run would send that are told."""
WAIT_MAX_S: Final = 3600.0
"""Longest wait for an answer, where a call has no deadline."""
_Place = TypeVar("_Place")
_PARTS: Final = re.compile(r"[\s/?&=:@]+")
"""Where a secret falls into parts: a URL, or `Bearer` and a token."""
_PART_MIN: Final = 6
"""Characters of a part that is worth hiding."""
_PLACE: Final = re.compile(r"\{(alert_id|fingerprint|model|feature|version)\}")


class Secret(BaseModel):
    """A text, in the config `${ENV_VAR}`; or `{file: PATH}`, read at each use, so that it may change while we run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: SecretStr | None = None
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _text(cls, given: Any) -> Any:
        return {"value": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one(self) -> "Secret":
        if bool(self.value) == bool(self.file):
            raise ValueError("write a text that is not empty, ${ENV_VAR}, or {file: PATH}")
        return self

    def read(self) -> str:
        """The secret. Errors: Refused, where there is none."""
        if self.file is None:
            return self.value.get_secret_value() if self.value else ""
        try:
            text = self.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"the secret in {self.file} cannot be read: {getattr(error, 'strerror', 'it is not text')}") from None
        if not text:
            raise Refused(f"the secret in {self.file} is empty")
        return text


class Ready(ReadyAction):
    """A ready action of this house: it may be repeated with the same key, answers a dry run, and tells no secret."""

    takes_dry_run: ClassVar[bool] = True

    link: str | None = None
    """Where people read on; `{alert_id}`, `{fingerprint}`, `{model}`, `{feature}` and `{version}` are filled in."""

    @model_validator(mode="after")
    def _link_can_be_filled(self) -> "Ready":
        if set("{}") & set(_PLACE.sub("", self.link or "")):
            raise ValueError("link may hold {alert_id}, {fingerprint}, {model}, {feature} and {version}, and no other braces")
        return self

    def linked(self, alert: Alert) -> str | None:
        """The link of this alert."""
        return None if self.link is None else _PLACE.sub(lambda match: quote(str(getattr(alert, match[1]) or ""), safe=""), self.link)

    def secrets(self) -> Iterator[Secret]:
        """All that the settings hold."""
        for name in type(self).model_fields:
            yield from _secrets(getattr(self, name))

    def hidden(self, text: str, length_max: int = SAID_MAX) -> str:
        """The beginning of a text that others wrote, without our secrets: a server may answer with the path, or the token, that it got."""
        parts = {part for secret in self.secrets() for part in _PARTS.split(secret.read()) if len(part) >= _PART_MIN}
        for part in sorted(parts, key=len, reverse=True):
            text = text.replace(part, "***")
        return text[:length_max]


def addressed(alert: Alert, known: Mapping[str, _Place], default: _Place) -> Sequence[_Place]:
    """Where to tell it: to those of the alert's recipients that are known here, else to the default."""
    return [known[name] for name in recipients_of(alert) if name in known] or [default]


def seconds(text: str | None) -> float:
    """`Retry-After` in seconds; 0 without one, and for its other form, a date: the responder then waits as it is told to."""
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else 0.0


def trusted(ca: Path | None) -> ssl.SSLContext:
    """TLS that trusts these certificates, or the system's. Errors: Refused."""
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError):
        raise Refused(f"ca: {ca} cannot be read as certificates") from None


def _secrets(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping | tuple):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _secrets(each)
