"""Pages of `docs/reference`, made from what the code declares, so that they cannot go stale."""

from stream_monitor.export.reference.alerts import alerts_page
from stream_monitor.export.reference.events import events_page

__all__ = ["alerts_page", "events_page"]
