"""The HTTP server, over real sockets."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.registry import Collector

from stream_monitor.errors import InputError
from stream_monitor.export.http import CONNECTIONS_MAX, MetricsServer, serve
from stream_monitor.export.metrics import MetricStore

DEADLINE_S = 10.0


@dataclass
class Process:
    """What the server asks of the process, at will."""

    store: MetricStore = field(default_factory=MetricStore)
    ill: str | None = None
    missing: list[str] = field(default_factory=list)

    def serve(self, request_timeout_s: float = DEADLINE_S, host: str = "127.0.0.1", port: int = 0) -> MetricsServer:
        return MetricsServer(
            self.store.registry(),
            host,
            port,
            not_ready=lambda: self.missing,
            unhealthy=lambda: self.ill,
            request_timeout_s=request_timeout_s,
        )


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def server(process: Process) -> Iterator[MetricsServer]:
    with process.serve() as server:
        yield server


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    length: int
    body: str


def ask(server: MetricsServer, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read().decode()
        return Answer(response.status, response.headers.get("Content-Type", ""), int(response.headers.get("Content-Length", "-1")), body)
    finally:
        connection.close()


def openmetrics(text: str) -> list[Metric]:
    return list(parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def connect(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_S)


def test_metrics_are_served_in_the_text_format(process: Process, server: MetricsServer) -> None:
    process.store.add("events_total", {"model": "loan"}, 3)
    answer = ask(server, "/metrics")
    assert (answer.status, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    read = {item.name: item.value for family in parse(answer.body) for item in family.samples}
    assert read["stream_monitor_events_total"] == 3
    assert read["process_start_time_seconds"] > 0


def test_metrics_are_served_in_openmetrics_to_whom_asks_for_it(process: Process, server: MetricsServer) -> None:
    process.store.add("events_total", {"model": "loan"}, 3)
    process.store.observe("event_to_alert_seconds", {}, 0.2)
    answer = ask(server, "/metrics?ignored=1", Accept="application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith("# EOF\n")
    read = {item.name: item.value for family in openmetrics(answer.body) for item in family.samples}
    assert read["stream_monitor_events_total"] == 3
    assert read["stream_monitor_event_to_alert_seconds_count"] == 1


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
def test_head_is_get_without_the_body(server: MetricsServer, path: str) -> None:
    head, get = ask(server, path, "HEAD"), ask(server, path)
    assert (head.status, head.content_type, head.body) == (get.status, get.content_type, "")
    assert head.length > 0


def test_health(process: Process, server: MetricsServer) -> None:
    assert (ask(server, "/healthz").status, ask(server, "/healthz").body) == (200, "ok\n")
    process.ill = "no poll for 60 s"
    assert (ask(server, "/healthz").status, ask(server, "/healthz").body) == (503, "no poll for 60 s\n")


def test_readiness_names_everything_that_is_missing(process: Process, server: MetricsServer) -> None:
    process.missing = ["detect: restoring loan", "profile: no partitions assigned"]
    answer = ask(server, "/readyz")
    assert (answer.status, answer.body) == (503, "detect: restoring loan\nprofile: no partitions assigned\n")
    process.missing = []
    assert (ask(server, "/readyz").status, ask(server, "/readyz").body) == (200, "ok\n")


def test_other_paths_are_404_and_other_methods_refused(server: MetricsServer) -> None:
    assert ask(server, "/").status == 404
    assert "/metrics" in ask(server, "/../etc/passwd").body
    assert ask(server, "/metrics", "POST").status == 501


def test_a_taken_port_is_one_sentence_that_names_it_and_the_setting(process: Process, server: MetricsServer) -> None:
    with pytest.raises(InputError, match=rf"^port {server.port} on 127\.0\.0\.1 is taken: set metrics\.port to another one"):
        process.serve(port=server.port)


def test_an_address_that_is_not_ours_or_no_port_is_one_sentence(process: Process) -> None:
    with pytest.raises(InputError, match=r"cannot listen on 192\.0\.2\.1, port 0 \(.+\): write an address of this machine"):
        process.serve(host="192.0.2.1")
    with pytest.raises(InputError, match=r"cannot listen on no\.such\.host\.invalid"):
        process.serve(host="no.such.host.invalid")
    with pytest.raises(InputError, match=r"metrics\.port is 70000: write a port"):
        process.serve(port=70_000)


def test_the_port_is_free_again_after_close(process: Process) -> None:
    with process.serve() as first:
        assert ask(first, "/healthz").status == 200
    first.close()
    with process.serve(port=first.port) as second:
        assert second.port == first.port
        assert ask(second, "/healthz").status == 200


def test_close_does_not_wait_for_a_silent_client(process: Process) -> None:
    server = process.serve()
    with connect(server) as silent:
        assert ask(server, "/healthz").status == 200
        server.close()
        assert silent.recv(1) == b""


def test_a_client_that_sends_slowly_is_cut_off_in_time(process: Process) -> None:
    with process.serve(request_timeout_s=0.3) as server, connect(server) as slow:
        slow.settimeout(0.02)
        begun = time.monotonic()
        while trickle(slow):
            assert time.monotonic() - begun < DEADLINE_S / 2


def trickle(connection: socket.socket) -> bool:
    """Send one more byte, which would hold a time-out per read open for ever; whether the other side still listens."""
    try:
        connection.sendall(b"X")
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


def test_connections_are_bounded_and_room_comes_back(process: Process) -> None:
    with process.serve() as server:
        with ExitStack() as stack:
            for _ in range(CONNECTIONS_MAX):
                stack.enter_context(connect(server))
            with connect(server) as refused:
                assert refused.recv(1) == b""
        deadline = time.monotonic() + DEADLINE_S
        while not served(server):
            assert time.monotonic() < deadline


def served(server: MetricsServer) -> bool:
    try:
        return ask(server, "/healthz").status == 200
    except (http.client.HTTPException, OSError):
        return False


def test_a_request_that_is_no_http_harms_nobody(server: MetricsServer) -> None:
    with connect(server) as odd:
        odd.sendall(b"\x16\x03\x01\x00\xff garbage\r\n\r\n")
        assert b"400" in odd.recv(1_000)
    with connect(server) as long:
        long.sendall(b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n")
        assert b"414" in long.recv(1_000)
    assert ask(server, "/healthz").status == 200


class FailsOnce(Collector):
    """A collector whose first scrape goes wrong."""

    def __init__(self) -> None:
        self._failures = iter([ValueError("state is half restored")])

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> list[Metric]:
        for failure in self._failures:
            raise failure
        return []


def test_a_scrape_that_fails_is_logged_and_the_next_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    registry = MetricStore().registry()
    registry.register(FailsOnce())
    with MetricsServer(registry, port=0) as server:
        with pytest.raises(http.client.RemoteDisconnected):
            ask(server, "/metrics")
        assert ask(server, "/metrics").status == 200
    assert "metrics request failed" in "".join(capsys.readouterr())


def test_serve_says_where_it_is() -> None:
    store = MetricStore()
    with serve(store, "127.0.0.1", 0, not_ready=list, unhealthy=lambda: None) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/metrics"
        assert ask(server, "/readyz").body == "ok\n"
        with pytest.raises(InputError, match="set --port to another one"):
            serve(store, "127.0.0.1", server.port, not_ready=list, unhealthy=lambda: None, setting="--port")


def test_by_default_all_is_well() -> None:
    with MetricsServer(MetricStore().registry(), port=0) as server:
        assert (ask(server, "/healthz").status, ask(server, "/readyz").status) == (200, 200)
