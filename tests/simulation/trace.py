"""What happened, in order, as lines that a person can read."""

from dataclasses import dataclass, field
from typing import Any

from stream_monitor.detect.report import utc


@dataclass
class Trace:
    """Kept as they are until somebody asks: most runs are never read."""

    entries: list[tuple[int, int, str, tuple[Any, ...]]] = field(default_factory=list)

    def add(self, now_ms: int, depth: int, text: str, *values: Any) -> None:
        """text: with a `{}` for each value."""
        self.entries.append((now_ms, depth, text, values))

    def lines(self) -> list[str]:
        """Simulated time, then what happened; what took place inside of another worker's call is indented."""
        return [f"{utc(now_ms)[11:-1]}  {'    ' * depth}{text.format(*values)}" for now_ms, depth, text, values in self.entries]
