"""Between clients and a broker: answers can be held back, connections cut and refused."""

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread


class Proxy:
    """Listens on `address` until `close`; `target` is where it leads to, as soon as that is known."""

    def __init__(self) -> None:
        self.target = ""
        self.refused = 0
        """How many connections were refused so far."""
        self._holds_answers = self._refuses = False
        self._sockets: list[socket.socket] = []
        self._threads: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._serve)

    def hold_answers(self) -> None:
        """From now on requests reach the broker, and answers nobody."""
        self._holds_answers = True

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        self._refuses = True
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            _end(one)

    def heal(self) -> None:
        """New connections work."""
        self._holds_answers = self._refuses = False

    def close(self) -> None:
        """End all, and wait until it has ended."""
        _end(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, action: Callable[..., None], *arguments: object) -> None:
        thread = Thread(target=action, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (client := self._accept()) is not None:
            broker = None if self._refuses else self._reach()
            if broker is None:
                client.close()
                self.refused += 1
            else:
                self._sockets += [client, broker]
                self._start(self._pair, client, broker)

    def _accept(self) -> socket.socket | None:
        """None after `close`."""
        try:
            return self._listener.accept()[0]
        except OSError:
            return None

    def _reach(self) -> socket.socket | None:
        """None while the broker is not there."""
        host, _, port = self.target.rpartition(":")
        try:
            return socket.create_connection((host, int(port or 0)))
        except OSError:
            return None

    def _pair(self, client: socket.socket, broker: socket.socket) -> None:
        with client, broker:
            answers = Thread(target=self._pass_on, args=(broker, client, True), daemon=True)
            answers.start()
            self._pass_on(client, broker)
            answers.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket, answers: bool = False) -> None:
        with suppress(OSError):  # cut
            while data := source.recv(65_536):
                if not (answers and self._holds_answers):
                    sink.sendall(data)
        _end(source)
        _end(sink)


def _end(one: socket.socket) -> None:
    with suppress(OSError):  # it has ended already
        one.shutdown(socket.SHUT_RDWR)
