"""The pages and the report in a real browser: one clicks and tabs through them, by day and by night, and nothing else is asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_monitor.cli.demo_stage import Stage
from stream_monitor.export.board import Crew, Site
from stream_monitor.export.http import MetricsServer
from stream_monitor.export.report import Story, write_report
from stream_monitor.runtime.roster import Roster
from tests.browser import ENTER, TAB, Browser
from tests.demo_stage import called
from tests.integration.waiting import wait_until

pytestmark = pytest.mark.slow

PAGES = ("/", "/alerts", "/workers", "/models/loan", "/models/loan?segment=region%3Dnorth", "/models/loan/features/income")
DIM = """
const luminance = colour => {
  const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const paper = element => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (!/, 0\\)$/.test(colour)) return colour;
  }
  return 'rgb(255, 255, 255)';
};
return [...document.querySelectorAll('body *')]
  .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim()) && !each.closest('.skip'))
  .map(each => {
    const ink = getComputedStyle(each)[each.closest('svg') ? 'fill' : 'color'];
    const [a, b] = [luminance(ink), luminance(paper(each))].sort((x, y) => y - x);
    return [each.textContent.trim().slice(0, 40), (a + .05) / (b + .05)];
  })
  .filter(([_, contrast]) => contrast < 4.5);
"""
"""Texts below the contrast that WCAG 2.2 asks for (1.4.3, level AA)."""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


@pytest.fixture
def browser(window: Browser, url: str) -> Iterator[Browser]:
    """At the home page; its console must be empty in the end, and nothing asked of anybody but the worker."""
    window.open("about:blank")  # away from the browser's own first page, which loads a lot
    window.console(), window.requests()
    window.open(url + "/")
    yield window
    assert window.console() == []
    assert {asked for asked in window.requests() if not asked.startswith((url, "file:"))} == set()


@pytest.fixture(scope="module")
def stage() -> Stage:
    return called()


@pytest.fixture(scope="module")
def url(stage: Stage) -> Iterator[str]:
    crew = Crew(Roster(stage.broker, stage.config.topics.prefix, stage.clock), "demo")
    with MetricsServer(stage.store.registry(), port=0, site=Site(stage.board, crew=crew)) as server:
        yield f"http://127.0.0.1:{server.port}"


def test_one_clicks_from_the_models_to_a_feature_to_the_alerts_to_the_workers_and_back(browser: Browser, url: str) -> None:
    assert "<h1>Models</h1>" in browser.source
    browser.click("loan", "main")
    assert browser.url == url + "/models/loan"
    browser.click("income", "tbody")
    assert browser.url == url + "/models/loan/features/income"
    assert browser.source.count("<svg") > 5
    browser.click("loan", "ol")
    assert browser.url == url + "/models/loan"
    browser.click("Alerts")
    assert browser.url == url + "/alerts"
    assert "income drifted" in browser.source
    browser.click("Workers")
    assert browser.url == url + "/workers"
    assert "(this one)" in browser.source
    browser.click("loan", "main")
    browser.click("Models")
    assert browser.url == url + "/"


def test_one_reads_how_good_the_model_is_and_goes_to_a_segment(browser: Browser, url: str) -> None:
    browser.open(url + "/models/loan")
    for name in ("quality", "bias", "concept drift", "operations", "columns"):
        browser.click(name, "main")
        assert browser.url.rpartition("#")[2] in browser.run("return [...document.querySelectorAll('h2[id]')].map(each => each.id)")
    charts = browser.run("return [...document.querySelectorAll('svg')].map(each => each.getAttribute('aria-label'))")
    assert charts[0] == "accuracy by labels and as estimated, over time"
    assert "latency p95 over the last windows" in charts
    browser.click("region=north", "main")
    assert browser.url == url + "/models/loan?segment=region%3Dnorth"
    assert browser.run("return document.querySelector('h1').textContent").endswith("loan, region=north")
    browser.click("the whole", "main")
    assert browser.url == url + "/models/loan"


def test_one_finds_a_column_by_its_name(browser: Browser, url: str) -> None:
    browser.open(url + "/models/loan")
    browser.run("document.querySelector('input[type=search]').focus()")
    browser.press(*"age", ENTER)
    wait_until(lambda: browser.url == url + "/models/loan?search=age", "what was found")
    assert browser.run("return [...document.querySelectorAll('tbody a')].map(each => each.textContent)")[-1:] == ["age"]
    assert browser.run("return document.querySelector('input[type=search]').value") == "age"


def test_a_page_refreshes_itself_where_one_asks_for_it(browser: Browser, url: str) -> None:
    browser.click("Refresh every 10 s")
    assert 'http-equiv="refresh"' in browser.source
    browser.click("Stop refreshing")
    assert browser.url == url + "/"


def test_the_keyboard_reaches_every_link_and_skips_to_the_content(browser: Browser, url: str) -> None:
    browser.open(url + "/models/loan")
    count = browser.run("return document.querySelectorAll('a, input, button').length")
    reached = []
    for _ in range(count):
        browser.press(TAB)
        reached.append(browser.run("return [...document.querySelectorAll('a, input, button')].indexOf(document.activeElement)"))
    assert reached == list(range(count)), "in the order of reading"
    browser.open(url + "/models/loan")
    browser.press(TAB)
    assert browser.run("return document.activeElement.getBoundingClientRect().left") >= 0, "the skip link is seen while it has the focus"
    browser.press(ENTER)
    wait_until(lambda: browser.url.endswith("#main"), "the content")
    browser.press(TAB)
    assert browser.run("return document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_by_day_and_by_night(browser: Browser, url: str, scheme: str) -> None:
    browser.prefer(scheme)
    papers = set()
    for page in PAGES:
        browser.open(url + page)
        papers.add(browser.run("return getComputedStyle(document.body).backgroundColor"))
        assert browser.run(DIM) == [], page
    assert papers == {"rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 30)"}


@pytest.mark.parametrize("width", [500, 1400])
def test_nothing_is_cut_off_on_a_narrow_or_a_wide_screen(browser: Browser, url: str, width: int) -> None:
    browser.resize(width, 800)
    for page in PAGES:
        browser.open(url + page)
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), page
    browser.resize(1000, 800)


def test_the_report_opens_from_a_file(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(Story.of(stage.alerts, stage.windows), path, "A run")
    browser.open(path.as_uri())
    assert "What moved" in browser.source
    assert browser.run(DIM) == []
    assert browser.source.count('class="case"') == len({alert.alert_id for alert in stage.alerts})
