"""A run as one HTML file that stands alone: what moved, since when, how sure, in which segment; for the screen and for paper."""

from .page import claim, write_report
from .story import Story

__all__ = ["Story", "claim", "write_report"]
