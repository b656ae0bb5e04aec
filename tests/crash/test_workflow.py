"""A workflow whose responder is killed in the middle of every step: it goes on there, and what was done is not done again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_monitor.alert.alert import AlertStatus
from stream_monitor.cli.app import app
from stream_monitor.respond import ActionStatus
from tests.integration.waiting import wait_until
from tests.respond.lab import alert
from tests.respond.stack import RespondStack

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow]

STEPS = ("retrain", "validate", "deploy", "verify")
MODULE = '''
import pathlib, time
from stream_monitor.respond import Run, Workflow, on, resolved

HERE = pathlib.Path(__file__).parent
loop = Workflow("loop")


def work(run: Run) -> dict:
    """Tells that it has begun; the first time it waits to be killed."""
    step = run.call.idempotency_key.split("/")[1]
    with open(HERE / "effects.txt", "ab", buffering=0) as file:
        file.write(f"{run.call.idempotency_key} {run.call.attempt}\\n".encode())
    while run.call.attempt == 1 and not (HERE / "calm").exists():
        time.sleep(0.05)
    return {"step": step, "saw": sorted(run.results)}


for name in ("retrain", "validate", "deploy"):
    loop.step(name=name)(work)
loop.step(name="verify", within="10m")(resolved)
on(timeout="5m")(loop)
'''


@pytest.fixture
def stack(kafka_bootstrap: str, tmp_path: Path) -> Iterator[RespondStack]:
    made = RespondStack(kafka_bootstrap, tmp_path, MODULE)
    yield made
    made.close()


def test_killed_in_every_step(stack: RespondStack) -> None:
    stack.tell(["a"])
    for number, step in enumerate(STEPS[:3]):
        process = stack.respond(f"r{number}")
        wait_until(lambda step=step: any(step in line for line in stack.effect_lines()), f"step {step} to begin", 90)  # type: ignore[misc]
        process.kill()
    process = stack.respond("r3")
    wait_until(lambda: "deploy" in ((stack.last()["loop/a"].progress or {}).get("steps", {})), "the last step", 90)
    process.kill()
    stack.publish([alert("a", status=AlertStatus.RESOLVED, resolved_at="2026-01-05T08:40:00.000Z", reason="recovered").to_json()])
    stack.respond("r4")
    stack.wait_for(["a"], action="loop", deadline_s=90)
    last = stack.last()["loop/a"]
    assert last.status is ActionStatus.SUCCEEDED
    assert last.progress is not None
    results = {name: step["result"] for name, step in last.progress["steps"].items()}
    assert results == {
        "retrain": {"step": "retrain", "saw": []},
        "validate": {"step": "validate", "saw": ["retrain"]},
        "deploy": {"step": "deploy", "saw": ["retrain", "validate"]},
        "verify": {"resolved_at": "2026-01-05T08:40:00.000Z", "reason": "recovered"},
    }
    assert stack.effect_lines() == [f"a/{step} {attempt}" for step in STEPS[:3] for attempt in (1, 2)]
    shown = CliRunner().invoke(app, ["workflows", "show", "loop/", "--config", str(stack.config_file("any"))])
    assert shown.exit_code == 0, shown.output
    assert "ended (recovered) at 2026-01-05T08:40:00.000Z" in " ".join(shown.output.split())
    listed = CliRunner().invoke(app, ["workflows", "list", "--config", str(stack.config_file("any"))])
    assert "verify: done" in " ".join(listed.output.split())
