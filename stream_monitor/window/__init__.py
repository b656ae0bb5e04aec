"""Step 4, when we look: event time is cut into panes, windows are runs of panes, a watermark closes them.

Read `spec` (panes and windows as arithmetic), `progress` (from source positions to a watermark), `windows` (state of one stream).
"""
