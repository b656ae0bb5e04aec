"""The names that users and tests may rely on: a change here is a change for them, and goes into CHANGELOG.md."""

import importlib
import pkgutil
import tomllib
from pathlib import Path

import pytest

import stream_monitor
from stream_monitor import errors
from stream_monitor.cli.commands import loaded

ROOT = Path(__file__).parents[2]
PUBLIC = {"CaptureClient", "CaptureMiddleware", "Config", "StreamMonitorError", "load_config"}
COMMANDS = {
    "demo": {"--headless", "--events", "--seed", "--out", "--port", "--report"},
    "baseline": {"--out", "--config", "--model", "--time", "--target", "--prediction", "--score", "--drop", "--json"},
    "check": {"--config", "--connect", "--json"},
    "run": {"--config", "--roles"},
    "replay": {"--config", "--captures", "--labels", "--out", "--json", "--report"},
}
"""The contract's commands and flags; there may be more."""
MODULES = [
    module.name for module in pkgutil.walk_packages(stream_monitor.__path__, "stream_monitor.") if not module.name.endswith("__main__")
]


def test_the_package_exports_these_and_no_others() -> None:
    assert set(stream_monitor.__all__) == PUBLIC
    assert list(stream_monitor.__all__) == sorted(stream_monitor.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported_and_has_what_it_exports(name: str) -> None:
    module = importlib.import_module(name)
    missing = [export for export in getattr(module, "__all__", ()) if not hasattr(module, export)]
    assert not missing


def test_the_error_tree_is_the_one_that_is_drawn() -> None:
    drawn = {word for line in (errors.__doc__ or "").splitlines() for word in [line.strip("│├└─ ").split(" ")[0]] if word.isidentifier()}
    defined = {name for name, each in vars(errors).items() if isinstance(each, type)}
    assert defined <= drawn
    assert all(issubclass(vars(errors)[name], errors.StreamMonitorError) for name in defined)


def test_the_commands_and_flags_of_the_contract() -> None:
    for name, flags in COMMANDS.items():
        known = {option for parameter in loaded(name).params for option in parameter.opts}
        assert flags <= known, name


def test_the_script_is_the_one_that_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"stream-monitor": "stream_monitor.cli:main"}
    assert (ROOT / "stream_monitor" / "__main__.py").is_file()
