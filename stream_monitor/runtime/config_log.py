"""Config and baselines in the log, so that members never disagree on what they run.

`prefix.config` is compacted: `config/REVISION/ID` -> the shared config, `baseline/ID` -> a baseline file. Of two configs with one
revision the first in the log stands. What a record on another topic refers to was always written here before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.store import load_baseline
from stream_monitor.config import Config, config_id, parse_shared
from stream_monitor.errors import ConfigError, Fatal
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.runtime.broker import Broker, Record, TopicPartition
from stream_monitor.runtime.topics import CONFIG

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ConfigLog:
    """One thread's view of `prefix.config`."""

    broker: Broker
    topic: str
    next_offset: int = 0
    configs: dict[int, bytes] = field(default_factory=dict)
    """Revision -> shared config."""
    baselines: dict[str, bytes] = field(default_factory=dict)
    plans: dict[int, Plan] = field(default_factory=dict)

    @classmethod
    def of(cls, broker: Broker, config: Config) -> "ConfigLog":
        """The log of this config's prefix, not read yet."""
        return cls(broker, config.topics.own(CONFIG))

    def refresh(self) -> None:
        """Read what was added. Errors: Retriable, Fatal."""
        for message in self.broker.read(TopicPartition(self.topic, 0), self.next_offset):
            self.next_offset = message.offset() + 1
            kind, _, name = (message.key() or b"").decode(errors="replace").partition("/")
            revision = name.partition("/")[0]
            value = message.value()
            if value is None:
                continue
            if kind == "config" and revision.isdecimal():
                self.configs.setdefault(int(revision), value)
            elif kind == "baseline":
                self.baselines[name] = value

    @property
    def revision(self) -> int:
        """The highest revision that is known, 0 where there is none."""
        return max(self.configs, default=0)

    def plan(self, revision: int) -> Plan:
        """The plan of a revision, compiled once. Errors: Fatal where the log does not hold it."""
        if revision not in self.plans:
            if revision not in self.configs:
                self.refresh()
            if revision not in self.configs:
                raise Fatal(f"{self.topic} holds no config of revision {revision}, which other records refer to; was the topic emptied?")
            self.plans[revision] = self._compile(self.configs[revision])
        return self.plans[revision]

    def current(self) -> Plan:
        """The plan of the highest revision."""
        return self.plan(self.revision)

    def first(self) -> Plan:
        """The plan of the lowest revision: where a state without a snapshot begins."""
        return self.plan(min(self.configs))

    def in_force(self, config: Config) -> Config:
        """A file's config with all that is shared as the log has it: `kafka`, `instance` and `metrics` alone are this process's own."""
        shared = self.current().config
        return shared.model_copy(update={"kafka": config.kafka, "instance": config.instance, "metrics": config.metrics})

    def apply(self, config: Config, baselines: Mapping[str, bytes]) -> None:
        """Put a config and its baselines (path -> file) into the log if it is newer; an older one yields to the log with a warning.

        Errors: ConfigError where the log holds another config of the same revision.
        """
        ids = {path: load_baseline(content, path).id for path, content in baselines.items()}
        shared = config.shared(ids)
        self.refresh()
        if config.revision < self.revision:
            _log.warning(
                "config_is_older",
                file_revision=config.revision,
                running_revision=self.revision,
                remedy="the log's config is run; raise `revision` to replace it",
            )
            return
        if config.revision > self.revision:
            named = [Record(self.topic, content, f"baseline/{ids[path]}".encode(), 0) for path, content in baselines.items()]
            key = f"config/{config.revision}/{config_id(shared)}".encode()
            self.broker.publish([*named, Record(self.topic, shared, key, 0)])
            self.refresh()
        running = config_id(self.configs[config.revision])
        if running != config_id(shared):
            raise ConfigError(
                f"revision {config.revision} is already in use for another config ({running}) on {self.topic}, "
                f"this file is {config_id(shared)}; raise `revision` to {config.revision + 1} to replace it"
            )

    def _compile(self, shared: bytes) -> Plan:
        config = parse_shared(shared, self.topic)
        loaded: dict[str, Baseline] = {name: load_baseline(self.baselines[name], name) for name in config.baseline_paths()}
        return compile_plan(config, shared, loaded)
