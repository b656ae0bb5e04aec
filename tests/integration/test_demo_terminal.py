"""`stream-monitor demo` in a real terminal: the view comes, the screen is given back, the pages stay until somebody presses Enter."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.request import urlopen

import pytest

ENTER_SCREEN, LEAVE_SCREEN, SHOW_CURSOR, HOME = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h", "\x1b[H"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
ROWS, COLUMNS = 24, 80
DEADLINE_S = 60.0
PROGRAM = "import fcntl, termios; fcntl.ioctl(2, termios.TIOCSCTTY, 0); from stream_monitor.cli import main; main()"
"""In a session of its own, whose Ctrl-C comes from the terminal on stderr."""
SHORT = ("--events", "400")
"""On the screen for half a second."""


class Terminal:
    """A terminal of 24 lines and the demonstration that runs in it; a context manager. stdin: None is the terminal itself."""

    def __init__(self, *arguments: str, stdin: int | None = None, **variables: str) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.as_it_was = self.settings()
        kept = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "demo", "--port", "0", *arguments],
            env={**kept, "TERM": "xterm-256color", **variables},
            stdin=self._slave if stdin is None else stdin,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )
        self._said = b""

    @property
    def said(self) -> str:
        """All that it wrote so far."""
        return self._said.decode(errors="replace")

    def settings(self) -> list[object]:
        """Whether keys are echoed, and the like."""
        return list(termios.tcgetattr(self._slave))

    def until(self, text: str) -> str:
        """All that it wrote, as soon as this is part of it."""
        self._wait(lambda: text in self.said)
        return self.said

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> int:
        """Its exit status."""
        self._wait(lambda: self._process.poll() is not None)
        self._read(0.0)
        return int(self._process.returncode)

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, self.said
            self._read(0.05)

    def _read(self, seconds: float) -> None:
        while select.select([self._master], [], [], seconds)[0]:
            self._said += os.read(self._master, 65_536)
            seconds = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._slave)


def address(said: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+/", said)
    assert found, said
    return found.group()


@pytest.mark.parametrize(("end", "status"), [("Ctrl-C", 130), ("SIGTERM", 143)])
def test_the_view_comes_and_the_screen_is_given_back(end: str, status: int) -> None:
    with Terminal() as terminal:
        said = terminal.until("No alert is firing.")
        shown = said.partition(ENTER_SCREEN)[2]
        assert "Act 1 of 5" in shown
        assert "income" in shown
        assert COLOUR.search(shown)
        assert max(part.count("\n") for part in shown.split(HOME)) < ROWS
        assert "\x1b[2J" not in shown, "lines are written over, the screen is never empty"
        with urlopen(address(said), timeout=10) as page:
            assert page.status == 200
        if end == "Ctrl-C":
            terminal.press(b"\x03")
        else:
            terminal.send(signal.SIGTERM)
        assert terminal.ended() == status
        left = terminal.said.rpartition(ENTER_SCREEN)[2]
        assert LEAVE_SCREEN in left
        assert SHOW_CURSOR in left
        assert terminal.settings() == terminal.as_it_was


def test_the_pages_stay_until_enter_is_pressed() -> None:
    with Terminal(*SHORT) as terminal:
        said = terminal.until("until you press Enter")
        after = said.partition(LEAVE_SCREEN)[2]
        assert "the applicants change" in after, "the lines remain, beside the closing table"
        assert "What the monitor found" in after
        with urlopen(address(said) + "models/loan", timeout=10) as page:
            assert b"income" in page.read()
        terminal.press(b"\n")
        assert terminal.ended() == 0


def test_ctrl_c_ends_the_stay_as_well_as_enter() -> None:
    with Terminal(*SHORT) as terminal:
        terminal.until("until you press Enter")
        terminal.press(b"\x03")
        assert terminal.ended() == 0


def test_without_a_person_it_ends_by_itself() -> None:
    with Terminal(*SHORT, stdin=subprocess.DEVNULL) as terminal:
        assert terminal.ended() == 0
        assert ENTER_SCREEN in terminal.said


def test_a_ci_server_and_no_color_are_heard() -> None:
    with Terminal(*SHORT, CI="true", NO_COLOR="1") as terminal:
        assert terminal.ended() == 0
        assert ENTER_SCREEN in terminal.said
        assert not COLOUR.search(terminal.said)


@pytest.mark.parametrize(("argument", "kind"), [("--headless", "xterm-256color"), ("--seed=7", "dumb")])
def test_plain_lines_where_a_view_is_not_wanted_or_cannot_be(argument: str, kind: str) -> None:
    with Terminal(*SHORT, argument, TERM=kind) as terminal:
        assert terminal.ended() == 0
        assert ENTER_SCREEN not in terminal.said
        assert "What the monitor found" in terminal.said
