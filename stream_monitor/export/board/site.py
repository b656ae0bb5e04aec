"""Routes: pages for people, JSON under `/api/v1` for programs. Everything is read-only.

Where the worker listens on loopback alone, whoever is on the machine may look, by an address of the machine: a page from elsewhere
that had its own name bound to 127.0.0.1 may not. Elsewhere a bearer token is asked for, and where
none is configured there are no pages: feature names and categories may be nobody else's business.
"""

import hmac
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from stream_monitor.capture.schema import StreamKey
from stream_monitor.export.answer import TEXT, Answer
from stream_monitor.export.board import openapi, pages, views
from stream_monitor.export.board.board import Board
from stream_monitor.export.board.levels import told
from stream_monitor.export.board.workers import Crew

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"


LIMIT_MAX: Final = 1_000
"""Rows of one answer of the API."""
REBOUND: Final = b"this address is read at localhost, 127.0.0.1 or [::1]; by another name set metrics.token in the config\n"


_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""`data:` for the icon, which is empty: else a browser asks for /favicon.ico, and its console says that this was refused."""
SAFE: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Nothing is loaded from anywhere, no script runs, nobody frames it."""


class Site:
    """Pages and API of one board. host: where the worker listens; token: what a caller elsewhere must bear; crew: who works beside it."""

    def __init__(self, board: Board, host: str = "127.0.0.1", token: str | None = None, crew: Crew | None = None) -> None:
        self._board, self._token, self._is_open, self._crew = board, token, _is_loopback(host), crew

    def answer(self, target: str, authorization: str | None, host: str | None = None) -> Answer | None:
        """To a GET of this path and query; None: not one of ours. host: the header, None where the caller sent none."""
        parts = urlsplit(target)
        steps = tuple(unquote(step) for step in parts.path.strip("/").split("/") if step)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        find = self._api if steps[:2] == ("api", "v1") else self._pages
        if find == self._pages and steps[:1] not in ((), ("models",), ("alerts",), ("workers",)):
            return None
        refused = self._refused(authorization, host)
        if refused is not None:
            return refused
        return find(steps, query) or Answer(HTTPStatus.NOT_FOUND, TEXT, b"not here: is the model another worker's?\n", SAFE)

    def _refused(self, authorization: str | None, host: str | None) -> Answer | None:
        if self._is_open and self._token is None:
            return None if host is None or _is_local(host) else Answer(HTTPStatus.FORBIDDEN, TEXT, REBOUND, SAFE)
        if self._token is None:
            text = "pages are shown on loopback only; to see them from elsewhere set metrics.token in the config\n"
            return Answer(HTTPStatus.FORBIDDEN, TEXT, text.encode(), SAFE)
        borne = _borne(authorization or "")
        if borne is not None and hmac.compare_digest(borne.encode(), self._token.encode()):
            return None
        asked = b"bear the token of metrics.token, or give it as the password of any user\n"
        return Answer(HTTPStatus.UNAUTHORIZED, TEXT, asked, {**SAFE, "WWW-Authenticate": 'Basic realm="stream-monitor", charset="UTF-8"'})

    def _api(self, steps: tuple[str, ...], query: Mapping[str, str]) -> Answer | None:
        tree: Any = None
        board, (offset, limit) = self._board, _span(query)
        match steps[2:]:
            case ("openapi.json",):
                tree = openapi.document()
            case ("models",):
                tree = {"models": views.models(board), "others": views.others(board)}
            case ("alerts",):
                found, (offset, limit) = views.alerts(board, query.get("model")), _span(query, LIMIT_MAX)
                tree = {"alerts": found[offset : offset + limit], "found": len(found)}
            case ("workers",):
                tree = None if self._crew is None else self._crew.tree(board)
            case ("models", name):
                tree = views.model(board, _stream(name, query), query.get("search", ""), offset, limit, query.get("segment", ""))
            case ("models", name, "figures"):
                figures = views.figures(board, _stream(name, query), query.get("segment", ""))
                tree = None if figures is None else told(figures)
            case ("models", name, "features", feature):
                known = views.feature(board, _stream(name, query), feature)
                tree = None if known is None else views.feature_told(known)
        return None if tree is None else Answer(HTTPStatus.OK, JSON, orjson.dumps(tree, option=orjson.OPT_SERIALIZE_NUMPY), SAFE)

    def _pages(self, steps: tuple[str, ...], query: Mapping[str, str]) -> Answer | None:
        tree: views.Tree | None = None
        board, page = self._board, pages.overview
        match steps:
            case ():
                known = views.alerts(board)
                found = views.models(board, query.get("search", ""))
                tree = {"models": found[: views.MODELS_SHOWN], "found": len(found), "others": views.others(board)}
                tree |= {"alerts": known[: views.ALERTS_SHOWN], "alerts_found": len(known)}
            case ("alerts",):
                tree, page = {"alerts": views.alerts(board, query.get("model")), "model": query.get("model")}, pages.alerts
            case ("workers",):
                tree, page = None if self._crew is None else self._crew.tree(board), pages.workers
            case ("models", name):
                offset = (_number(query, "page", 1, 1_000_000) - 1) * views.FEATURES_MAX
                segment = query.get("segment", "")
                tree = views.model(board, _stream(name, query), query.get("search", ""), offset, segment=segment)
                figures, page = views.figures(board, _stream(name, query), segment), pages.model
                tree = None if tree is None or figures is None else {**tree, **figures}
            case ("models", name, "features", feature):
                tree, page = views.feature(board, _stream(name, query), feature), pages.feature
        return None if tree is None else self._html(page, tree, query)

    def _html(self, render: Callable[..., str], tree: views.Tree, query: Mapping[str, str]) -> Answer:
        more: views.Tree = {"refresh": query.get("refresh") == "10", "search": query.get("search", ""), "has_crew": self._crew is not None}
        more["own"] = self._board.whole().own
        return Answer(HTTPStatus.OK, HTML, render(tree, **more).encode(), SAFE)


def _borne(authorization: str) -> str | None:
    """The token of a header `Bearer TOKEN`, or the password of a browser's `Basic …`."""
    scheme, _, borne = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return b64decode(borne).decode().partition(":")[2]
        except ValueError:
            return None
    return borne if scheme.lower() == "bearer" else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine: a page from elsewhere whose name was bound to 127.0.0.1 may not read ours."""
    named = re.fullmatch(r"(\[[0-9a-f:]+\]|[^\[\]:]+)(:\d{1,5})?", host.lower())
    return named is not None and _is_loopback(named[1].strip("[]"))


def _stream(name: str, query: Mapping[str, str]) -> StreamKey:
    return StreamKey(name, query.get("version"))


def _span(query: Mapping[str, str], default: int = views.FEATURES_MAX) -> tuple[int, int]:
    """Which rows of a list are asked for: (offset, limit)."""
    limit = _number(query, "limit", default, LIMIT_MAX)
    return _number(query, "offset", (_number(query, "page", 1) - 1) * limit, least=0), limit


def _number(query: Mapping[str, str], name: str, default: int, most: int = 1_000_000, least: int = 1) -> int:
    """A whole number of the query within its bounds; the default where it is none."""
    text = query.get(name, "")
    return min(max(int(text), least), most) if text.isascii() and text.isdecimal() and len(text) < 8 else default
