"""`actions:` of the config."""

from pathlib import Path

import pytest

from stream_monitor.config import load_config
from stream_monitor.errors import ConfigError

HEAD = "models: {loan: {baseline: a.json}}\nactions:\n"


def written(path: Path, text: str) -> Path:
    file = path / "monitor.yaml"
    file.write_text(HEAD + text)
    return file


def test_an_action_is_read_with_its_filter_and_its_secrets_left_alone(tmp_path: Path) -> None:
    """`on` is no truth value here, and `run` on a machine without the secret still starts."""
    text = '  page: {use: webhook, on: {severity: critical}, retries: 5, with: {url: "${NOT_SET_ANYWHERE}"}}\n'
    action = load_config(written(tmp_path, text)).actions["page"]
    assert (action.use, action.on.severity, action.retries) == ("webhook", ("critical",), 5)
    assert action.settings == {"url": "${NOT_SET_ANYWHERE}"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("  page: {on: {severity: critical}}\n", "actions.page.use is missing"),
        ("  page: {use: webhook, on: {severty: critical}}\n", "unknown key actions.page.on.severty; did you mean severity"),
        ("  page: {use: webhook, wiht: {}}\n", "unknown key actions.page.wiht; did you mean with"),
        ("  page: {use: webhook, rate: often}\n", "'often' is not so many in so long; write for example 1/6h"),
    ],
)
def test_a_mistake_names_the_key(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_config(written(tmp_path, text))


def test_actions_do_not_travel_in_the_log(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "  page: {use: webhook, with: {url: secret}}\n"))
    assert b"secret" not in config.shared({"a.json": "b"})
