"""The ready action `notify`: Apprise's own JSON service on loopback."""

import logging

import pytest

from stream_monitor.respond import ReadyAction, Refused, Retriable
from stream_monitor.respond.actions import READY
from tests.kafka.server import free_ports
from tests.respond.alerts import ESSENTIAL, LINK, LINKED, RESOLVED, act, call
from tests.respond.counterpart import Reply, counterpart

SECRET = "hush-hush"


def notify(url: str) -> ReadyAction:
    return READY["notify"].model_validate({"url": f"json://me:{SECRET}@{url.removeprefix('http://')}/{SECRET}", "link": LINK})


def test_people_are_told_the_facts() -> None:
    with counterpart(Reply()) as there:
        assert act(notify(there.url)) == {"service": "JSON"}
        act(notify(there.url), RESOLVED)
    fired, resolved = (asked.json() for asked in there.asked)
    assert fired["title"] == "[CRITICAL] loan (region = north): income, data drift"
    assert not [fact for fact in (*ESSENTIAL, LINKED) if fact not in fired["message"]]
    assert (fired["type"], resolved["type"]) == ("failure", "success")


@pytest.mark.parametrize("status", [0, 400, 403, 404, 429, 500, 503])
def test_every_failure_is_tried_again_since_apprise_does_not_say_which(
    status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        counterpart(lambda asked: Reply(status, str(asked).encode())) as there,
        pytest.raises(Retriable, match="JSON did not take the message") as error,
    ):
        act(notify(there.url), told=call(within_s=0.5))
    captured = capfd.readouterr()
    assert SECRET not in "".join([str(error.value), caplog.text, captured.out, captured.err])


def test_nobody_there_is_tried_again() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Retriable):
        act(notify(f"127.0.0.1:{port}"))


@pytest.mark.parametrize("url", ["", "nonsense", f"carrier-pigeon://{SECRET}"])
def test_a_url_that_apprise_does_not_know_is_refused_and_not_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Refused, match="does not know such a URL") as error:
        act(READY["notify"].model_validate({"url": url or "://"}))
    assert SECRET not in f"{error.value}{caplog.text}"


def test_a_dry_run_sends_nothing() -> None:
    with counterpart(Reply()) as there:
        told = act(notify(there.url), told=call(dry_run=True))
    assert told is not None
    assert "income" in told["would_send"]
    assert not there.asked
