"""Labels meet their events: rows of both, columnar, by the hash of the event's id.

Read `plan` (how classes, scores and groups are coded), `record` (what phase 1 writes, made by `summarise`), `join` (the rows, and what they
say of each pane; `table` finds them, `pages` saves them), `outcomes` (a unit's panes, and when its windows are told), `labelled` (what that
says: figures, the loss's changes, alerts). `pipeline.labels` makes the plans.
"""
