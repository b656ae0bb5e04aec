"""Middleware for any ASGI service (FastAPI, Starlette, …): latency, status and errors of each prediction come by themselves.

```
app.add_middleware(CaptureMiddleware, client=client, paths={"/predict"})

@app.post("/predict")
async def predict(request):
    draft = draft_of(request.scope)
    draft.features = …
    draft.prediction = {"label": …, "score": …}
```
"""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from stream_monitor.client.client import CaptureClient
from stream_monitor.client.event import Prediction, Resources, Value

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PLACE: Final = "stream_monitor.capture"


@dataclass(slots=True)
class Draft:
    """What the endpoint fills in of its capture. event_id: give it to the caller, the label will need it. skip: publish nothing."""

    event_id: str = field(default_factory=lambda: uuid4().hex)
    features: Mapping[str, Value] | None = None
    prediction: Prediction | str | float | bool | None = None
    version: str | None = None
    metadata: Mapping[str, str] | None = None
    attributions: Mapping[str, float] | None = None
    resources: Resources | None = None
    skip: bool = False


def draft_of(scope: Scope) -> Draft:
    """The draft of the request with this scope. Errors: LookupError outside of the middleware's paths."""
    try:
        draft: Draft = scope[_PLACE]
    except KeyError:
        raise LookupError(f"no capture is drafted for {scope.get('path')}: is it among the paths of CaptureMiddleware?") from None
    return draft


class CaptureMiddleware:
    """Publishes one capture per request to one of `paths`, when the response is complete or the endpoint has raised.

    An exception, or a status of 500 and more, is an event of `status: error`, named by the exception's class or `http_STATUS`; a
    status of 400 to 499 is the caller's fault and no prediction: nothing is published, nor where the endpoint left `features` out.
    """

    def __init__(self, app: App, client: CaptureClient, paths: Collection[str]) -> None:
        self._app, self._client, self._paths = app, client, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as ASGI 3 has it."""
        if scope["type"] != "http" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        draft = scope[_PLACE] = Draft()
        began, status = time.perf_counter(), 0

        async def noting(event: Event) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            await send(event)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            self._publish(draft, began, type(error).__name__)
            raise
        if not 400 <= status < 500:
            self._publish(draft, began, f"http_{status}" if status >= 500 else None)

    def _publish(self, draft: Draft, began: float, error: str | None) -> None:
        if draft.skip or (error is None and draft.features is None):
            return
        self._client.capture(
            draft.features or {},
            draft.prediction,
            event_id=draft.event_id,
            version=draft.version,
            latency_ms=round((time.perf_counter() - began) * 1_000, 3),
            status="ok" if error is None else "error",
            error=error,
            resources=draft.resources,
            attributions=draft.attributions,
            metadata=draft.metadata,
        )
