"""Lists for people."""

from io import StringIO

from rich.console import Console

from stream_monitor.cli.console import entry, second


def shown(width: int, *, terminal: bool) -> str:
    out = Console(file=StringIO(), width=width, force_terminal=terminal, no_color=True, highlight=False)
    entry(out, "[green]succeeded[/]", "tell/a", "[1, 2) rose from 5 % to 36 % of all that there were")
    assert isinstance(out.file, StringIO)
    return out.file.getvalue()


def test_a_terminal_wraps_an_entry_under_its_heading() -> None:
    lines = [line.rstrip() for line in shown(30, terminal=True).replace("\x1b[0m", "").splitlines()]
    assert lines == ["succeeded", "  tell/a", "  [1, 2) rose from 5 % to 36 %", "  of all that there were"]


def test_elsewhere_a_text_is_one_line() -> None:
    assert shown(30, terminal=False) == "succeeded\n  tell/a\n  [1, 2) rose from 5 % to 36 % of all that there were\n"


def test_a_moment_is_told_to_the_second() -> None:
    assert second("2026-11-26T12:39:59.243Z") == "2026-11-26 12:39:59 UTC"
