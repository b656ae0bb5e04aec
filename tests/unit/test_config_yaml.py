"""What YAML itself would pass over in silence."""

from pathlib import Path

import pytest

from stream_monitor.config import load_config
from stream_monitor.errors import ConfigError


def test_a_key_given_twice_is_an_error(tmp_path: Path) -> None:
    """The first model would be lost otherwise; line and key are named."""
    path = tmp_path / "monitor.yaml"
    path.write_text("models:\n  loan: {baseline: a.json}\n  loan: {baseline: b.json}\n")
    with pytest.raises(ConfigError, match=r"monitor\.yaml, line 3, column 3: .*'loan' is given twice"):
        load_config(path)


def test_merge_keys_stay_usable(tmp_path: Path) -> None:
    """`<<` is YAML's own way of sharing settings between models."""
    path = tmp_path / "monitor.yaml"
    path.write_text("models:\n  loan: &loan {baseline: a.json, window: {size: 5m}}\n  card: {<<: *loan, baseline: b.json}\n")
    config = load_config(path)
    assert config.models["card"].window.size == 300_000
    assert config.models["card"].baseline == "b.json"


def test_a_day_that_no_calendar_has_is_named(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text("models:\n  loan: {baseline: a.json}\nrules:\n  - silences: [{start: 2026-13-05T16:00:00Z}]\n")
    with pytest.raises(ConfigError, match=r"monitor\.yaml, line 4, column 24: is not YAML: '2026-13-05T16:00:00Z': month must be in 1..12"):
        load_config(path)
