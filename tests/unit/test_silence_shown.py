"""A model, a version or a segment that fell silent shows no healthy figure that is old: on a real scrape, in the API and on the pages."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
from rich.console import Console

from stream_monitor.cli.demo_acts import ACTS, END_MS
from stream_monitor.cli.demo_frame import Around, frame
from stream_monitor.cli.demo_stage import TURN_MS, Stage, Turn
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.export.board import Board, Site
from stream_monitor.export.http import MetricsServer
from stream_monitor.export.metrics import MetricStore
from tests.property.pipeline_world import START_MS, Event, World, config_of, traffic

SILENT_MS = START_MS + 200_000
SINCE = "2026-01-01T10:03:20.000Z"
SILENT = {("fraud", ""), ("loan", "version=2"), ("loan", "region=east")}


def goes_on(event: Event) -> bool:
    """One model, one version of another and one of its segments fall silent."""
    is_silent = event.model == "fraud" or event.version == "2" or (event.body and event.body["features"]["region"] == "east")
    return event.time_ms < SILENT_MS or not is_silent


class Shown:
    """A world with a server before it."""

    def __init__(self) -> None:
        self.world = World(config_of(segments=("region",)), 2)
        self.world.meter, self.world.audience = MetricStore(), Board(clock=lambda: self.world.now_ms)
        self.world.staff(1, 1)
        self.events = traffic(3, 2_500, 420_000)
        self.server = MetricsServer(self.world.meter.registry(), port=0, site=Site(self.world.audience))

    def get(self, target: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.server.port}{target}") as answer:
            return str(answer.read().decode())

    def api(self, target: str) -> Any:
        return json.loads(self.get(f"/api/v1/{target}"))

    def scraped(self, metric: str) -> dict[tuple[str, str], set[str]]:
        """Model and segment -> detectors (of `drift_score`) or values."""
        found: dict[tuple[str, str], set[str]] = {}
        for labels, value in re.findall(rf"^stream_monitor_{metric}{{(.*)}} (.*)$", self.get("/metrics"), re.MULTILINE):
            named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            found.setdefault((named["model"], named.get("segment", "")), set()).add(named.get("detector", value))
        return found


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    made = Shown()
    with made.server:
        made.world.play([event for event in made.events if event.time_ms < START_MS + 380_000 and goes_on(event)])
        yield made


def test_scores_of_what_fell_silent_vanish_from_a_scrape_and_a_gauge_says_since_when(shown: Shown) -> None:
    scores, ends = shown.scraped("drift_score"), shown.scraped("data_end_timestamp_seconds")
    assert {"psi", "missing_ratio"} <= scores["loan", ""] & scores["loan", "region=north"]
    assert set().union(*(scores.get(key, set()) for key in SILENT)) <= {"volume", "silence"}
    assert {key[0] for key in shown.scraped("missing_ratio")} == {"loan"}
    assert {float(end) for key in SILENT for end in ends[key]} == {SILENT_MS / 1000}
    assert min(map(float, ends["loan", ""])) > SILENT_MS / 1000 + 60


def test_the_api_says_no_data_and_since_when(shown: Shown) -> None:
    models = {(each["model"], each["version"]): each for each in shown.api("models")["models"]}
    for key in (("fraud", None), ("loan", "2")):
        assert models[key]["silent_since"] == SINCE
        assert models[key]["state"] not in ("ok", "waiting")
    assert models["loan", None]["silent_since"] is None
    fraud = shown.api("models/fraud")
    assert {each["score"] for each in fraud["features"]} == {None}, "what is nearest to its threshold now is not known"
    for query in ("fraud/figures", "loan/figures?version=2", "loan/figures?segment=region%3Deast"):
        told = shown.api(f"models/{query}")
        assert told["silent_since"] == SINCE
        levels = [*told["others"], *(told["operations"] or {"levels": []})["levels"]]
        assert {each["detector"] for each in levels if each["value"] is not None} <= {"volume", "silence"}
    assert shown.api("models/fraud/features/amount")["silent_since"] == SINCE
    assert shown.api("models/loan/figures?segment=region%3Dnorth")["silent_since"] is None


def test_the_pages_say_it_in_words(shown: Shown) -> None:
    overview = shown.get("/")
    assert overview.count("nothing since 2026-01-01 10:03:20") == 2
    for target in ("fraud", "loan?version=2", "loan?segment=region%3Deast", "fraud/features/amount"):
        assert "<b>No data</b> since 2026-01-01 10:03:20" in shown.get(f"/models/{target}")
    assert "No data" not in shown.get("/models/loan")


def test_what_comes_back_is_shown_again_and_a_silence_of_all_is_told(shown: Shown) -> None:
    world = shown.world
    world.play([event for event in shown.events if event.time_ms >= START_MS + 380_000])
    world.settle(1, 0)
    assert {"psi"} <= shown.scraped("drift_score")["fraud", ""]
    world.settle(60, 20_000)
    assert {kind for kinds in shown.scraped("drift_score").values() for kind in kinds} <= {"volume", "silence"}
    assert all(each["silent_since"] for each in shown.api("models")["models"])


def test_quality_and_bias_of_a_silent_model_vanish_and_the_age_of_its_labels_stays() -> None:
    stage = Stage(Traffic.seeded(3, 3_000, ACTS[:1]))
    for _ in stage.play():
        pass
    labels = {"model": "loan", "segment": ""}
    judged_s = stage.store.value("quality_end_timestamp_seconds", labels)
    assert stage.store.value("quality", {**labels, "metric": "accuracy"}) is not None
    assert "stream_monitor_bias{" in stage.store.text()
    for turn in range(1, 20):
        stage._turn([], END_MS + turn * TURN_MS)
    assert not re.search(r"stream_monitor_(quality|bias|missing_ratio)\{", stage.store.text())
    view = frame(stage, Around(Turn(END_MS, 3_000, ACTS[0], False, []), 1.0, ""), Console(width=80, height=24)).plain
    assert "no data since 09:04:00" in view
    assert not re.search(r"^(age|income)\s+ok", view, re.MULTILINE)
    assert judged_s is not None
    assert (stage.store.value("quality_end_timestamp_seconds", labels) or 0) >= judged_s
