"""A ready action as a responder runs it: from the config, in a thread, with its result as JSON."""

from pathlib import Path
from threading import BoundedSemaphore

import pytest

from stream_monitor.config import load_config
from stream_monitor.errors import ConfigError
from stream_monitor.respond import Retriable
from stream_monitor.respond.attempt import attempt
from stream_monitor.respond.load import ready_actions
from tests.respond.alerts import ALERT, KEY, call
from tests.respond.counterpart import Reply, counterpart

CONFIG = """
models: {{loan: {{baseline: loan.json}}}}
actions:
  hook: {{use: webhook, with: {{url: "{url}", secret: "${{HOOK_SECRET}}"}}}}
  program: {{use: subprocess, with: {{command: [cat]}}}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOOK_SECRET", "hush-hush")
    return tmp_path / "monitor.yaml"


def test_async_and_sync_ones_run_and_tell_json(config: Path) -> None:
    with counterpart(Reply(204)) as there:
        config.write_text(CONFIG.format(url=there.url))
        hook, program = ready_actions(load_config(config), str(config))
        assert attempt(hook, ALERT, call(), BoundedSemaphore(1)) == {"status": 204}
        told = attempt(program, ALERT, call(), BoundedSemaphore(1))
        there.answer = lambda _: Reply(503, headers={"Retry-After": "9"})
        with pytest.raises(Retriable) as error:
            attempt(hook, ALERT, call(), BoundedSemaphore(1))
    assert error.value.after_s == 9
    assert there.asked[0].headers["webhook-id"] == KEY
    assert isinstance(told, dict)
    assert told["exit_status"] == 0


def test_a_setting_that_is_wrong_is_named_and_no_secret_shown(config: Path) -> None:
    config.write_text(CONFIG.format(url="http://127.0.0.1").replace("secret:", "secrets:"))
    with pytest.raises(ConfigError, match=r"actions\.hook\.with\.secrets") as error:
        list(ready_actions(load_config(config), str(config)))
    assert "hush-hush" not in str(error.value)
