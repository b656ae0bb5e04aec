"""The broker interface over confluent-kafka (librdkafka): the one place that knows the client library.

Reading order: `triage` (what an error means), `settings` (client configs, each with its reason), `generation` (zombie safety),
`source` and `sink` (a member's two halves; `patience` bounds a call of the latter), `member`, `reading`, `topics`,
`groups` (a group from outside), `broker`.
"""

from .broker import KafkaBroker
from .member import KafkaMember
from .settings import KafkaSettings

__all__ = ["KafkaBroker", "KafkaMember", "KafkaSettings"]
