"""Step 8, who carries it: brokers, topics, the config log, snapshots and workers; nothing here knows statistics.

Read `broker` (the narrow interface), `profile_worker` and `detect_worker` (the two phases on it), `process` (threads and their end).
"""
