"""What a capture costs the service: a call of `CaptureClient.capture` beside the encoding of its event alone.

`python benchmarks/client.py`; no broker is needed: librdkafka's queue takes the events, and its answer to a full one is timed too.
"""

import time
from collections.abc import Callable

from stream_monitor.client import CaptureClient, Value
from stream_monitor.client.event import encode

NOBODY = "127.0.0.1:1"
EVENTS = 50_000
NUMBERS: dict[str, Value] = {f"x{number:02}": number * 1.37 for number in range(22)}
FEATURES: dict[str, Value] = {**NUMBERS, "region": "north", "channel": "web", "employed": True}


def seconds(action: Callable[[int], object]) -> float:
    """Per event, best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for number in range(EVENTS):
            action(number)
        best = min(best, time.perf_counter() - began)
    return best / EVENTS


def main() -> None:
    body = {"event_id": "0" * 32, "model": "loan", "time": 1_767_261_600_000, "features": FEATURES, "prediction": {"score": 0.4}}
    alone = seconds(lambda _: encode(body))
    room = CaptureClient(NOBODY, "loan", queue_events_max=4 * EVENTS, queue_bytes_max=1 << 30)
    call = seconds(lambda _: room.capture(FEATURES, {"score": 0.4}))
    full = CaptureClient(NOBODY, "loan", queue_events_max=1)
    dropped = seconds(lambda _: full.capture(FEATURES, {"score": 0.4}))
    for client in (room, full):
        client.close(0)
    print("25 features, us per event: encode alone, capture, capture with a full queue")
    print(f"{alone * 1e6:.1f}  {call * 1e6:.1f}  {dropped * 1e6:.1f}")
    print(f"capture / encode: {call / alone:.1f}; a full queue / capture: {dropped / call:.2f}")


if __name__ == "__main__":
    main()
