"""9, what people see: metrics over HTTP and as text, and the log.

Read `catalog` (every metric, declared once), `metrics` (the store of their values), `http` (who serves them), `logs`.
Nothing here knows the workers: the command line carries numbers from them to a `MetricStore`.
"""

from stream_monitor.export.catalog import METRICS, MetricSpec, metrics_page
from stream_monitor.export.http import MetricsServer, serve
from stream_monitor.export.logs import configure_logs
from stream_monitor.export.metrics import MetricStore

__all__ = ["METRICS", "MetricSpec", "MetricStore", "MetricsServer", "configure_logs", "metrics_page", "serve"]
