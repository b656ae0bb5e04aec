"""An in-memory broker that behaves as Kafka does where the workers can see it.

Reading order: `log` (a partition and its last stable offset), `transactions` (epochs and fencing), `groups` (generations and
cooperative rebalances), `state` (the cluster under one lock), `member` and `broker` (the interface of `runtime.broker`).

It has no threads, no randomness and no clock but the one it is given: used from one thread, it is deterministic.
"""

from .broker import MemoryBroker
from .member import MemoryMember
from .state import Faults

__all__ = ["Faults", "MemoryBroker", "MemoryMember"]
