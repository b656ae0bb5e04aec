"""Dead letters: alerts that cannot be read, and alerts that an action has given up on; with the headers that all dead letters have."""

from dataclasses import dataclass
from typing import Final

from stream_monitor.respond.result import ActionResult
from stream_monitor.runtime.broker import Record

DETAIL_CHARS_MAX: Final = 200
NOT_A_RECORD: Final = "not_a_record"
ACTION_FAILED: Final = "action_failed"


@dataclass(frozen=True, slots=True)
class Letters:
    """alerts: the topic that they are about; topic: where they go."""

    alerts: str
    topic: str

    def of_poison(self, offset: int, key: bytes | None, value: bytes | None, problem: str) -> Record:
        """Of a message that is no alert: key and value as they came."""
        return self._letter(key, value, NOT_A_RECORD, problem, offset)

    def of_failure(self, result: ActionResult) -> Record:
        """Of an action that has failed: the alert, with the action's key and error."""
        value = None if result.alert is None else result.alert.to_json()
        more = {"action": result.action, "idempotency_key": result.idempotency_key}
        problem = f"{result.action}: {result.error or result.reason or ''}"
        return self._letter(result.fingerprint.encode(), value, ACTION_FAILED, problem, result.offset, more)

    def reason_of(self, letter: Record) -> str:
        """Its reason."""
        return dict(letter.headers)["reason"].decode()

    def _letter(
        self, key: bytes | None, value: bytes | None, reason: str, detail: str, offset: int | None, more: dict[str, str] | None = None
    ) -> Record:
        place = {"topic": self.alerts, "partition": "0"} | ({} if offset is None else {"offset": str(offset)})
        headers = {"reason": reason, "detail": detail[:DETAIL_CHARS_MAX], **place, **(more or {})}
        return Record(self.topic, value, key, headers=tuple((name, text.encode()) for name, text in headers.items()))
