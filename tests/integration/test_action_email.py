"""The ready action `email` on a real SMTP server, which takes, refuses, stalls and talks nonsense."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from pydantic import ValidationError

from stream_monitor.respond import ReadyAction, Refused, Retriable
from stream_monitor.respond.actions import READY
from tests.kafka.server import free_ports
from tests.respond.alerts import ALERT, ESSENTIAL, LINK, LINKED, RESOLVED, UPDATED, act, at, call, to, told_of_a_group
from tests.respond.certificate import certificate

PASSWORD = "hush-hush"


@dataclass
class Mailboxes:
    """What the server took, and how it answers."""

    recipients: dict[str, str] = field(default_factory=dict)
    data: str = "250 taken"
    taken: list[Envelope] = field(default_factory=list)

    async def handle_RCPT(self, server: object, session: object, envelope: Envelope, address: str, options: object) -> str:  # noqa: N802
        answer = self.recipients.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802
        if self.data.startswith("250"):
            self.taken.append(envelope)
        return self.data

    def mails(self) -> list[EmailMessage]:
        contents = [each.content for each in self.taken]
        return [message_from_bytes(content, policy=policy.default) for content in contents if isinstance(content, bytes)]


@contextmanager
def server(mailboxes: Mailboxes, **options: Any) -> Iterator[int]:
    """Its port."""
    (port,) = free_ports(1)
    controller = Controller(mailboxes, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def email(port: int, **settings: object) -> ReadyAction:
    own = {
        "host": "127.0.0.1",
        "port": port,
        "sender": "Monitor <monitor@ml.example>",
        "to": ["on@call.example"],
        "tls": "none",
        "link": LINK,
    }
    return READY["email"].model_validate(own | settings)


def test_a_mail_tells_the_facts_and_later_ones_answer_it() -> None:
    mailboxes = Mailboxes()
    with server(mailboxes) as port:
        results = [act(email(port), alert) for alert in (ALERT, UPDATED, RESOLVED)]
    first, _, last = mailboxes.mails()
    assert first["Subject"] == "[CRITICAL] loan (region = north): income, data drift"
    assert last["Subject"].startswith("[RESOLVED]")
    text = first.get_content()
    assert not [fact for fact in (*ESSENTIAL, LINKED, ALERT.alert_id) if fact not in text]
    assert first["Message-ID"] == f"<{ALERT.alert_id}.1@ml.example>" == last["In-Reply-To"] == last["References"]
    assert first["In-Reply-To"] is None
    assert results[0] == {"message_id": first["Message-ID"], "refused": []}


def test_a_group_is_one_thread_and_goes_to_whom_rules_name() -> None:
    told = told_of_a_group(ALERT, at(UPDATED, alert_id="b"))
    named = [to(each, "geo") for each in told]
    mailboxes = Mailboxes()
    with server(mailboxes) as port:
        for alert in (*told[:1], *named):
            act(email(port, recipients={"geo": ["geo@ml.example"]}), alert)
    mails = mailboxes.mails()
    assert {mail["References"] for mail in mails} == {"<g@ml.example>"}
    assert [mail["To"] for mail in mails] == ["on@call.example", *["geo@ml.example"] * 3]


def test_a_repetition_has_the_same_id() -> None:
    mailboxes = Mailboxes()
    with server(mailboxes) as port:
        act(email(port))
        act(email(port))
    one, other = mailboxes.mails()
    assert one["Message-ID"] == other["Message-ID"]


def test_no_alert_adds_a_header_or_a_recipient() -> None:
    mailboxes = Mailboxes()
    with server(mailboxes) as port:
        act(email(port), at(ALERT, model="loan\r\nBcc: all@call.example\r\n\r\nhello", segment={"a\n": "\r\n.\r\n"}))
    (mail,) = mailboxes.mails()
    assert mail["Bcc"] is None
    assert mailboxes.taken[0].rcpt_tos == ["on@call.example"]


@pytest.mark.parametrize(("answer", "error"), [("451 busy", Retriable), ("421 closing", Retriable), ("550 nobody", Refused)])
def test_what_is_refused_for_now_is_tried_again(answer: str, error: type[Exception]) -> None:
    for mailboxes in (Mailboxes(recipients={"on@call.example": answer}), Mailboxes(data=answer)):
        with server(mailboxes) as port, pytest.raises(error, match=answer.replace(" ", ": ")):
            act(email(port))
        assert not mailboxes.taken


def test_who_is_refused_among_others_is_named() -> None:
    mailboxes = Mailboxes(recipients={"gone@call.example": "550 nobody"})
    with server(mailboxes) as port:
        told = act(email(port, to=["on@call.example", "gone@call.example"]))
    assert told is not None
    assert told["refused"] == ["gone@call.example"]
    assert len(mailboxes.taken) == 1


@pytest.mark.parametrize("given", [PASSWORD, "wrong"])
def test_who_we_are_is_shown_under_tls_alone(given: str, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    def authenticator(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    mailboxes = Mailboxes()
    login = {"username": "monitor", "password": given}
    with server(mailboxes, tls_context=context, require_starttls=True, authenticator=authenticator, auth_required=True) as port:
        with pytest.raises(Refused, match="not sent without encryption"):
            act(email(port, **login))
        with pytest.raises(Retriable, match="SSLCertVerificationError"):
            act(email(port, tls="starttls", **login))
        action = email(port, tls="starttls", ca=chain, **login)
        if given == PASSWORD:
            assert PASSWORD not in json.dumps(act(action))
        else:
            with pytest.raises(Refused, match="535"):
                act(action)
    assert len(mailboxes.taken) == (given == PASSWORD)


def test_a_server_without_tls_is_no_server_for_secrets() -> None:
    with server(Mailboxes()) as port, pytest.raises(Refused, match="STARTTLS"):
        act(email(port, tls="starttls"))


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 200 OK\r\n\r\n", b"\xff\xfe\r\n", b"554 go away\r\n", b""])
def test_who_is_no_mail_server(greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        action = email(there.getsockname()[1])
        client: list[Exception] = []

        def run() -> None:
            try:
                act(action, told=call(within_s=0.5))
            except (Refused, Retriable) as error:
                client.append(error)

        thread = Thread(target=run)
        thread.start()
        connection, _ = there.accept()
        with connection:
            connection.sendall(greeting)
            thread.join()
    assert type(client[0]) is (Refused if greeting.startswith(b"554") else Retriable)


def test_nobody_there_is_tried_again() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Retriable, match="ConnectionRefusedError"):
        act(email(port))


def test_a_dry_run_sends_nothing() -> None:
    mailboxes = Mailboxes()
    with server(mailboxes) as port:
        told = act(email(port), told=call(dry_run=True))
    assert told is not None
    assert "income" in told["would_send"]
    assert not mailboxes.taken


@pytest.mark.parametrize("address", ["", "nobody", "a@b, c@d", "a@b\r\nBcc: c@d", "<a@b", "a b@c"])
def test_an_address_is_one_address(address: str) -> None:
    with pytest.raises(ValidationError):
        email(25, to=[address])
