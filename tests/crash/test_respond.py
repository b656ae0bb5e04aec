"""Responders that are killed at random moments under load: no alert without its action, none run again after its record."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.waiting import FIGURES, pause, wait_until
from tests.respond.stack import RespondStack, check_record

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow]

KILLS = 20
SEED = 7
ALERTS = 150
"""Before each kill: some two seconds of work."""


@pytest.fixture
def stack(kafka_bootstrap: str, tmp_path: Path) -> Iterator[RespondStack]:
    made = RespondStack(kafka_bootstrap, tmp_path, slow_s=0.05)
    yield made
    made.close()


def test_twenty_kills_under_load(stack: RespondStack) -> None:
    """Two at a time, while they work: mostly the one that does, now and then the other, or one that is still starting."""
    chance, names = random.Random(SEED), list[str]()
    alive = [stack.respond("r0"), stack.respond("r1")]
    for kill in range(KILLS):
        seen = len(stack.effect_lines())
        names += tell(stack, f"k{kill}", ALERTS)
        wait_until(lambda before=seen: len(stack.effect_lines()) > before, "somebody to work", 60)  # type: ignore[misc]
        pause(chance.uniform(0.0, 1.5))
        worker = int(stack.effect_lines()[-1].split()[2])
        alive.sort(key=lambda process: process.process is not None and process.process.pid == worker)
        alive.pop(-1 if chance.random() < 0.8 else 0).kill()
        alive.append(stack.respond(f"r{kill + 2}"))
    names += tell(stack, "last", ALERTS)
    stack.wait_for(names, deadline_s=120)
    judge(stack, names)


def tell(stack: RespondStack, prefix: str, count: int) -> list[str]:
    names = [f"{prefix}-{number}" for number in range(count)]
    stack.tell(names)
    stack.publish([b"poison"])
    return names


def judge(stack: RespondStack, names: list[str]) -> None:
    """What was done against what is on record."""
    repeated = check_record(stack, {f"note/{name}" for name in names})
    letters = len(stack.letters())
    assert letters >= KILLS + 1
    FIGURES.info(f"{len(names)} alerts, {KILLS} kills: {repeated} effects repeated before their record, {letters} dead letters")
