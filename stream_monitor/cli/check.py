"""`stream-monitor check`: lints config and baselines; with `--connect` also topics and rights. Joins no group."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.markup import escape

from stream_monitor.cli.check_baselines import baseline_warnings
from stream_monitor.cli.check_rules import action_warnings, rule_warnings
from stream_monitor.cli.console import console
from stream_monitor.cli.load import Loaded, load
from stream_monitor.errors import ConfigError
from stream_monitor.export.logs import configure_logs
from stream_monitor.pipeline.plan import StreamPlan
from stream_monitor.respond.load import require_sound


def check(
    config: Annotated[Path, typer.Option(help="monitor.yaml")],
    connect: Annotated[bool, typer.Option("--connect", help="Also ask the cluster: topics, partitions, rights.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Say whether a config will run, and what deserves a second look."""
    configure_logs("critical")  # the client's own chatter; what matters is in the report or the error
    loaded = load(config)
    require_sound(loaded.config, str(config))
    report: dict[str, Any] = {"config_id": loaded.plan.config_id, "revision": loaded.plan.revision, "models": {}, "warnings": []}
    for key, stream in loaded.plan.streams.items():
        name = key.model if key.version is None else f"{key.model}@{key.version}"
        report["models"][name] = _describe(stream)
    report["warnings"] = [
        *baseline_warnings(loaded),
        *_of_labels(loaded),
        *rule_warnings(loaded.config, datetime.now(UTC)),
        *action_warnings(loaded),
    ]
    if connect:
        report["cluster"] = _connect(loaded)
        report["warnings"] += _not_there(loaded, report["cluster"]["topics"])
    _print(report, config, json)


def _of_labels(loaded: Loaded) -> list[str]:
    """Models whose events are held for labels that cannot come."""
    remedy = "name a label topic, or make window.label_lateness as short as window.lateness, for events are held as long"
    return [
        f"models.{name}.task: topics.labels is empty, so labels come with their events only; {remedy}"
        for name, model in loaded.config.models.items()
        if model.task is not None and not loaded.config.topics.labels and model.window.label_lateness > model.window.lateness
    ]


def _describe(stream: StreamPlan) -> dict[str, Any]:
    judged = stream.judge.judged
    return {
        "baseline_id": stream.baseline.id,
        "baseline_rows": stream.baseline.rows,
        "judged": len(judged),
        "alpha": float(f"{stream.judge.alpha:.3g}"),
    }


def _not_there(loaded: Loaded, topics: dict[str, str]) -> list[str]:
    """Capture topics without which `run` will not start."""
    absent = [topic for topic in loaded.config.topics.captures if topics[topic].startswith("absent")]
    return [f"topics.captures: there is no topic {topic!r} yet; create it before `run`" for topic in absent]


def _connect(loaded: Loaded) -> dict[str, Any]:
    from stream_monitor.runtime.kafka import KafkaBroker
    from stream_monitor.runtime.topics import inspect_topics, wanted_rights

    broker = KafkaBroker.of(loaded.config)
    try:
        topics = inspect_topics(broker, loaded.config)
        existing = {topic for topic, state in topics.items() if not state.startswith("absent")}
        prefix = loaded.config.topics.prefix
        missing = broker.missing_rights(wanted_rights(loaded.config, existing), {f"{prefix}.profile", f"{prefix}.detect"})
        if missing:
            raise ConfigError(f"this user lacks rights on the cluster: {'; '.join(missing)}")
        return {"topics": topics}
    finally:
        broker.close()


def _print(report: dict[str, Any], config: Path, json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2).decode())
        return
    out = console()
    for name, model in report["models"].items():
        out.print(
            f"{name}: baseline {model['baseline_id']} of {model['baseline_rows']:,} rows, "
            f"{model['judged']} columns judged, one test at alpha {model['alpha']:g}"
        )
    for topic, state in report.get("cluster", {}).get("topics", {}).items():
        out.print(f"topic {topic}: {state}")
    for warning in report["warnings"]:
        out.print(f"[yellow]warning[/yellow]: {escape(warning)}")
    out.print(f"{config} is good: config {report['config_id']} revision {report['revision']}")
