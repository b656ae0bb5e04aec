"""Moments as milliseconds inside and RFC 3339 outside, as in alerts."""

from stream_monitor.detect.report import ms_of as ms_of
from stream_monitor.detect.report import utc as utc
