"""What the pages and the API show of a worker's models, to whom, and that it stays bounded."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from html import escape, unescape
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_monitor.alert.alert import AlertStatus
from stream_monitor.baseline.build import build
from stream_monitor.capture.schema import StreamKey
from stream_monitor.cli.demo_acts import ACTS
from stream_monitor.cli.demo_stage import Stage, demo_config
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.config import parse_config
from stream_monitor.detect.report import Span, WindowScore, utc
from stream_monitor.export.board import Board, Crew, Site, views
from stream_monitor.export.board import board as boards
from stream_monitor.export.board import history as histories
from stream_monitor.export.board.board import ALERTS_MAX
from stream_monitor.export.board.history import History
from stream_monitor.export.board.pages import link
from stream_monitor.export.board.views import ALERTS_SHOWN, FEATURES_MAX
from stream_monitor.export.http import MetricsServer
from stream_monitor.export.pictures import Point
from stream_monitor.export.report import Story, write_report
from stream_monitor.pipeline.plan import Plan, compile_plan
from stream_monitor.pipeline.state import Outputs, State
from stream_monitor.runtime.roster import Roster
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


def test_a_page_that_refreshes_itself_stays_where_it_is() -> None:
    for target in ("/?search=lo", "/models/loan?search=inc", "/models/loan?version=9&search=a", "/alerts?model=loan"):
        status, page = get(target)
        assert status == HTTPStatus.NOT_FOUND or f'href="{target.replace("&", "&amp;")}&amp;refresh=10"' in page


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
        status, body = get(path.replace("{model}", "loan").replace("{feature}", "income"), Site(played().board, crew=crew()))
        assert status == HTTPStatus.OK
        found = json.loads(body)
        schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        hold(found, schema, schemas)


def crew() -> Crew:
    stage = played()
    return Crew(Roster(stage.broker, stage.config.topics.prefix, stage.clock), "demo")


def hold(value: Any, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The part of JSON Schema that the description uses."""
    if "$ref" in schema:
        hold(value, schemas[schema["$ref"].rpartition("/")[2]], schemas)
        return
    if "enum" in schema:
        assert value in schema["enum"]
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": int | float, "null": type(None)}
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


@pytest.mark.parametrize("scheme", ["Basic", "basic"])
def test_a_browser_asks_for_the_token_as_a_password(scheme: str) -> None:
    closed = Site(played().board, "0.0.0.0", "sécret:x")
    asked = closed.answer("/", None)
    assert asked is not None
    assert asked.headers["WWW-Authenticate"].startswith("Basic ")
    given = [f"{scheme} {b64encode(pair.encode()).decode()}" for pair in ("any:sécret:x", ":sécret:x", "any:secret", "sécret:x", "")]
    answers = [closed.answer("/", each) for each in (*given, f"{scheme} /w==", f"{scheme} ~", scheme)]
    assert [answer and answer.status for answer in answers] == [200, 200, 401, 401, 401, 401, 401, 401]


@pytest.mark.parametrize("named", ["localhost", "LOCALHOST:9108", "127.0.0.1", "127.0.0.1:9108", "[::1]", "[::1]:9108"])
def test_on_loopback_one_looks_by_an_address_of_the_machine(named: str) -> None:
    with MetricsServer(played().store.registry(), port=0, site=Site(played().board)) as server:
        assert status_of(server.port, "/", named) == status_of(server.port, "/api/v1/models", named) == HTTPStatus.OK


@pytest.mark.parametrize(
    "named", ["evil.example", "evil.example:9108", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.7", "[::1", "::1", "", "a b"]
)
def test_a_page_from_elsewhere_that_bound_its_name_to_this_machine_reads_nothing(named: str) -> None:
    """DNS rebinding: a browser sends the name that it asked for. Probes and Prometheus may use any name."""
    with MetricsServer(played().store.registry(), port=0, site=Site(played().board)) as server:
        for path in ("/", "/models/loan", "/api/v1/models", "/api/v1/openapi.json", "/workers"):
            assert status_of(server.port, path, named) == HTTPStatus.FORBIDDEN
        assert [status_of(server.port, path, named) for path in ("/metrics", "/healthz", "/readyz")] == [200, 200, 200]


def test_with_a_token_any_name_will_do() -> None:
    """A browser gives it to the name alone for which it was typed; a proxy before it may pass its own name on."""
    answer = Site(played().board, "127.0.0.1", "secret").answer("/", "Bearer secret", "monitor.example")
    assert answer is not None
    assert answer.status == HTTPStatus.OK


def status_of(port: int, path: str, named: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": named})
    status = connection.getresponse().status
    connection.close()
    return status


def test_no_page_loads_anything_or_runs_a_script() -> None:
    for target in ("/", "/models/loan", "/models/loan/features/region"):
        answer = Site(played().board).answer(target, None)
        assert answer is not None
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "<script" not in answer.body.decode()


def test_names_are_only_text() -> None:
    evil = '"><script>alert(1)</script>/../?&'
    board = Board()
    alert = played().alerts[0]
    alert = msgspec.structs.replace(alert, model=evil, annotations=msgspec.structs.replace(alert.annotations, summary=evil))
    board.committed(Outputs(alerts=[alert]), [])
    status, page = get("/", Site(board))
    assert status == HTTPStatus.OK
    assert "<script" not in page
    assert evil in unescape(page)
    assert link("models", evil) == f"/models/{quote(evil, safe='')}"


def test_an_alert_leads_to_its_feature_where_the_model_is_here() -> None:
    """One that was removed, as the version before, has no page any more."""
    alert = next(alert for alert in played().alerts if alert.feature)
    path = escape(link("models", alert.model, "features", alert.feature or "", version=alert.version))
    assert path in get("/")[1]
    board = Board()
    board.committed(Outputs(alerts=[alert]), [])
    assert path not in get("/", Site(board))[1]


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
    """Against a dict that forgets the earliest, and hears nothing of earlier ones; a window told again replaces what it said."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(histories, "WINDOWS_MAX", 5)
        patched.setattr(histories, "WINDOWS_MIN", 5)
        history, wanted = History(), dict[int, dict[str, float | None]]()
        for minute, scores in said:
            history.add(window(minute * 60_000, scores))
            if minute not in wanted and len(wanted) == 5:
                if minute < min(wanted):
                    continue
                del wanted[min(wanted)]
            wanted[minute] = {**wanted.get(minute, {}), **scores}
        for name in "abcd":
            points = [point for point in history.of((name, "psi")) if point.threshold is not None]
            told = {minute: scores[name] for minute, scores in wanted.items() if name in scores}
            assert points == [Point(minute * 60_000, told[minute], 0.2) for minute in sorted(told)]


judged = st.tuples(st.sampled_from([*"abc", None]), st.sampled_from(["psi", "ks", "tvd"]))


@given(st.lists(st.tuples(st.integers(1, 5), st.dictionaries(judged, st.none() | st.floats(0, 2)))))
def test_a_column_is_ranked_by_the_detector_that_is_nearest_its_threshold(said: list[tuple[int, dict[Any, float | None]]]) -> None:
    """Against every ratio of the newest window."""
    history, last = History(), dict[int, dict[Any, float | None]]()
    for minute, scores in said:
        rows = [
            msgspec.structs.replace(row, feature=column, detector=detector)
            for (column, detector), score in scores.items()
            for row in window(minute * 60_000, {"": score})
        ]
        history.add(rows)
        if rows:
            last[minute] = {**last.get(minute, {}), **scores}
    found = history.furthest()
    newest = last[max(last)] if last else {}
    wanted = {name: [score for (column, _), score in newest.items() if column == name and score is not None] for name in "abc"}
    assert {name: seen.score for name, (_, seen) in found.items()} == {name: max(scores) for name, scores in wanted.items() if scores}
    assert all(newest[name, detector] == seen.score for name, (detector, seen) in found.items())


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


WIDE = StreamKey("wide", None)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A model of 10,000 columns, as many as a baseline may have, after one window in which a few of them moved, and 600 alerts."""
    path = tmp_path_factory.mktemp("wide") / "training.jsonl"
    features = [f"feature_{number:05}" for number in range(9_999)]
    events = ({"model": "wide", "features": dict.fromkeys(features, row), "prediction": row / 20} for row in range(20))
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))
    baseline = build([path]).baseline
    config = parse_config({"models": {"wide": {"baseline": "wide"}}}, "test")
    board, state = Board(config), State.empty(compile_plan(config, config.shared({"wide": baseline.id}), {"wide": baseline}))
    board.follows(state, [WIDE])
    rows = [
        WindowScore("wide", None, {}, Span(utc(0), utc(60_000), 10), 1, name, detector, number / 1e5, 0.2, 0.5, "judged")
        for number, name in enumerate([*features, "prediction"])
        for detector in ("psi", "ks", "tvd")
    ]
    alerts = [msgspec.structs.replace(alert, model="wide", feature=features[7]) for alert in many(600)]
    board.committed(Outputs(scores=rows, alerts=alerts), [])
    return Site(board)


def test_every_one_of_ten_thousand_columns_is_reached_page_by_page_and_by_its_name(wide: Site) -> None:
    seen: list[str] = []
    target: str | None = "/models/wide"
    while target is not None:
        status, page = get(target, wide)
        assert status == HTTPStatus.OK
        assert len(page) < 200_000, "100 columns and 50 alerts, however many there are"
        seen += re.findall(r'<a href="/models/wide/features/([^"]+)">\1</a>', page)
        following = re.search(r'<a href="([^"]+)">Next</a>', page)
        target = following and unescape(following[1])
    assert len(seen) == len(set(seen)) == 10_000
    assert seen[:2] == ["feature_00007", "prediction"], "what fires, then what moved furthest"
    assert get(f"/models/wide/features/{seen[-1]}", wide)[0] == HTTPStatus.OK
    found = re.findall(r'<a href="/models/wide/features/([^"]+)">\1</a>', get("/models/wide?search=_0999", wide)[1])
    assert found == [f"feature_0999{number}" for number in range(8, -1, -1)]


def test_the_api_gives_ten_thousand_columns_in_bounded_parts(wide: Site) -> None:
    seen: list[str] = []
    for offset in range(0, 10_000, 999):
        status, body = get(f"/api/v1/models/wide?offset={offset}&limit=999", wide)
        assert status == HTTPStatus.OK
        assert len(body) < 1_000_000
        seen += [each["feature"] for each in json.loads(body)["features"]]
    assert len(seen) == len(set(seen)) == 10_000
    assert len(json.loads(get("/api/v1/models/wide", wide)[1])["features"]) == FEATURES_MAX
    assert len(json.loads(get("/api/v1/models/wide?limit=99999", wide)[1])["features"]) == 1_000


def test_of_many_models_the_worst_are_shown_and_the_others_found(monkeypatch: pytest.MonkeyPatch) -> None:
    config, stage = played().config, played()
    monkeypatch.setattr(views, "MODELS_SHOWN", 30)
    (loan,) = stage.board.whole().own
    with stage.board.reading() as (streams, _):
        plan = streams[loan].plan
    state = State.empty(Plan(1, "", config, {StreamKey(f"model_{number:03}", None): plan for number in range(500)}))
    board = Board(config)
    board.follows(state, state.plan.streams)
    page = get("/", Site(board))[1]
    assert page.count('class="badge waiting"') == 30
    assert "500 found, the worst 30 shown" in page
    assert re.findall(r">(model_[^<]+)<", get("/?search=_49", Site(board))[1]) == [f"model_49{number}" for number in range(10)]


def test_many_alerts_are_on_a_page_of_their_own_and_given_in_parts(wide: Site) -> None:
    page = get("/models/wide", wide)[1]
    assert (
        page.count('class="badge ok">resolved') + page.count('class="badge critical">critical</span></td>\n<td class="name">')
        == ALERTS_SHOWN
    )
    assert 'href="/alerts?model=wide">All 500 alerts' in page
    assert get("/alerts?model=wide", wide)[1].count("<tr>") == 1 + ALERTS_MAX
    found = json.loads(get("/api/v1/alerts?model=wide&offset=490&limit=20", wide)[1])
    assert (len(found["alerts"]), found["found"]) == (10, ALERTS_MAX)
    assert json.loads(get("/api/v1/alerts?model=loan", wide)[1]) == {"alerts": [], "found": 0}


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


# ---- what rules hold back


@cache
def silenced() -> Stage:
    silence = {"start": "2026-01-05T08:00:00Z", "end": "2026-01-05T23:00:00Z", "reason": "the campaign <of January>"}
    rules = [{"match": {"feature": "income"}, "silences": [silence]}, {"recipients": ["pager"]}]
    stage = Stage(Traffic.seeded(3, 3_000, ACTS[:2]), config=demo_config(rules=rules))
    for _ in stage.play():
        pass
    return stage


def test_what_a_silence_holds_back_is_shown_with_its_end_and_reason(tmp_path: Path) -> None:
    site = Site(silenced().board)
    words = "silenced until 2026-01-05 23:00 UTC: the campaign <of January>"
    told = json.loads(get("/api/v1/alerts", site)[1])["alerts"]
    assert {each["held"] for each in told if each["feature"] == "income" and each["status"] != "resolved"} == {words}
    assert {each["held"] for each in told if each["feature"] == "region"} == {None}
    (model,) = json.loads(get("/api/v1/models", site)[1])["models"]
    assert words in {each["held"] for each in model["firing"]}
    for target in ("/", "/alerts", "/models/loan", "/models/loan/features/income"):
        page = get(target, site)[1]
        assert "Silenced until 2026-01-05 23:00 UTC: the campaign &lt;of January&gt;" in page, target
    assert "held back" in get("/", site)[1]
    assert "Told to pager" in get("/alerts", site)[1]
    write_report(Story.of(silenced().alerts, silenced().windows), tmp_path / "report.html", "Silenced")
    assert "silenced until 2026-01-05 23:00 UTC: the campaign &lt;of January&gt;" in (tmp_path / "report.html").read_text(encoding="utf-8")
