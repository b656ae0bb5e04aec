"""Step 11, the command line: one file per command. `main` turns errors into one sentence and an exit status."""

import sys
from collections.abc import Sequence

__all__ = ["main"]

MANY = ("--captures", "--labels")
"""Options of `replay` that take several files at once, as a shell's `*.jsonl` gives them."""


def main() -> None:
    """Run the command line; exits 0 done, 1 failed while running, 2 wrong usage, config or input, 130 interrupted."""
    from stream_monitor.errors import StreamMonitorError, UserError

    try:
        from stream_monitor.cli.app import app  # inside: it takes a moment, in which people press Ctrl-C too

        app(spread(sys.argv[1:]))
    except StreamMonitorError as error:
        print(f"stream-monitor: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UserError) else 1)
    except KeyboardInterrupt:
        print("stream-monitor: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def spread(arguments: Sequence[str]) -> list[str]:
    """`--captures A B` as `--captures A --captures B`: click's options take one value each."""
    spread_out: list[str] = []
    many: str | None = None
    for place, argument in enumerate(arguments):
        if argument.startswith("-"):
            many = argument if argument in MANY else None
        elif many is not None and arguments[place - 1] != many:
            spread_out.append(many)
        spread_out.append(argument)
    return spread_out
