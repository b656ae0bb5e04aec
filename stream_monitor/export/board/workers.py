"""All workers of the deployment: who they are, what they own, how far behind they are. The same on whichever of them one looks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stream_monitor.capture.schema import StreamKey
from stream_monitor.config import Config
from stream_monitor.detect.report import utc
from stream_monitor.export.board.board import Board, Whole
from stream_monitor.export.board.views import Tree, stream_order
from stream_monitor.runtime.broker import TopicPartition, partition_for
from stream_monitor.runtime.roster import Look, Roster
from stream_monitor.runtime.topics import PROFILES


@dataclass(frozen=True, slots=True)
class Crew:
    """Whom to ask. instance: this worker's own."""

    roster: Roster
    instance: str

    def tree(self, board: Board) -> Tree:
        """Everybody; what nobody owns; each role's lag on each topic it reads."""
        whole = board.whole()
        config = whole.config
        look = self.roster.look({} if config is None else {"profile": config.topics.captures, "detect": [config.topics.own(PROFILES)]})
        models = {
            stream: _model(whole, stream, ms) for stream, ms in sorted(whole.streams().items(), key=lambda item: stream_order(item[0]))
        }
        owned = {seat: set(member.partitions) for seat, member in look.seats.items()}
        taken = {(seat.role, partition) for seat, partitions in owned.items() for partition in partitions}
        free = {role: {one for one in lags if (role, one) not in taken} for role, lags in look.lags.items()}
        return {
            "at": None if look.at_ms is None else utc(look.at_ms),
            "problem": look.problem,
            "is_settled": look.is_settled,
            "workers": [self._worker(name, look, models, config) for name in sorted({seat.instance for seat in look.heard_ms})],
            "unowned": [share for role, partitions in free.items() for share in _shares(look, role, partitions)],
            "unowned_models": _on(free.get("detect", ()), models, config),
            "topics": [share for role, lags in look.lags.items() for share in _shares(look, role, lags)],
        }

    def _worker(self, instance: str, look: Look, models: Mapping[StreamKey, Tree], config: Config | None) -> Tree:
        mine = {seat.role: member for seat, member in look.seats.items() if seat.instance == instance}
        heard_ms = max(ms for seat, ms in look.heard_ms.items() if seat.instance == instance)
        detects = mine["detect"].partitions if "detect" in mine else ()
        return {
            "instance": instance,
            "is_this": instance == self.instance,
            "is_here": bool(mine),
            "host": min((member.host for member in mine.values()), default=None),
            "roles": sorted(mine, reverse=True),
            "shares": [share for role, member in mine.items() for share in _shares(look, role, member.partitions)],
            "models": _on(detects, models, config),
            "last_heard": utc(heard_ms),
        }


def _model(whole: Whole, stream: StreamKey, watermark_ms: int | None) -> Tree:
    reached = None if watermark_ms is None else utc(watermark_ms)
    return {"model": stream.model, "version": stream.version, "watermark": reached, "watermark_delay_s": whole.behind_s(watermark_ms)}


def _shares(look: Look, role: str, partitions: Iterable[TopicPartition]) -> list[Tree]:
    """Partitions and what is not processed of them, topic by topic."""
    topics: dict[str, list[int]] = {}
    for partition in sorted(partitions):
        topics.setdefault(partition.topic, []).append(partition.partition)
    lags = look.lags.get(role, {})
    return [
        {"role": role, "topic": topic, "partitions": numbers, "lag": sum(lags.get(TopicPartition(topic, number), 0) for number in numbers)}
        for topic, numbers in topics.items()
    ]


def _on(partitions: Iterable[TopicPartition], models: Mapping[StreamKey, Tree], config: Config | None) -> list[Tree]:
    """The models whose profiles come by these partitions."""
    if config is None:
        return []
    numbers, count = {one.partition for one in partitions}, config.engine.profiles_partitions
    return [tree for stream, tree in models.items() if partition_for(stream.model.encode(), count) in numbers]
