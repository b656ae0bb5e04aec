"""The pages and the report in a real browser, headless: they open, their links lead on, and the console stays empty."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from stream_monitor.cli.demo_stage import Stage
from stream_monitor.export.board import Site
from stream_monitor.export.http import MetricsServer
from stream_monitor.export.report import Story, write_report
from tests.demo_stage import played

REQUIRED = "STREAM_MONITOR_REQUIRE_CHROMIUM"


class Browser:
    """Chromium, one page at a time."""

    def __init__(self, program: str, folder: Path) -> None:
        self._command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
        self._folder = folder

    def open(self, url: str) -> str:
        """The page's tree after it has been laid out; AssertionError where its console says anything."""
        command = [*self._command, f"--user-data-dir={self._folder / 'profile'}", "--virtual-time-budget=1000", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert not said, said
        return done.stdout


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sentence = "chromium is not on the path: install Debian's chromium"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    return Browser(program, tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def stage() -> Stage:
    return played()


@pytest.fixture
def url(stage: Stage) -> Iterator[str]:
    with MetricsServer(stage.store.registry(), port=0, site=Site(stage.board)) as server:
        yield f"http://127.0.0.1:{server.port}"


def links(page: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="(/[^"]*)"', page)]


@pytest.mark.slow
def test_one_can_walk_from_the_models_to_a_feature_and_back(browser: Browser, url: str) -> None:
    overview = browser.open(url + "/")
    assert "<h1>Models</h1>" in overview
    model = next(link for link in links(overview) if link == "/models/loan")
    page = browser.open(url + model)
    feature = next(link for link in links(page) if link.endswith("/features/income"))
    shown = browser.open(url + feature)
    assert shown.count("<svg") > 5
    assert {"/", "/models/loan"} <= set(links(shown))
    found = browser.open(url + "/models/loan?search=age")
    assert feature not in links(found.partition('role="search"')[2])
    assert 'http-equiv="refresh"' in browser.open(url + next(link for link in links(overview) if "refresh=10" in link))


@pytest.mark.slow
def test_the_report_opens_from_a_file(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(Story.of(stage.alerts, stage.windows), path, "A run")
    page = browser.open(path.as_uri())
    assert "What moved" in page
    assert page.count('class="case"') == len({alert.alert_id for alert in stage.alerts})
