"""Mistakes in rules are said with their place and what to write instead."""

from typing import Any

import pytest

from stream_monitor.config import Config, parse_config, parse_shared
from stream_monitor.errors import ConfigError
from stream_monitor.pipeline.rules import shadowed
from tests.property.pipeline_world import config_tree, plan_of


def config_with(*rules: dict[str, Any], model: str | None = "loan", **more: Any) -> Config:
    tree = config_tree(segments=("region",))
    (tree if model is None else tree["models"][model])["rules"] = list(rules)
    tree["models"]["loan"] |= more
    return parse_config(tree, "monitor.yaml")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, r"models\.loan\.rules\.0: sets nothing; give it at least one of"),
        ({"windows": {"firing": 3, "of": 2}}, r"rules\.0\.windows: firing \(3\) is more than of \(2\): .* write firing: 2"),
        ({"windows": {"firing": 1, "of": 1_000}}, r"windows\.of: .* less than or equal to 100"),
        ({"cooldown": "1h"}, r"unknown key models\.loan\.rules\.0\.cooldown; did you mean cool_down\?"),
        ({"match": {"feat": "a"}, "severity": "info"}, r"unknown key models\.loan\.rules\.0\.match\.feat; did you mean feature\?"),
        ({"severity": "high"}, r"severity\.at_least: 'high' must be 'info', 'warning' or 'critical'"),
        ({"severity": {"at_least": "critical", "at_most": "info"}}, r"at_least \(critical\) is above at_most \(info\)"),
        (
            {"silences": [{"start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00Z"}]},
            r"silences\.0\.start: write a time with its zone",
        ),
        ({"silences": [{"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}]}, r"silences\.0: end .* is not after start"),
        ({"maintenance": [{"start": "02:00", "length": "8d"}]}, r"maintenance\.0: length must be more than 0s and at most 7d"),
        ({"maintenance": [{"start": "02:00", "length": "1h", "timezone": "Mars"}]}, r"'Mars' is no time zone; write for example UTC"),
        ({"maintenance": [{"start": True, "length": "1h"}]}, r'start: write a time of day, such as "02:00"'),
        ({"maintenance": [{"start": "02:00+01:00", "length": "1h"}]}, r"its zone goes to `timezone`"),
        ({"group_by": ["team"]}, r"group_by\.0: 'team' must be 'model', 'version'"),
        ({"labels": {"a b": "c"}}, r"labels\.a b"),
        ({"repeat_every": "0s"}, r"rules\.0: repeat_every: must be longer than 0s"),
    ],
)
def test_a_rule_that_cannot_be(rule: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        config_with(rule)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"kind": "data_drfit"}, r"models\.loan\.rules\.0\.match\.kind: 'data_drfit': there is no such kind; did you mean data_drift\?"),
        ({"feature": ["amount", "inc*"]}, r"match\.feature: 'inc\*': no baseline has such a feature; known: amount, "),
        ({"segment": {"regoin": "eu"}}, r"match\.segment: 'regoin': no model has such a segment or facet; did you mean region\?"),
        ({"detector": "pis"}, r"match\.detector: 'pis': there is no such detector; did you mean psi\?"),
        ({"version": "3"}, r"match\.version: '3': no version with a baseline of its own has this name; known: 2"),
        ({"model": "fraud"}, r"match\.model: 'fraud': no model has this name; known: loan"),
    ],
)
def test_a_rule_that_nothing_could_match(match: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        plan_of(config_with({"match": match, "severity": "info"}))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{modle} is ill", r"annotations\.summary: there is no placeholder \{modle\}; known: \{model\}, "),
        ("{model.__class__}", r"no placeholder \{model\.__class__\}"),
        ("{score:.3f}", r"no placeholder \{score:\.3f\}"),
        ("{}", r"no placeholder \{\}"),
        ("{model", r"annotations\.summary: '\{model': "),
    ],
)
def test_a_template_that_cannot_be_filled(template: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        plan_of(config_with({"annotations": {"summary": template}}))


def test_rules_of_all_models_may_name_what_one_of_them_has() -> None:
    plan = plan_of(config_with({"match": {"segment": {"region": "*"}, "model": "lo*"}, "severity": "info"}, model=None))
    assert [name for name, _ in next(iter(plan.streams.values())).rules.named] == ["rules.0"]


def test_a_models_own_rules_come_first() -> None:
    tree = config_tree()
    tree["rules"] = [{"severity": "info"}]
    tree["models"]["loan"]["rules"] = [{"name": "mine", "severity": "critical"}]
    plan = plan_of(parse_config(tree, "monitor.yaml"))
    named = {key.model: [name for name, _ in stream.rules.named] for key, stream in plan.streams.items()}
    assert named == {"loan": ["mine", "rules.0"], "fraud": ["rules.0"]}


def test_what_travels_in_the_log_is_the_same() -> None:
    config = config_with(
        {
            "match": {"kind": "bias", "segment": {}},
            "severity": "info",
            "maintenance": [{"start": 630, "length": "1h"}],
            "silences": [{"start": "2026-01-01T00:00:00+01:00", "end": "2026-01-02T00:00:00Z"}],
            "group_by": [],
            "recipients": "risk",
        }
    )
    shared = config.shared({path: path for path in config.baseline_paths()})
    assert parse_shared(shared, "log").models == config.models


def test_unquoted_times_of_day_are_read_as_they_were_written() -> None:
    """YAML takes 10:30 for 630."""
    assert config_with({"maintenance": [{"start": 630, "length": "1h"}]}) == config_with(
        {"maintenance": [{"start": "10:30", "length": "1h"}]}
    )


@pytest.mark.parametrize(
    ("earlier", "later", "is_shadowed"),
    [
        ({"severity": "info"}, {"match": {"kind": "bias"}, "severity": "critical"}, True),
        ({"match": {"feature": "a*"}, "severity": "info"}, {"match": {"feature": "amount"}, "severity": "critical"}, True),
        ({"match": {"feature": "amount"}, "severity": "info"}, {"match": {"feature": "a*"}, "severity": "critical"}, False),
        ({"severity": "info"}, {"match": {"kind": "bias"}, "severity": "critical", "cool_down": "1h"}, False),
        ({"labels": {"a": "1"}}, {"labels": {"a": "2"}}, True),
        ({"labels": {"a": "1"}}, {"labels": {"b": "2"}}, False),
        ({"annotations": {"runbook": "r"}}, {"annotations": {"summary": "s"}}, False),
    ],
)
def test_a_rule_that_is_never_heard(earlier: dict[str, Any], later: dict[str, Any], is_shadowed: bool) -> None:
    said = list(shadowed(config_with(earlier, later)))
    assert bool(said) == is_shadowed
    assert all("models.loan.rules.1: is never heard: what it sets, models.loan.rules.0 before it sets" in each for each in said)


def test_several_rules_may_hide_one_together() -> None:
    hidden = {"name": "late", "severity": "critical", "cool_down": "1h"}
    assert [*shadowed(config_with({"severity": "info"}, {"cool_down": "2h"}, hidden))]
