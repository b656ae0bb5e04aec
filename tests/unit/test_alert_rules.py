"""What each rule does to a sequence of windows."""

from datetime import UTC, datetime, timedelta

import pytest

from stream_monitor.alert.alert import Alert
from stream_monitor.alert.notification import held_text, is_held_back, is_over, notification_of, notifies, thread_of
from stream_monitor.alert.publication import Reason
from stream_monitor.alert.rules import Facts, Rules, matches
from stream_monitor.config.rules import Maintenance, Match
from stream_monitor.detect.finding import FindingKind, Severity
from stream_monitor.detect.report import utc
from tests.rules import MONDAY, Story, rules, stamp_of, window

FACTS = Facts("loan", "2", (("region", "eu"),), FindingKind.DATA_DRIFT, "amount", "psi", Severity.WARNING)


@pytest.mark.parametrize(
    ("match", "is_one"),
    [
        ({}, True),
        ({"kind": "data_drift", "feature": ["a*", "b"]}, True),
        ({"kind": "bias"}, False),
        ({"feature": "A*"}, False),
        ({"segment": {"region": "e*"}}, True),
        ({"segment": {"region": "us"}}, False),
        ({"segment": {"branch": "*"}}, False),
        ({"segment": {}}, False),
        ({"severity": ["info", "warning"]}, True),
        ({"severity": "critical"}, False),
        ({"model": "lo?n", "version": "2", "detector": "psi"}, True),
    ],
)
def test_a_rule_is_for_the_alerts_of_which_all_holds(match: dict[str, object], is_one: bool) -> None:
    assert matches(Match.model_validate(match), FACTS) == is_one


def test_what_an_alert_has_not_no_pattern_stands_for() -> None:
    whole = FACTS._replace(feature=None, version=None, segment=())
    assert not matches(Match(feature=("*",)), whole)
    assert not matches(Match(version=("*",)), whole)
    assert not matches(Match(segment={"region": "*"}), whole)
    assert matches(Match(segment={}), whole)


def test_of_a_setting_the_first_rule_is_heard_and_silences_of_all() -> None:
    quiet = "{start: 2026-01-05T00:00:00Z, end: 2026-01-05T01:00:00Z}"
    policy = rules(f"""
        - {{match: {{feature: amount}}, recipients: [risk], labels: {{team: risk}}, silences: [{quiet}]}}
        - {{match: {{feature: other}}, recipients: [nobody]}}
        - {{recipients: [all], cool_down: 1h, labels: {{team: all, tier: "1"}}, hysteresis: {{windows: 5}}, silences: [{quiet}, {quiet}]}}
        - {{hysteresis: {{windows: 9, under: 0.5}}, annotations: {{runbook: "https://r"}}}}
        """).policy(FACTS)
    assert policy.rules == ("0", "2", "3")
    assert policy.recipients == ("risk",)
    assert dict(policy.labels) == {"team": "risk", "tier": "1"}
    assert (policy.cool_down_ms, policy.quiet, policy.under, policy.runbook, len(policy.silences)) == (3_600_000, 5, 0.5, "https://r", 3)


def test_without_rules_an_alert_bears_no_mark() -> None:
    story = Story().see("w.w.c..i....")
    assert all(notification_of(alert) is None and notifies(alert) for _, alert in story.published)
    assert b"notification" not in story.published[0][1].to_json()
    assert story.book.to_state().telling.firing == ()


def test_labels_recipients_and_texts_are_attached() -> None:
    story = Story("""
        - recipients: [risk, pager]
          labels: {team: risk}
          annotations: {summary: "{severity} {feature}: {score} > {threshold} {{}}", runbook: "https://r/{kind}/{feature}?m={model}"}
        """).see("w", ["the amount"])
    alert = story.published[0][1]
    assert alert.labels == {"team": "risk"}
    assert alert.annotations.summary == "warning the amount: 0.3 > 0.2 {}"
    assert alert.annotations.runbook == "https://r/data_drift/the%20amount?m=loan"
    notification = notification_of(alert)
    assert notification is not None
    assert notification.recipients == ("risk", "pager")
    assert notifies(alert)
    assert Alert.from_json(alert.to_json()) == alert


@pytest.mark.parametrize(
    ("letters", "opened"),
    [("ww", None), ("www", 2), ("w.w.w", 4), ("w..ww", 4), ("w...ww.w", 7), ("w-w-w", 4), ("w...ww", None), ("ccc", 2), (".....", None)],
)
def test_m_of_n_windows(letters: str, opened: int | None) -> None:
    """3 of the last 5 judged ones."""
    story = Story("[{windows: {firing: 3, of: 5}}]").see(letters)
    assert [number for number, alert in story.published if alert.status == "firing"] == ([] if opened is None else [opened])


def test_an_alert_that_waited_starts_where_its_findings_did() -> None:
    story = Story("[{windows: {firing: 3, of: 5}}]").see("w.w.w")
    assert story.published[0][1].started_at == utc(window(0).start_ms)
    assert story.published[0][1].window.end == utc(window(4).end_ms)


def test_a_change_is_told_at_once_and_superseded_when_enough_windows_page() -> None:
    story = Story("[{windows: {firing: 3, of: 5}}]").see("iwww")
    assert story.lines() == ["0 firing info", "3 resolved info", "3 firing warning"]


def test_counting_goes_on_when_an_alert_on_a_change_ends() -> None:
    story = Story("[{windows: {firing: 2, of: 6}}]").see("wi...w")
    assert story.lines()[-1] == "5 firing warning"


def test_windows_by_severity() -> None:
    """What is critical need not wait."""
    told = "[{match: {severity: critical}, windows: {firing: 1, of: 1}}, {windows: {firing: 2, of: 3}}]"
    assert Story(told).see("c").lines() == ["0 firing critical"]
    assert Story(told).see("w.c").lines() == ["2 firing critical"]
    assert Story(told).see("w").lines() == []


@pytest.mark.parametrize(("windows", "resolved"), [(1, 2), (2, 3), (4, 5)])
def test_quiet_windows(windows: int, resolved: int) -> None:
    story = Story(f"[{{hysteresis: {{windows: {windows}}}}}]").see("ww......")
    assert [number for number, alert in story.published if alert.status == "resolved"] == [resolved]


def test_under_a_fraction_of_the_threshold() -> None:
    """0.18 of 0.2 is close, unless the rule calls it quiet; 0.05 is quiet, unless it must fall lower."""
    assert "resolved" in Story("[{hysteresis: {under: 1.0}}]").see("w~~").lines()[-1]
    assert "resolved" not in Story("[{hysteresis: {under: 0.8}}]").see("w~~").lines()[-1]
    assert "resolved" not in Story("[{hysteresis: {under: 0.1}}]").see("w..").lines()[-1]


def test_severity_is_fixed_raised_or_lowered_in_what_is_published_alone() -> None:
    assert Story("[{severity: info}]").see("cc..").lines() == ["0 firing info", "3 resolved info"]
    assert Story("[{severity: {at_least: critical}}]").see("w..").lines() == ["0 firing critical", "2 resolved critical"]
    assert Story("[{severity: {at_most: warning}}]").see("c").lines() == ["0 firing warning"]


def test_an_alert_stays_with_the_rule_of_its_worst_severity() -> None:
    """Whoever was woken by it hears of its end."""
    story = Story("[{match: {severity: critical}, recipients: [pager]}, {recipients: [chat]}]").see("wcw..")
    to = [said.recipients for _, alert in story.published if (said := notification_of(alert)) is not None]
    assert to == [("chat",), ("pager",), ("pager",), ("pager",)]


def test_cool_down_holds_back_what_comes_again() -> None:
    """It ended at the end of window 2; for 5 minutes nobody hears of another, and then of what still fires."""
    story = Story("[{cool_down: 5m}]").see("w..w..wwww")
    assert story.lines() == [
        "0 firing warning",
        "2 resolved warning",
        "3 firing warning (cool_down)",
        "5 resolved warning (untold)",
        "6 firing warning (cool_down)",
        "7 updated warning",
    ]


def test_what_is_worse_does_not_cool_down() -> None:
    assert Story("[{cool_down: 1h}]").see("w..c").lines()[-1] == "3 firing critical"
    assert Story("[{cool_down: 1h}]").see("w..wc").lines()[-2:] == ["3 firing warning (cool_down)", "4 updated critical"]


def test_what_ended_for_another_reason_does_not_cool_down() -> None:
    story = Story("[{cool_down: 1h}]").see("w")
    story.book.resolve(Reason.BASELINE_REPLACED, window(1).end_ms, stamp_of(1, story.rules))
    assert story.see("w").lines()[-1] == "1 firing warning"


def test_repeat_every() -> None:
    """Every 3 minutes; less in between, unless it gets worse."""
    story = Story("[{repeat_every: 3m}]").see("wwwwwwwcw..")
    assert story.lines() == [
        "0 firing warning",
        "3 updated warning",
        "6 updated warning",
        "7 updated critical",
        "8 updated warning (repeat_every)",
        "10 resolved warning",
    ]
    again = story.published[1][1]
    assert again.window.end == utc(window(3).end_ms)
    assert again.annotations.summary.startswith("loan: amount drifted in the minute from 2026-01-05 00:03 UTC")
    assert [alert.revision for _, alert in story.published] == [1, 2, 3, 4, 5, 6]


def test_a_repetition_waits_for_a_window_that_says_that_it_still_fires() -> None:
    assert Story("[{repeat_every: 2m}]").see("ww.--~.ww..").lines() == [
        "0 firing warning",
        "5 updated warning",
        "7 updated warning",
        "10 resolved warning",
    ]


def test_a_change_that_a_silence_held_back_is_told_while_it_lasts() -> None:
    silence = "{start: 2026-01-05T00:00:00Z, end: 2026-01-05T00:01:00Z}"
    story = Story(f"[{{silences: [{silence}]}}]").see("i...")
    assert story.lines() == ["0 firing info (silenced)", "1 updated info", "3 resolved info"]
    assert story.published[1][1].annotations.summary.startswith("still: loan: amount shifted")
    assert story.published[1][1].score is None


def test_what_is_silenced_is_published_and_told_when_it_still_fires() -> None:
    """From minute 1 to 4."""
    silence = "{start: 2026-01-05T00:01:00Z, end: 2026-01-05T00:04:00Z, reason: moving house}"
    story = Story(f"[{{silences: [{silence}]}}]").see(".wwwww")
    assert story.lines() == ["1 firing warning (silenced)", "4 updated warning"]
    first, second = (notification_of(alert) for _, alert in story.published)
    assert first is not None
    assert second is not None
    assert (first.notify, first.note, first.until) == (False, "moving house", "2026-01-05T00:04:00.000Z")
    assert held_text(story.published[0][1]) == "silenced until 2026-01-05 00:04 UTC: moving house"
    assert held_text(story.published[1][1]) is None
    assert is_held_back(story.published[0][1])
    assert (second.notify, second.note) == (True, None)


def test_what_begins_and_ends_in_a_silence_nobody_hears_of() -> None:
    silence = "{start: 2026-01-05T00:01:00Z, end: 2026-01-05T01:00:00Z}"
    assert Story(f"[{{silences: [{silence}]}}]").see(".w..").lines() == ["1 firing warning (silenced)", "3 resolved warning (untold)"]


def test_the_end_of_what_was_told_is_told_in_a_silence_too() -> None:
    silence = "{start: 2026-01-05T00:01:00Z, end: 2026-01-05T01:00:00Z}"
    lines = Story(f"[{{silences: [{silence}]}}]").see("wc..").lines()
    assert lines == ["0 firing warning", "1 updated critical (silenced)", "3 resolved critical"]


def test_a_repetition_waits_for_the_end_of_a_silence() -> None:
    silence = "{start: 2026-01-05T00:01:00Z, end: 2026-01-05T00:05:00Z}"
    story = Story(f"[{{repeat_every: 2m, silences: [{silence}]}}]").see("wwwwwwwwww")
    assert story.lines() == ["0 firing warning", "5 updated warning", "7 updated warning", "9 updated warning"]


@pytest.mark.parametrize(
    ("when", "held"),
    [
        ("2026-01-03T01:59", False),  # a Saturday
        ("2026-01-03T02:00", True),
        ("2026-01-04T01:59", True),
        ("2026-01-04T02:00", False),
        ("2026-01-05T02:00", False),
    ],
)
def test_maintenance_comes_back_by_the_clock_of_its_place(when: str, held: bool) -> None:
    """24 hours from Saturday 03:00 in Berlin, which is 02:00 UTC in winter."""
    turn = Maintenance.model_validate({"days": ["sat"], "start": "03:00", "length": "24h", "timezone": "Europe/Berlin"})
    assert (turn.end_at(datetime.fromisoformat(when).replace(tzinfo=UTC)) is not None) == held


def test_maintenance_lasts_its_length_when_clocks_change() -> None:
    """On 2026-03-29 at 02:00 Berlin goes over to 03:00."""
    turn = Maintenance.model_validate({"days": ["sun"], "start": "01:00", "length": "4h", "timezone": "Europe/Berlin"})
    begin = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)
    inside = [turn.end_at(begin + timedelta(minutes=minutes)) is not None for minutes in (-1, 0, 239, 240)]
    assert inside == [False, True, True, False]


def test_a_week_of_maintenance_is_always() -> None:
    turn = Maintenance.model_validate({"days": ["mon"], "start": "00:00", "length": "7d"})
    assert all(turn.end_at(datetime.fromtimestamp(MONDAY / 1000, UTC) + timedelta(hours=hours)) for hours in range(400))


def test_maintenance_silences() -> None:
    story = Story("[{maintenance: [{days: [mon], start: '00:01', length: 2m}]}]").see(".wwww")
    assert story.lines() == ["1 firing warning (silenced)", "3 updated warning"]


def test_an_alert_that_fired_before_there_were_rules_was_told() -> None:
    story = Story().see("w")
    story.rules = rules("[{repeat_every: 3m}]")
    assert story.see("ww..").lines() == ["0 firing warning", "4 resolved warning"]
    story = Story().see("w")
    story.rules = rules("[{repeat_every: 2m}]")
    assert story.see("www").lines() == ["0 firing warning", "3 updated warning"]


def test_when_rules_go_revisions_still_count_on() -> None:
    story = Story("[{repeat_every: 1m}]").see("www")
    story.rules = Rules()
    story.see("..")
    assert [alert.revision for _, alert in story.published] == [1, 2, 3, 4]
    assert story.lines()[-1] == "4 resolved warning"
    assert story.book.to_state().telling.firing == ()
    assert story.see("w.").lines()[-1] == "5 firing warning"


def test_threads_of_what_is_told_alone() -> None:
    opened, over = (alert for _, alert in Story("[{recipients: [a]}]").see("w..").published)
    assert thread_of(opened) == thread_of(over) == opened.fingerprint
    assert not is_over(opened)
    assert is_over(over)
