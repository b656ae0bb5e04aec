"""The ready action `subprocess` on real programs: what they get, how they end, and that nothing of them stays."""

import json
import sys
from pathlib import Path

import pytest

from stream_monitor.respond import Alert, ReadyAction, Refused, Retriable
from stream_monitor.respond.actions import READY
from tests.integration.waiting import wait_until
from tests.respond.alerts import ALERT, KEY, act, call


def program(code: str, *arguments: str, **settings: object) -> ReadyAction:
    """A Python program."""
    return READY["subprocess"].model_validate({"command": [sys.executable, "-c", code, *arguments], **settings})


def test_the_environment_is_what_the_settings_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_OWN_SECRET", "hush-hush")
    told = act(program("import json, os; print(json.dumps(dict(os.environ)))", environment={"MORE": "quite-more"}))
    assert told is not None
    got = json.loads(told["stdout"])
    assert got["STREAM_MONITOR_IDEMPOTENCY_KEY"] == KEY
    assert got["MORE"] == "***", "it got it, and it is not shown"
    assert "OUR_OWN_SECRET" not in got


def test_the_alert_is_on_standard_input(tmp_path: Path) -> None:
    act(program("import pathlib, sys; pathlib.Path('alert.json').write_text(sys.stdin.read())", folder=tmp_path))
    assert Alert.from_json((tmp_path / "alert.json").read_bytes()) == ALERT


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    told = act(program("import sys; print(sys.argv[1])", "$(touch here); `id` | *", folder=tmp_path))
    assert told is not None
    assert told["stdout"] == "$(touch here); `id` | *\n"
    assert not list(tmp_path.iterdir())


def test_a_status_says_whether_to_try_again() -> None:
    with pytest.raises(Retriable, match="ended with status 1: no luck"):
        act(program("import sys; sys.exit('no luck')"))
    with pytest.raises(Refused, match="ended with status 78"):
        act(program("import sys; sys.exit(78)", refused=[78]))
    with pytest.raises(Retriable, match="ended with status -9"):
        act(program("import os; os.kill(os.getpid(), 9)"))


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    for command in ("/no/such/program", str(tmp_path / "data")):
        with pytest.raises(Refused, match="cannot be run"):
            act(READY["subprocess"].model_validate({"command": [command]}))
    with pytest.raises(Refused, match="cannot be run"):
        act(program("", folder=tmp_path / "none"))


def test_much_output_is_told_by_its_end() -> None:
    told = act(program("import sys\nfor _ in range(300): print('x' * 10_000)\nprint('the end')\nprint('e' * 9_000, file=sys.stderr)"))
    assert told is not None
    assert told["stdout"].endswith("the end\n")
    assert len(told["stdout"]) == len(told["stderr"]) == 2000


GRANDCHILD = """
import pathlib, signal, subprocess, sys, time
{before}
child = subprocess.Popen([sys.executable, "-c", "import time; {inside}; time.sleep(600)"])
pathlib.Path("pid").write_text(str(child.pid))
{after}
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.mark.parametrize(("before", "inside"), [("", "0"), (DEAF, DEAF)], ids=["that ends when asked", "that does not"])
def test_when_time_is_over_the_whole_group_ends(before: str, inside: str, tmp_path: Path) -> None:
    code = GRANDCHILD.format(before=before, inside=inside, after="time.sleep(600)")
    with pytest.raises(Retriable, match="took longer than"):
        act(program(code, folder=tmp_path), told=call(within_s=2.0))
    assert_gone(tmp_path)


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """It holds the outputs open, which we read to their end."""
    told = act(program(GRANDCHILD.format(before="", inside="0", after=""), folder=tmp_path))
    assert told is not None
    assert_gone(tmp_path)


def assert_gone(folder: Path) -> None:
    pid = int((folder / "pid").read_text())
    wait_until(lambda: not runs(pid), "the grandchild's end")


def runs(pid: int) -> bool:
    """A dead process that nobody has buried yet does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_program_need_not_read() -> None:
    assert act(program("import os; os.close(0)")) is not None


def test_a_dry_run_runs_nothing(tmp_path: Path) -> None:
    told = act(program("open('here', 'w')", folder=tmp_path), told=call(dry_run=True))
    assert told is not None
    assert told["would_run"][0] == sys.executable
    assert not list(tmp_path.iterdir())
