"""The documentation is true: every command is run and prints what stands beneath it, every file in it is read by what reads it."""

import re
from pathlib import Path

import orjson
import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.baseline.store import load_baseline
from stream_monitor.cli.commands import COMMANDS as NAMES
from stream_monitor.cli.commands import loaded
from stream_monitor.cli.sources import Row
from stream_monitor.config import parse_config
from stream_monitor.pipeline.plan import compile_plan
from stream_monitor.respond import ActionResult
from tests.integration.page import blocks, pattern, spans
from tests.integration.reader import ROOT, TARGETS, Reader, as_config, programs, unknown
from tests.kafka.server import KafkaServer

README = ROOT / "README.md"
HOW_TO = sorted((ROOT / "docs/how-to").glob("*.md"), key=lambda page: (page.stem != "first-model", page.stem))
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
FOLLOWED = {README, *HOW_TO}
COMMANDS = {name: loaded(name) for name in NAMES}


@pytest.mark.kafka
@pytest.mark.slow
def test_the_readme_can_be_followed(kafka_server: KafkaServer, tmp_path: Path) -> None:
    """On a Kafka of its own, as the next: topics have the names that the pages give them."""
    Reader(tmp_path, kafka_server.bootstrap_servers).follow(README)


@pytest.mark.kafka
@pytest.mark.slow
def test_the_how_to_pages_can_be_followed(kafka_server: KafkaServer, tmp_path: Path) -> None:
    """The others go on from the first, in its folder and on its Kafka."""
    for page in HOW_TO:
        Reader(tmp_path, kafka_server.bootstrap_servers).follow(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_command_stands_where_no_test_runs_it(page: Path) -> None:
    for block in blocks(page):
        assert block.language in {"sh", "text", "json", "yaml", "python", "said by", "Ctrl-C"}, f"{block}: of what language is this?"
        if block.language == "sh":
            assert not [command for command in block.commands if unknown(command)], f"{block}: is not run"
        if block.language == "sh" and page not in FOLLOWED:
            assert {name for command in block.commands for name in programs(command)} <= {"make"}, f"{block}: is not run"
            assert all(command.split()[1] in TARGETS for command in block.commands), block
        if block.language == "text":
            assert not re.match(r"\s*(stream-monitor (?!run)\w+ -|make |docker |python |curl )", block.text), f"{block}: is this `sh`?"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_named_in_passing_is_there(page: Path) -> None:
    for span in spans(page):
        name, *words = span.split()
        for path in re.findall(r"(?<!\S)(?:benchmarks|deploy|docs|stream_monitor|tests)/[\w./-]*\w", span):
            assert (ROOT / path).exists(), span
        if name == "make" and words:
            assert words[0] in TARGETS, span
        if name == "stream-monitor" and words and words[0].isalpha() and words[0].islower():
            assert words[0] in COMMANDS, span
        if name in COMMANDS and any(word.startswith("--") for word in words):
            known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known, span


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_rows_stand_in_a_table(page: Path) -> None:
    """One that stands alone is shown as it is written, bars and all."""
    plain = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for block in re.findall(r"(?:^\| .*\n)(?:^\|.*\n?)*", plain, re.MULTILINE):
        assert re.match(r".*\n\|[ :|-]+\|$", block, re.MULTILINE), block


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_a_page_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?:", target):
            continue
        file, _, heading = target.partition("#")
        path = (page.parent / file) if file else page
        assert path.exists(), target
        assert not heading or heading in headings(path), target


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_messages_and_settings_are_what_their_readers_take(page: Path) -> None:
    for block in blocks(page):
        if block.language == "json":
            take(block.text)
        if block.language == "yaml" and not block.words:
            as_config(block.text, str(block))


def take(text: str) -> None:
    """A capture as the sample's model takes it, an alert, or what became of an action about one."""
    if "action" in orjson.loads(text):
        assert ActionResult.from_json(text.encode()).to_json() == orjson.dumps(orjson.loads(text))
        return
    if "alert_id" in orjson.loads(text):
        assert Alert.from_json(text.encode()).to_json() == orjson.dumps(orjson.loads(text))
        return
    baseline = load_baseline((ROOT / "deploy/docker/loan.baseline.json").read_bytes(), "loan")
    config = parse_config({"instance": "docs", "models": {"loan": {"baseline": "loan"}}}, "docs")
    decoder = compile_plan(config, config.shared({"loan": baseline.id}), {"loan": baseline}).decoder()
    columns, rejects = decoder.decode([Row("docs", 0, text.encode())], None)
    assert not rejects, rejects
    assert not any(flags.any() for part in columns for flags in part.extra.values()), "features that the model does not have"


def test_a_pattern_stands_for_what_is_left_out() -> None:
    assert pattern("a  b … d").search("x\na b c\nd")
    assert not pattern("a b … d").search("a c d")
