"""The closed loop of the demonstration: an alert on the model's quality starts a workflow that trains, validates, deploys and verifies.

It is a workflow as `stream-monitor respond` runs it on Kafka, with every step on record on the actions topic; only who calls it is another:
`Desk` does so once a turn, on the demonstration's clock, so that the same seed tells the same story.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from msgspec.structs import replace

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.times import ms_of
from stream_monitor.cli.demo_figures import ACCURACY, Figures
from stream_monitor.cli.demo_traffic import CAPTURES, Live, Loan, Service, label_of
from stream_monitor.detect.report import utc
from stream_monitor.respond import ActionResult, ActionStatus, Call, Continue, Later, Refused, Run, Workflow, on
from stream_monitor.respond.decide import decide
from stream_monitor.respond.progress import Progress, StepRecord, StepStatus
from stream_monitor.respond.record import Record
from stream_monitor.runtime.broker import Record as Message

ROWS_ENOUGH: Final = 2_000
"""Half of them are learned from; the others tell whether that was right, and are the new version's baseline."""
ROWS_MAX: Final = 20_000
EPOCHS: Final = 5
POLL_S: Final = 20.0
GAIN_MIN: Final = 0.05
OLD, NEW = "1", "2"


@dataclass(slots=True)
class Memory:
    """The latest events that the service answered, with what became of them: what a feature store would keep."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, bool] = field(default_factory=dict)

    def take(self, batch: Iterable[Message]) -> None:
        """What was published."""
        for record in batch:
            body = orjson.loads(record.value or b"{}")
            if record.topic == CAPTURES:
                self.events[body["event_id"]] = body
            else:
                self.labels[body["event_id"]] = body["label"] == label_of(True)
        while len(self.events) > ROWS_MAX:
            self.labels.pop(oldest := next(iter(self.events)), None)
            del self.events[oldest]

    def since(self, start_ms: int) -> list[tuple[dict[str, Any], Loan]]:
        """Labelled events from this time on, in order."""
        return [
            (event, Loan(event["features"], event["metadata"]["gender"], self.labels[event_id]))
            for event_id, event in self.events.items()
            if event["time"] >= start_ms and event_id in self.labels
        ]


@dataclass
class Practice:
    """What the steps work with. rollout: puts a config with these versions into the log, each with events for a baseline of its own, or
    (None) the one that it has, and gives its revision.
    """

    live: Live
    figures: Figures
    rollout: Callable[[Mapping[str, Sequence[bytes] | None]], int]
    clock_ms: Callable[[], int]
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        """What answers at first is what is gone back to."""
        self._first = self._trained = self.live.service
        self._rows: list[tuple[dict[str, Any], Loan]] = []

    def workflow(self) -> Workflow:
        """The steps, in their order."""
        loop = Workflow("mend", self.clock_ms)
        loop.step(within="15m")(self.collect)
        loop.step()(self.retrain)
        loop.step()(self.validate)
        loop.step(when=_is_much_better, undo=self.roll_back)(self.deploy)
        loop.step(within="15m")(self.verify)
        loop.step()(self.retire)
        return loop

    def collect(self, run: Run) -> Mapping[str, Any] | Later:
        """Wait until enough of what came since the change has labels."""
        self._rows = self.memory.since(ms_of(run.alert.started_at))
        return Later(POLL_S) if len(self._rows) < ROWS_ENOUGH else {"rows": len(self._rows)}

    def retrain(self, run: Run) -> Mapping[str, Any]:
        """Learn from every second one."""
        loans = [loan for _, loan in self._rows[::2]]
        self._trained = Service.train(loans * EPOCHS)
        return {"version": NEW, "rows": len(loans)}

    def validate(self, run: Run) -> Mapping[str, Any]:
        """Both models on those that the new one did not see."""
        accuracy, before = (
            sum(service.predict(loan.features, loan.gender)["label"] == label_of(loan.repaid) for _, loan in self._rows[1::2])
            / len(self._rows[1::2])
            for service in (self._trained, self.live.service)
        )
        return {"accuracy": round(accuracy, 3), "before": round(before, 3)}

    def deploy(self, run: Run) -> Mapping[str, Any]:
        """The new version with its own baseline goes through the log before its first answer."""
        events = [self._trained.event(number, loan, event["time"]) for number, (event, loan) in enumerate(self._rows[1::2])]
        told = [orjson.dumps({**event, "label": label_of(loan.repaid)}) for event, (_, loan) in zip(events, self._rows[1::2], strict=True)]
        revision = self.rollout({OLD: None, NEW: told})
        self.live.version, self.live.service = NEW, self._trained
        return {"version": NEW, "revision": revision, "at": utc(self.clock_ms())}

    def roll_back(self, run: Run) -> None:
        """Answer with the old version again."""
        self.live.version, self.live.service = OLD, self._first

    def verify(self, run: Run) -> Mapping[str, Any] | Later:
        """Labels of a whole window that the new version answered must say that it is good."""
        row = self.figures.first(ACCURACY, NEW, after=run["deploy"]["at"])
        if row is None or row.score is None or row.threshold is None:
            return Later(POLL_S)
        if row.score < row.threshold:
            raise Refused(f"accuracy of version {NEW} is {row.score:.2f}, under {row.threshold:.2f}")
        return {
            "accuracy": round(row.score, 3),
            "limit": round(row.threshold, 3),
            "window": f"{row.window.start[11:16]} to {row.window.end[11:16]}",
        }

    def retire(self, run: Run) -> Mapping[str, Any]:
        """Nothing answers with the old version any more: its alerts end."""
        return {"revision": self.rollout({NEW: None})}


def _is_much_better(run: Run) -> bool:
    """Where people alone have changed the old model is as good as a new one: it stays."""
    return bool(run["validate"]["accuracy"] > run["validate"]["before"] + GAIN_MIN)


@dataclass
class Desk:
    """Acts on alerts, one turn at a time. publish: puts a step on record."""

    practice: Practice
    publish: Callable[[ActionResult], None]
    results: dict[str, ActionResult] = field(default_factory=dict)
    """By key, what was last put on record."""

    def __post_init__(self) -> None:
        """Once for all that is wrong with the model: further alerts within ten minutes are skipped."""
        self._workflow = self.practice.workflow()
        self._action = on(kind="model_quality", severity="critical", rate="1/10m")(self._workflow)
        self._record = Record([self._action])
        self._due_ms: dict[str, int] = {}

    def turn(self, alerts: Iterable[Alert], now_ms: int) -> list[str]:
        """Take in what was said, and do what is due by now; gives sentences for people."""
        for alert in alerts:
            result = decide(self._record, self._action, alert, now_ms)
            if result is not None:
                self._say(result)
        return [line for key in list(self._record.open) for line in self._go_on(key, now_ms)]

    @property
    def closed(self) -> ActionResult | None:
        """The run at whose end another version answers, and is good; None: there is none yet."""
        ended = (result for result in self.results.values() if result.status is ActionStatus.SUCCEEDED)
        return next((result for result in ended if _steps(result)["retire"].status is StepStatus.DONE), None)

    def _go_on(self, key: str, now_ms: int) -> Iterator[str]:
        while key in self._record.open and self._due_ms.get(key, 0) <= now_ms:
            last = replace(self._record.open[key], status=ActionStatus.STARTED, started_at=utc(now_ms))
            found = self._call(last)
            if isinstance(found, Continue):
                self._due_ms[key] = now_ms + round(found.after_s * 1000)
                self._say(replace(last, progress=dict(found.progress)))
                yield from _news(last.progress or {}, found.progress)
            else:
                status = ActionStatus.FAILED if found is None else ActionStatus.SUCCEEDED
                self._say(replace(last, status=status, ended_at=utc(now_ms), result=found, alert=None))

    def _call(self, last: ActionResult) -> Continue | dict[str, Any] | None:
        """What a lane of the responder does, without time-outs and retries; None: it has failed."""
        assert last.alert is not None
        progress = last.progress or {}
        try:
            found = asyncio.run(self._workflow(last.alert, Call(last.idempotency_key, progress=progress)))
            return found if isinstance(found, Continue) else dict(found)
        except Refused as error:
            after = self._workflow.given_up(progress, str(error))
            return None if after is None else Continue(after)

    def _say(self, result: ActionResult) -> None:
        self.publish(result)
        self._record.apply(result)
        self.results[result.key] = result


def _steps(result: ActionResult) -> Mapping[str, StepRecord]:
    return Progress.of(result.progress or {}).steps


def loop_steps(desk: Desk) -> Iterator[tuple[str, int, str]]:
    """Of the run that closed the loop: each step, when it ended, what it returned; nothing where none did."""
    for name, step in _steps(desk.closed).items() if desk.closed else ():
        yield name, ms_of(step.at), _returned(step)


def _news(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Steps that ended; of those that were skipped the first."""
    known = Progress.of(before).steps
    is_skipping = any(step.status is StepStatus.SKIPPED for step in known.values())
    for name, step in Progress.of(after).steps.items():
        if known.get(name) != step and not is_skipping:
            yield f"{name.replace('_', ' ')}: {_returned(step) or step.status}"


def _returned(step: StepRecord) -> str:
    return step.error or ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in (step.result or {}).items() if key != "at")
