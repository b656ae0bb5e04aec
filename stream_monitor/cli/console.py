"""Where commands print for people."""

import sys

from rich.console import Console

PIPE_COLUMNS = 140
"""Where the output is no terminal nobody knows its width; tables of ours fit into this."""


def console(*, plain: bool = False) -> Console:
    """On stdout; plain: no colours, as when it is not a terminal."""
    is_terminal = sys.stdout.isatty()
    colours = {"force_terminal": False, "no_color": True} if plain else {}
    return Console(highlight=False, soft_wrap=True, width=None if is_terminal else PIPE_COLUMNS, **colours)  # type: ignore[arg-type]  # two of its flags


def screen() -> Console | None:
    """For a view that redraws itself; None where stdout is not a terminal that can."""
    found = Console(highlight=False)
    return found if sys.stdout.isatty() and not found.is_dumb_terminal else None
