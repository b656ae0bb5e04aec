"""One real Kafka node from Apache Kafka's own jars: KRaft, free ports, a temporary folder.

`python -m tests.kafka.server` starts one and prints its address; it lives until standard input ends.
"""

import base64
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

HERE = Path(__file__).parent
JARS = HERE / "target" / "jars"
RESOLVED = HERE / "target" / "resolved-pom.xml"
START_S_MAX = 90.0
STOP_S_MAX = 30.0
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

# Runs the node ($2…, output to $1) and kills it when standard input ends: no orphan is left even where the tests are killed.
GUARD = """
log=$1; shift; exec 3<&0
"$@" 3<&- >>"$log" 2>&1 & child=$!
echo $child
{ cat <&3; kill -9 $child; } >/dev/null 2>&1 &
wait $child 2>/dev/null
"""

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # one node holds everything
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    # tests wait for time-outs: make them short and look for them often
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "200",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "100",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "100",
    "log.cleaner.backoff.ms": "100",
    "log.retention.check.interval.ms": "500",
    "log.initial.task.delay.ms": "500",
    # a small process
    "log.cleaner.dedupe.buffer.size": str(8 << 20),
    "num.network.threads": "2",
    "num.io.threads": "4",
    "queued.max.requests": "100",
}


class KafkaServer:
    """A node that can be stopped, killed and started again over the same data and ports.

    password: that of the one user `me` of a second listener, `sasl_servers`, by SASL PLAIN; None: there is none.
    advertised: the address that clients are told, where it is not the node's own.
    """

    def __init__(self, folder: Path, password: str | None = None, advertised: str | None = None) -> None:
        self.folder = folder
        self.log_file = folder / "server.log"
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0
        port, controller_port, sasl_port = free_ports(3)
        self.bootstrap_servers, self.sasl_servers = f"127.0.0.1:{port}", f"127.0.0.1:{sasl_port}"
        self._properties = folder / "server.properties"
        settings = SETTINGS | {
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{advertised or self.bootstrap_servers}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "log.dirs": str(folder / "data"),
        }
        if password is not None:
            settings |= _with_sasl(settings, self.sasl_servers, password)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        cluster_id = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        self._run_tool("kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(self._properties))

    def start(self) -> None:
        """Start the node and return when it serves clients."""
        command = ["sh", "-c", GUARD, "guard", str(self.log_file), *JAVA, "-cp", f"{JARS}/*", "kafka.Kafka", str(self._properties)]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment())
        assert self._guard.stdout is not None
        self._pid = int(self._guard.stdout.readline())
        wait_until_ready(self.bootstrap_servers, START_S_MAX, self._check_alive)

    def stop(self) -> None:
        """Shut the node down in order; it can be started again."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill -9 the node; it can be started again."""
        self._end(signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The node keeps its connections and answers nothing."""
        os.kill(self._pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._pid, signal.SIGCONT)

    def _end(self, signal_number: signal.Signals) -> None:
        if self._guard is None:
            return
        if self._guard.poll() is None:
            os.kill(self._pid, signal_number)
        try:
            self._guard.wait(STOP_S_MAX)
        finally:
            assert self._guard.stdin is not None
            assert self._guard.stdout is not None
            self._guard.stdin.close()  # the guard kills what is left
            self._guard.stdout.close()
            self._guard.wait(STOP_S_MAX)
            self._guard = None

    def _check_alive(self) -> None:
        if self._guard is None or self._guard.poll() is not None:
            raise RuntimeError(f"Kafka ended while starting:\n{self.log_file.read_text()[-3000:]}")

    def _run_tool(self, *arguments: str) -> None:
        done = subprocess.run([*JAVA, "-cp", f"{JARS}/*", *arguments], env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


def _with_sasl(settings: dict[str, str], address: str, password: str) -> dict[str, str]:
    """A listener more."""
    return {
        "listeners": f"{settings['listeners']},SASL://{address}",
        "advertised.listeners": f"{settings['advertised.listeners']},SASL://{address}",
        "listener.security.protocol.map": f"{settings['listener.security.protocol.map']},SASL:SASL_PLAINTEXT",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_me="{password}";'
        ),
    }


def missing_programs() -> list[str]:
    """The programs that this way needs and the machine lacks."""
    return [name for name in ("java", "mvn") if shutil.which(name) is None]


def resolve_jars() -> None:
    """Let Maven fetch what `pom.xml` names, once per version of that file, however many processes of a test run ask at once."""
    RESOLVED.parent.mkdir(exist_ok=True)
    with (RESOLVED.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _resolve_jars((HERE / "pom.xml").read_text())


def _resolve_jars(pom: str) -> None:
    if RESOLVED.exists() and RESOLVED.read_text() == pom:
        return
    shutil.rmtree(JARS, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", "--no-transfer-progress", "dependency:copy-dependencies"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"Maven could not resolve tests/kafka/pom.xml:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    RESOLVED.write_text(pom)


def wait_until_ready(bootstrap_servers: str, deadline_s: float, check_alive: Callable[[], None] = lambda: None) -> None:
    """Return when the broker answers; RuntimeError after `deadline_s`."""
    deadline = time.monotonic() + deadline_s
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    while True:
        check_alive()
        try:
            if admin.list_topics(timeout=1).brokers:
                return
        except KafkaException:
            if time.monotonic() > deadline:
                raise RuntimeError(f"No Kafka answered at {bootstrap_servers} within {deadline_s} s.") from None


def free_ports(number: int) -> list[int]:
    """Ports of the loopback that nobody uses now."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _environment() -> dict[str, str]:
    """This environment without what other Kafka installations may have put there."""
    return {name: value for name, value in os.environ.items() if name not in {"CLASSPATH", "KAFKA_OPTS", "JAVA_TOOL_OPTIONS"}}


def main() -> None:
    """Run one node until standard input ends."""
    resolve_jars()
    with tempfile.TemporaryDirectory(prefix="stream-monitor-kafka-") as folder:
        server = KafkaServer(Path(folder))
        server.start()
        print(server.bootstrap_servers, flush=True)  # noqa: T201 the address is this program's output
        try:
            sys.stdin.read()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
