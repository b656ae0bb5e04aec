"""For the inference service: `CaptureClient` publishes what the model was asked and what it answered, and never stands in its way."""

from stream_monitor.client.asgi import CaptureMiddleware, Draft, draft_of
from stream_monitor.client.client import CaptureClient, Stats
from stream_monitor.client.event import Prediction, Resources, Value

__all__ = ["CaptureClient", "CaptureMiddleware", "Draft", "Prediction", "Resources", "Stats", "Value", "draft_of"]
