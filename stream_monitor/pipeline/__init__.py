"""Step 7, the pure path: bytes to profiles (`summarise`), profiles to window scores and alerts (`step`). Nothing here knows Kafka.

Read `plan` (config and baselines made ready), `summarise` (phase 1), `state` and `step` (phase 2), with `joining` (rows and labels) and
`adopt` (a newer config), then `saved` (its state as bytes).
"""
