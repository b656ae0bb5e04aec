"""What a worker's models look like now: kept in memory from what was committed, shown as pages and as JSON."""

from .board import Board
from .site import Site
from .workers import Crew

__all__ = ["Board", "Crew", "Site"]
