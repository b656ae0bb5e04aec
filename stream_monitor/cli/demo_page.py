"""The demonstration's pages: on the usual port or, where that is taken, on another; and how long they stay."""

import errno
import os
import select
import sys
import termios
from typing import Final

from rich.console import Console

from stream_monitor.errors import InputError
from stream_monitor.export.board import Board, Site
from stream_monitor.export.http import MetricsServer
from stream_monitor.export.metrics import MetricStore

STAY_S: Final = 900.0
"""Nobody who forgot it finds it running tomorrow."""


def open_pages(said: Console, store: MetricStore, board: Board, port: int) -> MetricsServer:
    """On this port or, where another program has it, on any free one; tells the address. Errors: InputError."""
    try:
        server = MetricsServer(store.registry(), port=port, site=Site(board), setting="--port")
    except InputError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno != errno.EADDRINUSE:
            raise
        said.print(f"Port {port} is taken by another program; another one is used")
        server = MetricsServer(store.registry(), port=0, site=Site(board), setting="--port")
    said.print(f"Pages at {address(server)} while it runs, metrics at /metrics")
    return server


def address(server: MetricsServer) -> str:
    """Where a browser finds the pages."""
    return f"http://127.0.0.1:{server.port}/"


def somebody_watches() -> bool:
    """Whether there is a person to press Enter; a CI server may give a terminal too, but says that it is one."""
    return sys.stdin.isatty() and not os.environ.get("CI")


def stay(said: Console, server: MetricsServer) -> None:
    """Until Enter, Ctrl-C, the end of stdin, or `STAY_S`."""
    termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed before it was asked for
    try:
        said.print(f"\nThe pages stay at {address(server)} until you press Enter, for {STAY_S / 60:.0f} minutes at most")
        if select.select([sys.stdin], [], [], STAY_S)[0]:
            sys.stdin.readline()
    except KeyboardInterrupt:
        said.print()
