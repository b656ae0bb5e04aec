"""A config file with its baselines, read and compiled: what `check`, `run` and `replay` begin with."""

from dataclasses import dataclass
from pathlib import Path

from stream_monitor.baseline.store import load_baseline
from stream_monitor.config import Config, load_config
from stream_monitor.errors import BaselineError, ConfigError
from stream_monitor.pipeline.plan import Plan, compile_plan


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config, the bytes of its baselines by the path that it names, and both compiled."""

    config: Config
    baselines: dict[str, bytes]
    plan: Plan


def load(path: Path) -> Loaded:
    """Read and compile. Errors: ConfigError, BaselineError; each names the file."""
    config = load_config(path)
    contents = {name: _read(path.parent / name, path, name) for name in config.baseline_paths()}
    loaded = {name: load_baseline(content, str(path.parent / name)) for name, content in contents.items()}
    shared = config.shared({name: baseline.id for name, baseline in loaded.items()})
    try:
        return Loaded(config, contents, compile_plan(config, shared, loaded))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read(file: Path, config: Path, name: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BaselineError(
            f"{file}: cannot be read: {error.strerror} ({config} names {name!r}; `stream-monitor baseline` makes one)"
        ) from None
