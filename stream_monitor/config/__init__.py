"""`monitor.yaml` as one frozen tree.

Read `section` (what all have), `actions` (what is done about alerts), `tree` (the settings) and `load` (reading, `${VARIABLE}`s, and
what is said of mistakes). What all members must agree on
(`Config.shared`) travels in the log; where Kafka is and what this worker is called does not.
"""

from stream_monitor.config.duration import format_duration, parse_duration
from stream_monitor.config.load import config_id, load_config, parse_config, parse_shared
from stream_monitor.config.tree import Config, Model

__all__ = ["Config", "Model", "config_id", "format_duration", "load_config", "parse_config", "parse_duration", "parse_shared"]
