"""docs/reference is what the code says, and the tables that it is made from are what the code does."""

from pathlib import Path
from typing import Any

import pytest

from stream_monitor.alert.evidence import EVENTS_MAX, MOVED_MAX
from stream_monitor.capture import envelope
from stream_monitor.capture.contract import CAPTURE, LABEL, Field
from stream_monitor.capture.prediction import MEMBERS
from stream_monitor.capture.reject import HEADERS, Reason, Reject, dead_letter
from stream_monitor.capture.shape import FIELDS, SHALLOW
from stream_monitor.client.event import Resources
from stream_monitor.export.reference import alerts_page, events_page
from stream_monitor.pipeline.affected import AFFECTED_MAX
from stream_monitor.profile.anomalies import WORST_MAX
from stream_monitor.respond.reference import actions_page
from tests.messages import Message

FOLDER = Path(__file__).parents[2] / "docs/reference"
VALUES: dict[str, Any] = {"string": "ok", "number": 1_767_600_000_000, "boolean": True, "object": {}, "array": []}


@pytest.mark.parametrize(("name", "page"), [("events.md", events_page), ("alerts.md", alerts_page), ("actions.md", actions_page)])
def test_the_page_is_up_to_date(name: str, page: Any) -> None:
    """`make docs` was run after the last change."""
    assert (FOLDER / name).read_text(encoding="utf-8") == page()


def test_every_field_that_is_read_is_told() -> None:
    assert {field.name for field in CAPTURE if "." not in field.name} == FIELDS
    assert {field.name for field in CAPTURE if "." in field.name} == {f"prediction.{member}" for member in MEMBERS}
    assert {field.name for field in LABEL} <= FIELDS
    (resources,) = [field for field in CAPTURE if field.name == "resources"]
    assert all(f"`{name}`" in resources.meaning for name in Resources.__annotations__)
    assert {field.name for field in CAPTURE if field.types == ("object",)} >= set(SHALLOW)


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("field", CAPTURE, ids=lambda field: field.name)
def test_a_type_is_taken_where_the_page_says_so(field: Field, kind: str) -> None:
    problem = first_problem(field.name, VALUES[kind])
    assert (problem is None) == (kind in field.types), problem


def first_problem(name: str, value: Any) -> object:
    """What the rules say of one field; those of `model`, `version` and `time` stand outside of the table."""
    if name in ("model", "version"):
        return envelope.string(name, value)
    if name == "time":
        read = envelope.time(name, "2026-11-22T06:00:00Z" if value == "ok" else value)
        return None if isinstance(read, int) else read
    outer, _, member = name.partition(".")
    return envelope.first_problem({outer: {member: value} if member else value})


def test_a_dead_letter_has_the_headers_that_are_told() -> None:
    message = Message(b"{}", time=(1, 5), attributes=[("NAME", b"1")])
    letter = dead_letter(message, Reject(0, Reason.NOT_JSON, "x"), value_bytes_max=1)
    assert {name for name, _ in letter.headers} == HEADERS.keys()


def test_limits_that_are_told_are_the_code_s() -> None:
    page = alerts_page()
    assert f"the {WORST_MAX} furthest" in page
    for name, most in (("moved", MOVED_MAX), ("samples", EVENTS_MAX), ("affected", AFFECTED_MAX)):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `evidence.{name}` |")]
        assert f"at most {most}." in row
