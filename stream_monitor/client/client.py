"""The publishing client: typed, bounded, and never in the way of a prediction.

A call encodes the event and hands it to librdkafka, whose own thread batches, compresses and sends (idempotently: a retry is no
duplicate). Nothing in it waits: where the queue is full because Kafka is slow or away, the event is dropped and counted.
"""

import asyncio
import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from stream_monitor.client.event import Prediction, Resources, Status, Value, encode

_log: Final = logging.getLogger(__name__)

WARN_EVERY_S: Final = 10.0
"""A service that cannot publish says so this often, not for every event."""
POLL_S: Final = 0.2
"""How long the thread that takes Kafka's answers waits for one."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Events since the client was made. accepted = delivered + failed + those still on their way.

    dropped: the queue was full; failed: Kafka refused them, or had no answer within `delivery_timeout_s`; invalid: no JSON can hold them.
    """

    accepted: int = 0
    delivered: int = 0
    dropped: int = 0
    failed: int = 0
    invalid: int = 0


class CaptureClient:
    """Publishes captures of one model; threads and coroutines may share it.

    bootstrap_servers: `host:port,…`. model, version: of every event, unless a call names another. topic, labels_topic: what the
    monitor's config names as `topics.captures` and `topics.labels`. queue_events_max, queue_bytes_max: what may wait for Kafka; one more is
    dropped. linger_s: how long an event may wait for others to be sent with. delivery_timeout_s: after which an event that Kafka did
    not take is given up. producer: who sends (a service, host or region), by which one that falls silent is named; the header `ce_source`.
    properties: librdkafka's own, over all of these (SASL, TLS, …).

    The producer starts at the first call, in the process that makes it: a client may be made before a server forks its workers.
    Use it as a context manager, sync or async, or call `close`: what is queued is sent then.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        model: str,
        version: str | None = None,
        *,
        topic: str = "captures",
        labels_topic: str = "labels",
        queue_events_max: int = 100_000,
        queue_bytes_max: int = 64 << 20,
        linger_s: float = 0.05,
        delivery_timeout_s: float = 30.0,
        producer: str | None = None,
        properties: Mapping[str, str | int | float | bool] | None = None,
    ) -> None:
        self._model, self._version, self._topic, self._labels_topic = model, version, topic, labels_topic
        self._settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap_servers,
            "client.id": "stream-monitor-capture",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": linger_s * 1_000,
            "queue.buffering.max.messages": queue_events_max,
            "queue.buffering.max.kbytes": max(queue_bytes_max >> 10, 1),
            "message.timeout.ms": int(delivery_timeout_s * 1_000),
            "log_level": 2,  # else each attempt to reach a broker that is away is a line, ten in a second; `_troubled` says it
            **(properties or {}),
        }
        self._headers = [] if producer is None else [("ce_source", producer.encode())]
        self._lock = threading.Lock()
        self._counts = {field.name: 0 for field in fields(Stats)}
        self._warned_s: dict[str, float] = {}
        self._producer: Any = None
        self._inherited: Any = None
        """After a fork the parent's producer, whose threads are not there: to let go of it would wait for them."""
        self._pid, self._closed = 0, False
        renew = weakref.WeakMethod(self._renew)
        os.register_at_fork(after_in_child=lambda: (method := renew()) and method())

    def capture(
        self,
        features: Mapping[str, Value],
        prediction: Prediction | str | float | bool | None = None,
        *,
        event_id: str | None = None,
        time_ms: int | None = None,
        model: str | None = None,
        version: str | None = None,
        label: str | float | bool | None = None,
        latency_ms: float | None = None,
        status: Status = "ok",
        error: str | None = None,
        resources: Resources | None = None,
        attributions: Mapping[str, float] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Publish one prediction and return its id, by which a label may follow. Never raises, never waits.

        event_id: a new one by default. time_ms: when it happened, ms since the epoch; now by default. prediction: needed unless `status` is
        `error`, whose name `error` is. latency_ms: of the prediction. attributions: by feature, SHAP or similar. metadata: segments and
        facets that are no features.
        """
        event_id, time_ms = event_id or uuid4().hex, _now_ms() if time_ms is None else time_ms
        content = {
            "event_id": event_id,
            "model": model or self._model,
            "version": version or self._version,
            "time": time_ms,
            "prediction": prediction,
            "label": label,
            "latency_ms": latency_ms,
            "status": status if status != "ok" else None,
            "error": error,
            "resources": resources,
            "attributions": attributions,
            "metadata": metadata,
        }
        self._publish(self._topic, event_id, time_ms, {**content, "features": features})
        return event_id

    def label(self, event_id: str, label: str | float | bool | None, *, time_ms: int | None = None, model: str | None = None) -> None:
        """Publish the truth for an event; a later one corrects it, None withdraws it. Never raises, never waits."""
        time_ms = _now_ms() if time_ms is None else time_ms
        content = {"event_id": event_id, "model": model or self._model, "time": time_ms, "label": label}
        self._publish(self._labels_topic, event_id, time_ms, content, keep="label")

    @property
    def stats(self) -> Stats:
        """What became of the events so far."""
        with self._lock:
            return Stats(**self._counts)

    def flush(self, timeout_s: float = 10.0) -> int:
        """Wait until all that is queued was answered; how many events still wait when `timeout_s` is over."""
        producer = self._producer
        return 0 if producer is None or self._pid != os.getpid() else int(producer.flush(timeout_s))

    def close(self, timeout_s: float = 10.0) -> int:
        """Flush and stop; later events are dropped. How many events were given up. May be called twice."""
        self._closed = True
        left = self.flush(timeout_s)
        if left:
            _log.warning("%d captures were given up: Kafka did not take them within %g s", left, timeout_s)
        self._producer = None
        atexit.unregister(self.close)
        return left

    async def aclose(self, timeout_s: float = 10.0) -> int:
        """`close`, while the event loop goes on."""
        return await asyncio.to_thread(self.close, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    # ---- the rest is private

    def _publish(self, topic: str, key: str, time_ms: int, content: Mapping[str, Any], *, keep: str = "") -> None:
        try:
            value = encode(content, keep=keep)
        except (TypeError, ValueError) as error:
            self._count("invalid", f"a capture was left out: {error}")
            return
        if self._closed:
            self._count("dropped", "a capture came after the client was closed")
            return
        try:
            self._started().produce(topic, value, key, timestamp=time_ms, headers=self._headers, on_delivery=self._answered)
        except BufferError:
            self._count("dropped", "captures are dropped: the queue is full, Kafka is slow or away")
        except Exception as error:  # noqa: BLE001 - whatever is wrong with Kafka, the prediction must be answered
            self._count("failed", f"captures cannot be published: {error}")
        else:
            self._count("accepted")

    def _renew(self) -> None:
        """In a process that was forked: another thread of the parent may have held the lock, and what it counted is the parent's."""
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(self._counts, 0)
        self._inherited, self._producer, self._pid = self._producer, None, 0

    def _started(self) -> Any:
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._start()
        return self._producer

    def _start(self) -> None:
        from confluent_kafka import Producer  # here, so that a service that only imports us pays nothing

        self._producer, self._pid = Producer({**self._settings, "error_cb": self._troubled}, logger=_log), os.getpid()
        threading.Thread(target=self._take_answers, args=(self._producer,), name="captures", daemon=True).start()
        atexit.register(self.close)

    def _answered(self, error: Any, message: Any) -> None:
        if error is None:
            self._count("delivered")
        else:
            self._count("failed", f"a capture was not taken by Kafka: {error.str()}")

    def _count(self, what: str, warning: str | None = None) -> None:
        with self._lock:
            self._counts[what] += 1
        if warning is not None:
            self._warn(what, warning)

    def _troubled(self, error: Any) -> None:
        """What becomes of no single event, such as a broker that does not answer."""
        self._warn("trouble", f"Kafka is not reached: {error.str()}")

    def _warn(self, kind: str, warning: str) -> None:
        """Once in `WARN_EVERY_S`, each kind by itself."""
        with self._lock:
            now_s = time.monotonic()
            speaks = now_s - self._warned_s.get(kind, -WARN_EVERY_S) >= WARN_EVERY_S
            if speaks:
                self._warned_s[kind] = now_s
        if speaks:
            _log.warning("%s (%s)", warning, self.stats)

    def _take_answers(self, producer: Any) -> None:
        """Until the client is closed: Kafka's answers become counts."""
        while self._producer is producer:
            producer.poll(POLL_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
