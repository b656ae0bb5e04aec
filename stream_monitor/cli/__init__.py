"""Step 11, the command line: one file per command. `main` turns errors into one sentence and an exit status."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; exits 0 done, 1 failed while running, 2 wrong usage, config or input, 130 interrupted."""
    from stream_monitor.cli.app import app
    from stream_monitor.errors import StreamMonitorError, UserError

    try:
        app()
    except StreamMonitorError as error:
        print(f"stream-monitor: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UserError) else 1)
    except KeyboardInterrupt:
        print("stream-monitor: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
