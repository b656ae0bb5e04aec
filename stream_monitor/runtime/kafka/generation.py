"""Under which generation of its group a member may commit.

`send_offsets_to_transaction` carries the group metadata, and Kafka refuses the commit of a member that its group has dropped, or
that missed a rebalance (KIP-447). That protects us only if we send the generation under which the messages *were polled*. Two
traps, and what is done about them:

1. A member that was thought dead and has joined again holds a *new*, valid generation, while the messages in its hands are from
   the old one and belong to somebody else. So the metadata is captured before `consume`, and never taken fresh at commit time. It
   is captured again after a `consume` only where a rebalance was served in it: then the messages of every lost partition have been
   dropped, and what is left was kept through the rebalance or fetched after it.
2. Between the loss of a session and the callback that tells of it, librdkafka hands out metadata without a member id, and after
   some losses with generation -1. Kafka 4.3 takes an offset commit with generation -1 and no member from a transactional producer
   *without any check*, even while the group has members (as it does for producers that use no group). So such metadata counts as
   none, and a commit without metadata is refused here.

A cooperative rebalance that runs in the background between two polls may leave us with a generation that is behind: Kafka refuses
the commit, the worker aborts, rewinds and polls again. Nothing is lost but that batch's work.
"""

import struct

from confluent_kafka import Consumer

MAGIC = b"CGMDv2:"


def usable(metadata: bytes) -> bool:
    """Whether this serialised group metadata names a generation and a member (magic, int32 generation, group, member; NUL-ended)."""
    if not metadata.startswith(MAGIC) or len(metadata) < len(MAGIC) + 4:
        return False
    (generation,) = struct.unpack_from("<i", metadata, len(MAGIC))
    names = metadata[len(MAGIC) + 4 :].split(b"\0")
    return generation >= 0 and len(names) > 1 and names[1] != b""


def capture(consumer: Consumer) -> bytes | None:
    """The consumer's group metadata now, None where it has lost its session or has not joined yet."""
    metadata = bytes(consumer.consumer_group_metadata())
    return metadata if usable(metadata) else None
