"""The ready action `subprocess`: a program of yours, with the alert as JSON on its standard input; no shell is involved."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, Any, Final

from pydantic import Field

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.base import WAIT_MAX_S, Ready, Secret
from stream_monitor.respond.call import Call, Refused, Retriable

OUTPUT_MAX: Final = 2_000
"""Characters of the end of each output that are told."""
_GRACE_S: Final = 1.0
"""Of the deadline, from SIGTERM to SIGKILL; less where the call has less than four times as much."""
_ALWAYS: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""Of our own environment, what the program gets in any case."""


class Program(Ready):
    """Exit status 0 is a success, one of `refused` is final, others are tried again. What it has started ends with it.

    It leads a process group of its own: when time is over, the whole group gets SIGTERM, then SIGKILL.
    """

    command: tuple[str, ...] = Field(min_length=1)
    """The program and its arguments, as they are."""
    folder: Path | None = None
    """Where it runs; default: where the responder does."""
    environment: Mapping[str, Secret] = Field(default={})
    """Further variables; of the responder's own it gets only PATH, HOME, LANG, LC_ALL, TZ and TMPDIR."""
    refused: tuple[int, ...] = ()
    """Exit statuses that no repetition mends."""

    def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any]:
        """Run it to its end. Errors: Refused, Retriable."""
        if call.dry_run:
            return {"would_run": [self.hidden(word) for word in self.command]}
        wait_s = min(call.remaining_s(), WAIT_MAX_S)
        with self._started(alert, call) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            output, errors = _tail(process.stdout), _tail(process.stderr)
            status = self._ended(process, wait_s)
            out, err = self._shown(output()), self._shown(errors())
        if status == 0:
            return {"exit_status": 0, "stdout": out, "stderr": err}
        sentence = f"{self._name} ended with status {status}: {err or out}"
        raise Refused(sentence) if status in self.refused else Retriable(sentence)

    def _ended(self, process: Popen[bytes], wait_s: float) -> int:
        """Its exit status. Errors: Retriable, when time is over."""
        grace_s = min(_GRACE_S, wait_s / 4)
        try:
            return process.wait(wait_s - grace_s)
        except TimeoutExpired:
            _signal(process, signal.SIGTERM)
            with suppress(TimeoutExpired):
                process.wait(grace_s)
            raise Retriable(f"{self._name} took longer than {wait_s:.1f} s and was ended") from None
        finally:
            _signal(process, signal.SIGKILL)  # and whatever it left behind, which may hold its outputs open

    @property
    def _name(self) -> str:
        return Path(self.command[0]).name

    def _started(self, alert: Alert, call: Call) -> Popen[bytes]:
        own = {name: os.environ[name] for name in _ALWAYS if name in os.environ}
        told = {"STREAM_MONITOR_IDEMPOTENCY_KEY": call.idempotency_key, "STREAM_MONITOR_ATTEMPT": str(call.attempt)}
        environment = own | {name: secret.read() for name, secret in self.environment.items()} | told
        try:
            with TemporaryFile() as given:  # a file, since a pipe that nobody reads would hold us up
                given.write(alert.to_json())
                given.seek(0)
                return Popen(self.command, stdin=given, stdout=PIPE, stderr=PIPE, cwd=self.folder, env=environment, start_new_session=True)
        except OSError as error:
            raise Refused(f"{self._name} cannot be run: {error.strerror}") from None

    def _shown(self, output: bytes) -> str:
        return self.hidden(output.decode(errors="replace"), OUTPUT_MAX)


def _tail(stream: IO[bytes]) -> Callable[[], bytes]:
    """Reads until the end, in a thread and in bounded memory; gives the last of it, when called."""
    kept = bytearray()

    def read() -> None:
        while part := os.read(stream.fileno(), 65_536):
            kept.extend(part)
            del kept[:-OUTPUT_MAX]

    thread = Thread(target=read, daemon=True)
    thread.start()

    def end() -> bytes:
        thread.join(_GRACE_S)
        return bytes(kept)

    return end


def _signal(process: Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
