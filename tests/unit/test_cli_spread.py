"""`--captures` takes several files at once, as the shell gives them."""

from stream_monitor.cli import spread


def test_files_after_captures_and_labels_are_each_given_their_option() -> None:
    given = ["replay", "--captures", "a", "b", "--config", "m.yaml", "--labels", "l", "k", "--out", "o"]
    expected = ["replay", "--captures", "a", "--captures", "b", "--config", "m.yaml", "--labels", "l", "--labels", "k", "--out", "o"]
    assert spread(given) == expected
    assert spread(expected) == expected


def test_other_commands_are_left_alone() -> None:
    given = ["baseline", "a.csv", "b.csv", "--out", "x.json"]
    assert spread(given) == given
