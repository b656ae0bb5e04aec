"""The command line knows its commands before it loads them."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from stream_monitor.cli.app import app
from stream_monitor.cli.commands import COMMANDS, loaded

PROBE = "import sys\nfrom stream_monitor.cli.app import app\napp(sys.argv[1:], standalone_mode=False)\nprint('loaded', *sys.modules)"


def modules(*line: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROBE, *line], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_what_help_says_of_a_command_is_what_it_says_itself(name: str) -> None:
    assert loaded(name).help == COMMANDS[name]
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"Usage: stream-monitor {name} " in shown.output


def test_help_loads_no_command() -> None:
    assert not {module for module in modules("--help") if module.startswith(("stream_monitor.cli.", "numpy"))} - {
        "stream_monitor.cli.app",
        "stream_monitor.cli.commands",
    }


@pytest.mark.parametrize("name", ["run", "replay", "check"])
def test_a_command_loads_itself_and_nothing_that_waits_for_its_use(name: str) -> None:
    found = modules(name, "--help")
    assert f"stream_monitor.cli.{name}" in found
    assert not found & {"river", "scipy.stats", "scipy.optimize", "sklearn", "confluent_kafka", "stream_monitor.cli.baseline"}


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(app, ["rum"])
    assert result.exit_code == 2
    assert "No such command 'rum'. Did you mean 'run'?" in result.output
    assert CliRunner().invoke(app, ["frobnicate"]).exit_code == 2


def test_a_group_has_its_commands() -> None:
    assert "list" in CliRunner().invoke(app, ["actions", "--help"]).output
    assert "No such command 'lost'. Did you mean 'list'?" in CliRunner().invoke(app, ["actions", "lost"]).output
