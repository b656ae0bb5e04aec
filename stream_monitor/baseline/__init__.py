"""Step 3, what is normal: the reference profile of each model.

Read `baseline` and its `column` (the reference), `segments` (parts of the traffic), `joint` (all columns together), `truth` (labels against
predictions), `binning` (edges from training values), `encode` (events on a baseline's bins), `position` (a value's place among them),
`store` (the file: `record` and its parts), then `build` with its `options`, `infer` (what a column is), the two kinds of training data,
`tables` and `events`, and what `training` counts of them: columns, the segments of a `choice`, the `runs` that show what varies by itself,
and the `targets`, of which `task` makes classes and `truth_plan` the truth.
"""
