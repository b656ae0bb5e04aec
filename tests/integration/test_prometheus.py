"""The shipped rules, dashboards and Alertmanager config, by their real programs and on the metrics of a real worker under traffic."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import yaml

from stream_monitor.baseline.options import BuildOptions
from stream_monitor.baseline.store import dump
from stream_monitor.export.catalog import BY_NAME, PREFIX
from stream_monitor.pipeline.learn import learn
from stream_monitor.runtime.broker import TopicSpec
from tests.integration.stack import CLOSING_MS, ROOT, Stack
from tests.integration.traffic import Traffic, training
from tests.integration.waiting import pause, wait_until
from tests.prometheus.programs import alertmanager, ask, program, prometheus, run
from tests.respond.stack import RespondStack

DEPLOY = ROOT / "deploy"
DASHBOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json"))}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
VALUES = {"$__rate_interval": "10s", "$model": "loan", "${model}": "loan", "$feature": "amount"}


def test_rules_and_configs_are_what_their_programs_take() -> None:
    folder = DEPLOY / "prometheus"
    run([program("promtool"), "check", "config", "prometheus.yml"], folder)
    run([program("promtool"), "test", "rules", "rules_test.yml"], folder)
    run([program("amtool"), "check-config", "alertmanager.yml"], folder)


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    folder = DEPLOY / "prometheus"
    groups = yaml.safe_load((folder / "rules.yml").read_text(encoding="utf-8"))["groups"]
    alerts = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    tests = yaml.safe_load((folder / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
    tested = {each["alertname"] for test in tests for each in test["alert_rule_test"]}
    assert alerts.keys() - tested == {"StreamMonitorLagGrows"}, "its deriv over ten minutes is checked by promtool for its form alone"
    assert all(rule["annotations"].keys() == {"summary", "description", "runbook"} for rule in alerts.values())
    own = {name for name, rule in alerts.items() if rule.get("labels", {}).get("severity") in ("critical", "warning")}
    assert all("severity)" in alerts[name]["expr"] for name in alerts.keys() - own), "else the severity of what fires"


def test_every_runbook_is_a_heading_of_a_page() -> None:
    groups = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8"))["groups"]
    runbooks = {
        rule["alert"]: rule["annotations"]["runbook"].partition("#") for group in groups for rule in group["rules"] if "alert" in rule
    }
    for name, (page, _, heading) in runbooks.items():
        titles = re.findall(r"^## (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert name in titles
        assert heading == name.lower()


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):  # a row has none
            yield panel["title"], target["expr"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_whole(name: str) -> None:
    board = DASHBOARDS[name]
    assert board["uid"] == f"stream-monitor-{name}"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    cells = [(x, y) for p in board["panels"] for x in _span(p, "x", "w") for y in _span(p, "y", "h")]
    assert len(cells) == len(set(cells)), "no panel lies over another"
    known = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
    used = {name for _, query in queries(board) for name in re.findall(r"\$\{?(\w+)", query)}
    assert used <= known
    links = re.findall(r"/d/(stream-monitor-\w+)", json.dumps(board))
    assert set(links) <= {each["uid"] for each in DASHBOARDS.values()}


def test_rules_and_dashboards_name_metrics_that_there_are() -> None:
    """A query that ends in `or vector(0)` finds something whatever it asks for."""
    rules = (DEPLOY / "prometheus/rules.yml").read_text(encoding="utf-8")
    texts = [rules, *(query for board in DASHBOARDS.values() for _, query in queries(board))]
    named = {name.removesuffix("_bucket") for text in texts for name in re.findall(rf"(?<![:\w]){PREFIX}(\w+)\b(?!:)", text)}
    assert named
    assert named <= BY_NAME.keys()


def _span(panel: dict[str, Any], start: str, size: str) -> range:
    place = panel["gridPos"]
    return range(place[start], place[start] + place[size])


def test_the_composed_services_mount_what_they_are_told_to_read() -> None:
    services = COMPOSE["services"]
    mounted = [volume.split(":") for name in ("prometheus", "alertmanager", "grafana") for volume in services[name]["volumes"]]
    assert all((ROOT / source).exists() for source, *_ in mounted if source.startswith("./"))
    scraped = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    targets = [job["static_configs"][0]["targets"] for job in scraped["scrape_configs"]]
    assert targets == [["monitor:9108"], ["responder:9109"]]
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/stream-monitor.yml").read_text(encoding="utf-8"))["providers"][0]
    assert provider["options"]["path"] in [target for _, target, *_ in mounted]


@pytest.mark.kafka
@pytest.mark.slow
def test_every_query_finds_data_and_drift_reaches_the_alertmanager(stack: Stack, tmp_path: Path) -> None:
    labels = f"{stack.captures}-labels"
    stack.broker.ensure_topics([TopicSpec(labels, 2)])
    learn_quality(stack)
    topics = {"captures": [stack.captures], "labels": [labels], "prefix": stack.prefix}
    monitor = stack.monitor("watched", config=stack.config_file("watched", more={"topics": topics}))
    monitor.wait_ready()
    responders = RespondStack(stack.bootstrap_servers, stack.folder, prepare=False, topics={"prefix": stack.prefix})
    responder = responders.respond("responder")
    responder.wait_ready()
    assert monitor.url is not None
    assert responder.url is not None
    with alertmanager(tmp_path, DEPLOY / "prometheus/alertmanager.yml") as manager:
        targets = [urlsplit(url).netloc for url in (monitor.url, responder.url)]
        config = shipped(tmp_path, targets, manager=urlsplit(manager).netloc)
        with (
            prometheus(tmp_path, config) as url,
            Served(stack.bootstrap_servers, stack.captures, stack.partitions, 2_000, 5, labels=labels) as traffic,
        ):
            wanted = {"ModelDriftCritical", "ModelQualityLow", "ModelBiased"}
            wait_until(lambda: wanted <= alerts_of(manager), "the alerts of drift, quality and bias at Alertmanager")
            wait_until(lambda: responder.metric("actions_total", status="succeeded") > 0, "an action")
            pause(5.0)  # rates need some scrapes
            empty = [(name, title, query) for name, board in DASHBOARDS.items() for title, query in queries(board) if not found(url, query)]
            assert not empty, "queries without data"
            for board in DASHBOARDS.values():
                for variable in board["templating"]["list"]:
                    assert choices(url, variable["query"]["query"]), variable["name"]
            rules = [rule for group in ask(url, "/api/v1/rules")["data"]["groups"] for rule in group["rules"]]
            assert {rule["health"] for rule in rules} == {"ok"}
            traffic.finish(CLOSING_MS)
    assert [monitor.terminate(), responder.terminate()] == [0, 0]
    responders.close()


@dataclass
class Served(Traffic):
    """Traffic that tells how its calls went, and whose labels come at once: one in five is not what was predicted, of Spaniards most."""

    labels: str = ""

    def _send(self, partition: int, value: bytes | None, headers: Any = (), key: bytes | None = None) -> None:
        if not headers and value is not None:
            made = orjson.loads(value) | {"latency_ms": self._random.lognormvariate(3.5, 0.4)}
            made |= {"resources": {"cpu_ratio": 0.4, "memory_bytes": 2**30, "network_bytes": 2_000}}
            value = orjson.dumps(made)
            if made["model"] == "loan":
                self._producer.produce(self.labels, orjson.dumps(label(made, self._random, 0.9 if is_spanish(made) else 0.2)))
        super()._send(partition, value, headers, key)


def is_spanish(made: dict[str, Any]) -> bool:
    return bool(made["features"]["country"] == "es")


def label(made: dict[str, Any], random: Random, wrong: float) -> dict[str, Any]:
    said = made["prediction"]["label"]
    other = "no" if said == "yes" else "yes"
    named = {name: made[name] for name in ("event_id", "model", "time")}
    return named | {"label": other if random.random() < wrong else said}


def learn_quality(stack: Stack) -> None:
    """A baseline of the model loan that was right nineteen times of twenty, whatever the country; and a config that asks for it."""
    random, data = Random(1), stack.folder / "labelled.jsonl"
    rows = [made for made in map(orjson.loads, training(1, 20_000)) if made["model"] == "loan"]
    data.write_bytes(b"".join(orjson.dumps(made | {"label": label(made, random, 0.05)["label"]}) + b"\n" for made in rows))
    options = BuildOptions(task="binary", positive_class="yes", segments=("country",))
    (stack.folder / "loan.baseline.json").write_bytes(dump(learn([data], options).baseline))
    stack.tree["models"]["loan"] |= {"task": "binary", "positive_class": "yes", "facets": {"country": {"privileged": "de"}}}


def shipped(folder: Path, targets: list[str], manager: str) -> Path:
    """The shipped config on this machine's ports, in a hurry."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / "prometheus/rules.yml")]
    for job, target in zip(config["scrape_configs"], targets, strict=True):
        job["static_configs"][0]["targets"] = [target]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [manager]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def alerts_of(manager: str) -> set[str]:
    return {alert["labels"]["alertname"] for alert in ask(manager, "/api/v2/alerts")}


def filled(query: str) -> str:
    for name, value in VALUES.items():
        query = query.replace(name, value)
    return query


def found(url: str, query: str) -> bool:
    answer = ask(url, "/api/v1/query", {"query": filled(query)})
    assert answer["status"] == "success", query
    return bool(answer["data"]["result"])


def choices(url: str, query: str) -> list[str]:
    """What Grafana's `label_values(series, label)` finds."""
    wanted = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert wanted is not None, query
    answer = ask(url, f"/api/v1/label/{wanted[2]}/values", {"match[]": filled(wanted[1])})
    assert wanted[1].startswith(PREFIX)
    return [value for value in answer["data"] if value]
