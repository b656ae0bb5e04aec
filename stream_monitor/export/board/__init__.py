"""What a worker's models look like now: kept in memory from what was committed, shown as pages and as JSON."""

from .board import Board
from .site import Site

__all__ = ["Board", "Site"]
