"""Consumer groups: generations, cooperative rebalances, session time-outs.

A rebalance gives every member a target. A member takes a target partition only when no other member still owns it, and an owner
gives a partition up only in its own poll, or by losing its session. The generation rises with every membership change and every
hand-over, as in Kafka's two-step cooperative protocol; a commit under an older generation is refused.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from stream_monitor.errors import Abortable

from ..broker import GroupMember, TopicPartition


@dataclass(slots=True)
class Membership:
    """What the group knows of one member. `target` is what it shall own, `owned` what it owns since its last poll."""

    topics: frozenset[str]
    polled_ms: int
    generation: int = -1
    target: set[TopicPartition] = field(default_factory=set)
    owned: set[TopicPartition] = field(default_factory=set)


class Group:
    """One consumer group."""

    def __init__(self, name: str, session_timeout_ms: int) -> None:
        self.name = name
        self.generation = 0
        self.committed: dict[TopicPartition, int] = {}
        self._session_timeout_ms = session_timeout_ms
        self._members: dict[str, Membership] = {}
        self._partitions: Collection[TopicPartition] = ()

    def join(self, member_id: str, topics: Iterable[str], now_ms: int) -> None:
        """Add a member and rebalance."""
        self._members[member_id] = Membership(frozenset(topics), now_ms)
        self._rebalance()

    def leave(self, member_id: str) -> None:
        """Remove a member, if it is one, and rebalance; what it owned is free at once."""
        if self._members.pop(member_id, None) is not None:
            self._rebalance()

    def refresh(self, partitions: Collection[TopicPartition]) -> None:
        """Rebalance where the cluster's partitions have changed."""
        if partitions is not self._partitions:
            self._partitions = partitions
            self._rebalance()

    def expire(self, now_ms: int) -> bool:
        """Remove the members that have not polled within the session time-out; True if there was one."""
        late = [name for name, member in self._members.items() if now_ms - member.polled_ms > self._session_timeout_ms]
        for name in late:
            del self._members[name]
        if late:
            self._rebalance()
        return bool(late)

    def members(self) -> tuple[GroupMember, ...]:
        """Who is in it, and owns what; a member's id is its transactional id and epoch."""
        return tuple(GroupMember(name.rpartition("/")[0], "memory", frozenset(each.owned)) for name, each in self._members.items())

    @property
    def is_settled(self) -> bool:
        """Whether every member owns what it shall."""
        return all(member.owned == member.target for member in self._members.values())

    def has(self, member_id: str) -> bool:
        """Whether this member's session is alive."""
        return member_id in self._members

    def sync(self, member_id: str, now_ms: int) -> frozenset[TopicPartition]:
        """A member's poll: give up what is no longer its own, take what is free, and return what it owns now."""
        member = self._members[member_id]
        kept = member.owned & member.target
        if kept != member.owned:
            self.generation += 1
        taken = {owned for other in self._members.values() if other is not member for owned in other.owned}
        member.owned = member.target - taken
        member.generation = self.generation
        member.polled_ms = now_ms
        return frozenset(member.owned)

    def touch(self, member_id: str, now_ms: int) -> None:
        """Note that the member is in a poll."""
        self._members[member_id].polled_ms = now_ms

    def commit(self, member_id: str, next_offsets: dict[TopicPartition, int]) -> None:
        """Store offsets. Errors as `check`."""
        self.check(member_id, next_offsets)
        self.committed.update(next_offsets)

    def check(self, member_id: str, partitions: Iterable[TopicPartition]) -> None:
        """Raise Abortable where the member may not commit these partitions: session lost, generation stale, or not its own."""
        member = self._members.get(member_id)
        if member is None:
            raise Abortable(f"Group {self.name!r} has dropped this member: its session timed out.")
        if member.generation != self.generation:
            raise Abortable(f"Group {self.name!r} is at generation {self.generation}; this member polled under {member.generation}.")
        if not member.owned.issuperset(partitions):
            raise Abortable(f"Group {self.name!r} has not assigned all of these partitions to this member.")

    def _rebalance(self) -> None:
        """New targets: sticky to the old ones, then even. Members in order of joining, partitions in order of name."""
        self.generation += 1
        placed: set[TopicPartition] = set()
        for member in self._members.values():
            member.target = {p for p in self._partitions if p.topic in member.topics and p in member.target and p not in placed}
            placed |= member.target
        for partition in sorted(set(self._partitions) - placed):
            takers = [member for member in self._members.values() if partition.topic in member.topics]
            if takers:
                min(takers, key=lambda member: len(member.target)).target.add(partition)
        while self._move_one():
            pass

    def _move_one(self) -> bool:
        """Move one partition from the fullest member to one that has at least two fewer; False where all is even."""
        for giver in sorted(self._members.values(), key=lambda member: -len(member.target)):
            for partition in sorted(giver.target, reverse=True):
                takers = [member for member in self._members.values() if partition.topic in member.topics]
                taker = min(takers, key=lambda member: len(member.target))
                if len(taker.target) + 1 < len(giver.target):
                    giver.target.remove(partition)
                    taker.target.add(partition)
                    return True
        return False
