"""docs/configuration.md is what the code says."""

from pathlib import Path

from stream_monitor.export.config_page import config_page

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    """`make docs` was run after the last change of the config."""
    assert PAGE.read_text(encoding="utf-8") == config_page()


def test_every_key_says_what_it_is_for() -> None:
    """No row without a meaning."""
    rows = [line for line in config_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 40
    assert not [row for row in rows if not row.split(" | ")[2].rstrip(" |")]
