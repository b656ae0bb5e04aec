"""The architecture, held: imports run one way, importing does nothing, every module says what it is."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "stream_monitor"

# A room may use those before it. `stream_monitor` itself stands for the public names, which the command line may use too.
ORDER = (
    "errors",
    "config",
    "client",
    "capture",
    "profile",
    "baseline",
    "window",
    "detect",
    "alert",
    "pipeline",
    "runtime",
    "export",
    "respond",
    "",
    "cli",
    "__main__",
)

# The path is pure: all time, chance and I/O come in through the log.
PURE = ("profile", "window", "detect", "alert", "pipeline")
IMPURE_MODULES = {"asyncio", "confluent_kafka", "logging", "random", "requests", "socket", "structlog", "subprocess", "threading", "time"}

HEAVY = ("confluent_kafka", "faust", "numba", "pyarrow", "river", "scipy", "sklearn")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


TREES = {module_name(path): ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}
PACKAGES = {module_name(path) for path in PACKAGE.rglob("__init__.py")}


def room(module: str) -> str:
    """The folder or top-level module that a module is in; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def base_of(module: str, node: ast.ImportFrom) -> str:
    """The absolute name after `from`."""
    if node.level == 0:
        return node.module or ""
    parts = module.split(".") if module in PACKAGES else module.split(".")[:-1]
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def imported(module: str) -> Iterator[tuple[str, int]]:
    """(absolute module, line) of every import, wherever in the file it is."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = base_of(module, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in TREES else base), node.lineno


def own(module: str) -> Iterator[tuple[str, int]]:
    return ((target, line) for target, line in imported(module) if target.partition(".")[0] == "stream_monitor")


@pytest.mark.parametrize("module", TREES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert (ast.get_docstring(TREES[module]) or "").strip(), f"{module} has no docstring"


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(module) for module in TREES} <= set(ORDER), "give the new room its place in ORDER, here and in docs/architecture.md"


@pytest.mark.parametrize("module", TREES)
def test_imports_run_one_way(module: str) -> None:
    place = ORDER.index(room(module))
    wrong = [f"line {line}: {target}" for target, line in own(module) if ORDER.index(room(target)) > place]
    assert not wrong, f"{module} uses what comes after it: {'; '.join(wrong)}"


def test_own_imports_exist() -> None:
    missing = [f"{module}, line {line}: {target}" for module in TREES for target, line in own(module) if target not in TREES]
    assert not missing


def test_no_circles() -> None:
    graph = {module: {target for target, _ in own(module)} - {module} for module in TREES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("module", [module for module in TREES if room(module) in PURE])
def test_the_path_is_pure(module: str) -> None:
    used = {target.partition(".")[0] for target, _ in imported(module)} & IMPURE_MODULES
    assert not used, f"{module} is on the pure path and uses {', '.join(sorted(used))}"


def test_responders_know_alerts_and_nothing_else_of_the_path() -> None:
    """Holds from the first responder on."""
    path = set(ORDER[ORDER.index("capture") : ORDER.index("runtime")]) - {"alert"}
    used = {module: {room(target) for target, _ in own(module)} & path for module in TREES if room(module) == "respond"}
    assert not {module: rooms for module, rooms in used.items() if rooms}


PROBE = """
import json, sys, threading
import stream_monitor
json.dump({"modules": sorted(sys.modules), "threads": threading.active_count()}, sys.stdout)
"""


def test_importing_the_package_does_nothing(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", PROBE], cwd=tmp_path, env=environment, capture_output=True, check=True, timeout=60)
    found = json.loads(run.stdout)
    assert not set(HEAVY) & set(found["modules"])
    assert found["threads"] == 1
    assert run.stderr == b""
    assert not list(tmp_path.iterdir())


def test_a_responder_needs_nothing_of_what_judges() -> None:
    """It would be 170 MB more, and two seconds at every start; `actions` and `workflows` neither."""
    program = (
        "import sys\n"
        "from stream_monitor.cli.commands import loaded\n"
        "[loaded(name) for name in ('respond', 'actions', 'workflows')]\n"
        "import stream_monitor.respond.app, stream_monitor.runtime.kafka\n"
        "print([name for name in ('numba', 'pyarrow', 'river', 'scipy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
