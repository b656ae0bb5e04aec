"""A column of times reads as its texts read one by one, and those as `datetime` reads them."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_monitor.capture.times import UNREAD, YEAR_2000_MS, YEAR_9999_MS, read_time, read_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)
FORMS = st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"])


def written(moment: datetime, form: str, zulu: bool) -> str:
    return moment.astimezone(UTC).isoformat(timespec=form).replace("+00:00", "Z") if zulu else moment.isoformat(timespec=form)


def read(text: str) -> int:
    try:
        return read_time(text)
    except ValueError:
        return UNREAD


@given(MOMENTS, FORMS, st.booleans())
def test_a_time_is_read_as_datetime_reads_it(moment: datetime, form: str, zulu: bool) -> None:
    text = written(moment, form, zulu)
    assert read_time(text) == (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(MOMENTS, min_size=16, max_size=40),
    FORMS,
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 39), st.integers(0, 40), st.characters(max_codepoint=255)), max_size=8),
)
def test_a_column_is_read_as_its_texts_are(moments: list[datetime], form: str, zulu: bool, edits: list[tuple[int, int, str]]) -> None:
    texts = [written(moment, form, zulu) for moment in moments]
    for row, place, character in edits:
        text = texts[row % len(texts)]
        at = place % len(text)
        texts[row % len(texts)] = text[:at] + character + text[at + 1 :]
    assert read_times(texts).tolist() == [read(text) for text in texts]


@given(
    st.lists(
        st.sampled_from(
            ["2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-12-31T24:00:00Z", "0000-01-01T00:00:00Z", "2026-00-10T00:00:00Z"]
        ),
        min_size=16,
    )
)
def test_moments_that_do_not_exist_are_not_read(texts: list[str]) -> None:
    expected = [1_709_164_800_000 if text.startswith("2024") else UNREAD for text in texts]
    assert read_times(texts).tolist() == expected == [read(text) for text in texts]


def test_no_texts_give_no_times() -> None:
    assert read_times([]).dtype == np.int64
    assert len(read_times([])) == 0


def test_the_bounds_are_what_their_names_say() -> None:
    assert read_time("2000-01-01T00:00:00Z") == YEAR_2000_MS
    assert read_time("9999-12-31T23:59:59.999Z") == YEAR_9999_MS


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("2026-11-22T06:00:00", "zone"),
        ("2026-11-22T06:00Z", "RFC 3339"),
        ("2026-W47-7T06:00:00Z", "RFC 3339"),
        ("2026-11-22T06:00:00.Z", "RFC 3339"),
        ("٢٠٢٦-11-22T06:00:00Z", "RFC 3339"),
        ("2026-13-01T00:00:00Z", "calendar"),
        ("2026-11-22T06:00:00+24:00", "calendar"),
    ],
)
def test_what_is_wrong_is_said(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_time(text)
