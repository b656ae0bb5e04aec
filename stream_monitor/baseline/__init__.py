"""Step 3, what is normal: the reference profile of each model.

Read `baseline` and its `column` (the reference), `binning` (edges from training values), `encode` (events on a baseline's bins),
`position` (a value's place among them), `store` (the file), then `build` with its `options`, `infer` (what a column is) and the two kinds
of training data, `tables` and `events`.
"""
