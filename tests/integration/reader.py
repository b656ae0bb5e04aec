"""A reader who does what a page says, word for word, in a folder of their own, on a real Kafka and on free ports."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from typing import Final

import yaml

from stream_monitor.config import parse_config
from stream_monitor.config.load import Loader
from stream_monitor.runtime.broker import TopicSpec
from stream_monitor.runtime.kafka import KafkaBroker, KafkaSettings
from tests.integration.page import Block, blocks, pattern
from tests.integration.terminal import Terminal
from tests.integration.waiting import wait_until
from tests.kafka.server import free_ports
from tests.prometheus.programs import program, run

ROOT: Final = Path(__file__).parents[2]
RUN: Final = {"curl", "grep", "python", "stream-monitor"}
"""Programs that are run as they stand; one that is in none of these sets is a failure."""
SHELL: Final = {"cd", "export", "mkdir"}
"""What sets up a reader's shell; the test's own is set up."""
ELSEWHERE: Final = {"make", "docker", "kubectl"}
"""What is not run: targets must be there, and `tests/unit/test_deploy.py` and `test_kubernetes.py` hold their files."""
TARGETS: Final = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
SERVICES: Final = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])
PARTITIONS: Final = 6
SAID_S: Final = 90.0
RUN_S: Final = 60.0

Shown = Callable[[], str]


def programs(command: str) -> set[str]:
    """The program of each part of a command line, behind the variables that are set for it."""
    parts = re.split(r"\||&&|;", re.sub(r"'[^']*'|\"[^\"]*\"", "QUOTED", command))
    return {next(word for word in shlex.split(part) if not re.match(r"\w+=", word)) for part in parts}


def unknown(command: str) -> set[str]:
    """Programs of a command line of which no test knows what becomes of them."""
    return programs(command) - RUN - SHELL - ELSEWHERE


class Reader:
    """Follows pages in one folder. The address of Kafka and the ports are those of this run, in commands, files and what is shown."""

    def __init__(self, folder: Path, bootstrap_servers: str) -> None:
        self.folder, self._bootstrap_servers = folder, bootstrap_servers
        self._ports = dict(zip((9108, 9109), free_ports(2), strict=True))
        self._terminals: dict[str, Terminal] = {}
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "160",
            "PYTHONUNBUFFERED": "1",
        }

    def follow(self, page: Path) -> None:
        """From top to bottom, then Ctrl-C in every terminal. AssertionError, with the page's line, where something else happens."""
        shown: Shown | None = None
        try:
            for block in blocks(page):
                match block.language:
                    case "sh":
                        shown = self._type(block)
                    case "text" if shown is not None:
                        self._compare(block, shown)
                        shown = None
                    case "said by":
                        shown = self._terminals[self._ours(block.text)].shown
                    case "Ctrl-C":
                        self._interrupt(self._ours(block.text))
                    case "yaml" | "python":
                        self._write(block)
        finally:
            for command in list(self._terminals):
                self._interrupt(command)

    def _type(self, block: Block) -> Shown | None:
        """Run a block's commands, all or none of which are run here; what shows their output, asked again while something goes on."""
        commands = [self._ours(command) for command in block.commands if self._is_run(block, command)]
        if not commands:
            return None
        if "runs" in block.words:
            (command,) = commands
            terminal = self._terminals[command] = Terminal(command, self.folder, self._environment)
            wait_until(
                lambda: not re.search("stream-monitor (run|respond)", command) or " started " in terminal.shown(),
                f"{block}: {command}",
                SAID_S,
            )
            return terminal.shown
        first = self._run(block, commands)
        again = (self._run(block, commands) for _ in repeat(None))
        outputs = chain([first], again) if self._terminals else repeat(first)
        return lambda: next(outputs)

    def _is_run(self, block: Block, command: str) -> bool:
        named = programs(command)
        assert not unknown(command), f"{block}: no test runs {command}"
        if named & ELSEWHERE:
            self._take_as_done(block, command)
        return not named & (SHELL | ELSEWHERE)

    def _take_as_done(self, block: Block, command: str) -> None:
        """What another program would have left is there."""
        name, *words = command.split()
        assert name != "make" or words[0] in TARGETS, f"{block}: there is no `make {words[0]}`"
        named = {word for word in words if name == "docker" and not word.startswith("-")} - {"compose", "up"}
        assert named <= SERVICES, f"{block}: docker-compose.yml has no such service"
        if "topics" in named:
            broker = KafkaBroker(KafkaSettings(self._bootstrap_servers))
            broker.ensure_topics([TopicSpec("captures", PARTITIONS)])
            broker.close()

    def _ours(self, text: str) -> str:
        text = text.replace("localhost:9092", self._bootstrap_servers)
        for port, ours in self._ports.items():
            text = re.sub(rf"\b{port}\b", str(ours), text)
        if "stream-monitor run " in text and "--port" not in text:
            text += f" --port {self._ports[9108]}"  # the default
        if "stream-monitor respond " in text and "--port" not in text:
            text += f" --port {self._ports[9109]}"  # the default
        return text

    def _run(self, block: Block, commands: list[str]) -> str:
        return "".join(self._run_one(block, command) for command in commands)

    def _run_one(self, block: Block, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        wanted = 2 if "fails" in block.words else 0
        assert done.returncode == wanted or command.startswith("curl "), f"{block}: {command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _compare(self, block: Block, shown: Shown) -> None:
        wanted, last = pattern(self._ours(block.text.strip())), ""

        def fits() -> bool:
            nonlocal last
            last = shown()
            return bool(wanted.search(last))

        try:
            wait_until(fits, str(block), SAID_S if self._terminals else 0.0)
        except AssertionError as error:
            raise AssertionError(f"{error}\nthe page has\n{block.text}\nshown is\n{last}") from None

    def _interrupt(self, command: str) -> None:
        terminal = self._terminals.pop(command)
        status = terminal.interrupt()
        assert status == 0 or "stream-monitor" not in command, f"{command} ended with {status}:\n{terminal.shown()}"

    def _write(self, block: Block) -> None:
        """The file that a block is, checked by what will read it; or a program that is no file, run."""
        text, name = self._ours(block.text), next((word for word in block.words if "." in word), None)
        if name is not None:
            (self.folder / name).write_text(text, encoding="utf-8")
        if block.language == "python":
            compile(text, str(block), "exec")
            if name is None:
                (self.folder / "fragment.py").write_text(text, encoding="utf-8")
                self._run_one(block, "python fragment.py")
        elif name == "prometheus.yml":
            (self.folder / "rules.yml").write_bytes((ROOT / "deploy/prometheus/rules.yml").read_bytes())
            run([program("promtool"), "check", "config", name], self.folder)
        elif "wrong" not in block.words:
            as_config(text, str(block))


def as_config(text: str, source: str) -> None:
    """What the config makes of YAML, whatever the environment holds; a model may leave its baseline out. Errors: ConfigError."""
    tree = yaml.load(re.sub(r"\$\{\w+\}", "any", text), Loader)
    models = tree.get("models") or {"any": {}}
    parse_config({**tree, "models": {name: {"baseline": "any", **model} for name, model in models.items()}}, source)
