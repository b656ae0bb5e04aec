"""Labels meet their events: rows of both, columnar, by the hash of the event's id.

Read `plan` (how classes, scores and groups are coded), `record` (what phase 1 writes, made by `summarise`), `rows` and `join` (what is kept
of each event: in a `store`, where `table` finds rows and `pages` saves them; for how long: `ages`; which, where there are too many:
`sample`), `said` (what rows say of their panes), `outcomes` (a unit's panes, and when its windows are told), `labelled` (what that says:
figures, changes of the loss, alerts). `pipeline.labels` makes the plans.
"""
