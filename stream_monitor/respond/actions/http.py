"""Actions that speak HTTP: what is asked is a pure function of the alert, and what becomes of the answer is the same for all."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from pydantic import field_validator

from stream_monitor.alert.alert import Alert
from stream_monitor.respond.actions.base import DRY_MAX, WAIT_MAX_S, Ready, Secret, seconds, trusted
from stream_monitor.respond.call import Call, Refused, Retriable

ANSWER_MAX: Final = 1_048_576
"""Bytes of an answer that are read: a cluster repeats the whole Job."""
_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "stream-monitor"}
_AGAIN: Final = frozenset({408, 425, 429})
"""Refusals that say: not now."""


class Request(NamedTuple):
    """A POST of JSON; without a body a GET."""

    url: str
    body: bytes | None
    headers: Mapping[str, str] = {}


class Answer(NamedTuple):
    """What came back, of status 2xx or one that the action expects."""

    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The object that it is. Errors: Retriable: something between us and the counterpart answered."""
        try:
            tree = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            tree = None
        if not isinstance(tree, dict):
            raise Retriable(f"the answer of status {self.status} is not a JSON object")
        return tree


class HttpAction(Ready):
    """Sends its requests one after another; each has the idempotency key as the header `Idempotency-Key`.

    Redirects are not followed: a secret goes where the config says, or nowhere.
    """

    ca: Path | None = None
    """Certificates (PEM) that are trusted instead of the system's."""

    @field_validator("url", "urls", "api", check_fields=False)
    @classmethod
    def _is_of_http(cls, given: Any) -> Any:
        for url in given if isinstance(given, tuple) else (given,):
            text = url.read() if isinstance(url, Secret) and url.file is None else url
            if isinstance(text, str) and not text.lower().startswith(("http://", "https://")):
                raise ValueError("write an address that begins with https:// or http://")
        return given

    @abstractmethod
    def requests(self, alert: Alert, call: Call) -> Sequence[Request]:
        """What to send; nothing where there is nothing to tell. Errors: Refused."""

    def expects(self, status: int) -> bool:
        """Whether an answer of this status means that it is done."""
        return 200 <= status < 300

    def told(self, answer: Answer) -> Mapping[str, Any]:
        """What is worth recording of an answer. Errors: Retriable, where it is not what the counterpart answers."""
        return {"status": answer.status}

    async def __call__(self, alert: Alert, call: Call) -> Mapping[str, Any] | None:
        """Send. Errors: Refused, Retriable."""
        requests = self.requests(alert, call)
        if call.dry_run:
            return {"would_send": [self.hidden((request.body or b"").decode(), DRY_MAX) for request in requests]}
        told: dict[str, Any] = {}
        for request in requests:
            told |= self.told(await self.send(request, call))
        return told or None

    async def send(self, request: Request, call: Call) -> Answer:
        """The answer, of a status that the action expects. Errors: Refused, Retriable."""
        place, limit_s = _place(request.url), min(call.remaining_s(), WAIT_MAX_S)
        headers = {**_HEADERS, "Idempotency-Key": call.idempotency_key, **request.headers}
        tls = trusted(self.ca)
        try:
            async with (
                aiohttp.TCPConnector(ssl=tls) as connector,
                aiohttp.ClientSession(connector=connector, proxy=_proxy(request.url), timeout=aiohttp.ClientTimeout(limit_s)) as session,
                session.request(
                    "GET" if request.body is None else "POST", request.url, data=request.body, headers=headers, allow_redirects=False
                ) as response,
            ):
                body = await _read(response.content)
        except TimeoutError:
            raise Retriable(f"{place} did not answer within {limit_s:.1f} s") from None
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, OSError) as error:  # a certificate's is a ValueError, too
            raise Retriable(f"{place} cannot be reached: {type(error).__name__}") from None
        except (aiohttp.NonHttpUrlClientError, ValueError):
            raise Refused(f"{place} is not the URL of an HTTP service") from None
        except aiohttp.ClientError as error:
            raise Retriable(f"{place} does not speak HTTP: {type(error).__name__}") from None
        if self.expects(response.status):
            return Answer(response.status, body)
        raise self._refused(place, response, body)

    def _refused(self, place: str, response: aiohttp.ClientResponse, body: bytes) -> Exception:
        said = f"{place} answered {response.status}: {self.hidden(body.decode(errors='replace'))}"
        if response.status in _AGAIN or response.status >= 500:
            return Retriable(said, seconds(response.headers.get("Retry-After")))
        return Refused(f"{place} answers with a redirect: write the address that it leads to" if response.status < 400 else said)


async def _read(stream: aiohttp.StreamReader) -> bytes:
    """All of it, or its beginning."""
    body = bytearray()
    while len(body) < ANSWER_MAX and (part := await stream.read(ANSWER_MAX - len(body))):
        body += part
    return bytes(body)


def encoded(tree: object) -> bytes:
    """JSON with keys in the order given; the same bytes for equal trees."""
    return orjson.dumps(tree)


def _place(url: str) -> str:
    """Scheme, host and port: paths and user names may be secrets."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "the url"


def _proxy(url: str) -> str | None:
    """By HTTPS_PROXY, NO_PROXY and their like; aiohttp's own reading of them would take passwords from ~/.netrc, too."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
