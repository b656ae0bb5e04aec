"""A call into the client library that may never return, with a bound.

librdkafka up to 2.16 does not keep the time-out of `send_offsets_to_transaction`, and waits for ever where the group's coordinator
was left out of the cluster's metadata for a moment, as at every restart of a broker (librdkafka issues 5456 and 5511).
"""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from confluent_kafka import KafkaException


def within(action: Callable[[], None], timeout_s: float) -> None:
    """Call in a thread; where it does not return in time the thread is left behind, with all that it holds.

    Errors: those of `action` (KafkaException, RuntimeError); TimeoutError.
    """
    outcome: SimpleQueue[KafkaException | RuntimeError | None] = SimpleQueue()

    def run() -> None:
        try:
            action()
        except (KafkaException, RuntimeError) as error:
            outcome.put(error)
        else:
            outcome.put(None)

    Thread(target=run, name="kafka-call", daemon=True).start()  # a daemon: the process may end without it
    try:
        failure = outcome.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError from None
    if failure is not None:
        raise failure
