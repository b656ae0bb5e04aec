"""Versions side by side in a script: some events without a version get one, and the config says which version is current.

Drawn from a random stream of its own, so that the rest of a script is what it would be without.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from tests.property.pipeline_world import Event
from tests.simulation.kinds import Kind

if TYPE_CHECKING:
    from tests.simulation.script import Script

SHARE = 0.6
"""Of all seeds with events of both, loan's versions are compared."""


def compared(script: "Script") -> "Script":
    """The script with versions in it that are compared, or as it is."""
    random = Random(f"versions {script.seed}")
    mine = {arrival.event.version for arrival in script.arrivals if arrival.accepted and arrival.event.model == "loan"}
    if random.random() > SHARE or mine != {None, "2"}:
        return script
    share, made = random.choice((0.6, 1.0)), dict[int, Event]()
    arrivals = []
    for arrival in script.arrivals:
        event = arrival.event
        if arrival.accepted and event.model == "loan" and event.version is None:
            if id(event) not in made:
                made[id(event)] = _first(event) if random.random() < share else event
            event = made[id(event)]
        arrivals.append(replace(arrival, event=event))
    configs = tuple(_configs(script, random))
    found = {tree["models"]["loan"]["current"] for _, tree in configs}
    seen = script.seen | {Kind.COMPARED} | ({Kind.CURRENT_CHANGED} if len(found) > 1 else set())
    return replace(script, arrivals=tuple(arrivals), configs=configs, seen=frozenset(seen))


def _configs(script: "Script", random: Random) -> Iterator[tuple[int, dict[str, Any]]]:
    """The script's own; version 1 is mostly the current one, 2 has its baseline in half of the seeds."""
    is_alike = random.random() < 0.5
    current: str | None = "1" if random.random() < 0.7 else "2"
    for at_ms, plain in script.configs:
        tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(plain))
        loan = tree["models"]["loan"]
        loan["versions"] = {"1": {}, "2": {} if is_alike else loan["versions"].get("2", {})}
        yield at_ms, tree | {"models": tree["models"] | {"loan": loan | {"current": current}}}
        current = random.choice([each for each in ("1", "2", None) if each != current])


def _first(event: Event) -> Event:
    """The same event, answered by version 1."""
    body = {**event.body, "version": "1"}
    return Event(event.time_ms, orjson.dumps(body), event.model, "1", body)
