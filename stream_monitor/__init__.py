"""Streaming drift detection on Kafka: capture events in; window scores, alerts and metrics out, exactly once per record.

The reading order is the data path, and imports run one way along it:

1. `capture`   what arrives: events as columns, and rejects with a reason
2. `profile`   what we keep: one mergeable summary
3. `baseline`  what is normal: the profile of the training data
4. `window`    when we look: panes, watermarks, windows
5. `detect`    what we conclude: distances, tests, findings
6. `alert`     what we say: alerts with a life
7. `pipeline`  the pure path: `summarise` (phase 1) and `step` (phase 2); knows no Kafka
8. `runtime`   who carries it: the broker interface, Kafka, the in-memory broker, workers
9. `export`    what people see: metrics, health, logs
10. `respond`  what is done: functions about alerts, and what became of them
11. `cli`      one file per command

Before all of them stands `client`, which runs in the inference service: it publishes the captures and uses nothing else of this package.
"""

from stream_monitor.client import CaptureClient, CaptureMiddleware
from stream_monitor.config import Config, load_config
from stream_monitor.errors import StreamMonitorError

__all__ = ["CaptureClient", "CaptureMiddleware", "Config", "StreamMonitorError", "load_config"]
