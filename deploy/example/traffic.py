"""Applicants for the example service: so many a second, and who repaid a little later.

From some moment on other people apply; and after as long again the first ones do, but fewer of them repay.

`python traffic.py [--url http://localhost:8000] [--rate 40] [--shift-after 300] [--seconds N]`
"""

import argparse
import json
import time
from collections import deque
from http.client import HTTPConnection
from random import Random
from typing import Any
from urllib.parse import urlsplit

from stream_monitor.cli.demo_acts import AS_TRAINED, DEARER, SHIFTED, World
from stream_monitor.cli.demo_traffic import apply, label_of

LABEL_AFTER_S = 60.0
WORLDS = (AS_TRAINED, SHIFTED, DEARER)
"""One after the other; the last stays."""


class Applicants:
    """People who apply, and who pay back or do not."""

    def __init__(self, url: str, seed: int = 1) -> None:
        place = urlsplit(url)
        self._connection = HTTPConnection(place.hostname or "localhost", place.port or 80, timeout=10)
        self._random = Random(seed)
        self._due: deque[tuple[float, str, str]] = deque()

    def apply(self, world: World, now_s: float) -> dict[str, Any]:
        """One application; its truth follows in a minute."""
        loan = apply(self._random, world)
        answer: dict[str, Any] = self._post("/predict", {**loan.features, "gender": loan.gender})
        self._due.append((now_s + LABEL_AFTER_S, answer["id"], label_of(loan.repaid)))
        return answer

    def tell(self, now_s: float) -> int:
        """The truths that are known by now; how many."""
        count = 0
        while self._due and self._due[0][0] <= now_s:
            _, event_id, truth = self._due.popleft()
            self._post("/label", {"id": event_id, "label": truth})
            count += 1
        return count

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _post(self, path: str, body: Any) -> Any:
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{path} answered {answer.status}: {content.decode(errors='replace')}")
        return json.loads(content) if content else None


def main() -> None:
    """Until it is stopped, or for `--seconds`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--rate", type=float, default=40.0, help="applications a second")
    parser.add_argument("--shift-after", type=float, default=300.0, help="seconds until other people apply, and until fewer repay")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    applicants, started = Applicants(args.url), time.monotonic()
    sent = 0
    while (now_s := time.monotonic()) - started < args.seconds:
        applicants.apply(WORLDS[min(int((now_s - started) / args.shift_after), len(WORLDS) - 1)], now_s)
        applicants.tell(now_s)
        sent += 1
        time.sleep(max(0.0, started + sent / args.rate - time.monotonic()))


if __name__ == "__main__":
    main()
