"""What the pages and the API show of a worker's models, to whom, and that it stays bounded."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.alert.alert import AlertStatus
from stream_monitor.capture.schema import StreamKey
from stream_monitor.cli.demo_stage import Stage
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.detect.report import Span, WindowScore, utc
from stream_monitor.export.board import Board, Site
from stream_monitor.export.board import board as boards
from stream_monitor.export.board import history as histories
from stream_monitor.export.board.history import History, Seen
from stream_monitor.export.board.views import FEATURES_MAX
from stream_monitor.export.http import MetricsServer
from stream_monitor.pipeline.step import Outputs
from tests.demo_stage import played

LOAN = StreamKey("loan", None)


def get(target: str, site: Site | None = None, token: str | None = None) -> tuple[int, str]:
    answer = (site or Site(played().board)).answer(target, None if token is None else f"Bearer {token}")
    assert answer is not None
    return answer.status, answer.body.decode()


def tree(target: str) -> Any:
    status, body = get(target)
    assert status == HTTPStatus.OK
    return json.loads(body)


# ---- what is told


def test_the_overview_says_how_each_model_is() -> None:
    (model,) = tree("/api/v1/models")["models"]
    firing = {alert.alert_id for alert in played().firing()}
    assert (model["model"], model["state"]) == ("loan", "critical")
    assert {each["alert_id"] for each in model["firing"]} == firing
    last = max(json.loads(row)["window"]["end"] for row in played().windows if json.loads(row)["feature"])
    assert model["window"]["end"] == last
    status, page = get("/")
    assert status == HTTPStatus.OK
    assert 'href="/models/loan"' in page


def test_a_model_ranks_its_columns_by_what_moved() -> None:
    found = tree("/api/v1/models/loan")
    names = [each["feature"] for each in found["features"]]
    assert names.index("income") < names.index("age")
    assert len(names) == found["columns"] == found["found"]
    assert [each["feature"] for each in tree("/api/v1/models/loan?search=INC")["features"]] == ["income"]
    assert "income" in get("/models/loan")[1]


def test_a_feature_has_its_distribution_and_every_published_score() -> None:
    found = tree("/api/v1/models/loan/features/income")
    assert sum(each["baseline"] for each in found["bins"]) == pytest.approx(1.0)
    assert sum(each["window"] for each in found["bins"]) == pytest.approx(1.0)
    rows = [msgspec.json.decode(row, type=WindowScore) for row in played().windows]
    told = {(row.detector, row.window.end): row.score for row in rows if row.feature == "income" and row.status == "judged"}
    shown = {(d, p["end"]): p["score"] for d, points in found["detectors"].items() for p in points if p["score"] is not None}
    assert shown == {key: pytest.approx(score) for key, score in told.items()}
    page = get("/models/loan/features/income")[1]
    assert page.count("<svg") == 1 + sum(bool(points) for points in found["detectors"].values())


def test_the_api_is_what_its_description_says() -> None:
    described = tree("/api/v1/openapi.json")
    schemas = described["components"]["schemas"]
    for path in described["paths"]:
        found = tree(path.replace("{model}", "loan").replace("{feature}", "income"))
        schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        hold(found, schema, schemas)


def hold(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The part of JSON Schema that the description uses."""
    if "$ref" in schema:
        hold(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
        return
    if "enum" in schema:
        assert value in schema["enum"]
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float, "null": type(None)}
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(isinstance(value, kinds[kind]) for kind in wanted), (value, schema)
    if isinstance(value, dict):
        assert value.keys() >= set(schema.get("required", ()))
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is False:
            assert value.keys() == properties.keys()
        for name, each in value.items():
            hold(each, properties[name], schemas) if name in properties else None
    if isinstance(value, list):
        for each in value:
            hold(each, schema["items"], schemas)


# ---- to whom


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_whoever_is_on_the_machine_may_look(host: str) -> None:
    assert get("/", Site(played().board, host))[0] == HTTPStatus.OK


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "::", "monitor.example"])
def test_others_need_the_token(host: str) -> None:
    assert get("/", Site(played().board, host))[0] == HTTPStatus.FORBIDDEN, "without one configured there are no pages"
    closed = Site(played().board, host, "secret")
    assert [get("/api/v1/models", closed, token)[0] for token in (None, "", "wrong", "sécret", "secret")] == [401, 401, 401, 401, 200]
    assert get("/", Site(played().board, "127.0.0.1", "secret"))[0] == HTTPStatus.UNAUTHORIZED, "a token that is set is asked for"


def test_no_page_loads_anything_or_runs_a_script() -> None:
    for target in ("/", "/models/loan", "/models/loan/features/region"):
        answer = Site(played().board).answer(target, None)
        assert answer is not None
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "<script" not in answer.body.decode()


def test_names_are_only_text() -> None:
    evil = '"><script>alert(1)</script>/../?&'
    board = Board()
    alert = msgspec.structs.replace(played().alerts[0], model=evil, feature=evil)
    board.committed(Outputs(alerts=[alert]), [])
    status, page = get("/", Site(board))
    assert status == HTTPStatus.OK
    assert "<script" not in page
    assert quote(evil, safe="") in page


@pytest.mark.parametrize("target", ["/models/nobody", "/models/loan/features/nothing", "/api/v1/nothing", "/models/loan/x/y", "/models"])
def test_what_is_not_there_is_said(target: str) -> None:
    assert get(target)[0] == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "page=99999999999999999999", "page=7", "search=%00%FF", "version=9"])
def test_odd_queries_are_answered(query: str) -> None:
    assert get(f"/models/loan?{query}")[0] in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)


def test_the_server_serves_it_beside_the_metrics() -> None:
    with MetricsServer(played().store.registry(), port=0, site=Site(played().board)) as server:
        base = f"http://127.0.0.1:{server.port}"
        with urlopen(base + "/", timeout=10) as answer:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "loan" in answer.read().decode()
        with urlopen(Request(base + "/models/loan", method="HEAD"), timeout=10) as answer:
            assert answer.read() == b""
        with urlopen(base + "/metrics", timeout=10) as answer:
            assert b"stream_monitor_drift_score" in answer.read()
        with pytest.raises(HTTPError, match="404"):
            urlopen(base + "/nothing", timeout=10)


# ---- what is kept


def window(end: int, scores: dict[str, float | None], revision: int = 1) -> list[WindowScore]:
    span = Span(utc(end - 60_000), utc(end), 10)
    return [
        WindowScore("m", None, {}, span, revision, name, "psi", score, 0.2, 0.5, "judged" if score is not None else "too_few")
        for name, score in scores.items()
    ]


steps = st.lists(
    st.tuples(st.integers(1, 40), st.dictionaries(st.sampled_from("abcd"), st.none() | st.sampled_from([0.0, 0.25, 0.5]), min_size=1))
)


@given(steps)
def test_a_history_is_the_last_windows(said: list[tuple[int, dict[str, float | None]]]) -> None:
    """Against a dict that forgets the earliest added; a window told again replaces what it said."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(histories, "WINDOWS_MAX", 5)
        patched.setattr(histories, "WINDOWS_MIN", 5)
        history, wanted = History(), dict[int, dict[str, float | None]]()
        for minute, scores in said:
            history.add(window(minute * 60_000, scores))
            if minute not in wanted and len(wanted) == 5:
                del wanted[next(iter(wanted))]
            wanted[minute] = {**wanted.get(minute, {}), **scores}
        for name in "abcd":
            points = [point for point in history.of((name, "psi")) if point.threshold is not None]
            told = {minute: scores[name] for minute, scores in wanted.items() if name in scores}
            assert points == [Seen(minute * 60_000, told[minute], 0.2) for minute in sorted(told)]
        newest = history.newest()
        assert {key[0] for key in newest} == {name for _, scores in said for name in scores}


def many(count: int) -> Iterator[Any]:
    first = played().alerts[0]
    for number in range(count):
        yield msgspec.structs.replace(first, alert_id=f"{number}", status=AlertStatus.RESOLVED if number % 2 else AlertStatus.FIRING)


def test_alerts_are_bounded_and_those_that_are_over_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "ALERTS_MAX", 10)
    board = Board()
    board.committed(Outputs(alerts=list(many(18))), [])
    with board.reading() as (_, alerts):
        assert len(alerts) == 10
        assert sum(alert.status == "firing" for alert in alerts) == 9


def test_many_columns_keep_fewer_windows_and_come_page_by_page() -> None:
    history = History()
    history.add(window(60_000, {f"f{number}": 0.1 for number in range(10_000)}))
    assert history.values.size <= max(histories.CELLS_MAX, 2 * 10_000 * histories.WINDOWS_MIN)
    assert FEATURES_MAX == 100


def test_a_model_that_went_to_another_worker_is_shown_no_more() -> None:
    board, made = Board(), Stage(Traffic.seeded(3, 400))
    made.board = board
    with board.reading() as (streams, _):
        assert not streams
    board.committed(Outputs(alerts=played().alerts[:1]), [])
    board.lost([LOAN])
    with board.reading() as (streams, alerts):
        assert not streams
        assert not alerts
