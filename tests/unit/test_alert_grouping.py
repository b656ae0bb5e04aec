"""Alerts of one window told as one."""

from stream_monitor.alert.alert import Alert, Held, Notification
from stream_monitor.alert.grouping import LISTED_MAX, Groups
from stream_monitor.alert.notification import is_over, notification_of, notifies, thread_of
from tests.rules import Story

FEATURES = ("amount", "income", "region")


def notification(alert: Alert) -> Notification:
    found = notification_of(alert)
    assert found is not None
    return found


def gathered(groups: Groups, story: Story) -> list[Alert]:
    """What a story has published since the last call, as one step."""
    alerts = groups.gather([alert for _, alert in story.published])
    story.published.clear()
    return alerts


def test_features_of_one_window_are_one_notification_that_lists_them() -> None:
    alerts = gathered(Groups(), Story("[{group_by: kind}]").see("w", FEATURES))
    assert [notifies(alert) for alert in alerts] == [True, False, False]
    lead = notification(alerts[0])
    assert [member.feature for member in lead.members] == [*FEATURES]
    assert lead.firing == 3
    assert {notification(alert).held for alert in alerts[1:]} == {Held.GROUPED}


def test_the_worst_tells() -> None:
    story = Story("[{group_by: []}]")
    story.see("w", ["amount"])
    other = Story(story.rules, {"region": "eu"})
    other.see("c", ["income"])
    alerts = Groups().gather([alert for _, alert in (*story.published, *other.published)])
    assert [notifies(alert) for alert in alerts] == [False, True]
    assert [member.feature for member in notification(alerts[1]).members] == ["income", "amount"]


def test_what_fires_later_is_told_with_all_that_fires() -> None:
    story, groups = Story("[{group_by: []}]"), Groups()
    first = gathered(groups, story.see("w", FEATURES[:2]))
    (later,) = gathered(groups, story.see("w", FEATURES))
    assert notification(later).firing == 3
    assert thread_of(later) == thread_of(first[0])


def test_a_thread_is_over_when_the_last_of_it_is() -> None:
    story, groups = Story("[{group_by: []}]"), Groups()
    gathered(groups, story.see("w", FEATURES[:2]))
    (one,) = gathered(groups, story.see("..", FEATURES[:1]))
    assert one.status == "resolved"
    assert not is_over(one)
    assert [(member.feature, member.status) for member in notification(one).members] == [("income", "firing"), ("amount", "resolved")]
    (last,) = gathered(groups, story.see("..", FEATURES[1:2]))
    assert is_over(last)


def test_alerts_that_differ_in_what_counts_are_told_apart() -> None:
    rules = Story("[{group_by: [segment]}]").rules
    alerts = [alert for name in ("eu", "us") for _, alert in Story(rules, {"region": name}).see("w", FEATURES).published]
    told = [notification(alert) for alert in Groups().gather(alerts) if notifies(alert)]
    assert [each.firing for each in told] == [3, 3]


def test_alerts_for_others_are_told_apart() -> None:
    story = Story("[{match: {feature: region}, recipients: [geo]}, {group_by: []}]").see("w", FEATURES)
    assert [notification(alert).firing for alert in gathered(Groups(), story)] == [2, 0, 1]


def test_windows_that_close_in_one_step_are_told_as_if_each_had_its_own() -> None:
    rules = "[{group_by: []}]"
    together, apart, groups = Story(rules).see("wc.", FEATURES), Story(rules), Groups()
    assert gathered(Groups(), together) == [alert for letter in "wc." for alert in gathered(groups, apart.see(letter, FEATURES))]


def test_what_is_held_back_is_in_no_group() -> None:
    silence = "{start: 2026-01-05T00:00:00Z, end: 2026-01-05T00:02:00Z}"
    story, groups = Story(f"[{{match: {{feature: region}}, silences: [{silence}]}}, {{group_by: []}}]"), Groups()
    first = gathered(groups, story.see("w", FEATURES))
    assert [notification(alert).held for alert in first] == [None, Held.GROUPED, Held.SILENCED]
    assert notification(first[0]).firing == 2
    (told,) = gathered(groups, story.see("ww", FEATURES))
    assert told.feature == "region"
    assert notification(told).firing == 3


def test_after_a_restart_a_group_is_what_it_was() -> None:
    story, groups = Story("[{group_by: []}]"), Groups()
    gathered(groups, story.see("w", FEATURES))
    again = Groups()
    again.take_up(story.restart().book.firing())
    story.see("c", FEATURES[:1])
    alerts = [alert for _, alert in story.published]
    assert again.gather(alerts) == groups.gather(alerts)


def test_a_burst_is_one_notification() -> None:
    """10,000 features in one window: one telling, that lists the first and counts all; nothing is left when all is over."""
    features = [f"f{number:05}" for number in range(10_000)]
    story, groups = Story("[{group_by: []}]"), Groups()
    alerts = gathered(groups, story.see("w", features))
    (told,) = [alert for alert in alerts if notifies(alert)]
    assert len(alerts) == 10_000
    assert notification(told).firing == 10_000
    assert len(notification(told).members) == LISTED_MAX
    assert len(told.to_json()) < 10_000
    (over,) = [alert for alert in gathered(groups, story.see("..", features)) if notifies(alert)]
    assert is_over(over)
    assert (groups._members, groups._group_of) == ({}, {})
    assert story.book.to_state().telling.firing == ()
