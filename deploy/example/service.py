"""An inference service as yours may be: it answers loan applications, and each answer is captured.

`uvicorn service:app` in this folder; KAFKA names the brokers. The model is that of `stream-monitor demo`, so that its baseline fits.
"""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stream_monitor import CaptureClient, CaptureMiddleware
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.client import draft_of
from stream_monitor.client.event import Resources

FEATURES = ("income", "amount", "age", "region", "employed")

client = CaptureClient(
    os.environ.get("KAFKA", "localhost:9092"), "loan", topic=os.environ.get("CAPTURES", "captures"), producer="loan-service"
)
model = Traffic.seeded(seed=7, events=1).live.service


class Usage:
    """What this process uses: of one core since it was asked last, and of memory now."""

    def __init__(self) -> None:
        self._at_s, self._used_s = time.monotonic(), time.process_time()

    def read(self) -> Resources:
        """One measurement."""
        (at_s, used_s), since = (time.monotonic(), time.process_time()), (self._at_s, self._used_s)
        self._at_s, self._used_s = at_s, used_s
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {"cpu_ratio": min(1.0, (used_s - since[1]) / max(at_s - since[0], 1e-6)), "memory_bytes": pages * os.sysconf("SC_PAGE_SIZE")}


usage = Usage()


async def predict(request: Request) -> Response:
    """What becomes of a loan: `repaid` or `default`, the probability of the former, and the id by which the truth may follow."""
    draft = draft_of(request.scope)
    application = await request.json()
    if set(application) != {*FEATURES, "gender"}:
        return JSONResponse({"error": f"an application has gender, {', '.join(FEATURES)}"}, status_code=422)
    gender = application.pop("gender")  # the model does not see it, the monitor does: how else would bias be found?
    draft.features, draft.metadata = application, {"gender": gender}
    draft.prediction = prediction = model.predict(application, gender)
    draft.resources = usage.read()
    return JSONResponse({"id": draft.event_id, **prediction})


async def label(request: Request) -> Response:
    """The truth, weeks later."""
    truth = await request.json()
    client.label(truth["id"], truth["label"])
    return Response(status_code=204)


async def health(request: Request) -> Response:
    """Whether it serves, and what became of its captures."""
    stats = client.stats
    return JSONResponse({"accepted": stats.accepted, "delivered": stats.delivered, "dropped": stats.dropped, "failed": stats.failed})


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """What is queued is sent before the process ends."""
    async with client:
        yield


app = Starlette(
    routes=[Route("/predict", predict, methods=["POST"]), Route("/label", label, methods=["POST"]), Route("/health", health)],
    middleware=[Middleware(CaptureMiddleware, client=client, paths={"/predict"})],
    lifespan=lifespan,
)
