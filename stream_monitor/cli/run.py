"""`stream-monitor run`: the pipeline, live on Kafka, until SIGTERM or Ctrl-C."""

import signal
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer

from stream_monitor.cli.load import load
from stream_monitor.config import Config
from stream_monitor.errors import InputError
from stream_monitor.export.board import Board, Crew, Site
from stream_monitor.export.http import serve
from stream_monitor.export.logs import configure_logs
from stream_monitor.export.metrics import MetricStore
from stream_monitor.runtime.broker import Broker
from stream_monitor.runtime.config_log import ConfigLog
from stream_monitor.runtime.process import Process, Role, Worker
from stream_monitor.runtime.roster import Roster

ROLES = ("profile", "detect")
PORT = "metrics.port (or --port)"
_log = structlog.get_logger(__name__)


def run(
    config: Annotated[Path, typer.Option(help="monitor.yaml")],
    roles: Annotated[str, typer.Option(help="Which parts of the pipeline this process takes: profile, detect.")] = ",".join(ROLES),
    port: Annotated[int | None, typer.Option(help="Port of /metrics; default: metrics.port of the config.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Watch live traffic on Kafka; any number of processes share the work."""
    configure_logs(log_level)
    chosen = _roles(roles)
    loaded = load(config)
    from stream_monitor.runtime.kafka import KafkaBroker  # the client is loaded only where Kafka is used

    _compile_kernels()
    broker = KafkaBroker.of(loaded.config)
    try:
        _prepare(broker, loaded.config, loaded.baselines)
        store, board = MetricStore(), Board(loaded.config, _clock_ms)
        process = Process([_role(name, broker, loaded.config, store, board) for name in chosen])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        address = (loaded.config.metrics.host, loaded.config.metrics.port if port is None else port)
        crew = Crew(Roster(broker, loaded.config.topics.prefix, _clock_ms), loaded.config.instance)
        site = Site(board, address[0], loaded.config.metrics.token, crew)
        with serve(store, *address, not_ready=process.not_ready, unhealthy=process.unhealthy, site=site, setting=PORT) as server:
            _log.info("started", roles=chosen, instance=loaded.config.instance, metrics=server.url)
            process.run()
        _log.info("stopped")
    finally:
        broker.close()


def _roles(text: str) -> list[str]:
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    chosen = ["detect" if name == "join" else name for name in chosen]  # labels are joined where windows are judged
    unknown = [name for name in chosen if name not in ROLES]
    if unknown or not chosen:
        raise InputError(f"--roles {text}: choose from {', '.join(ROLES)}, separated by commas")
    return list(dict.fromkeys(chosen))


def _prepare(broker: Broker, config: Config, baselines: dict[str, bytes]) -> None:
    """Topics, then the config into the log."""
    from stream_monitor.runtime.topics import prepare_topics

    prepare_topics(broker, config)
    ConfigLog.of(broker, config).apply(config, baselines)


def _role(name: str, broker: Broker, config: Config, store: MetricStore, board: Board) -> Role:
    from stream_monitor.runtime.detect_worker import DetectWorker
    from stream_monitor.runtime.profile_worker import ProfileWorker

    def make() -> Worker:
        config_log = ConfigLog.of(broker, config)
        config_log.refresh()
        in_force = config_log.in_force(config)
        board.told(in_force)
        parts = broker, in_force, config_log, _clock_ms, store
        return ProfileWorker(*parts) if name == "profile" else DetectWorker(*parts, board)

    return Role(name, make, config.instance)


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _compile_kernels() -> None:
    """Before the group is joined: compiling takes seconds, in which a member would not poll."""
    from stream_monitor.profile.kernels import compile_kernels

    compile_kernels()
