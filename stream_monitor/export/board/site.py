"""Routes: pages for people, JSON under `/api/v1` for programs. Everything is read-only.

Where the worker listens on loopback alone, whoever is on the machine may look. Elsewhere a bearer token is asked for, and where
none is configured there are no pages: feature names and categories may be nobody else's business.
"""

import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from stream_monitor.capture.schema import StreamKey
from stream_monitor.export.board import openapi, pages, views
from stream_monitor.export.board.board import Board

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """What is sent back."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: Mapping[str, str] = {}


SAFE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Nothing is loaded from anywhere, no script runs, nobody frames it."""


class Site:
    """Pages and API of one board. host: where the worker listens; token: what a caller elsewhere must bear."""

    def __init__(self, board: Board, host: str = "127.0.0.1", token: str | None = None) -> None:
        self._board, self._token, self._is_open = board, token, _is_loopback(host)

    def answer(self, target: str, authorization: str | None) -> Answer | None:
        """To a GET of this path and query; None: not one of ours."""
        parts = urlsplit(target)
        steps = tuple(unquote(step) for step in parts.path.strip("/").split("/") if step)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        find = _api if steps[:2] == ("api", "v1") else _pages
        if find is _pages and steps[:1] not in ((), ("models",)):
            return None
        refused = self._refused(authorization)
        if refused is not None:
            return refused
        return find(self._board, steps, query) or Answer(HTTPStatus.NOT_FOUND, TEXT, b"not here: is the model another worker's?\n", SAFE)

    def _refused(self, authorization: str | None) -> Answer | None:
        if self._is_open and self._token is None:
            return None
        if self._token is None:
            text = "pages are shown on loopback only; to see them from elsewhere set metrics.token in the config\n"
            return Answer(HTTPStatus.FORBIDDEN, TEXT, text.encode(), SAFE)
        scheme, _, borne = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(borne.encode(), self._token.encode()):
            return None
        return Answer(HTTPStatus.UNAUTHORIZED, TEXT, b"bear the token of metrics.token\n", {**SAFE, "WWW-Authenticate": "Bearer"})


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _api(board: Board, steps: tuple[str, ...], query: Mapping[str, str]) -> Answer | None:
    tree: Any = None
    match steps[2:]:
        case ("openapi.json",):
            tree = openapi.document()
        case ("models",):
            tree = {"models": views.models(board)}
        case ("alerts",):
            tree = {"alerts": views.alerts(board)}
        case ("models", name):
            tree = views.model(board, _stream(name, query), query.get("search", ""), _page(query))
        case ("models", name, "features", feature):
            tree = views.feature(board, _stream(name, query), feature)
    return None if tree is None else Answer(HTTPStatus.OK, JSON, orjson.dumps(tree, option=orjson.OPT_SERIALIZE_NUMPY), SAFE)


def _pages(board: Board, steps: tuple[str, ...], query: Mapping[str, str]) -> Answer | None:
    tree: views.Tree | None
    match steps:
        case ():
            return _html(pages.overview, {"models": views.models(board), "alerts": views.alerts(board)[:50]}, query)
        case ("models", name):
            tree = views.model(board, _stream(name, query), query.get("search", ""), _page(query))
            return None if tree is None else _html(pages.model, tree, query)
        case ("models", name, "features", feature):
            tree = views.feature(board, _stream(name, query), feature)
            return None if tree is None else _html(pages.feature, tree, query)
    return None


def _html(render: Callable[..., str], tree: views.Tree, query: Mapping[str, str]) -> Answer:
    refresh = query.get("refresh") == "10"
    return Answer(HTTPStatus.OK, HTML, render(tree, refresh=refresh, search=query.get("search", "")).encode(), SAFE)


def _stream(name: str, query: Mapping[str, str]) -> StreamKey:
    return StreamKey(name, query.get("version"))


def _page(query: Mapping[str, str]) -> int:
    text = query.get("page", "1")
    return min(int(text), 1_000_000) if text.isdecimal() and len(text) < 8 else 1
