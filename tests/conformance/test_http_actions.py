"""One suite for all ready actions that speak HTTP, against a server on loopback that answers well, badly, late and not at all."""

import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from pydantic import ValidationError

from stream_monitor.respond import Refused, Retriable
from tests.kafka.server import free_ports
from tests.respond.alerts import ALERT, ESSENTIAL, KEY, LINKED, RESOLVED, act, call
from tests.respond.certificate import certificate
from tests.respond.counterpart import Asked, Reply, counterpart
from tests.respond.http_actions import EVERY, HTTP, SECRET, Case

of_http = pytest.mark.parametrize("case", HTTP.values(), ids=HTTP)
of_every = pytest.mark.parametrize("case", EVERY.values(), ids=EVERY)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """For AWS: from the environment, as its actions have them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def echo(case: Case, status: int, **headers: str) -> Callable[[Asked], Reply]:
    """A server that repeats all it was told, as some do in their errors."""

    def answer(asked: Asked) -> Reply:
        said = f"{asked.path} {dict(asked.headers)} {asked.body.decode()}"
        told = said if case.refusal is None else case.refusal.format(said=escape(said) if "<" in case.refusal else json.dumps(said))
        return Reply(status, told.encode(), headers)

    return answer


@of_http
def test_success_tells_what_a_person_asks_for_and_the_key(case: Case) -> None:
    with counterpart(case.success) as there:
        told = act(case.make(there.url))
    assert told is not None
    assert told["status"] == case.success.status
    assert SECRET not in json.dumps(told)
    (asked,) = there.asked
    assert asked.headers["idempotency-key"] == KEY
    assert not [fact for fact in (*ESSENTIAL, ALERT.alert_id) if fact not in asked.body.decode()]
    if b'"link"' in asked.body or b"generatorURL" in asked.body:
        assert LINKED in asked.body.decode()


@of_http
def test_a_repetition_says_the_same(case: Case) -> None:
    with counterpart(case.success) as there:
        action = case.make(there.url)
        act(action)
        act(action)
    first, second = there.asked
    assert (first.path, first.body, first.headers["idempotency-key"]) == (second.path, second.body, second.headers["idempotency-key"])


@of_http
def test_the_end_of_an_alert_is_told(case: Case) -> None:
    with counterpart(case.success) as there:
        act(case.make(there.url), RESOLVED, call(f"{ALERT.alert_id}/3"))
    assert len(there.asked) == 1


@of_every
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_is_refused_is_not_tried_again(case: Case, status: int) -> None:
    with counterpart(echo(case, status)) as there, pytest.raises(Refused, match=str(status)) as error:
        act(case.make(there.url))
    assert SECRET not in str(error.value)
    assert len(str(error.value)) < 600


@of_every
def test_a_redirect_is_not_followed(case: Case) -> None:
    with (
        counterpart(case.success) as other,
        counterpart(echo(case, 307, Location=f"{other.url}/elsewhere")) as there,
        pytest.raises(Refused, match="redirect"),
    ):
        act(case.make(there.url))
    assert not other.asked


@of_every
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_fails_for_now_is_tried_again(case: Case, status: int) -> None:
    with counterpart(echo(case, status, **{"Retry-After": "7"})) as there, pytest.raises(Retriable, match=str(status)) as error:
        act(case.make(there.url))
    assert error.value.after_s == 7
    assert SECRET not in str(error.value)


@of_every
@pytest.mark.parametrize("wait", ["", "soon", "-3", "Fri, 27 Nov 2026 07:28:00 GMT", "99999999999999999999", "²"])
def test_a_wait_that_is_no_number_is_left_to_the_runner(case: Case, wait: str) -> None:
    with counterpart(Reply(503, headers={"Retry-After": wait.encode().decode("latin-1")})) as there, pytest.raises(Retriable) as error:
        act(case.make(there.url))
    assert error.value.after_s == 0


@of_every
def test_a_server_that_does_not_answer_is_tried_again(case: Case) -> None:
    with counterpart(Reply(0)) as there, pytest.raises(Retriable, match="did not answer"):
        act(case.make(there.url), told=call(within_s=0.3))


@of_every
def test_a_server_that_is_not_there_is_tried_again(case: Case) -> None:
    (port,) = free_ports(1)
    with pytest.raises(Retriable, match="cannot be reached") as error:
        act(case.make(f"http://127.0.0.1:{port}"))
    assert SECRET not in str(error.value)


@of_every
def test_an_answer_of_somebody_else_is_no_success(case: Case) -> None:
    if case.garbled is None:
        pytest.skip("any answer of status 2xx is a success")
    for body in (case.garbled.body, b"", b"\xff\xfe", b"[]", b"<html>"):
        with counterpart(Reply(case.garbled.status, body)) as there, pytest.raises(Retriable):
            act(case.make(there.url))


@of_every
def test_an_answer_without_end_is_not_read_to_its_end(case: Case) -> None:
    with counterpart(Reply(500, b"x" * 3_000_000)) as there, pytest.raises(Retriable) as error:
        act(case.make(there.url))
    assert len(str(error.value)) < 600


@of_every
@pytest.mark.parametrize("said", [b"220 smtp.example\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"\xff\x00\r\n\r\n", b""])
def test_who_does_not_speak_http_or_stops_in_the_middle(case: Case, said: bytes) -> None:
    with counterpart(Reply(raw=said)) as there, pytest.raises(Retriable):
        act(case.make(there.url))


@of_http
def test_a_long_answer_is_read_to_its_end(case: Case) -> None:
    if case.garbled is None or not case.success.body.startswith(b"{"):
        pytest.skip("its answer is no JSON")
    long = case.success.body[:-1] + b', "padding": "' + b"x" * 900_000 + b'"}'
    with counterpart(Reply(case.success.status, long)) as there:
        assert act(case.make(there.url)) is not None


@of_http
@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1", "http://", "http://[::1", "http://127.0.0.1:99999"])
def test_what_is_no_url_is_refused_and_not_shown(case: Case, url: str) -> None:
    with pytest.raises((Refused, ValidationError)) as error:
        act(case.make(url))
    assert SECRET not in str(error.value)


@of_http
def test_a_certificate_is_trusted_if_the_settings_say_so(case: Case, tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with counterpart(case.success, context) as there:
        action = case.make(there.url)
        with pytest.raises(Retriable, match="Certificate"):
            act(action)
        assert not there.asked
        assert act(action.model_copy(update={"ca": chain})) is not None
        with pytest.raises(Refused, match="certificates"):
            act(action.model_copy(update={"ca": tmp_path / "none"}))
    assert len(there.asked) == 1


@of_http
def test_a_dry_run_says_what_it_would_send_and_sends_nothing(case: Case) -> None:
    with counterpart(case.success) as there:
        told = act(case.make(there.url), told=call(dry_run=True))
    assert not there.asked
    assert told is not None
    assert "income" in told["would_send"][0]
    assert SECRET not in json.dumps(told)


@of_every
def test_no_secret_is_logged_or_shown(case: Case, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    with counterpart(case.success) as there:
        action = case.make(there.url)
        if case.refusal is None:
            act(action)
        there.answer = echo(case, 500)
        with pytest.raises(Retriable):
            act(action)
    captured = capfd.readouterr()
    assert SECRET not in "".join([caplog.text, captured.out, captured.err, repr(action), str(action), action.model_dump_json()])
