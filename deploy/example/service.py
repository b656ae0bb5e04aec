"""An inference service as yours may be: it answers loan applications, and each answer is captured.

`uvicorn service:app` in this folder; KAFKA names the brokers. The model is that of `stream-monitor demo`, so that its baseline fits.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stream_monitor import CaptureClient, CaptureMiddleware
from stream_monitor.cli.demo_traffic import Traffic
from stream_monitor.client import draft_of

FEATURES = ("income", "amount", "age", "region", "employed")

client = CaptureClient(os.environ.get("KAFKA", "localhost:9092"), "loan", topic=os.environ.get("CAPTURES", "captures"))
model = Traffic.seeded(seed=7, events=1).service


async def predict(request: Request) -> Response:
    """What becomes of a loan: `repaid` or `default`, the probability of the former, and the id by which the truth may follow."""
    draft = draft_of(request.scope)
    application = await request.json()
    if set(application) != {*FEATURES, "gender"}:
        return JSONResponse({"error": f"an application has gender, {', '.join(FEATURES)}"}, status_code=422)
    gender = application.pop("gender")  # the model does not see it, the monitor does: how else would bias be found?
    draft.features, draft.metadata = application, {"gender": gender}
    draft.prediction = model.predict(application, gender)
    return JSONResponse({"id": draft.event_id, **draft.prediction})


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
