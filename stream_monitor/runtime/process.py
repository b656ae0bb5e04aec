"""One process: a thread per role, each with its own member of the group; the first failure ends them all.

Errors of a thread decide: Retriable and Fenced once in a minute -> a new worker; again -> the process leaves with RunError.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Protocol

import structlog

from stream_monitor.errors import Fenced, Retriable, RunError, StreamMonitorError

_log = structlog.get_logger(__name__)

FENCED_AGAIN_S: Final = 60.0
"""One fencing is a crash's aftermath or a long pause; a second within this time is another process with our instance name."""
HUNG_S: Final = 300.0
"""Kafka drops a member that does not poll for five minutes; no turn, not even a restore or a retried commit, should last as long."""
RETRY_WAIT_S: Final = 1.0
RETRIES_MAX: Final = 60
"""A broker that is away is waited for, for a minute at least and some ten where each attempt times out; then the supervisor decides."""
FAILED_AGAIN_S: Final = 60.0
"""Failures count together when no more than this lies between them: else one a day would end the process after two months."""


class Worker(Protocol):
    """What a role's thread drives."""

    @property
    def ready(self) -> bool:
        """Whether it has its share of the work."""
        ...

    def run_once(self) -> None:
        """One turn: poll, work, commit."""
        ...

    def close(self) -> None:
        """Leave the group. Never raises."""
        ...


@dataclass(slots=True)
class Role:
    """A role by name and how to make a worker for it; `instance` is for the sentence when we are fenced."""

    name: str
    make: Callable[[], Worker]
    instance: str
    worker: Worker | None = None
    beat: float = field(default_factory=monotonic)
    """When its loop last came round."""

    def run(self, stop: threading.Event) -> None:
        """Drive workers until `stop` is set. Errors: RunError."""
        fenced_at: float | None = None
        failures, failed_at = 0, monotonic()
        while not stop.is_set():
            try:
                self._drive(stop)
            except Fenced as error:
                if fenced_at is not None and monotonic() - fenced_at < FENCED_AGAIN_S:
                    raise RunError(
                        f"another process uses instance {self.instance!r}, or transactions take longer than engine.transaction_timeout: "
                        f"this one was fenced twice within a minute ({error})"
                    ) from error
                fenced_at = monotonic()
                _log.warning("fenced", role=self.name, error=str(error))
            except Retriable as error:
                self.beat = monotonic()
                failures = failures + 1 if monotonic() - failed_at < FAILED_AGAIN_S else 1
                failed_at = monotonic()
                if failures > RETRIES_MAX:
                    raise RunError(f"gave up after {RETRIES_MAX} attempts: {error}") from error
                _log.warning("starting_again", role=self.name, error=str(error), attempt=failures)
                stop.wait(RETRY_WAIT_S)
            finally:
                self._drop()

    def _drive(self, stop: threading.Event) -> None:
        self.worker = self.make()
        while not stop.is_set():
            self.worker.run_once()
            self.beat = monotonic()

    def _drop(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            worker.close()


class Process:
    """All roles of one process. `run` blocks until `stop` is called or a role fails."""

    def __init__(self, roles: Sequence[Role]) -> None:
        self._roles = roles
        self._stop = threading.Event()
        self._failure: StreamMonitorError | None = None

    def stop(self) -> None:
        """Ask all roles to finish their transaction and leave; may be called from a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Run all roles. Errors: RunError or UserError, that of the first role that failed."""
        threads = [threading.Thread(target=self._run_role, args=(role,), name=role.name) for role in self._roles]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def not_ready(self) -> list[str]:
        """Why this process is not ready; empty when every role has its share and is restored."""
        return [f"{role.name}: no partitions assigned yet" for role in self._roles if role.worker is None or not role.worker.ready]

    def unhealthy(self) -> str | None:
        """Why this process should be restarted, None when it is well."""
        if self._failure is not None:
            return str(self._failure)
        hung = [role.name for role in self._roles if monotonic() - role.beat > HUNG_S]
        return f"no turn of {', '.join(hung)} has ended for {HUNG_S:.0f} s" if hung else None

    def _run_role(self, role: Role) -> None:
        try:
            role.run(self._stop)
        except StreamMonitorError as error:
            self._failure = self._failure or error
            _log.error("role_failed", role=role.name, error=str(error))
        except Exception as error:  # noqa: BLE001 - the top of this thread: it logs, and the process exits with 1
            self._failure = self._failure or RunError(f"{role.name}: {type(error).__name__}: {error}")
            _log.exception("role_crashed", role=role.name)
        finally:
            self._stop.set()
