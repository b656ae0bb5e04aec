"""A workflow: steps, each put on record before the next begins, with conditions, time-outs and retries of their own, and compensation.

It is an action: `on(kind="model_quality")(workflow)`. Every call of it does one step, so after a crash it goes on with the step that was
under way, with the same key. A step that is given up ends it: what was done is undone, the last first (a *saga*, Garcia-Molina and Salem
1987), and the run has failed.
"""

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import ValidationError

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.times import utc
from stream_monitor.config.actions import ActionOptions
from stream_monitor.config.duration import parse_duration
from stream_monitor.config.mistakes import near
from stream_monitor.errors import ConfigError
from stream_monitor.respond.call import Call, Continue, Refused
from stream_monitor.respond.progress import Progress, StepStatus, is_passed_over, next_move

STEPS_MAX: Final = 32
"""With their results the record of a run stays below a message's 1 MB."""
RESOLUTION_POLL_S: Final = 5.0
_OWN: Final = ("timeout", "retries", "backoff", "backoff_max")


@dataclass(frozen=True, slots=True)
class Later:
    """What a step returns that is not done: call it again after so many seconds, until `within` has passed."""

    after_s: float = RESOLUTION_POLL_S


@dataclass(frozen=True, slots=True)
class Run:
    """What a step is told. call: with a key of this step's own; results: of the steps that were done, by name."""

    alert: Alert
    call: Call
    results: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, step: str) -> Mapping[str, Any]:
        """The result of a step that was done. Errors: Refused, for it will not be there later."""
        if step not in self.results:
            there_are = f"; there are {', '.join(self.results) or 'none yet'}"
            raise Refused(f"there is no result of {step!r}{near(step, list(self.results), there_are)}")
        return self.results[step]


StepResult = Mapping[str, Any] | Later | None
Doing = Callable[[Run], StepResult | Awaitable[StepResult]]
Condition = Callable[[Run], bool | Awaitable[bool]]
Undoing = Callable[[Run], Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One step; see `Workflow.step`."""

    name: str
    do: Doing
    after: tuple[str, ...]
    when: Condition | None
    undo: Undoing | None
    within_ms: int | None
    options: Mapping[str, Any]


class Workflow:
    """A graph of steps, declared in an order in which they can be done.

    clock_ms: for what is put on record, and `within`.
    """

    def __init__(self, name: str, clock_ms: Callable[[], int] | None = None) -> None:
        self.__name__ = name
        self.steps: dict[str, Step] = {}
        self._clock_ms = clock_ms or _wall_clock_ms

    def step(
        self,
        bare: object = None,
        /,
        *,
        name: str | None = None,
        after: str | Sequence[str] | None = None,
        when: Condition | None = None,
        undo: Undoing | None = None,
        within: str | None = None,
        **options: Any,
    ) -> Callable[[Doing], Doing]:
        """A decorator that makes a function of a `Run`, sync or async, the next step.

        after: steps that must be done before, default the one declared last; where one of them was skipped, so is this. when: a condition,
        sync or async, on what was done, else the step is skipped. undo: takes back what the step did, once a later one is given up.
        within: how long it may answer `Later`, then it is given up. options: `timeout`, `retries`, `backoff`, `backoff_max`, default those
        of the action. bare: what `@….step` without parentheses is given. Errors: ConfigError.
        """
        if bare is not None:
            raise ConfigError(f"workflow {self.__name__}: @….step needs its parentheses: @….step()")
        before = tuple(self.steps)[-1:] if after is None else (after,) if isinstance(after, str) else tuple(after)
        own, within_ms = _options(options), None if within is None else _duration(within)

        def add(do: Doing) -> Doing:
            title = name or str(getattr(do, "__name__", type(do).__name__))
            if title in self.steps or len(self.steps) == STEPS_MAX:
                raise ConfigError(f"workflow {self.__name__}: step {title!r} is declared twice, or there are over {STEPS_MAX} steps")
            if unknown := [each for each in before if each not in self.steps]:
                problem = f"step {title!r} comes after {unknown[0]!r}, which is not declared before it"
                raise ConfigError(f"workflow {self.__name__}: {problem}{near(unknown[0], list(self.steps))}")
            self.steps[title] = Step(title, do, before, when, undo, within_ms, own)
            return do

        return add

    async def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any] | Continue:
        """Do what comes next. Errors: Refused, once a step was given up and all is undone; what a step raises."""
        progress = Progress.of(call.progress)
        step, is_undo = next_move(self._graph(), progress)
        if step is None:
            if progress.failed is not None:
                raise Refused(progress.told())
            return {"steps": {name: each.status for name, each in progress.steps.items()}}
        run = self._run(alert, call, progress, step)
        if is_undo:
            await _answer(self.steps[step].undo, run)
            return Continue(progress.with_step(step, StepStatus.UNDONE, self._now()).to_json())
        return await self._do(self.steps[step], run, progress)

    def given_up(self, progress: Mapping[str, Any], error: str) -> Mapping[str, Any] | None:
        """Where the run stands once the step under way is given up; None: there is nothing left to do."""
        known = Progress.of(progress)
        step, is_undo = next_move(self._graph(), known)
        if step is None:
            return None
        return known.with_step(step, StepStatus.NOT_UNDONE if is_undo else StepStatus.FAILED, self._now(), error=error).to_json()

    def options(self, progress: Mapping[str, Any], base: ActionOptions) -> ActionOptions:
        """How the step is run that comes next."""
        step, _ = next_move(self._graph(), Progress.of(progress))
        return base if step is None else base.model_copy(update=dict(self.steps[step].options))

    async def _do(self, step: Step, run: Run, progress: Progress) -> Continue:
        if is_passed_over(self._graph(), progress, step.name) or (step.when is not None and not await _answer(step.when, run)):
            return Continue(progress.with_step(step.name, StepStatus.SKIPPED, self._now()).to_json())
        result = await _answer(step.do, run)
        if not isinstance(result, Later):
            return Continue(progress.with_step(step.name, StepStatus.DONE, self._now(), result=result).to_json())
        since_ms = progress.waiting_since_ms or self._clock_ms()
        if step.within_ms is not None and self._clock_ms() - since_ms >= step.within_ms:
            raise Refused(f"not done within {step.within_ms / 1000:g} s")
        return Continue(replace(progress, waiting_since_ms=since_ms).to_json(), result.after_s)

    def _run(self, alert: Alert, call: Call, progress: Progress, step: str) -> Run:
        own = replace(call, idempotency_key=f"{call.idempotency_key}/{step}", logger=call.logger.bind(step=step))
        return Run(alert, own, progress.results())

    def _graph(self) -> Mapping[str, tuple[tuple[str, ...], bool]]:
        return {name: (step.after, step.undo is not None) for name, step in self.steps.items()}

    def _now(self) -> str:
        return utc(self._clock_ms())


def resolved(run: Run) -> StepResult:
    """A ready step: waits for the alert's end, and says when and why it came. Give it a `within`."""
    end = run.call.alert_end()
    return Later() if end is None else {"resolved_at": end.resolved_at, "reason": end.reason}


async def _answer(function: Callable[[Run], Any] | None, run: Run) -> Any:
    found = function(run) if function is not None else None
    return await found if inspect.isawaitable(found) else found


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(given.keys() - set(_OWN)):
        raise ConfigError(f"step(…): {unknown[0]}: unknown; known are {', '.join((*_OWN, 'name', 'after', 'when', 'undo', 'within'))}")
    try:
        found = ActionOptions.model_validate(dict(given))
    except ValidationError as error:
        detail = error.errors()[0]
        raise ConfigError(f"step(…): {'.'.join(map(str, detail['loc']))}: {detail['msg'].removeprefix('Value error, ')}") from None
    return {name: getattr(found, name) for name in given}


def _duration(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"step(…): within: {error}") from None


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000
