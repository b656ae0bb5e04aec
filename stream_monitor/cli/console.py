"""Where commands print for people."""

import sys

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

PIPE_COLUMNS = 140
"""Where the output is no terminal nobody knows its width; tables of ours fit into this."""


def console(*, plain: bool = False) -> Console:
    """On stdout; plain: no colours, as when it is not a terminal."""
    is_terminal = sys.stdout.isatty()
    colours = {"force_terminal": False, "no_color": True} if plain else {}
    return Console(highlight=False, soft_wrap=True, width=None if is_terminal else PIPE_COLUMNS, **colours)  # type: ignore[arg-type]  # two of its flags


def entry(out: Console, heading: str, *lines: str) -> None:
    """A thing of a list that reads well at any width: a heading with markup, and indented lines as they are; only a terminal wraps them."""
    out.print(heading)
    for line in lines:
        out.print(Padding(Text(line), (0, 0, 0, 2), expand=False) if out.is_terminal else Text(f"  {line}"), soft_wrap=not out.is_terminal)


def second(moment: str) -> str:
    """A moment of ours, RFC 3339 in UTC, for people."""
    return f"{moment[:10]} {moment[11:19]} UTC"


def screen() -> Console | None:
    """For a view that redraws itself; None where stdout is not a terminal that can."""
    found = Console(highlight=False)
    return found if sys.stdout.isatty() and not found.is_dumb_terminal else None
