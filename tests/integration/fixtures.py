"""Stacks for the tests of this folder and of `tests/crash`."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.stack import ROOT, Stack
from tests.integration.traffic import MODELS, training

MakeStack = Callable[..., Stack]


@pytest.fixture(scope="session")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `MODEL.baseline.json` of quiet traffic and `MODEL.shifted.json` of traffic in a shifted phase, for all processes."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "baselines"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(tmp_path_factory.mktemp("baselines")).rename(folder)
    return folder


def _build(folder: Path) -> Path:
    for kind, ratio in (("baseline", 0.0), ("shifted", 0.25)):
        data = folder / f"{kind}.jsonl"
        data.write_bytes(b"".join(line + b"\n" for line in training(1, 20_000, shifted_ratio=ratio)))
        for model in MODELS:
            command = [sys.executable, "-m", "stream_monitor", "baseline", str(data), "--out", str(folder / f"{model}.{kind}.json")]
            done = subprocess.run([*command, "--model", model], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def make_stack(tmp_path: Path, baselines: Path) -> Iterator[MakeStack]:
    """Makes stacks on a broker; closes them."""
    stacks: list[Stack] = []

    def make(bootstrap_servers: str, **more: object) -> Stack:
        for file in baselines.glob("*.json"):
            shutil.copy(file, tmp_path)
        stacks.append(Stack(bootstrap_servers, tmp_path, **more))  # type: ignore[arg-type]
        return stacks[-1]

    yield make
    for stack in stacks:
        stack.close()


@pytest.fixture
def stack(make_stack: MakeStack, kafka_bootstrap: str) -> Stack:
    """A stack on the session's broker."""
    return make_stack(kafka_bootstrap)
