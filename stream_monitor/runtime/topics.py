"""Our own topics: names, partitions, cleanup and limits, created or verified at start."""

from collections.abc import Set
from typing import Final

from stream_monitor.config import Config
from stream_monitor.errors import ConfigError
from stream_monitor.runtime.broker import Broker, TopicSpec

PROFILES: Final = "profiles"
WINDOWS: Final = "windows"
ALERTS: Final = "alerts"
STATE: Final = "state"
CONFIG: Final = "config"
DEAD_LETTERS: Final = "dead-letters"
ACTIONS: Final = "actions"

DEAD_LETTER_BYTES_MAX: Final = 32 * 1024 * 1024
"""A dead letter carries its message whole up to here: twice the largest message that a Kafka with raised limits usually takes."""
_RETENTION_MS: Final = str(24 * 3_600_000)
"""Profiles are needed from the last snapshot on; a day leaves room for a weekend-night outage to be noticed and repaired."""

_COMPACT_OFTEN: Final = {"segment.bytes": str(50 * 1024 * 1024), "segment.ms": "600000", "min.cleanable.dirty.ratio": "0.1"}
"""The open segment is never compacted, and a restore reads all of it: with Kafka's default of 1 GB that would be a week of snapshots."""


def topic_specs(config: Config) -> list[TopicSpec]:
    """Every topic that the pipeline writes."""
    own, partitions = config.topics.own, config.engine.profiles_partitions
    large = {"max.message.bytes": str(DEAD_LETTER_BYTES_MAX + 65_536)}
    return [
        TopicSpec(own(PROFILES), partitions, {"cleanup.policy": "delete", "retention.ms": _RETENTION_MS, "max.message.bytes": "8454144"}),
        TopicSpec(own(STATE), partitions, {"cleanup.policy": "compact", **_COMPACT_OFTEN}),
        TopicSpec(own(CONFIG), 1, {"cleanup.policy": "compact", **large}),
        TopicSpec(own(WINDOWS), 1, {"cleanup.policy": "delete"}),
        TopicSpec(own(ALERTS), 1, {"cleanup.policy": "delete"}),
        TopicSpec(own(DEAD_LETTERS), 1, {"cleanup.policy": "delete", **large}),
    ]


def actions_topic(config: Config) -> TopicSpec:
    """What responders write: the last message of every key, for 90 days."""
    kept = {"cleanup.policy": "compact,delete", "retention.ms": str(90 * 24 * 3_600_000), **_COMPACT_OFTEN}
    return TopicSpec(config.topics.own(ACTIONS), 1, kept)


def prepare_topics(broker: Broker, config: Config) -> None:
    """Create or verify our own topics; the capture topics must be there. Errors: UserError, Fatal."""
    for topic in config.topics.captures:
        if broker.partition_count(topic) is None:
            raise ConfigError(
                f"topics.captures: there is no topic {topic!r} on {config.kafka.bootstrap_servers}; "
                "create it, or name the topic that your inference services write"
            )
    broker.ensure_topics(topic_specs(config))


def wanted_rights(config: Config, existing: Set[str]) -> dict[str, set[str]]:
    """What we must be allowed to do with the topics that exist: names of Kafka's ACL operations."""
    ours = {spec.name: {"READ", "WRITE"} for spec in topic_specs(config) if spec.name in existing}
    return {topic: {"READ"} for topic in (*config.topics.captures, *_labels(config)) if topic in existing} | ours


def _labels(config: Config) -> tuple[str, ...]:
    """The label topics, where a model reads labels."""
    return config.topics.labels if any(model.task is not None for model in config.models.values()) else ()


def inspect_topics(broker: Broker, config: Config) -> dict[str, str]:
    """What `prepare_topics` would find and do, without doing it. Errors: UserError, Fatal."""
    wanted = dict.fromkeys((*config.topics.captures, *_labels(config))) | {spec.name: spec.partitions for spec in topic_specs(config)}
    found = {}
    for topic, partitions in wanted.items():
        count = broker.partition_count(topic)
        if count is None:
            found[topic] = (
                "absent: whoever publishes to it must create it"
                if partitions is None
                else f"absent: will be created with {partitions} partitions"
            )
        elif partitions is not None and count != partitions:
            raise ConfigError(
                f"topic {topic} has {count} partitions, the config wants {partitions}: they cannot change; use another topics.prefix"
            )
        else:
            found[topic] = f"{count} partitions"
    return found
