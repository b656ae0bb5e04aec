"""A circuit breaker: an action that keeps failing is left alone for a while. Pure; times are seconds of any one clock that only rises."""

from dataclasses import dataclass

from stream_monitor.config.actions import Quota


@dataclass(slots=True)
class Breaker:
    """quota: so many failed attempts in a row open it for so long; None: it never opens.

    After that one attempt is let through: its success closes the breaker, its failure opens it for as long again.
    """

    quota: Quota | None
    failures: int = 0
    """In a row."""
    open_until: float | None = None
    """None: it is closed."""
    on_trial: bool = False

    def admit(self, now: float) -> bool:
        """Whether an attempt may be made now; who is admitted says `succeeded` or `failed` afterwards."""
        if self.open_until is None:
            return True
        if now < self.open_until or self.on_trial:
            return False
        self.on_trial = True
        return True

    def is_open(self, now: float) -> bool:
        """Whether no attempt is made now; changes nothing."""
        return self.open_until is not None and (now < self.open_until or self.on_trial)

    def succeeded(self) -> None:
        """An admitted attempt has succeeded."""
        self.failures, self.open_until, self.on_trial = 0, None, False

    def failed(self, now: float) -> None:
        """An admitted attempt has failed."""
        self.failures += 1
        self.on_trial = False
        if self.quota is not None and self.failures >= self.quota.most:
            self.open_until = now + self.quota.per_ms / 1000
