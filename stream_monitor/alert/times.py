"""Moments as milliseconds inside and RFC 3339 outside, for those who know alerts and nothing else of the path."""

from stream_monitor.detect.report import ms_of as ms_of
from stream_monitor.detect.report import utc as utc
