"""What holds for any rules and any windows: nothing is lost, nothing is said twice, a restart changes nothing."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.alert.alert import Alert, AlertStatus, Held
from stream_monitor.alert.grouping import Groups
from stream_monitor.alert.notification import notification_of, notifies
from stream_monitor.alert.rules import Rules
from stream_monitor.config.rules import Rule
from stream_monitor.detect.report import utc
from tests.rules import ALL, MINUTE, MONDAY, Story

minutes = st.integers(1, 12)
silences = st.builds(
    lambda start, length: {"start": utc(MONDAY + start * MINUTE), "end": utc(MONDAY + (start + length) * MINUTE)},
    st.integers(0, 30),
    minutes,
)
settings: dict[str, st.SearchStrategy[Any]] = {
    "match": st.sampled_from([{}, {"feature": "a*"}, {"severity": "critical"}, {"severity": ["warning", "info"]}]),
    "severity": st.sampled_from(["info", "critical", {"at_most": "warning"}]),
    "windows": st.tuples(st.integers(1, 4), st.integers(0, 4)).map(lambda pair: {"firing": pair[0], "of": sum(pair)}),
    "hysteresis": st.fixed_dictionaries({"windows": st.integers(1, 5), "under": st.sampled_from([0.1, 0.8, 1.0])}),
    "cool_down": minutes.map(lambda length: f"{length}m"),
    "repeat_every": minutes.map(lambda length: f"{length}m"),
    "silences": st.lists(silences, min_size=1, max_size=2),
    "group_by": st.sampled_from([[], ["kind"], ["feature"]]),
}
one_rule = st.fixed_dictionaries({"labels": st.just({"a": "b"})}, optional=settings)
any_rules = st.lists(one_rule, min_size=1, max_size=4).map(
    lambda trees: Rules(tuple((str(number), Rule.model_validate(tree)) for number, tree in enumerate(trees)))
)
any_windows = st.text(ALL, max_size=40)


def stripped(alert: Alert) -> Alert:
    """Without what rules attach."""
    return Alert.from_json(alert.to_json().split(b',"notification"')[0] + (b"}" if notification_of(alert) is not None else b""))


@given(any_windows)
def test_rules_of_1_window_that_say_nothing_of_time_change_nothing_but_the_mark(letters: str) -> None:
    told = Story("[{windows: {firing: 1, of: 1}, hysteresis: {under: 0.8}}]").see(letters)
    assert [(number, stripped(alert)) for number, alert in told.published] == Story().see(letters).published
    assert all(notifies(alert) for _, alert in told.published)


@given(any_rules, any_windows, st.data())
def test_a_restart_changes_nothing(rules: Rules, letters: str, data: st.DataObject) -> None:
    features = ("amount", "region")
    cut = data.draw(st.integers(0, len(letters)))
    stayed, restarted = (Story(rules).see(letters[:cut], features) for _ in range(2))
    restarted.restart()
    assert [*map(repr, restarted.see(letters[cut:], features).published)] == [*map(repr, stayed.see(letters[cut:], features).published)]
    assert restarted.book.to_state() == stayed.book.to_state()
    assert restarted.book.firing() == stayed.book.firing()


@given(any_rules, any_windows)
def test_every_alert_is_told_unless_something_holds_it_back_to_its_end(rules: Rules, letters: str) -> None:
    """By its last publication; the end of what was told is told, of what was not it is not."""
    groups, story = Groups(), Story(rules).see(letters, ("amount", "region"))
    by_alert: dict[str, list[Alert]] = {}
    for alert in groups.gather([alert for _, alert in story.published]):
        by_alert.setdefault(alert.alert_id, []).append(alert)
    for alerts in by_alert.values():
        assert [alert.revision for alert in alerts] == [*range(1, len(alerts) + 1)]
        assert [alert.status is AlertStatus.FIRING for alert in alerts] == [True] + [False] * (len(alerts) - 1)
        held = [said.held for alert in alerts if (said := notification_of(alert)) is not None]
        was_told = None in held[:-1] or Held.GROUPED in held[:-1]
        if alerts[-1].status is AlertStatus.RESOLVED:
            assert (held[-1] in (None, Held.GROUPED)) == was_told
            assert was_told or held[-1] is Held.UNTOLD
        assert held[0] is not Held.REPEAT_EVERY


@given(any_windows, st.integers(1, 4), st.integers(0, 4))
def test_m_of_n_opens_no_more_alerts_and_loses_none_whose_windows_were_enough(letters: str, firing: int, more: int) -> None:
    """Against the plain rule, on windows of which all are judged and none tells of a change only."""
    letters = letters.replace("-", "").replace("i", ".")
    said = Story(f"[{{windows: {{firing: {firing}, of: {firing + more}}}}}]").see(letters).published
    history, quiet, fires, opened, ended = "", 0, False, [], []
    for number, letter in enumerate(letters):
        history = (history + letter)[-(firing + more) :]
        if not fires and letter in "wc" and sum(each in "wc" for each in history) >= firing:
            fires, quiet, history = True, 0, ""
            opened.append(number)
        elif fires:
            quiet, history = quiet + 1 if letter == "." else 0, ""
            if quiet == 2:
                fires = False
                ended.append(number)
    assert [number for number, alert in said if alert.status is AlertStatus.FIRING] == opened
    assert [number for number, alert in said if alert.status is AlertStatus.RESOLVED] == ended


@given(any_windows, minutes)
def test_repetitions_come_as_often_as_asked_and_no_more(letters: str, every: int) -> None:
    """An alert that gets no worse is told again by the first window, so long after, that says that it still fires."""
    letters = letters.replace("i", ".")
    tellings: dict[str, list[tuple[int, Alert]]] = {}
    for number, alert in Story(f"[{{repeat_every: {every}m}}]").see(letters).published:
        if notifies(alert):
            tellings.setdefault(alert.alert_id, []).append((number, alert))
    for told in tellings.values():
        for (before, one), (after, other) in pairwise(told):
            is_worse = (one.severity, other.severity) == ("warning", "critical")
            assert other.status is AlertStatus.RESOLVED or is_worse or after - before >= every
            assert not {*"wc~"} & {*letters[before + every : after]}
