"""A message as the decoder sees it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Message:
    """In the shape of `confluent_kafka.Message`. time: (type, ms), type 0: none."""

    body: bytes | None
    source: str = "captures"
    time: tuple[int, int] = (0, -1)
    attributes: list[tuple[str, Any]] | None = None

    def topic(self) -> str:
        return self.source

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 42

    def key(self) -> bytes | None:
        return b"key"

    def value(self) -> bytes | None:
        return self.body

    def timestamp(self) -> tuple[int, int]:
        return self.time

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self.attributes
