"""Bytes to columns: our Decoder beside the plain loop (orjson.loads to numpy), in one run.

The event is about 760 bytes of JSON: 20 floats and 5 strings as features, 1 % of them null, an output, a latency.
The plain loop has no checks at all: one bad message ends it, so it runs on good messages alone.

    python benchmarks/decode.py [--events 10000] [--seed 7] [--repeats 9]
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from benchmarks.events import FLOATS, SCHEMA, STRINGS, Message, event
from stream_monitor.capture import Decoder, StreamKey

BAD = [None, b"", b"{", b"[]", b"\xff", b'{"model":"other"}', b'{"model":"fraud","event_id":"x"}', b"[" * 1_000]


def plain(values: Sequence[bytes]) -> list[Any]:
    """What one writes first: parse, pick, stack; times are read as numpy reads them."""
    events = [orjson.loads(value) for value in values]
    columns: list[Any] = [np.array([event["features"][name] for event in events], dtype=np.float64) for name in FLOATS]
    columns += [[event["features"][name] for event in events] for name in STRINGS]
    columns.append([event["prediction"]["label"] for event in events])
    columns.append(np.array([event["prediction"]["score"] for event in events], dtype=np.float64))
    columns.append(np.array([event["time"][:-1] for event in events], dtype="datetime64[ms]"))
    columns.append([event["event_id"] for event in events])
    return columns


def best(repeats: int, tasks: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The least processor seconds of each task; they take turns, so that a slow moment of the machine hits all."""
    least = dict.fromkeys(tasks, float("inf"))
    for _ in range(repeats):
        for name, task in tasks.items():
            begin = time.process_time()
            task()
            least[name] = min(least[name], time.process_time() - begin)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    random_ = random.Random(options.seed)
    events = [event(random_, i) for i in range(options.events)]
    values = [orjson.dumps(body) for body in events]
    good = [Message(value) for value in values]
    mixed = [Message(random_.choice(BAD)) if random_.random() < 0.05 else message for message in good]
    typo = [
        Message(orjson.dumps(body | {"features": body["features"] | ({"f07": "n/a"} if i % 20 == 0 else {})}))
        for i, body in enumerate(events)
    ]
    extra = [Message(orjson.dumps(body | {"trace": {"span": "7f"}})) for body in events]
    decoder = Decoder({StreamKey("fraud", None): SCHEMA})
    two = Decoder({StreamKey("fraud", None): SCHEMA, StreamKey("loan", None): SCHEMA})
    turns = [Message(orjson.dumps(body | {"model": ("fraud", "loan")[i % 2]})) for i, body in enumerate(events)]
    seconds = best(
        options.repeats,
        {
            "plain loop, good messages": lambda: plain(values),
            "Decoder, good messages": lambda: decoder.decode(good, None),
            "Decoder, 5 % bad messages": lambda: decoder.decode(mixed, None),
            "Decoder, 5 % with a wrong type": lambda: decoder.decode(typo, None),
            "Decoder, an unknown field": lambda: decoder.decode(extra, None),
            "Decoder, two models in turns": lambda: two.decode(turns, None),
        },
    )
    print(f"{options.events} events of {sum(map(len, values)) / len(values):.0f} bytes, seed {options.seed}, best of {options.repeats}")
    base = seconds["plain loop, good messages"]
    for name, least in seconds.items():
        print(f"{name:32s} {least / options.events * 1e6:6.2f} us/event   {least / base:5.2f} of the plain loop")


if __name__ == "__main__":
    main()
