"""A plan for the benchmarks' event: config and baseline, made as a user makes them."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import events
from stream_monitor.baseline.baseline import Baseline
from stream_monitor.baseline.build import build
from stream_monitor.baseline.options import BuildOptions
from stream_monitor.config import Config, parse_config
from stream_monitor.pipeline.plan import Plan, compile_plan

TRAINING_ROWS = 20_000
BASELINE = "fraud.baseline.json"


def baseline(seed: int = 1) -> Baseline:
    """The baseline of `TRAINING_ROWS` events, quantile bins and all."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "training.jsonl")
        file.write_bytes(b"\n".join(events.values(TRAINING_ROWS, seed)))
        return build([file], BuildOptions(model="fraud")).baseline


def config(window: str, **sections: Any) -> Config:
    """One model, `fraud`, with tumbling windows of this size."""
    model = {"baseline": BASELINE, "task": "binary", "positive_class": "1", "window": {"size": window}}
    return parse_config({"models": {"fraud": model}, **sections}, "benchmark")


def plan(config_: Config, baseline_: Baseline) -> Plan:
    """Both, compiled."""
    return compile_plan(config_, config_.shared({BASELINE: baseline_.id}), {BASELINE: baseline_})
