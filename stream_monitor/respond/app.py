"""The shell: a Faust app whose one agent reads the alerts topic for the responder."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Final, TypeVar

import faust
import structlog
from mode.utils.locks import Event

from stream_monitor.config import Config
from stream_monitor.errors import RunError
from stream_monitor.respond.committed import CommittedTransport
from stream_monitor.respond.credentials import credentials
from stream_monitor.respond.responder import Incoming, Responder
from stream_monitor.runtime.topics import ALERTS

_log = structlog.get_logger(__name__)

BATCH_MAX: Final = 100
"""Alerts that are put on record together: a burst of 10,000 is 100 writes, and a crash reads at most so many again."""
FOLLOW_S: Final = 1.0
"""How soon an approval is seen."""
HANDOVER_S: Final = 5.0
"""How long running calls may take to end before another responder takes over, which runs again what has not."""
POLL_S_MAX: Final = 7 * 24 * 3600.0
"""No alert is read while too much is pending, which may take as long as a retraining: silence of that sort is no reason to be replaced."""
LEAVE_S: Final = 10.0
"""A broker that is there answers a commit and a farewell within a second."""
HUNG_S: Final = 60.0
"""The event loop only waits; a turn of it takes milliseconds."""
Answer = TypeVar("Answer")


class Shell:
    """Drives a responder from inside the event loop; `run` until `stop`, from any thread or a signal handler."""

    def __init__(self, config: Config, responder: Responder) -> None:
        self._config, self._responder = config, responder
        self._one = ThreadPoolExecutor(1, thread_name_prefix="respond")
        """`own` and `take_in` are its alone: one at a time, and off the event loop, which keeps us in the group."""
        self._owned: asyncio.Event
        """Alerts are ours, and what is on record has been read."""
        self._stopping: Event
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None
        self._moves = 0
        """Assignments and revocations so far."""
        self._is_assigned = False
        self._taking_over: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._beat = monotonic()

    def stop(self) -> None:
        """Ask it to end."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def not_ready(self) -> list[str]:
        """Why it is not ready; one that stands by is."""
        if not self._is_assigned:
            return ["the group has not said whose the alerts are"]
        return [] if self._taking_over is None or self._taking_over.done() else ["reading what is on record"]

    def unhealthy(self) -> str | None:
        """Why this process should be restarted, None when it is well."""
        return f"the event loop has not turned for {HUNG_S:.0f} s" if monotonic() - self._beat > HUNG_S else None

    def fail(self, error: BaseException) -> None:
        """End with this error."""
        self._failure = self._failure or error
        self.stop()

    async def run(self) -> None:
        """Until `stop` or a failure. Errors: that failure."""
        self._loop, self._stopping, self._owned = asyncio.get_running_loop(), Event(), asyncio.Event()
        app = self._app()
        follower = asyncio.create_task(self._follow())
        try:
            await app.start()
            await app.wait_for_stopped(self._stopping)
            if app.crash_reason is not None:
                self.fail(RunError(f"Faust: {type(app.crash_reason).__name__}: {app.crash_reason}"))
        finally:
            follower.cancel()
            if self._responder.pending:
                _log.info("stopping", calls=self._responder.pending, at_most_s=self._config.respond.stop_timeout / 1000)
            ended = await asyncio.to_thread(self._responder.close, self._config.respond.stop_timeout / 1000)
            if not ended:
                _log.warning("abandoned", calls=self._responder.pending, remedy="the next responder runs them again, with the same keys")
            self._one.shutdown(wait=False, cancel_futures=True)
            await self._leave(app)
        if self._failure is not None:
            raise self._failure

    async def _leave(self, app: faust.App) -> None:
        """Commit and leave the group. Without a broker Faust's stop never ends, nor do its threads: then the process ends as it is."""
        leaving = asyncio.create_task(app.stop())
        done, _ = await asyncio.wait({leaving}, timeout=LEAVE_S)
        if not done:
            _log.warning("left_without_a_word", error=str(self._failure or ""), remedy="none needed: what was done is on record")
            sys.stderr.flush()
            os._exit(0 if self._failure is None else 1)

    def _app(self) -> faust.App:
        kafka, topics, session_s = self._config.kafka, self._config.topics, self._config.engine.session_timeout / 1000
        app = faust.App(
            topics.own("respond"),
            broker=[f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
            broker_credentials=credentials(kafka.properties),
            broker_client_id=str(kafka.properties.get("client.id", f"{topics.own('respond')}.{self._config.instance}")),
            broker_session_timeout=session_s,
            broker_heartbeat_interval=session_s / 5,
            broker_commit_interval=1.0,
            broker_max_poll_interval=POLL_S_MAX,
            consumer_auto_offset_reset="earliest",
            stream_buffer_maxsize=BATCH_MAX,
            stream_wait_empty=False,  # else a move would wait for room among slow actions; what was not taken in is read again
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            autodiscover=False,
        )
        app.transport = CommittedTransport(app.conf.broker, app)
        alerts = app.topic(
            topics.own(ALERTS), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
        )

        async def read(stream: Any) -> None:
            await self._read(app, stream)

        app.agent(alerts, name="alerts", concurrency=1)(read)
        app.on_partitions_assigned.connect(self._assigned, weak=False)  # type: ignore[arg-type]  # its type knows no method
        app.on_partitions_revoked.connect(self._revoked, weak=False)  # type: ignore[arg-type]
        return app

    async def _read(self, app: faust.App, stream: Any) -> None:
        """Batches of what has come; each is acknowledged whole and in order, once it is on record: Faust's commit is right for no other."""
        batch: list[Any] = []
        async for event in stream.noack().events():
            batch.append(event)
            if len(batch) < BATCH_MAX and not stream.channel.queue.empty():
                continue
            await self._take_in(app, batch)
            batch.clear()

    async def _take_in(self, app: faust.App, batch: list[Any]) -> None:
        await self._owned.wait()
        ours = [event for event in batch if event.message.generation_id == app.consumer_generation_id]
        incoming = [Incoming(event.message.offset, event.message.key, event.message.value) for event in ours]
        taken = await self._call(lambda: self._responder.take_in(incoming))
        for event in ours:
            if taken and event.message.generation_id == app.consumer_generation_id:
                event.ack()

    async def _assigned(self, _: Any, *told: Any, **__: Any) -> None:
        self._is_assigned = True
        self._moves += 1
        if told[0]:  # in a task: the group waits for this method, and reading may take longer than it does
            self._taking_over = asyncio.create_task(self._take_over(self._moves))

    async def _take_over(self, move: int) -> None:
        if await self._call(lambda: self._responder.own(lambda: move == self._moves)) and move == self._moves:
            self._owned.set()

    async def _revoked(self, _: Any, *told: Any, **__: Any) -> None:
        self._moves += 1
        if told[0]:
            self._owned.clear()
            await asyncio.to_thread(self._responder.close, min(HANDOVER_S, self._config.engine.session_timeout / 2000))

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            self._beat = monotonic()
            if self._owned.is_set() and (self._following is None or self._following.done()):
                self._following = asyncio.create_task(self._guarded(asyncio.to_thread(self._responder.follow)))

    async def _call(self, action: Callable[[], Answer]) -> Answer:
        return await self._guarded(asyncio.get_running_loop().run_in_executor(self._one, action))

    async def _guarded(self, result: Awaitable[Answer]) -> Answer:
        """What fails there ends the process, and nothing after it is acknowledged."""
        try:
            return await result
        except Exception as error:  # noqa: BLE001 - told to whoever waits for `run`
            self.fail(error)
            never: asyncio.Future[Answer] = asyncio.Future()
            return await never  # for ever: Faust takes whatever returns or raises for done
