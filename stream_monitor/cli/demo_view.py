"""The demonstration's live view: a screen of its own that is given back at the end, and traffic slow enough to be watched."""

import signal
import sys
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from stream_monitor.cli.demo_acts import SPAN_MS, START_MS
from stream_monitor.cli.demo_frame import Around, frame
from stream_monitor.cli.demo_stage import Stage, Turn

SHOW_S: Final = 70.0
"""How long the traffic lasts on the screen, at most; fewer events than by default take less, in proportion."""
SHOW_EVENTS: Final = 48_000


class View:
    """A context manager, entered on the main thread; `show` draws a turn and waits until the next is due. address: of the pages."""

    def __init__(self, console: Console, stage: Stage, address: str) -> None:
        self._console, self._stage, self._address = console, stage, address
        self._live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._show_s = SHOW_S * min(stage.traffic.events / SHOW_EVENTS, 1.0)

    def show(self, turn: Turn) -> None:
        """One frame; longer than the workers need it takes only as long as is left of the turn's share of `SHOW_S`."""
        elapsed_s = max(time.monotonic() - self._started, 1e-3)
        self._live.update(frame(self._stage, Around(turn, turn.sent / elapsed_s, self._address), self._console), refresh=True)
        due_s = self._show_s * (turn.now_ms - START_MS) / SPAN_MS
        time.sleep(max(self._started + due_s - time.monotonic(), 0.0))

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._sigterm = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # else the screen would stay as it is
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.stop()
        signal.signal(signal.SIGTERM, self._sigterm)
