"""The demonstration's world: loan applications, a model trained on them with river, and traffic that tells a story in acts."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from random import Random
from typing import Any, Final

import orjson

from stream_monitor.cli.demo_acts import ACTS, AS_TRAINED, SPAN_MS, START_MS, Act, World

TRAINING_ROWS: Final = 5_000
_REGIONS: Final = ("north", "south", "east", "west")

Features = dict[str, float | str | bool]


def applicant(random: Random, world: World) -> Features:
    """One application."""
    features: Features = {
        "income": round(random.lognormvariate(world.income_log, 0.35), 2),
        "amount": round(random.lognormvariate(9.4, 0.5), 2),
        "age": random.randint(21, 70),
        "region": random.choices(_REGIONS, world.regions)[0],
        "employed": random.random() < 0.85,
    }
    return features


def is_repaid(features: Features, random: Random) -> bool:
    """The truth: who earns much and borrows little repays, with noise."""
    ratio = float(features["amount"]) / float(features["income"])
    return random.random() < 1.0 / (1.0 + exp(6.0 * (ratio - 0.45) - 1.2 * bool(features["employed"])))


@dataclass(frozen=True, slots=True)
class Service:
    """A trained classifier that answers as an inference service does."""

    model: Any
    """A river classifier; the library has no types."""

    @classmethod
    def train(cls, rows: list[Features], random: Random) -> "Service":
        """Learn from labelled applications, one at a time."""
        from river import compose, linear_model, preprocessing  # loads scipy.stats: 2 s that the other commands need not wait for

        numbers = compose.SelectType(int, float) | preprocessing.StandardScaler()
        texts = compose.SelectType(str) | preprocessing.OneHotEncoder()
        model = (numbers + texts) | linear_model.LogisticRegression()
        for row in rows:
            model.learn_one(row, is_repaid(row, random))
        return cls(model)

    def score(self, features: Features) -> float:
        """The probability of `repaid`."""
        return round(float(self.model.predict_proba_one(features).get(True, 0.0)), 6)

    def label(self, score: float) -> str:
        """What is answered."""
        return "repaid" if score >= 0.5 else "default"

    def event(self, number: int, features: Features, time_ms: int) -> bytes:
        """The capture event of one prediction."""
        score = self.score(features)
        prediction = {"label": self.label(score), "score": score}
        event = {"event_id": f"loan-{number}", "model": "loan", "time": time_ms, "features": features, "prediction": prediction}
        return orjson.dumps(event)


@dataclass(frozen=True, slots=True)
class Traffic:
    """A seeded run: a service, what it was trained on, and a stream of `events` events in `acts`."""

    service: Service
    training: list[bytes]
    random: Random
    events: int
    acts: tuple[Act, ...] = ACTS

    @classmethod
    def seeded(cls, seed: int, events: int) -> "Traffic":
        """Train a model; all randomness comes from the seed."""
        random = Random(seed)
        rows = [applicant(random, AS_TRAINED) for _ in range(TRAINING_ROWS)]
        service = Service.train(rows, random)
        training = [service.event(number, row, START_MS - (TRAINING_ROWS - number) * 25) for number, row in enumerate(rows)]
        return cls(service, training, random, events)

    def time_ms(self, number: int) -> int:
        """Event time of the n-th event."""
        return START_MS + number * SPAN_MS // self.events

    def act_at(self, time_ms: int) -> Act:
        """The act that plays at an event time."""
        return [act for act in self.acts if act.starts_ms <= time_ms or act is self.acts[0]][-1]

    def stream(self) -> Iterator[tuple[int, bytes]]:
        """(event time, event), in order."""
        for number in range(self.events):
            time_ms = self.time_ms(number)
            yield time_ms, self.service.event(number, applicant(self.random, self.act_at(time_ms).world), time_ms)
