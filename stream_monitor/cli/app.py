"""All commands, put together."""

from stream_monitor.cli.commands import app_of

app = app_of()
