"""The ready action `email`: a mail by SMTP; what is said of one alert is one thread."""

import smtplib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import is_grouped, thread_of
from stream_monitor.respond.actions.base import DRY_MAX, WAIT_MAX_S, Ready, Secret, addressed, trusted
from stream_monitor.respond.actions.text import letter, title
from stream_monitor.respond.call import Call, Refused, Retriable

_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}


_ADDRESS: Final = r"[^@\s<>,]+@[^@\s<>,]+"
Mailbox = Annotated[str, Field(pattern=rf"^({_ADDRESS}|[^<>,\r\n]*<{_ADDRESS}>)$")]
"""`name@example.org`, or `Name <name@example.org>`."""


class Email(Ready):
    """The `Message-ID` follows from alert and revision, so that most mail programs show a repetition once; what is said later of an alert
    answers the first mail; what is said of a group stands together.
    """

    host: str
    """The mail server."""
    sender: Mailbox
    """Who it is from."""
    to: tuple[Mailbox, ...] = Field(min_length=1)
    """Who gets it."""
    recipients: Mapping[str, tuple[Mailbox, ...]] = Field(default={})
    """Recipient that rules name -> who gets it instead; alerts that name none of them go to `to`."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """`none` only where the way to the server is trusted; then without a password."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Default: 587 for `starttls`, 465 for `tls`, 25 for `none`."""
    username: str | None = None
    """Who we are to the server; null: we do not say."""
    password: Secret | None = None
    """Shows that we are."""
    ca: Path | None = None
    """Certificates (PEM) that are trusted instead of the system's."""

    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """Send. The result names the recipients that the server refused, where it took others. Errors: Refused, Retriable."""
        to = dict.fromkeys(box for boxes in addressed(alert, self.recipients, self.to) for box in boxes)
        mail = message(alert, self.linked(alert), self.sender, tuple(to))
        if call.dry_run:
            return {"would_send": self.hidden(mail.as_string(), DRY_MAX)}
        with self._mended(), self._server(call) as server:
            refused = server.send_message(mail)
        return {"message_id": mail["Message-ID"], "refused": sorted(refused)}

    @contextmanager
    def _server(self, call: Call) -> Iterator[smtplib.SMTP]:
        """Connected and logged in; each of its answers may take what was left of the call's time."""
        where, wait_s = (self.host, self.port or _PORTS[self.tls]), min(call.remaining_s(), WAIT_MAX_S)
        context = trusted(self.ca)
        direct = self.tls == "tls"
        with smtplib.SMTP_SSL(*where, timeout=wait_s, context=context) if direct else smtplib.SMTP(*where, timeout=wait_s) as server:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.username is not None and self.password is not None:
                if self.tls == "none":
                    raise Refused("a password is not sent without encryption: set tls to starttls or tls")
                server.login(self.username, self.password.read())
            yield server

    @contextmanager
    def _mended(self) -> Iterator[None]:
        """What SMTP says, as whether another attempt may mend it: 4yz is for now, 5yz for good (RFC 5321, sec. 4.2.1)."""
        try:
            yield
        except smtplib.SMTPRecipientsRefused as error:
            said = [(code, text) for code, text in error.recipients.values()]
            raise self._failed(min(code for code, _ in said), said[0][1]) from None
        except smtplib.SMTPResponseException as error:
            raise self._failed(error.smtp_code, error.smtp_error) from None
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(f"{self.host} cannot what is needed: {error}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise Retriable(f"{self.host} cannot be reached: {type(error).__name__}") from None

    def _failed(self, code: int, text: bytes | str) -> Exception:
        said = self.hidden(text.decode(errors="replace") if isinstance(text, bytes) else text)
        sentence = f"{self.host} answered {code}: {said}"
        return Refused(sentence) if code >= 500 else Retriable(sentence)


def message(alert: Alert, link: str | None, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """The title as the subject, the facts as the text."""
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = title(alert), sender, ", ".join(to)
    mail["Message-ID"] = _id(f"{alert.alert_id}.{alert.revision}", sender)
    if is_grouped(alert) or alert.revision > 1:
        mail["In-Reply-To"] = mail["References"] = _id(thread_of(alert) if is_grouped(alert) else f"{alert.alert_id}.1", sender)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is announced to it
    mail.set_content(letter(alert, link))
    return mail


def _id(name: str, sender: str) -> str:
    return f"<{name}@{sender.rpartition('@')[2].rstrip('>')}>"
