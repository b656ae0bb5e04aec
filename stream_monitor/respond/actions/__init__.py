"""Ready actions, one file each; `READY` is what `actions:` of the config may `use`."""

from collections.abc import Mapping
from typing import Final

from stream_monitor.respond.ready import ReadyAction

READY: Final[Mapping[str, type[ReadyAction]]] = {}
"""Name -> class. A class that needs an optional dependency imports it where it is called."""
