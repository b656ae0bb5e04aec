"""A command that goes on, in a terminal of its own: it prints what people see, and Ctrl-C ends it."""

import os
import pty
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Final

CODES: Final = re.compile(r"\x1b\[[0-9;]*m")
END_S: Final = 30.0


class Terminal:
    """Starts at once. command: for bash, one program with variables before it."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._screen, end = pty.openpty()
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec env {command}"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)
        self._shown = bytearray()
        self._thread = Thread(target=self._follow, daemon=True)
        self._thread.start()

    def shown(self) -> str:
        """All that stood on it so far, without its colours."""
        return CODES.sub("", self._shown.decode(errors="replace"))

    def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(END_S)
        finally:
            self._process.kill()
            self._process.wait(END_S)
            self._thread.join(END_S)
            os.close(self._screen)

    def _follow(self) -> None:
        try:
            while more := os.read(self._screen, 65_536):
                self._shown += more
        except OSError:  # how a terminal says that its other end is gone
            return
