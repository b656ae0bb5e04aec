"""A small HTTP server for Prometheus, for health checks and for people.

`GET` and `HEAD` of `/metrics`, `/healthz` (is the process well?), `/readyz` (has it its partitions and its state?), and of `board`'s pages.
Bounded: at most 32 connections, each for at most 10 seconds and one request, so that a slow client cannot hold anything up.
"""

import errno
import socket
import socketserver
import sys
import time
from collections.abc import Callable, Sequence
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from stream_monitor.errors import InputError
from stream_monitor.export.answer import TEXT, Answer
from stream_monitor.export.metrics import MetricStore

if TYPE_CHECKING:  # a responder has no pages, and none of what they need
    from stream_monitor.export.board.site import Site

DEFAULT_PORT = 9108
CONNECTIONS_MAX = 32
"""Prometheus, a probe or two and a person; more is a mistake or an attack."""
REQUEST_TIMEOUT_S = 10.0
"""Prometheus' own default scrape time-out."""

_log = structlog.get_logger(__name__)

Unhealthy = Callable[[], str | None]
NotReady = Callable[[], Sequence[str]]


def serve(
    store: MetricStore,
    host: str,
    port: int,
    *,
    not_ready: NotReady,
    unhealthy: Unhealthy,
    site: "Site | None" = None,
    setting: str = "metrics.port",
) -> "MetricsServer":
    """Serve a store and the process' own metrics, and a site; see `MetricsServer`."""
    return MetricsServer(store.registry(), host, port, not_ready=not_ready, unhealthy=unhealthy, site=site, setting=setting)


def _well() -> str | None:
    return None


class MetricsServer:
    """Serves from its construction, in a daemon thread, until `close`; also a context manager.

    `unhealthy` gives the reason why the process is not well, or None; `not_ready` the reasons why it is not ready, or none. Both are
    called on serving threads and must be quick; by default all is well. `port` 0 takes any free one: see `port`. `setting` is what
    the user has to change when the address cannot be had. Errors: InputError, in one sentence.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        not_ready: NotReady = tuple,
        unhealthy: Unhealthy = _well,
        site: "Site | None" = None,
        setting: str = "metrics.port",
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        if not 0 <= port <= 65535:
            raise InputError(f"{setting} is {port}: write a port from 1 to 65535, or 0 for any free one")
        try:
            self._server = _Server(host, port, _Pages(registry, not_ready, unhealthy, site), request_timeout_s)
        except OSError as error:
            raise InputError(_cannot_listen(host, port, setting, error)) from error
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics-http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where the metrics are, for a person to open."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop listening, cut the open connections, free the port; may be called twice."""
        self._server.shutdown()
        self._thread.join()
        self._server.cut_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _cannot_listen(host: str, port: int, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken: set {setting} to another one, or to 0 for any free one"
    if error.errno == errno.EACCES:
        return f"no right to listen on port {port}: set {setting} to one from 1024 on"
    return (
        f"cannot listen on {host}, port {port} ({error.strerror}): write an address of this machine, such as 127.0.0.1, and see {setting}"
    )


class _Pages:
    """What is answered to which path."""

    def __init__(self, registry: CollectorRegistry, not_ready: NotReady, unhealthy: Unhealthy, site: "Site | None") -> None:
        self._registry, self._site = registry, site
        self._not_ready = not_ready
        self._unhealthy = unhealthy

    def answer(self, path: str, headers: Message) -> Answer:
        match path.partition("?")[0]:
            case "/metrics":
                encode, content_type = choose_encoder(headers.get("Accept", ""))
                return Answer(HTTPStatus.OK, content_type, encode(self._registry))
            case "/healthz":
                reason = self._unhealthy()
                return _verdict([] if reason is None else [reason])
            case "/readyz":
                return _verdict(self._not_ready())
        found = None if self._site is None else self._site.answer(path, headers.get("Authorization"), headers.get("Host"))
        return found or _plain(HTTPStatus.NOT_FOUND, "not here; there are /, /metrics, /healthz and /readyz")


def _verdict(reasons: Sequence[str]) -> Answer:
    return _plain(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(reasons)) if reasons else _plain(HTTPStatus.OK, "ok")


def _plain(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, TEXT, f"{text}\n".encode())


class _Server(ThreadingHTTPServer):
    """Threads per connection, bounded in number and, by `service_actions`, in time."""

    daemon_threads = True
    request_queue_size = CONNECTIONS_MAX  # the base class' 5 makes a burst wait for a second
    block_on_close = False

    def __init__(self, host: str, port: int, pages: _Pages, request_timeout_s: float) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.pages = pages
        self._request_timeout_s = request_timeout_s
        self._deadlines: dict[socket.socket, float] = {}
        self._lock = Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # The base class looks the host's name up in the DNS, which can take seconds, for nothing that is used here.
        socketserver.TCPServer.server_bind(self)

    def verify_request(self, request: object, client_address: object) -> bool:
        if not isinstance(request, socket.socket):
            return False
        with self._lock:
            if len(self._deadlines) >= CONNECTIONS_MAX:
                return False
            self._deadlines[request] = time.monotonic() + self._request_timeout_s
        return True

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with self._lock:
            if isinstance(request, socket.socket):
                self._deadlines.pop(request, None)
            super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called at every turn of the serving loop: cut the connections that are over their time."""
        self.cut_connections(time.monotonic())

    def cut_connections(self, now: float | None = None) -> None:
        """End the connections that are over their time at `now` (monotonic seconds), or all; their threads then close them."""
        with self._lock:
            for connection, deadline in self._deadlines.items():
                if now is None or deadline <= now:
                    _end(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):  # a client that went away is none of our concern
            _log.error("metrics request failed", exc_info=error)


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:  # the client was quicker
            raise


class _Handler(BaseHTTPRequestHandler):
    """One request per connection: HTTP/1.0 without keep-alive."""

    server: _Server
    server_version = "stream-monitor"
    sys_version = ""

    def do_GET(self) -> None:
        answer = self.server.pages.answer(self.path, self.headers)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not logged."""
