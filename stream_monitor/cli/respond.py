"""`stream-monitor respond`: actions about alerts, live on Kafka, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer

from stream_monitor.config import Config, load_config
from stream_monitor.errors import ConfigError, InputError
from stream_monitor.export.http import serve
from stream_monitor.export.logs import configure_logs
from stream_monitor.export.metrics import MetricStore
from stream_monitor.respond.action import Action
from stream_monitor.respond.load import load_actions
from stream_monitor.runtime.broker import Broker
from stream_monitor.runtime.topics import ACTIONS, ALERTS, DEAD_LETTERS, actions_topic, topic_specs

PORT = "respond.port (or --port)"
_log = structlog.get_logger(__name__)


def respond(
    config: Annotated[Path, typer.Option(help="monitor.yaml")],
    module: Annotated[str | None, typer.Argument(help="A Python module with @on functions: its name, or a .py file.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of /metrics; default: respond.port of the config.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Act on alerts: the functions of a Python module, and the ready actions of the config; a second process stands by."""
    configure_logs(log_level)
    _quieten(log_level)
    loaded = load_config(config)
    actions = load_actions(loaded, str(config), module)
    try:
        import faust  # noqa: F401 - the extra `respond`
    except ModuleNotFoundError:
        raise InputError("`respond` needs Faust: pip install 'stream-monitor[respond]'") from None
    from stream_monitor.runtime.kafka import KafkaBroker  # the client is loaded only where Kafka is used

    broker = KafkaBroker.of(loaded)
    try:
        prepare(broker, loaded)
        _run(broker, loaded, actions, loaded.respond.port if port is None else port)
    finally:
        broker.close()


def prepare(broker: Broker, config: Config) -> None:
    """The topics: alerts must be there; what we write is created or verified. Errors: UserError, Retriable, Fatal."""
    alerts = config.topics.own(ALERTS)
    if broker.partition_count(alerts) is None:
        raise ConfigError(
            f"there is no topic {alerts!r} on {config.kafka.bootstrap_servers} yet: `stream-monitor run` creates it; "
            "or topics.prefix is not that of your monitor"
        )
    ours = {alerts, config.topics.own(DEAD_LETTERS)}
    broker.ensure_topics([*(spec for spec in topic_specs(config) if spec.name in ours), actions_topic(config)])


def _run(broker: Broker, config: Config, actions: list[Action], port: int) -> None:
    from stream_monitor.respond.app import Shell
    from stream_monitor.respond.journal import Journal
    from stream_monitor.respond.letters import Letters
    from stream_monitor.respond.responder import Responder

    own, store, gone = config.topics.own, MetricStore(), threading.Event()
    journal, letters = Journal(broker, own(ACTIONS), gone), Letters(own(ALERTS), own(DEAD_LETTERS))
    responder = Responder(actions, journal, letters, store, _clock_ms, lambda error: shell.fail(error), config.respond.pending_max)
    shell = Shell(config, responder)

    async def main() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, shell.stop)
        await shell.run()

    with serve(store, config.metrics.host, port, not_ready=shell.not_ready, unhealthy=shell.unhealthy, setting=PORT) as server:
        _log.info("started", actions=[action.name for action in actions], metrics=server.url)
        try:
            asyncio.run(main())
        finally:
            gone.set()  # nobody waits for a broker that is away any more
    _log.info("stopped")


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _quieten(log_level: str) -> None:
    """Faust and its client tell of every step; `faust.app.base` warns at every rebalance of a sensor that is not there."""
    if log_level != "debug":
        for name in ("aiokafka", "faust", "mode", "stream_monitor.respond.committed"):
            logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger("faust.app.base").setLevel(logging.ERROR)
