"""The past of the example service as captures with labels, eight days of applications one every 15 seconds, of which the baseline is made.

`python training.py > training.jsonl`, then
`stream-monitor baseline training.jsonl --config ../docker/monitor.yaml --model loan --window 1h --out ../docker/loan.baseline.json`
"""

import sys
from collections.abc import Iterator
from random import Random

import orjson

from stream_monitor.cli.demo_acts import AS_TRAINED, START_MS
from stream_monitor.cli.demo_traffic import Traffic, apply, label_of

EVERY_MS = 15_000
ROWS = 8 * 86_400_000 // EVERY_MS


def training() -> Iterator[bytes]:
    """One line for each; the model was not fitted to them."""
    service, random = Traffic.seeded(seed=7, events=1).live.service, Random(2)
    for number in range(ROWS):
        loan = apply(random, AS_TRAINED)
        event = service.event(number, loan, START_MS - (ROWS - number) * EVERY_MS)
        yield orjson.dumps({**event, "label": label_of(loan.repaid)}) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.writelines(training())
