"""`docs/actions.md` is true: every action and setting is there, every example is a config, and the snippet verifies what is sent."""

import re
from pathlib import Path
from typing import Any

import pytest

from stream_monitor.config import load_config
from stream_monitor.respond.actions import READY
from stream_monitor.respond.load import ready_actions
from tests.respond.alerts import act
from tests.respond.counterpart import Reply, counterpart
from tests.respond.http_actions import made

PAGE = (Path(__file__).parents[2] / "docs/actions.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
COMMON = {"link", "ca", "region", "endpoint_url"}
"""Explained once, above the sections; of AWS in its first."""


def test_every_action_has_its_section() -> None:
    assert SECTIONS.keys() == READY.keys()


@pytest.mark.parametrize("name", READY)
def test_every_setting_is_explained(name: str) -> None:
    assert not [field for field in READY[name].model_fields.keys() - COMMON if not re.search(rf"\b{field}\b", SECTIONS[name])]


EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_what_a_responder_takes(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"\$\{(\w+)\}", example):
        monkeypatch.setenv(name, "https://hush.example")  # some are addresses
    path = tmp_path / "monitor.yaml"
    path.write_text(f"models: {{loan: {{baseline: loan.json}}}}\n{example}", encoding="utf-8")
    config = load_config(path)
    assert [action.name for action in ready_actions(config, str(path))] == [*config.actions]


@pytest.mark.parametrize("secret", ["hush", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_the_snippet_verifies_what_is_sent(secret: str) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", SECTIONS["webhook"], re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    with counterpart(Reply()) as there:
        act(made("webhook", url=there.url, secret=secret))
    (asked,) = there.asked
    is_genuine = names["is_genuine"]
    assert is_genuine(secret, asked.headers, asked.body)
    assert not is_genuine("other", asked.headers, asked.body)
    assert not is_genuine(secret, asked.headers, asked.body + b" ")
    assert not is_genuine(secret, {**asked.headers, "webhook-timestamp": "0"}, asked.body)
    assert not is_genuine(secret, {**asked.headers, "webhook-id": "other"}, asked.body)
