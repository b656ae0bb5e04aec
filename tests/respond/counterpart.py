"""A real HTTP server on loopback, that answers as it is told and keeps what it was asked."""

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Reply(NamedTuple):
    """What is answered; status 0: nothing, until the counterpart ends. raw: bytes instead, and then the connection ends."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    raw: bytes | None = None


@dataclass
class Counterpart:
    """Where it listens, what it was asked to do (POST) and to show (GET), and how it answers."""

    url: str
    answer: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)
    looked: list[Asked] = field(default_factory=list)
    ended: Event = field(default_factory=Event)


@contextmanager
def counterpart(answer: Callable[[Asked], Reply] | Reply, tls: ssl.SSLContext | None = None) -> Iterator[Counterpart]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(there.looked)

        def do_POST(self) -> None:
            self._answer(there.asked)

        def _answer(self, requests: list[Asked]) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            requests.append(asked)
            reply = there.answer(asked)
            if reply.status == 0:
                there.ended.wait()
                return
            if reply.raw is not None:
                self.wfile.write(reply.raw)
                return
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests tell their own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    there = Counterpart(f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", answer if callable(answer) else lambda _: answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield there
    finally:
        there.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
