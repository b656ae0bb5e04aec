"""The demonstration's world: loan applications, a model trained on them with river, and traffic that tells a story in acts.

Nobody knows at once who repays: labels come when their loans are some minutes old, some wrong at first, and some never.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from math import exp
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from stream_monitor.cli.demo_acts import ACTS, AS_TRAINED, END_MS, SPAN_MS, START_MS, Act, World
from stream_monitor.client.event import Prediction

TRAINING_ROWS: Final = 5_000
"""And as many again that the model did not see, for its baseline."""
LEARNING_RATE: Final = 0.1
LABEL_AFTER_MS: Final = (150_000, 270_000)
"""A window of two minutes closes before a label of its events came."""
NEVER_LABELLED: Final = 0.1
WRONG_AT_FIRST: Final = 0.005
CORRECTED_AFTER_MS: Final = 60_000
CAPTURES: Final = "captures"
LABELS: Final = "labels"
_REGIONS: Final = ("north", "south", "east", "west")
_GENDERS: Final = ("female", "male")

Features = dict[str, float | str | bool]


class Loan(NamedTuple):
    """One application. gender: known to the service, and no feature of its model; repaid: what nobody knows yet."""

    features: Features
    gender: str
    repaid: bool


class Sent(NamedTuple):
    """One message. time_ms: event time at which it is published."""

    time_ms: int
    topic: str
    value: bytes


def apply(random: Random, world: World) -> Loan:
    """Somebody applies."""
    features: Features = {
        "income": round(random.lognormvariate(world.income_log, 0.35), 2),
        "amount": round(random.lognormvariate(9.4, 0.5), 2),
        "age": random.randint(21, 70),
        "region": random.choices(_REGIONS, world.regions)[0],
        "employed": random.random() < 0.85,
    }
    return Loan(features, random.choice(_GENDERS), random.random() < _chance(features, world))


def _chance(features: Features, world: World) -> float:
    """Of repaying: who earns much and borrows little does, with noise."""
    odds = float(features["income"]) / 4_000 - float(features["amount"]) / 6_000 + 1.5 * bool(features["employed"]) - 4.0 - world.hardship
    return 1.0 / (1.0 + exp(-odds))


def label_of(repaid: bool) -> str:
    """The class, as in predictions and labels."""
    return "repaid" if repaid else "default"


@dataclass(frozen=True, slots=True)
class Service:
    """A trained classifier that answers as an inference service does."""

    model: Any
    """A river classifier; the library has no types."""

    @classmethod
    def train(cls, loans: list[Loan]) -> "Service":
        """Learn from labelled applications, one at a time."""
        from river import compose, linear_model, optim, preprocessing  # loads scipy.stats: 2 s that the other commands need not wait for

        numbers = compose.SelectType(int, float) | preprocessing.StandardScaler()
        texts = compose.SelectType(str) | preprocessing.OneHotEncoder()
        model = (numbers + texts) | linear_model.LogisticRegression(optim.SGD(LEARNING_RATE), intercept_lr=LEARNING_RATE)
        for loan in loans:
            model.learn_one(loan.features, loan.repaid)
        return cls(model)

    def predict(self, features: Features, gender: str, malus: float = 0.0) -> Prediction:
        """The answer. malus: what is taken off the log-odds of women."""
        score = float(self.model.predict_proba_one(features).get(True, 0.0))
        if malus and gender == "female":
            score = 1.0 / (1.0 + exp(malus) * (1.0 / max(score, 1e-9) - 1.0))
        return {"label": label_of(score >= 0.5), "score": round(score, 6)}

    def event(self, number: int, loan: Loan, time_ms: int, malus: float = 0.0, version: str | None = None) -> dict[str, Any]:
        """The capture event of one prediction."""
        return {
            "event_id": f"loan-{number}",
            "model": "loan",
            **({} if version is None else {"version": version}),
            "time": time_ms,
            "features": loan.features,
            "prediction": self.predict(loan.features, loan.gender, malus),
            "metadata": {"gender": loan.gender},
            "latency_ms": round(Random(number).lognormvariate(3.0, 0.3), 1),  # of its own, so that no other figure hangs on it
            "status": "ok",
        }


@dataclass(slots=True)
class Live:
    """What answers now. version: None where the service says none."""

    service: Service
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """A seeded run: a service, and a stream of `events` events in `acts` with their labels. training: labelled events for the baseline."""

    live: Live
    training: list[bytes]
    random: Random
    events: int
    acts: tuple[Act, ...]

    @classmethod
    def seeded(cls, seed: int, events: int, acts: tuple[Act, ...] = ACTS) -> "Traffic":
        """Train a model; all randomness comes from the seed."""
        random = Random(seed)
        service = Service.train([apply(random, AS_TRAINED) for _ in range(TRAINING_ROWS)])
        held_out = [apply(random, AS_TRAINED) for _ in range(TRAINING_ROWS)]
        training = [
            orjson.dumps({**service.event(number, loan, START_MS - (TRAINING_ROWS - number) * 25), "label": label_of(loan.repaid)})
            for number, loan in enumerate(held_out)
        ]
        return cls(Live(service), training, random, events, acts)

    def time_ms(self, number: int) -> int:
        """Event time of the n-th event."""
        return START_MS + number * SPAN_MS // self.events

    def act_at(self, time_ms: int) -> Act:
        """The act that plays at an event time."""
        return [act for act in self.acts if act.starts_ms <= time_ms or act is self.acts[0]][-1]

    def stream(self) -> Iterator[Sent]:
        """Events and labels in the order of time, until `END_MS`."""
        due: list[Sent] = []
        for number in range(self.events):
            time_ms = self.time_ms(number)
            while due and due[0].time_ms <= time_ms:
                yield heappop(due)
            world = self.act_at(time_ms).world
            loan = apply(self.random, world)
            event = self.live.service.event(number, loan, time_ms, world.malus, self.live.version)
            yield Sent(time_ms, CAPTURES, orjson.dumps(event))
            for label in self._labels(number, loan, time_ms):
                heappush(due, label)
        yield from (label for label in sorted(due) if label.time_ms < END_MS)

    def _labels(self, number: int, loan: Loan, time_ms: int) -> Iterator[Sent]:
        """What will be said of it, and when."""
        if self.random.random() < NEVER_LABELLED:
            return
        told_ms = time_ms + self.random.randint(*LABEL_AFTER_MS)
        is_wrong = self.random.random() < WRONG_AT_FIRST
        yield _label(number, loan.repaid != is_wrong, told_ms)
        if is_wrong:
            yield _label(number, loan.repaid, told_ms + CORRECTED_AFTER_MS)


def _label(number: int, repaid: bool, time_ms: int) -> Sent:
    body = {"event_id": f"loan-{number}", "model": "loan", "time": time_ms, "label": label_of(repaid)}
    return Sent(time_ms, LABELS, orjson.dumps(body))
