"""Where a run of a workflow stands, as it is put on record, and what comes next: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import msgspec

from stream_monitor.respond.call import Refused
from stream_monitor.respond.result import recordable

Graph = Mapping[str, tuple[tuple[str, ...], bool]]
"""Step -> the steps that come before it, and whether it can be undone; in an order in which they can be done."""
RESULT_BYTES_MAX: Final = 16_384
"""Of a step's result: 32 of them fit into one message. A step that makes more keeps it elsewhere, and returns where."""
ERROR_CHARS_MAX: Final = 1_000


class StepStatus(StrEnum):
    """How a step ended."""

    DONE = "done"
    """It has its result."""
    SKIPPED = "skipped"
    """Its condition did not hold, or a step before it was skipped."""
    FAILED = "failed"
    """It was given up."""
    UNDONE = "undone"
    """It was done, and taken back after another failed."""
    NOT_UNDONE = "not_undone"
    """It was done, and taking it back was given up: somebody has to look."""


class StepRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step that ended. at: when, RFC 3339 in UTC."""

    status: StepStatus
    at: str
    result: dict[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Progress:
    """steps: those that ended, in the order in which they did; waiting_since_ms: when the step under way first answered `Later`."""

    steps: Mapping[str, StepRecord] = field(default_factory=dict)
    waiting_since_ms: int | None = None

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Progress":
        """Back from `to_json`; {} is the beginning. Errors: Refused, where a module of another version wrote what this one cannot read."""
        try:
            steps = msgspec.convert(content.get("steps", {}), dict[str, StepRecord])
            return cls(steps, msgspec.convert(content.get("waiting_since_ms"), int | None))
        except msgspec.ValidationError as error:
            raise Refused(f"the run's steps on record cannot be read: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        waiting = {} if self.waiting_since_ms is None else {"waiting_since_ms": self.waiting_since_ms}
        return {"steps": msgspec.to_builtins(dict(self.steps)), **waiting}

    def with_step(
        self, name: str, status: StepStatus, at: str, result: Mapping[str, Any] | None = None, error: str | None = None
    ) -> "Progress":
        """After a step's end. What was done and is undone keeps its result."""
        known = self.steps.get(name)
        kept = recordable(result, RESULT_BYTES_MAX) if known is None else known.result
        ended = StepRecord(status, at, kept, None if error is None else error[:ERROR_CHARS_MAX])
        return replace(self, steps={**self.steps, name: ended}, waiting_since_ms=None)

    @property
    def failed(self) -> str | None:
        """The step that was given up; None: there is none."""
        return next((name for name, step in self.steps.items() if step.status is StepStatus.FAILED), None)

    def results(self) -> dict[str, Mapping[str, Any]]:
        """Of the steps that were done."""
        return {name: step.result or {} for name, step in self.steps.items() if step.status not in (StepStatus.SKIPPED, StepStatus.FAILED)}

    def told(self) -> str:
        """How it failed, in one line."""
        failed = self.failed
        parts = [] if failed is None else [f"step {failed} failed: {self.steps[failed].error}"]
        for status in (StepStatus.UNDONE, StepStatus.NOT_UNDONE):
            if names := [name for name, step in self.steps.items() if step.status is status]:
                parts.append(f"{status.replace('_', ' ')}: {', '.join(names)}")
        return "; ".join(parts)


def is_behind(progress: Mapping[str, Any] | None, known: Mapping[str, Any] | None) -> bool:
    """Whether fewer steps were done and undone here than there, both as they are on record."""
    return _ends(progress) < _ends(known)


def _ends(progress: Mapping[str, Any] | None) -> int:
    try:
        steps = Progress.of(progress or {}).steps.values()
    except Refused:
        return 0
    return sum(2 if step.status in (StepStatus.UNDONE, StepStatus.NOT_UNDONE) else 1 for step in steps)


def next_move(graph: Graph, progress: Progress) -> tuple[str | None, bool]:
    """The step that is to be done next, or (True) undone; None: nothing is left to do.

    Steps on record that the graph does not know any more are left alone: nobody can undo them.
    """
    if progress.failed is not None:
        done = [name for name, step in progress.steps.items() if step.status is StepStatus.DONE and name in graph and graph[name][1]]
        return (done[-1] if done else None), True
    return next((name for name in graph if name not in progress.steps), None), False


def is_passed_over(graph: Graph, progress: Progress, step: str) -> bool:
    """Whether a step before this one was skipped."""
    before, _ = graph[step]
    return any(progress.steps[name].status is StepStatus.SKIPPED for name in before if name in progress.steps)
